//! What one roster has that another has not: by key, so that only the agents named are touched.
//!
//! Deliberately absent: contents of passwords (they are read at each login, so their change needs nothing).

use super::Agent;
use crate::base::digest::Digest;
use serde::Serialize;
use std::collections::HashMap;

/// Characters of [`Change::id`].
const ID: usize = 8;

/// The agents that differ, by key, each list sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// The user name, the password's place, the group or the base URL differs.
    pub changed: Vec<String>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// A short name of the change, the same for whoever works it out: it says that what is let through is what was shown.
    pub fn id(&self) -> String {
        let mut text = String::new();
        for (sign, keys) in [('+', &self.added), ('-', &self.removed), ('~', &self.changed)] {
            for key in keys {
                // No key holds a control character.
                text.push(sign);
                text.push_str(key);
                text.push('\n');
            }
        }
        Digest::of(text.as_bytes()).hex().chars().take(ID).collect()
    }

    /// How an operator lets it through.
    pub fn command(&self, site: &str) -> String {
        format!("cometbridge roster accept --site {site} --change {}", self.id())
    }

    pub fn removes_too_much(&self, agents: usize, percent: u32) -> bool {
        too_much(self.removed.len(), agents, percent)
    }
}

/// Whether so many removed are more than `percent` of `agents`, or all of them.
pub fn too_much(removed: usize, agents: usize, percent: u32) -> bool {
    removed > 0 && (removed >= agents || removed as u128 * 100 > agents as u128 * u128::from(percent))
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (added, removed, changed) = (self.added.len(), self.removed.len(), self.changed.len());
        write!(f, "{added} added, {removed} removed, {changed} changed")
    }
}

/// Whether a held change may be let through: `named` is what an operator was shown, if it was said. The error says what is
/// held now. That nobody is left is never let through unseen: an emptied file is the likeliest mistake of all.
pub fn accepts(named: Option<&str>, held: &Change, agents: usize, site: &str) -> Result<(), String> {
    let id = held.id();
    match named {
        Some(named) if named == id => Ok(()),
        Some(named) => {
            let shown: String = named.chars().filter(|c| c.is_ascii_alphanumeric()).take(40).collect();
            Err(format!(
                "the change {shown} is not the one that is held; that is {id} now: {held}; see it with cometbridge roster \
                 status --site {site}; to let it through: {}",
                held.command(site)
            ))
        }
        None if held.removed.len() >= agents => Err(format!(
            "the change that is held removes everybody ({held}); to let it through all the same: {}",
            held.command(site)
        )),
        None => Ok(()),
    }
}

/// From `old` to `new`; the order of lines does not count.
pub fn diff(old: &[Agent], new: &[Agent]) -> Change {
    let mut before: HashMap<&str, &Agent> = old.iter().map(|agent| (agent.key.as_str(), agent)).collect();
    let mut change = Change::default();
    for agent in new {
        match before.remove(agent.key.as_str()) {
            None => change.added.push(agent.key.clone()),
            Some(known) if known != agent => change.changed.push(agent.key.clone()),
            Some(_) => {}
        }
    }
    change.removed = before.into_keys().map(str::to_owned).collect();
    change.added.sort_unstable();
    change.removed.sort_unstable();
    change.changed.sort_unstable();
    change
}
