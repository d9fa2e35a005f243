//! What decides whether anybody may log in: the marks, a pause, the directory's state; under one lock.
//!
//! Pure: every function is told the time. Deliberately absent: waiting and writing down (see the parent).

use crate::base::time::Millis;
use crate::inbound::accounts::book::Book;
use crate::inbound::accounts::brake::Brake;
use crate::inbound::accounts::fault::Directory;
use crate::journal::Account;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use tokio::time::Instant;

pub struct State {
    pub book: Book,
    pub directory: Directory,
    pub brake: Brake,
    pub pause: Option<Pause>,
    /// Since when the directory is taken to be out of order.
    pub fault_since: Option<Millis>,
    /// Agents that asked for leave in this process.
    pub seen: HashSet<String>,
    /// Pardons that no session has taken yet.
    pub pardoned: HashSet<String>,
}

/// Nobody may log in until an operator resumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub by: By,
    /// In words, without personal data.
    pub reason: String,
    pub since: Millis,
}

/// Who paused a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    Operator,
    /// Agents were logged out by our coming and going.
    Disturbed,
}

/// Whether and why logins of a site wait: for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteGate {
    /// Who, why and since when.
    pub paused: Option<(By, String, Millis)>,
    pub directory_fault: bool,
    pub fault_since: Option<Millis>,
    /// Accounts whose secret was refused and is not tried.
    pub refused: usize,
    /// The agent that probes now, by the roster's key.
    pub canary: Option<String>,
    /// Logins that wait for the end of a pause or a fault.
    pub waiting: usize,
}

impl SiteGate {
    /// Who paused the site's logins and why, after "logins are paused"; empty where nobody did.
    pub fn why(&self) -> String {
        match &self.paused {
            Some((By::Operator, reason, _)) => format!("by an operator: {reason}"),
            Some((By::Disturbed, reason, _)) => format!("by the brake: {reason}"),
            None if self.directory_fault => {
                format!("by a fault of the site's directory: {} logins wait, one canary tries", self.waiting)
            }
            None => String::new(),
        }
    }
}

impl Pause {
    /// What cannot be read still is a pause: it was written because logins were to stop.
    pub fn parse(text: &str, now: Millis) -> Pause {
        serde_json::from_str(text).unwrap_or_else(|_| Pause {
            by: By::Operator,
            reason: "paused by an earlier release; resume the site when its reason is over".to_owned(),
            since: now,
        })
    }
}

impl State {
    pub fn new(site: &str, key: [u8; 32]) -> State {
        State {
            book: Book::new(site, key, Vec::new()),
            directory: Directory::default(),
            brake: Brake::default(),
            pause: None,
            fault_since: None,
            seen: HashSet::new(),
            pardoned: HashSet::new(),
        }
    }

    /// Whether this agent may log in now, as far as the site goes.
    pub fn open_to(&self, agent: &str) -> bool {
        self.pause.is_none() && (!self.directory.fault() || self.directory.is_canary(agent))
    }

    pub fn declare(&mut self, at: Millis, now: Instant) {
        self.directory.declare(now);
        self.fault_since = Some(at);
    }

    /// A refusal while no fault is known. `Some` where it makes it the site's: whose marks are taken back.
    pub fn refused(
        &mut self,
        agent: &str,
        worked_before: bool,
        now: Instant,
        at: Millis,
    ) -> Option<Vec<Account>> {
        let worked = |agent: &&String| self.book.get(agent).is_some_and(|entry| entry.worked.is_some());
        let known = self.seen.iter().filter(worked).count();
        let suspects = self.directory.refused(agent, worked_before, known, now)?;
        self.fault_since = Some(at);
        // Who was already told that it is refused is to ask again, and will wait.
        self.pardoned.extend(suspects.iter().cloned());
        // This agent too, whose secret need not have worked before: it was tried in an outage.
        self.pardoned.remove(agent);
        let own = std::iter::once(agent.to_owned());
        let all: HashSet<String> = suspects.into_iter().chain(own).collect();
        Some(all.iter().filter_map(|agent| self.book.clear(agent, at)).collect())
    }

    /// Sends a canary out if it is time; when to ask again.
    pub fn probe(&mut self, now: Instant) -> Option<Instant> {
        if self.pause.is_some() { None } else { self.directory.probe(now) }
    }

    pub fn status(&self) -> SiteGate {
        SiteGate {
            paused: self.pause.as_ref().map(|pause| (pause.by, pause.reason.clone(), pause.since)),
            directory_fault: self.directory.fault(),
            fault_since: self.fault_since,
            refused: self.book.refused().count(),
            canary: self.directory.canary().map(str::to_owned),
            waiting: self.directory.waiting(),
        }
    }
}
