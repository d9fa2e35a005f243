//! Values that events of an interaction carry along from earlier ones (`data.context`): which paths there are, what an
//! event says of each, and how they are written.
//!
//! Pure. Deliberately absent: what is known of an interaction (`inbound::dedup`), and who may have it (`outbound::mask`).

use super::classes::TABLE;
use super::encode::Members;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::LazyLock;

/// The longest JSON of a value that is kept, in bytes.
pub const MAX_VALUE: usize = 1024;

/// Types whose fields are those of an interaction's state.
const STATES: [&str; 2] = ["genesys.gws.call.status_change.v1", "genesys.gws.*.status_change.v1"];
/// Says which interaction it is; the envelope's attribute does so too.
const INTERACTION: &str = "interactionId";
/// What became of keys in one notification; no value that lasts.
const CHANGES: &str = "userDataChanges.*";
/// An interaction has all of it in each notification that has any: what is not in it is gone.
const WHOLE: &str = "userData";

/// What can be carried along: the fields of an interaction's state that have one value, and `NAME.*` for keys of a map.
pub fn fields() -> &'static BTreeSet<&'static str> {
    static FIELDS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let states = TABLE.iter().filter(|family| family.types.iter().any(|kind| STATES.contains(kind)));
        let fields = states.flat_map(|family| family.fields).map(|(path, _)| *path);
        fields
            .filter(|path| {
                ![INTERACTION, CHANGES].contains(path) && (!path.contains('.') || path.ends_with(".*"))
            })
            .collect()
    });
    &FIELDS
}

/// Whether it names one of [`fields`], or a key of such a map: all behind the first dot is the key.
pub fn is_path(path: &str) -> bool {
    match split(path) {
        (name, None) => fields().contains(name),
        (map, Some(key)) => !["", "*"].contains(&key) && fields().contains(format!("{map}.*").as_str()),
    }
}

/// The field of `data`, and the key where it is a map.
pub fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(map, key)| (map, Some(key)))
}

/// What an event says of a value.
#[derive(Clone, Copy, Debug)]
pub enum Says<'a> {
    Value(&'a RawValue),
    /// It is no longer known: it is not among all there are, or too long.
    Gone,
    Nothing,
}

/// What the data of an event says under each of these paths.
pub fn says<'a, 'p>(data: &'a RawValue, paths: &'p [String]) -> Vec<(&'p str, Says<'a>)> {
    let top = members(data);
    let mut maps: BTreeMap<&str, Option<Members<'a>>> = BTreeMap::new();
    let mut of = |path: &'p str| {
        let (name, key) = split(path);
        let Some(json) = last(&top, name) else { return Says::Nothing };
        let Some(key) = key else { return kept(json) };
        let map = maps.entry(name).or_insert_with(|| members(json));
        match last(map, key) {
            Some(value) => kept(value),
            None if name == WHOLE && map.is_some() => Says::Gone,
            None => Says::Nothing,
        }
    };
    paths.iter().map(|path| (path.as_str(), of(path))).collect()
}

fn members(json: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(json.get()).ok()
}

/// The last of that name counts; `null` is no value.
fn last<'a>(members: &Option<Members<'a>>, name: &str) -> Option<&'a RawValue> {
    let found = members.as_ref()?.0.iter().rev().find(|(of, _)| of == name);
    found.map(|(_, value)| *value).filter(|value| value.get() != "null")
}

fn kept(json: &RawValue) -> Says<'_> {
    if json.get().len() > MAX_VALUE { Says::Gone } else { Says::Value(json) }
}

/// One member as it is read back.
#[derive(serde::Deserialize)]
pub struct Member<'a> {
    #[serde(borrow)]
    pub value: &'a RawValue,
    #[serde(borrow)]
    pub id: Cow<'a, str>,
}

/// The members of a context: path, JSON of the value, id. None where there are none.
pub fn object<'m>(
    members: impl Iterator<Item = (&'m str, Cow<'m, str>, Cow<'m, str>)>,
) -> Option<Box<RawValue>> {
    let mut out = String::new();
    for (path, value, id) in members {
        let open = if out.is_empty() { '{' } else { ',' };
        let (path, id) = (serde_json::to_string(path).ok()?, serde_json::to_string(&id).ok()?);
        // Writing to a String can not fail.
        let _ = write!(out, "{open}{path}:{{\"value\":{value},\"id\":{id}}}");
    }
    if out.is_empty() {
        return None;
    }
    out.push('}');
    RawValue::from_string(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(data: &str, path: &str) -> String {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        match says(&data, &[path.to_owned()]).as_slice() {
            [(_, Says::Value(json))] => json.get().to_owned(),
            [(_, Says::Gone)] => "gone".to_owned(),
            _ => "nothing".to_owned(),
        }
    }

    #[test]
    fn single_values_of_an_interactions_state_and_keys_of_its_maps_are_paths() {
        for path in ["state", "ani", "dnis", "userData.ContactId", "userData.a.b", "extensions.X", "comment"]
        {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "",
            "interactionId",
            "userData",
            "userData.",
            "userData.*",
            "data.userData.X",
            "message.text",
            "participants",
            "participants.nickname",
            "userState.state",
            "customFields.X",
            "state.x",
        ] {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn a_value_is_taken_as_it_stands_and_is_gone_only_where_all_of_them_are_told() {
        let data = r#"{"state":"Chatting","dnis":null,"userData":{"a.b":{"n":1.50},"x":null,"y":1,"y":2}}"#;
        for (path, expected) in [
            ("state", "\"Chatting\""),
            ("userData.a.b", "{\"n\":1.50}"),
            ("userData.y", "2"),
            ("userData.x", "gone"),
            ("userData.other", "gone"),
            ("dnis", "nothing"),
            ("ani", "nothing"),
            ("extensions.X", "nothing"),
        ] {
            assert_eq!(said(data, path), expected, "{path}");
        }
        assert_eq!(
            said(r#"{"extensions":{}}"#, "extensions.X"),
            "nothing",
            "these belong to one notification"
        );
        for odd in ["[]", "{}", r#"{"userData":[]}"#, r#"{"userData":"a"}"#, r#"{"message":{}}"#] {
            assert_eq!(said(odd, "userData.a"), "nothing", "{odd}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let of = |length: usize| {
            said(&format!(r#"{{"userData":{{"a":"{}"}}}}"#, "x".repeat(length)), "userData.a")
        };
        assert_eq!(of(MAX_VALUE - 2).len(), MAX_VALUE);
        assert_eq!(of(MAX_VALUE - 1), "gone");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let members = [("a\"b", "1.50", "x"), ("c", "{\"d\":[]}", "y;revision=2")];
        let text = object(members.iter().map(|(a, b, c)| (*a, (*b).into(), (*c).into()))).unwrap();
        assert_eq!(
            text.get(),
            r#"{"a\"b":{"value":1.50,"id":"x"},"c":{"value":{"d":[]},"id":"y;revision=2"}}"#
        );
        let read: Members<'_> = serde_json::from_str(text.get()).unwrap();
        let member: Member<'_> = serde_json::from_str(read.0[0].1.get()).unwrap();
        assert_eq!((member.value.get(), &*member.id), ("1.50", "x"));
        assert!(object(std::iter::empty()).is_none());
    }
}
