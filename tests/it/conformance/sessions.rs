//! How sessions begin, are lost, and come back.

use super::stage::Stage;
use crate::harness::cometd::{Kind, Like};
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use rstest::rstest;
use serde_json::json;
use std::collections::BTreeSet;

/// With a CSRF token and a channel that is denied, as a site may have both.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn sessions_open_by_the_book_and_everything_arrives_once_and_in_order(#[case] kind: Kind) {
    let like = Like { csrf: true, denied: Some("/v2/me/chats"), ..Like::default() };
    let mut stage = Stage::start(kind, like, 6, 20, &[]).await;
    stage.rounds(20, 20).await;
    stage.complete().await;
    let server = &stage.scene.server;
    let held = || async { (server.held().await == 6).then_some(()) };
    eventually("each user has one session and one held connect", LIMIT, held).await;
    let stats = server.stats().await;
    assert_eq!((&stats["handshakes"], &stats["logins"]), (&json!(6), &json!(6)));
    assert_eq!((&stats["csrfRefused"], &stats["deniedSubscribes"]), (&json!(0), &json!(6)), "{stats}");

    // Nobody shares a cookie with anybody.
    for cookie in ["BAYEUX_BROWSER", "JSESSIONID"] {
        assert_eq!(stage.proxy.cookies(cookie, "/connect").len(), 6, "{cookie}");
    }
    let sessions = stage.connects_by_session();
    assert_eq!(sessions.len(), 6);
    for connects in sessions.values() {
        let ids: BTreeSet<&str> =
            connects.iter().map(|(connect, _)| connect["id"].as_str().unwrap()).collect();
        assert!(ids.len() == connects.len() && !ids.contains(""), "every connect has an id of its own");
        let (first, _) = &connects[0];
        // Answered at once, or after a moment where the site's budget has no turn for it.
        let hold = first["advice"]["timeout"].as_u64();
        assert!(hold.is_some_and(|hold| hold <= 1_000) && first["ext"]["ack"] == 0, "{first}");
        for pair in connects.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            assert!(before.1.answered.is_some_and(|at| at <= after.1.at), "two connects were in flight");
            assert_eq!(after.0["advice"]["timeout"], json!(null), "a hold time was asked for: {}", after.0);
            let acks = (before.0["ext"]["ack"].as_i64().unwrap(), after.0["ext"]["ack"].as_i64().unwrap());
            assert_eq!(acks.1, acks.0 + 1, "each connect acknowledges the reply before it");
        }
    }
    for agent in 1001..=1006 {
        let agent = format!("agent=\"{agent}\"");
        let lines = stage.scene.home.log_lines(&["WARN", &agent, "refused to subscribe /v2/me/chats", "403"]);
        assert_eq!(lines.len(), 1, "{}", stage.scene.home.log());
    }
    stage.no_gap().await;
    stage.end().await;
}

/// The server forgets a Bayeux session, and an HTTP session with all that hangs on it.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_the_server_forgot_comes_back_subscribed_and_its_gap_is_named(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, Like { csrf: true, ..Like::default() }, 4, 20, &[]).await;
    stage.rounds(6, 6).await;
    stage.scene.server.drop_session(&stage.scene.users[0]).await;
    stage.scene.server.expire(&stage.scene.users[1]).await;
    stage.closed(2).await;
    stage.subscribed().await;
    let gap = |agent: &str| (agent.to_owned(), "session-unknown".to_owned(), "certain".to_owned());
    assert_eq!(stage.gaps(), [gap("1001"), gap("1002")]);
    // What the old session had acknowledged means nothing to the new one.
    for connects in stage.connects_by_session().values() {
        assert_eq!(connects[0].0["ext"]["ack"], 0);
        assert!(connects[0].0["advice"]["timeout"].as_u64().is_some_and(|hold| hold <= 1_000));
    }
    let stats = stage.scene.server.stats().await;
    assert_eq!((&stats["handshakes"], &stats["logins"]), (&json!(6), &json!(5)));
    assert_eq!(stats["refusedLogins"], 0);
    stage.scene.publish(14).await;
    stage.complete().await;
    stage.end().await;
}

#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_again_is_found_and_every_gap_is_named(#[case] kind: Kind) {
    let mut stage = Stage::start(kind, Like::default(), 4, 20, &[]).await;
    stage.rounds(6, 6).await;
    stage.restart_server().await;
    stage.closed(4).await;
    stage.subscribed().await;
    let gaps = stage.gaps();
    assert_eq!(
        gaps.iter().map(|(agent, ..)| agent.as_str()).collect::<Vec<_>>(),
        ["1001", "1002", "1003", "1004"]
    );
    assert!(gaps.iter().all(|(_, cause, certainty)| cause == "session-unknown" && certainty == "certain"));
    stage.scene.publish(14).await;
    stage.complete().await;
    stage.end().await;
}

/// Longer than the server waits for a client that it hears nothing of.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_swept_while_nothing_got_through_is_begun_anew_and_its_gap_named(#[case] kind: Kind) {
    let like = Like { timeout: 1_000, max_interval: 8_000, ..Like::default() };
    // No longer window is asked for: it would keep the session.
    let keys = ["network_delay=5s", "ask_window=0s", "server_window=60s"];
    let mut stage = Stage::start(kind, like, 4, 20, &keys).await;
    stage.rounds(6, 6).await;
    stage.proxy.hush();
    let swept = || async { (stage.scene.server.stats().await["liveSessions"] == 0).then_some(()) };
    eventually("all sessions are swept", LIMIT, swept).await;
    stage.proxy.speak();
    stage.closed(4).await;
    stage.subscribed().await;
    let gaps = stage.gaps();
    assert_eq!(gaps.len(), 4, "{gaps:?}");
    assert!(gaps.iter().all(|(_, cause, certainty)| cause == "session-unknown" && certainty == "certain"));
    stage.scene.publish(14).await;
    stage.complete().await;
    stage.end().await;
}

/// Messages in the reply to the handshake count, before there is any subscription. Only Java has the option.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_with_the_handshake_are_kept_and_acknowledged() {
    let like = Like { handshake_delivery: true, ..Like::default() };
    let mut stage = Stage::start(Kind::Java, like, 2, 10, &[]).await;
    stage.rounds(4, 4).await;
    let talk = &stage.scene.talks[0];
    let early = talk.to(0, talk.log(100, 101), "early".to_owned());
    stage.scene.expected.messages.extend([talk.message_id(100), talk.message_id(101)]);
    stage.scene.server.welcome(&[early]).await;
    stage.scene.server.drop_session(&stage.scene.users[0]).await;
    stage.closed(1).await;
    stage.scene.publish(6).await;
    stage.complete().await;
    let server = &stage.scene.server;
    let acked = || async { server.acked().await.contains("early").then_some(()) };
    eventually("the early messages are acknowledged", LIMIT, acked).await;
    stage.end().await;
}
