//! What a session is told of its place: other clients behind its cookie, and a balancer that routes it anew.
//!
//! Deliberately absent: pinning (see `hosts`).

use super::stage::{Bridge, LIMIT, Server, configure};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use crate::harness::proxy::Proxy;
use serde_json::{Value, json};

const SITE: &str = "requests_per_second = 2000\nlogins_per_second = 500";
const WORDS: &str = "several CometD clients behind one cookie";

#[tokio::test(flavor = "multi_thread")]
async fn several_clients_behind_one_cookie_are_said_of_a_few_agents_and_counted_of_the_rest() {
    let agents = 20;
    let home = Home::new();
    let server = Server::start(&home, &["--agents", "20", "--rate", "0", "--timeout", "200"]);
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    let advice = json!({"reconnect": "retry", "interval": 0, "timeout": 200, "multiple-clients": true});
    server.fault(json!({"fault": "advice", "value": advice, "count": 1_000_000})).await;
    let bridge = Bridge::start(&home);
    bridge.connected(agents).await;
    home.logged(&[WORDS, "many agents at once"]).await;
    // Every poll of every agent brings it.
    bridge.until("cometbridge_connects_total{result=\"ok\"", LIMIT, |n| n >= 50.0 * agents as f64).await;
    let named = home.log_lines(&["WARN", WORDS, "agent="]);
    assert_eq!(named.len(), 8, "{named:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_alone_with_other_clients_is_said_at_each_doubling() {
    let home = Home::new();
    let server = Server::start(&home, &["--agents", "1", "--rate", "0", "--timeout", "100"]);
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    // Slow enough that no tally takes it for many agents.
    let advice = json!({"reconnect": "retry", "interval": 1_500, "timeout": 100, "multiple-clients": true});
    server.fault(json!({"fault": "advice", "value": advice, "count": 1_000_000})).await;
    let bridge = Bridge::start(&home);
    bridge.connected(1).await;
    bridge.until("cometbridge_connects_total{result=\"ok\"", LIMIT, |n| n >= 9.0).await;
    let said = home.log_lines(&["WARN", WORDS]);
    let times: Vec<&str> = said.iter().filter_map(|line| line.split("times=").nth(1)).collect();
    assert_eq!(times, ["1", "2", "4", "8"], "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_that_is_shown_follows_a_balancer_that_moves_the_session() {
    let home = Home::new();
    let server = Server::start(&home, &["--agents", "1", "--rate", "0", "--timeout", "500"]);
    let balancer = Proxy::before(server.port()).await;
    balancer.route("ROUTEID=.1");
    configure(&home, &format!("\"{}\"", balancer.url), SITE, "");
    let bridge = Bridge::start(&home);
    bridge.connected(1).await;
    let node = async || {
        let (_, text) = bridge.page("/api/v1/agents/1").await?;
        let told: Value = serde_json::from_str(&text).ok()?;
        find(&told, "node").and_then(Value::as_str).map(str::to_owned)
    };
    let first = eventually("a node is shown", LIMIT, &node).await;
    let handshakes = server.stat("handshakes").await;
    balancer.route("ROUTEID=.2");
    let second =
        eventually("another node is shown", LIMIT, || async { node().await.filter(|now| *now != first) })
            .await;
    balancer.route("ROUTEID=.1");
    eventually("the first again", LIMIT, || async { node().await.filter(|now| *now == first) }).await;
    assert_ne!(first, second);
    assert_eq!(server.stat("handshakes").await, handshakes, "the same session goes on");
}

/// A member of an object, wherever it stands.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(all) => all.get(name).or_else(|| all.values().find_map(|one| find(one, name))),
        Value::Array(all) => all.iter().find_map(|one| find(one, name)),
        _ => None,
    }
}
