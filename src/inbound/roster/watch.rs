//! What a new content of the roster's file means: nothing, a fault, a change, or one that waits to be accepted.
//!
//! A pure state: it is given bytes and says what follows. The roster in force stays so until a good change is let
//! through. Deliberately absent: reading files, time-keeping, sessions.

use super::{Agent, Change, Error, accepts, diff, parse};
use crate::base::digest::Digest;
use crate::base::time::{Millis, rfc3339};
use crate::inbound::settings::SiteConfig;
use serde::Serialize;
use std::sync::Arc;

/// One site's roster over time.
pub struct Watch {
    site: SiteConfig,
    /// Hold only these (`run --only`); empty means all.
    only: Vec<String>,
    agents: Vec<Agent>,
    /// When `agents` came into force.
    since: Millis,
    /// Of the content looked at last, whatever came of it.
    seen: Option<Digest>,
    faults: Vec<String>,
    held: Option<Waits>,
    unkept: Option<Unkept>,
}

struct Waits {
    held: Held,
    agents: Vec<Agent>,
    content: Vec<u8>,
}

/// What came into force and is not on disk yet.
struct Unkept {
    content: Arc<[u8]>,
    /// Why it could not be written.
    error: Option<String>,
}

/// A change that waits until it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// RFC 3339.
    pub since: String,
    pub change: Change,
}

/// What follows from a look.
#[derive(Debug, PartialEq, Eq)]
pub enum Looked {
    /// The content is the one looked at before, or says the same.
    Same,
    /// It says what is in force again, after a fault or a change that waited.
    Mended,
    /// It can not be read or has faults: the roster in force stays. Said once for each content.
    Faulty(Error),
    /// It takes too many agents away: waits for [`Watch::accept`]. Said once for each content.
    Held(Change),
    /// In force from now on.
    Changed(Change),
}

/// How a roster is; no user name in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    pub site: String,
    /// Agents in force.
    pub agents: usize,
    /// RFC 3339: since when they are.
    pub since: String,
    /// Why the file as it is now is not in force; empty where nothing is wrong with it.
    pub faults: Vec<String>,
    pub held: Option<Held>,
    /// Why the roster in force is not kept for the next start.
    pub unkept: Option<String>,
}

impl Watch {
    /// `agents` is the roster in force, which is kept already.
    pub fn new(site: SiteConfig, only: Vec<String>, agents: Vec<Agent>, now: Millis) -> Watch {
        let agents = of_only(agents, &only);
        Watch { site, only, agents, since: now, seen: None, faults: Vec::new(), held: None, unkept: None }
    }

    /// `content` is what the file holds now, or why it could not be read.
    pub fn look(&mut self, content: Result<Vec<u8>, Error>, now: Millis) -> Looked {
        let digest = digest(&content);
        if self.seen.replace(digest) == Some(digest) {
            return Looked::Same;
        }
        let troubled = self.held.take().is_some() || !self.faults.is_empty();
        self.faults.clear();
        let parse = |bytes: Vec<u8>| Ok((parse(&bytes, &self.site.roster.file, &self.site)?, bytes));
        let (agents, content) = match content.and_then(parse) {
            Ok((agents, content)) => (of_only(agents, &self.only), content),
            Err(error) => {
                self.faults.clone_from(&error.0);
                return Looked::Faulty(error);
            }
        };
        let change = diff(&self.agents, &agents);
        if change.removes_too_much(self.agents.len(), self.site.roster.max_removed_percent) {
            let held = Held { since: rfc3339(now), change: change.clone() };
            self.held = Some(Waits { held, agents, content });
            return Looked::Held(change);
        }
        if change.is_empty() {
            return if troubled { Looked::Mended } else { Looked::Same };
        }
        self.put_in_force(agents, content, now);
        Looked::Changed(change)
    }

    /// Lets the held change through, if it is the one that is meant (see [`accepts`]); else the error says why not.
    pub fn accept(&mut self, named: Option<&str>, now: Millis) -> Result<Change, String> {
        let site = &self.site.name;
        let Some(waits) = self.held.take() else {
            return Err(format!("site {site}: no change of the roster is held"));
        };
        if let Err(why) = accepts(named, &waits.held.change, self.agents.len(), site) {
            let why = format!("site {site}: {why}");
            self.held = Some(waits);
            return Err(why);
        }
        let Waits { held, agents, content } = waits;
        self.put_in_force(agents, content, now);
        Ok(held.change)
    }

    /// What another roster would change, without any effect.
    pub fn compare(&self, agents: Vec<Agent>) -> Change {
        diff(&self.agents, &of_only(agents, &self.only))
    }

    /// Whether this is what was looked at last.
    pub fn knows(&self, content: &Result<Vec<u8>, Error>) -> bool {
        self.seen == Some(digest(content))
    }

    /// The roster in force.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    pub fn status(&self) -> Status {
        Status {
            site: self.site.name.clone(),
            agents: self.agents.len(),
            since: rfc3339(self.since),
            faults: self.faults.clone(),
            held: self.held.as_ref().map(|waits| waits.held.clone()),
            unkept: self.unkept.as_ref().and_then(|unkept| unkept.error.clone()),
        }
    }

    /// The content in force, as long as it is not on disk.
    pub fn unkept(&self) -> Option<Arc<[u8]>> {
        self.unkept.as_ref().map(|unkept| unkept.content.clone())
    }

    /// It is on disk now, or why it is not.
    pub fn kept(&mut self, kept: Result<(), String>) {
        match (kept, &mut self.unkept) {
            (Err(error), Some(unkept)) => unkept.error = Some(error),
            (Err(_), None) => {}
            (Ok(()), unkept) => *unkept = None,
        }
    }

    /// The content of the agents in force. With `only` it is more than that, and not to be kept.
    pub(super) fn took(&mut self, content: Vec<u8>) {
        if self.only.is_empty() {
            let error = self.unkept.take().and_then(|unkept| unkept.error);
            self.unkept = Some(Unkept { content: content.into(), error });
        }
    }

    fn put_in_force(&mut self, agents: Vec<Agent>, content: Vec<u8>, now: Millis) {
        self.agents = agents;
        self.since = now;
        self.took(content);
    }
}

fn digest(content: &Result<Vec<u8>, Error>) -> Digest {
    match content {
        Ok(bytes) => Digest::of(bytes),
        Err(error) => Digest::of(error.to_string().as_bytes()),
    }
}

fn of_only(mut agents: Vec<Agent>, only: &[String]) -> Vec<Agent> {
    if !only.is_empty() {
        agents.retain(|agent| only.contains(&agent.key));
    }
    agents
}
