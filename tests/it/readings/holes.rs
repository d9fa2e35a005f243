//! A hole in the indices of a log, also one that a kill leaves unread.

use super::stage::{NO_ROUTINE, Stage, talk};
use crate::harness::cometd::Like;
use crate::harness::scene::LIMIT;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_filled_by_one_request_for_the_transcript() {
    let stage = Stage::start(Like::default(), 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 1).await;
    stage.rest(0, &[(&talk, 4)]).await;
    let asked = "cometbridge_site_requests_total{errand=\"read\"";
    let before = stage.daemon.metric(asked).await;
    stage.say(0, &talk, 4, 4).await;
    for index in 2..=3 {
        let item = stage.event("what was left out", |event| event["id"] == *talk.message_id(index)).await;
        assert_eq!(item["origin"], "snapshot");
    }
    stage.say(0, &talk, 5, 5).await;
    stage.event("it goes on", |event| event["id"] == *talk.message_id(5)).await;
    assert_eq!(stage.story(&talk), ["status_change", "1", "4", "2r", "3r", "5"]);
    assert_eq!(stage.daemon.metric(asked).await - before, 1.0, "one transcript read");
    stage.nothing_twice();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_a_kill_left_unread_is_read_once_by_the_process_that_goes_on_with_the_session() {
    let like = Like { max_interval: 60_000, ..Like::default() };
    let stage = Stage::start(like, 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 1).await;
    stage.rest(0, &[(&talk, 4)]).await;
    let user = stage.users[0].clone();
    let slow = json!({"fault": "delay", "user": user, "millis": 600_000, "on": "rest", "count": 1000});
    stage.server.fault(slow).await;
    stage.say(0, &talk, 4, 4).await;
    stage.event("what came after the hole", |event| event["id"] == *talk.message_id(4)).await;
    let stage = stage
        .killed(async |server| {
            server.fault(json!({"fault": "clear"})).await;
        })
        .await;
    for index in 2..=3 {
        let item = stage.event("what was left out", |event| event["id"] == *talk.message_id(index)).await;
        assert_eq!(item["origin"], "snapshot");
    }
    stage.say(0, &talk, 5, 5).await;
    stage.event("it goes on", |event| event["id"] == *talk.message_id(5)).await;
    assert_eq!(stage.daemon.metric("cometbridge_sessions_resumed_total{result=\"resumed\"").await, 1.0);
    let asked = "cometbridge_site_requests_total{errand=\"read\"";
    assert_eq!(stage.daemon.metric(asked).await, 1.0, "one transcript read, and nothing else");
    assert_eq!(stage.story(&talk), ["status_change", "1", "4", "2r", "3r", "5"]);
    // And after another kill it is not read again.
    let stage = stage.killed(async |_| ()).await;
    stage.say(0, &talk, 6, 6).await;
    stage.event("it goes on", |event| event["id"] == *talk.message_id(6)).await;
    assert_eq!(stage.daemon.metric(asked).await, 0.0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_whose_transcript_fails_is_read_again_later_and_filled() {
    let mut stage = Stage::start(Like::default(), 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 1).await;
    stage.rest(0, &[(&talk, 4)]).await;
    // As often as one reading asks: the next one is answered.
    let failing = json!({"fault": "status", "user": stage.users[0], "status": 503, "on": "rest", "count": 4});
    stage.server.fault(failing).await;
    stage.say(0, &talk, 4, 4).await;
    stage.daemon.until("cometbridge_session_readings_total{result=\"unread\"", LIMIT, |n| n == 1.0).await;
    for index in 2..=3 {
        let item = stage.event("what was left out", |event| event["id"] == *talk.message_id(index)).await;
        assert_eq!(item["origin"], "snapshot");
    }
    assert_eq!(stage.story(&talk), ["status_change", "1", "4", "2r", "3r"], "and no gap is told");
    stage.nothing_twice();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_whose_transcript_is_gone_is_a_gap_in_the_conversations_own_order() {
    let stage = Stage::start(Like::default(), 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 1).await;
    stage.say(0, &talk, 4, 4).await;
    let gap = stage.closed(0, &talk).await;
    let told =
        ["cause", "recovered", "certainty", "lastIndexBefore", "firstIndexAfter"].map(|name| &gap[name]);
    assert_eq!(told, [&json!("hole"), &json!("no"), &json!("possible"), &json!(1), &json!(4)]);
    assert_eq!(stage.story(&talk), ["status_change", "1", "4", "closed 1001"]);
    stage.nothing_twice();
    stage.end().await;
}
