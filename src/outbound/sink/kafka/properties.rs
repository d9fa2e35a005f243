//! The settings of librdkafka's client: ours, then what the configuration passes through.
//!
//! What delivery and order stand on is not up to the configuration ([`OWNED`]). Deliberately absent: a list of
//! librdkafka's properties; the client knows them and its refusal names the property.

use crate::outbound::settings::KafkaConfig;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use secrecy::ExposeSecret;

/// Properties that the sink sets itself; the configuration is refused where it holds one.
pub const OWNED: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "dr_cb",
    "dr_msg_cb",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "partitioner",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "statistics.interval.ms",
    "transactional.id",
];

/// Set by us; the configuration may say otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "cometbridge"),
    ("compression.type", "lz4"),
    ("linger.ms", "5"),
    ("socket.keepalive.enable", "true"),
];

/// Set by us for good. The order of a key needs an infinite message timeout: after a finite one the records
/// behind a failed one overtake it.
const FIXED: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("message.timeout.ms", "0"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "20000"),
    ("queue.buffering.max.kbytes", "65536"),
];

const MAX_BYTES: &str = "message.max.bytes";
/// librdkafka's default.
const DEFAULT_MAX_BYTES: usize = 1_000_000;

/// The client's settings, and the largest record they allow.
pub async fn client(config: &KafkaConfig) -> Result<(ClientConfig, usize), String> {
    if config.brokers.is_empty() {
        return Err("brokers: at least one is needed, as host:port".to_owned());
    }
    let mut client = ClientConfig::new();
    for (name, value) in DEFAULTS {
        client.set(*name, *value);
    }
    for (name, value) in &config.librdkafka {
        refuse_owned(name)?;
        client.set(name, value);
    }
    for (name, place) in &config.librdkafka_secrets {
        refuse_owned(name)?;
        let value = place.read(None).await.map_err(|error| format!("librdkafka.\"{name}\": {error}"))?;
        client.set(name, value.expose_secret());
    }
    for (name, value) in FIXED {
        client.set(*name, *value);
    }
    client.set("bootstrap.servers", config.brokers.join(","));
    let max_bytes = match client.get(MAX_BYTES) {
        None => DEFAULT_MAX_BYTES,
        Some(text) => {
            text.parse().map_err(|_| format!("librdkafka.\"{MAX_BYTES}\": a number of bytes is expected"))?
        }
    };
    Ok((client, max_bytes))
}

fn refuse_owned(name: &str) -> Result<(), String> {
    if OWNED.contains(&name) {
        return Err(format!(
            "librdkafka.\"{name}\": set by the bridge, because delivery and order stand on it; take it out"
        ));
    }
    Ok(())
}

/// Why the client was refused, with the property's name and without its value.
pub fn explain(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, name, _) if text.starts_with("No such configuration property") => {
            format!("librdkafka.\"{name}\": librdkafka has no such property")
        }
        KafkaError::ClientConfig(_, text, name, value) => {
            let text = if value.is_empty() { text.clone() } else { text.replace(value.as_str(), "…") };
            format!("librdkafka.\"{name}\": {text}")
        }
        KafkaError::ClientCreation(text) => format!("the Kafka client can not be made: {text}"),
        other => format!("the Kafka client can not be made: {other}"),
    }
}
