//! The checked settings of sinks, as `config` hands them over.

mod privacy;
mod webhook;

pub use privacy::{Action, Of, Policy, Preset, Rule};
pub use webhook::{
    Auth, BatchLimits, HeaderSource, OAuth2, Rate, Refusal, Refusals, WebhookConfig, WebhookMode,
};

use crate::base::metrics::Metrics;
use crate::base::retry::Backoff;
use crate::base::secret::SecretRef;
use crate::base::time::Millis;
use std::path::PathBuf;
use std::time::Duration;

/// One sink and its lane.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// The name in the table, unique over all kinds.
    pub name: String,
    pub target: Target,
    pub matching: Match,
    /// Wins over `matching`; where no list of it names anything, it takes nothing away.
    pub except: Match,
    pub privacy: Policy,
    /// Whether `raw` and `notification` leave through this sink; only where `privacy` takes nothing away.
    pub raw: bool,
    /// Paths of the values that an interaction's events carry along (see `base::context`).
    pub context: Vec<String>,
    /// Whether transcripts are for it, where the lists above take them.
    pub transcripts: bool,
    pub start: Start,
    pub max_lag: MaxLag,
    pub retry: RetryPolicy,
    pub park: Park,
}

/// How much of failing keys may be kept beside the position; at the limit the lane reads no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Park {
    pub keys: usize,
    pub bytes: u64,
}

/// The kinds of sinks.
#[derive(Clone, Debug)]
pub enum Target {
    Kafka(KafkaConfig),
    Webhook(WebhookConfig),
    Stdout(StdoutConfig),
}

impl Target {
    pub fn kind(&self) -> &'static str {
        match self {
            Target::Kafka(_) => "kafka",
            Target::Webhook(_) => "webhook",
            Target::Stdout(_) => "stdout",
        }
    }
}

/// Words of events, by attribute; an empty list says nothing. See `route` for what they mean together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    pub site: Vec<String>,
    pub medium: Vec<String>,
    pub event: Vec<String>,
    pub class: Vec<String>,
    pub visibility: Vec<String>,
    pub authorkind: Vec<String>,
    pub state: Vec<String>,
    pub agent: Vec<String>,
    pub group: Vec<String>,
}

/// Where a sink that the journal does not know yet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Latest,
    Earliest,
    /// With what was recorded then or later.
    Time(Millis),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxLag {
    pub bytes: u64,
    pub age: Duration,
    pub on_limit: OnLimit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLimit {
    /// The lane moves on, and a `cometbridge.sink.lost.v1` event says over what.
    Release,
    /// Sessions acknowledge nothing more until the sink has caught up.
    StopIntake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    pub backoff: Backoff,
    /// Tries before an event becomes a dead letter. What fails while the whole destination is away does not count.
    pub max_attempts: u32,
    /// Since its first failure.
    pub max_age: Duration,
}

#[derive(Clone, Debug)]
pub struct KafkaConfig {
    pub brokers: Vec<String>,
    /// May hold `{site}`, `{medium}`, `{class}`.
    pub topic: String,
    /// A template; see `sink::kafka::template`.
    pub key: String,
    /// Headers of the operator's own: names and templates.
    pub headers: Vec<(String, String)>,
    pub mode: KafkaMode,
    /// Where the position is kept, in one transaction with the events; none where a restart may repeat some.
    pub control_topic: Option<String>,
    /// Where tokens for SASL OAUTHBEARER come from.
    pub oauth2: Option<OauthConfig>,
    /// Passed through to librdkafka; the values of `librdkafka_secrets` are read by reference.
    pub librdkafka: Vec<(String, String)>,
    pub librdkafka_secrets: Vec<(String, SecretRef)>,
    /// Where the client's own figures go; none where nobody looks (`check`).
    pub figures: Option<Figures>,
}

/// The metrics of one sink's client.
#[derive(Clone, Debug)]
pub struct Figures {
    pub sink: String,
    pub metrics: Metrics,
}

/// Client credentials, and the way to who gives tokens for them.
#[derive(Clone, Debug)]
pub struct OauthConfig {
    pub client: OAuth2,
    /// The authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaMode {
    Binary,
    Structured,
}

#[derive(Clone, Copy, Debug)]
pub struct StdoutConfig {
    pub mode: StdoutMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdoutMode {
    /// For machines.
    Lines,
    /// For people.
    Pretty,
    /// Pretty where standard output is a terminal.
    Auto,
}
