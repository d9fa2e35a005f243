//! Sessions the server lost come back by themselves; the blind interval is an event with a cause.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{BRIDGE, NOT_BRIDGE, webhook};
use crate::harness::workload;
use crate::harness::{eventually, free_port};
use serde_json::Value;
use std::collections::BTreeMap;

fn sinks(receiver: &Receiver, watcher: &Receiver) -> String {
    webhook("crm", &receiver.url, NOT_BRIDGE) + &webhook("watch", &watcher.url, BRIDGE)
}

/// Opened and closed gaps, by agent.
fn gaps(watcher: &Receiver) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut out: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for event in watcher.events() {
        let agent = event["agent"].as_str().unwrap().to_owned();
        out.entry(agent)
            .or_default()
            .push((event["event"].as_str().unwrap().to_owned(), event["data"].clone()));
    }
    out
}

async fn closed(watcher: &Receiver, gaps: usize) {
    eventually("all gaps are closed", LIMIT, || async {
        let closed = watcher.events().iter().filter(|event| event["event"] == "gap_closed").count();
        (closed >= gaps).then_some(())
    })
    .await;
}

/// Each of these agents has one gap, opened and then closed, with the same cause.
fn one_gap_each(watcher: &Receiver, agents: &[&str]) {
    let seen = gaps(watcher);
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), agents);
    for (agent, ends) in &seen {
        let words: Vec<&str> = ends.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["gap_opened", "gap_closed"], "{agent}");
        for (_, data) in ends {
            assert_eq!((&data["cause"], &data["certainty"]), (&ends[0].1["cause"], &ends[0].1["certainty"]));
            assert_eq!(data["agent"], **agent);
            assert_eq!(data["cause"], "session-unknown", "{data}");
            assert_eq!(data["certainty"], "certain");
            assert!(data["from"].is_string());
        }
        let (from, to) = (ends[1].1["from"].as_str().unwrap(), ends[1].1["to"].as_str().unwrap());
        assert!(from <= to && ends[0].1.get("to").is_none(), "{ends:?}");
    }
}

/// The server forgets some CometD sessions, and some HTTP sessions with them.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_and_expired_sessions_come_back_and_name_their_gap() {
    let (receiver, watcher) = (Receiver::start().await, Receiver::start().await);
    let mut scene = Scene::start(8, 40, &sinks(&receiver, &watcher)).await;
    scene.publish(20).await;
    scene.delivered("webhook", "crm", scene.expected.events() / 2).await;
    assert_eq!(watcher.count(), 0, "no gap without a cause");
    for user in &scene.users[..2] {
        scene.server.drop_session(user).await;
    }
    for user in &scene.users[2..4] {
        scene.server.expire(user).await;
    }
    closed(&watcher, 4).await;
    one_gap_each(&watcher, &["1001", "1002", "1003", "1004"]);
    assert_eq!(scene.server.subscribed().await, scene.users.len());
    // Whole logs come again with what is new: only the new items are news.
    scene.publish(20).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    assert_eq!(scene.daemon.metric("cometbridge_session_gaps_total").await, 4.0);
    assert_eq!(scene.daemon.metric("cometbridge_session_lost_total").await, 4.0);
    assert!(scene.daemon.metric("cometbridge_duplicates_total").await > 0.0);
    scene.home.logged(&["WARN", "agent=\"1001\"", "session lost, handshaking anew", "session-unknown"]).await;
    assert_eq!(scene.server.stats().await["refusedLogins"], 0);
    scene.end().await;
}

/// The server dies and starts again on its port, with nothing of before in its memory.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_server_all_sessions_come_back() {
    let (receiver, watcher) = (Receiver::start().await, Receiver::start().await);
    // A port that nobody is given while the server is away.
    let port = free_port().to_string();
    let server = Cometd::start(Kind::Java, &["--port", &port]);
    let users = workload::users(6);
    let patience = ["--set", "site.main.max_backoff=2s"];
    let mut scene = Scene::on(server, Home::new(), &users, 40, &sinks(&receiver, &watcher), &patience).await;
    scene.publish(20).await;
    let half = scene.expected.events() / 2;
    scene.delivered("webhook", "crm", half).await;
    scene.server.end();
    let connected = "cometbridge_sessions{site=\"main\",state=\"connected\"}";
    scene.until(connected, |n| n == 0.0).await;
    scene.home.logged(&["WARN", "connect failed, trying again", "can not connect"]).await;
    scene.server = Cometd::start(Kind::Java, &["--port", &port]);
    scene.until(connected, |n| n == 6.0).await;
    closed(&watcher, 6).await;
    one_gap_each(&watcher, &["1001", "1002", "1003", "1004", "1005", "1006"]);
    scene.publish(20).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    scene.end().await;
}
