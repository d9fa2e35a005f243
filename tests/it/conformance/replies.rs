//! Replies that come cut, slowly, or not at all, and when the next connect may leave.

use super::stage::{Stage, connects};
use crate::harness::cometd::{Kind, Like};
use crate::harness::proxy::Fault;
use rstest::rstest;
use std::time::Duration;

/// A reply that holds a notification of the workload.
const NEWS: &str = "Hello World";

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn with_ack_a_cut_reply_comes_again_and_nothing_is_lost_or_doubled(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, Like::default(), 4, 40, &[]).await;
    for (number, thousandths) in [0, 5, 500, 900, 1000].into_iter().enumerate() {
        stage.proxy.spoil(NEWS, Fault::Cut(thousandths));
        stage.scene.publish(4).await;
        stage.struck(number + 1).await;
    }
    stage.scene.publish(20).await;
    stage.complete().await;
    stage.no_gap().await;
    assert_eq!(stage.connects("failed").await, 5.0);
    stage.end().await;
}

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn without_ack_a_cut_reply_is_a_possible_gap_and_the_session_goes_on(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, Like { ack: false, ..Like::default() }, 2, 20, &[]).await;
    stage.rounds(5, 5).await;
    assert!(stage.said("gap_opened").is_empty(), "no gap without a cause");
    // What is new in this round reaches both agents, and one of the two replies is lost.
    stage.proxy.spoil(NEWS, Fault::Cut(500));
    stage.rounds(1, 6).await;
    stage.struck(1).await;
    stage.closed(1).await;
    let gaps = stage.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].1.as_str(), gaps[0].2.as_str()), ("reply-lost", "possible"));
    stage.scene.publish(14).await;
    stage.complete().await;
    stage.scene.until("cometbridge_sessions_without_ack{site=\"main\"}", |n| n == 2.0).await;
    stage.end().await;
}

/// Every connection stays established and nothing comes any more, not even to a new one.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_noticed_and_what_it_swallowed_comes_again(#[case] kind: Kind) {
    // The session outlives the silence, so that the noticing is seen and not the loss.
    let like = Like { timeout: 1_500, max_interval: 120_000, ..Like::default() };
    let mut stage = Stage::start(kind, like, 4, 20, &["network_delay=5s"]).await;
    stage.rounds(4, 4).await;
    stage.proxy.hush();
    stage.scene.publish(4).await;
    stage.scene.until(&connects("timeout"), |n| n >= 4.0).await;
    for agent in 1001..=1004 {
        stage
            .scene
            .home
            .logged(&["WARN", &format!("agent=\"{agent}\""), "connect failed", "no answer within"])
            .await;
    }
    stage.proxy.speak();
    stage.scene.publish(12).await;
    stage.complete().await;
    stage.no_gap().await;
    stage.end().await;
}

/// It takes longer than the hold time and the network delay together; bytes flow all the while.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_drips_in_is_no_failure(#[case] kind: Kind) {
    let like = Like { timeout: 500, max_interval: 120_000, ..Like::default() };
    let mut stage = Stage::start(kind, like, 2, 40, &["network_delay=6s"]).await;
    stage.rounds(4, 4).await;
    // The second one of a session holds what queued up behind the first.
    for _ in 0..4 {
        stage.proxy.spoil(NEWS, Fault::Drip(24, Duration::from_millis(300)));
    }
    stage.scene.publish(36).await;
    stage.struck(4).await;
    stage.complete().await;
    stage.no_gap().await;
    assert_eq!((stage.connects("timeout").await, stage.connects("failed").await), (0.0, 0.0));
    stage.end().await;
}

/// A reply that never ends would make its session deaf: it is taken for none, and with ack it comes again.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_only_trickles_in_is_given_up_and_comes_again(#[case] kind: Kind) {
    let like = Like { timeout: 500, max_interval: 120_000, ..Like::default() };
    let mut stage = Stage::start(kind, like, 2, 10, &["network_delay=2s"]).await;
    stage.rounds(4, 4).await;
    stage.proxy.spoil(NEWS, Fault::Drip(400, Duration::from_millis(300)));
    stage.scene.publish(6).await;
    stage.scene.until(&connects("timeout"), |n| n >= 1.0).await;
    stage.scene.home.logged(&["WARN", "connect failed", "the reply trickles in, "]).await;
    stage.complete().await;
    stage.no_gap().await;
    stage.end().await;
}

/// The simulator's advice is a fault of its own: see `resume`.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[tokio::test(flavor = "multi_thread")]
async fn the_interval_that_the_server_advises_is_kept(#[case] kind: Kind) {
    let interval = Duration::from_millis(700);
    let mut stage = Stage::start(kind, Like { interval: 700, ..Like::default() }, 2, 10, &[]).await;
    for round in 1..=5 {
        stage.rounds(2, 2 * round).await;
    }
    stage.complete().await;
    let sessions = stage.connects_by_session();
    let mut pairs = 0;
    for connects in sessions.values() {
        for pair in connects.windows(2) {
            let waited = pair[1].1.at.duration_since(pair[0].1.answered.unwrap());
            assert!(waited >= interval, "the next connect came after {} ms", waited.as_millis());
            pairs += 1;
        }
    }
    // Each round came with some connect that followed another; a session that was late has two rounds in one.
    assert!(pairs >= 5, "{pairs} connects followed another");
    stage.no_gap().await;
    stage.end().await;
}
