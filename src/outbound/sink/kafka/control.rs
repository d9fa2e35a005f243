//! The control topic of sinks that deliver exactly once: the position of each, under its name.
//!
//! Compacted, one partition is used. It is read to its end as of the beginning of the question: transactions of others
//! that are still open there are waited for. Deliberately absent: creating it.

use super::super::Cause;
use super::cause;
use super::context::Context;
use super::properties;
use crate::journal::Sequence;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// All sinks use the first one: a topic that is given more partitions later holds each key in one place all the same.
pub const PARTITION: i32 = 0;
/// What the reader calls itself.
const GROUP: &str = "cometbridge-positions";
/// So many records are looked at before all of them are.
const NEAR: i64 = 5_000;
/// For one question to the brokers.
const QUESTION: Duration = Duration::from_secs(10);
/// An open transaction ends by itself after its timeout.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(200);

/// A sink's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The journal's name.
    pub journal: String,
    /// Everything up to here is delivered.
    pub position: Sequence,
    /// Parked events that went with the same transaction.
    #[serde(default)]
    pub beside: Vec<Sequence>,
}

impl Record {
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl ConsumerContext for Context {}

/// The last committed record of this sink. Blocks.
pub fn read(
    client: &ClientConfig,
    context: impl Fn() -> Context,
    topic: &str,
    sink: &str,
) -> Result<Option<Record>, Cause> {
    let began = Instant::now();
    let all = reader(client, context(), "read_uncommitted", topic)?;
    let there = all.fetch_metadata(Some(topic), QUESTION).map_err(|error| told(&error, topic))?;
    if let Some(error) = there.topics().iter().find_map(rdkafka::metadata::MetadataTopic::error) {
        return Err(cause::told(Code::from(error), topic));
    }
    let ends = |reader: &BaseConsumer<Context>| {
        reader.fetch_watermarks(topic, PARTITION, QUESTION).map_err(|error| told(&error, topic))
    };
    let (_, end) = ends(&all)?;
    let committed = reader(client, context(), "read_committed", topic)?;
    // A transaction of another sink that is still open hides what was committed behind it.
    let low = loop {
        let (low, stable) = ends(&committed)?;
        if stable >= end {
            break low;
        }
        if began.elapsed() > PATIENCE {
            let detail = format!("a transaction of another sink is still open on topic \"{topic}\"");
            return Err(Cause::new("timeout", detail));
        }
        std::thread::sleep(POLL);
    };
    // The last records are enough, mostly.
    let near = end.saturating_sub(NEAR).max(low);
    match last_of(&committed, topic, sink, near, began)? {
        None if near > low => last_of(&committed, topic, sink, low, began),
        found => Ok(found),
    }
}

fn reader(
    client: &ClientConfig,
    context: Context,
    isolation: &str,
    topic: &str,
) -> Result<BaseConsumer<Context>, Cause> {
    let mut client = client.clone();
    for (name, value) in [
        ("isolation.level", isolation),
        // A reader must name one; nothing is asked of it or committed under it, so that it needs no right.
        ("group.id", GROUP),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("allow.auto.create.topics", "false"),
    ] {
        client.set(name, value);
    }
    client.create_with_context(context).map_err(|error| told(&error, topic))
}

/// The sink's last record from an offset on.
fn last_of(
    reader: &BaseConsumer<Context>,
    topic: &str,
    sink: &str,
    from: i64,
    began: Instant,
) -> Result<Option<Record>, Cause> {
    let mut place = TopicPartitionList::new();
    let placed = place.add_partition_offset(topic, PARTITION, Offset::Offset(from));
    placed.and_then(|()| reader.assign(&place)).map_err(|error| told(&error, topic))?;
    let mut last: Option<Record> = None;
    loop {
        match reader.poll(POLL) {
            Some(Ok(message)) if message.key() == Some(sink.as_bytes()) => {
                // A record that is none of ours under our key counts as of another journal.
                let foreign = || Record { journal: "unreadable".to_owned(), position: 0, beside: Vec::new() };
                last = message
                    .payload()
                    .map(|value| serde_json::from_slice(value).unwrap_or_else(|_| foreign()));
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            Some(Err(error)) if is_final(&error) => return Err(told(&error, topic)),
            Some(Ok(_)) => {}
            Some(Err(_)) | None if began.elapsed() > PATIENCE => {
                let detail = format!("topic \"{topic}\" could not be read to its end");
                return Err(Cause::new("timeout", detail));
            }
            Some(Err(_)) | None => {}
        }
    }
}

/// What waiting does not mend.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
        )
    )
}

fn told(error: &KafkaError, topic: &str) -> Cause {
    match error.rdkafka_error_code() {
        Some(code) => cause::told(code, topic),
        None => {
            Cause::new("kafka", format!("topic \"{topic}\" can not be read: {}", properties::explain(error)))
        }
    }
}
