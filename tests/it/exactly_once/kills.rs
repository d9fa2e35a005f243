//! Kills at any moment, and a broker that stops in between.

use super::sink;
use crate::at_rest::noted;
use crate::data_path::event_of;
use crate::fleet::stage::campaign;
use crate::harness::kafka::Kafka;
use crate::harness::scene::Scene;
use serde_json::Value;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_committed_records_sees_each_event_once_and_in_order() {
    let (kills, stops) = if campaign() { (100, 20) } else { (6, 1) };
    let mut broker = Kafka::start().await;
    // Two that share the topic of positions: a transaction of one can hide the other's last record.
    let sinks = sink(&broker, "once").await;
    broker.prepare(&["also"], &[]).await;
    let other = sinks.replace("kafka.events", "kafka.others").replace("topic = \"once\"", "topic = \"also\"");
    let sinks = sinks + &other;
    let mut scene = Scene::start(10, 3 * (kills + stops) + 3, &sinks).await;
    // The first kill must find the sessions on disk.
    noted(&scene.home, 10).await;
    let mut dice = fastrand::Rng::with_seed(11);
    for round in 0..kills {
        scene.publish(3).await;
        tokio::time::sleep(Duration::from_millis(dice.u64(0..400))).await;
        scene.daemon.kill();
        scene.daemon = scene.home.start();
        scene.daemon.connected(scene.users.len()).await;
        if round % (kills / stops) == kills / stops - 1 {
            broker.down().await;
            scene.publish(3).await;
            broker.up().await;
        }
    }
    scene.publish(3).await;
    scene.until("cometbridge_sink_lag_events{sink=\"events\"}", |lag| lag == 0.0).await;
    scene.until("cometbridge_sink_lag_events{sink=\"others\"}", |lag| lag == 0.0).await;
    let wanted = scene.expected.events();
    println!(
        "exactly once: {kills} kills, {stops} stops of the broker, {wanted} events to each of two topics"
    );
    for topic in ["once", "also"] {
        let records = broker.read(topic, wanted, Duration::from_secs(20)).await;
        let events: Vec<Value> = records.iter().map(event_of).collect();
        assert_eq!(events.len(), wanted, "each once");
        scene.complete("kafka", &events);
    }
    scene.end().await;
}
