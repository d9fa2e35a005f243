//! Kafka goes away and comes back on the same data.

use crate::data_path::{RETRIES, all_sinks, check_the_receivers};
use crate::harness::kafka::Kafka;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;

const REBUILDS: &str = "cometbridge_sink_rebuilds_total{sink=\"events\"}";

/// Webhook and stdout go on while the broker is down; in the end its topic has each event once, in order, unless a new
/// client had to take over.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_stops_and_starts_and_has_everything_once() {
    let mut kafka = Kafka::start().await;
    let receiver = Receiver::start().await;
    let mut scene = Scene::start(20, 45, &all_sinks(&kafka, &receiver)).await;
    scene.publish(15).await;
    scene.until("cometbridge_sink_delivered_total{kind=\"kafka\"", |n| n >= 150.0).await;

    // Broken off in the middle of a batch on its way, as an operator does it.
    scene.publish(3).await;
    kafka.down().await;
    let (webhook, stdout) = (receiver.count(), scene.home.stdout_lines().len());
    scene.publish(12).await;
    scene.until("cometbridge_sink_up{sink=\"events\"}", |up| up == 0.0).await;
    scene.delivered("webhook", "crm", webhook + 120).await;
    scene.delivered("stdout", "console", stdout + 120).await;
    scene.until("cometbridge_sink_lag_events{sink=\"events\"}", |lag| lag >= 120.0).await;
    for up in ["crm", "console"] {
        assert_eq!(scene.daemon.metric(&format!("cometbridge_sink_up{{sink=\"{up}\"}}")).await, 1.0);
    }
    // One sink of three that waits for its broker is no reason to take the service out of rotation.
    let text = scene.daemon.ready().await;
    assert!(text.contains("[~] sink events: degraded"), "{text}");
    scene.home.logged(&["WARN", "sink=\"events\"", "delivery fails, will be tried again"]).await;

    kafka.up().await;
    scene.publish(15).await;
    let wanted = scene.expected.events();
    for (kind, sink) in [("kafka", "events"), ("webhook", "crm"), ("stdout", "console")] {
        scene.delivered(kind, sink, wanted).await;
    }
    scene.until("cometbridge_sink_up{sink=\"events\"}", |up| up == 1.0).await;
    let counted = [scene.daemon.metric(RETRIES).await, scene.daemon.metric(REBUILDS).await];
    check_the_receivers(&kafka, &receiver, &scene.home, &scene.expected, counted).await;
    assert_eq!(scene.daemon.metric("cometbridge_sink_dead_letters_total").await, 0.0);
    scene.end().await;
}
