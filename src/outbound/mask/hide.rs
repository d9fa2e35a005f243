//! What is left of one value: hashed, masked, cut short; and of an id.
//!
//! Deliberately absent: which value gets what (see `plan`).

use crate::base::envelope::event;
use crate::outbound::settings::Action;
use aws_lc_rs::hmac;
use serde_json::value::RawValue;
use std::fmt::Write;

/// Bytes of a hash that are kept: enough that two values never share one.
const KEPT: usize = 16;
/// Characters that stay readable at the end of what is masked, of values at least twice as long.
const READABLE: usize = 4;

/// Hashes under the operator's key. Without one nothing is hashed, and what should be is dropped.
pub struct Hider(pub Option<hmac::Key>);

impl Hider {
    /// The first 128 bits of an HMAC-SHA-256, in hex: no dot, no slash, the same for the same text everywhere.
    pub fn hash(&self, text: &str) -> String {
        let Some(key) = &self.0 else { return String::new() };
        let tag = hmac::sign(key, text.as_bytes());
        tag.as_ref().iter().take(KEPT).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// `<realm>/<medium>/<interaction>/messages/<index>` and UUIDs say nothing of an agent; other ids name one, or are
    /// made from one in a way that anybody could try.
    pub fn id(&self, id: &str) -> String {
        let parts: Vec<&str> = id.split('/').collect();
        match parts.as_slice() {
            [_] | [_, _, _, "messages", _] => id.to_owned(),
            [_, _, _, last] if last.split(';').next() == Some(event::TRANSCRIPT) => id.to_owned(),
            [realm, ..] => format!("{realm}/{}", self.hash(id)),
            [] => String::new(),
        }
    }

    /// The value as it may leave, if anything of it may; of lists each item, of tables only the hash of all.
    pub fn value(&self, json: &str, action: Action, tables: bool) -> Option<String> {
        match (json.as_bytes().first()?, action) {
            (_, Action::Drop) => None,
            (b'n', _) => None,
            (b'[', _) => {
                let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                let left = items.iter().filter_map(|item| self.value(item.get(), action, tables));
                Some(format!("[{}]", left.collect::<Vec<_>>().join(",")))
            }
            (b'{', Action::Keep) => tables.then(|| json.to_owned()),
            (b'{', Action::Mask | Action::Truncate(_)) => None,
            (_, Action::Keep) => Some(json.to_owned()),
            (_, Action::Hash) => self.0.as_ref().and_then(|_| quoted(&self.hash(&text_of(json)?))),
            (_, Action::Mask) => quoted(&masked(&text_of(json)?)),
            (_, Action::Truncate(length)) => quoted(&text_of(json)?.chars().take(length).collect::<String>()),
        }
    }
}

/// The text of a text; of anything else the JSON that it is.
fn text_of(json: &str) -> Option<String> {
    if json.starts_with('"') { serde_json::from_str(json).ok() } else { Some(json.to_owned()) }
}

pub fn quoted(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}

fn masked(text: &str) -> String {
    let length = text.chars().count();
    let readable = if length >= 2 * READABLE { READABLE } else { 0 };
    let hidden = length - readable;
    "*".repeat(hidden) + &text.chars().skip(hidden).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hider() -> Hider {
        Hider(Some(hmac::Key::new(hmac::HMAC_SHA256, b"Jefe")))
    }

    #[test]
    fn a_hash_is_the_hmac_that_any_tool_gives() {
        // RFC 4231, case 2.
        let hash = hider().hash("what do ya want for nothing?");
        assert_eq!(hash, "5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn each_action_leaves_what_it_says() {
        let of = |json: &str, action| hider().value(json, action, false);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(r#""+4930555778""#, Action::Mask), some(r#""*******5778""#));
        assert_eq!(of(r#""555778""#, Action::Mask), some(r#""******""#), "too short to show a part of it");
        assert_eq!(of("4930555778", Action::Mask), some(r#""******5778""#));
        assert_eq!(of(r#""äöü\n""#, Action::Truncate(2)), some(r#""äö""#));
        assert_eq!(of("12.50", Action::Keep), some("12.50"), "numbers are not written anew");
        assert_eq!(of(r#"["a",null,"b"]"#, Action::Keep), some(r#"["a","b"]"#));
        for action in [Action::Keep, Action::Mask, Action::Truncate(5), Action::Drop] {
            assert_eq!(of(r#"{"a":"b"}"#, action), None, "{action:?}");
        }
        assert_eq!(hider().value(r#"{"a":"b"}"#, Action::Keep, true), some(r#"{"a":"b"}"#));
        assert_eq!(of("null", Action::Hash), None);
        assert_eq!(Hider(None).value("\"a\"", Action::Hash, false), None);
    }
}
