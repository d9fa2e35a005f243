//! The main job: what real CometD servers publish arrives once, in order and under one identity in a real
//! Kafka topic, at a webhook and on stdout.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::kafka::{Kafka, Record};
use crate::harness::receiver::Receiver;
use crate::harness::sinks::TOLD;
use crate::harness::workload::{self, Expected};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Kafka, webhook and stdout, all with everything but the bridge's own events.
pub fn all_sinks(kafka: &Kafka, receiver: &Receiver) -> String {
    let mine = format!("{TOLD}privacy = \"full\"\n");
    format!(
        "[sink.kafka.events]\nbrokers = [\"{}\"]\ntopic = \"gws.events\"\n{mine}\
         [sink.webhook.crm]\nurl = \"{}\"\nsecrets = [{{ env = \"CRM_SECRET\" }}]\nallow_plaintext = true\nconcurrency = 32\n{mine}\
         [sink.stdout.console]\n{mine}",
        kafka.brokers(),
        receiver.url,
    )
}

/// The envelope of a record in binary mode, as an event again.
pub fn event_of(record: &Record) -> Value {
    let mut event = serde_json::Map::new();
    for (name, value) in record.headers.as_object().unwrap() {
        if let Some(attribute) = name.strip_prefix("ce_") {
            event.insert(attribute.to_owned(), value.clone());
        }
    }
    assert_eq!(record.headers["content-type"], "application/json");
    assert_eq!(event["partitionkey"].as_str().unwrap(), record.key, "the key is the partition key");
    event.insert("data".to_owned(), serde_json::from_str(&record.value).unwrap());
    Value::Object(event)
}

async fn run_the_main_job(kind: Kind, agents: usize, rounds: usize, arguments: &[&str]) {
    let server = Cometd::start(kind, arguments);
    let kafka = Kafka::start().await;
    let receiver = Receiver::start().await;
    let users = workload::users(agents);
    let home = Home::new();
    home.write_roster(&users);
    home.write_config(&server.url, &all_sinks(&kafka, &receiver));
    let mut daemon = home.start();
    daemon.connected(agents).await;
    assert_eq!(server.subscribed().await, agents);

    let talks = workload::conversations(&users, "0000Na9B26");
    let (batches, expected) = workload::script(&talks, &users, rounds);
    let published: usize = batches.iter().map(Vec::len).sum();
    for batch in &batches {
        let delivered = server.publish(batch).await;
        assert!(delivered.iter().all(|n| *n == 1), "everything goes to a live session");
    }
    let wanted = expected.events() as f64;
    println!("{kind:?}: {agents} agents, {published} notifications, {wanted} events expected");
    for sink in ["events", "crm", "console"] {
        let series =
            format!("cometbridge_sink_delivered_total{{kind=\"{}\",sink=\"{sink}\"}}", kind_of(sink));
        daemon.until(&series, Duration::from_secs(180), |n| n >= wanted).await;
    }
    let retries = daemon.metric(RETRIES).await;
    println!("{retries} tries failed\n{}", home.log());
    check_the_receivers(&kafka, &receiver, &home, &expected, [retries, 0.0]).await;
    let stats = server.stats().await;
    assert_eq!(stats["foreignPosts"], 0, "the bridge only logs in, reads and subscribes: {stats}");
    assert_eq!(stats["disconnects"], 0);
    assert!(daemon.stop().await.success());
}

fn kind_of(sink: &str) -> &'static str {
    match sink {
        "events" => "kafka",
        "crm" => "webhook",
        _ => "stdout",
    }
}

/// Tries of the webhook that failed. An answer that gets lost after the receiver took the event is one.
pub const RETRIES: &str = "cometbridge_sink_retries_total{reason=";

/// Each receiver has exactly what must have come, in order, and all have the same ids. What the webhook saw
/// twice was a failed try, the same to the byte; only where a Kafka client was built anew its topic may hold repeats.
pub async fn check_the_receivers(
    kafka: &Kafka,
    receiver: &Receiver,
    home: &Home,
    expected: &Expected,
    [retries, rebuilds]: [f64; 2],
) {
    let idle = Duration::from_secs(10);
    let from_kafka: Vec<Value> = if rebuilds > 0.0 {
        // A new client can send again what the one before had under way.
        let (all, mut seen) = (kafka.read_all("gws.events", idle).await, BTreeSet::new());
        let first = |event: &Value| seen.insert(event["id"].as_str().unwrap().to_owned());
        all.iter().map(event_of).filter(first).collect()
    } else {
        kafka.read("gws.events", expected.events(), idle).await.iter().map(event_of).collect()
    };
    let from_webhook = receiver.events_once(retries);
    let from_stdout: Vec<Value> =
        home.stdout_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<BTreeSet<String>> =
        [("kafka", from_kafka), ("webhook", from_webhook), ("stdout", from_stdout)]
            .iter()
            .map(|(name, events)| workload::verify(name, events, expected))
            .collect();
    assert!(ids.iter().all(|each| *each == ids[0]), "the same ids in every sink");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_agents_on_the_java_server() {
    // The window is wide: a machine busy with something else must not cost a session here.
    run_the_main_job(Kind::Java, 200, 75, &["--csrf", "true", "--max-interval", "60000"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_agents_on_the_nodejs_server() {
    run_the_main_job(Kind::Node, 50, 30, &["--max-interval", "60000"]).await;
}
