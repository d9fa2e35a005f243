//! What the schemas ask of a field: whether an event must have it, and whether any text may stand in it.
//!
//! Read from the schemas themselves, so that it is true of a field that is new. Deliberately absent: what a rule does to
//! a field (`outbound::mask`), and who is told that it can not (`config`).

use super::under;
use crate::base::schema;
use serde_json::Value;
use std::sync::LazyLock;

/// One field of one type; a map stands as `NAME.*`.
struct Field {
    path: String,
    kind: String,
    required: bool,
    /// Any text may stand in it, in each item of a list, or under each key of a map.
    free: bool,
}

/// A field that stands in the way, and a type that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub path: &'static str,
    pub kind: &'static str,
}

/// What can not be done under a path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// It can not be dropped: an event must have this.
    pub required: Option<Place>,
    /// No other text can stand in its place.
    pub fixed: Option<Place>,
}

/// What a rule for `path` can not do, where rules for `others` decide of what is nearer to them.
pub fn limits(path: &str, others: &[&str]) -> Limits {
    let mut limits = Limits::default();
    for field in FIELDS.iter() {
        let map = field.path.strip_suffix(".*");
        let name = map.unwrap_or(&field.path);
        let place = Place { path: &field.path, kind: &field.kind };
        if map.is_some_and(|map| path != map && under(path, map)) {
            // One key of many: the map can do without it.
            limits.fixed = limits.fixed.or((!field.free).then_some(place));
            continue;
        }
        let nearer = |other: &&str| other.len() > path.len() && under(name, other);
        if !under(name, path) || others.iter().any(nearer) {
            continue;
        }
        if field.required {
            limits.required = limits.required.or_else(|| Some(place.clone()));
        }
        // Of a map as a whole its keys may be hashed, whatever its values are.
        if !field.free && map.is_none() {
            limits.fixed = limits.fixed.or(Some(place));
        }
    }
    limits
}

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let mut fields = Vec::new();
    for name in schema::names() {
        let schema = schema::get(name).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let Some(schema) = schema else { continue };
        let kind = schema.pointer("/properties/type/const").and_then(Value::as_str).unwrap_or(name);
        let Some(data) = schema.pointer("/properties/data") else { continue };
        each(data, "", false, &mut |path, required, free| {
            fields.push(Field { path: path.to_owned(), kind: kind.to_owned(), required, free });
        });
    }
    fields
});

/// Every field that a schema's `data` may hold, but for `raw` and `notification`, which leave whole or not at all, and for
/// `context`, whose members are of the classes they came from: its path, whether it is required, and whether it is free.
pub(super) fn each(schema: &Value, path: &str, required: bool, put: &mut dyn FnMut(&str, bool, bool)) {
    if let Some(items) = schema.get("items") {
        return each(items, path, required, put);
    }
    let word = |name: &str| schema.get(name).and_then(Value::as_str);
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let all = schema.get("required").and_then(Value::as_array);
            for (name, schema) in properties {
                if path.is_empty() && ["raw", "notification", "context"].contains(&name.as_str()) {
                    continue;
                }
                let required = all.is_some_and(|all| all.iter().any(|one| one == name));
                let dot = if path.is_empty() { "" } else { "." };
                each(schema, &format!("{path}{dot}{name}"), required, put);
            }
        }
        None if word("type") == Some("object") => {
            let anything = schema.get("additionalProperties") == Some(&Value::Bool(true));
            put(&format!("{path}.*"), required, anything);
        }
        None => {
            let narrowed = ["enum", "const", "format", "pattern", "maxLength", "minLength"];
            let narrowed = narrowed.iter().any(|word| schema.get(word).is_some());
            put(path, required, word("type") == Some("string") && !narrowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, KEYS_ONLY, TABLE, fits};
    use super::*;

    fn of(path: &str, others: &[&str]) -> (Option<&'static str>, Option<&'static str>) {
        let limits = limits(path, others);
        (limits.required.map(|place| place.path), limits.fixed.map(|place| place.path))
    }

    #[test]
    fn what_an_event_must_have_and_what_is_no_text_is_known() {
        for (path, required, fixed) in [
            ("interactionId", Some("interactionId"), None),
            ("message.index", None, Some("message.index")),
            ("message", None, Some("message.index")),
            ("message.from", None, None),
            ("message.text", None, None),
            ("lifecycle", None, Some("lifecycle")),
            ("supervisorListeningIn", None, Some("supervisorListeningIn")),
            ("capabilities", None, None),
            ("reasons", None, Some("reasons")),
            ("gaps.gapid", Some("gaps.gapid"), None),
            ("userData", None, None),
            ("userData.a.b", None, None),
            ("userDataChanges", None, None),
            ("userDataChanges.a", None, Some("userDataChanges.*")),
            ("differing", Some("differing.*"), None),
            ("differing.chat", None, Some("differing.*")),
        ] {
            assert_eq!(of(path, &[]), (required, fixed), "{path}");
        }
        assert_eq!(of("message", &["message", "message.index", "messages"]), (None, None), "a nearer rule");
        assert_eq!(
            limits("lifecycle", &[]).fixed.unwrap().kind,
            "genesys.gws.facebooksession.status_change.v1"
        );
    }

    #[test]
    fn what_is_personal_is_free_text_and_no_event_needs_it_but_for_agents_keys() {
        for field in FIELDS.iter() {
            let family = TABLE.iter().find(|family| family.types.iter().any(|of| fits(of, &field.kind)));
            let row = family.and_then(|family| family.fields.iter().find(|(path, _)| *path == field.path));
            let map = field.path.strip_suffix(".*");
            if let Some(map) = map {
                assert_eq!(field.free, !KEYS_ONLY.contains(&map), "{}", field.path);
            }
            match row.unwrap().1 {
                Class::Plain => {}
                Class::Pseudonym => assert!(field.free, "{}: {}", field.kind, field.path),
                class => assert!(
                    !field.required && (field.free || map.is_some()),
                    "{}: {} is {class:?}",
                    field.kind,
                    field.path
                ),
            }
        }
    }
}
