//! What the service knows of its own health: one place where tasks say how they are, and the probes ask.
//!
//! Liveness answers "would a restart help"; readiness "is it doing its job". Deliberately absent: HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How one part of the service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Starting,
    Ok,
    /// It works on, with a fault the operator should see; the text says what.
    Degraded(String),
    /// It can not do its job now; readiness fails.
    Down(String),
}

/// Shared by everything that runs; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    parts: BTreeMap<String, Status>,
    beats: BTreeMap<String, (Instant, Duration)>,
    stopping: bool,
}

impl Health {
    /// Sets the status of a part, e.g. `journal`, `site main`, `sink crm`.
    pub fn set(&self, part: &str, status: Status) {
        self.inner().parts.insert(part.to_owned(), status);
    }

    pub fn remove(&self, part: &str) {
        self.inner().parts.remove(part);
    }

    /// A task says it makes progress; silent for longer than `limit`, the process counts as not alive.
    pub fn beat(&self, task: &str, limit: Duration) {
        self.inner().beats.insert(task.to_owned(), (Instant::now(), limit));
    }

    /// The task has ended as it should: it is no longer expected to beat.
    pub fn quiet(&self, task: &str) {
        self.inner().beats.remove(task);
    }

    pub fn stopping(&self) {
        self.inner().stopping = true;
    }

    /// The tasks that stopped beating; empty means alive.
    pub fn stuck(&self) -> Vec<String> {
        let inner = self.inner();
        inner
            .beats
            .iter()
            .filter(|(_, (at, limit))| at.elapsed() > *limit)
            .map(|(task, (at, _))| format!("{task}: no sign of life for {} s", at.elapsed().as_secs()))
            .collect()
    }

    /// Why the service is not ready; empty means ready.
    pub fn unready(&self) -> Vec<String> {
        let inner = self.inner();
        let mut reasons: Vec<String> = inner
            .parts
            .iter()
            .filter_map(|(part, status)| match status {
                Status::Starting => Some(format!("{part}: starting")),
                Status::Down(why) => Some(format!("{part}: {why}")),
                Status::Ok | Status::Degraded(_) => None,
            })
            .collect();
        if inner.stopping {
            reasons.push("stopping".to_owned());
        }
        reasons
    }

    /// Every part and its status, by name.
    pub fn parts(&self) -> BTreeMap<String, Status> {
        self.inner().parts.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
