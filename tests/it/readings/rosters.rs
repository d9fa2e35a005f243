//! The roster changes under an agent whose gap is open: no consumer waits for its end for ever.

use super::stage::{NO_ROUTINE, Stage, agent, is_gap, talk};
use crate::harness::cometd::Like;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use serde_json::{Value, json};

/// One agent of two may go.
const KEYS: [&str; 3] = [NO_ROUTINE, "roster.watch=1h", "roster.max_removed_percent=90"];

impl Stage {
    /// The session's own gaps of an agent: what happened, and the gap's id.
    fn gaps(&self, user: usize) -> Vec<(String, Value)> {
        let agent = agent(user);
        let of = |event: &Value| {
            event["agent"] == *agent
                && ["gap_opened", "gap_closed"].map(Value::from).contains(&event["event"])
        };
        let events = self.events().into_iter().filter(of);
        events.map(|event| (event["event"].to_string(), event["data"]["gapid"].clone())).collect()
    }

    async fn logins(&self, count: u64) {
        eventually(&format!("{count} logins"), LIMIT, || async {
            (self.server.stats().await["logins"] == count).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_goes_on_into_the_session_of_a_changed_line_and_ends_when_that_listens() {
    let mut stage = Stage::start(Like::default(), 1, &KEYS, "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 3).await;
    stage.rest(0, &[(&talk, 6)]).await;
    let opened = stage.lose(0).await;
    let url = stage.server.url.clone();
    stage.roster(&[(0, &url)]);
    stage.daemon.signal("HUP");
    stage.logins(2).await;
    stage.server.fault(json!({"fault": "clear"})).await;
    let closed = stage.closed(0, &talk).await;
    assert_eq!((&closed["gapid"], &closed["recovered"]), (&opened["data"]["gapid"], &json!("yes")));
    let expected = ["status_change", "1", "2", "3", "opened 1001", "4r", "5r", "6r", "closed 1001"];
    assert_eq!(stage.story(&talk), expected);
    let id = &opened["data"]["gapid"];
    stage.event("the session's own gap is closed", |event| event["event"] == "gap_closed").await;
    assert_eq!(stage.gaps(0), [("\"gap_opened\"".into(), id.clone()), ("\"gap_closed\"".into(), id.clone())]);
    stage.nothing_twice();
    stage.daemon.connected(1).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_of_a_removed_agent_is_closed_when_it_leaves_and_none_follows_when_it_is_back() {
    let mut stage = Stage::start(Like::default(), 2, &KEYS, "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 3).await;
    let opened = stage.lose(0).await;
    stage.roster(&[(1, "")]);
    stage.daemon.signal("HUP");
    let closed = stage.closed(0, &talk).await;
    let gap = stage.event("the session's own gap is closed", |event| event["event"] == "gap_closed").await;
    let of = |name: &str| (closed[name] == gap["data"][name]).then(|| gap["data"][name].clone());
    assert_eq!(
        (of("gapid"), of("certainty")),
        (Some(opened["data"]["gapid"].clone()), Some(json!("certain")))
    );
    assert!(of("to").unwrap().is_string() && of("from") == Some(opened["data"]["from"].clone()), "{closed}");
    assert_eq!((&closed["recovered"], &closed["lastIndexBefore"]), (&json!("no"), &json!(3)));
    assert_eq!(stage.story(&talk), ["status_change", "1", "2", "3", "opened 1001", "closed 1001"]);
    stage.home.logged(&["held no longer", "agent=\"1001\""]).await;
    assert_eq!(stage.daemon.metric("cometbridge_interaction_gaps_total{recovered=\"no\"").await, 1.0);

    stage.server.fault(json!({"fault": "clear"})).await;
    stage.rest(0, &[(&talk, 3)]).await;
    stage.roster(&[(0, ""), (1, "")]);
    stage.daemon.signal("HUP");
    stage.daemon.connected(2).await;
    stage.readings(3).await;
    assert_eq!(stage.gaps(0).len(), 2, "nobody listened by intent: that is no gap");
    // It is known again, and stands in the next gap.
    stage.server.drop_session(&stage.users[0]).await;
    stage
        .event("the next gap of the conversation", |event| {
            is_gap(event, "closed") && event["data"]["gapid"] != closed["gapid"]
        })
        .await;
    let story = stage.story(&talk);
    assert_eq!(story[6..], ["status_change", "opened 1001", "closed 1001"], "{story:?}");
    stage.nothing_twice();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_left_open_that_stands_in_no_roster_at_a_start_is_closed_then() {
    let stage = Stage::start(Like { max_interval: 60_000, ..Like::default() }, 2, &KEYS, "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 2).await;
    let opened = stage.lose(0).await;
    stage.roster(&[(1, "")]);
    let stage = stage.killed_and_back(1, async |_| ()).await;
    let closed = stage.closed(0, &talk).await;
    assert_eq!((&closed["gapid"], &closed["recovered"]), (&opened["data"]["gapid"], &json!("no")));
    stage.event("the session's own gap is closed", |event| event["event"] == "gap_closed").await;
    // It may have been a mistake: since when nobody listens is not forgotten.
    stage.server.fault(json!({"fault": "clear"})).await;
    stage.roster(&[(0, ""), (1, "")]);
    stage.daemon.signal("HUP");
    let agent = agent(0);
    stage
        .event("a gap of its own for the time since", |event| {
            event["event"] == "gap_closed"
                && event["agent"] == *agent
                && event["data"]["gapid"] != closed["gapid"]
                && event["data"]["cause"] == "restart"
        })
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_is_still_to_be_read_is_told_when_its_agent_is_taken_off_the_roster() {
    let stage = Stage::start(Like::default(), 2, &KEYS, "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 1).await;
    stage.rest(0, &[(&talk, 4)]).await;
    let unread =
        json!({"fault": "status", "user": stage.users[0], "status": 503, "on": "rest", "count": 1000});
    stage.server.fault(unread).await;
    stage.say(0, &talk, 4, 4).await;
    stage.event("what came after the hole", |event| event["id"] == *talk.message_id(4)).await;
    stage.roster(&[(1, "")]);
    stage.daemon.signal("HUP");
    let told = stage.closed(0, &talk).await;
    let told =
        ["cause", "recovered", "certainty", "lastIndexBefore", "firstIndexAfter"].map(|name| &told[name]);
    assert_eq!(told, [&json!("hole"), &json!("no"), &json!("possible"), &json!(1), &json!(4)]);
    stage.home.logged(&["held no longer", "agent=\"1001\""]).await;
    assert_eq!(stage.daemon.metric("cometbridge_interaction_gaps_total{recovered=\"no\"").await, 1.0);
    assert_eq!(stage.story(&talk), ["status_change", "1", "4", "closed 1001"]);
    stage.nothing_twice();
    stage.end().await;
}
