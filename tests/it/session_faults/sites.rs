//! Sites that are wrong in their own ways beside one that works: each says what to look at.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::Home;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload::{self, device};
use crate::harness::{eventually, free_port};
use std::time::Duration;

/// One more site with one agent, whose key and user name are the site's.
fn site(home: &Home, name: &str, base_url: &str, more: &str) -> String {
    let (roster, secrets) = (format!("{name}.csv"), format!("{name}.passwords.csv"));
    home.write(&roster, &format!("agent,username\nkey-{name},user-{name}\n"));
    home.write(&secrets, &format!("username,password\nuser-{name},pw-user-{name}\n"));
    format!(
        "[site.{name}]\nbase_url = \"{base_url}\"\nallow_plaintext = true\n{more}\
         [site.{name}.roster]\nfile = \"{}\"\npasswords = {{ file = \"{}\" }}\n",
        home.path(&roster).display(),
        home.path(&secrets).display(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_site_says_what_to_look_at_and_the_others_work() {
    let receiver = Receiver::start().await;
    let server = Cometd::start(Kind::Java, &[]);
    let home = Home::new();
    let closed = format!("http://127.0.0.1:{}", free_port());
    let (good, base_path) = (server.url.clone(), format!("{}/gws", server.url));
    let wrong = [
        ("nohost", "http://no-such-host.invalid", "", "can not connect"),
        ("closed", closed.as_str(), "", "can not connect"),
        ("basepath", base_path.as_str(), "", "no GWS at base_url"),
        (
            "cometpath",
            good.as_str(),
            "notifications_path = \"/api/v2/nowhere\"\n",
            "check base_url and notifications_path",
        ),
    ];
    let mut more = webhook("crm", &receiver.url, NOT_BRIDGE);
    for (name, url, keys, _) in &wrong {
        more += &site(&home, name, url, keys);
    }
    let users = workload::users(6);
    let mut scene = Scene::on(server, home, &users, 20, &more, &[]).await;
    for (name, _, _, words) in &wrong {
        let (site, agent) = (format!("site=\"{name}\""), format!("agent=\"key-{name}\""));
        scene.home.logged(&["WARN", &site, &agent, "failed, trying again", words]).await;
    }
    scene.publish(20).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    for name in ["nohost", "closed", "basepath"] {
        let series = format!("cometbridge_session_logins_total{{result=\"failed\",site=\"{name}\"}}");
        scene.until(&series, |n| n >= 1.0).await;
    }
    let handshakes = "cometbridge_session_handshakes_total{result=\"failed\",site=\"cometpath\"}";
    scene.until(handshakes, |n| n >= 1.0).await;
    for (name, ..) in &wrong {
        let series = format!("cometbridge_sessions{{site=\"{name}\",state=\"connected\"}}");
        assert_eq!(scene.daemon.metric(&series).await, 0.0);
    }
    // The page and the probe show it as well: a site without a session can not do its job.
    let limit = Duration::from_secs(20);
    eventually("the status of the good site", limit, || async {
        let (_, text) = scene.daemon.get("/readyz?verbose").await?;
        text.contains("[+] site main: ok").then_some(())
    })
    .await;
    let names: Vec<String> = wrong.iter().map(|(name, ..)| format!("user-{name}")).collect();
    scene.home.log_is_clean(&names);
    scene.end().await;
}

/// No ack extension, and a channel nobody may subscribe to: it works, and says what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_ack_and_a_refused_subscription_are_said_and_the_rest_works() {
    let receiver = Receiver::start().await;
    let server = Cometd::start(Kind::Node, &["--ack", "false", "--deny-channel", "/v2/me/chats"]);
    let users = workload::users(4);
    let sinks = webhook("crm", &receiver.url, NOT_BRIDGE);
    let mut scene = Scene::on(server, Home::new(), &users, 20, &sinks, &[]).await;
    scene.publish(20).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("webhook", &receiver.events());
    let refused = "cometbridge_subscriptions_refused_total{site=\"main\"}";
    assert_eq!(scene.daemon.metric(refused).await, users.len() as f64);
    scene.until("cometbridge_sessions_without_ack{site=\"main\"}", |n| n == 4.0).await;
    for agent in 1001..=1004 {
        let agent = format!("agent=\"{agent}\"");
        let words = ["WARN", &agent, "refused to subscribe /v2/me/chats", "403"];
        assert_eq!(scene.home.log_lines(&words).len(), 1, "{}", scene.home.log());
    }
    assert_eq!(scene.home.log_lines(&["WARN", "has no ack extension"]).len(), 1, "said once for the site");
    scene.server.publish(&[device(&users[0], 999)]).await;
    scene.delivered("webhook", "crm", wanted + 1).await;
    scene.end().await;
}
