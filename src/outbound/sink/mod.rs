//! The sink contract: what a lane asks of a destination. Sinks never retry; the lane does.
//!
//! Deliberately absent: a registry. One `match` knows the kinds.

pub mod kafka;
mod shown;
pub mod stdout;
pub mod webhook;

#[cfg(test)]
mod contract;

use crate::base::envelope::Event;
use crate::journal::Sequence;
use crate::outbound::mask;
use crate::outbound::settings::{SinkConfig, Target};
use crate::outbound::{route, sample};
pub use shown::Shown;
use std::time::Duration;

/// One event on its way to one sink, masked already.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub sequence: Sequence,
    /// The `sequence` attribute.
    pub sequence_text: String,
    pub event: std::sync::Arc<Event>,
    /// 1 at the first try.
    pub attempt: u32,
    /// It is parked: no position tells that it was delivered.
    pub beside: bool,
}

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// May succeed later; `after` is what the receiver asked for.
    Retry {
        cause: Cause,
        after: Option<Duration>,
    },
    /// Not tried, as an earlier one of the same key did not get through: counts as no attempt.
    Held,
    /// Not tried, as the destination is to be left alone for so long: counts as no attempt, its key waits.
    Later {
        after: Duration,
    },
    /// Refused together with the others of the call, and it may be one of them alone that is unwanted: each is to be
    /// tried in a call of its own. Counts as no attempt.
    Split {
        cause: Cause,
    },
    /// Will never succeed: a dead letter at once.
    Reject {
        cause: Cause,
    },
    /// The connection to the destination must be built anew, then tried again.
    Reconnect {
        cause: Cause,
    },
    /// The destination wants no more; the lane stops and says so.
    Disable {
        cause: Cause,
    },
}

/// What the journal knows, for a sink that keeps its own position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The position stored here; none for a sink that is new to the journal.
    pub position: Option<Sequence>,
    /// The last event in the journal.
    pub last: Sequence,
    /// The destination has kept a position for this journal before.
    pub kept: bool,
    /// What somebody decided where the two disagreed.
    pub decided: Option<Decided>,
}

/// Where a sink goes on although its destination and the journal disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Where the destination says.
    There,
    /// After this one.
    At(Sequence),
}

/// Why nobody knows where a destination stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// It can not be asked now.
    Away(Cause),
    /// What it says does not fit the journal: somebody has to decide.
    Undecided(Cause),
}

/// Where a destination stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub position: Sequence,
    /// Parked events that went with the last commit.
    pub beside: Vec<Sequence>,
}

/// Why a delivery failed: a word of a closed set for metrics, and a sentence for people, free of personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: &'static str,
    pub detail: String,
    /// What the receiver said, cut short: for a dead letter, and for no message, as it may repeat what was sent.
    pub answer: Option<String>,
}

impl Cause {
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Cause {
        Cause { reason, detail: detail.into(), answer: None }
    }
}

impl std::fmt::Debug for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cause({self})")
    }
}

impl Cause {
    /// The destination answered, and failed: it most likely did nothing with what it got.
    pub fn was_answered(&self) -> bool {
        matches!(self.reason, "http-5xx" | "http-other")
    }

    /// The destination works, it is this event that it does not take.
    pub fn is_the_events(&self) -> bool {
        matches!(self.reason, "http-4xx" | "too-large" | "not-encodable" | "unknown-topic")
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// How a lane is to call a sink.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Calls that may be out at once, over distinct keys.
    pub calls: usize,
    /// What one call may take.
    pub items: usize,
    pub keys: usize,
    pub per_key: usize,
    /// What the lane may hold unsettled.
    pub window_events: usize,
    pub window_bytes: u64,
    /// The longest wait a receiver may ask for.
    pub max_retry_after: Duration,
    /// A failed call is to go again just as it was, nothing added and nothing left out.
    pub frozen: bool,
    /// A key that fails may be parked while others go on.
    pub parks: bool,
    /// The sink keeps a position of its own, in one with what it delivers ([`Sink::place`]): one call at a time, all
    /// that is open, in order; nothing overtakes.
    pub exact: bool,
}

/// Why a sink can not be built: the settings or what they point at. Names the sink, never a secret.
#[derive(Debug, thiserror::Error)]
#[error("sink {sink}: {reason}")]
pub struct BuildError {
    pub sink: String,
    pub reason: String,
}

/// Every kind of sink. A new one is a file, an arm in each match here, and the contract suite passing.
pub enum Sink {
    Kafka(kafka::KafkaSink),
    Webhook(webhook::WebhookSink),
    Stdout(stdout::StdoutSink),
    #[cfg(test)]
    Scripted(crate::outbound::testing::Scripted),
}

impl Sink {
    /// Builds the sink; reads secrets and files, but does not call the destination.
    /// `journal` is its name: what a sink with a position of its own calls it by.
    pub async fn build(config: &SinkConfig, journal: &str) -> Result<Sink, BuildError> {
        let built = match &config.target {
            Target::Kafka(target) => {
                kafka::KafkaSink::build(target, journal, &config.name).await.map(Sink::Kafka)
            }
            Target::Webhook(target) => {
                webhook::WebhookSink::build(target, config.retry.backoff).await.map(Sink::Webhook)
            }
            Target::Stdout(target) => stdout::StdoutSink::start(target.mode).map(Sink::Stdout),
        };
        built.map_err(|reason| BuildError { sink: config.name.clone(), reason })
    }

    /// Where the destination says that it stands; none where it keeps no position. To be asked of each new sink
    /// before its first delivery.
    pub async fn place(&self, local: Local) -> Result<Option<Place>, NoPlace> {
        match self {
            #[cfg(test)]
            Sink::Scripted(sink) => Ok(sink.place(&local)),
            Sink::Kafka(sink) => sink.place(&local).await,
            Sink::Webhook(_) | Sink::Stdout(_) => Ok(None),
        }
    }

    /// The position that the destination holds by now, of a sink with one.
    pub fn committed(&self) -> Option<Sequence> {
        match self {
            #[cfg(test)]
            Sink::Scripted(sink) => sink.committed(),
            Sink::Kafka(sink) => sink.committed(),
            Sink::Webhook(_) | Sink::Stdout(_) => None,
        }
    }

    /// Delivers; one outcome per item, in their order. Of one key nothing overtakes: once an item is not done,
    /// the later ones of its key are `Held`. Safe to drop while it runs; what is on its way may still arrive.
    /// Once all of the batch is over, everything up to `upto` is: what a sink with a position of its own keeps (0 for others).
    pub async fn deliver(&self, batch: &[Delivery], upto: Sequence) -> Vec<Outcome> {
        match self {
            Sink::Kafka(sink) => sink.deliver(batch, upto).await,
            Sink::Webhook(sink) => sink.deliver(batch).await,
            Sink::Stdout(sink) => sink.deliver(batch).await,
            #[cfg(test)]
            Sink::Scripted(sink) => sink.deliver(batch, upto).await,
        }
    }

    pub fn shape(&self) -> Shape {
        match self {
            Sink::Kafka(sink) => sink.shape(),
            Sink::Webhook(sink) => sink.shape(),
            Sink::Stdout(_) => stdout::SHAPE,
            #[cfg(test)]
            Sink::Scripted(sink) => sink.shape(),
        }
    }

    /// What the sink itself knows to be wrong while a call is out, e.g. that no broker can be reached.
    pub fn trouble(&self) -> Option<Cause> {
        match self {
            Sink::Kafka(sink) => sink.trouble(),
            Sink::Webhook(_) | Sink::Stdout(_) => None,
            #[cfg(test)]
            Sink::Scripted(_) => None,
        }
    }

    /// What would leave for this event; none where it can not be encoded.
    async fn shown(&self, delivery: &Delivery) -> Option<Shown> {
        match self {
            Sink::Kafka(sink) => sink.shown(delivery),
            Sink::Webhook(sink) => sink.shown(delivery).await,
            Sink::Stdout(_) => stdout::StdoutSink::shown(delivery),
            #[cfg(test)]
            Sink::Scripted(_) => None,
        }
    }

    /// Asks the destination whether it is there, without delivering anything (`check --live`).
    pub async fn probe(&self) -> Result<(), Cause> {
        match self {
            Sink::Kafka(sink) => sink.probe().await,
            Sink::Webhook(sink) => sink.probe().await,
            Sink::Stdout(_) => Ok(()),
            #[cfg(test)]
            Sink::Scripted(_) => Ok(()),
        }
    }

    /// Ends the sink: what is on its way gets at most `grace`. Nothing is delivered afterwards.
    pub async fn close(&self, grace: Duration) {
        match self {
            Sink::Kafka(sink) => sink.close(grace).await,
            Sink::Webhook(sink) => sink.close(),
            Sink::Stdout(sink) => sink.close(grace).await,
            #[cfg(test)]
            Sink::Scripted(sink) => sink.close(),
        }
    }
}

/// The closed set of reasons that deliveries of a kind can fail for: labels of metrics.
pub fn reasons(target: &Target) -> &'static [&'static str] {
    match target {
        Target::Kafka(_) => kafka::REASONS,
        Target::Webhook(_) => webhook::REASONS,
        Target::Stdout(_) => stdout::REASONS,
    }
}

/// Builds and drops the sink without calling its destination: properties, secrets, certificates, the key of what is
/// hashed (`check`). Shows an invented event as it would leave, where it takes one. `sites` are names and realms.
pub async fn probe_offline(config: &SinkConfig, sites: &[(&str, &str)]) -> Result<Option<Shown>, String> {
    let sink = Sink::build(config, "check").await.map_err(|error| error.to_string())?;
    let sample = sample::delivery(config, sites).await;
    let shown = match &sample {
        Ok(Some(delivery)) => sink.shown(delivery).await,
        Ok(None) | Err(_) => None,
    };
    sink.close(Duration::ZERO).await;
    sample.map(|_| shown)
}

/// Asks the destination all that can be asked without delivering anything (`check --live`): a line of what was
/// found, or every fault. `sites` are the names of all.
pub async fn probe_live(config: &SinkConfig, sites: &[&str]) -> Result<String, Vec<String>> {
    if let Target::Kafka(target) = &config.target {
        return kafka::live::look(target, (&config.matching, &config.except), sites).await;
    }
    let sink = Sink::build(config, "check").await.map_err(|error| vec![error.reason])?;
    let probed = sink.probe().await;
    sink.close(Duration::ZERO).await;
    probed.map(|()| "answers".to_owned()).map_err(|cause| vec![cause.to_string()])
}

/// What is allowed, and may surprise (`check`).
pub fn notes(config: &SinkConfig) -> Vec<String> {
    let mut notes = route::notes(config);
    notes.extend(mask::notes(config));
    if let Target::Kafka(target) = &config.target {
        notes.extend(kafka::properties::notes(target));
    }
    notes
}

/// The outcome of everything that is asked of a closed sink.
pub(crate) fn closed(batch: &[Delivery]) -> Vec<Outcome> {
    let cause = Cause::new("closed", "the sink is closed");
    batch.iter().map(|_| Outcome::Retry { cause: cause.clone(), after: None }).collect()
}

/// An event whose stored JSON can not be written out again; only a damaged journal holds one.
pub(crate) fn not_encodable() -> Cause {
    Cause::new("not-encodable", "its stored data is no JSON object")
}
