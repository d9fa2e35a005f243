//! What is left of one value: hashed, masked, cut short; and of an id.
//!
//! Deliberately absent: which value gets what (see `plan`).

use crate::base::digest::key_for;
use crate::base::ids;
use crate::outbound::settings::Action;
use aws_lc_rs::hmac;
use serde_json::value::RawValue;
use std::fmt::Write;

/// Bytes of a hash that are kept: enough that two values never share one.
const KEPT: usize = 16;
/// Characters that stay readable at the end of what is masked, of values at least twice as long.
const READABLE: usize = 4;

pub struct Hider {
    /// The operator's. Without one nothing is hashed, and what should be is dropped.
    key: Option<hmac::Key>,
    /// Always there, and no receiver has it.
    ids: hmac::Key,
    /// Whether agents' keys are hashed.
    agents: bool,
}

impl Hider {
    /// `secret` is the journal's own: without a key of the operator's, ids that say something are hashed under it.
    pub fn new(key: Option<hmac::Key>, secret: &[u8; 32], agents: bool) -> Hider {
        let ids = key.clone().unwrap_or_else(|| key_for("ids that leave", secret));
        Hider { key, ids, agents }
    }

    /// Whether there is a key of the operator's.
    pub fn hashes(&self) -> bool {
        self.key.is_some()
    }

    /// The first 128 bits of an HMAC-SHA-256, in hex: no dot, no slash, the same for the same text everywhere.
    pub fn hash(&self, text: &str) -> String {
        self.key.as_ref().map(|key| hashed(key, text, KEPT)).unwrap_or_default()
    }

    /// An id that names an agent who is hashed, or that is made of content in a way that anybody could try, as the same
    /// hash wherever it stands; any other as it is.
    pub fn id(&self, id: &str) -> String {
        if ids::is_of_content(id) || (self.agents && ids::names_an_agent(id)) {
            let realm = id.split('/').next().unwrap_or_default();
            return format!("{realm}/{}", hashed(&self.ids, id, KEPT));
        }
        id.to_owned()
    }

    /// Clients choose it freely; GWS documents an integer.
    pub fn reference(&self, id: &str) -> String {
        if id.parse::<i64>().is_ok() { id.to_owned() } else { hashed(&self.ids, id, KEPT) }
    }

    /// In the place of a digest that anybody could try: of the same length.
    pub fn digest(&self, text: &str) -> String {
        hashed(&self.ids, text, usize::MAX)
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
            (_, Action::Hash) => self.key.as_ref().and_then(|_| quoted(&self.hash(&text_of(json)?))),
            (_, Action::Mask) => quoted(&masked(&text_of(json)?)),
            (_, Action::Truncate(length)) => quoted(&text_of(json)?.chars().take(length).collect::<String>()),
        }
    }
}

fn hashed(key: &hmac::Key, text: &str, bytes: usize) -> String {
    let tag = hmac::sign(key, text.as_bytes());
    tag.as_ref().iter().take(bytes).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
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
        Hider::new(Some(hmac::Key::new(hmac::HMAC_SHA256, b"Jefe")), &[0; 32], false)
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
        assert_eq!(Hider::new(None, &[0; 32], false).value("\"a\"", Action::Hash, false), None);
    }

    #[test]
    fn a_reference_that_is_no_integer_is_hashed_with_or_without_a_key() {
        for hider in [hider(), Hider::new(None, &[0; 32], false)] {
            assert_eq!(hider.reference("17"), "17");
            assert_eq!(hider.reference("-1"), "-1");
            for free in ["Ann Lee", "17a", "4930555778899004930555778899", ""] {
                let left = hider.reference(free);
                assert_eq!((left.len(), left == hider.reference(free)), (2 * KEPT, true), "{free}: {left}");
            }
            assert_eq!(hider.digest("ab").len(), 64);
        }
    }
}
