//! The settings of librdkafka's client: ours, then what the configuration passes through.
//!
//! What delivery and order stand on is not up to the configuration ([`OWNED`]). Deliberately absent: a list of
//! librdkafka's properties; the client knows them and its refusal names the property.

use super::trouble::Access;
use crate::outbound::settings::KafkaConfig;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
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
    // A right that was given or a topic that was made is seen within a minute.
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// Set by us for good. The order of a key needs an infinite message timeout: after a finite one the records
/// behind a failed one overtake it.
const FIXED: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // A broker takes any first batch of a producer it does not know (KAFKA-15591): with a second one in flight, a first one
    // that it refuses for a moment (not yet the leader) would be passed over, and reported as delivered.
    ("max.in.flight.requests.per.connection", "1"),
    ("message.timeout.ms", "0"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "20000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("statistics.interval.ms", "5000"),
];

/// What the table `oauth2` takes care of.
const OAUTH: &[&str] = &["sasl.mechanism", "sasl.mechanisms"];

const MAX_BYTES: &str = "message.max.bytes";
/// librdkafka's default.
const DEFAULT_MAX_BYTES: usize = 1_000_000;

/// The client's settings, the largest record they allow, and how it comes in.
pub struct Properties {
    pub client: ClientConfig,
    pub max_bytes: usize,
    pub access: Access,
}

/// A transaction that its process does not end is aborted by the brokers after this; until then readers of committed
/// records wait behind it. No record of it may wait longer.
const TRANSACTION: &str = "60000";

impl Properties {
    /// Transactions under this id.
    pub fn exactly_once(&mut self, id: &str) {
        self.client.set("transactional.id", id);
        self.client.set("transaction.timeout.ms", TRANSACTION);
        self.client.set("message.timeout.ms", TRANSACTION);
    }
}

pub async fn read(config: &KafkaConfig) -> Result<Properties, String> {
    if config.brokers.is_empty() {
        return Err("brokers: at least one is needed, as host:port".to_owned());
    }
    let mut client = ClientConfig::new();
    // Whatever our own log shows: some failures are told of in librdkafka's alone.
    client.set_log_level(RDKafkaLogLevel::Info);
    for (name, value) in DEFAULTS {
        client.set(*name, *value);
    }
    if config.oauth2.is_some() {
        client.set("security.protocol", "sasl_ssl");
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
    if config.oauth2.is_some() {
        oauth(&mut client)?;
    }
    let max_bytes = match client.get(MAX_BYTES) {
        None => DEFAULT_MAX_BYTES,
        Some(text) => {
            text.parse().map_err(|_| format!("librdkafka.\"{MAX_BYTES}\": a number of bytes is expected"))?
        }
    };
    let access = access(&client);
    Ok(Properties { client, max_bytes, access })
}

fn oauth(client: &mut ClientConfig) -> Result<(), String> {
    if let Some(name) = OAUTH.iter().find(|name| client.get(name).is_some()) {
        return Err(format!(
            "librdkafka.\"{name}\": the table oauth2 sets it (OAUTHBEARER); take one of the two out"
        ));
    }
    client.set("sasl.mechanism", "OAUTHBEARER");
    Ok(())
}

fn access(client: &ClientConfig) -> Access {
    let sasl =
        client.get("security.protocol").is_some_and(|text| text.to_ascii_lowercase().starts_with("sasl"));
    let named = client.get("sasl.mechanism").or_else(|| client.get("sasl.mechanisms"));
    Access {
        // What librdkafka takes where nothing is said.
        mechanism: sasl.then(|| named.unwrap_or("GSSAPI").to_ascii_uppercase()),
        certificate: ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"]
            .iter()
            .any(|name| client.get(name).is_some()),
    }
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
        KafkaError::ClientCreation(text) if text.contains("No provider for SASL mechanism GSSAPI") => {
            "sasl.mechanism: this build has no Kerberos (GSSAPI, which is also meant where nothing is said): set PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, use the table oauth2, or build with --features gssapi".to_owned()
        }
        KafkaError::ClientCreation(text) => format!("the Kafka client can not be made: {text}"),
        other => format!("the Kafka client can not be made: {other}"),
    }
}

/// What `check` points out: allowed, but weaker than it may seem.
pub fn notes(config: &KafkaConfig) -> Vec<String> {
    let get = |name: &str| {
        let found = config.librdkafka.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default()
    };
    let mut notes = Vec::new();
    if get("security.protocol") == "sasl_plaintext" {
        notes
            .push("security.protocol sasl_plaintext: everybody on the way can read the login and all events");
    }
    if get("enable.ssl.certificate.verification") == "false" {
        notes.push("enable.ssl.certificate.verification is off: anybody on the way can be the broker");
    }
    if get("ssl.endpoint.identification.algorithm") == "none" {
        notes.push("ssl.endpoint.identification.algorithm is none: any certificate of the authority passes for the broker's");
    }
    if super::template::Template::parse(&config.key).is_ok_and(|key| !key.is_one_per_partition_key()) {
        notes.push("key: events of one interaction can get different keys and so go to different partitions, where their order is lost; {partitionkey} and {interaction} keep it");
    }
    notes.into_iter().map(str::to_owned).collect()
}
