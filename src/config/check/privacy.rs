//! `privacy`, `privacy_rules` and `userdata` of a sink → its policy.
//!
//! Deliberately absent: reading the key, and its length, which are looked at when it is used.

use super::Check;
use crate::base::classes::{self, Class, Limits, Place};
use crate::config::raw;
use crate::config::tree::Path;
use crate::outbound::settings::{Action, Of, Policy, Preset, Rule};

/// The longest text that `truncate` can leave.
const MAX_LENGTH: u32 = 10_000;

impl Check<'_> {
    pub(super) fn policy(
        &mut self,
        at: &Path,
        preset: Option<raw::Privacy>,
        rules: &[raw::Rule],
        userdata: &[String],
    ) -> Option<Policy> {
        let rules = self.rules(&at.key("privacy_rules"), rules);
        let key = at.key("privacy");
        let Some(preset) = preset.map(preset_of) else {
            if !self.found.covers(&key) {
                let what = "privacy is missing: every sink states what may leave through it";
                self.fault(&key, what).allowed(Preset::ALL.map(Preset::as_str));
            }
            return None;
        };
        let policy = Policy { preset, rules, userdata: userdata.to_vec(), key: self.privacy_key.clone() };
        let list = at.key("userdata");
        if policy.is_whole() && !userdata.is_empty() {
            let what = "userdata names what may leave, and privacy = \"full\" without rules lets all leave";
            self.fault(&list, what).allowed(["another privacy, or no userdata"]);
        }
        for index in userdata.iter().enumerate().filter(|(_, key)| key.is_empty()).map(|(index, _)| index) {
            self.fault(&list.index(index), "a key of attached data is expected, as it is written there");
        }
        if policy.hashes() && policy.key.is_none() && !self.found.covers(&Path::default().key("privacy_key"))
        {
            let place = policy.rules.iter().position(|rule| rule.action == Action::Hash);
            let key = place.map_or(key, |index| at.key("privacy_rules").index(index));
            let what = "values are hashed here, and there is no key for it";
            self.fault(&key, what).allowed(["privacy_key = { file = \"…\" } at the top of the file"]);
        }
        Some(policy)
    }

    fn rules(&mut self, at: &Path, raw: &[raw::Rule]) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut places = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let at = at.index(index);
            // What was wrong in itself is not here any more, and would seem to be missing.
            if self.found.covers(&at) {
                continue;
            }
            let (of, action) = (self.of(&at, raw), self.action(&at, raw));
            let (Some(of), Some(action)) = (of, action) else { continue };
            if rules.iter().any(|rule| rule.of == of) {
                self.fault(&at, "an earlier rule is about the same");
                continue;
            }
            self.fits(&at, &of, action);
            rules.push(Rule { of, action });
            places.push(at.key("action"));
        }
        for (at, rule) in places.iter().zip(&rules) {
            self.leaves_what_schemas_have(at, rule, &rules);
        }
        rules
    }

    /// What leaves is still as its schema says: with all that is required, and with texts only where any text may stand.
    fn leaves_what_schemas_have(&mut self, at: &Path, rule: &Rule, rules: &[Rule]) {
        let path = |rule: &'_ Rule| match &rule.of {
            Of::Path(path) => Some(path.clone()),
            Of::Class(_) => None,
        };
        let Some(of) = path(rule) else { return };
        let others: Vec<String> = rules.iter().filter_map(path).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let Limits { required, fixed } = classes::limits(&of, &others);
        let what = match (rule.action, &required, &fixed) {
            (Action::Drop, Some(Place { path, kind }), _) => {
                format!("the schema of {kind} requires data.{path}: it can not be dropped")
            }
            (Action::Mask | Action::Hash | Action::Truncate(_), _, Some(Place { path, kind })) => {
                format!("the schema of {kind} has no free text at data.{path}: it can not be rewritten")
            }
            _ => return,
        };
        let mut allowed = vec!["keep"];
        allowed.extend(required.is_none().then_some("drop"));
        allowed.extend(fixed.is_none().then_some(["mask", "hash", "truncate"]).into_iter().flatten());
        self.fault(at, what).allowed(allowed);
    }

    /// What a rule is about.
    fn of(&mut self, at: &Path, raw: &raw::Rule) -> Option<Of> {
        match (&raw.class, &raw.path) {
            (Some(word), None) => {
                let class = Class::parse(word).filter(|class| *class != Class::Plain);
                if class.is_none() {
                    let words = Class::ALL.into_iter().filter(|class| *class != Class::Plain);
                    let finding =
                        self.fault(&at.key("class"), format!("{word:?} is no class of personal data"));
                    finding.one_of(word, words.map(Class::as_str));
                }
                class.map(Of::Class)
            }
            (None, Some(path)) => {
                let below = path.strip_prefix("data.").map(|path| path.strip_suffix(".*").unwrap_or(path));
                let known = below.filter(|path| classes::is_path(path));
                if known.is_none() {
                    let paths: Vec<String> = classes::paths()
                        .iter()
                        .map(|path| format!("data.{}", path.replace('*', "KEY")))
                        .collect();
                    let finding = self.fault(&at.key("path"), format!("{path:?} is no field of any event"));
                    finding.one_of(path, paths.iter().map(String::as_str));
                }
                known.map(|path| Of::Path(path.to_owned()))
            }
            _ => {
                let what = "a rule is about a class or about a path, one of the two";
                self.fault(at, what)
                    .allowed(["{ class = \"…\", action = \"…\" }", "{ path = \"data.…\", action = \"…\" }"]);
                None
            }
        }
    }

    fn action(&mut self, at: &Path, raw: &raw::Rule) -> Option<Action> {
        let words = ["keep", "drop", "mask", "hash", "truncate"];
        match (raw.action, raw.length) {
            (None, _) => {
                self.fault(at, "the rule has no action").allowed(words);
                None
            }
            (Some(raw::Action::Truncate), None) => {
                self.fault(at, "truncate needs a length, in characters").allowed(["length = 20"]);
                None
            }
            (Some(raw::Action::Truncate), Some(length)) => {
                let length = self.number(&at.key("length"), length, 1, MAX_LENGTH);
                Some(Action::Truncate(usize::try_from(length).unwrap_or(usize::MAX)))
            }
            (Some(_), Some(_)) => {
                self.fault(&at.key("length"), "only truncate has a length");
                None
            }
            (Some(raw::Action::Keep), None) => Some(Action::Keep),
            (Some(raw::Action::Drop), None) => Some(Action::Drop),
            (Some(raw::Action::Mask), None) => Some(Action::Mask),
            (Some(raw::Action::Hash), None) => Some(Action::Hash),
        }
    }

    /// Agents' keys stand in ids and partition keys, and keys of maps can be personal themselves: not all can be done
    /// with these.
    fn fits(&mut self, at: &Path, of: &Of, action: Action) {
        let map = |path: &str| classes::paths().iter().any(|known| *known == format!("{path}.*"));
        let (allowed, what): (&[&str], _) = match of {
            Of::Class(Class::Pseudonym) => {
                (&["keep", "hash"], "an agent's key is part of ids and partition keys")
            }
            Of::Class(Class::Business) => (
                &["keep", "drop", "hash"],
                "keys of attached data can be personal too: name those to mask or cut by path",
            ),
            Of::Path(path) if map(path) => (
                &["keep", "drop", "hash"],
                "its keys can be personal too: name those to mask or cut one by one",
            ),
            _ => return,
        };
        if !allowed.contains(&action.as_str()) {
            self.fault(&at.key("action"), what).allowed(allowed.iter().copied());
        }
    }
}

fn preset_of(raw: raw::Privacy) -> Preset {
    match raw {
        raw::Privacy::Full => Preset::Full,
        raw::Privacy::NoContent => Preset::NoContent,
        raw::Privacy::Pseudonymous => Preset::Pseudonymous,
        raw::Privacy::Minimal => Preset::Minimal,
    }
}
