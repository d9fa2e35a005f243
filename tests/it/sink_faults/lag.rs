//! A sink that lags beyond its limit: let go by name, or the intake waits for it.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{BRIDGE, KEEP_TRYING, NOT_BRIDGE, stdout, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::collections::BTreeSet;

fn limit(on_limit: &str) -> String {
    format!("{KEEP_TRYING}max_lag = {{ bytes = \"64KiB\", age = \"72h\", on_limit = \"{on_limit}\" }}\n")
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    events.into_iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// What it was moved past is named with first and last sequence and a number, and that is all it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_beyond_its_lag_is_let_go_by_name_and_comes_back() {
    let (receiver, watcher) = (Receiver::start().await, Receiver::start().await);
    let sinks = webhook("crm", &receiver.url, &limit("release"))
        + &webhook("watch", &watcher.url, BRIDGE)
        + &stdout("console", "");
    let mut scene = Scene::start(10, 55, &sinks).await;
    scene.publish(10).await;
    scene.until("cometbridge_sink_lag_events{sink=\"crm\"}", |lag| lag == 0.0).await;
    receiver.answer(503);
    scene.publish(40).await;
    scene.until("cometbridge_sink_lost_total{sink=\"crm\"}", |n| n > 0.0).await;
    scene.home.logged(&["ERROR", "sink=\"crm\"", "sink lagged beyond max_lag.bytes", "moved on"]).await;
    let so_far = workload::script(&scene.talks, &scene.users, 50).1.events();
    told(&scene, so_far).await;
    // The lane has looked at all of that before the receiver works again, so nothing is let go while it does.
    looked_twice(&mut scene).await;
    receiver.answer(200);
    scene.until("cometbridge_sink_lag_events{sink=\"crm\"}", |lag| lag == 0.0).await;
    scene.publish(5).await;
    let wanted = scene.expected.events();
    told(&scene, wanted).await;
    for sink in ["console", "crm", "watch"] {
        scene.settled(sink).await;
    }
    scene.nothing_is_parked("crm").await;

    let console = scene.stdout_events();
    let ours: Vec<Value> = console.iter().filter(|event| event["medium"] != "bridge").cloned().collect();
    scene.complete("stdout", &ours);
    let lost: Vec<Value> = watcher.events();
    assert!(!lost.is_empty() && lost.iter().all(|event| event["type"] == "cometbridge.sink.lost.v1"));
    assert_eq!(ids(&lost), ids(console.iter().filter(|event| event["medium"] == "bridge")));
    let total = scene.daemon.metric("cometbridge_sink_lost_total{sink=\"crm\"}").await as usize;
    let named = |event: &Value| {
        let sequence = event["sequence"].as_str().unwrap();
        lost.iter().any(|lost| {
            let text = |name: &str| lost["data"][name].as_str().unwrap();
            assert_eq!(text("sink"), "crm");
            text("firstSequence") <= sequence && sequence <= text("lastSequence")
        })
    };
    // Single events between first and last may have been delivered out of turn; those are not counted.
    let got = receiver.events();
    let missing = ids(&console).difference(&ids(&got)).count();
    let counted: u64 = lost.iter().map(|event| event["data"]["count"].as_u64().unwrap()).sum();
    assert_eq!(missing, counted as usize, "the events name what is missing");
    assert_eq!(missing, total, "the metric counts what is missing");
    assert_eq!(ids(&got).len(), got.len(), "each once");
    let unnamed = ids(console.iter().filter(|event| !named(event)));
    assert!(ids(&got).is_superset(&unnamed), "and nothing else is missing");
    let last = console.last().unwrap()["id"].as_str().unwrap();
    assert!(ids(&got).contains(last), "what came later arrives there again");
    scene.end().await;
}

/// Nothing is acknowledged while the sink lags, so nothing can be lost for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_may_stop_the_intake_gets_everything_in_the_end() {
    let receiver = Receiver::start().await;
    let sinks = webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{}", limit("stop-intake")))
        + &stdout("console", NOT_BRIDGE);
    let server = Cometd::start(Kind::Java, &["--max-interval", "60000"]);
    let users = workload::users(10);
    let mut scene = Scene::on(server, Home::new(), &users, 60, &sinks, &[]).await;
    receiver.answer(503);
    scene.publish(40).await;
    scene.home.logged(&["ERROR", "sink=\"crm\"", "sessions acknowledge nothing"]).await;
    // Each session may still have a batch in hand; what comes from now on stays with the server.
    scene.publish(1).await;
    let series = "cometbridge_journal_last_sequence";
    let written = settled_metric(&scene, series).await;
    let acked = scene.server.acked().await.len();
    scene.publish(19).await;
    // The lane has tried again and again in the meantime: time has passed, and nothing was taken in.
    let tries = receiver.tries().len();
    scene
        .until("cometbridge_sink_retries_total{reason=\"http-5xx\",sink=\"crm\"}", |n| {
            n >= (tries + 20) as f64
        })
        .await;
    assert_eq!(scene.server.acked().await.len(), acked, "nothing is acknowledged");
    assert_eq!(scene.daemon.metric(series).await, written, "and nothing is written");

    receiver.answer(200);
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.delivered("stdout", "console", wanted).await;
    scene.home.logged(&["INFO", "sink=\"crm\"", "sessions may acknowledge again"]).await;
    scene.complete("webhook", &receiver.events());
    scene.complete("stdout", &scene.stdout_events());
    assert_eq!(scene.daemon.metric("cometbridge_session_gaps_total").await, 0.0);
    scene.end().await;
}

/// Waits until stdout has so many events of the site: those of the bridge's own come there, too.
async fn told(scene: &Scene, wanted: usize) {
    eventually("stdout has all of it", LIMIT, || async {
        let told = scene.stdout_events().iter().filter(|event| event["medium"] != "bridge").count();
        (told >= wanted).then_some(())
    })
    .await;
}

/// The age of what waits changes each time the lane looks.
async fn looked_twice(scene: &mut Scene) {
    let series = "cometbridge_sink_lag_seconds{sink=\"crm\"}";
    for _ in 0..2 {
        let before = scene.daemon.metric(series).await;
        scene.until(series, |age| age != before).await;
    }
}

/// The value once it has stayed the same for a while.
async fn settled_metric(scene: &Scene, series: &str) -> f64 {
    let mut last = (scene.daemon.metric(series).await, 0);
    while last.1 < 80 {
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        let now = scene.daemon.metric(series).await;
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
    }
    last.0
}
