//! A webhook that answers this and that: the lane tries again, waits as asked, or ends; the others go on.

use crate::data_path::event_of;
use crate::harness::kafka::Kafka;
use crate::harness::receiver::{Receiver, Reply};
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, kafka, stdout, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

async fn retries(scene: &Scene, reason: &str) -> usize {
    let series = format!("cometbridge_sink_retries_total{{reason=\"{reason}\",sink=\"crm\"}}");
    scene.daemon.metric(&series).await as usize
}

/// 500, then 302, then for each event first 429 with `Retry-After: 1`, then 200.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_refuses_for_a_while_gets_everything_and_holds_up_nobody() {
    let broker = Kafka::shared().await;
    let receiver = Receiver::start().await;
    let sinks = kafka("events", &broker.brokers(), "answers", NOT_BRIDGE)
        + &webhook("crm", &receiver.url, &format!("concurrency = 64\n{NOT_BRIDGE}{KEEP_TRYING}"))
        + &stdout("console", NOT_BRIDGE);
    let mut scene = Scene::start(16, 30, &sinks).await;

    receiver.answer(500);
    scene.publish(10).await;
    scene.delivered("kafka", "events", 80).await;
    scene.delivered("stdout", "console", 80).await;
    scene.until("cometbridge_sink_retries_total{reason=\"http-5xx\",sink=\"crm\"}", |n| n >= 16.0).await;
    scene.until("cometbridge_sink_up{sink=\"crm\"}", |up| up == 0.0).await;
    assert_eq!(receiver.count(), 0);
    receiver.answer(302);
    scene.publish(10).await;
    scene.delivered("kafka", "events", 160).await;
    scene.delivered("stdout", "console", 160).await;
    scene.until("cometbridge_sink_retries_total{reason=\"redirect\",sink=\"crm\"}", |n| n >= 16.0).await;
    let asked = Mutex::new(BTreeSet::new());
    receiver.answer_by(move |event| {
        let new = asked.lock().unwrap().insert(event["id"].as_str().unwrap().to_owned());
        let limited = event["event"] == "state_change" && new;
        if limited { Reply { status: 429, retry_after: Some(1) } } else { 200.into() }
    });
    scene.publish(10).await;
    let wanted = scene.expected.events();
    for (kind, sink) in [("kafka", "events"), ("webhook", "crm"), ("stdout", "console")] {
        scene.delivered(kind, sink, wanted).await;
    }

    scene.complete("webhook", &receiver.events());
    scene.complete("stdout", &scene.stdout_events());
    let records = broker.read("answers", wanted, Duration::from_secs(10)).await;
    scene.complete("kafka", &records.iter().map(event_of).collect::<Vec<Value>>());
    let tries = receiver.bodies_never_change();
    assert!(tries.values().any(|tries| *tries > 2), "{tries:?}");
    for (status, reason) in [(500, "http-5xx"), (302, "redirect"), (429, "rate-limited")] {
        assert!(receiver.answered(status) > 0);
        assert_eq!(retries(&scene, reason).await, receiver.answered(status), "{reason}");
    }
    waited_as_asked(&receiver);
    scene.until("cometbridge_sink_up{sink=\"crm\"}", |up| up == 1.0).await;
    scene.end().await;
}

/// After a 429 the same event comes again, and not before the second is over.
fn waited_as_asked(receiver: &Receiver) {
    let mut limited: BTreeMap<String, Instant> = BTreeMap::new();
    for attempt in receiver.tries() {
        if let Some(at) = limited.remove(&attempt.id) {
            let waited = attempt.at.duration_since(at);
            assert!(waited >= Duration::from_secs(1), "{} came again after {waited:?}", attempt.id);
        }
        if attempt.status == 429 {
            limited.insert(attempt.id, attempt.at);
        }
    }
    assert!(limited.is_empty(), "never came again: {limited:?}");
}

/// 410 says that the receiver wants no more: its lane ends, for all to see, and only that.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_gone_ends_its_lane_alone() {
    let receiver = Receiver::start().await;
    let sinks =
        webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{KEEP_TRYING}")) + &stdout("console", NOT_BRIDGE);
    let mut scene = Scene::start(8, 20, &sinks).await;
    scene.publish(5).await;
    // All of them: what is delivered beside the refusal and beyond it would come again with the next start.
    let first = workload::script(&scene.talks, &scene.users, 5).1.events();
    scene.delivered("webhook", "crm", first).await;
    receiver.answer(410);
    scene.publish(5).await;
    scene.home.logged(&["ERROR", "sink=\"crm\"", "sink has ended", "gone"]).await;
    let tries = receiver.tries().len();
    receiver.answer(200);
    scene.publish(10).await;
    let wanted = scene.expected.events();
    scene.delivered("stdout", "console", wanted).await;
    scene.complete("stdout", &scene.stdout_events());
    assert_eq!(receiver.tries().len(), tries, "nothing is sent to a receiver that is gone");
    assert_eq!(scene.daemon.metric("cometbridge_sink_up{sink=\"crm\"}").await, 0.0);
    scene.until("cometbridge_sink_lag_events{sink=\"crm\"}", |lag| lag >= 40.0).await;
    let text = scene.daemon.ready().await;
    assert!(text.contains("[~] sink crm: degraded: ended: gone"), "{text}");
    let before = receiver.count();
    // The next start tries again, and what waited arrives.
    let home = scene.end().await;
    let mut daemon = home.start();
    let series = "cometbridge_sink_delivered_total{kind=\"webhook\",sink=\"crm\"}";
    let rest = (wanted - before) as f64;
    daemon.until(series, Duration::from_secs(30), |n| n >= rest).await;
    assert!(daemon.stop().await.success());
    assert_eq!(receiver.count(), wanted, "each event once");
}
