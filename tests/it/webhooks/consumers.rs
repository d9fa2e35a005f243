//! What consumers' libraries make of both sinks in every mode: signatures and CloudEvents.

use super::judges::{events_of_records, events_of_requests, verify};
use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::{Home, SECRET};
use crate::harness::kafka::Kafka;
use crate::harness::receiver::{Attempt, Receiver, Reply};
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, kafka, webhook};
use crate::harness::workload::users;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

fn ids(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn taken(receiver: &Receiver) -> Vec<Attempt> {
    receiver.tries().into_iter().filter(|attempt| attempt.status == 200).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudevents_sdk_and_three_verifiers_take_what_every_mode_sends() {
    let broker = Kafka::shared().await;
    let (single, batched) = (Receiver::start().await, Receiver::start().await);
    let common = format!("{NOT_BRIDGE}{KEEP_TRYING}");
    let sinks = kafka("binary", &broker.brokers(), "sdk-binary", NOT_BRIDGE)
        + &kafka(
            "whole",
            &broker.brokers(),
            "sdk-structured",
            &format!("mode = \"structured\"\n{NOT_BRIDGE}"),
        )
        + &webhook("single", &single.url, &common)
        + &webhook(
            "batched",
            &batched.url,
            &format!("mode = \"batch\"\nbatch = {{ events = 10 }}\nconcurrency = 2\n{common}"),
        );
    // The first batch is refused for two seconds, in which the others gather.
    batched.answer_by(|_| Reply { status: 429, retry_after: Some(2) });
    let users = users(12);
    let gws = Cometd::start_like(Kind::Simulator, &Like::default(), &users).await;
    let mut scene = Scene::on(gws, Home::new(), &users, 20, &sinks, &[]).await;
    scene.publish(10).await;
    scene
        .until("cometbridge_sink_retries_total{reason=\"rate-limited\",sink=\"batched\"}", |n| n >= 1.0)
        .await;
    batched.answer(200);
    scene.publish(10).await;
    let wanted = scene.expected.events();
    for (kind, sink) in
        [("kafka", "binary"), ("kafka", "whole"), ("webhook", "single"), ("webhook", "batched")]
    {
        scene.delivered(kind, sink, wanted).await;
    }

    scene.complete("single", &single.events());
    let events: Vec<Value> =
        batched.events().iter().flat_map(|batch| batch.as_array().unwrap().clone()).collect();
    scene.complete("batched", &events);
    assert!(batched.events().iter().any(|batch| batch.as_array().unwrap().len() > 1));
    assert!(batched.events().iter().all(|batch| batch.as_array().unwrap().len() <= 10));
    let content_types: BTreeSet<_> =
        batched.tries().iter().map(|one| one.headers["content-type"].to_str().unwrap().to_owned()).collect();
    assert_eq!(content_types, BTreeSet::from(["application/cloudevents-batch+json".to_owned()]));

    for receiver in [&single, &batched] {
        assert!(verify(&receiver.tries(), SECRET));
        let parsed = events_of_requests(&taken(receiver), SECRET);
        assert_eq!((parsed.len(), ids(&parsed)), (wanted, ids(&events)));
        for event in &parsed {
            assert!(event["data"].is_object(), "{event}");
        }
    }
    for topic in ["sdk-binary", "sdk-structured"] {
        let records = broker.read(topic, wanted, Duration::from_secs(10)).await;
        let parsed = events_of_records(&records);
        assert_eq!((parsed.len(), ids(&parsed)), (wanted, ids(&events)), "{topic}");
    }
    scene.end().await;
}
