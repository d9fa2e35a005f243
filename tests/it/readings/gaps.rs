//! A session is lost while conversations go on: the gap stands in each conversation's own order, with what was
//! missed in it.

use super::stage::{NO_ROUTINE, Stage, agent, is_gap, talk};
use crate::harness::cometd::Like;
use crate::harness::daemon::{SECRET, command_with};
use serde_json::json;

const CALLS: &str = "subscribe=[\"conversations\", \"agent-states\", \"calls\"]";
const RECOVERED: &str = "cometbridge_interaction_gaps_total{recovered=\"yes\"";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_session_missed_is_read_between_the_gaps_beginning_and_its_end() {
    let stage = Stage::start(Like::default(), 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 3).await;
    stage.rest(0, &[(&talk, 6)]).await;
    stage.server.drop_session(&stage.users[0]).await;
    let closed = stage.closed(0, &talk).await;
    let opened = stage.event("it was opened", |event| is_gap(event, "opened")).await;
    let of_session = stage.event("the session's own gap", |event| event["event"] == "gap_closed").await;
    assert_eq!(closed["gapid"], of_session["data"]["gapid"]);
    assert_eq!((&closed["gapid"], &closed["from"]), (&opened["data"]["gapid"], &opened["data"]["from"]));
    assert_eq!((&closed["lastIndexBefore"], &closed["firstIndexAfter"]), (&json!(3), &json!(4)));
    assert_eq!((&closed["recovered"], &closed["certainty"]), (&json!("yes"), &json!("certain")));
    stage.say(0, &talk, 5, 7).await;
    stage.event("it goes on", |event| event["id"] == *talk.message_id(7)).await;
    let expected = ["status_change", "1", "2", "3", "opened 1001", "4r", "5r", "6r", "closed 1001", "7"];
    assert_eq!(stage.story(&talk), expected);
    stage.nothing_twice();
    assert_eq!(stage.daemon.metric(RECOVERED).await, 1.0);
    // The timeline over the command line knows the gap by its id.
    let config = stage.home.config();
    let arguments = ["agents", "1001", "--config", config.to_str().unwrap()];
    let (code, stdout, stderr) = command_with(&arguments, &[("CRM_SECRET", SECRET)]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains(closed["gapid"].as_str().unwrap()), "{stdout}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_meanwhile_is_said_to_have_ended_only_by_a_list_that_answered() {
    let stage = Stage::start(Like::default(), 2, &[NO_ROUTINE], "").await;
    let (gone, unread) = (talk(&stage.users, 1), talk(&stage.users, 2));
    stage.begin(0, &gone, 2).await;
    stage.begin(1, &unread, 2).await;
    stage.rest(0, &[]).await;
    // No list is this, though its log can be read.
    stage.rest(1, &[(&unread, 3)]).await;
    stage.server.resource(&stage.users[1], "facebooksessions", json!("elsewhere")).await;
    for user in &stage.users {
        stage.server.drop_session(user).await;
    }
    let closed = (stage.closed(0, &gone).await, stage.closed(1, &unread).await);
    assert_eq!(closed.0["recovered"], "partly", "it is over, and what was said last is not known");
    assert_eq!(closed.1["recovered"], "partly", "its log is known, its state is not");
    assert_eq!(stage.story(&gone), ["status_change", "1", "2", "opened 1001", "ended 1001", "closed 1001"]);
    assert_eq!(stage.story(&unread), ["status_change", "1", "2", "opened 1002", "3r", "closed 1002"]);
    stage.nothing_twice();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ack_a_reply_cut_short_is_a_possible_gap_and_is_read_again() {
    let stage = Stage::start(Like { ack: false, ..Like::default() }, 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 2).await;
    stage.rest(0, &[(&talk, 4)]).await;
    stage.server.fault(json!({"fault": "cut", "user": stage.users[0], "after": 10})).await;
    stage.say(0, &talk, 3, 4).await;
    let closed = stage.closed(0, &talk).await;
    assert_eq!((&closed["certainty"], &closed["cause"]), (&json!("possible"), &json!("reply-lost")));
    assert_eq!((&closed["recovered"], &closed["firstIndexAfter"]), (&json!("yes"), &json!(3)));
    let story = stage.story(&talk);
    assert_eq!(story, ["status_change", "1", "2", "opened 1001", "3r", "4r", "closed 1001"]);
    stage.nothing_twice();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_agents_loses_its_session_and_the_other_one_is_not_touched() {
    let stage = Stage::start(Like::default(), 2, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 2).await;
    stage.begin(1, &talk, 2).await;
    for user in 0..2 {
        stage.rest(user, &[(&talk, 4)]).await;
    }
    stage.server.drop_session(&stage.users[0]).await;
    stage.say(1, &talk, 3, 4).await;
    let closed = stage.closed(0, &talk).await;
    assert_eq!((&closed["recovered"], &closed["lastIndexBefore"]), (&json!("yes"), &json!(2)));
    for index in 1..=4 {
        stage.event("every item", |event| event["id"] == *talk.message_id(index)).await;
    }
    stage.nothing_twice();
    for event in stage.events() {
        let of_gap = ["gap", "gap_opened", "gap_closed", "ended_unseen"].map(|name| json!(name));
        assert!(!of_gap.contains(&event["event"]) || event["agent"] == *agent(0), "{event}");
    }
    stage.end().await;
}

/// REST is not asked for these, so that nothing of them comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_held_over_a_gap_has_it_in_its_own_order_and_nothing_is_recovered() {
    let stage = Stage::start(Like::default(), 1, &[NO_ROUTINE, CALLS], "").await;
    let tell = async |id: &str, state: &str| {
        let call = json!({"messageType": "CallStateChangeMessage", "notificationType": "StatusChange",
            "call": {"id": id, "state": state}});
        stage.tell_on(0, "/v2/me/calls", call).await;
    };
    for (id, state) in [("over", "Established"), ("over", "Released"), ("held", "Established")] {
        tell(id, state).await;
    }
    stage.event("both calls", |event| event["subject"] == "call/held").await;
    stage.server.drop_session(&stage.users[0]).await;
    stage.event("its end", |event| event["subject"] == "call/held" && is_gap(event, "closed")).await;
    tell("held", "Released").await;
    stage
        .event("it goes on", |event| event["data"]["state"] == "Released" && event["subject"] == "call/held")
        .await;
    let mut story: Vec<String> = stage
        .events()
        .iter()
        .filter(|event| event["medium"] == "call")
        .map(|event| {
            let data = &event["data"];
            let words = [&event["subject"], &data["state"], &data["phase"], &data["recovered"]];
            words.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    // In order for each of them.
    story.sort_by_key(|line| line.starts_with("call/over"));
    let expected = [
        "call/held Established",
        "call/held opened",
        "call/held closed no",
        "call/held Released",
        "call/over Established",
        "call/over Released",
    ];
    assert_eq!(story, expected);
    stage.nothing_twice();
    stage.end().await;
}
