//! A hole in the indices of a log.

use super::stage::{NO_ROUTINE, Stage, talk};
use crate::harness::cometd::Like;

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
