//! Several hosts: pauses that one asks for, fail-over and return, agents pinned to one of them.
//!
//! Deliberately absent: nodes behind one address.

use super::stage::{Bridge, LIMIT, Server, configure, user, within};
use crate::harness::daemon::Home;
use crate::harness::proxy::Proxy;
use crate::harness::{eventually, free_port};
use serde_json::json;

const SITE: &str =
    "requests_per_second = 1000\nlogins_per_second = 200\nsettle_after_outage = \"0s\"\nmax_backoff = \"2s\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_a_pause_is_left_alone_by_all() {
    let (agents, answers) = (60, 5);
    let home = Home::new();
    let server = Server::quiet(&home, agents);
    configure(
        &home,
        &format!("\"{}\"", server.url),
        "requests_per_second = 100\nlogins_per_second = 20\nreconcile_every = \"0s\"",
        "",
    );
    server
        .fault(json!({"fault": "status", "status": 429, "retry_after": 2, "on": "rest", "count": answers}))
        .await;
    let bridge = Bridge::start(&home);
    home.logged(&["the host asked for a pause (Retry-After)"]).await;
    bridge.until("cometbridge_site_logins_per_second", LIMIT, |n| n < 20.0).await;
    bridge.connected(agents).await;
    // Who was told so did not try an account; all others waited, and none came twice.
    let attempts = server.attempts().await;
    assert!(
        attempts.len() == agents && attempts.iter().all(|(_, attempts, _)| *attempts == 1),
        "{attempts:?}"
    );
    assert_eq!(bridge.metric("cometbridge_accounts_refused").await, 0.0);
    let stats = server.get("stats").await;
    assert!(stats["maxRequestsPerSecond"].as_u64().unwrap() <= within(100), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_move_to_the_second_host_when_the_first_is_gone_and_new_logins_return_to_it() {
    let agents = 20;
    let home = Home::new();
    let second = Server::quiet(&home, agents);
    // A port that nobody is given while its server is away.
    let (number, address) = (agents.to_string(), format!("127.0.0.1:{}", free_port()));
    let arguments = ["--agents", &number, "--rate", "0", "--listen", &address];
    let first = Server::start(&home, &arguments);
    configure(&home, &format!("[\"{}\", \"{}\"]", first.url, second.url), SITE, "");
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;
    assert_eq!((first.live().await, second.live().await), (agents, 0));
    drop(first);
    eventually("all stand on the second host", LIMIT, || async {
        (second.live().await == agents).then_some(())
    })
    .await;
    bridge.connected(agents).await;
    assert!(bridge.metric("cometbridge_site_failovers_total").await >= 1.0);

    let first = Server::start(&home, &arguments);
    bridge.until("cometbridge_site_failovers_total", LIMIT, |n| n >= 2.0).await;
    assert_eq!((first.live().await, second.live().await), (0, agents), "who stands stays");
    second.expire(1..=5).await;
    eventually("those who log in anew do it at the first", LIMIT, || async {
        (first.live().await == 5 && second.live().await == agents - 5).then_some(())
    })
    .await;
    bridge.connected(agents).await;
    assert_eq!(bridge.site().await["base_url"], format!("{}/", first.url));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_pinned_by_their_groups_base_url_and_cookie_and_by_their_own_line() {
    let home = Home::new();
    let (first, second) = (Server::quiet(&home, 6), Server::quiet(&home, 6));
    let proxy = Proxy::before(second.port()).await;
    let group = format!(
        "{SITE}\ngroup = {{ east = {{ base_url = \"{}\", cookies = {{ \"ROUTEID\" = \".2\" }} }} }}",
        proxy.url
    );
    configure(&home, &format!("\"{}\"", first.url), &group, "");
    let roster = format!(
        "agent,username,group,base_url\n1,agent-1,,\n2,agent-2,,\n3,agent-3,east,\n4,agent-4,east,\n5,agent-5,,{}\n6,agent-6,,\n",
        second.url
    );
    home.write("agents.csv", &roster);
    let bridge = Bridge::start(&home);
    bridge.connected(6).await;
    let users = async |server: &Server| -> Vec<String> {
        let sessions = server.get("sessions").await;
        sessions["users"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(users(&first).await, [1, 2, 6].map(user));
    assert_eq!(users(&second).await, [3, 4, 5].map(user));
    let passed = proxy.passed();
    assert!(!passed.is_empty());
    for request in &passed {
        assert!(
            request.cookies.iter().any(|cookie| cookie.contains("ROUTEID=.2")),
            "{}: {:?}",
            request.path,
            request.cookies
        );
    }
}

/// A host asks everybody to stay away for as long as a test may take, and longer.
async fn pause(server: &Server) {
    let away = json!({"fault": "status", "status": 429, "retry_after": 600, "on": "rest", "count": 1});
    server.fault(away).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_agents_login_waits_for_its_own_hosts_pause_and_for_no_other() {
    let home = Home::new();
    let (site, own) = (Server::quiet(&home, 6), Server::quiet(&home, 6));
    configure(&home, &format!("\"{}\"", site.url), SITE, "");
    let tried = async |server: &Server| server.attempts().await.len();
    let roster = |more: &str| {
        let new = home.write("agents.csv.new", &format!("agent,username,base_url\n1,agent-1,\n{more}"));
        std::fs::rename(new, home.path("agents.csv")).unwrap();
    };
    roster("");
    pause(&site).await;
    let bridge = Bridge::start(&home);
    home.logged(&["the host asked for a pause (Retry-After)"]).await;
    // The site's host is left alone, and the pinned agent comes in.
    roster(&format!("2,agent-2,{}\n", own.url));
    bridge.command(&["roster", "reload"]);
    bridge.connected(1).await;
    assert_eq!((own.live().await, site.live().await), (1, 0));
    bridge.daemon.kill();

    // The other way round: its own host is left alone, and the site's agent comes in.
    own.expire([2]).await;
    own.reset_peaks().await;
    pause(&own).await;
    let bridge = Bridge::start(&home);
    eventually("both hosts were asked", LIMIT, || async {
        let paused = home.log_lines(&["the host asked for a pause (Retry-After)"]).len() == 2;
        (paused && site.live().await == 1).then_some(())
    })
    .await;
    roster(&format!("2,agent-2,{0}\n3,agent-3,{0}\n4,agent-4,\n", own.url));
    bridge.command(&["roster", "reload"]);
    bridge.connected(2).await;
    let waiting = "cometbridge_sessions{site=\"main\",state=\"login\"}";
    bridge.until(waiting, LIMIT, |n| n >= 1.0).await;
    assert_eq!((site.live().await, tried(&own).await), (2, 0), "nobody asks the host that is in a pause");
}
