//! Who is let in delivers; who is not is told why, before the run and during it, and harms nobody else.

use super::stage::{CLIENT, Stage};
use crate::data_path::event_of;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, stdout};
use crate::harness::workload;
use std::time::Duration;

const AGENTS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn scram_plain_and_client_certificates_are_let_in_and_the_check_writes_nothing() {
    let stage = Stage::new().await;
    let ways = [
        ("scram256", stage.password, stage.login("SCRAM-SHA-256", "ann", "ann")),
        ("scram512", stage.password, stage.login("SCRAM-SHA-512", "ann", "ann")),
        ("plain", stage.password, stage.login("PLAIN", "ann", "ann")),
        ("certificate", stage.certificate, stage.shown()),
    ];
    let topics = ways.each_ref().map(|(name, ..)| *name);
    let rights =
        topics.map(|topic| (if topic == "certificate" { CLIENT } else { "User:ann" }, "Write", topic));
    stage.kafka.prepare(&topics, &rights).await;
    let sinks: String = ways.iter().map(|(name, door, way)| stage.sink(name, *door, way, "")).collect();
    let server = Cometd::start(Kind::Java, &[]);
    let users = workload::users(AGENTS);
    stage.home.write_roster(&users);
    stage.home.write_config(&server.url, &sinks);

    let said = stage.checked(0, "certificate: 1 broker").await;
    for topic in topics {
        assert!(
            said.contains(&format!("sink.kafka.{topic}: 1 broker; there and open to writing: {topic}")),
            "{said}"
        );
        assert_eq!(stage.count(topic).await, 0, "the check writes nothing");
    }

    let Stage { kafka, home, .. } = stage;
    let mut scene = Scene::on(server, home, &users, 10, &sinks, &[]).await;
    scene.publish(10).await;
    let all = scene.expected.events();
    for topic in topics {
        scene.delivered("kafka", topic, all).await;
        let records = kafka.read(topic, all, Duration::from_secs(20)).await;
        scene.complete(topic, &records.iter().map(event_of).collect::<Vec<_>>());
    }
    // librdkafka's own figures, every 5 s.
    scene.until("cometbridge_kafka_brokers_up{sink=\"scram512\"}", |up| up == 1.0).await;
    scene.until("cometbridge_kafka_requests_total{sink=\"certificate\"}", |sent| sent > 0.0).await;
    scene.end().await;
}

/// Each has one fault; what is to be read of it at the check, and in the log.
fn faulty(stage: &Stage) -> Vec<(String, &'static str, &'static str)> {
    let ann = stage.login("SCRAM-SHA-512", "ann", "ann");
    let wrong_ca = ann.clone();
    let stranger = stage.stranger();
    let bare = "\"security.protocol\" = \"ssl\"\n".to_owned();
    let sink = |name: &str, door: u16, way: &str| stage.sink(name, door, way, KEEP_TRYING);
    vec![
        (
            sink("ca", stage.password, &wrong_ca)
                .replace(&stage.home.path("ca.pem").display().to_string(), &stranger),
            "ca",
            "the broker's certificate is not accepted: ssl.ca.location must name the authority",
        ),
        (
            sink("password", stage.password, &stage.login("SCRAM-SHA-512", "ann", "wrong")),
            "password",
            "the broker refuses the login by SCRAM-SHA-512: check sasl.username and sasl.password",
        ),
        (
            sink("stranger", stage.certificate, &bare),
            "stranger",
            "it demands a client certificate: set ssl.certificate.location and ssl.key.location",
        ),
        (
            sink("port", stage.password, "\"security.protocol\" = \"plaintext\"\n"),
            "port",
            "it may speak TLS only; check security.protocol and the port in brokers",
        ),
        (
            sink("right", stage.password, &ann),
            "right",
            "this principal may not write to topic \"right\": it needs the ACLs Describe and Write",
        ),
        (
            sink("nobody", stage.password, &stage.login("SCRAM-SHA-512", "bob", "bob")),
            "nobody",
            "it needs the ACL",
        ),
        (sink("missing", stage.password, &ann), "missing", "topic \"missing\" does not exist: create it"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_clearly_at_the_check_and_in_the_run_and_the_other_sinks_go_on() {
    let stage = Stage::new().await;
    stage
        .kafka
        .prepare(
            &["good", "right", "nobody"],
            &[
                ("User:ann", "Write", "good"),
                ("User:ann", "Describe", "right"),
                ("User:bob", "Describe", "nobody"),
                ("User:ann", "Describe", "missing"),
            ],
        )
        .await;
    let faulty = faulty(&stage);
    let good = stage.sink("good", stage.password, &stage.login("SCRAM-SHA-512", "ann", "ann"), "");
    let all: String = faulty.iter().map(|(table, ..)| table.as_str()).collect();
    let sinks = good + &all + &stdout("console", NOT_BRIDGE);
    let server = Cometd::start(Kind::Java, &[]);
    let users = workload::users(AGENTS);
    stage.home.write_roster(&users);
    stage.home.write_config(&server.url, &sinks);

    let said = stage.checked(1, "sink.kafka.good: 1 broker; there and open to writing: good").await;
    for (_, name, words) in &faulty {
        let of: Vec<&str> =
            said.lines().filter(|line| line.contains(&format!("sink.kafka.{name}: "))).collect();
        // "ready to be tried" stands among what was found without a network.
        assert!(of.len() == 1 && of[0].contains(words), "{name}: {of:?}\n{said}");
    }
    assert!(!said.contains("-secret"), "{said}");

    let Stage { kafka, home, .. } = stage;
    let mut scene = Scene::on(server, home, &users, 10, &sinks, &[]).await;
    scene.publish(10).await;
    let all = scene.expected.events();
    scene.delivered("kafka", "good", all).await;
    scene.delivered("stdout", "console", all).await;
    scene.complete("stdout", &scene.stdout_events());
    for (_, name, words) in &faulty {
        let sink = format!("sink=\"{name}\"");
        scene.home.logged(&["WARN", &sink, words]).await;
        assert!(
            scene.home.log_lines(&["WARN", &sink, "will be tried again"]).len() <= 3,
            "{}",
            scene.home.log()
        );
    }
    // What does not exist is put aside with its reason; the rest waits for whoever mends it.
    let dead = "cometbridge_sink_dead_letters_total{reason=\"unknown-topic\",sink=\"missing\"}";
    scene.until(dead, |letters| letters > 0.0).await;
    for waits in ["ca", "password", "stranger", "port", "right", "nobody"] {
        let letters = "cometbridge_sink_dead_letters_total{";
        let of = |line: &&str| line.starts_with(letters) && line.contains(&format!("sink=\"{waits}\""));
        let metrics = scene.daemon.metrics().await;
        assert!(metrics.lines().filter(of).all(|line| line.ends_with(" 0")), "{metrics}");
    }
    assert!(!scene.home.log().contains("-secret"));

    // Rights that are given while it runs are seen by themselves.
    kafka.prepare(&[], &[("User:ann", "Write", "right"), ("User:bob", "Write", "nobody")]).await;
    for mended in ["right", "nobody"] {
        scene.delivered("kafka", mended, all).await;
        let records = kafka.read(mended, all, Duration::from_secs(20)).await;
        scene.complete(mended, &records.iter().map(event_of).collect::<Vec<_>>());
    }
    scene.end().await;
}
