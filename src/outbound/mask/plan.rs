//! The table of classes and a sink's policy put together: for each type what becomes of each field.
//!
//! It is an allow-list: what has no place in the plan does not leave. Values that stay are copied as they stand.
//! Deliberately absent: the envelope's attributes (see `mask`), and what is in a map of any keys (see `map`).

use super::hide::{Hider, quoted};
use super::map::Map;
use crate::base::classes::{Shape, TABLE, fits, under};
use crate::base::context;
use crate::base::encode::Members;
use crate::outbound::settings::{Action, Of, Policy, Rule};
use std::collections::BTreeMap;

/// An event's id in `data`: it is as the event itself has it at this sink.
const EVENT_ID: &str = "items.eventId";
/// A digest of what is not kept, which may be short enough to be tried.
const SHA256: &str = "sha256";

/// What becomes of one place of a payload.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Value(Action),
    /// The id of an event, and what becomes of it then.
    Id(Action),
    Digest,
    Map(Map),
    Table(BTreeMap<&'static str, Step>),
}

/// By patterns of types.
pub struct Plan(Vec<(&'static str, usize)>, Vec<Step>);

impl Plan {
    pub fn new(policy: &Policy) -> Plan {
        let types = TABLE.iter().enumerate();
        let types = types.flat_map(|(nth, family)| family.types.iter().map(move |kind| (*kind, nth)));
        let of_transcripts = of_transcripts(policy);
        let steps = TABLE.iter().map(|family| {
            let of_transcript = family.types.contains(&TRANSCRIPT);
            step(if of_transcript { &of_transcripts } else { policy }, &family.shape(), "")
        });
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

    /// What may leave of the value under a path of `context` in an event of this type.
    pub fn left_at(&self, kind: &str, path: &str, json: &str, hider: &Hider) -> Option<String> {
        match self.at(kind, path)? {
            (Step::Value(action), None) => hider.value(json, *action, false),
            (Step::Map(map), Some(key)) => map.left_at(key, json, hider),
            _ => None,
        }
    }

    /// Whether anything can leave of it.
    pub fn leaves(&self, kind: &str, path: &str) -> bool {
        match self.at(kind, path) {
            Some((Step::Value(action), None)) => *action != Action::Drop,
            Some((Step::Map(map), Some(key))) => map.leaves(key),
            _ => false,
        }
    }

    fn at<'p>(&self, kind: &str, path: &'p str) -> Option<(&Step, Option<&'p str>)> {
        let Step::Table(fields) = self.of(kind)? else { return None };
        let (name, key) = context::split(path);
        Some((fields.get(name)?, key))
    }
}

const TRANSCRIPT: &str = "genesys.gws.*.transcript.v1";
/// Where a transcript has what messages have, too.
const AGAIN: [(&str, &str); 2] = [("message.from", "participants"), ("message", "items.message")];

/// The rules as they count for transcripts: what is said of messages is said of those in a transcript, and of who wrote
/// them. Where a rule of a transcript's own is about more than that, the one of both that hides more counts.
fn of_transcripts(policy: &Policy) -> Policy {
    let again = |rule: &Rule| {
        let Of::Path(of) = &rule.of else { return Vec::new() };
        let of_both = AGAIN.iter().filter_map(|(message, place)| {
            let below = of.strip_prefix(message).filter(|rest| rest.is_empty() || rest.starts_with('.'))?;
            let path = format!("{place}{below}");
            let action = by_path(policy, &path).map_or(rule.action, |own| own.stricter(rule.action));
            Some(Rule { of: Of::Path(path), action })
        });
        of_both.collect()
    };
    let whole = policy.rules.iter().filter(|rule| rule.of == Of::Path("message".to_owned()));
    let whole = whole.map(|rule| Rule { of: Of::Path("participants".to_owned()), action: rule.action });
    let mut rules: Vec<Rule> = whole.chain(policy.rules.iter().flat_map(again)).collect();
    // The last of two for one path counts: a transcript's own.
    rules.extend(policy.rules.iter().cloned());
    Policy { rules, ..policy.clone() }
}

/// The rule whose path is the nearest decides, then the class.
fn step(policy: &Policy, shape: &Shape, path: &str) -> Step {
    match shape {
        Shape::Value(class) => match (by_path(policy, path), policy.action(*class)) {
            (None, Action::Hash) if path == EVENT_ID => Step::Id(Action::Keep),
            (said, of_class) if path == EVENT_ID && said != Some(Action::Hash) => {
                Step::Id(said.unwrap_or(of_class))
            }
            (None, Action::Keep) if path == SHA256 => Step::Digest,
            (said, of_class) => Step::Value(said.unwrap_or(of_class)),
        },
        Shape::Map(class) | Shape::Keys(class) => {
            let any = by_path(policy, path).unwrap_or_else(|| policy.action(*class));
            Step::Map(Map::new(policy, path, *class, any, matches!(shape, Shape::Keys(_))))
        }
        Shape::Table(fields) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let steps = fields.iter().map(|(name, shape)| (*name, step(policy, shape, &below(name))));
            Step::Table(steps.collect())
        }
    }
}

fn by_path(policy: &Policy, path: &str) -> Option<Action> {
    let rules = policy.rules.iter().filter_map(|rule| match &rule.of {
        Of::Path(of) if under(path, of) => Some((of.len(), rule.action)),
        _ => None,
    });
    rules.max_by_key(|(length, _)| *length).map(|(_, action)| action)
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
    let left = match step {
        Step::Value(action) => hider.value(json, *action, false),
        Step::Id(action) => {
            let id = serde_json::from_str(json).ok().and_then(|id: String| quoted(&hider.id(&id)));
            id.and_then(|id| hider.value(&id, *action, false))
        }
        Step::Digest => {
            serde_json::from_str(json).ok().and_then(|digest: String| quoted(&hider.digest(&digest)))
        }
        Step::Map(map) => map.left_of(json, hider),
        Step::Table(fields) if json.starts_with('[') => return list(fields, json, hider, out),
        Step::Table(fields) => return table(fields, json, hider, out),
    };
    out.push_str(left.as_deref().unwrap_or_default());
    left.is_some()
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
