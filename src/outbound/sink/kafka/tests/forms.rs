//! Keys, headers, partitions, and topics that are not there.

use super::*;

/// Murmur2 of these keys, from Kafka's own Java tests (`UtilsTest`).
const MURMUR2: [(&str, i32); 4] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
];

#[tokio::test]
async fn keys_go_to_the_partitions_that_java_clients_choose() {
    let cluster = cluster();
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    let batch: Vec<_> = MURMUR2.iter().zip(1..).map(|((key, _), number)| delivery(number, key)).collect();
    assert_eq!(sink.deliver(&batch, 0).await, vec![Outcome::Done; batch.len()]);
    for record in read_back(&cluster).await {
        let (_, hash) = MURMUR2.iter().find(|(key, _)| *key == record.key).unwrap();
        assert_eq!(record.partition, (hash & 0x7fff_ffff) % PARTITIONS, "{}", record.key);
    }
}

#[tokio::test]
async fn key_and_headers_are_made_of_the_event_in_both_modes() {
    for mode in [KafkaMode::Binary, KafkaMode::Structured] {
        let cluster = cluster();
        let mut config = config(&cluster, mode);
        config.key = "{site}/{medium}".to_owned();
        let header = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        config.headers =
            vec![header("x-team", "crm"), header("x-class", "c-{class}"), header("x-agent", "{agent}")];
        let sink = KafkaSink::build(&config, "journal", "sink").await.unwrap();
        assert_eq!(sink.deliver(&[delivery(1, "k")], 0).await, [Outcome::Done]);
        let record = read_back(&cluster).await.remove(0);
        assert_eq!(record.key, "main/chat");
        assert_eq!(
            (record.headers["x-team"].as_str(), record.headers["x-class"].as_str()),
            ("crm", "c-content")
        );
        assert!(!record.headers.contains_key("x-agent"), "a message of an interaction belongs to no agent");
        assert!(record.headers.contains_key("content-type"));
    }
}

#[tokio::test]
async fn what_is_shown_of_a_record_is_what_arrives() {
    for mode in [KafkaMode::Binary, KafkaMode::Structured] {
        let cluster = cluster();
        let mut config = config(&cluster, mode);
        config.key = "{site}/{medium}".to_owned();
        config.headers = vec![("x-class".to_owned(), "c-{class}".to_owned())];
        let sink = KafkaSink::build(&config, "journal", "sink").await.unwrap();
        let delivery = delivery(1, "k");
        let shown = sink.shown(&delivery).unwrap();
        assert_eq!(sink.deliver(&[delivery], 0).await, [Outcome::Done]);
        let record = read_back(&cluster).await.remove(0);
        let beside: BTreeMap<String, String> = shown.beside.iter().cloned().collect();
        let mut arrived: BTreeMap<String, String> =
            record.headers.into_iter().map(|(name, text)| (format!("header {name}"), text)).collect();
        arrived.extend([("topic".to_owned(), "t".to_owned()), ("key".to_owned(), record.key)]);
        assert_eq!(beside, arrived);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown.body.1).unwrap(), record.value);
        let text = shown.to_string();
        assert!(text.starts_with("\n    topic: t\n    key: main/chat\n    header content-type: "), "{text}");
    }
}

#[tokio::test]
async fn an_event_that_lacks_what_the_key_wants_has_its_partition_key() {
    let cluster = cluster();
    let mut config = config(&cluster, KafkaMode::Binary);
    config.key = "a/{agent}".to_owned();
    let sink = KafkaSink::build(&config, "journal", "sink").await.unwrap();
    assert_eq!(sink.deliver(&[delivery(1, "main/k")], 0).await, [Outcome::Done]);
    assert_eq!(read_back(&cluster).await.remove(0).key, "main/k");
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_tried_once_more_and_then_its_events_are_put_aside() {
    let cluster = cluster();
    cluster.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let mut config = config(&cluster, KafkaMode::Binary);
    config.librdkafka.push(("topic.metadata.propagation.max.ms".to_owned(), "50".to_owned()));
    let sink = KafkaSink::build(&config, "journal", "sink").await.unwrap();
    let mut tries = 0;
    let cause = loop {
        tries += 1;
        match sink.deliver(&[delivery(1, "k")], 0).await.remove(0) {
            Outcome::Retry { cause, .. } if tries < 3 => assert_eq!(cause.reason, "unknown-topic"),
            Outcome::Reject { cause } => break cause,
            other => panic!("try {tries}: {other:?}"),
        }
    };
    assert_eq!(cause.reason, "unknown-topic");
    assert!(cause.detail.contains("topic \"t\" does not exist"), "{cause}");
}

#[tokio::test]
async fn a_producer_that_is_let_in_nowhere_is_built_anew_with_the_right_that_is_missing() {
    let cluster = cluster();
    let refuse = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &[refuse]);
    let sink = KafkaSink::build(&config(&cluster, KafkaMode::Binary), "journal", "sink").await.unwrap();
    let outcome = sink.deliver(&[delivery(1, "k")], 0).await.remove(0);
    let Outcome::Reconnect { cause } = outcome else { panic!("{outcome:?}") };
    assert_eq!(cause.reason, "not-authorized");
    assert!(cause.detail.contains("IdempotentWrite"), "{cause}");
}

#[tokio::test]
async fn without_kerberos_in_the_build_a_login_by_it_is_refused_with_what_to_do() {
    if cfg!(feature = "gssapi") {
        return;
    }
    let error = refused(&[("security.protocol", "sasl_plaintext")]).await;
    assert!(error.contains("SCRAM-SHA-512") && error.contains("--features gssapi"), "{error}");
}
