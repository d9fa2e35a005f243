//! The budget where nobody knows whether the sessions live: after a restart of the server, of the bridge, and of both.
//!
//! What counts is what the server answered at once: all but polls that it held or that had news. Deliberately absent:
//! the first storm (see `storm`).

use super::stage::{Bridge, LIMIT, Server, configure, within};
use crate::harness::daemon::Home;
use serde_json::json;

const CONNECTED: &str = "cometbridge_sessions{site=\"main\",state=\"connected\"}";
const RESUMED: &str = "cometbridge_sessions_resumed_total{result=\"resumed\"";
const UNKNOWN: &str = "cometbridge_sessions_resumed_total{result=\"unknown\"";

/// Sessions opened in no time, by a bridge that has ended since.
async fn opened(agents: usize, window: &str) -> (Home, Server) {
    let home = Home::new();
    let server =
        Server::start(&home, &["--agents", &agents.to_string(), "--rate", "0", "--max-interval", window]);
    set(&home, &server, 2_000, 2_000);
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;
    assert!(bridge.daemon.stop().await.success());
    server.reset_peaks().await;
    (home, server)
}

/// No window beyond the server's own, and nothing asks by itself.
fn set(home: &Home, server: &Server, requests: u64, logins: u64) {
    let site = format!(
        "requests_per_second = {requests}\nlogins_per_second = {logins}\nsettle_after_outage = \"0s\"\n\
         ask_window = \"0s\"\nreconcile_every = \"0s\"\nmax_backoff = \"2s\""
    );
    configure(home, &format!("\"{}\"", server.url), &site, "");
}

/// Nobody but polls that are held or have news comes more often than was set.
async fn within_budget(server: &Server, requests: u64) {
    let seen = server.stat("maxRequestsPerSecond").await;
    println!("most requests in a second: {seen} of {requests}");
    assert!(seen > 0 && seen <= within(requests), "{seen}");
}

/// At 15 requests a second 600 turns take 42 s, and the sessions live for 40.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_resumes_all_sessions_within_their_window_though_the_budget_alone_would_not() {
    let (agents, requests) = (600, 15);
    let (home, server) = opened(agents, "40000").await;
    set(&home, &server, requests, 5);
    let bridge = Bridge::start(&home);
    bridge.until(RESUMED, LIMIT, |n| n == agents as f64).await;
    bridge.connected(agents).await;
    assert_eq!(server.stat("handshakes").await, agents as u64, "the same sessions go on");
    assert!(server.attempts().await.is_empty(), "nobody logs in");
    assert!(server.stat("maxRequestsPerSecond").await <= within(requests));
    home.log_is_clean(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_to_a_server_that_has_lost_all_sessions_stays_within_the_budget() {
    let (agents, requests) = (150, 50);
    let (home, server) = opened(agents, "600000").await;
    let struck = server.fault(json!({"fault": "restart", "millis": 1})).await;
    assert_eq!(struck["hit"][0], agents);
    set(&home, &server, requests, 25);
    let bridge = Bridge::start(&home);
    bridge.until(UNKNOWN, LIMIT, |n| n == agents as f64).await;
    bridge.connected(agents).await;
    assert_eq!(server.stat("handshakes").await, 2 * agents as u64);
    within_budget(&server, requests).await;
    home.log_is_clean(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_stays_within_the_budget() {
    let (agents, requests) = (150, 50);
    let (home, server) = opened(agents, "600000").await;
    set(&home, &server, requests, 25);
    let bridge = Bridge::start(&home);
    bridge.until(RESUMED, LIMIT, |n| n == agents as f64).await;
    bridge.connected(agents).await;
    server.reset_peaks().await;
    let struck = server.fault(json!({"fault": "restart", "millis": 1_000})).await;
    assert_eq!(struck["hit"][0], agents);
    bridge.until("cometbridge_session_handshakes_total{result=\"ok\"", LIMIT, |n| n >= agents as f64).await;
    bridge.until(CONNECTED, LIMIT, |n| n == agents as f64).await;
    assert_eq!(server.live().await, agents);
    within_budget(&server, requests).await;
    home.log_is_clean(&[]);
}

/// A server that holds nobody is asked within the budget, again and again, and not as fast as it answers.
#[tokio::test(flavor = "multi_thread")]
async fn polls_that_are_answered_at_once_and_for_nothing_are_no_held_polls() {
    let (agents, requests) = (20, 40);
    let home = Home::new();
    let number = agents.to_string();
    let server = Server::start(&home, &["--agents", &number, "--rate", "0", "--timeout", "0"]);
    set(&home, &server, requests, 25);
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;
    server.reset_peaks().await;
    let polls = server.stat("connects").await;
    let least = 5 * requests;
    crate::harness::eventually("it is polled", LIMIT, || async {
        (server.stat("connects").await >= polls + least).then_some(())
    })
    .await;
    within_budget(&server, requests).await;
}
