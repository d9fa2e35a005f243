//! Passwords that a site wants changed, or that were changed: known without a try, and never tried again.
//!
//! Deliberately absent: secrets that are refused (see `directory`).

use super::stage::{Bridge, LIMIT, Server, configure, user};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use serde_json::json;

const AGENTS: usize = 4;
const SITE: &str = "requests_per_second = 2000\nlogins_per_second = 500\nsettle_after_outage = \"1s\"";

/// Whom it happens to.
const ONE: usize = 2;

async fn attempts(server: &Server) -> u64 {
    let all = server.attempts().await;
    all.into_iter().find(|(name, ..)| *name == user(ONE)).map_or(0, |(_, attempts, _)| attempts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_has_to_be_changed_is_tried_once_over_restarts_until_it_is() {
    let home = Home::new();
    let server = Server::quiet(&home, AGENTS);
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    server.fault(json!({"fault": "login", "user": user(ONE), "mode": "new-password"})).await;
    for _ in 0..3 {
        let bridge = Bridge::start(&home);
        bridge.connected(AGENTS - 1).await;
        bridge.in_state("refused", 1).await;
        let said = bridge.command(&["agents", "--standing", "refused"]);
        assert!(said.contains("demands a new password (statusCode 8)"), "{said}");
        bridge.daemon.kill();
    }
    assert_eq!(attempts(&server).await, 1);
    server.fault(json!({"fault": "login", "user": user(ONE), "mode": "ok"})).await;
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS - 1).await;
    bridge.command(&["retry", &ONE.to_string()]);
    bridge.connected(AGENTS).await;
    assert_eq!(attempts(&server).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_stale_once_the_site_says_that_the_password_was_changed_and_is_not_tried_again() {
    let home = Home::new();
    let server = Server::quiet(&home, AGENTS);
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS).await;
    let news = json!([{"user": user(ONE), "channel": "/v2/me", "tag": "news",
        "data": {"notificationType": "PasswordChangeSuccessful"}}]);
    server.post("publish", news).await;
    let agent = format!("agent=\"{ONE}\"");
    home.logged(&["WARN", "not used again until it changes", "the password was changed", &agent]).await;
    bridge.until("cometbridge_accounts_refused", LIMIT, |n| n == 1.0).await;
    // The session that stands goes on; when it ends there is no way back with that secret.
    bridge.connected(AGENTS).await;
    server.reset_peaks().await;
    server.expire([1, ONE]).await;
    bridge.in_state("refused", 1).await;
    bridge.connected(AGENTS - 1).await;
    bridge.daemon.kill();
    let bridge = Bridge::start(&home);
    bridge.in_state("refused", 1).await;
    bridge.connected(AGENTS - 1).await;
    let said = bridge.command(&["agents", &ONE.to_string()]);
    assert!(said.contains("the password was changed; correct the secret"), "{said}");
    assert_eq!(attempts(&server).await, 0);

    bridge.command(&["retry", &ONE.to_string()]);
    eventually("it is tried once", LIMIT, || async { (attempts(&server).await == 1).then_some(()) }).await;
    bridge.connected(AGENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_that_is_demanded_of_a_session_is_known_without_a_try() {
    let home = Home::new();
    let server = Server::quiet(&home, AGENTS);
    configure(
        &home,
        &format!("\"{}\"", server.url),
        &format!("{SITE}\nkeep_alive = \"2s\"\nreconcile_every = \"0s\""),
        "",
    );
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS).await;
    // By a sign of life, and by no reading.
    bridge.until("cometbridge_session_readings_total", LIMIT, |n| n >= AGENTS as f64).await;
    server.reset_peaks().await;
    server.fault(json!({"fault": "login", "user": user(ONE), "mode": "new-password"})).await;
    bridge.in_state("refused", 1).await;
    bridge.connected(AGENTS - 1).await;
    let said = bridge.command(&["agents", &ONE.to_string()]);
    assert!(said.contains("demands a new password (statusCode 8)"), "{said}");
    assert_eq!(attempts(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_names_nobody_is_said_once_and_not_tried_again_until_asked_to() {
    let home = Home::new();
    let server = Server::quiet(&home, AGENTS);
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    server.fault(json!({"fault": "login", "user": user(ONE), "mode": "nameless"})).await;
    let bridge = Bridge::start(&home);
    bridge.connected(AGENTS - 1).await;
    bridge.in_state("refused", 1).await;
    let said = bridge.command(&["agents", "--standing", "refused"]);
    assert!(said.contains("names no user (user.userName)"), "{said}");
    assert_eq!(attempts(&server).await, 1);
    bridge.command(&["retry", &ONE.to_string()]);
    eventually("it is tried once more", LIMIT, || async { (attempts(&server).await == 2).then_some(()) })
        .await;
    bridge.in_state("refused", 1).await;
    server.fault(json!({"fault": "login", "user": user(ONE), "mode": "ok"})).await;
    bridge.command(&["retry", &ONE.to_string()]);
    bridge.connected(AGENTS).await;
    assert_eq!(attempts(&server).await, 3);
}
