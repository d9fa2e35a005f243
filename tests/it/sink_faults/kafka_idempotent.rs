//! An idempotent Kafka sink over a long outage of its broker, then over kills of the daemon: nothing is lost, no key's
//! order breaks, and an event stands twice in the topic only after a kill or a producer that was built anew.

use crate::data_path::event_of;
use crate::fleet::stage::campaign;
use crate::harness::kafka::Kafka;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, kafka};
use crate::harness::workload;
use serde_json::Value;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const TOPIC: &str = "idempotent";
const REBUILDS: &str = "cometbridge_sink_rebuilds_total{sink=\"events\"}";

/// Waits until all that was published has left, and reads the topic: the events at their first arrival, complete and
/// in order, and how many came again.
async fn read(broker: &Kafka, scene: &mut Scene, rounds: usize) -> usize {
    scene.settled("events").await;
    let expected = workload::script(&scene.talks, &scene.users, rounds).1;
    // How often an event came again is not known before: read until nothing more comes.
    let records = broker.read_all(TOPIC, Duration::from_secs(3)).await;
    let all = records.len();
    let mut ids = HashSet::new();
    let mut first: Vec<Value> = records.iter().map(event_of).collect();
    first.retain(|event| ids.insert(event["id"].as_str().unwrap().to_owned()));
    workload::verify("kafka", &first, &expected);
    all - first.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_breaks_no_order_and_only_kills_and_new_producers_repeat_anything() {
    let (outage, pause, kills) = if campaign() { (240, 2_000, 40) } else { (6, 500, 4) };
    let (outage, pause) = (Duration::from_secs(outage), Duration::from_millis(pause));
    let during = usize::try_from(outage.as_millis() / pause.as_millis()).unwrap();
    let mut broker = Kafka::start().await;
    broker.prepare(&[TOPIC], &[]).await;
    let sinks = kafka("events", &broker.brokers(), TOPIC, NOT_BRIDGE);
    let mut scene = Scene::start(10, during + 3 * kills + 15, &sinks).await;
    let mut published = 5;
    scene.publish(5).await;
    scene.until("cometbridge_sink_delivered_total{kind=\"kafka\",sink=\"events\"}", |n| n > 0.0).await;

    // In the midst of a stream; it goes on as long as the broker is away.
    scene.publish(2).await;
    broker.down().await;
    let began = Instant::now();
    for _ in 0..during {
        scene.publish(1).await;
        tokio::time::sleep(pause).await;
    }
    scene.until("cometbridge_sink_up{sink=\"events\"}", |up| up == 0.0).await;
    let away = began.elapsed();
    broker.up().await;
    scene.publish(2).await;
    published += during + 4;
    let repeats = read(&broker, &mut scene, published).await;
    let mut rebuilds = scene.daemon.metric(REBUILDS).await;
    assert!(repeats == 0 || rebuilds > 0.0, "{repeats} came again, and no producer was built anew");

    let mut dice = fastrand::Rng::with_seed(12);
    for _ in 0..kills {
        scene.publish(3).await;
        tokio::time::sleep(Duration::from_millis(dice.u64(0..400))).await;
        rebuilds += scene.daemon.metric(REBUILDS).await;
        scene.daemon.kill();
        scene.daemon = scene.home.start();
        scene.daemon.connected(scene.users.len()).await;
    }
    published += 3 * kills;
    let by_kills = read(&broker, &mut scene, published).await;

    // Without a kill nothing more comes again.
    let before = scene.daemon.metric(REBUILDS).await;
    scene.publish(6).await;
    published += 6;
    let after = read(&broker, &mut scene, published).await;
    assert!(
        after == by_kills || scene.daemon.metric(REBUILDS).await > before,
        "{after}, and {by_kills} before"
    );
    println!(
        "idempotent: {} events, {} s without a broker, {rebuilds} producers anew; came again: {repeats} by the outage, {} \
         by {kills} kills",
        scene.expected.events(),
        away.as_secs(),
        by_kills - repeats,
    );
    scene.end().await;
}
