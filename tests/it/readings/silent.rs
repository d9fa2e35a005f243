//! Sessions that are connected and are told nothing: found by comparing, and nobody else with them.

use super::stage::{Stage, agent, talk};
use crate::harness::cometd::Like;
use crate::harness::daemon::Home;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use cometbridge::simulator::{self, Scenario};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

impl Stage {
    /// Waits until an agent stands so.
    async fn stands(&self, user: usize, standing: &str) {
        let path = format!("/api/v1/agents/{}", agent(user));
        eventually(&format!("agent {} is {standing}", agent(user)), LIMIT, || async {
            let (status, text) = self.daemon.get(&path).await?;
            let page: Value = serde_json::from_str(&text).ok()?;
            (status == 200 && text.contains(&format!("\"standing\":\"{standing}\""))).then_some(page)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_news_of_another_kind_nor_a_restart_ends_that_a_session_is_silent() {
    let like = Like { max_interval: 60_000, ..Like::default() };
    let stage = Stage::start(like, 2, &["reconcile_every=2s"], "").await;
    let talk = talk(&stage.users, 1);
    stage.rest(1, &[(&talk, 2)]).await;
    stage.event("a silent session", |event| event["event"] == "silent").await;
    stage.stands(1, "silent").await;
    let service = json!({"messageType": "ServiceStateChange", "serviceName": "voice", "state": "up"});
    stage.tell_on(1, "/notifications/services", service).await;
    let device = json!({"messageType": "DeviceStateChangeMessage", "devices": [
        {"id": "d-1", "deviceState": "Active", "userState": {"id": "1", "state": "Ready"}}]});
    stage.tell_on(1, "/v2/me/devices", device).await;
    let of = |kind: &'static str| move |event: &Value| event["type"] == kind && event["agent"] == *agent(1);
    stage.event("the device's state", of("genesys.gws.agent.state_change.v1")).await;
    stage.event("the service's state", of("genesys.gws.service.state_change.v1")).await;
    stage.stands(1, "silent").await;
    let mut stage = stage.killed(async |_| ()).await;
    stage.stands(1, "silent").await;
    assert_eq!(stage.daemon.metric("cometbridge_sessions_resumed_total{result=\"resumed\"").await, 2.0);
    stage.daemon.until("cometbridge_sessions_silent", LIMIT, |n| n == 1.0).await;
    // Nobody but the server's own word of that kind ends it.
    stage.say(1, &talk, 3, 3).await;
    stage.stands(1, "live").await;
    stage.daemon.until("cometbridge_sessions_silent", LIMIT, |n| n == 0.0).await;
    let found = stage.events().into_iter().filter(|event| event["event"] == "silent");
    let ids: BTreeSet<String> = found.map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "said once");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_told_nothing_is_silent_and_others_are_quiet_or_live() {
    let mut stage = Stage::start(Like::default(), 3, &["reconcile_every=2s"], "").await;
    let (told, untold) = (talk(&stage.users, 1), talk(&stage.users, 2));
    stage.rest(1, &[(&told, 2)]).await;
    stage.begin(1, &told, 2).await;
    stage.stands(0, "quiet").await;
    stage.stands(1, "live").await;
    stage.rest(2, &[(&untold, 2)]).await;
    let event = stage.event("a silent session", |event| event["event"] == "silent").await;
    assert_eq!(
        (&event["type"], &event["agent"]),
        (&"cometbridge.session.silent.v1".into(), &agent(2).into())
    );
    assert_eq!(event["data"]["differing"]["facebooksession"], 1, "{event}");
    eventually("all that was read is told", LIMIT, || async {
        (stage.story(&untold).len() == 3).then_some(())
    })
    .await;
    assert_eq!(stage.story(&untold), ["1r", "2r", "status_change"]);
    stage.stands(2, "silent").await;
    stage.daemon.until("cometbridge_sessions_silent", LIMIT, |n| n == 1.0).await;
    stage.stands(0, "quiet").await;
    stage.stands(1, "live").await;
    // The first word of the server about it ends it.
    stage.say(2, &untold, 3, 3).await;
    stage.stands(2, "live").await;
    let silent = stage.events().into_iter().filter(|event| event["event"] == "silent");
    assert_eq!(silent.count(), 1, "said once");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn comparing_all_the_time_on_a_busy_day_finds_nobody_silent() {
    let text = "seed = 7\nagents = 6\n[day]\nspeed = 30.0\nconversations_per_hour = 30.0\nstates_per_hour = 30.0\n\
                wait_for_sessions = 6\n";
    let scenario = Scenario::parse("day.toml", text).unwrap();
    let handle = simulator::start(scenario.options()).await.unwrap();
    let home = Home::new();
    let mut roster = (String::from("agent,username\n"), String::from("username,password\n"));
    for n in 1..=6 {
        let _ = writeln!(roster.0, "{n},agent-{n}");
        let _ = writeln!(roster.1, "agent-{n},simulated");
    }
    home.write("agents.csv", &roster.0);
    home.write("passwords.csv", &roster.1);
    home.write_config(&handle.url(), "[sink.stdout.console]\nprivacy = \"full\"\n");
    let mut daemon = home.start_with(&["--set", "site.main.reconcile_every=1s"]);
    daemon.connected(6).await;
    let agrees = "cometbridge_session_readings_total{result=\"agrees\"";
    daemon.until(agrees, LIMIT, |n| n >= 24.0).await;
    assert_eq!(daemon.metric("cometbridge_session_readings_total{result=\"silent\"").await, 0.0);
    assert_eq!(daemon.metric("cometbridge_sessions_silent").await, 0.0);
    assert!(daemon.stop().await.success());
    let lines = home.stdout_lines();
    assert!(!lines.iter().any(|line| line.contains("session.silent")), "a false alarm");
    assert!(lines.iter().any(|line| line.contains("\"event\":\"message\"")), "it was a busy day");
    drop(handle);
}
