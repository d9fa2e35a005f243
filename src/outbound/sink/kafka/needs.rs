//! What a Kafka sink needs to find: topics with their settings, and rights (`cometbridge topics`).
//!
//! Deliberately absent: asking a broker (`live`).

use super::control::GROUP;
use super::exact::ID_PREFIX;
use super::topic::Topic;
use crate::outbound::settings::{KafkaConfig, SinkConfig, Target};
use serde_json::{Value, json};
use std::fmt::Write;

/// Events are history: a compacted topic would keep the last one of each interaction alone.
const CLEANUP: &str = "delete";
/// Rights on each topic: Describe is what Kafka gives with Write, said for authorizers that do not.
const ON_TOPIC: [&str; 2] = ["Describe", "Write"];
/// The right on the cluster that an idempotent producer needs where brokers are older than 2.8.
const ON_CLUSTER: &str = "IdempotentWrite";
/// Of positions only the last one counts.
const CONTROL_CLEANUP: &str = "compact";
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

impl Need {
    /// One JSON object for each topic.
    pub fn lines(&self) -> Vec<Value> {
        let acl = |operation: &str, resource: String, when: Option<&str>| json!({ "operation": operation, "resource": resource, "principal": self.principal, "when": when });
        let line = |topic: &String| {
            let on_topic = ON_TOPIC.iter().map(|operation| acl(operation, format!("topic {topic}"), None));
            let on_cluster = acl(ON_CLUSTER, "cluster".to_owned(), Some("brokers older than 2.8"));
            json!({
                "sink": self.sink,
                "topic": topic,
                "key": self.key,
                "settings": { "cleanup.policy": CLEANUP, "max.message.bytes": self.max_bytes },
                "acls": on_topic.chain([on_cluster]).collect::<Vec<_>>(),
            })
        };
        let control = self.control.iter().map(|topic| {
            let on_topic = ON_CONTROL.iter().map(|operation| acl(operation, format!("topic {topic}"), None));
            let on_group = acl("Read", format!("group {GROUP}"), None);
            let on_transaction = ON_TRANSACTION
                .iter()
                .map(|operation| acl(operation, format!("transactional id {ID_PREFIX}*"), None));
            json!({
                "sink": self.sink,
                "topic": topic,
                "key": "the sink's name",
                "settings": { "cleanup.policy": CONTROL_CLEANUP },
                "acls": on_topic.chain([on_group]).chain(on_transaction).collect::<Vec<_>>(),
            })
        });
        self.topics.iter().map(line).chain(control).collect()
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
        let _ = writeln!(out, "    {ON_CLUSTER} on the cluster, only where brokers are older than 2.8");
        if let Some(control) = &self.control {
            let _ = writeln!(out, "  positions (delivery = \"exactly-once\"): {control}");
            let _ = writeln!(
                out,
                "    cleanup.policy={CONTROL_CLEANUP}; one partition is used; several sinks can share it"
            );
            let _ = writeln!(out, "    {} on topic {control}, Read on group {GROUP},", ON_CONTROL.join(", "));
            let _ = writeln!(
                out,
                "    {} on transactional ids that begin with {ID_PREFIX}",
                ON_TRANSACTION.join(", ")
            );
        }
        out
    }
}
