//! The reader of stdout goes away.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, stdout, webhook};
use crate::harness::workload;
use std::io::{BufRead, BufReader};

/// As with `cometbridge run | head -5`: that lane ends, for all to see, and the rest goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_stdout_lane_alone() {
    let receiver = Receiver::start().await;
    let sinks = webhook("crm", &receiver.url, NOT_BRIDGE) + &stdout("console", NOT_BRIDGE);
    let server = Cometd::start(Kind::Java, &[]);
    let (home, users) = (Home::new(), workload::users(8));
    home.write_roster(&users);
    home.write_config(&server.url, &sinks);
    let (mut daemon, pipe) = home.start_with_stdout(&[]);
    daemon.connected(users.len()).await;
    let mut scene = Scene::around(server, home, daemon, &users, 30);
    scene.publish(10).await;
    let lines: Vec<String> = tokio::task::spawn_blocking(|| {
        BufReader::with_capacity(64, pipe).lines().take(5).map(Result::unwrap).collect()
    })
    .await
    .unwrap();
    assert!(lines.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    scene.publish(10).await;
    scene.home.logged(&["ERROR", "sink=\"console\"", "sink has ended", "reader of standard output"]).await;
    scene.publish(10).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    assert_eq!(scene.daemon.metric("cometbridge_sink_up{sink=\"console\"}").await, 0.0);
    assert_eq!(scene.daemon.metric("cometbridge_sink_up{sink=\"crm\"}").await, 1.0);
    let text = scene.daemon.ready().await;
    assert!(text.contains("[~] sink console: degraded: ended: broken-pipe"), "{text}");
    scene.end().await;
}
