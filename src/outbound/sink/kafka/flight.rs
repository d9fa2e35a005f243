//! What librdkafka holds of ours: limits on messages and bytes, who waits for which report, and its own troubles.
//!
//! A record's opaque is a plain number, so a report costs no allocation. A caller that has gone away leaves its
//! records on their way; their reports only free the room. Deliberately absent: what an error means (`cause`,
//! `trouble`).

use super::super::Cause;
use super::cause;
use super::trouble::Trouble;
use rdkafka::error::RDKafkaErrorCode;
use slab::Slab;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

/// Limits of our own, below those that `properties` gives to librdkafka.
pub const MAX_MESSAGES: usize = 10_000;
pub const MAX_BYTES: usize = 32 << 20;

/// A delivery report.
pub type Report = Result<(), RDKafkaErrorCode>;

pub struct Flight {
    messages: Semaphore,
    bytes: Semaphore,
    space: Notify,
    /// Why no report will come any more.
    stranded: watch::Sender<Option<Cause>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By their numbers, which are given again once their report is there.
    waiting: Slab<Waiting>,
    /// What is wrong with the connections since something was delivered.
    trouble: Option<Trouble>,
    /// What ended the producer.
    fatal: Option<Cause>,
    may_produce: bool,
}

struct Waiting {
    bytes: usize,
    nth: usize,
    tell: mpsc::UnboundedSender<(usize, Report)>,
}

impl Default for Flight {
    fn default() -> Flight {
        Flight {
            messages: Semaphore::new(MAX_MESSAGES),
            bytes: Semaphore::new(MAX_BYTES),
            space: Notify::new(),
            stranded: watch::Sender::default(),
            inner: Mutex::default(),
        }
    }
}

impl Flight {
    /// Room for one record, and a number for it. `size` is at most [`MAX_BYTES`].
    pub async fn reserve(
        self: &Arc<Self>,
        size: usize,
        nth: usize,
        tell: mpsc::UnboundedSender<(usize, Report)>,
    ) -> Slot {
        let bytes = size.min(MAX_BYTES);
        // The semaphores are never closed, so both waits end with room.
        let message = self.messages.acquire().await;
        let room = self.bytes.acquire_many(u32::try_from(bytes).unwrap_or(u32::MAX)).await;
        if let (Ok(message), Ok(room)) = (message, room) {
            message.forget();
            room.forget();
        }
        let token = self.inner().waiting.insert(Waiting { bytes, nth, tell });
        Slot { flight: Arc::clone(self), token: Some(token) }
    }

    /// Woken at each report.
    pub fn space(&self) -> Notified<'_> {
        self.space.notified()
    }

    pub fn fatal(&self) -> Option<Cause> {
        self.inner().fatal.clone()
    }

    pub fn trouble(&self) -> Option<Cause> {
        self.inner().trouble.as_ref().map(|trouble| trouble.cause.clone())
    }

    /// Whether there is trouble that does not pass by itself.
    pub fn is_definite(&self) -> bool {
        self.inner().trouble.as_ref().is_some_and(Trouble::is_definite)
    }

    /// Whether the brokers have let the producer in.
    pub fn may_produce(&self) -> bool {
        self.inner().may_produce
    }

    pub fn is_let_in(&self, may_produce: bool) {
        self.inner().may_produce = may_produce;
    }

    /// Whether librdkafka holds nothing of ours.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.inner().waiting.is_empty()
    }

    pub fn report(&self, token: usize, report: Report) {
        let waiting = {
            let mut inner = self.inner();
            match report {
                Ok(()) => inner.trouble = None,
                Err(code) if cause::is_fatal(code) => {
                    let ended =
                        Cause::new(cause::reason(code), format!("the producer can not go on: {code}"));
                    inner.fatal.get_or_insert(ended);
                }
                Err(_) => {}
            }
            inner.waiting.try_remove(token)
        };
        self.free(waiting, Some(report));
        self.space.notify_waiters();
    }

    pub fn trouble_is(&self, trouble: Trouble) {
        let mut inner = self.inner();
        if trouble.replaces(inner.trouble.as_ref()) {
            inner.trouble = Some(trouble);
        }
    }

    /// The producer is at its end. What is known first says most.
    pub fn ended(&self, why: Cause) {
        self.inner().fatal.get_or_insert(why);
    }

    /// No report will come any more: whoever waits for one is told.
    pub fn strand(&self, why: Cause) {
        self.stranded.send_replace(Some(why));
    }

    /// Ends when no report will come any more.
    pub async fn stranded(&self) -> Cause {
        let mut told = self.stranded.subscribe();
        let why = told.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // Its sender is ours and lives as long.
            None => std::future::pending().await,
        }
    }

    fn free(&self, waiting: Option<Waiting>, report: Option<Report>) {
        let Some(waiting) = waiting else { return };
        self.messages.add_permits(1);
        self.bytes.add_permits(waiting.bytes);
        if let Some(report) = report {
            let _ = waiting.tell.send((waiting.nth, report));
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for a record that librdkafka has not taken yet; given back where it never does.
pub struct Slot {
    flight: Arc<Flight>,
    token: Option<usize>,
}

impl Slot {
    /// The record's opaque.
    pub fn token(&self) -> usize {
        self.token.unwrap_or_default()
    }

    /// librdkafka has it: from here on the report frees the room.
    pub fn sent(mut self) {
        self.token = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            let waiting = self.flight.inner().waiting.try_remove(token);
            self.flight.free(waiting, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trouble::Access;
    use super::*;

    #[tokio::test]
    async fn room_is_given_back_by_a_report_and_by_a_record_that_was_never_taken() {
        let flight = Arc::new(Flight::default());
        let (tell, mut heard) = mpsc::unbounded_channel();
        let slot = flight.reserve(1000, 7, tell.clone()).await;
        let token = slot.token();
        slot.sent();
        drop(flight.reserve(5, 8, tell).await);
        assert_eq!(flight.messages.available_permits(), MAX_MESSAGES - 1);
        flight.report(token, Err(RDKafkaErrorCode::AllBrokersDown));
        assert_eq!(heard.recv().await, Some((7, Err(RDKafkaErrorCode::AllBrokersDown))));
        assert_eq!(flight.bytes.available_permits(), MAX_BYTES);
        assert_eq!(flight.messages.available_permits(), MAX_MESSAGES);
    }

    #[tokio::test]
    async fn a_delivery_ends_the_trouble() {
        let flight = Arc::new(Flight::default());
        let down = RDKafkaErrorCode::AllBrokersDown;
        flight.trouble_is(Trouble::new(down, "1/1 brokers are down", &Access::default()));
        assert_eq!(flight.trouble().unwrap().reason, "brokers-down");
        flight.report(1, Ok(()));
        assert!(flight.trouble().is_none());
    }
}
