//! Parking: a key that fails while others get through makes room in the window, and keeps its order in the journal.
//!
//! Deliberately absent: taking it up again (see `fill`).

use super::Lane;
use super::aside::Head;
use crate::base::time::Millis;
use crate::journal::{Failure, NewParked, Tried};
use crate::outbound::sink::Cause;
use crate::outbound::source::Source;
use crate::outbound::window::Item;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One event of a call that failed and is to be tried again.
pub(super) struct Again {
    pub item: Item,
    pub due: Instant,
    pub cause: Cause,
}

impl<S: Source> Lane<S> {
    /// After a call has landed: what was parked goes back, and what others have overtaken is parked.
    pub(super) fn after_failure(&mut self, again: Again) {
        let Again { item, due, cause } = again;
        let head = Head {
            sequence: item.stored.sequence,
            failures: item.failures,
            first_failure: item.first_failure,
        };
        if item.parked {
            self.window.evict(&item.key);
            // Of a call that goes again as it was the key stays in hand.
            if !self.window.holds(&item.key) {
                self.aside.later(&item.key, due, Some(head));
            }
            let now = self.wiring.clock.now();
            self.next.tried.retain(|tried| tried.sequence != item.stored.sequence);
            self.next.tried.push(Tried {
                sequence: item.stored.sequence,
                attempts: item.failures,
                first_failure: item.first_failure.unwrap_or(now),
                due: self.wall(due),
                failure: failure(&cause),
            });
        } else if self.others_got_through(&item) && self.may_park(&item.key, item.stored.bytes) {
            self.park(&item.key, due, &failure(&cause));
        }
    }

    /// Something was delivered since the call began in which the event first failed: it is not the destination.
    pub(super) fn others_got_through(&self, item: &Item) -> bool {
        self.parks && !self.breaker.open() && self.last_good > item.failing_since
    }

    /// Whether one more event of the key may be parked: not while the disk is full, where it would take the room that
    /// trimming needs.
    pub(super) fn may_park(&self, key: &str, bytes: u64) -> bool {
        self.source.writable() && self.aside.fits(key, bytes)
    }

    /// Moves a key's events out of the window; the first of them carries its tries.
    fn park(&mut self, key: &Arc<str>, due: Instant, failure: &Failure) {
        let wall = self.wall(due);
        let mut first: Option<Head> = None;
        for item in self.window.evict(key) {
            self.aside.grow(key, 1, item.stored.bytes, due);
            first.get_or_insert(Head {
                sequence: item.stored.sequence,
                failures: item.failures,
                first_failure: item.first_failure,
            });
            self.next.park.push(NewParked {
                sequence: item.stored.sequence,
                event: item.stored.event,
                recorded: item.stored.recorded,
                attempts: item.failures,
                first_failure: item.first_failure,
                due: wall,
                failure: if item.first_failure.is_some() { failure.clone() } else { Failure::default() },
            });
        }
        self.aside.later(key, due, first);
    }

    /// Before the lane ends: what was delivered beyond an open event would come again at the next start. Parking
    /// what is open lets the position pass it.
    pub(super) fn park_rest(&mut self) {
        if !self.parks || self.window.settled_above() == 0 {
            return;
        }
        self.window.thaw();
        for key in self.window.idle_keys() {
            self.park(&key, Instant::now(), &Failure::default());
        }
    }

    fn wall(&self, due: Instant) -> Millis {
        let wait = due.saturating_duration_since(Instant::now()).min(Duration::from_secs(365 * 86_400));
        self.wiring.clock.now().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}

pub(super) fn failure(cause: &Cause) -> Failure {
    Failure {
        reason: cause.reason.to_owned(),
        detail: cause.detail.clone(),
        answer: cause.answer.clone().unwrap_or_default(),
    }
}
