//! Since when an agent's state stands, through a kill, a gap and a change of what is listened to.
//!
//! Deliberately absent: each order of notifications and readings (the unit tests of `dedup`).

use super::stage::{NO_ROUTINE, Stage};
use crate::harness::cometd::{Like, Publish};
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use serde_json::{Value, json};

impl Stage {
    /// Tells the first agent how its device stands; the event of it. `more` is what is no part of the state.
    async fn device(&self, state: &str, more: &str) -> Value {
        let device = json!({"id": "d-1", "deviceState": "Active", "doNotDisturb": "Off", "capabilities": [more],
            "userState": {"id": state, "state": state, "reason": "Lunch"}});
        let data = json!({"messageType": "DeviceStateChangeMessage", "devices": [device], "nonce": more});
        eventually("the session listens", LIMIT, || async {
            let (user, channel, tag) = (self.users[0].clone(), "/v2/me/devices".to_owned(), "any".to_owned());
            let publish = Publish { user, channel, data: data.clone(), tag };
            (self.server.publish(&[publish]).await == [1]).then_some(())
        })
        .await;
        let told =
            |event: &Value| event["data"]["deviceId"] == "d-1" && event["data"]["capabilities"][0] == *more;
        self.event(&format!("{state}, {more}"), told).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_state_is_dated_by_the_change_that_was_told_over_a_kill_and_not_over_a_gap() {
    let like = Like { max_interval: 60_000, ..Like::default() };
    let stage = Stage::start(like, 1, &[NO_ROUTINE], "").await;
    let first = stage.device("Ready", "first").await;
    assert!(first["data"].get("since").is_none(), "it may stand so since long: {first}");
    let changed = stage.device("NotReady", "changed").await;
    assert_eq!(changed["data"]["since"], changed["time"]);
    let again = stage.device("NotReady", "again").await;
    assert_eq!(again["data"]["since"], changed["time"]);

    let mut stage = stage.killed(async |_| ()).await;
    assert_eq!(stage.daemon.metric("cometbridge_sessions_resumed_total{result=\"resumed\"").await, 1.0);
    let resumed = stage.device("NotReady", "resumed").await;
    assert_eq!(resumed["data"]["since"], changed["time"], "the next process knows it still");

    let user = stage.users[0].clone();
    stage.server.drop_session(&user).await;
    stage.event("the gap is closed", |event| event["event"] == "gap_closed").await;
    stage.daemon.connected(1).await;
    let after = stage.device("NotReady", "after the gap").await;
    assert!(after["data"].get("since").is_none(), "it may have changed and come back: {after}");
    let back = stage.device("Ready", "back").await;
    assert_eq!(back["data"]["since"], back["time"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_goes_on_with_more_channels_does_not_know_what_it_did_not_hear() {
    let like = Like { max_interval: 60_000, ..Like::default() };
    let keys = [NO_ROUTINE, "subscribe=[\"conversations\"]"];
    let mut stage = Stage::start(like, 1, &keys, "").await;
    let user = stage.users[0].clone();
    let shown = json!([{"id": "d-1", "userState": {"id": "Ready", "state": "Ready", "reason": "Lunch"}}]);
    stage.server.resource(&user, "devices", shown).await;
    stage.server.drop_session(&user).await;
    stage.event("the device was read", |event| event["data"]["deviceId"] == "d-1").await;
    stage.more.retain(|key| !key.contains("subscribe"));
    stage.more.push("site.main.subscribe=[\"conversations\", \"agent-states\"]".to_owned());
    let stage = stage.killed(async |_| ()).await;
    assert_eq!(stage.daemon.metric("cometbridge_sessions_resumed_total{result=\"resumed\"").await, 1.0);
    let first = stage.device("NotReady", "first").await;
    assert!(first["data"].get("since").is_none(), "nobody listened when it changed: {first}");
    let changed = stage.device("Ready", "changed").await;
    assert_eq!(changed["data"]["since"], changed["time"]);
    stage.end().await;
}
