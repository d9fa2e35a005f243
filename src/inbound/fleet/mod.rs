//! All sessions of the service: made from rosters, seen as numbers and one by one.
//!
//! `view` is one session from outside, `standing` judges it, `agents` lists them, `timeline` tells one's covered
//! and blind time, `make` builds sessions, `part` ends what they left open. Deliberately absent: spawning (only `app` does).

mod agents;
mod make;
mod part;
mod standing;
#[cfg(test)]
mod tests;
mod timeline;
mod view;

pub use agents::{AgentStatus, Asked, OpenGap, open_gaps};
pub use make::{Common, Error, Left, Maker, Prepared, prepare};
pub use part::{Parting, Unparted};
pub use standing::Standing;
pub use timeline::{Span, timeline};
pub use view::{Seen, View};

use crate::base::metrics::Metrics;
use crate::base::time::Millis;
use crate::inbound::accounts::Accounts;
use crate::inbound::session::protocol::Phase;
use crate::inbound::site::Site;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A site's sessions in numbers.
#[derive(Clone, Debug, Default)]
pub struct SiteNumbers {
    pub agents: usize,
    pub by_phase: BTreeMap<&'static str, usize>,
    pub by_standing: BTreeMap<&'static str, usize>,
    pub without_ack: usize,
    /// Longest time since a good connect reply among connected sessions, milliseconds.
    pub silence: Millis,
    /// Different nodes that answer connected sessions, and how many sessions the busiest of them has.
    pub nodes: usize,
    pub busiest_node: usize,
    /// Sessions whose node is known.
    pub on_nodes: usize,
    /// What went wrong last with most of those that are not connected; empty where nothing did.
    pub trouble: String,
}

impl SiteNumbers {
    /// Of the sessions whose node is known, the share on the busiest one; 0 where none is known.
    fn busiest_share(&self) -> f64 {
        if self.on_nodes == 0 { 0.0 } else { self.busiest_node as f64 / self.on_nodes as f64 }
    }
}

/// One site: what its sessions share, and how each of them is seen.
pub struct Door {
    pub name: Arc<str>,
    pub site: Arc<Site>,
    pub accounts: Arc<Accounts>,
    /// By the roster's key.
    members: Mutex<BTreeMap<String, Member>>,
}

#[derive(Clone)]
struct Member {
    view: Arc<View>,
    group: Option<Box<str>>,
}

/// All sites. Cheap to clone; holds nothing that keeps a part of the service from ending.
#[derive(Clone)]
pub struct Fleet {
    doors: Arc<Vec<Door>>,
    metrics: Metrics,
}

impl Door {
    /// What is shown of an agent that is held no longer ends with this.
    pub fn forget(&self, agent: &str) {
        self.members().remove(agent);
    }

    /// How one agent's session is seen now.
    pub fn seen(&self, agent: &str) -> Option<Seen> {
        self.members().get(agent).map(|member| member.view.seen())
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn numbers(&self, now: Millis) -> SiteNumbers {
        let members = self.members();
        let mut numbers = SiteNumbers { agents: members.len(), ..SiteNumbers::default() };
        let mut nodes: HashMap<String, usize> = HashMap::new();
        let mut troubles: BTreeMap<String, usize> = BTreeMap::new();
        for member in members.values() {
            let seen = member.view.seen();
            *numbers.by_phase.entry(seen.phase.as_str()).or_default() += 1;
            *numbers.by_standing.entry(seen.standing.as_str()).or_default() += 1;
            if seen.phase != Phase::Connected {
                if let Some(trouble) = member.view.trouble() {
                    *troubles.entry(trouble).or_default() += 1;
                }
                continue;
            }
            numbers.without_ack += usize::from(seen.ack == Some(false));
            if let Some(good) = seen.good {
                numbers.silence = numbers.silence.max(now.saturating_sub(good));
            }
            if let Some(node) = seen.node {
                *nodes.entry(node).or_default() += 1;
            }
        }
        numbers.nodes = nodes.len();
        numbers.on_nodes = nodes.values().sum();
        let most = troubles.into_iter().max_by_key(|(_, agents)| *agents);
        numbers.trouble = most.map(|(trouble, _)| trouble).unwrap_or_default();
        numbers.busiest_node = nodes.into_values().max().unwrap_or_default();
        numbers
    }
}

impl Fleet {
    pub fn doors(&self) -> &[Door] {
        &self.doors
    }

    pub fn door(&self, site: &str) -> Option<&Door> {
        self.doors.iter().find(|door| *door.name == *site)
    }

    /// Counts all sessions now, and sets the gauges that only a count over all can give.
    pub fn numbers(&self, now: Millis) -> BTreeMap<String, SiteNumbers> {
        let mut out = BTreeMap::new();
        for door in self.doors.iter() {
            let numbers = door.numbers(now);
            self.gauge(&door.name, &numbers);
            out.insert(door.name.to_string(), numbers);
        }
        out
    }

    fn gauge(&self, name: &str, numbers: &SiteNumbers) {
        let (site, of_fleet) = ([name], &self.metrics);
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let standing = |standing: Standing| {
            gauge(numbers.by_standing.get(standing.as_str()).copied().unwrap_or_default())
        };
        self.metrics.sessions_without_ack.with_label_values(&site).set(gauge(numbers.without_ack));
        let silence = numbers.silence as f64 / 1000.0;
        self.metrics.session_silence_seconds.with_label_values(&site).set(silence);
        for one in Standing::ALL {
            of_fleet.session_standing.with_label_values(&[name, one.as_str()]).set(standing(one));
        }
        of_fleet.sessions_silent.with_label_values(&site).set(standing(Standing::Silent));
        of_fleet.sessions_stalled.with_label_values(&site).set(standing(Standing::Stalled));
        of_fleet.site_nodes.with_label_values(&site).set(gauge(numbers.nodes));
        of_fleet.site_node_share.with_label_values(&site).set(numbers.busiest_share());
    }
}
