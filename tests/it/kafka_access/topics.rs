//! `topics` prints what has to be made, and asks nobody.

use super::stage::Stage;
use crate::data_path::event_of;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Home, command};
use crate::harness::scene::Scene;
use crate::harness::sinks::{kafka, stdout};
use crate::harness::workload;
use serde_json::Value;
use std::time::Duration;

fn asked(home: &Home, more: &[&str]) -> (i32, String, String) {
    let config = home.config().display().to_string();
    let mut arguments = vec!["topics", "--config", &config];
    arguments.extend(more);
    command(&arguments)
}

#[test]
fn every_topic_that_can_be_produced_is_printed_with_its_rights() {
    let home = Home::new();
    home.write_roster(&["ann".to_owned()]);
    home.write("kafka.password", "secret");
    let login = format!(
        "[sink.kafka.events.librdkafka]\n\"security.protocol\" = \"sasl_ssl\"\n\"sasl.username\" = \"bridge\"\n\
         \"sasl.password\" = {{ file = \"{}\" }}\n\"message.max.bytes\" = \"2000000\"\n",
        home.path("kafka.password").display()
    );
    let matching = "match = { medium = [\"chat\", \"agent\", \"bridge\"] }\n";
    let sinks = kafka("events", "localhost:1", "gws.{site}.{class}", &format!("{matching}{login}"))
        + &kafka("one", "localhost:1", "all", "key = \"{interaction}\"\n")
        + &stdout("console", "");
    home.write_config("https://gws.example.com", &sinks);

    let (code, out, err) = asked(&home, &["--json", "--sink", "events"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let topics: Vec<&str> = lines.iter().map(|line| line["topic"].as_str().unwrap()).collect();
    let wanted = [
        "gws.bridge.bridge",
        "gws.main.agent-state",
        "gws.main.bridge",
        "gws.main.content",
        "gws.main.lifecycle",
    ];
    assert_eq!(topics, wanted);
    for line in &lines {
        assert_eq!(line["key"], "{partitionkey}");
        assert_eq!(line["settings"]["cleanup.policy"], "delete");
        assert_eq!(line["settings"]["max.message.bytes"], "2000000");
        let acls: Vec<String> = line["acls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|acl| {
                format!("{} {} {} {}", acl["principal"], acl["operation"], acl["resource"], acl["name"])
                    .replace('"', "")
            })
            .collect();
        let topic = line["topic"].as_str().unwrap();
        let of = |operation: &str, resource: &str| format!("User:bridge {operation} {resource}");
        let topic = format!("topic {topic}");
        let cluster = of("IdempotentWrite", "cluster kafka-cluster");
        assert_eq!(acls, [of("Describe", &topic), of("Write", &topic), cluster]);
    }

    let (code, out, err) = asked(&home, &[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("sink one: key {interaction}\n  all\n"), "{out}");
    assert!(out.contains("    Describe, Write on topic gws.main.content\n"), "{out}");
    let (code, _, err) = asked(&home, &["--sink", "console"]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no Kafka sink named console"), "{err}");
}

#[test]
fn check_notes_a_key_that_can_split_an_interaction_and_a_login_in_the_clear() {
    let home = Home::new();
    home.write_roster(&["ann".to_owned()]);
    home.write("kafka.password", "secret");
    let more = format!(
        "key = \"{{agent}}\"\n[sink.kafka.events.librdkafka]\n\"security.protocol\" = \"sasl_plaintext\"\n\
         \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"bridge\"\n\"sasl.password\" = {{ file = \"{}\" }}\n",
        home.path("kafka.password").display()
    );
    home.write_config("https://gws.example.com", &kafka("events", "localhost:1", "t", &more));
    let config = home.config().display().to_string();
    let (code, out, err) = command(&["check", "--config", &config]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("note: sink.kafka.events: key: events of one interaction can get different keys"),
        "{out}"
    );
    assert!(out.contains("note: sink.kafka.events: security.protocol sasl_plaintext"), "{out}");
}

/// What an operator makes from the output, and nothing else, is enough to deliver.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_what_an_exactly_once_sink_needs_of_real_brokers() {
    let stage = Stage::new().await;
    let exact = "delivery = \"exactly-once\"\ncontrol_topic = \"positions\"\n";
    let login = stage.login("SCRAM-SHA-512", "ann", "ann");
    let sinks = stage.sink("events", stage.password, &login, exact);
    let server = Cometd::start(Kind::Java, &[]);
    let users = workload::users(3);
    stage.home.write_roster(&users);
    stage.home.write_config(&server.url, &sinks);

    let (code, out, err) = asked(&stage.home, &["--json"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let topics: Vec<&str> = lines.iter().map(|line| line["topic"].as_str().unwrap()).collect();
    assert_eq!(topics, ["events", "positions"]);
    let control = lines.last().unwrap();
    assert_eq!(
        (&control["partitions"], &control["settings"]["cleanup.policy"]),
        (&1.into(), &"compact".into())
    );
    assert!(!out.contains("cluster"), "transactions have a right of their own: {out}");
    let (_, text, _) = asked(&stage.home, &[]);
    assert!(text.contains("    1 partition, cleanup.policy=compact, segment.bytes=16777216,"), "{text}");
    stage.kafka.provide(&out).await;

    stage.checked(0, "1 broker").await;
    let Stage { kafka, home, .. } = stage;
    let mut scene = Scene::on(server, home, &users, 6, &sinks, &[]).await;
    scene.publish(3).await;
    let first = workload::script(&scene.talks, &scene.users, 3).1.events();
    scene.delivered("kafka", "events", first).await;
    scene.until("cometbridge_sink_lag_events{sink=\"events\"}", |lag| lag == 0.0).await;
    // A start reads the positions.
    scene.daemon.kill();
    scene.daemon = scene.home.start();
    scene.daemon.connected(users.len()).await;
    scene.publish(3).await;
    let all = scene.expected.events();
    scene.delivered("kafka", "events", all - first).await;
    let records = kafka.read("events", all, Duration::from_secs(5)).await;
    scene.complete("events", &records.iter().map(event_of).collect::<Vec<_>>());
    scene.end().await;
}
