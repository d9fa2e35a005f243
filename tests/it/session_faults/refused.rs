//! Logins that are refused are said once and never tried again; everybody else works on.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload;
use serde_json::Value;

fn sessions(state: &str) -> String {
    format!("cometbridge_sessions{{site=\"main\",state=\"{state}\"}}")
}

fn logins(result: &str) -> String {
    format!("cometbridge_session_logins_total{{result=\"{result}\",site=\"main\"}}")
}

async fn counted(server: &Cometd) -> (Value, Value) {
    let stats = server.stats().await;
    (stats["logins"].clone(), stats["refusedLogins"].clone())
}

/// A wrong password in both of GWS's spellings, and an answer that is about somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_said_once_never_tried_again_and_harms_nobody() {
    let receiver = Receiver::start().await;
    let server = Cometd::start(Kind::Java, &[]);
    let mut all = workload::users(11);
    let users = all.split_off(3);
    for (user, mode) in all.iter().zip(["401", "403", "other"]) {
        server.login_mode(user, mode).await;
    }
    let home = Home::new();
    let everybody: Vec<String> = users.iter().chain(&all).cloned().collect();
    home.write_roster(&everybody);
    home.write_config(&server.url, &webhook("crm", &receiver.url, NOT_BRIDGE));
    let mut daemon = home.start();
    daemon.connected(users.len()).await;
    let mut scene = Scene::around(server, home, daemon, &users, 30);
    scene.until(&sessions("refused"), |n| n == 3.0).await;
    let at_first = counted(&scene.server).await;
    assert_eq!(at_first.1, 2, "once each for 401 and 403");

    // Hundreds of requests of others later there is still no other login.
    scene.publish(30).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    assert_eq!(counted(&scene.server).await, at_first, "nobody logged in again");
    assert_eq!(scene.daemon.metric(&logins("refused")).await, 3.0);
    assert_eq!(scene.daemon.metric(&logins("ok")).await, users.len() as f64);
    assert_eq!(scene.daemon.metric(&sessions("connected")).await, users.len() as f64);
    for (agent, words) in
        [("1009", "HTTP 401"), ("1010", "HTTP 403, statusCode 20"), ("1011", "another user")]
    {
        let agent = format!("agent=\"{agent}\"");
        let lines = scene.home.log_lines(&["ERROR", "login refused, not tried again", &agent, words]);
        assert_eq!(lines.len(), 1, "{agent}: {}", scene.home.log());
        assert_eq!(scene.home.log_lines(&[&agent]).len(), 1, "and nothing more about {agent}");
    }
    scene.home.log_is_clean(&everybody);
    scene.end().await;
}
