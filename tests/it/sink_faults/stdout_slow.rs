//! The reader of stdout does not read for a while.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, stdout, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::io::{BufRead, BufReader};

/// The most events that the lane has in memory; a pipe takes some 60 of these more.
const IN_HAND: f64 = 512.0;

/// It holds up its own lane, which takes no more than its window into memory; the rest goes on, and what waited
/// comes when it reads again.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_up_the_stdout_lane_alone_and_loses_nothing() {
    let receiver = Receiver::start().await;
    let sinks = webhook("crm", &receiver.url, NOT_BRIDGE) + &stdout("console", NOT_BRIDGE);
    let server = Cometd::start(Kind::Java, &[]);
    let (home, users) = (Home::new(), workload::users(40));
    home.write_roster(&users);
    home.write_config(&server.url, &sinks);
    let (mut daemon, pipe) = home.start_with_stdout(&[]);
    daemon.connected(users.len()).await;
    let mut scene = Scene::around(server, home, daemon, &users, 50);
    scene.publish(50).await;
    let wanted = scene.expected.events();
    assert!(wanted as f64 > 2.0 * IN_HAND, "more than fits the window, {wanted} events");
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    let delivered = "cometbridge_sink_delivered_total{kind=\"stdout\",sink=\"console\"}";
    let before = scene.daemon.metric(delivered).await;
    assert!(
        before < wanted as f64 - IN_HAND,
        "{before} of {wanted} events came through a pipe that nobody reads"
    );
    scene.until("cometbridge_sink_lag_events{sink=\"console\"}", |lag| lag >= wanted as f64 - before).await;
    let retries = scene.daemon.metrics().await;
    let retried =
        |line: &&str| line.starts_with("cometbridge_sink_retries_total{") && line.contains("\"console\"");
    assert!(retries.lines().filter(retried).all(|line| line.ends_with(" 0")), "waiting is no failure");

    let reading = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(pipe).lines().take(wanted).map(Result::unwrap);
        lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()).collect::<Vec<_>>()
    });
    let events = reading.await.unwrap();
    scene.complete("stdout", &events);
    scene.end().await;
}
