//! What is left of a map of any keys: attached data, fields of outbound records, what a switch adds.
//!
//! What somebody named is treated as the nearest rule says: `Customer.Phone` is the key of that name, and `Phone` below
//! `Customer`, in lists too. Of what nobody named the map's own action counts, or that of the key's class where it hides
//! more. Deliberately absent: which maps there are (`plan`).

use super::hide::{Hider, quoted};
use crate::base::classes::{Class, classes_of_key, is_known_key};
use crate::base::encode::Members;
use crate::outbound::settings::{Action, Of, Policy};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Deeper than this nothing is looked at, and what would have to be looked at goes.
const MAX_DEPTH: usize = 32;

#[derive(Debug, PartialEq, Eq)]
pub struct Map {
    any: Action,
    /// By paths below the map.
    named: BTreeMap<String, Action>,
    /// Classes of keys of which not all leaves.
    classes: Vec<(Class, Action)>,
    /// Whether values are words of ours, or counts, which leave as they are with their keys.
    keys_only: bool,
}

/// What becomes of a value, and whether somebody named it, or what it lies in.
#[derive(Clone, Copy)]
struct Fate {
    action: Action,
    named: bool,
}

/// What becomes of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    AsItIs,
    Hashed,
    Never,
}

impl Map {
    /// The map at `path`, of which `any` becomes of what nobody named.
    pub fn new(policy: &Policy, path: &str, class: Class, any: Action, keys_only: bool) -> Map {
        let (mut named, mut classes) = (BTreeMap::new(), Vec::new());
        if class == Class::Business {
            named.extend(policy.userdata.iter().map(|key| (key.clone(), Action::Keep)));
            let actions = Class::ALL.map(|class| (class, policy.action(class)));
            let other = |class: &Class| ![Class::Plain, Class::Pseudonym, Class::Business].contains(class);
            classes.extend(actions.iter().filter(|(class, action)| other(class) && *action != Action::Keep));
        }
        for rule in &policy.rules {
            let Of::Path(of) = &rule.of else { continue };
            if let Some(below) = of.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')) {
                named.insert(below.to_owned(), rule.action);
            }
        }
        Map { any, named, classes, keys_only }
    }

    /// What may leave of the map, if anything may.
    pub fn left_of(&self, json: &str, hider: &Hider) -> Option<String> {
        let top = self.top();
        if top.action == Action::Keep && self.named.is_empty() && self.classes.is_empty() {
            return json.starts_with('{').then(|| json.to_owned());
        }
        self.members("", json, top, 0, hider)
    }

    /// What may leave of the value of a key by itself.
    pub fn left_at(&self, key: &str, json: &str, hider: &Hider) -> Option<String> {
        let fate = self.fate(key, key, self.top());
        if self.shown(key, key, self.top(), fate) == Shown::Never {
            return None;
        }
        self.value(key, json, fate, 1, hider)
    }

    /// Whether anything can leave of the value of a key.
    pub fn leaves(&self, key: &str) -> bool {
        let fate = self.fate(key, key, self.top());
        let dropped = fate.action == Action::Drop && !self.leads_on(key);
        !dropped && self.shown(key, key, self.top(), fate) != Shown::Never
    }

    fn top(&self) -> Fate {
        Fate { action: self.any, named: false }
    }

    /// What becomes of the value of a key at `path`, which lies in what `of` becomes of.
    fn fate(&self, path: &str, key: &str, of: Fate) -> Fate {
        if let Some(action) = self.named.get(path) {
            return Fate { action: *action, named: true };
        }
        if of.named {
            return of;
        }
        let of_classes = classes_of_key(key)
            .filter_map(|class| self.classes.iter().find(|(known, _)| *known == class))
            .map(|(_, action)| *action);
        Fate { action: of_classes.fold(of.action, Action::stricter), named: false }
    }

    /// Whether a rule names something that lies under this.
    fn leads_on(&self, path: &str) -> bool {
        self.named.keys().any(|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }

    /// A key that nobody named and that is not known to the letter may hold a number or a name itself: it is treated as
    /// its value is, and goes with what of its value is hidden in part.
    fn shown(&self, path: &str, key: &str, of: Fate, fate: Fate) -> Shown {
        let known = of.action == Action::Keep && !fate.named && is_known_key(key);
        let named = self.named.contains_key(path) || self.leads_on(path);
        match fate.action {
            Action::Keep => Shown::AsItIs,
            _ if named || known => Shown::AsItIs,
            Action::Hash => Shown::Hashed,
            _ => Shown::Never,
        }
    }

    fn members(&self, path: &str, json: &str, of: Fate, depth: usize, hider: &Hider) -> Option<String> {
        let Members(members) = serde_json::from_str::<Members<'_>>(json).ok()?;
        let entries = members.into_iter().filter_map(|(key, value)| {
            let path = if path.is_empty() { key.clone().into_owned() } else { format!("{path}.{key}") };
            let fate = self.fate(&path, &key, of);
            let shown = match self.shown(&path, &key, of, fate) {
                Shown::AsItIs => key,
                // Without a key for it nothing is hashed.
                Shown::Hashed => hider.hashes().then(|| hider.hash(&key))?.into(),
                Shown::Never => return None,
            };
            let left = self.value(&path, value.get(), fate, depth + 1, hider)?;
            Some(format!("{}:{left}", quoted(&shown)?))
        });
        let entries: Vec<String> = entries.collect();
        let is_there = !entries.is_empty() || of.action == Action::Keep;
        is_there.then(|| format!("{{{}}}", entries.join(",")))
    }

    fn value(&self, path: &str, json: &str, fate: Fate, depth: usize, hider: &Hider) -> Option<String> {
        if self.keys_only {
            return (fate.action != Action::Drop).then(|| json.to_owned());
        }
        let leads_on = self.leads_on(path);
        let alike = !leads_on && (fate.named || self.classes.is_empty());
        match (json.as_bytes().first()?, fate.action) {
            (b'{' | b'[', Action::Keep) if alike => Some(json.to_owned()),
            (_, Action::Drop) if !leads_on => None,
            (b'{' | b'[', _) if depth > MAX_DEPTH => None,
            (b'[', action) => {
                let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                let left =
                    items.iter().filter_map(|item| self.value(path, item.get(), fate, depth + 1, hider));
                let left: Vec<String> = left.collect();
                let is_there = !left.is_empty() || action != Action::Drop;
                is_there.then(|| format!("[{}]", left.join(",")))
            }
            (b'{', Action::Keep) => self.members(path, json, fate, depth, hider),
            (b'{', _) if leads_on => self.members(path, json, fate, depth, hider),
            (_, Action::Keep) => Some(json.to_owned()),
            (_, action) => hider.value(json, action, true),
        }
    }
}
