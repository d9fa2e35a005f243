//! A daemon that ends and begins again: the same Bayeux sessions go on at the server, with or without ack.

use super::stage::Stage;
use crate::harness::cometd::{Kind, Like};
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use rstest::rstest;

const AGENTS: usize = 4;

/// The window outlives the pauses between the processes.
fn like(ack: bool) -> Like {
    Like { ack, max_interval: 120_000, ..Like::default() }
}

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_and_after_a_stop_the_same_sessions_go_on_without_a_gap(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, like(true), AGENTS, 20, &[]).await;
    stage.rounds(4, 4).await;
    let before = stage.agent("1001").await;
    for kill in [true, false] {
        // What is told while nobody runs waits at the server.
        stage.ended(kill).await;
        stage.scene.publish(3).await;
        stage.begin_again().await;
    }
    let now = stage.agent("1001").await;
    assert_eq!((&before["ack"], &now["ack"]), (&true.into(), &true.into()));
    // One span from the first process's beginning on: nothing was uncovered in between.
    assert_eq!(now["timeline"].as_array().unwrap().len(), 1, "{now}");
    assert_eq!(now["timeline"][0]["from"], before["timeline"][0]["from"]);
    stage.scene.publish(10).await;
    stage.complete().await;
    stage.no_gap().await;
    stage.end().await;
}

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn the_session_that_goes_on_hears_what_is_configured_now_and_nothing_else(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, like(true), AGENTS, 20, &[]).await;
    stage.rounds(4, 4).await;
    stage.ended(false).await;
    stage.scene.publish(3).await;
    stage.also("subscribe=[\"conversations\", \"/v2/me/devices\", \"workbins\"]");
    stage.begin_again().await;
    let user = &stage.scene.users[0];
    eventually("the subscriptions are changed", LIMIT, || async {
        let sessions = stage.scene.server.sessions().await;
        let channels = sessions["users"][user]["channels"].as_array().unwrap().clone();
        let has = |channel: &str| channels.iter().any(|name| name == channel);
        assert!(has("/v2/me/chats") && has("/v2/me/devices"), "{channels:?}");
        let gone = ["/v2/me", "/v2/me/channels", "/notifications/services"];
        (has("/v2/me/workbins") && !gone.into_iter().any(has)).then_some(())
    })
    .await;
    stage.scene.publish(13).await;
    stage.complete().await;
    stage.no_gap().await;
    stage.end().await;
}

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn without_ack_a_restart_is_a_possible_gap_and_the_same_sessions_go_on(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, like(false), AGENTS, 10, &[]).await;
    stage.rounds(4, 4).await;
    stage.ended(true).await;
    stage.begin_again().await;
    stage.closed(AGENTS).await;
    let gaps = stage.gaps();
    assert_eq!(gaps.len(), AGENTS, "{gaps:?}");
    assert!(gaps.iter().all(|(_, cause, certainty)| cause == "restart" && certainty == "possible"));
    assert_eq!(stage.scene.server.stats().await["handshakes"], AGENTS);
    // What that means for who runs it holds after the restart too.
    stage.scene.until("cometbridge_sessions_without_ack{site=\"main\"}", |n| n == AGENTS as f64).await;
    assert_eq!(stage.scene.home.log_lines(&["WARN", "the server has no ack extension"]).len(), 2);
    let spans = stage.agent("1001").await["timeline"].as_array().unwrap().clone();
    let covered: Vec<bool> = spans.iter().map(|span| span["covered"] == true).collect();
    assert_eq!(covered, [true, false, true], "{spans:?}");
    stage.scene.publish(6).await;
    stage.complete().await;
    stage.end().await;
}

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_began_anew_while_the_daemon_was_down_is_a_certain_gap(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, like(true), AGENTS, 10, &[]).await;
    stage.rounds(4, 4).await;
    stage.ended(true).await;
    stage.server_anew().await;
    stage.begin_again().await;
    stage.closed(AGENTS).await;
    stage.subscribed().await;
    let gaps = stage.gaps();
    assert_eq!(gaps.len(), AGENTS, "{gaps:?}");
    assert!(gaps.iter().all(|(_, cause, certainty)| cause == "restart" && certainty == "certain"));
    stage.scene.publish(6).await;
    stage.complete().await;
    stage.end().await;
}

/// The simulator's advice for the next connects; they wait as long as they are told to.
#[tokio::test(flavor = "multi_thread")]
async fn an_interval_advised_by_the_simulator_is_kept_for_the_connects_it_is_advised_to() {
    let mut stage = Stage::start(Kind::Simulator, like(true), 1, 20, &[]).await;
    stage.rounds(4, 4).await;
    let user = &stage.scene.users[0];
    let value = serde_json::json!({"reconnect": "retry", "interval": 700, "timeout": 20_000});
    let fault = serde_json::json!({"fault": "advice", "user": user, "value": value, "count": 1});
    stage.scene.server.fault(fault).await;
    stage.rounds(2, 6).await;
    stage.scene.publish(14).await;
    stage.complete().await;
    let waited = |connects: &Vec<(serde_json::Value, crate::harness::proxy::Passed)>| {
        let pairs = connects.windows(2);
        pairs.filter_map(|pair| Some(pair[1].1.at.duration_since(pair[0].1.answered?))).max()
    };
    let most = stage.connects_by_session().values().filter_map(waited).max().unwrap();
    assert!(most.as_millis() >= 700, "the connect after the advice came after {} ms", most.as_millis());
    assert!(most < LIMIT);
    stage.no_gap().await;
    stage.end().await;
}
