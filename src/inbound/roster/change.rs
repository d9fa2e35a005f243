//! What one roster has that another has not: by key, so that only the agents named are touched.
//!
//! Deliberately absent: contents of passwords (they are read at each login, so their change needs nothing).

use super::Agent;
use serde::Serialize;
use std::collections::HashMap;

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
