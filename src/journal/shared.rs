//! What the handle and the writer both see.

use super::api::{Head, Sequence, State};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Written by the writer, read by everybody.
#[derive(Debug)]
pub(super) struct Shared {
    pub head: watch::Sender<Head>,
    pub state: watch::Sender<State>,
    /// Where every sink stands, configured or not; ahead of the disk by what is deferred.
    positions: Mutex<BTreeMap<String, Sequence>>,
    /// Set before the writer is asked to close, so that it does not wait for a full disk any longer.
    pub closing: AtomicBool,
}

impl Shared {
    pub(super) fn new(head: Head, positions: BTreeMap<String, Sequence>) -> Shared {
        Shared {
            head: watch::Sender::new(head),
            state: watch::Sender::new(State::Ok),
            positions: Mutex::new(positions),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) fn positions(&self) -> MutexGuard<'_, BTreeMap<String, Sequence>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a sink's position forward, never back.
    pub(super) fn advance(&self, sink: &str, at: Sequence) {
        let mut positions = self.positions();
        match positions.get_mut(sink) {
            Some(kept) => *kept = at.max(*kept),
            None => {
                positions.insert(sink.to_owned(), at);
            }
        }
    }

    /// Why the journal has failed, if it has.
    pub(super) fn failure(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Failed(why) => Some(why.clone()),
            State::Ok | State::Stalled { .. } => None,
        }
    }
}
