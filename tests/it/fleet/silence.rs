//! A server that keeps every connection open and says nothing: noticed for every session, and no alarm without it.
//!
//! Deliberately absent: sessions to which a server talks and tells nothing (see reconciling).

use super::stage::{Bridge, LIMIT, Server, campaign, configure, user};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SITE: &str = "requests_per_second = 2000\nlogins_per_second = 500\nnetwork_delay = \"8s\"\nmax_backoff = \"2s\"\n\
    settle_after_outage = \"1s\"";
const TIMEOUTS: &str = "cometbridge_connects_total{result=\"timeout\"";

#[tokio::test(flavor = "multi_thread")]
async fn silence_on_open_connections_is_noticed_for_every_session_and_nothing_is_lost_by_it() {
    let agents = if campaign() { 2_000 } else { 100 };
    let home = Home::new();
    let number = agents.to_string();
    let server = Server::start(
        &home,
        &["--agents", &number, "--rate", "0", "--timeout", "2000", "--max-interval", "600000"],
    );
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;
    quiet_soak(&bridge, agents).await;

    let begun = Instant::now();
    server.fault(json!({"fault": "silence-all", "millis": 80_000_000})).await;
    let news: Vec<Value> = (1..=agents)
        .map(|n| json!({"user": user(n), "channel": "/v2/me/chats", "data": {"messageType": "Told", "text": format!("told-{n}.")},
            "tag": format!("told-{n}.")}))
        .collect();
    server.post("publish", news.into()).await;
    bridge.connected(0).await;
    // The hold time, the network delay, and a second for whoever looks.
    let took = begun.elapsed().as_secs_f64();
    let word = if took <= 11.0 { "PASS" } else { "over" };
    println!("silence of {agents} sessions noticed within {took:.1} s; timeout and delay are 10 s: {word}");
    let noticed = bridge.metric(TIMEOUTS).await;
    assert!(noticed >= agents as f64, "{noticed} of {agents}");

    server.fault(json!({"fault": "silence-all", "millis": 0})).await;
    bridge.connected(agents).await;
    eventually("all that was published is acknowledged", LIMIT, || async {
        let acked = server.get("acked").await;
        (acked["tags"].as_array().unwrap().len() >= agents).then_some(())
    })
    .await;
    bridge.until("cometbridge_sink_delivered_total", LIMIT, |n| n >= agents as f64).await;
    let acked: BTreeSet<String> = serde_json::from_value(server.get("acked").await["tags"].take()).unwrap();
    assert_eq!(acked.len(), agents);
    // Each once: nothing that was asked for twice came twice.
    assert_eq!(bridge.metric("cometbridge_sink_delivered_total").await, agents as f64);
    assert_eq!(server.stat("sessionsAdded").await, agents as u64, "the same sessions go on");
    assert_eq!(bridge.metric("cometbridge_session_lost_total").await, 0.0);
}

/// Without a fault nothing is taken for one: a few polls of each session, twenty minutes in the campaign.
async fn quiet_soak(bridge: &Bridge<'_>, agents: usize) {
    let good = "cometbridge_connects_total{result=\"ok\"";
    let polls = bridge.metric(good).await + 4.0 * agents as f64;
    bridge.until(good, LIMIT, |n| n >= polls).await;
    let begun = Instant::now();
    while campaign() && begun.elapsed() < Duration::from_secs(1_200) {
        bridge.connected(agents).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    for alarm in [
        TIMEOUTS,
        "cometbridge_connects_total{result=\"failed\"",
        "cometbridge_session_lost_total",
        "cometbridge_session_gaps_total",
        "cometbridge_sessions_silent",
    ] {
        assert_eq!(bridge.metric(alarm).await, 0.0, "{alarm} without a fault");
    }
}
