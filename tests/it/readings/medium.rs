//! Whoever reads the topic of one medium sees the gaps of its interactions among their messages.

use super::stage::{NO_ROUTINE, Stage, talk, word};
use crate::data_path::event_of;
use crate::harness::cometd::Like;
use crate::harness::kafka::Kafka;
use crate::harness::sinks::kafka;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_of_a_medium_holds_gaps_and_messages_in_one_order() {
    let broker = Kafka::shared().await;
    let sinks = kafka("media", &broker.brokers(), "readings.{medium}", "");
    let stage = Stage::start(Like::default(), 1, &[NO_ROUTINE], &sinks).await;
    let talk = talk(&stage.users, 1);
    stage.begin(0, &talk, 2).await;
    stage.rest(0, &[(&talk, 3)]).await;
    stage.server.drop_session(&stage.users[0]).await;
    stage.closed(0, &talk).await;
    let expected = ["status_change", "1", "2", "opened 1001", "3r", "closed 1001"];
    let records = broker.read("readings.facebooksession", expected.len(), Duration::from_secs(30)).await;
    let story: Vec<String> = records.iter().map(|record| word(&event_of(record), &talk)).collect();
    assert_eq!(story, expected);
    stage.end().await;
}
