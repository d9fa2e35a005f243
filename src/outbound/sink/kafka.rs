//! The Kafka sink: an idempotent producer that keeps order per key over outages.
//!
//! `properties` makes the client's settings, `topic` names, `record` bytes (with `template`), `call` is one delivery,
//! `flight` what is on its way, `context` hears librdkafka, `cause` and `trouble` say what errors mean, `live` asks
//! beforehand, `shown` is a record for people. Records wait in librdkafka's queue as long as brokers are away: a call comes back when all its reports
//! are in, or when none will come any more, and `trouble` says meanwhile what is wrong. Limits of our own stand below
//! librdkafka's, so a full queue is the exception; then the same record waits its turn. `exact` puts events and position into one transaction
//! where `delivery` says so, with `control` for the topic that keeps it. Deliberately absent: creating topics.

mod call;
mod cause;
mod context;
mod control;
mod exact;
mod flight;
pub mod live;
pub mod needs;
pub mod properties;
mod record;
mod shown;
mod statistics;
pub mod template;
mod tokens;
pub mod topic;
mod trouble;

pub use cause::REASONS;
pub use exact::transactional_id;

use super::{Cause, Delivery, Outcome, Shape, closed};
use crate::journal::Sequence;
use crate::outbound::settings::KafkaConfig;
use call::Call;
use context::Context;
use exact::Exact;
use flight::{Flight, Report};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use record::{Encoded, Form};
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokens::Tokens;
use tokio::sync::{RwLock, mpsc};
use topic::Topic;

/// A call comes back with its last report, whichever partition that is of: many smaller ones leave fewer partitions
/// without a record to send meanwhile than a few large ones.
pub const SHAPE: Shape = Shape {
    calls: 16,
    items: 512,
    keys: 1024,
    per_key: 1024,
    window_events: 16_384,
    window_bytes: 32 << 20,
    max_retry_after: Duration::ZERO,
    frozen: false,
    parks: true,
    exact: false,
};

/// One transaction at a time, of all that is open.
const EXACT: Shape = Shape {
    calls: 1,
    items: usize::MAX,
    keys: usize::MAX,
    per_key: usize::MAX,
    window_events: 8192,
    window_bytes: 16 << 20,
    parks: false,
    exact: true,
    ..SHAPE
};

/// Bound of the set below; beyond it, it is simply forgotten and built up again.
const MAX_ALONE: usize = 10_000;

pub struct KafkaSink {
    producer: Mutex<Option<ThreadedProducer<Context>>>,
    flight: Arc<Flight>,
    topic: Topic,
    form: Form,
    max_bytes: usize,
    /// Records that a broker refused for their size as part of a batch: tried alone, so that a small one is not
    /// taken for the large one beside it.
    alone: Mutex<HashSet<Sequence>>,
    gate: RwLock<()>,
    exact: Option<Exact>,
    access: trouble::Access,
    tokens: Option<Tokens>,
}

impl KafkaSink {
    /// Reads the secrets and makes the client, which checks every property; no broker is called for it.
    ///
    /// `journal` and `sink` name what a transaction stands for.
    pub async fn build(config: &KafkaConfig, journal: &str, sink: &str) -> Result<KafkaSink, String> {
        let topic = Topic::parse(&config.topic)?;
        let form = Form::new(config)?;
        let mut properties = properties::read(config).await?;
        let exact = config.control_topic.as_ref().map(|control| {
            let client = properties.client.clone();
            properties.exactly_once(&transactional_id(journal, sink));
            Exact::new(control.clone(), journal, sink, client)
        });
        let flight = Arc::new(Flight::default());
        let producer = producer(config, &properties, &flight)?;
        Ok(KafkaSink {
            producer: Mutex::new(Some(producer)),
            flight,
            topic,
            form,
            max_bytes: properties.max_bytes.min(flight::MAX_BYTES),
            alone: Mutex::default(),
            gate: RwLock::new(()),
            exact,
            access: properties.access,
            tokens: config.oauth2.as_ref().map(Tokens::new).transpose()?,
        })
    }

    pub fn shape(&self) -> Shape {
        if self.exact.is_some() { EXACT } else { SHAPE }
    }

    /// The position that the control topic holds by now.
    pub fn committed(&self) -> Option<Sequence> {
        self.exact.as_ref().and_then(Exact::committed)
    }

    pub async fn deliver(&self, batch: &[Delivery], upto: Sequence) -> Vec<Outcome> {
        if self.producer().is_none() {
            return closed(batch);
        }
        match &self.exact {
            Some(exact) => self.deliver_exactly(exact, batch, upto).await,
            None => self.deliver_all(batch).await,
        }
    }

    /// Until the last report is there, or it is known that none will come any more: then what was reported counts, and
    /// the rest is for a new client.
    async fn deliver_all(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut call = Call::new(batch);
        let stranded = tokio::select! {
            biased;
            () = self.carry(&mut call) => None,
            why = self.flight.stranded() => Some(why),
        };
        if let Some(cause) = stranded {
            while let Ok((nth, report)) = call.heard.try_recv() {
                self.hear(&mut call, nth, report, false);
            }
            call.leave_to_another(&cause);
        }
        call.outcomes
    }

    /// Whatever is between a call and its reports.
    async fn carry(&self, call: &mut Call<'_>) {
        let batch = call.batch;
        let alone: HashSet<Sequence> = self.alone().clone();
        for (nth, delivery) in batch.iter().enumerate() {
            if alone.contains(&delivery.sequence) {
                let _gate = self.gate.write().await;
                self.send(call, nth, delivery).await;
                self.hear_all(call, true).await;
            }
        }
        let _gate = self.gate.read().await;
        for (nth, delivery) in batch.iter().enumerate() {
            if alone.contains(&delivery.sequence) {
                continue;
            }
            while let Ok((nth, report)) = call.heard.try_recv() {
                self.hear(call, nth, report, false);
            }
            self.send(call, nth, delivery).await;
        }
        self.hear_all(call, false).await;
    }

    /// Hands one record to librdkafka, or notes why not.
    async fn send(&self, call: &mut Call<'_>, nth: usize, delivery: &Delivery) {
        if call.failed.contains(delivery.event.partitionkey.as_str()) {
            return;
        }
        let Call { tell, value, .. } = call;
        match self.enqueue(nth, delivery, tell, value).await {
            Ok(()) => call.out += 1,
            Err(outcome) => call.set(nth, outcome),
        }
    }

    async fn enqueue(
        &self,
        nth: usize,
        delivery: &Delivery,
        tell: &mpsc::UnboundedSender<(usize, Report)>,
        value: &mut Vec<u8>,
    ) -> Result<(), Outcome> {
        let name = self.topic.of(&delivery.event);
        let Encoded { headers, size } = self.form.encode(delivery, value)?;
        let key = self.form.key(&delivery.event);
        let size = size + key.len();
        if size > self.max_bytes {
            let detail = format!(
                "{size} bytes are more than message.max.bytes ({}): raise it in librdkafka, and max.message.bytes of topic \"{name}\"",
                self.max_bytes
            );
            return Err(Outcome::Reject { cause: Cause::new("too-large", detail) });
        }
        let slot = self.flight.reserve(size, nth, tell.clone()).await;
        let mut record: BaseRecord<'_, str, [u8], usize> = BaseRecord::with_opaque_to(&name, slot.token())
            .key(key.as_ref())
            .payload(value.as_slice())
            .headers(headers);
        // Room is waited for only where the queue was full: what is freed after `enable` is not missed.
        let mut full = false;
        loop {
            let space = self.flight.space();
            tokio::pin!(space);
            if full {
                space.as_mut().enable();
            }
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
                Err((error, _)) => return Err(self.local(&error, &name)),
            }
            if std::mem::replace(&mut full, true) {
                space.await;
            }
        }
    }

    /// librdkafka took the record not at all.
    fn local(&self, error: &KafkaError, topic: &str) -> Outcome {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                Outcome::Reject { cause: Cause::new("too-large", "larger than message.max.bytes") }
            }
            Some(code) => cause::of(code, topic, self.fatal()),
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
        let Some(delivery) = call.batch.get(nth) else { return };
        let sequence = delivery.sequence;
        let outcome = match report {
            Ok(()) => Outcome::Done,
            Err(code) if cause::is_size(code) => self.too_large(sequence, code, alone),
            Err(code) => cause::of(code, &self.topic.of(&delivery.event), self.fatal()),
        };
        if alone {
            self.alone().remove(&sequence);
        }
        call.set(nth, outcome);
    }

    fn too_large(&self, sequence: Sequence, code: RDKafkaErrorCode, alone: bool) -> Outcome {
        let detail = format!("a broker refused it ({code}): raise max.message.bytes of its topic");
        let cause = Cause::new("too-large", detail);
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

    /// What ended the producer: reports can come before the event that says so.
    fn fatal(&self) -> Option<Cause> {
        let asked = || {
            let (code, _) = self.producer().as_ref()?.client().fatal_error()?;
            Some(cause::told(code, ""))
        };
        self.flight.fatal().or_else(asked)
    }

    pub fn trouble(&self) -> Option<Cause> {
        self.flight.trouble()
    }

    /// Asks a broker for the cluster; `live` asks for more.
    pub async fn probe(&self) -> Result<(), Cause> {
        let Some(producer) = self.producer().as_ref().cloned() else {
            return Err(Cause::new("closed", "the sink is closed"));
        };
        let flight = Arc::clone(&self.flight);
        let asked = tokio::task::spawn_blocking(move || live::brokers(&producer, &flight).map(drop));
        asked.await.unwrap_or_else(|_| Err(Cause::new("closed", "the bridge is stopping")))
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

/// The client; making it checks every property.
fn producer(
    config: &KafkaConfig,
    properties: &properties::Properties,
    flight: &Arc<Flight>,
) -> Result<ThreadedProducer<Context>, String> {
    let context = Context {
        flight: Arc::clone(flight),
        access: properties.access.clone(),
        tokens: config.oauth2.as_ref().map(Tokens::new).transpose()?,
        figures: config.figures.clone(),
        sums: Mutex::default(),
        brokerless: AtomicBool::default(),
    };
    properties.client.create_with_context(context).map_err(|error| properties::explain(&error))
}

/// What the reader of the control topic calls back: its own troubles are not the producer's.
fn reader(access: &trouble::Access, tokens: Option<&Tokens>) -> Context {
    Context {
        flight: Arc::default(),
        access: access.clone(),
        tokens: tokens.cloned(),
        figures: None,
        sums: Mutex::default(),
        brokerless: AtomicBool::default(),
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

#[cfg(test)]
pub(super) mod tests;
