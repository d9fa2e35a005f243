//! Agents thrown out by our coming itself: nobody can be told of it, and only a reading shows it.
//!
//! Deliberately absent: logouts that a notification tells (see `brake`).

use super::brake::{AGENTS, stage};
use super::stage::{Bridge, LIMIT, Server, user};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

const BRAKED: &str = "cometbridge_site_paused{reason=\"disturbed\"";

/// The next login or handshake of ours throws these agents out.
async fn thrown_out_by(server: &Server, coming: &str, agents: RangeInclusive<usize>) {
    let all: Vec<Value> = agents.map(|n| json!({"fault": "logout", "user": user(n), "on": coming})).collect();
    server.fault(all.into()).await;
}

async fn read(bridge: &Bridge<'_>, agents: usize) {
    bridge.until("cometbridge_session_readings_total", LIMIT, |n| n >= agents as f64).await;
}

/// Logins have stopped, the page says so, and an operator's word lets all of them in again.
async fn stopped_until_resumed(home: &Home, server: &Server, bridge: Bridge<'_>) {
    bridge.until(BRAKED, LIMIT, |n| n == 1.0).await;
    let site = bridge.site().await;
    assert!(site["paused"].as_str().unwrap().starts_with("by the brake: "), "{site}");
    bridge.pause_is_stored().await;
    // What was on its way is over with the process; the brake is not.
    bridge.daemon.kill();
    server.expire(1..=AGENTS).await;
    server.reset_peaks().await;
    let bridge = Bridge::start(home);
    bridge.until(BRAKED, LIMIT, |n| n == 1.0).await;
    bridge.in_state("login", AGENTS).await;
    assert!(server.attempts().await.is_empty(), "nobody tries while the brake holds");
    bridge.command(&["resume", "--site", "main"]);
    bridge.connected(AGENTS).await;
    bridge.until("cometbridge_site_paused", LIMIT, |n| n == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_known_to_be_in_whom_our_login_throws_out_stop_all_logins() {
    let home = Home::new();
    let server = stage(&home);
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS).await;
    read(&bridge, AGENTS).await;
    assert_eq!(bridge.metric("cometbridge_site_paused").await, 0.0);
    bridge.daemon.kill();
    server.expire(1..=AGENTS).await;
    // By the first request of all: how they stood before is known from the life before alone.
    thrown_out_by(&server, "login", 1..=3).await;
    let bridge = Bridge::start(&home);
    stopped_until_resumed(&home, &server, bridge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_never_seen_before_whom_our_handshake_throws_out_stop_all_logins() {
    let home = Home::new();
    let server = stage(&home);
    thrown_out_by(&server, "handshake", 1..=3).await;
    let bridge = Bridge::start(&home);
    stopped_until_resumed(&home, &server, bridge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_never_seen_before_who_are_logged_out_already_stop_nothing() {
    let home = Home::new();
    let server = stage(&home);
    let out: Vec<Value> = (1..=AGENTS).map(|n| json!({"fault": "logout", "user": user(n)})).collect();
    server.fault(out.into()).await;
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS).await;
    read(&bridge, AGENTS).await;
    // The readings went out, so the brake has seen them.
    bridge.until("cometbridge_sink_delivered_total", LIMIT, |n| n >= 4.0 * AGENTS as f64).await;
    assert_eq!(bridge.metric("cometbridge_site_paused").await, 0.0);
    // And once more, with a login of each while they are known to be out.
    server.expire(1..=AGENTS).await;
    eventually("all log in once more", LIMIT, || async {
        server.attempts().await.iter().all(|(_, attempts, _)| *attempts == 2).then_some(())
    })
    .await;
    bridge.connected(AGENTS).await;
    read(&bridge, 2 * AGENTS).await;
    assert_eq!(bridge.metric("cometbridge_site_paused").await, 0.0);
}
