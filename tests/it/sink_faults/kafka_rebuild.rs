//! Brokers that forget what they had acknowledged (an older disk was put back) end an idempotent producer: the sink builds
//! a new one, counts it, and goes on in order with nothing lost that came since.

use crate::data_path::event_of;
use crate::harness::kafka::Kafka;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, kafka, stdout};
use crate::harness::workload;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

const TOPIC: &str = "rebuilt";
const REBUILDS: &str = "cometbridge_sink_rebuilds_total{sink=\"events\"}";

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap()
}

/// Publishes, and waits until all of it has left by both sinks; the ids that are new.
async fn through(scene: &mut Scene, rounds: usize, published: &mut usize) -> HashSet<String> {
    let before = scene.stdout_events().len();
    scene.publish(rounds).await;
    *published += rounds;
    let all = workload::script(&scene.talks, &scene.users, *published).1.events();
    scene.delivered("stdout", "console", all).await;
    scene.delivered("kafka", "events", all).await;
    scene.stdout_events()[before..].iter().map(|event| text(event, "id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_the_brokers_do_not_know_any_more_is_built_anew_and_counted() {
    let mut broker = Kafka::start().await;
    broker.prepare(&[TOPIC], &[]).await;
    let sinks = kafka("events", &broker.brokers(), TOPIC, NOT_BRIDGE) + &stdout("console", NOT_BRIDGE);
    let mut scene = Scene::start(8, 20, &sinks).await;
    let mut published = 0;
    let kept = through(&mut scene, 5, &mut published).await;
    broker.down().await;
    broker.snapshot(false);
    broker.up().await;
    let forgotten = through(&mut scene, 5, &mut published).await;
    assert_eq!(scene.daemon.metric(REBUILDS).await, 0.0, "a restart of the broker alone is no reason");
    broker.down().await;
    broker.snapshot(true);
    broker.up().await;
    let since = through(&mut scene, 10, &mut published).await;
    let rebuilds = scene.daemon.metric(REBUILDS).await;
    assert!(rebuilds >= 1.0);
    scene.until("cometbridge_sink_lag_events{sink=\"events\"}", |lag| lag == 0.0).await;

    let records = broker.read_all(TOPIC, Duration::from_secs(3)).await;
    let all = records.len();
    let mut seen = HashSet::new();
    let mut first: Vec<Value> = records.iter().map(event_of).collect();
    first.retain(|event| seen.insert(text(event, "id").to_owned()));
    assert!(kept.union(&since).all(|id| seen.contains(id)), "nothing is lost but what the disk has lost");
    assert!(seen.iter().all(|id| kept.contains(id) || since.contains(id) || forgotten.contains(id)));
    let order: Vec<Value> = scene.stdout_events();
    let place: HashMap<&str, usize> =
        order.iter().enumerate().map(|(nth, event)| (text(event, "id"), nth)).collect();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &first {
        let nth = place[text(event, "id")];
        let before = last.insert(text(event, "partitionkey"), nth);
        assert!(before.is_none_or(|before| before < nth), "{event} comes too late");
    }
    println!("{rebuilds} producers anew, {} of {all} records came again", all - first.len());
    scene.end().await;
}
