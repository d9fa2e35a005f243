//! Takes out the text of `TypingStarted` items: what somebody typed and may never send must not reach the disk.
//!
//! It looks through the whole notification, not only where a log is expected, so that the text does not slip by
//! in a notification that is not understood. What holds no such item is left as it came, byte for byte.
//! Deliberately absent: the decision whether to do it (`[site.X.collect] typing_text`).

use super::fields::{object, string};
use crate::base::encode::Members;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Items stand at depth 2; deeper than this nothing is looked at, so that nesting costs bounded work.
const MAX_DEPTH: usize = 16;

const KIND: &str = "TypingStarted";

/// The same JSON without typed text; `None` where there is none to take out.
pub(super) fn without_text(json: &RawValue) -> Option<Box<RawValue>> {
    without(json, 0)
}

fn without(json: &RawValue, depth: usize) -> Option<Box<RawValue>> {
    if depth >= MAX_DEPTH || !may_hold(json.get()) {
        return None;
    }
    match json.get().as_bytes().first() {
        Some(b'{') => without_in_object(serde_json::from_str::<Members<'_>>(json.get()).ok()?.0, depth),
        Some(b'[') => without_in_list(&serde_json::from_str::<Vec<&RawValue>>(json.get()).ok()?, depth),
        _ => None,
    }
}

fn without_in_object(mut members: Vec<(Cow<'_, str>, &RawValue)>, depth: usize) -> Option<Box<RawValue>> {
    let typing = members.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("type")
            && string(value).is_some_and(|kind| kind.trim().eq_ignore_ascii_case(KIND))
    });
    let before = members.len();
    members.retain(|(name, _)| !(typing && name.eq_ignore_ascii_case("text")));
    let below: Vec<_> = members.iter().map(|(_, value)| without(value, depth + 1)).collect();
    if members.len() == before && below.iter().all(Option::is_none) {
        return None;
    }
    let kept =
        members.iter().zip(&below).map(|((name, value), new)| (&**name, new.as_deref().unwrap_or(value)));
    Some(object(kept))
}

fn without_in_list(items: &[&RawValue], depth: usize) -> Option<Box<RawValue>> {
    let below: Vec<_> = items.iter().map(|item| without(item, depth + 1)).collect();
    if below.iter().all(Option::is_none) {
        return None;
    }
    let kept: Vec<&RawValue> =
        items.iter().zip(&below).map(|(item, new)| new.as_deref().unwrap_or(item)).collect();
    Some(super::fields::raw(&kept))
}

/// Cheap and sure in one direction: without the word, and without an escape that could hide it, there is no item.
fn may_hold(text: &str) -> bool {
    let word = |at: usize| text.as_bytes().get(at..at.checked_add(KIND.len())?);
    // Its second letter is seldom, its first is not.
    let holds = |second: char| {
        let mut found = text.match_indices(second).filter_map(|(at, _)| word(at.checked_sub(1)?));
        found.any(|word| word.eq_ignore_ascii_case(KIND.as_bytes()))
    };
    text.contains("\\u") || holds('y') || holds('Y')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(text: &str) -> Option<String> {
        let json = RawValue::from_string(text.to_owned()).unwrap();
        without_text(&json).map(|new| new.get().to_owned())
    }

    #[test]
    fn the_text_goes_and_every_other_byte_of_the_item_stays() {
        assert_eq!(
            strip(r#"{"n":1.50,"messages":[{"index":4, "type":"TypingStarted","text":"dear s","x":{"a" : 1}},{"type":"Text" , "text":"hello"}]}"#).unwrap(),
            r#"{"n":1.50,"messages":[{"index":4,"type":"TypingStarted","x":{"a" : 1}},{"type":"Text" , "text":"hello"}]}"#
        );
    }

    #[test]
    fn no_spelling_of_the_type_hides_it() {
        for text in [
            r#"{"type":" typingstarted ","text":"secret"}"#,
            r#"{"type":"\u0054ypingStarted","text":"secret"}"#,
            r#"{"Type":"TypingStarted","TEXT":"secret","text":"secret"}"#,
            r#"{"type":"Text","type":"TypingStarted","text":"secret"}"#,
            r#"{"text":"secret","type":"TypingStarted"}"#,
        ] {
            assert!(!strip(text).unwrap().contains("secret"), "{text}");
        }
    }

    #[test]
    fn what_holds_no_typed_text_is_not_touched() {
        assert_eq!(strip(r#"{"messages":[{"type":"TypingStarted"}]}"#), None);
        assert_eq!(strip(r#"{"messages":[{"type":"Text","text":"TypingStarted"}]}"#), None);
        assert_eq!(strip(r#""TypingStarted""#), None);
    }
}
