//! Tolerant reading of a JSON object: members by name whatever their case, values untouched until asked for.
//!
//! Nothing here fails a notification: a member of an unexpected shape reads as absent, and stays in `raw`.
//! Every read is flat (a value's inside is skipped, not descended into), so nesting costs no stack.
//! Deliberately absent: any knowledge of GWS's names.

use crate::base::encode::Members;
use crate::base::words::is_no_id;
use serde::Serialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Longest word a sender may put into an attribute, an id or a key, in bytes.
const MAX_WORD: usize = 256;
/// Deepest free data taken into the typed part.
const MAX_FREE_DEPTH: usize = 64;
/// Longest list whose items are looked at: an item of two bytes becomes an event of two thousand.
pub(in crate::inbound) const MAX_ITEMS: usize = 10_000;

/// The members of one object, in the sender's order.
pub(in crate::inbound) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The members of `json`, where it is an object whose names can be read.
    pub(in crate::inbound) fn of(json: &'a RawValue) -> Option<Fields<'a>> {
        if !json.get().starts_with('{') {
            return None;
        }
        serde_json::from_str::<Members<'a>>(json.get()).ok().map(|members| Fields(members.0))
    }

    pub(in crate::inbound) fn none() -> Fields<'a> {
        Fields(Vec::new())
    }

    /// The value of `name`: as spelled, else in another case; the last one where it stands twice. `null` is absent.
    pub(in crate::inbound) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let exact = self.0.iter().rev().find(|(key, _)| key == name);
        exact
            .or_else(|| self.0.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| *value)
            .filter(|value| value.get() != "null")
    }

    /// Every value of `name` in any case: a repeated member must not hide what stands in the first.
    pub(in crate::inbound) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a RawValue> + 's {
        self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// A member that is a string, as it is.
    pub(in crate::inbound) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(string)
    }

    /// A member that is a string or an integer, trimmed; absent where it is blank.
    pub(in crate::inbound) fn word(&self, name: &str) -> Option<String> {
        self.get(name).and_then(word)
    }

    /// A member that can be an id: a word of bounded length that does not say that there is none.
    pub(in crate::inbound) fn id(&self, name: &str) -> Option<String> {
        fit(self.word(name)).filter(|id| !is_no_id(id))
    }

    /// A member that is a word or a number of any form.
    pub(in crate::inbound) fn numeral(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|value| word(value).or_else(|| number(value)))
    }

    /// A member that is `true` or `false`.
    pub(in crate::inbound) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(|value| value.get().parse().ok())
    }

    /// A member that is an object of the site's own keys, on one line and with its numbers as they came; nothing for
    /// one nested so deep that nobody should descend into it (it stays in `raw`).
    pub(in crate::inbound) fn free(&self, name: &str) -> Option<Box<RawValue>> {
        self.get(name).filter(|json| json.get().starts_with('{') && depth_fits(json.get())).map(compact)
    }

    /// The members whose names end with `suffix` in any case: the part of the name before it, and the value.
    pub(in crate::inbound) fn ending<'s>(
        &'s self,
        suffix: &'s str,
    ) -> impl Iterator<Item = (&'s str, &'a RawValue)> + 's {
        self.0.iter().filter_map(move |(name, value)| {
            let (stem, end) = name.split_at_checked(name.len().checked_sub(suffix.len())?)?;
            end.eq_ignore_ascii_case(suffix).then_some((stem, *value))
        })
    }

    /// The members that are objects, but for those called so in any case.
    pub(in crate::inbound) fn objects(&self, but: &[&str]) -> impl Iterator<Item = Fields<'a>> {
        let is_left = |name: &str| !but.iter().any(|other| other.eq_ignore_ascii_case(name));
        self.0.iter().filter(move |(name, _)| is_left(name)).filter_map(|(_, value)| Fields::of(value))
    }

    /// Whether a member's name begins so, in any case.
    pub(in crate::inbound) fn any_begins(&self, prefix: &str) -> bool {
        let begins =
            |name: &str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
        self.0.iter().any(|(name, _)| begins(name))
    }

    /// A member that is a list of strings, as [`each`] reads it.
    pub(in crate::inbound) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.get(name).filter(|list| list.get().starts_with('[')).and_then(|list| each(list, string))
    }

    /// The object without the members called `name`, the other values untouched.
    pub(in crate::inbound) fn without(&self, name: &str) -> Box<RawValue> {
        object(
            self.0
                .iter()
                .filter(|(key, _)| !key.eq_ignore_ascii_case(name))
                .map(|(key, value)| (&**key, *value)),
        )
    }
}

/// The items of a list, or an object taken as a list of one; nothing else is a list, and no list is longer than
/// [`MAX_ITEMS`].
pub(in crate::inbound) fn items(json: &RawValue) -> Option<Vec<&RawValue>> {
    match json.get().as_bytes().first() {
        Some(b'[') if !is_long(json) => serde_json::from_str(json.get()).ok(),
        Some(b'{') => Some(vec![json]),
        _ => None,
    }
}

/// What can be read of a list's items. One of which nothing can is no list: an empty one would say that nothing is there.
pub(in crate::inbound) fn each<T>(
    list: &RawValue,
    read: impl FnMut(&RawValue) -> Option<T>,
) -> Option<Vec<T>> {
    let all = items(list)?;
    let none = all.is_empty();
    let found: Vec<T> = all.into_iter().filter_map(read).collect();
    (none || !found.is_empty()).then_some(found)
}

/// Whether a list has more than [`MAX_ITEMS`]; what is short in bytes is not counted.
fn is_long(json: &RawValue) -> bool {
    json.get().len() > 2 * MAX_ITEMS && length(json) > MAX_ITEMS
}

/// How many items a list has; zero for what is none. Takes no memory, however many there are.
pub(in crate::inbound) fn length(json: &RawValue) -> usize {
    struct Count;
    impl<'de> Visitor<'de> for Count {
        type Value = usize;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<usize, A::Error> {
            let mut count = 0;
            while items.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }
    serde_json::Deserializer::from_str(json.get()).deserialize_seq(Count).unwrap_or_default()
}

/// Only what is written as an integer counts: neither `1.0` nor `"1"`.
pub(in crate::inbound) fn integer(json: &RawValue) -> Option<i64> {
    json.get().parse().ok()
}

pub(in crate::inbound) fn string(json: &RawValue) -> Option<String> {
    if !json.get().starts_with('"') {
        return None;
    }
    serde_json::from_str(json.get()).ok()
}

/// A string or an integer as trimmed text; absent where it is blank.
pub(in crate::inbound) fn word(json: &RawValue) -> Option<String> {
    let text = match string(json) {
        Some(text) if text.trim().len() == text.len() => text,
        Some(text) => text.trim().to_owned(),
        None if json.get().bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) => json.get().to_owned(),
        None => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A number as it is written, but for a fraction of zeros: `5.0` is 5.
fn number(json: &RawValue) -> Option<String> {
    let token = json.get();
    let whole = token.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'));
    let first = token.bytes().next()?;
    (first == b'-' || first.is_ascii_digit()).then(|| whole.map_or(token, |(whole, _)| whole).to_owned())
}

/// What may stand in an attribute, an id or a key: of bounded length and without control characters.
pub(in crate::inbound) fn fit(text: Option<String>) -> Option<String> {
    text.filter(|text| text.len() <= MAX_WORD && !text.chars().any(char::is_control))
}

/// Writes an object from members whose values are taken over byte for byte.
pub(in crate::inbound) fn object<'m>(
    members: impl Iterator<Item = (&'m str, &'m RawValue)>,
) -> Box<RawValue> {
    let mut out = String::from("{");
    for (name, value) in members {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(raw(name).get());
        out.push(':');
        out.push_str(value.get());
    }
    out.push('}');
    RawValue::from_string(out).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The same JSON without white space between its tokens, for `data`: it is ours, and one line.
pub(in crate::inbound) fn compact(json: &RawValue) -> Box<RawValue> {
    let (mut in_string, mut escaped) = (false, false);
    let kept = json.get().chars().filter(|c| {
        let blank = !in_string && c.is_ascii_whitespace();
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        !blank
    });
    RawValue::from_string(kept.collect()).unwrap_or_else(|_| json.to_owned())
}

fn depth_fits(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_FREE_DEPTH {
            return false;
        }
    }
    true
}

/// JSON of our own types. They hold strings and lists only, which always serialise; `null` stands for the impossible.
pub(in crate::inbound) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn names_are_found_in_any_case_and_the_exact_spelling_wins() {
        let data = json(r#"{"ID":"folded","id":"exact","MessageType":" X "}"#);
        let fields = Fields::of(&data).unwrap();
        assert_eq!(fields.word("id").unwrap(), "exact");
        assert_eq!(fields.word("messageType").unwrap(), "X");
        assert!(fields.get("absent").is_none());
    }

    #[test]
    fn only_an_integer_token_is_an_integer() {
        assert_eq!(integer(&json("5")), Some(5));
        assert_eq!(integer(&json("-1")), Some(-1));
        for text in ["1.0", "\"5\"", "1e3", "null", "99999999999999999999"] {
            assert_eq!(integer(&json(text)), None, "{text}");
        }
    }

    #[test]
    fn a_word_is_a_string_or_an_integer_of_any_length() {
        assert_eq!(word(&json("\" 17 \"")).as_deref(), Some("17"));
        assert_eq!(word(&json("12345678901234567890123")).as_deref(), Some("12345678901234567890123"));
        for text in ["1.5", "true", "{}", "\"  \"", "\"\\ud800\""] {
            assert_eq!(word(&json(text)), None, "{text}");
        }
    }

    #[test]
    fn a_numeral_is_a_word_or_a_number_in_any_form() {
        let data = json(r#"{"a":5.0,"b":-5.50,"c":" x ","d":7,"e":1e3,"f":true,"g":{},"h":-0.000}"#);
        let fields = Fields::of(&data).unwrap();
        let all = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| fields.numeral(name));
        let as_text = ["5", "-5.50", "x", "7", "1e3", "", "", "-0"];
        assert_eq!(all.map(Option::unwrap_or_default), as_text);
    }

    #[test]
    fn what_says_that_there_is_no_id_is_none() {
        let data = json(r#"{"a":"null","b":" Undefined ","c":"nullable","d":17,"e":null}"#);
        let fields = Fields::of(&data).unwrap();
        let all = ["a", "b", "c", "d", "e"].map(|name| fields.id(name));
        assert_eq!(all.map(Option::unwrap_or_default), ["", "", "nullable", "17", ""]);
    }

    #[test]
    fn a_list_of_which_nothing_can_be_read_is_absent_and_an_empty_one_is_empty() {
        let data = json(r#"{"a":["x",5],"b":[],"c":[5,null],"d":"x","e":{}}"#);
        let fields = Fields::of(&data).unwrap();
        assert_eq!(fields.texts("a").unwrap(), ["x"]);
        assert!(fields.texts("b").unwrap().is_empty());
        assert!(["c", "d", "e"].iter().all(|name| fields.texts(name).is_none()));
    }

    #[test]
    fn the_rest_of_an_object_keeps_its_values_byte_for_byte() {
        let data =
            json(r#"{"a": 1.000, "messages":[1], "b":{"x" : 12345678901234567890123}, "Messages":[2]}"#);
        let fields = Fields::of(&data).unwrap();
        assert_eq!(fields.without("messages").get(), r#"{"a":1.000,"b":{"x" : 12345678901234567890123}}"#);
        assert_eq!(fields.all("messages").count(), 2);
    }

    #[test]
    fn compact_json_differs_in_white_space_between_tokens_only() {
        let data = json("{ \"a b\" :\n[ 1.50 , \"x \\\" y\" ],\t\"c\":\"\\\\\" }");
        assert_eq!(compact(&data).get(), r#"{"a b":[1.50,"x \" y"],"c":"\\"}"#);
    }

    #[test]
    fn free_data_nested_beyond_reason_is_left_to_raw() {
        assert!(depth_fits(r#"{"a":"[[[{{{\"","b":[{}]}"#));
        assert!(!depth_fits(&format!("{}{}", "[".repeat(65), "]".repeat(65))));
    }

    #[test]
    fn members_are_found_by_the_end_of_their_names() {
        let data = json(r#"{"emailStateResourceV2":1,"X":2,"chatstateresourcev2":3,"é":4}"#);
        let fields = Fields::of(&data).unwrap();
        let found: Vec<&str> = fields.ending("StateResourceV2").map(|(stem, _)| stem).collect();
        assert_eq!(found, ["email", "chat"]);
    }

    #[test]
    fn words_for_attributes_are_bounded_and_without_control_characters() {
        assert_eq!(fit(Some("All".into())).as_deref(), Some("All"));
        assert_eq!(fit(Some("a\nb".into())), None);
        assert_eq!(fit(Some("x".repeat(MAX_WORD + 1))), None);
    }
}
