//! What of a lane's window leaves now, and when something is to be looked at again.
//!
//! Deliberately absent: what becomes of a call (see `land`).

use super::{Calls, Landed, Lane, TICK};
use crate::journal::sequence_text;
use crate::outbound::sink::{Delivery, Shape, Sink};
use crate::outbound::source::Source;
use crate::outbound::window::{Item, Take};
use std::sync::Arc;
use tokio::time::Instant;

impl<S: Source> Lane<S> {
    /// Calls the sink with what may be tried, as often as it wants to be called at once.
    pub(super) fn dispatch(&mut self, sink: &Arc<Sink>, shape: &Shape, calls: &mut Calls) {
        let take = Take { items: shape.items, keys: shape.keys, per_key: shape.per_key };
        loop {
            let now = Instant::now();
            if calls.len() >= self.allowed(shape, now) || !self.may_leave(shape, now) {
                return;
            }
            let items = self.window.take(take, now);
            let upto = if shape.exact { self.window.position_after(&items) } else { 0 };
            if items.is_empty() {
                if !shape.exact {
                    continue;
                }
                self.last_empty = Some(now);
            }
            let batch: Vec<Delivery> = items.into_iter().map(|item| self.delivery(item)).collect();
            let sink = Arc::clone(sink);
            calls.spawn(async move {
                let began = Instant::now();
                let outcomes = sink.deliver(&batch, upto).await;
                Landed { batch, outcomes, took: began.elapsed() }
            });
        }
    }

    /// Whether there is something to call the sink with.
    ///
    /// A sink with a position of its own gets everything that is open in one call, so that nothing is ever delivered
    /// beyond its position; and not before what was put aside is stored, as its position passes that. It is called
    /// with nothing, too, where its position is to move over what it does not want.
    fn may_leave(&self, shape: &Shape, now: Instant) -> bool {
        let ready = self.window.has_ready(now);
        if !shape.exact {
            return ready;
        }
        if self.settling.is_some() || !self.nothing_aside() {
            return false;
        }
        let moved = self.window.len() == 0 && self.committed < Some(self.window.position());
        ready || (moved && self.last_empty.is_none_or(|at| now.duration_since(at) >= TICK))
    }

    /// Calls that may be out now.
    pub(super) fn allowed(&self, shape: &Shape, now: Instant) -> usize {
        self.breaker.limit(now).map_or(shape.calls, |limit| limit.min(shape.calls))
    }

    /// When there is something to try again. While every call is out their landing comes first.
    pub(super) fn next_due(&self, shape: &Shape, out: usize) -> Option<Instant> {
        let now = Instant::now();
        if out >= self.allowed(shape, now) {
            return self.breaker.until().filter(|until| *until > now);
        }
        let parked = self.aside.next_due().filter(|_| self.may_load(shape.calls));
        self.window.next_due().into_iter().chain(parked).min()
    }

    fn delivery(&self, item: Item) -> Delivery {
        Delivery {
            sequence: item.stored.sequence,
            sequence_text: sequence_text(self.wiring.birth, item.stored.sequence),
            event: item.masked,
            attempt: item.failures.saturating_add(1),
            beside: item.parked,
        }
    }
}
