//! `check --live`: whether the brokers let us in, the topics are there, and we may write to them. Writes nothing.
//!
//! librdkafka's client for Rust can not ask for rights, so they are tried: a record that asks for two acknowledgements
//! (`acks=2`) is refused by every Kafka since 0.9, but only after the right to write was looked at.
//! Deliberately absent: creating anything; `allow.auto.create.topics` is off here.

use super::super::Cause;
use super::cause::{self, NOT_A_PRODUCER};
use super::context::Context;
use super::flight::Flight;
use super::producer;
use super::properties::{self, Properties};
use super::topic::Topic;
use crate::outbound::settings::{KafkaConfig, Match};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// For all brokers together to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For one question.
const QUESTION: Duration = Duration::from_secs(3);
/// Nothing mends a refused login while we wait, but another broker may know better.
const DEFINITE: Duration = Duration::from_secs(1);
/// The key of the record that no broker takes.
const KEY: &str = "cometbridge-check";

/// A line of what was found, or every fault.
pub async fn look(
    config: &KafkaConfig,
    (matching, except): (&Match, &Match),
    sites: &[&str],
) -> Result<String, Vec<String>> {
    let mut topics = Topic::parse(&config.topic).map_err(|error| vec![error])?.all(sites, matching, except);
    topics.extend(config.control_topic.clone());
    let read = properties::read(config).await.map_err(|error| vec![error])?;
    let config = config.clone();
    let looked = tokio::task::spawn_blocking(move || found(&config, read, &topics));
    looked.await.unwrap_or_else(|_| Err(vec!["the check was broken off".to_owned()]))
}

fn found(config: &KafkaConfig, mut read: Properties, topics: &[String]) -> Result<String, Vec<String>> {
    read.client.set("allow.auto.create.topics", "false").set("statistics.interval.ms", "200");
    let flight = Arc::new(Flight::default());
    let client = producer(config, &read, &flight).map_err(|error| vec![error])?;
    let brokers = brokers(&client, &flight).map_err(|cause| vec![cause.to_string()])?;
    let mut faults = Vec::new();
    let mut there = Vec::new();
    for topic in topics {
        match is_there(&client, topic) {
            Ok(()) => there.push(topic.as_str()),
            Err(cause) => faults.push(cause.to_string()),
        }
    }
    if !there.is_empty() {
        faults.extend(refused(config, read, &there)?);
    }
    if faults.is_empty() {
        faults.extend(shut_out(&flight));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let plural = if brokers == 1 { "broker" } else { "brokers" };
    Ok(format!("{brokers} {plural}; there and open to writing: {}", topics.join(", ")))
}

/// How many brokers there are, once one has answered.
pub fn brokers(client: &ThreadedProducer<Context>, flight: &Flight) -> Result<usize, Cause> {
    let start = Instant::now();
    loop {
        // Of all topics: to ask for one that is not there can make it.
        let failed = match client.client().fetch_metadata(None, QUESTION) {
            Ok(found) => return Ok(found.brokers().len()),
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        };
        let definite = flight.is_definite() && start.elapsed() >= DEFINITE;
        if definite || start.elapsed() >= PATIENCE {
            let unnamed = || Cause::new(cause::reason(failed), "no broker answers: check brokers");
            return Err(flight.trouble().unwrap_or_else(unnamed));
        }
        // A refusal comes back at once.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_there(client: &ThreadedProducer<Context>, topic: &str) -> Result<(), Cause> {
    let code = match client.client().fetch_metadata(Some(topic), PATIENCE) {
        Err(error) => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        Ok(found) => {
            let asked = found.topics().iter().find(|one| one.name() == topic);
            match asked.map(|one| one.error()) {
                Some(None) => return Ok(()),
                Some(Some(code)) => Code::from(code),
                None => Code::UnknownTopicOrPartition,
            }
        }
    };
    Err(cause::told(code, topic))
}

/// Tries to write to each: who may is told that two acknowledgements can not be had.
fn refused(config: &KafkaConfig, mut read: Properties, topics: &[&str]) -> Result<Vec<String>, Vec<String>> {
    let tried =
        [("enable.idempotence", "false"), ("acks", "2"), ("retries", "0"), ("message.timeout.ms", "10000")];
    for (name, value) in tried {
        read.client.set(name, value);
    }
    let flight = Arc::new(Flight::default());
    let client = producer(config, &read, &flight).map_err(|error| vec![error])?;
    let (tell, mut told) = mpsc::unbounded_channel();
    for (nth, topic) in topics.iter().enumerate() {
        let slot = futures_util::FutureExt::now_or_never(flight.reserve(KEY.len(), nth, tell.clone()));
        let Some(slot) = slot else { continue };
        let record: BaseRecord<'_, str, [u8], usize> =
            BaseRecord::with_opaque_to(topic, slot.token()).key(KEY);
        match client.send(record) {
            Ok(()) => slot.sent(),
            Err((error, _)) => {
                let _ = tell.send((nth, Err(error.rdkafka_error_code().unwrap_or(Code::Unknown))));
            }
        }
    }
    let _ = client.flush(PATIENCE);
    let mut answers = vec![Err(Code::MessageTimedOut); topics.len()];
    while let Ok((nth, report)) = told.try_recv() {
        if let Some(answer) = answers.get_mut(nth) {
            *answer = report;
        }
    }
    let faults = topics.iter().zip(answers).filter_map(|(topic, answer)| match answer {
        Ok(()) | Err(Code::InvalidRequiredAcks) => None,
        Err(code) => Some(cause::told(code, topic).to_string()),
    });
    Ok(faults.collect())
}

/// Whether the producer itself is let in.
fn shut_out(flight: &Flight) -> Option<String> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(fatal) = flight.fatal() {
            return Some(fatal.to_string());
        }
        if flight.may_produce() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(format!("no producer id within {} s; perhaps {NOT_A_PRODUCER}", PATIENCE.as_secs()))
}
