//! Whether refusals are the accounts' fault or the site's, and who probes while it is the site's.
//!
//! A directory that is out of order refuses everybody. The sign of it: of agents whose same secret worked before, at
//! least three are refused within 30 s, and they are a fifth or more of all who were tried meanwhile. A site
//! that has only two such agents takes both; one agent alone can tell nothing and counts as refused. From then on
//! one canary at a time tries, never the same one within half an hour; where every waiting agent was tried within that
//! time, the one tried longest ago goes, if ten minutes have passed: at most three tries of an account in half an
//! hour, below what directories lock for. A secret that never worked is no canary while there are others: its refusal
//! tells nothing, and would be repeated when the fault is over. Pure: every function is told the time. Deliberately
//! absent: waiting.

use crate::base::retry::Backoff;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub const WINDOW: Duration = Duration::from_secs(30);
const NEEDED: usize = 3;
/// One in so many of those tried.
const SHARE: usize = 5;
/// The tries remembered: beyond it the oldest are forgotten.
const MAX_TRIES: usize = 10_000;
const ONCE_IN: Duration = Duration::from_secs(1_800);
const AT_LEAST: Duration = Duration::from_secs(600);
/// A canary that has not reported by then is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// A fault that comes back so soon goes on with the intervals it had.
const RELAPSE: Duration = Duration::from_secs(600);
/// Those who wait are swept of those who left when they have grown to this, or to twice what the last sweep left.
const SWEEP: usize = 256;
const PROBES: Backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(300) };

#[derive(Default)]
pub struct Directory {
    tries: VecDeque<Try>,
    fault: Option<Fault>,
    ended: Option<(Instant, u32)>,
    /// When each account was refused last, through the site's fault or as a canary.
    tried: HashMap<String, Instant>,
    waiting: Vec<Waiting>,
    sweep_at: usize,
    /// When an agent whose secret worked before was last seen to wait or to try.
    proven: Option<Instant>,
}

struct Try {
    at: Instant,
    agent: String,
    refused: bool,
    worked_before: bool,
}

struct Fault {
    attempt: u32,
    next: Instant,
    canary: Option<(String, Instant)>,
}

struct Waiting {
    agent: String,
    worked_before: bool,
    go: oneshot::Sender<()>,
}

impl Directory {
    pub fn fault(&self) -> bool {
        self.fault.is_some()
    }

    pub fn canary(&self) -> Option<&str> {
        self.fault.as_ref()?.canary.as_ref().map(|(agent, _)| agent.as_str())
    }

    pub fn is_canary(&self, agent: &str) -> bool {
        self.canary() == Some(agent)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.go.is_closed()).count()
    }

    /// Queues up; the receiver is told (or dropped) when it is worth asking again.
    pub fn wait(&mut self, agent: &str, worked_before: bool, now: Instant) -> oneshot::Receiver<()> {
        if worked_before {
            self.proven = Some(now);
        }
        if self.waiting.len() >= self.sweep_at.max(SWEEP) {
            self.waiting.retain(|waiting| !waiting.go.is_closed());
            self.sweep_at = self.waiting.len() * 2;
        }
        let (go, told) = oneshot::channel();
        self.waiting.push(Waiting { agent: agent.to_owned(), worked_before, go });
        told
    }

    /// All who wait are to ask again.
    pub fn wake(&mut self) {
        self.waiting.clear();
    }

    /// A login worked. Whether that ends the fault: only the canary's counts, as others' may be older than it.
    pub fn worked(&mut self, agent: &str, now: Instant) -> bool {
        self.note(agent, false, true, now);
        let ends = self.is_canary(agent);
        if ends {
            self.end(now);
        }
        ends
    }

    pub fn end(&mut self, now: Instant) {
        if let Some(fault) = self.fault.take() {
            self.ended = Some((now, fault.attempt));
        }
        self.tries.clear();
        self.wake();
    }

    /// A login was refused while no fault is known; `known` is how many agents here have a secret that worked.
    /// `Some` where that makes it the site's fault: those refused within the window.
    pub fn refused(
        &mut self,
        agent: &str,
        worked_before: bool,
        known: usize,
        now: Instant,
    ) -> Option<Vec<String>> {
        self.note(agent, true, worked_before, now);
        let tried: HashSet<&str> = self.tries.iter().map(|one| one.agent.as_str()).collect();
        let suspect = self.tries.iter().filter(|one| one.refused && one.worked_before);
        let suspect: HashSet<&str> = suspect.map(|one| one.agent.as_str()).collect();
        let enough = suspect.len() >= NEEDED.min(known.max(2)) && suspect.len() * SHARE >= tried.len();
        if !enough {
            return None;
        }
        let suspect: Vec<String> = suspect.into_iter().map(str::to_owned).collect();
        for agent in &suspect {
            self.tried.insert(agent.clone(), now);
        }
        self.declare(now);
        Some(suspect)
    }

    /// The site is at fault from now on.
    pub fn declare(&mut self, now: Instant) {
        let relapse = |(at, attempt): (Instant, u32)| {
            (now.saturating_duration_since(at) < RELAPSE).then_some(attempt.saturating_add(1))
        };
        let attempt = self.ended.and_then(relapse).unwrap_or(1);
        self.fault = Some(Fault { attempt, next: now + PROBES.ceiling(attempt), canary: None });
        // A fault is told by secrets that worked before: there are some, though they may not wait yet.
        self.proven = Some(now);
        self.tries.clear();
    }

    /// An account was refused during the fault.
    pub fn refused_in_fault(&mut self, agent: &str, now: Instant) {
        self.tried.insert(agent.to_owned(), now);
        self.canary_failed(agent, now);
    }

    /// If this is the canary: its probe has shown nothing good.
    pub fn canary_failed(&mut self, agent: &str, now: Instant) {
        if !self.is_canary(agent) {
            return;
        }
        if let Some(fault) = &mut self.fault {
            fault.canary = None;
            fault.attempt = fault.attempt.saturating_add(1);
            fault.next = now + PROBES.ceiling(fault.attempt);
        }
    }

    fn note(&mut self, agent: &str, refused: bool, worked_before: bool, now: Instant) {
        self.tries.push_back(Try { at: now, agent: agent.to_owned(), refused, worked_before });
        while self.tries.len() > MAX_TRIES
            || self.tries.front().is_some_and(|one| now.saturating_duration_since(one.at) > WINDOW)
        {
            self.tries.pop_front();
        }
    }

    /// Sends a canary out if it is time; when to ask again (`None`: when there is news).
    pub fn probe(&mut self, now: Instant) -> Option<Instant> {
        let fault = self.fault.as_mut()?;
        if let Some((agent, since)) = &fault.canary {
            let deadline = *since + PATIENCE;
            if now < deadline {
                return Some(deadline);
            }
            let agent = agent.clone();
            self.tried.insert(agent.clone(), now);
            self.canary_failed(&agent, now);
            return self.probe(now);
        }
        if now < fault.next {
            return Some(fault.next);
        }
        self.waiting.retain(|waiting| !waiting.go.is_closed());
        if self.waiting.iter().any(|waiting| waiting.worked_before) {
            self.proven = Some(now);
        }
        // One that tried a moment ago is not among those who wait, and comes back.
        let until = self.proven.map(|at| at + AT_LEAST).filter(|until| now < *until);
        let tried = &self.tried;
        let order = |waiting: &Waiting| {
            let last = tried.get(&waiting.agent).copied();
            let rests = last.is_none_or(|at| now.saturating_duration_since(at) >= ONCE_IN);
            // By chance among equals: else each restart would begin with the same agent.
            (!waiting.worked_before, !rests, last, fastrand::u32(..))
        };
        let best = self.waiting.iter().enumerate().map(|(place, waiting)| (order(waiting), place)).min()?;
        let ((unproven, _, last, _), place) = best;
        if let Some(until) = until.filter(|_| unproven) {
            return Some(until);
        }
        let free = last.map_or(now, |at| at + AT_LEAST);
        if free > now {
            return Some(free);
        }
        let chosen = self.waiting.swap_remove(place);
        fault.canary = Some((chosen.agent, now));
        // Who left just now is found out by the deadline.
        let _ = chosen.go.send(());
        Some(now + PATIENCE)
    }
}
