//! Dead letters of an exact sink go back over kills in the midst of it: each stands in the topic once.

use super::CONTROL;
use crate::data_path::event_of;
use crate::fleet::stage::campaign;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::kafka::Kafka;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{NOT_BRIDGE, kafka};
use crate::harness::workload;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const DEAD: &str = "cometbridge_sink_dead_letters_total{reason=\"unknown-topic\",sink=\"events\"}";

/// So many letters were asked for again.
async fn redrive(home: &Home, which: &[&str]) -> u64 {
    let (code, out, err) =
        Daemon::asked(home, &[&["dead-letters", "redrive", "--json"], which].concat()).await;
    assert_eq!(code, 0, "{err}");
    let done: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    done["letters"].as_u64().unwrap()
}

async fn ids(broker: &Kafka, topic: &str, wanted: usize) -> Vec<Value> {
    let records = broker.read(topic, wanted, Duration::from_secs(10)).await;
    records.iter().map(event_of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_come_once_over_kills_in_the_midst_of_their_redrive() {
    let agents = if campaign() { 120 } else { 10 };
    let broker = Kafka::start_with(|_, _| "auto.create.topics.enable=false\n".to_owned(), &[]).await;
    broker.prepare(&["redriven.agent", CONTROL], &[]).await;
    // A topic for each medium, and one of them is missing.
    let exact = format!(
        "{NOT_BRIDGE}delivery = \"exactly-once\"\ncontrol_topic = \"{CONTROL}\"\n[sink.kafka.events.librdkafka]\n\
         \"topic.metadata.propagation.max.ms\" = \"500\"\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n"
    );
    let sinks = kafka("events", &broker.brokers(), "redriven.{medium}", &exact);
    let mut home = Home::new();
    home.token = Some("a-token-of-some-length");
    let users = workload::users(agents);
    let server = Cometd::start(Kind::Java, &[]);
    let mut scene = Scene::on(server, home, &users, 10 + agents / 2, &sinks, &[]).await;
    scene.publish(10).await;
    let so_far = workload::script(&scene.talks, &users, 10).1;
    let devices: usize = so_far.devices.values().map(Vec::len).sum();
    let letters = so_far.events() - devices;
    scene.until(DEAD, |n| n >= letters as f64).await;
    scene.settled("events").await;
    assert_eq!(ids(&broker, "redriven.agent", devices).await.len(), devices, "the others have flowed");

    broker.prepare(&["redriven.facebooksession"], &[]).await;
    let mut dice = fastrand::Rng::with_seed(13);
    let mut asked = 0;
    for talk in scene.talks.clone() {
        asked += redrive(&scene.home, &["--interaction", &talk.id]).await;
        scene.publish(1).await;
        // Lanes look for letters every second: the kill is before, in the midst of it, or after.
        tokio::time::sleep(Duration::from_millis(dice.u64(0..1_600))).await;
        scene.daemon.kill();
        scene.daemon = scene.home.start();
        scene.daemon.connected(users.len()).await;
    }
    assert!(asked >= letters as u64, "{asked} of {letters}");
    // A letter that came back before the client knew of the new topic is dead once more.
    eventually("no letter is left", LIMIT, || async {
        let left = "SELECT (SELECT count(*) FROM parked) + (SELECT count(*) FROM dead_letter)";
        (redrive(&scene.home, &["--all"]).await == 0 && scene.home.journal_says(left) == 0).then_some(())
    })
    .await;
    scene.settled("events").await;

    let wanted = scene.expected.events() - scene.expected.devices.values().map(Vec::len).sum::<usize>();
    let events = ids(&broker, "redriven.facebooksession", wanted).await;
    let all: BTreeSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    let late = events.iter().filter(|event| event["late"] == "true").count();
    println!(
        "exactly once: {late} late of {} events, {} kills while letters were redriven",
        events.len(),
        agents / 2
    );
    assert_eq!((events.len(), all.len()), (wanted, wanted), "each once");
    assert!(scene.expected.messages.iter().all(|id| all.contains(id.as_str())));
    assert!(late >= letters, "{late} late of {letters} letters");
    scene.end().await;
}
