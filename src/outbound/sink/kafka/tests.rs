//! The Kafka sink against librdkafka's own mock cluster.

mod forms;
mod stranded;

use super::*;
use crate::outbound::settings::KafkaMode;
use crate::outbound::sink::Sink;
use crate::outbound::sink::contract::{Bench, Ids, holds};
use crate::outbound::testing::{delivery, event, raw};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::rc::Rc;

type Cluster = MockCluster<'static, DefaultProducerContext>;

const PARTITIONS: i32 = 6;

fn cluster() -> Rc<Cluster> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", PARTITIONS, 1).unwrap();
    Rc::new(cluster)
}

fn config(cluster: &Cluster, mode: KafkaMode) -> KafkaConfig {
    KafkaConfig {
        control_topic: None,
        brokers: vec![cluster.bootstrap_servers()],
        topic: "t".to_owned(),
        key: "{partitionkey}".to_owned(),
        headers: Vec::new(),
        mode,
        oauth2: None,
        figures: None,
        librdkafka: vec![
            ("reconnect.backoff.ms".to_owned(), "10".to_owned()),
            ("retry.backoff.ms".to_owned(), "5".to_owned()),
        ],
        librdkafka_secrets: Vec::new(),
    }
}

/// A record as it is read back.
#[derive(Debug)]
struct Record {
    partition: i32,
    key: String,
    headers: BTreeMap<String, String>,
    value: serde_json::Value,
}

/// Reads the topic to its end, by partition.
fn read(bootstrap: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "test")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset("t", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut ended, mut records) = (0, Vec::new());
    while ended < PARTITIONS {
        match consumer.poll(Duration::from_secs(30)) {
            Some(Ok(message)) => records.push(record(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("{error}"),
            None => panic!("the mock cluster does not answer"),
        }
    }
    records
}

fn record(message: &impl Message) -> Record {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect()
    });
    Record {
        partition: message.partition(),
        key: text(message.key().unwrap()),
        headers: headers.unwrap_or_default(),
        value: serde_json::from_slice(message.payload().unwrap()).unwrap(),
    }
}

async fn read_back(cluster: &Cluster) -> Vec<Record> {
    let bootstrap = cluster.bootstrap_servers();
    tokio::task::spawn_blocking(move || read(&bootstrap)).await.unwrap()
}

/// The ids in the topic, in its order.
async fn ids(cluster: &Cluster) -> Vec<String> {
    read_back(cluster).await.into_iter().map(|record| record.headers["ce_id"].clone()).collect()
}

fn id_of(number: u64) -> String {
    format!("main/chat/k/messages/{number}")
}

#[tokio::test]
async fn kafka_holds_the_contract() {
    let cluster = cluster();
    let sink =
        Sink::Kafka(KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap());
    let received = Box::new(move || {
        let cluster = Rc::clone(&cluster);
        Box::pin(async move { ids(&cluster).await }) as Ids
    });
    holds(Bench { sink, received }).await;
}

#[tokio::test]
async fn binary_mode_has_attributes_in_headers_and_data_as_value() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    assert_eq!(sink.deliver(&[delivery(1, "main/k")], 0).await, [Outcome::Done]);
    let record = read_back(&cluster).await.remove(0);
    assert_eq!(record.key, "main/k");
    assert_eq!(record.headers["content-type"], "application/json");
    assert_eq!(record.headers["ce_specversion"], "1.0");
    assert_eq!(record.headers["ce_id"], "main/chat/main/k/messages/1");
    assert_eq!(record.headers["ce_sequence"], "1-0000000000000000001");
    assert!(!record.headers.contains_key("ce_datacontenttype") && !record.headers.contains_key("ce_data"));
    assert_eq!(record.value["message"]["text"], "Hello");
}

#[tokio::test]
async fn structured_mode_has_the_envelope_as_value() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Structured), "journal", "sink").await.unwrap();
    assert_eq!(sink.deliver(&[delivery(1, "k")], 0).await, [Outcome::Done]);
    let record = read_back(&cluster).await.remove(0);
    assert_eq!(record.headers.len(), 1);
    assert_eq!(record.headers["content-type"], "application/cloudevents+json");
    assert_eq!(record.value["specversion"], "1.0");
    assert_eq!(record.value["data"]["message"]["text"], "Hello");
}

#[tokio::test]
async fn an_event_larger_than_the_limit_is_rejected_and_the_next_of_its_key_goes() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    let mut large = delivery(1, "k");
    let mut content = event("k", 1);
    content.data = raw(&format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000_000)));
    large.event = Arc::new(content);
    let outcomes = sink.deliver(&[large, delivery(2, "k")], 0).await;
    let [Outcome::Reject { cause }, Outcome::Done] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(cause.reason, "too-large");
}

#[tokio::test]
async fn a_batch_refused_for_its_size_is_tried_record_by_record() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    let refuse = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refuse]);
    let batch = [delivery(1, "k"), delivery(2, "k")];
    let outcomes = sink.deliver(&batch, 0).await;
    assert!(
        matches!(&outcomes[0], Outcome::Retry { cause, .. } if cause.reason == "too-large"),
        "{outcomes:?}"
    );
    cluster.request_errors(RDKafkaApiKey::Produce, &[refuse]);
    let outcomes = sink.deliver(&batch[..1], 0).await;
    assert!(matches!(&outcomes[..], [Outcome::Reject { .. }]), "alone, and still too large: {outcomes:?}");
    assert_eq!(sink.deliver(&batch[1..], 0).await, [Outcome::Done]);
}

#[tokio::test]
async fn an_outage_is_seen_while_records_wait_and_their_order_holds_after_it() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    assert_eq!(sink.deliver(&[delivery(1, "k")], 0).await, [Outcome::Done]);
    cluster.broker_down(-1).unwrap();
    let batch: Vec<_> = (2..50).map(|number| delivery(number, "k")).collect();
    {
        let call = sink.deliver(&batch, 0);
        tokio::pin!(call);
        while sink.trouble().is_none() {
            tokio::select! {
                outcomes = &mut call => panic!("a call in an outage came back: {outcomes:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        assert_eq!(sink.trouble().unwrap().reason, "brokers-down");
        cluster.broker_up(-1).unwrap();
        assert_eq!(call.await, vec![Outcome::Done; batch.len()]);
    }
    assert!(sink.trouble().is_none());
    assert_eq!(ids(&cluster).await, (1..50).map(id_of).collect::<Vec<_>>());
}

/// KAFKA-15591: a broker takes any first batch of a producer that it does not know, also the second one in flight
/// after it refused the first; librdkafka then reports the first as delivered, and it is nowhere.
#[tokio::test]
async fn a_first_batch_that_a_broker_not_yet_leading_refuses_is_not_lost_to_the_second() {
    let cluster = cluster();
    let mut config = config(&cluster, KafkaMode::Binary);
    config.librdkafka.push(("batch.num.messages".to_owned(), "1".to_owned()));
    let sink = KafkaSink::build(&config, "journal", "sink").await.unwrap();
    cluster.broker_round_trip_time(1, Duration::from_millis(100)).unwrap();
    let refuse = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refuse]);
    let batch: Vec<_> = (1..5).map(|number| delivery(number, "k")).collect();
    assert_eq!(sink.deliver(&batch, 0).await, vec![Outcome::Done; batch.len()]);
    assert_eq!(ids(&cluster).await, (1..5).map(id_of).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_room_back_and_close_does_not_hang() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    cluster.broker_down(-1).unwrap();
    let batch = [delivery(1, "k")];
    {
        let call = sink.deliver(&batch, 0);
        tokio::pin!(call);
        assert!(futures_util::poll!(&mut call).is_pending());
    }
    sink.close(Duration::from_millis(10)).await;
    assert!(sink.flight.is_empty());
}

#[tokio::test]
async fn a_topic_that_is_refused_is_tried_again_with_a_clear_reason() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    cluster.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    let outcomes = sink.deliver(&[delivery(1, "k")], 0).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Retry { cause, .. }] if cause.reason == "not-authorized"),
        "{outcomes:?}"
    );
}

async fn refused(properties: &[(&str, &str)]) -> String {
    let config = KafkaConfig {
        control_topic: None,
        brokers: vec!["localhost:1".to_owned()],
        topic: "t".to_owned(),
        key: "{partitionkey}".to_owned(),
        headers: Vec::new(),
        mode: KafkaMode::Binary,
        oauth2: None,
        figures: None,
        librdkafka: properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        librdkafka_secrets: Vec::new(),
    };
    KafkaSink::build(&config, "journal", "sink").await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_bad_property_is_named_and_its_value_is_not() {
    assert!(refused(&[("linger.msec", "7")]).await.contains("linger.msec"));
    let error = refused(&[("security.protocol", "hunter2")]).await;
    assert!(error.contains("security.protocol") && !error.contains("hunter2"), "{error}");
    assert!(refused(&[("enable.idempotence", "false")]).await.contains("set by the bridge"));
    let error = refused(&[("security.protocol", "ssl"), ("ssl.ca.location", "/does/not/exist")]).await;
    assert!(error.contains("ssl.ca.location"), "{error}");
}
