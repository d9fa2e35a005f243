//! What a Kafka sink needs to find: topics with their settings, and rights (`cometbridge topics`).
//!
//! Deliberately absent: asking a broker (`live`).

use super::exact::ID_PREFIX;
use super::topic::Topic;
use crate::outbound::settings::{KafkaConfig, SinkConfig, Target};
use serde_json::{Value, json};
use std::fmt::Write;

/// Events are history: a compacted topic would keep the last one of each interaction alone.
const CLEANUP: &str = "delete";
/// Rights on each topic: Describe is what Kafka gives with Write, said for authorizers that do not.
const ON_TOPIC: [&str; 2] = ["Describe", "Write"];
/// The right on the cluster that an idempotent producer needs where brokers are older than 2.8; transactions have a
/// right of their own instead.
const ON_CLUSTER: &str = "IdempotentWrite";
const OLD: &str = "brokers older than 2.8";
/// Of positions only the last one of each sink counts, and that one for ever: with "compact,delete" a sink that rests for
/// longer than retention.ms would lose its place. The newest segment is never compacted, and marks of transactions stay
/// for delete.retention.ms after it: both bound what a start may have to read.
const CONTROL: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("delete.retention.ms", "3600000")];
const ON_CONTROL: [&str; 3] = ["Describe", "Read", "Write"];
const ON_TRANSACTION: [&str; 2] = ["Describe", "Write"];
/// librdkafka's, where the configuration says nothing.
const MAX_BYTES: &str = "1000000";

/// Of one sink.
pub struct Need {
    sink: String,
    topics: Vec<String>,
    key: String,
    principal: String,
    max_bytes: String,
    /// Where the position is kept, of a sink that delivers exactly once.
    control: Option<String>,
}

/// What that sink needs, if it is one of Kafka's. `sites` are the names of all.
pub fn of(sink: &SinkConfig, sites: &[&str]) -> Option<Need> {
    let Target::Kafka(kafka) = &sink.target else { return None };
    let topics = Topic::parse(&kafka.topic).ok()?.all(sites, &sink.matching, &sink.except);
    let max_bytes = property(kafka, "message.max.bytes").unwrap_or(MAX_BYTES).to_owned();
    Some(Need {
        sink: sink.name.clone(),
        topics,
        key: kafka.key.clone(),
        principal: principal(kafka),
        max_bytes,
        control: kafka.control_topic.clone(),
    })
}

fn property<'a>(kafka: &'a KafkaConfig, name: &str) -> Option<&'a str> {
    kafka.librdkafka.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// Who the brokers take the bridge for, as far as the configuration tells.
fn principal(kafka: &KafkaConfig) -> String {
    let protocol = property(kafka, "security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
    if kafka.oauth2.is_some() {
        return "User:<subject of the token>".to_owned();
    }
    match (protocol.as_str(), property(kafka, "sasl.username")) {
        ("sasl_ssl" | "sasl_plaintext", Some(name)) => format!("User:{name}"),
        ("sasl_ssl" | "sasl_plaintext", None) => "User:<name of the login>".to_owned(),
        ("ssl", _) => "User:<subject of the client certificate>".to_owned(),
        _ => "User:ANONYMOUS".to_owned(),
    }
}

/// One right; the words are those of Kafka's own tools.
struct Acl {
    operation: &'static str,
    resource: &'static str,
    name: String,
    prefixed: bool,
    /// Where it is not needed everywhere.
    when: Option<&'static str>,
}

impl Acl {
    fn on(resource: &'static str, name: &str, operation: &'static str) -> Acl {
        Acl { operation, resource, name: name.to_owned(), prefixed: false, when: None }
    }
}

impl Need {
    /// One JSON object for each topic.
    pub fn lines(&self) -> Vec<Value> {
        let events = self.topics.iter().map(|topic| {
            let settings = json!({ "cleanup.policy": CLEANUP, "max.message.bytes": self.max_bytes });
            self.line(topic, &self.key, None, settings, self.on_topic(topic))
        });
        let control = self.control.iter().map(|topic| {
            let settings = CONTROL.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            self.line(topic, "the sink's name", Some(1), Value::Object(settings), on_control(topic))
        });
        events.chain(control).collect()
    }

    fn line(
        &self,
        topic: &str,
        key: &str,
        partitions: Option<u32>,
        settings: Value,
        acls: Vec<Acl>,
    ) -> Value {
        let acl = |acl: Acl| {
            let Acl { operation, resource, name, prefixed, when } = acl;
            let pattern = if prefixed { "prefixed" } else { "literal" };
            let principal = &self.principal;
            json!({ "operation": operation, "resource": resource, "name": name, "pattern": pattern, "principal": principal, "when": when })
        };
        let acls: Vec<Value> = acls.into_iter().map(acl).collect();
        json!({ "sink": self.sink, "topic": topic, "key": key, "partitions": partitions, "settings": settings, "acls": acls })
    }

    /// The right on the cluster stands with each topic, as each is a line of its own.
    fn on_topic(&self, topic: &str) -> Vec<Acl> {
        let cluster = Acl { when: Some(OLD), ..Acl::on("cluster", "kafka-cluster", ON_CLUSTER) };
        let cluster = self.control.is_none().then_some(cluster);
        ON_TOPIC.map(|operation| Acl::on("topic", topic, operation)).into_iter().chain(cluster).collect()
    }

    pub fn text(&self) -> String {
        let mut out = format!("sink {}: key {}\n", self.sink, self.key);
        for topic in &self.topics {
            let _ = writeln!(out, "  {topic}");
        }
        let _ = writeln!(
            out,
            "  each topic: cleanup.policy={CLEANUP} (compact would keep only the last event of a key),"
        );
        let _ = writeln!(
            out,
            "    retention.ms as long as a consumer may be away, max.message.bytes={} or more,",
            self.max_bytes
        );
        let _ =
            writeln!(out, "    min.insync.replicas=2 with three replicas; more partitions later move keys");
        let _ = writeln!(out, "  ACLs of {}:", self.principal);
        for topic in &self.topics {
            let _ = writeln!(out, "    {} on topic {topic}", ON_TOPIC.join(", "));
        }
        match &self.control {
            None => {
                let _ = writeln!(out, "    {ON_CLUSTER} on the cluster, only where there are {OLD}");
            }
            Some(control) => of_control(&mut out, control),
        }
        out
    }
}

fn on_control(topic: &str) -> Vec<Acl> {
    let on_topic = ON_CONTROL.map(|operation| Acl::on("topic", topic, operation));
    let on_transaction = ON_TRANSACTION
        .map(|operation| Acl { prefixed: true, ..Acl::on("transactional_id", ID_PREFIX, operation) });
    on_topic.into_iter().chain(on_transaction).collect()
}

fn of_control(out: &mut String, control: &str) {
    let settings = CONTROL.map(|(name, value)| format!("{name}={value}"));
    for line in [
        format!("    {} on topic {control},", ON_CONTROL.join(", ")),
        format!("    {} on transactional ids that begin with {ID_PREFIX}", ON_TRANSACTION.join(", ")),
        format!("  positions (delivery = \"exactly-once\"): {control}; several sinks can share it"),
        format!("    1 partition, {},", settings.join(", ")),
        "    min.insync.replicas=2 with three replicas. Compacted alone: with \"compact,delete\" a sink that rests".to_owned(),
        "    for longer than retention.ms loses its place. Small segments, as the newest is not compacted, and".to_owned(),
        "    marks of transactions that go soon: a start may have to read all that is there".to_owned(),
    ] {
        let _ = writeln!(out, "{line}");
    }
}
