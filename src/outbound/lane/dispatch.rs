//! What of a lane's window leaves now, and when something is to be looked at again.
//!
//! Deliberately absent: what becomes of a call (see `land`).

use super::{Calls, Landed, Lane};
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
            if calls.len() >= self.allowed(shape, now) || !self.window.has_ready(now) {
                return;
            }
            let items = self.window.take(take, now);
            if items.is_empty() {
                continue;
            }
            let batch: Vec<Delivery> = items.into_iter().map(|item| self.delivery(item)).collect();
            let sink = Arc::clone(sink);
            calls.push(Box::pin(async move {
                let began = Instant::now();
                let outcomes = sink.deliver(&batch).await;
                Landed { batch, outcomes, took: began.elapsed() }
            }));
        }
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
        }
    }
}
