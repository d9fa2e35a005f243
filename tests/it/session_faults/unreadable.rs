//! Replies that can never be read: one is put aside, the agent's status says so, and the session comes back once they can be.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{NOT_BRIDGE, stdout};
use crate::harness::workload::CHANNEL;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

const AGENTS: usize = 3;
/// Waits so short that what goes on for ever goes round often.
const PACE: [&str; 6] = [
    "--set",
    "site.main.max_backoff=100ms",
    "--set",
    "site.main.max_message=32KiB",
    "--set",
    "site.main.max_reply=64KiB",
];

fn stage() -> (Cometd, Home, Vec<String>) {
    let agents = AGENTS.to_string();
    let server = Cometd::start(Kind::Simulator, &["--agents", &agents, "--timeout", "2000"]);
    let users: Vec<String> = (1..=AGENTS).map(|n| format!("agent-{n}")).collect();
    let home = Home::new();
    let (mut roster, mut secrets) = ("agent,username\n".to_owned(), "username,password\n".to_owned());
    for (number, user) in users.iter().enumerate() {
        let _ = writeln!(roster, "{},{user}", 1001 + number);
        let _ = writeln!(secrets, "{user},simulated");
    }
    home.write("agents.csv", &roster);
    home.write("passwords.csv", &secrets);
    home.write_config(&server.url, &stdout("console", NOT_BRIDGE));
    (server, home, users)
}

/// Every reply of this kind is garbage from now on.
async fn spoil(server: &Cometd, user: &str, on: &str) {
    server.fault(json!({"fault": "garbage", "user": user, "on": on, "count": 1_000_000})).await;
}

/// Waits until so many replies more were garbage.
async fn rounds(server: &Cometd, more: u64) {
    let struck = || async { server.stats().await["faults"].as_u64() };
    let before = struck().await.unwrap();
    eventually("it goes on", LIMIT, || async { (struck().await? >= before + more).then_some(()) }).await;
}

fn kept(home: &Home) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(home.state_dir().join("quarantine"));
    dir.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Waits until the agent is down for this step, and its cause names a file that is there.
async fn down(scene: &Scene, agent: &str, step: &str) {
    let path = format!("/api/v1/agents/{agent}");
    eventually(&format!("{agent} is down: {step} failed, and a reply is kept"), LIMIT, || async {
        let (_, text) = scene.daemon.get(&path).await?;
        let page: Value = serde_json::from_str(&text).ok()?;
        let cause = page["cause"].as_str()?;
        let file = cause.split("such a one is kept in ").nth(1)?;
        let said = cause.starts_with(&format!("{step} failed: ")) && cause.contains("not a Bayeux body");
        (page["standing"] == "down" && said && PathBuf::from(file).exists()).then_some(())
    })
    .await;
}

/// However often it goes round: one page is one file, each agent is counted and named once, and no gap opens beside the one that is open.
async fn goes_round(scene: &Scene, gaps: f64) {
    rounds(&scene.server, 60).await;
    let files = kept(&scene.home);
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(std::fs::read(&files[0]).unwrap().starts_with(b"<html>"));
    let daemon = &scene.daemon;
    assert_eq!(daemon.metric("cometbridge_replies_quarantined_total{site=\"main\"}").await, 2.0);
    assert_eq!(daemon.metric("cometbridge_session_gaps_total").await, gaps);
    for (agent, step) in [("1001", "handshake"), ("1002", "subscribe")] {
        let words = ["ERROR", &format!("agent=\"{agent}\""), step, "such a one is kept in"];
        assert_eq!(scene.home.log_lines(&words).len(), 1, "{}", scene.home.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_can_not_be_opened_anew_keep_their_one_gap_and_come_back() {
    let (server, home, users) = stage();
    let mut scene = Scene::on(server, home, &users, 10, &stdout("console", NOT_BRIDGE), &PACE).await;
    scene.publish(10).await;
    let events = scene.expected.events();
    scene.delivered("stdout", "console", events).await;
    for (user, on) in [("agent-1", "handshake"), ("agent-2", "subscribe")] {
        spoil(&scene.server, user, on).await;
        scene.server.drop_session(user).await;
    }
    down(&scene, "1001", "handshake").await;
    down(&scene, "1002", "subscribe").await;
    goes_round(&scene, 2.0).await;
    scene.server.fault(json!({"fault": "clear"})).await;
    scene.daemon.connected(AGENTS).await;
    scene.until("cometbridge_session_gaps_total", |n| n == 2.0).await;
    scene.complete("console", &scene.stdout_events());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_never_was_covered_has_no_gap_however_long_it_can_not_be_opened() {
    let (server, home, users) = stage();
    spoil(&server, "agent-1", "handshake").await;
    spoil(&server, "agent-2", "subscribe").await;
    let mut daemon = home.start_with(&PACE);
    daemon.connected(1).await;
    let mut scene = Scene::around(server, home, daemon, &users, 0);
    down(&scene, "1001", "handshake").await;
    down(&scene, "1002", "subscribe").await;
    goes_round(&scene, 0.0).await;
    scene.server.fault(json!({"fault": "clear"})).await;
    scene.daemon.connected(AGENTS).await;
    assert_eq!(scene.daemon.metric("cometbridge_session_gaps_total").await, 0.0);
    scene.end().await;
}

/// With ack it would come again for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_reply_beyond_the_limit_is_kept_and_the_session_goes_on_with_a_gap() {
    let (server, home, users) = stage();
    let mut scene = Scene::on(server, home, &users, 10, &stdout("console", NOT_BRIDGE), &PACE).await;
    scene.publish(10).await;
    let events = scene.expected.events();
    scene.delivered("stdout", "console", events).await;
    let huge = json!({"fault": "huge", "user": "agent-1", "channel": CHANNEL, "bytes": 200_000});
    scene.server.fault(huge).await;
    let words = ["ERROR", "agent=\"1001\"", "connect: ", "such a one is kept in"];
    scene.home.logged(&words).await;
    scene.home.logged(&["WARN", "agent=\"1001\"", "larger than max_reply (65536 bytes)"]).await;
    let files = kept(&scene.home);
    assert_eq!(files.len(), 1, "{files:?}");
    let body = std::fs::read(&files[0]).unwrap();
    assert_eq!(body.len(), 65_536, "its beginning, up to the limit");
    assert!(body.starts_with(b"[{") && body.ends_with(b"xxxx"), "{:?}", &body[..80]);
    let gap = "cometbridge_session_gaps_total{cause=\"unreadable\",certainty=\"certain\",site=\"main\"}";
    scene.until(gap, |n| n == 1.0).await;
    scene.home.logged(&["INFO", "agent=\"1001\"", "the gap is closed", "unreadable"]).await;
    scene.daemon.connected(AGENTS).await;
    scene.complete("console", &scene.stdout_events());
    scene.end().await;
}
