//! A crash between the end of a gap and the reading of what it touched.

use super::stage::{NO_ROUTINE, Stage, is_gap, talk};
use crate::harness::cometd::Like;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_a_kill_cut_off_is_done_by_the_next_process_from_where_the_gap_began() {
    let like = Like { max_interval: 60_000, ..Like::default() };
    let stage = Stage::start(like, 1, &[NO_ROUTINE], "").await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 3).await;
    stage.rest(0, &[(&talk, 7)]).await;
    let user = stage.users[0].clone();
    let failing = json!({"fault": "status", "user": user, "status": 503, "on": "rest", "count": 1000});
    stage.server.fault(failing).await;
    stage.server.drop_session(&user).await;
    let gap = stage.event("the gap of the session is closed", |event| event["event"] == "gap_closed").await;
    // The conversation goes on, and its last index with it: what was missed lies before.
    stage.say(0, &talk, 7, 7).await;
    stage.event("it goes on", |event| event["id"] == *talk.message_id(7)).await;
    let stage = stage
        .killed(async |server| {
            server.fault(json!({"fault": "clear"})).await;
        })
        .await;
    let closed = stage.closed(0, &talk).await;
    assert_eq!(closed["gapid"], gap["data"]["gapid"]);
    assert_eq!((&closed["lastIndexBefore"], &closed["firstIndexAfter"]), (&json!(3), &json!(4)));
    assert_eq!(closed["recovered"], "yes");
    let story = stage.story(&talk);
    assert_eq!(story, ["status_change", "1", "2", "3", "opened 1001", "7", "4r", "5r", "6r", "closed 1001"]);
    // And after another one nothing is said again.
    let stage = stage.killed(async |_| ()).await;
    stage.say(0, &talk, 8, 8).await;
    stage.event("it goes on", |event| event["id"] == *talk.message_id(8)).await;
    let events = stage.events().into_iter().filter(|event| is_gap(event, "closed"));
    let ids: std::collections::BTreeSet<String> = events.map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    stage.end().await;
}
