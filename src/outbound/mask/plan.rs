//! The table of classes and a sink's policy put together: for each type what becomes of each field.
//!
//! It is an allow-list: what has no place in the plan does not leave. Values that stay are copied as they stand.
//! Deliberately absent: the envelope's attributes (see `mask`).

use super::hide::{Hider, quoted};
use crate::base::classes::{Class, Family, Shape, TABLE, fits, under};
use crate::base::context;
use crate::base::encode::Members;
use crate::outbound::settings::{Action, Of, Policy};
use std::collections::BTreeMap;

/// What becomes of one place of a payload.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Value(Action),
    Map { any: Action, named: BTreeMap<String, Action> },
    Table(BTreeMap<&'static str, Step>),
}

/// By patterns of types.
pub struct Plan(Vec<(&'static str, usize)>, Vec<Step>);

impl Plan {
    pub fn new(policy: &Policy) -> Plan {
        let types = TABLE.iter().enumerate();
        let types = types.flat_map(|(nth, family)| family.types.iter().map(move |kind| (*kind, nth)));
        let steps = TABLE.iter().map(Family::shape).map(|shape| step(policy, &shape, ""));
        Plan(types.collect(), steps.collect())
    }

    /// What may leave of the data of an event of this type: an object, empty where the type is not known.
    pub fn left_of(&self, kind: &str, data: &str, hider: &Hider) -> String {
        let mut out = String::new();
        match self.of(kind) {
            Some(Step::Table(fields)) if table(fields, data, hider, &mut out) => out,
            _ => "{}".to_owned(),
        }
    }

    fn of(&self, kind: &str) -> Option<&Step> {
        let family = self.0.iter().find(|(pattern, _)| fits(pattern, kind));
        family.and_then(|(_, nth)| self.1.get(*nth))
    }

    /// What becomes of the value under a path of `context` in an event of this type, and whether it may be a table; none
    /// where it does not leave.
    pub fn action_at(&self, kind: &str, path: &str) -> Option<(Action, bool)> {
        let Step::Table(fields) = self.of(kind)? else { return None };
        match context::split(path) {
            (name, None) => match fields.get(name)? {
                Step::Value(action) => Some((*action, false)),
                _ => None,
            },
            (map, Some(key)) => match fields.get(map)? {
                Step::Map { any, named } => Some((of_key(*any, named, key)?, true)),
                _ => None,
            },
        }
    }
}

/// What becomes of the value of a key; a key that nobody named is kept or hashed, or does not leave.
fn of_key(any: Action, named: &BTreeMap<String, Action>, key: &str) -> Option<Action> {
    let unnamed = matches!(any, Action::Keep | Action::Hash).then_some(any);
    named.get(key).copied().or(unnamed)
}

/// The rule whose path is the nearest decides, then the class.
fn step(policy: &Policy, shape: &Shape, path: &str) -> Step {
    match shape {
        Shape::Value(class) => Step::Value(action(policy, path, *class)),
        Shape::Map(class) => {
            let any = action(policy, path, *class);
            let mut named = BTreeMap::new();
            if *class == Class::Business {
                named.extend(policy.userdata.iter().map(|key| (key.clone(), Action::Keep)));
            }
            for rule in &policy.rules {
                let Of::Path(of) = &rule.of else { continue };
                if let Some(key) = of.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')) {
                    named.insert(key.to_owned(), rule.action);
                }
            }
            Step::Map { any, named }
        }
        Shape::Table(fields) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let steps = fields.iter().map(|(name, shape)| (*name, step(policy, shape, &below(name))));
            Step::Table(steps.collect())
        }
    }
}

fn action(policy: &Policy, path: &str, class: Class) -> Action {
    let rules = policy.rules.iter().filter_map(|rule| match &rule.of {
        Of::Path(of) if under(path, of) => Some((of.len(), rule.action)),
        _ => None,
    });
    rules.max_by_key(|(length, _)| *length).map_or_else(|| policy.action(class), |(_, action)| action)
}

/// Writes what may leave of an object; false where it is none.
fn table(fields: &BTreeMap<&'static str, Step>, json: &str, hider: &Hider, out: &mut String) -> bool {
    let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(json) else { return false };
    out.push('{');
    for (name, value) in members {
        if let Some((name, step)) = fields.get_key_value(&*name) {
            let place = out.len();
            if !out.ends_with('{') {
                out.push(',');
            }
            out.push('"');
            out.push_str(name);
            out.push_str("\":");
            if !put(step, value.get(), hider, out) {
                out.truncate(place);
            }
        }
    }
    out.push('}');
    true
}

/// Writes what may leave of a value; false where nothing may, and then the end of `out` is to be cut off.
fn put(step: &Step, json: &str, hider: &Hider, out: &mut String) -> bool {
    match step {
        Step::Value(action) => match hider.value(json, *action, false) {
            Some(left) => {
                out.push_str(&left);
                true
            }
            None => false,
        },
        Step::Map { any: Action::Keep, named } if named.is_empty() => {
            let is_map = json.starts_with('{');
            out.push_str(if is_map { json } else { "" });
            is_map
        }
        Step::Map { any, named } => map(*any, named, json, hider, out),
        Step::Table(fields) if json.starts_with('[') => list(fields, json, hider, out),
        Step::Table(fields) => table(fields, json, hider, out),
    }
}

fn list(fields: &BTreeMap<&'static str, Step>, json: &str, hider: &Hider, out: &mut String) -> bool {
    let Ok(items) = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(json) else { return false };
    out.push('[');
    for item in items {
        let place = out.len();
        if !out.ends_with('[') {
            out.push(',');
        }
        if !table(fields, item.get(), hider, out) {
            out.truncate(place);
        }
    }
    out.push(']');
    true
}

/// A key that nobody named is treated as its value is: it may hold a number or a name itself.
fn map(any: Action, named: &BTreeMap<String, Action>, json: &str, hider: &Hider, out: &mut String) -> bool {
    let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(json) else { return false };
    let entries = members.into_iter().filter_map(|(key, value)| {
        let action = of_key(any, named, &key)?;
        let hashed = action == Action::Hash && !named.contains_key(&*key);
        let shown = if hashed { hider.hash(&key).into() } else { key };
        Some(format!("{}:{}", quoted(&shown)?, hider.value(value.get(), action, true)?))
    });
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() {
        return false;
    }
    out.push('{');
    out.push_str(&entries.join(","));
    out.push('}');
    true
}
