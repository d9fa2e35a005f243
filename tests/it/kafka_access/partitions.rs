//! The partition of a key is the one that the Java client gives it.

use crate::harness::kafka::Kafka;
use cometbridge::base::envelope::Event;
use cometbridge::outbound::settings::{KafkaConfig, KafkaMode};
use cometbridge::outbound::sink::kafka::KafkaSink;
use cometbridge::outbound::sink::{Delivery, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn keys() -> Vec<String> {
    let mut keys: Vec<String> = (0..300).map(|n| format!("main/0000Na9B26EF{n:04X}")).collect();
    // Every length of the last block, other scripts, and nothing.
    keys.extend((0..40).map(|length| "x".repeat(length)));
    keys.extend(["ä", "Grüße/1", "消息/2", "🙂", "e\u{301}", " ", "a\tb"].map(str::to_owned));
    keys.extend((0..100).map(|n| format!("реал/{n}-{}", "é".repeat(n % 7))));
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_where_the_java_client_sends_them() {
    let kafka = Kafka::shared().await;
    let topic = "partitions";
    kafka.prepare(&[topic], &[]).await;
    let keys = keys();
    let sink = KafkaSink::build(
        &KafkaConfig {
            control_topic: None,
            brokers: vec![kafka.brokers()],
            topic: topic.to_owned(),
            key: "{partitionkey}".to_owned(),
            headers: Vec::new(),
            mode: KafkaMode::Binary,
            oauth2: None,
            librdkafka: Vec::new(),
            librdkafka_secrets: Vec::new(),
            figures: None,
        },
        "journal",
        "events",
    )
    .await
    .unwrap();
    let batch: Vec<Delivery> = keys
        .iter()
        .zip(1..)
        .map(|(key, sequence)| {
            let data = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
            let event = Event { partitionkey: key.clone(), ..Event::bare(data) };
            let sequence_text = format!("1-{sequence:019}");
            Delivery { sequence, sequence_text, event: Arc::new(event), attempt: 1, beside: false }
        })
        .collect();
    assert!(sink.deliver(&batch, 0).await.iter().all(|outcome| *outcome == Outcome::Done));
    let ours: BTreeMap<String, i64> = kafka
        .read(topic, keys.len(), Duration::from_secs(20))
        .await
        .into_iter()
        .map(|record| (record.key, record.partition))
        .collect();
    let bytes: Vec<Vec<u8>> = keys.iter().map(|key| key.clone().into_bytes()).collect();
    let theirs = kafka.partitions_by_java(topic, &bytes).await;
    assert_eq!(theirs.len(), keys.len());
    for (key, partition) in keys.iter().zip(theirs) {
        assert_eq!(ours[key], partition, "{key:?}");
    }
    let used: std::collections::BTreeSet<&i64> = ours.values().collect();
    assert_eq!(used.len(), 6, "the keys are spread over all partitions");
}
