//! A directory that refuses everybody, and an account that is truly refused.
//!
//! Deliberately absent: many sizes of sites (the property test of `accounts` has them).

use super::stage::{Bridge, LIMIT, Server, campaign, configure, user};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the outage of the campaign lasts.
const TEN_MINUTES: Duration = Duration::from_secs(600);
const FAST: &str = "requests_per_second = 2000\nlogins_per_second = 500\nsettle_after_outage = \"1s\"";

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_directory_marks_nobody_tries_nobody_twice_and_all_come_back_by_themselves() {
    let agents = if campaign() { 5_000 } else { 100 };
    let home = Home::new();
    let server = Server::quiet(&home, agents);
    configure(&home, &format!("\"{}\"", server.url), FAST, "");
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;

    server.reset_peaks().await;
    // As long as it takes; it is ended below.
    server.fault(json!({"fault": "outage", "millis": 80_000_000})).await;
    let begun = Instant::now();
    server.expire(1..=agents).await;
    bridge.until("cometbridge_site_paused{reason=\"directory\"", LIMIT, |n| n == 1.0).await;
    bridge.connected(0).await;
    // A few canaries were refused after all others had come to wait.
    let refused = server.stat("refusedLogins").await;
    let canaries = if campaign() { 8 } else { 3 };
    eventually("canaries probe", LIMIT * 10, || async {
        (server.stat("refusedLogins").await >= refused + canaries).then_some(())
    })
    .await;
    while campaign() && begun.elapsed() < TEN_MINUTES {
        bridge.connected(0).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // The page follows the accounts within a second.
    eventually("the page names the directory", LIMIT, || async {
        let (status, why) = bridge.page("/readyz").await.unwrap();
        assert_eq!(status, 503, "{why}");
        why.contains("directory").then_some(())
    })
    .await;
    let tried = server.attempts().await;
    let more: Vec<_> = tried.iter().filter(|(_, attempts, _)| *attempts > 1).collect();
    assert!(more.is_empty(), "tried more than once in the outage: {more:?}");
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    println!("{} of {agents} accounts were tried in an outage of {minutes:.1} minutes", tried.len());

    server.fault(json!({"fault": "outage", "millis": 0})).await;
    bridge.connected(agents).await;
    assert_eq!(server.live().await, agents);
    for (user, attempts, refused) in server.attempts().await {
        assert!(refused <= 1 && attempts <= refused + 1, "{user}: {attempts} attempts, {refused} refused");
    }
    assert_eq!(bridge.metric("cometbridge_accounts_refused").await, 0.0);
    assert_eq!(bridge.metric("cometbridge_site_paused").await, 0.0);
    assert_eq!(server.stat("lockedAccounts").await, 0);
}

/// Whose password is wrong in the file of passwords.
const WRONG: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_over_ten_restarts_until_it_is_corrected() {
    let agents = 8;
    let home = Home::new();
    let server = Server::quiet(&home, agents);
    configure(&home, &format!("\"{}\"", server.url), FAST, "");
    let right = std::fs::read_to_string(home.path("passwords.csv")).unwrap();
    let line = format!("{},simulated", user(WRONG));
    assert!(right.contains(&line), "{right}");
    home.write("passwords.csv", &right.replace(&line, &format!("{},wrong", user(WRONG))));
    for _ in 0..10 {
        let bridge = Bridge::start(&home);
        bridge.connected(agents - 1).await;
        bridge.in_state("refused", 1).await;
        assert_eq!(bridge.metric("cometbridge_accounts_refused").await, 1.0);
        bridge.daemon.kill();
    }
    let of_wrong = async || {
        let all = server.attempts().await;
        all.into_iter()
            .find(|(name, ..)| *name == user(WRONG))
            .map(|(_, attempts, refused)| (attempts, refused))
    };
    assert_eq!(of_wrong().await, Some((1, 1)));

    let bridge = Bridge::start(&home);
    bridge.connected(agents - 1).await;
    // Asked to, it is tried once more, and once only.
    let said = bridge.command(&["retry", "--site", "main", "--all"]);
    assert!(said.contains("site main: 1 refused agents are tried again"), "{said}");
    eventually("one more try", LIMIT, || async { (of_wrong().await == Some((2, 2))).then_some(()) }).await;
    bridge.in_state("refused", 1).await;
    home.write("passwords.csv", &right);
    bridge.command(&["retry", &WRONG.to_string()]);
    bridge.connected(agents).await;
    assert_eq!(of_wrong().await, Some((3, 2)));
    assert_eq!(bridge.metric("cometbridge_accounts_refused").await, 0.0);
}
