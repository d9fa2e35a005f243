//! An HTTP proxy on the way: let through, sent away, out of reach; its password is never shown.

use super::stage::{AGENTS, NAME, Stage};
use crate::harness::cometd::Kind;
use crate::harness::forward::{Forward, Rule};
use crate::harness::free_port;

/// The password is what a percent sign and a letter outside ASCII make of it where somebody writes it into a URL.
const PASSWORD: &str = "p%41ß:w@rd/";
const USER: &str = "corp\\bridge";

fn proxy(user: &str, port: u16) -> String {
    format!("proxy = \"http://{user}127.0.0.1:{port}\"\n")
}

/// Who logs in, as it stands in a URL.
const NAMED: &str = "corp%5Cbridge@";

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_goes_through_the_proxy() {
    let stage = Stage::on(Kind::Java).await;
    let (front, forward) =
        (stage.front(&stage.everybody.server(&[NAME])).await, Forward::start(Rule::Anybody).await);
    stage.configure(&front.url(), &proxy("", forward.port));
    stage.works(&[]).await;
    let asked = forward.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|one| one.method == "CONNECT" && one.shown.is_none()),
        "{asked:?}"
    );
    assert!(asked.len() >= front.accepted(), "nothing went around it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxys_own_login_is_shown_to_it_and_to_nobody_else() {
    for tls in [true, false] {
        let stage = Stage::on(Kind::Simulator).await;
        let forward = Forward::start(Rule::Login(USER, PASSWORD)).await;
        let front = stage.front(&stage.everybody.server(&[NAME])).await;
        let url = if tls { front.url() } else { stage.recorder.url.clone() };
        let password = stage.secret("proxy_password", PASSWORD);
        stage.configure(&url, &(proxy(NAMED, forward.port) + &password));
        let passed = stage.works(&[PASSWORD]).await;
        let (asked, shown) = (forward.asked(), format!("{USER}:{PASSWORD}"));
        assert!(!asked.is_empty() && asked.iter().all(|one| one.shown.as_ref() == Some(&shown)), "{asked:?}");
        // A plain request is the proxy's to read, and to take its own header out of.
        let reaches_the_server = passed.iter().any(|one| !one.header("proxy-authorization").is_empty());
        assert!(!tls || !reaches_the_server);
        for one in asked.iter().filter(|_| tls) {
            assert!(!one.head.to_ascii_lowercase().contains("\r\nauthorization:"), "{}", one.head);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_the_login_is_told_apart_from_the_server() {
    for tls in [true, false] {
        for (user, keys, words) in [
            (
                NAMED,
                "proxy_password",
                "refuses its user name and password (HTTP 407): check proxy and proxy_password",
            ),
            ("", "", "demands a login (HTTP 407): put a user name into proxy and set proxy_password"),
        ] {
            let stage = Stage::on(Kind::Simulator).await;
            let forward = Forward::start(Rule::Login(USER, PASSWORD)).await;
            let front = stage.front(&stage.everybody.server(&[NAME])).await;
            let url = if tls { front.url() } else { stage.recorder.url.clone() };
            let wrong = if keys.is_empty() { String::new() } else { stage.secret(keys, "hunter2") };
            stage.configure(&url, &(proxy(user, forward.port) + &wrong));
            let place = format!("the proxy http://127.0.0.1:{} {words}", forward.port);
            stage.fails(&[&place], &["hunter2", "corp"]).await;
            assert_eq!(front.accepted(), 0, "nothing went around it");
            // A try of each agent, and two of the pilot: more of them could lock the account at the proxy. One more may
            // be on its way before the second refusal is heard.
            let asked = forward.asked();
            assert!((AGENTS + 2..=AGENTS + 3).contains(&asked.len()), "{asked:?}");
            let said = stage.home.log_lines(&["WARN", "a proxy on the way refuses us (HTTP 407)"]);
            assert_eq!(said.len(), 1, "{}", stage.home.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_lets_nobody_through_is_told_so() {
    let stage = Stage::on(Kind::Simulator).await;
    let front = stage.front(&stage.everybody.server(&[NAME])).await;
    let forward = Forward::start(Rule::Nobody).await;
    stage.configure(&front.url(), &proxy("", forward.port));
    let place = format!("the proxy http://127.0.0.1:{} opens no way to {NAME}:{}", forward.port, front.port);
    stage.fails(&[&place, "have whoever runs it allow that"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_is_told_apart_from_a_server_that_is_down() {
    let gone = free_port();
    for tls in [true, false] {
        let stage = Stage::on(Kind::Simulator).await;
        let front = stage.front(&stage.everybody.server(&[NAME])).await;
        let url = if tls { front.url() } else { stage.recorder.url.clone() };
        let password = stage.secret("proxy_password", "hunter2");
        stage.configure(&url, &(proxy(NAMED, gone) + &password));
        let place = format!("the proxy http://127.0.0.1:{gone} can not be reached: Connection refused");
        stage.fails(&[&place, "check proxy"], &["hunter2", "corp"]).await;
        assert_eq!(front.accepted(), 0, "nothing goes around it");
    }
    let stage = Stage::on(Kind::Simulator).await;
    stage.configure(&format!("https://{NAME}:{gone}"), "");
    let message = stage.fails(&["can not connect: Connection refused"], &[]).await;
    assert!(!message.contains("proxy"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy_the_servers_certificate_is_still_the_servers() {
    let stage = Stage::on(Kind::Simulator).await;
    let forward = Forward::start(Rule::Anybody).await;
    let front = stage.front(&stage.everybody.server(&["gws.example.com"])).await;
    stage.configure(&front.url(), &proxy("", forward.port));
    stage.fails(&["the server's certificate is for another name (gws.example.com)"], &[]).await;
    assert_eq!(front.agreed(), 0);
}
