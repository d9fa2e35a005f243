//! All sessions at once: the first storm and a server's restart, within the budget that was set.
//!
//! Deliberately absent: the directory (see `directory`).

use super::stage::{Bridge, LIMIT, Server, campaign, configure, within};
use crate::harness::daemon::Home;
use serde_json::json;
use std::time::Instant;

/// Agents, requests and logins a second.
type Size = (usize, u64, u64);

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_and_a_restart_stay_within_the_budget_and_nobody_logs_in_twice() {
    storm(if campaign() { (5_000, 500, 50) } else { (150, 300, 40) }).await;
}

/// A login takes four requests, so it is they that take the time: a session that was lost takes two more.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_and_a_restart_with_the_default_budget() {
    storm(if campaign() { (500, 15, 5) } else { (30, 15, 5) }).await;
}

async fn storm((agents, requests, logins): Size) {
    let home = Home::new();
    let server = Server::quiet(&home, agents);
    let site = format!(
        "requests_per_second = {requests}\nlogins_per_second = {logins}\nsettle_after_outage = \"1s\""
    );
    configure(&home, &format!("\"{}\"", server.url), &site, "");
    let begun = Instant::now();
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;
    in_time("first storm", begun, agents, pace(4, requests, logins));
    assert_eq!(server.live().await, agents);
    within_budget(&server, agents, requests, logins).await;

    server.reset_peaks().await;
    let struck = server.fault(json!({"fault": "restart", "millis": 1_000})).await;
    assert_eq!(struck["hit"][0], agents);
    let begun = Instant::now();
    let share = agents * 99 / 100;
    bridge
        .until("cometbridge_session_handshakes_total{result=\"ok\"", LIMIT * 10, |n| {
            n >= (agents + share) as f64
        })
        .await;
    bridge
        .until("cometbridge_sessions{site=\"main\",state=\"connected\"}", LIMIT, |n| n >= share as f64)
        .await;
    in_time("99% back after a restart", begun, share, pace(6, requests, logins));
    bridge.connected(agents).await;
    assert_eq!(server.live().await, agents);
    within_budget(&server, agents, requests, logins).await;
    assert_eq!(bridge.metric("cometbridge_accounts_refused").await, 0.0);
    home.log_is_clean(&[]);
}

/// What the simulator saw in any one second, and how often anybody tried.
async fn within_budget(server: &Server, agents: usize, requests: u64, logins: u64) {
    let stats = server.get("stats").await;
    let number = |name: &str| stats[name].as_u64().unwrap();
    println!(
        "most in a second: {} requests, {} logins",
        number("maxRequestsPerSecond"),
        number("maxLoginsPerSecond")
    );
    let word = |seen: u64, limit: u64| if seen <= limit { "PASS" } else { "over" };
    let (seen, tried) = (number("maxRequestsPerSecond"), number("maxLoginsPerSecond"));
    println!(
        "as they arrived, against the budget: requests {}, logins {}",
        word(seen, requests),
        word(tried, logins)
    );
    assert!(seen <= within(requests), "{stats}");
    assert!(tried <= within(logins), "{stats}");
    let attempts = server.attempts().await;
    assert_eq!(attempts.len(), agents);
    let twice: Vec<_> = attempts.iter().filter(|(_, attempts, _)| *attempts != 1).collect();
    assert!(twice.is_empty(), "tried more than once: {twice:?}");
}

/// Agents a second, as both budgets allow.
fn pace(requests_each: u64, requests: u64, logins: u64) -> f64 {
    (requests as f64 / requests_each as f64).min(logins as f64)
}

/// Printed, never asserted: the machine has its share in it.
fn in_time(what: &str, begun: Instant, agents: usize, pace: f64) {
    let (took, wanted) = (begun.elapsed().as_secs_f64(), 1.2 * agents as f64 / pace);
    let word = if took <= wanted { "PASS" } else { "over" };
    println!(
        "{what}: {agents} agents in {took:.1} s, 1.2 x (agents / {pace:.2} a second) is {wanted:.1} s: {word}"
    );
}
