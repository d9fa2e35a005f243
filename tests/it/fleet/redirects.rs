//! Redirects within a host: each hop is a request of its own, within the site's budget.
//!
//! Deliberately absent: redirects that are not followed (see the transport's own tests).

use super::stage::{Bridge, LIMIT, Server, configure};
use crate::harness::daemon::Home;
use serde_json::json;

const SITE: &str = "requests_per_second = 2000\nlogins_per_second = 500\nreconcile_every = \"0s\"";
const OPENED: &str = "cometbridge_site_requests_total{errand=\"open\"";

#[tokio::test(flavor = "multi_thread")]
async fn each_hop_of_a_redirect_takes_its_turn_in_the_budget() {
    let home = Home::new();
    let server = Server::quiet(&home, 2);
    configure(&home, &format!("\"{}\"", server.url), SITE, "");
    let roster = |lines: &str| {
        let new = home.write("agents.csv.new", &format!("agent,username\n{lines}"));
        std::fs::rename(new, home.path("agents.csv")).unwrap();
    };
    roster("1,agent-1\n");
    let bridge = Bridge::start(&home);
    bridge.connected(1).await;
    let straight = bridge.metric(OPENED).await;
    assert!(straight >= 2.0, "a handshake and a subscription: {straight}");
    for (status, on, count) in [(307, "handshake", 2), (308, "subscribe", 3)] {
        let redirect =
            json!({"fault": "redirect", "user": "agent-2", "status": status, "on": on, "count": count});
        server.fault(redirect).await;
    }
    let struck = server.stat("faults").await;
    roster("1,agent-1\n2,agent-2\n");
    bridge.command(&["roster", "reload"]);
    bridge.connected(2).await;
    bridge.until(OPENED, LIMIT, |n| n >= 2.0 * straight).await;
    assert_eq!(server.stat("faults").await - struck, 5, "all were followed");
    assert_eq!(bridge.metric(OPENED).await, 2.0 * straight + 5.0);
}
