//! `topics` prints what has to be made, and asks nobody.

use crate::harness::daemon::{Home, command};
use crate::harness::sinks::{kafka, stdout};
use serde_json::Value;

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
                format!("{} {} {}", acl["principal"], acl["operation"], acl["resource"]).replace('"', "")
            })
            .collect();
        let topic = line["topic"].as_str().unwrap();
        let of = |operation: &str, resource: &str| format!("User:bridge {operation} {resource}");
        let topic = format!("topic {topic}");
        assert_eq!(acls, [of("Describe", &topic), of("Write", &topic), of("IdempotentWrite", "cluster")]);
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

#[test]
fn a_sink_that_delivers_exactly_once_needs_a_compacted_topic_and_rights_to_transactions() {
    let home = Home::new();
    home.write_roster(&["ann".to_owned()]);
    let exact = "delivery = \"exactly-once\"\ncontrol_topic = \"positions\"\n";
    home.write_config("https://gws.example.com", &kafka("events", "localhost:1", "all", exact));
    let (code, out, err) = asked(&home, &["--json"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [events, control] = &lines[..] else { panic!("{out}") };
    assert_eq!((&events["topic"], &control["topic"]), (&"all".into(), &"positions".into()));
    assert_eq!(control["settings"]["cleanup.policy"], "compact");
    let rights: Vec<String> = control["acls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|acl| format!("{} {}", acl["operation"].as_str().unwrap(), acl["resource"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rights,
        [
            "Describe topic positions",
            "Read topic positions",
            "Write topic positions",
            "Read group cometbridge-positions",
            "Describe transactional id cometbridge-*",
            "Write transactional id cometbridge-*"
        ]
    );
    let (_, out, _) = asked(&home, &[]);
    assert!(out.contains("cleanup.policy=compact"), "{out}");
}
