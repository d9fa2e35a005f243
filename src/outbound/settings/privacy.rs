//! What may leave through a sink: a preset, and rules that say otherwise for classes and fields.
//!
//! Deliberately absent: which field is of which class (`base::classes`), and doing it (`mask`).

use crate::base::classes::Class;
use crate::base::secret::SecretRef;

#[derive(Clone, Debug)]
pub struct Policy {
    pub preset: Preset,
    pub rules: Vec<Rule>,
    /// Keys of attached data that leave as they are.
    pub userdata: Vec<String>,
    /// What values are hashed with; always there where something is.
    pub key: Option<SecretRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Full,
    NoContent,
    Pseudonymous,
    Minimal,
}

/// One exception from a preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub of: Of,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    Class(Class),
    /// Below `data`, without that word.
    Path(String),
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Keep,
    Drop,
    Hash,
    /// All but the last four characters.
    Mask,
    /// All but so many characters at the beginning.
    Truncate(usize),
}

impl Policy {
    /// A preset as it is.
    pub fn preset(preset: Preset) -> Policy {
        Policy { preset, rules: Vec::new(), userdata: Vec::new(), key: None }
    }

    /// Whether the event leaves as it is.
    pub fn is_whole(&self) -> bool {
        self.preset == Preset::Full && self.rules.is_empty()
    }

    /// What becomes of a class where no path says otherwise.
    pub fn action(&self, class: Class) -> Action {
        let said = self.rules.iter().find(|rule| rule.of == Of::Class(class));
        said.map_or_else(|| self.preset.action(class), |rule| rule.action)
    }

    /// Whether a key is needed.
    pub fn hashes(&self) -> bool {
        let classes = Class::ALL.into_iter().any(|class| self.action(class) == Action::Hash);
        !self.is_whole() && (classes || self.rules.iter().any(|rule| rule.action == Action::Hash))
    }
}

impl Preset {
    pub const ALL: [Preset; 4] = [Preset::Full, Preset::NoContent, Preset::Pseudonymous, Preset::Minimal];

    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Full => "full",
            Preset::NoContent => "no-content",
            Preset::Pseudonymous => "pseudonymous",
            Preset::Minimal => "minimal",
        }
    }

    /// Agents' keys are part of ids, subjects and partition keys: no preset can drop them, `minimal` hashes them.
    fn action(self, class: Class) -> Action {
        match (self, class) {
            (Preset::Full, _) | (_, Class::Plain) | (Preset::NoContent, Class::Pseudonym) => Action::Keep,
            (Preset::Pseudonymous, Class::Pseudonym | Class::Identity | Class::Contact)
            | (Preset::Minimal, Class::Pseudonym) => Action::Hash,
            _ => Action::Drop,
        }
    }
}

impl Action {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::Hash => "hash",
            Action::Mask => "mask",
            Action::Truncate(_) => "truncate",
        }
    }

    /// The one of two that hides more: keep, truncate, mask, hash, drop, in this order.
    pub fn stricter(self, other: Action) -> Action {
        let hides = |action: Action| match action {
            Action::Keep => (0, 0),
            Action::Truncate(length) => (1, usize::MAX - length),
            Action::Mask => (2, 0),
            Action::Hash => (3, 0),
            Action::Drop => (4, 0),
        };
        if hides(other) > hides(self) { other } else { self }
    }
}
