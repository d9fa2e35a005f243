//! The Kafka sink: an idempotent producer that keeps order per key over outages.
//!
//! `properties` makes the client's settings, `topic` names, `record` bytes, `flight` what is on its way, `cause` the
//! meaning of errors. Records wait in librdkafka's queue as long as brokers are away: a call comes back when all its
//! reports are in, and `trouble` says meanwhile what is wrong. Limits of our own stand below librdkafka's, so a full
//! queue is the exception; then the same record waits its turn. Deliberately absent: transactions, OAuth tokens.

mod cause;
mod flight;
pub mod properties;
mod record;
pub mod topic;

pub use cause::REASONS;

use super::{Cause, Delivery, Outcome, Shape, closed};
use crate::journal::Sequence;
use crate::outbound::settings::{KafkaConfig, KafkaMode};
use flight::{Context, Flight, Report};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{RwLock, mpsc};
use topic::Topic;

/// Large calls, a few at once: the next ones queue while the last ones travel.
pub const SHAPE: Shape = Shape {
    calls: 4,
    items: 1024,
    keys: 1024,
    per_key: 1024,
    window_events: 8192,
    window_bytes: 16 << 20,
    max_retry_after: Duration::ZERO,
    frozen: false,
    parks: true,
    exact: false,
};

/// How long `probe` waits for a broker.
const PROBE: Duration = Duration::from_secs(10);
/// Bound of the set below; beyond it, it is simply forgotten and built up again.
const MAX_ALONE: usize = 10_000;

pub struct KafkaSink {
    producer: Mutex<Option<ThreadedProducer<Context>>>,
    flight: Arc<Flight>,
    topic: Topic,
    mode: KafkaMode,
    max_bytes: usize,
    /// Records that a broker refused for their size as part of a batch: tried alone, so that a small one is not
    /// taken for the large one beside it.
    alone: Mutex<HashSet<Sequence>>,
    gate: RwLock<()>,
}

impl KafkaSink {
    /// Reads the secrets and makes the client, which checks every property; no broker is called for it.
    pub async fn build(config: &KafkaConfig) -> Result<KafkaSink, String> {
        let topic = Topic::parse(&config.topic)?;
        let (client, max_bytes) = properties::client(config).await?;
        let flight = Arc::new(Flight::default());
        let context = Context(Arc::clone(&flight));
        let producer: ThreadedProducer<Context> =
            client.create_with_context(context).map_err(|error| properties::explain(&error))?;
        Ok(KafkaSink {
            producer: Mutex::new(Some(producer)),
            flight,
            topic,
            mode: config.mode,
            max_bytes: max_bytes.min(flight::MAX_BYTES),
            alone: Mutex::default(),
            gate: RwLock::new(()),
        })
    }

    pub async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        if self.producer().is_none() {
            return closed(batch);
        }
        let mut call = Call::new(batch);
        let alone: HashSet<Sequence> = self.alone().clone();
        for (nth, delivery) in batch.iter().enumerate() {
            if alone.contains(&delivery.sequence) {
                let _gate = self.gate.write().await;
                self.send(&mut call, nth, delivery).await;
                self.hear_all(&mut call, true).await;
            }
        }
        let _gate = self.gate.read().await;
        for (nth, delivery) in batch.iter().enumerate() {
            if alone.contains(&delivery.sequence) {
                continue;
            }
            while let Ok((nth, report)) = call.heard.try_recv() {
                self.hear(&mut call, nth, report, false);
            }
            self.send(&mut call, nth, delivery).await;
        }
        self.hear_all(&mut call, false).await;
        call.outcomes
    }

    /// Hands one record to librdkafka, or notes why not.
    async fn send(&self, call: &mut Call<'_>, nth: usize, delivery: &Delivery) {
        if call.failed.contains(delivery.event.partitionkey.as_str()) {
            return;
        }
        match self.enqueue(nth, delivery, &call.tell).await {
            Ok(()) => call.out += 1,
            Err(outcome) => call.set(nth, outcome),
        }
    }

    async fn enqueue(
        &self,
        nth: usize,
        delivery: &Delivery,
        tell: &mpsc::UnboundedSender<(usize, Report)>,
    ) -> Result<(), Outcome> {
        let name = self.topic.of(&delivery.event);
        let (headers, value) = record::encode(delivery, self.mode)?;
        let key = delivery.event.partitionkey.as_str();
        let size = record::size(key, &headers, &value);
        if size > self.max_bytes {
            let detail = format!("{size} bytes are more than message.max.bytes ({})", self.max_bytes);
            return Err(Outcome::Reject { cause: Cause::new("too-large", detail) });
        }
        let slot = self.flight.reserve(size, nth, tell.clone()).await;
        let mut record: BaseRecord<'_, str, [u8], usize> = BaseRecord::with_opaque_to(&name, slot.token())
            .key(key)
            .payload(value.as_slice())
            .headers(record::headers(&headers));
        loop {
            let space = self.flight.space();
            tokio::pin!(space);
            space.as_mut().enable();
            let sent = match self.producer().as_ref() {
                Some(producer) => producer.send(record),
                None => return Err(Outcome::Held),
            };
            match sent {
                Ok(()) => {
                    slot.sent();
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => record = same,
                Err((error, _)) => return Err(self.local(&error)),
            }
            space.await;
        }
    }

    /// librdkafka took the record not at all.
    fn local(&self, error: &KafkaError) -> Outcome {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                Outcome::Reject { cause: Cause::new("too-large", "larger than message.max.bytes") }
            }
            Some(code) => cause::of(code, self.flight.fatal()),
            None => Outcome::Reject { cause: Cause::new("not-encodable", "topic or key holds a NUL") },
        }
    }

    async fn hear_all(&self, call: &mut Call<'_>, alone: bool) {
        while call.out > 0 {
            let Some((nth, report)) = call.heard.recv().await else { return };
            self.hear(call, nth, report, alone);
        }
    }

    fn hear(&self, call: &mut Call<'_>, nth: usize, report: Report, alone: bool) {
        call.out = call.out.saturating_sub(1);
        let Some(sequence) = call.batch.get(nth).map(|delivery| delivery.sequence) else { return };
        let outcome = match report {
            Ok(()) => Outcome::Done,
            Err(code) if cause::is_size(code) => self.too_large(sequence, code, alone),
            Err(code) => cause::of(code, self.flight.fatal()),
        };
        if alone {
            self.alone().remove(&sequence);
        }
        call.set(nth, outcome);
    }

    fn too_large(&self, sequence: Sequence, code: RDKafkaErrorCode, alone: bool) -> Outcome {
        let cause = Cause::new("too-large", format!("a broker refused it: {code}"));
        if alone {
            return Outcome::Reject { cause };
        }
        let mut waiting = self.alone();
        if waiting.len() >= MAX_ALONE {
            waiting.clear();
        }
        waiting.insert(sequence);
        Outcome::Retry { cause, after: None }
    }

    pub fn trouble(&self) -> Option<Cause> {
        self.flight.trouble()
    }

    /// Asks a broker for the topic, or for the cluster where the topic's name depends on the event.
    pub async fn probe(&self) -> Result<(), Cause> {
        let Some(producer) = self.producer().as_ref().cloned() else {
            return Err(Cause::new("closed", "the sink is closed"));
        };
        let topic = self.topic.fixed().map(str::to_owned);
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = producer.client().fetch_metadata(topic.as_deref(), PROBE);
            let found = metadata.map(|found| {
                let error = found.topics().iter().find_map(rdkafka::metadata::MetadataTopic::error);
                error.map(RDKafkaErrorCode::from)
            });
            drop(producer);
            found
        });
        let failed = match asked.await {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(code))) => code,
            Ok(Err(error)) => error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
            Err(_) => RDKafkaErrorCode::Unknown,
        };
        Err(self.flight.trouble().unwrap_or_else(|| Cause::new(cause::reason(failed), failed.to_string())))
    }

    /// Gives what is queued at most `grace`; the rest is purged. Done only when nothing more can leave.
    pub async fn close(&self, grace: Duration) {
        let Some(producer) = self.producer().take() else { return };
        let _ = tokio::task::spawn_blocking(move || {
            if !grace.is_zero() {
                let _ = producer.flush(grace);
            }
            drop(producer);
        })
        .await;
    }

    fn producer(&self) -> MutexGuard<'_, Option<ThreadedProducer<Context>>> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> MutexGuard<'_, HashSet<Sequence>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KafkaSink {
    /// Dropping a producer waits for its thread: not on a thread of the runtime.
    fn drop(&mut self) {
        if let Some(producer) = self.producer().take() {
            let _ = std::thread::Builder::new().name("kafka drop".to_owned()).spawn(move || drop(producer));
        }
    }
}

/// One call of `deliver`.
struct Call<'a> {
    batch: &'a [Delivery],
    outcomes: Vec<Outcome>,
    /// Keys of which an event is not done: nothing more of them goes out in this call.
    failed: HashSet<&'a str>,
    /// Records without report.
    out: usize,
    tell: mpsc::UnboundedSender<(usize, Report)>,
    heard: mpsc::UnboundedReceiver<(usize, Report)>,
}

impl<'a> Call<'a> {
    fn new(batch: &'a [Delivery]) -> Call<'a> {
        let (tell, heard) = mpsc::unbounded_channel();
        let outcomes = vec![Outcome::Held; batch.len()];
        Call { batch, outcomes, failed: HashSet::new(), out: 0, tell, heard }
    }

    fn set(&mut self, nth: usize, outcome: Outcome) {
        if !matches!(outcome, Outcome::Done | Outcome::Reject { .. })
            && let Some(delivery) = self.batch.get(nth)
        {
            self.failed.insert(delivery.event.partitionkey.as_str());
        }
        if let Some(slot) = self.outcomes.get_mut(nth) {
            *slot = outcome;
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
