//! The HTTP session is kept alive beside the polls, and what that finds is acted upon.

use crate::harness::cometd::{Cometd, Kind, Like, Publish};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::proxy::{Passed, Proxy};
use crate::harness::receiver::Receiver;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::{BRIDGE, webhook};
use crate::harness::workload::{self, CHANNEL};
use serde_json::json;

const AGENTS: usize = 3;

struct Stage {
    server: Cometd,
    proxy: Proxy,
    home: Home,
    bridge: Receiver,
    daemon: Daemon,
}

impl Stage {
    async fn start(kind: Kind) -> Stage {
        let users = workload::users(AGENTS);
        let like = Like { csrf: true, ..Like::default() };
        let server = Cometd::start_like(kind, &like, &users).await;
        let (proxy, bridge, home) =
            (Proxy::before(server.port()).await, Receiver::start().await, Home::new());
        home.write_roster(&users);
        home.write_config(&proxy.url, &webhook("watch", &bridge.url, BRIDGE));
        let keys = ["site.main.keep_alive=1s", "site.main.max_backoff=1s"].map(|key| ["--set", key]);
        let mut daemon = home.start_with(keys.as_flattened());
        daemon.connected(AGENTS).await;
        // A fault that strikes REST is for the keep-alives alone from here on.
        daemon.until("cometbridge_session_readings_total", LIMIT, |n| n >= AGENTS as f64).await;
        Stage { server, proxy, home, bridge, daemon }
    }

    /// Waits for so many more keep-alives with this result.
    async fn kept(&mut self, result: &str, more: f64) {
        let name = format!("cometbridge_session_keepalives_total{{result=\"{result}\"");
        let wanted = self.daemon.metric(&name).await + more;
        self.daemon.until(&name, LIMIT, |n| n >= wanted).await;
    }

    /// Every `GET /api/v2/me` that went through, without the readings of the state.
    fn asked(&self) -> Vec<Passed> {
        self.proxy.passed().into_iter().filter(|request| request.path == "/api/v2/me").collect()
    }

    fn gaps(&self) -> usize {
        self.bridge.events().iter().filter(|event| event["event"] == "gap_opened").count()
    }

    async fn end(self) {
        assert_eq!(self.server.stats().await["foreignPosts"], 0);
        assert!(self.daemon.stop().await.success());
        self.home.log_is_clean(&workload::users(AGENTS));
    }
}

/// A refusal counts only as the answer to a Basic login: what keeps the session alive must not look like one.
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_session_alive_carries_the_cookie_and_not_the_secret() {
    let mut stage = Stage::start(Kind::Java).await;
    stage.kept("ok", 6.0).await;
    let (logins, kept): (Vec<Passed>, Vec<Passed>) =
        stage.asked().into_iter().partition(|asked| asked.secret);
    assert_eq!(logins.len(), AGENTS, "one login each");
    assert!(kept.len() >= 6);
    for request in &kept {
        assert!(request.cookies.iter().any(|cookie| cookie.starts_with("JSESSIONID=")), "{request:?}");
    }
    let stats = stage.server.stats().await;
    let of =
        ["logins", "handshakes", "refusedLogins", "csrfRefused"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!((of, stage.gaps()), ([3, 3, 0, 0], 0));

    // The server forgets an HTTP session, and the CometD session with it: one new login, one gap.
    stage.server.expire("user-000").await;
    eventually("the gap is told", LIMIT, || async { (stage.gaps() == 1).then_some(()) }).await;
    stage.daemon.connected(AGENTS).await;
    eventually("there is one more login", LIMIT, || async {
        let stats = stage.server.stats().await;
        (stats["logins"] == 4 && stats["liveSessions"] == 3).then_some(())
    })
    .await;
    stage.kept("ok", 6.0).await;
    assert_eq!(stage.server.stats().await["handshakes"], 4);
    stage.end().await;
}

/// Tokens that are no longer good are replaced before a poll could be refused for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_csrf_token_is_found_before_the_next_poll_needs_it() {
    let mut stage = Stage::start(Kind::Simulator).await;
    stage.kept("ok", 1.0).await;
    for user in workload::users(AGENTS) {
        stage.server.fault(json!({"fault": "csrf", "user": user})).await;
    }
    // More than one round: each agent has had its turn.
    stage.kept("ok", 3.0 * AGENTS as f64).await;
    let notes: Vec<Publish> = workload::users(AGENTS)
        .into_iter()
        .map(|user| Publish {
            user,
            channel: CHANNEL.to_owned(),
            data: json!({"messageType": "SomethingNew", "number": 1}),
            tag: "poll".to_owned(),
        })
        .collect();
    assert_eq!(stage.server.publish(&notes).await, [1, 1, 1]);
    eventually("the polls went on", LIMIT, || async { (stage.server.held().await == AGENTS).then_some(()) })
        .await;
    let stats = stage.server.stats().await;
    assert_eq!(
        (&stats["csrfRefused"], &stats["handshakes"], &stats["logins"]),
        (&json!(0), &json!(3), &json!(3))
    );
    assert_eq!(stage.gaps(), 0);
    stage.end().await;
}

/// Only the HTTP session is over: the login is made anew, and the CometD session goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_http_session_is_found_and_the_cometd_session_outlives_it() {
    let mut stage = Stage::start(Kind::Simulator).await;
    stage.kept("ok", 1.0).await;
    stage.server.fault(json!({"fault": "status", "user": "user-001", "status": 401, "on": "rest"})).await;
    // From none: counted since the start, as the first may come before anybody looks.
    let name = "cometbridge_session_keepalives_total{result=\"logged-out\"";
    stage.daemon.until(name, LIMIT, |n| n >= 1.0).await;
    let logins = || async { (stage.asked().iter().filter(|asked| asked.secret).count() == 4).then_some(()) };
    eventually("the login is made anew", LIMIT, logins).await;
    stage.home.logged(&["agent=\"1002\"", "no longer logged in; logging in again"]).await;
    stage.daemon.connected(AGENTS).await;
    eventually("all polls are held", LIMIT, || async { (stage.server.held().await == AGENTS).then_some(()) })
        .await;
    assert_eq!((&stage.server.stats().await["handshakes"], stage.gaps()), (&json!(3), 0));
    // It is looked after from then on as before.
    stage.kept("ok", 2.0 * AGENTS as f64).await;
    let said = stage.daemon.get("/api/v1/agents?standing=down").await.unwrap().1;
    assert!(!said.contains("1002"), "{said}");
    stage.end().await;
}
