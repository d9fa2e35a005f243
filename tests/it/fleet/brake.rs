//! Logins that stop: by the brake, when agents are thrown out by our coming, and by an operator.
//!
//! Deliberately absent: a fault of the directory (see `directory`).

use super::stage::{Bridge, LIMIT, Server, configure, user};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use serde_json::{Value, json};

pub const AGENTS: usize = 8;
const SITE: &str =
    "requests_per_second = 2000\nlogins_per_second = 500\nmax_disturbed = 2\nsettle_after_outage = \"1s\"";
const SCENARIO: &str = "seed = 1\nagents = 8\n[server]\ntimeout = \"5s\"\n[day]\nconversations_per_hour = 0.0\nstates_per_hour = 0.0\n";

pub fn stage(home: &Home) -> Server {
    let scenario = home.write("scenario.toml", SCENARIO);
    let server = Server::start(home, &["--scenario", scenario.to_str().unwrap()]);
    configure(home, &format!("\"{}\"", server.url), SITE, "");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_thrown_out_right_after_our_login_stop_all_logins_until_an_operator_resumes() {
    let home = Home::new();
    let server = stage(&home);
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS).await;
    // Everybody is logged out of one channel, and works on another: nobody was thrown out.
    let channel = |name: &str, state: &str| json!({"channel": name, "userState": {"state": state}});
    let told: Vec<Value> = (1..=AGENTS)
        .map(|n| {
            json!({"user": user(n), "channel": "/v2/me/channels", "tag": format!("told-{n}"),
            "data": {"messageType": "ChannelStateChangeMessageV2",
                "channels": [channel("chat", "Ready"), channel("email", "LoggedOut")]}})
        })
        .collect();
    server.post("publish", told.into()).await;
    eventually("all of it is acknowledged", LIMIT, || async {
        let acked = server.get("acked").await;
        (acked["tags"].as_array().unwrap().len() == AGENTS).then_some(())
    })
    .await;
    assert_eq!(bridge.metric("cometbridge_site_paused").await, 0.0);
    let out: Vec<Value> = (1..=4).map(|n| json!({"fault": "logout", "user": user(n)})).collect();
    server.fault(out.into()).await;
    let braked = "cometbridge_site_paused{reason=\"disturbed\"";
    bridge.until(braked, LIMIT, |n| n == 1.0).await;
    let site = bridge.site().await;
    assert!(site["paused"].as_str().unwrap().starts_with("by the brake: "), "{site}");
    home.logged(&["logins at this site have stopped", "seen logged out"]).await;

    bridge.pause_is_stored().await;
    bridge.daemon.kill();
    server.expire(1..=AGENTS).await;
    server.reset_peaks().await;
    let bridge = Bridge::start(&home);
    bridge.until(braked, LIMIT, |n| n == 1.0).await;
    bridge.in_state("login", AGENTS).await;
    let (status, why) = bridge.page("/readyz").await.unwrap();
    assert!(status == 503, "{status} {why}");
    assert!(why.contains("by the brake"), "{why}");
    assert!(server.attempts().await.is_empty(), "nobody tries while the brake holds");
    home.logged(&["WARN", "as before the restart, logins are paused by the brake: "]).await;
    let said = bridge.command(&["agents", "1"]);
    assert!(said.contains("because            logins are paused by the brake: "), "{said}");

    let said = bridge.command(&["resume", "--site", "main"]);
    assert!(said.contains("site main: agents log in again"), "{said}");
    bridge.connected(AGENTS).await;
    bridge.until("cometbridge_site_paused", LIMIT, |n| n == 0.0).await;
    assert!(server.attempts().await.iter().all(|(_, attempts, _)| *attempts == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_pause_holds_logins_over_a_restart_and_leaves_sessions_that_stand() {
    let home = Home::new();
    let server = stage(&home);
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS).await;
    bridge.command(&["pause", "--site", "main", "--reason", "works on the directory"]);
    let paused = "cometbridge_site_paused{reason=\"operator\"";
    bridge.until(paused, LIMIT, |n| n == 1.0).await;
    server.reset_peaks().await;
    server.expire([1, 2]).await;
    bridge.in_state("login", 2).await;
    bridge.connected(AGENTS - 2).await;
    let site = bridge.site().await;
    assert_eq!(site["paused"], "by an operator: works on the directory", "{site}");
    bridge.daemon.kill();
    let bridge = Bridge::start(&home);
    // Those who stood go on without a login.
    bridge.connected(AGENTS - 2).await;
    bridge.in_state("login", 2).await;
    assert!(server.attempts().await.is_empty());
    bridge.command(&["resume", "--site", "main"]);
    bridge.connected(AGENTS).await;
    let tried: Vec<String> = server.attempts().await.into_iter().map(|(name, ..)| name).collect();
    assert_eq!(tried, [user(1), user(2)]);
}
