//! Which fields of the typed payloads hold personal data, and of what class: the one table behind `privacy`.
//!
//! Every property of every JSON Schema stands in it, or a test fails: a new field has a class before it can leave
//! through a sink that does not take everything. Paths are those in `data`; lists count as what they list, `*` is
//! any key of a map, and then the class is that of keys and values; keys of attached data that GWS is known to use have
//! one of their own (`keys`).
//! Deliberately absent: what is done with a class (see `outbound`), and texts that a person wrote into a plain field.

mod asked;
mod keys;
mod table;

pub use asked::{Limits, Place, limits};
pub use keys::{classes_of_key, is_known_key};
pub use table::TABLE;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What a field says about people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nothing: states, kinds, counts, stamps, ids of interactions and of one taking part in one.
    Plain,
    /// An agent under an opaque key: the roster's, or the id of the agent's device.
    Pseudonym,
    /// Who somebody is: names, user names, nicknames.
    Identity,
    /// How somebody is reached: numbers, addresses.
    Contact,
    /// What was said, and words that people choose freely.
    Content,
    /// Attached data: keys and values of the business.
    Business,
    /// Hosts and addresses of machines.
    Infrastructure,
}

impl Class {
    pub const ALL: [Class; 7] = [
        Class::Plain,
        Class::Pseudonym,
        Class::Identity,
        Class::Contact,
        Class::Content,
        Class::Business,
        Class::Infrastructure,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Plain => "plain",
            Class::Pseudonym => "pseudonym",
            Class::Identity => "identity",
            Class::Contact => "contact",
            Class::Content => "content",
            Class::Business => "business",
            Class::Infrastructure => "infrastructure",
        }
    }

    pub fn parse(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// The payload of one or more types. In a type one `*` is any medium; the first family that fits counts.
pub struct Family {
    pub types: &'static [&'static str],
    pub fields: &'static [(&'static str, Class)],
}

/// What stands at one place of a payload.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    Value(Class),
    /// Any keys, with the class of both keys and values.
    Map(Class),
    /// Any keys, with their class; their values are plain.
    Keys(Class),
    Table(BTreeMap<&'static str, Shape>),
}

/// Maps whose values are words of ours, or counts: what is personal is in their keys alone.
pub const KEYS_ONLY: [&str; 2] = ["userDataChanges", "differing"];

impl Family {
    pub fn shape(&self) -> Shape {
        let mut root = Shape::Table(BTreeMap::new());
        for (path, class) in self.fields {
            root.put(path, *class);
        }
        root
    }
}

impl Shape {
    fn put(&mut self, path: &'static str, class: Class) {
        let Shape::Table(fields) = self else { return };
        match path.split_once('.') {
            None => drop(fields.insert(path, Shape::Value(class))),
            Some((name, "*")) if KEYS_ONLY.contains(&name) => drop(fields.insert(name, Shape::Keys(class))),
            Some((name, "*")) => drop(fields.insert(name, Shape::Map(class))),
            Some((name, rest)) => {
                fields.entry(name).or_insert_with(|| Shape::Table(BTreeMap::new())).put(rest, class);
            }
        }
    }
}

/// Whether an event's type is one of a family's.
pub fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == kind,
        Some((before, after)) => kind
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|medium| !medium.is_empty() && !medium.contains('.')),
    }
}

/// Every path in the table.
pub fn paths() -> &'static BTreeSet<&'static str> {
    static PATHS: LazyLock<BTreeSet<&'static str>> =
        LazyLock::new(|| TABLE.iter().flat_map(|family| family.fields).map(|(path, _)| *path).collect());
    &PATHS
}

/// Whether `path` names a field, a table of fields, or a key of a map, in some payload.
pub fn is_path(path: &str) -> bool {
    paths().iter().any(|known| match known.strip_suffix("*") {
        Some(map) => path.strip_prefix(map).is_some_and(|key| !key.is_empty()) || under(known, path),
        None => *known == path || under(known, path),
    })
}

/// Whether `path` lies under `table`, or is it.
pub fn under(path: &str, table: &str) -> bool {
    path.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::schema;
    use serde_json::Value;

    #[test]
    fn every_property_of_every_schema_has_a_class_and_back() {
        let mut wrong = Vec::new();
        let mut unused: BTreeSet<(usize, &str)> = BTreeSet::new();
        for (nth, family) in TABLE.iter().enumerate() {
            unused.extend(family.fields.iter().map(|(path, _)| (nth, *path)));
        }
        for name in schema::names() {
            let schema: Value = serde_json::from_str(&schema::get(name).unwrap()).unwrap();
            let kind = schema["properties"]["type"]["const"].as_str().unwrap();
            let family = TABLE.iter().position(|family| family.types.iter().any(|of| fits(of, kind)));
            let mut paths: BTreeSet<String> = BTreeSet::new();
            asked::each(&schema["properties"]["data"], "", false, &mut |path, _, _| {
                paths.insert(path.to_owned());
            });
            for path in paths {
                let known = family.and_then(|nth| Some((nth, TABLE.get(nth)?)));
                let row = known.and_then(|(nth, family)| {
                    family.fields.iter().find(|(of, _)| *of == path).map(|(of, _)| (nth, *of))
                });
                match row {
                    Some(row) => drop(unused.remove(&row)),
                    None => wrong.push(format!("{kind}: {path} has no class in base/classes/table.rs")),
                }
            }
        }
        wrong.extend(
            unused.iter().map(|(nth, path)| format!("{:?}: no schema has {path}", TABLE[*nth].types)),
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn rules_can_name_fields_tables_and_keys_of_maps_and_nothing_else() {
        for path in ["message.text", "message.from", "message", "userData", "userData.a.b", "agent"] {
            assert!(is_path(path), "{path}");
        }
        for path in ["", "message.tex", "userData.", "messag", "message.text.more", "raw", "from.nickname"] {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn a_pattern_stands_for_one_medium() {
        assert!(fits("genesys.gws.*.message.v1", "genesys.gws.chat.message.v1"));
        for kind in ["genesys.gws.chat.message.v2", "genesys.gws.message.v1", "genesys.gws.a.b.message.v1"] {
            assert!(!fits("genesys.gws.*.message.v1", kind), "{kind}");
        }
    }
}
