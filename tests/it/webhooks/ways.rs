//! Ways to a receiver: mutual TLS, a proxy with a login, tokens that end.

use crate::harness::certificates::Authority;
use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::{Home, SECRET};
use crate::harness::eventually;
use crate::harness::forward::{Forward, Rule};
use crate::harness::front::Front;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, webhook};
use crate::harness::workload::users;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

async fn scene(home: Home, sinks: &str) -> Scene {
    let users = users(4);
    let gws = Cometd::start_like(Kind::Simulator, &Like::default(), &users).await;
    Scene::on(gws, home, &users, 10, sinks, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_opens_and_what_breaks_is_named_with_its_key() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let port: u16 = receiver.url.rsplit([':', '/']).nth(1).unwrap().parse().unwrap();
    let (own, clients, other) = (Authority::new("own"), Authority::new("clients'"), Authority::new("other"));
    let shown = own.server(&["localhost"]);
    let fronts = [
        Front::before(port, shown.served(Some(&clients), &[&TLS13])).await,
        Front::before(port, shown.served(Some(&clients), &[&TLS12])).await,
    ];
    let file = |name: &str, text: &str| home.write(name, text).display().to_string();
    let ca = format!("ca = \"{}\"\n", file("own.pem", &own.pem()));
    let (key, foreign) = (clients.client(), other.client());
    let certificate =
        |path: String| format!("client_certificate = {{ file = \"{path}\" }}\n{NOT_BRIDGE}{KEEP_TRYING}");
    let right = certificate(file("client.pem", &key.pem()));
    let wrong = certificate(file("foreign.pem", &foreign.pem()));
    let untrusting = format!("ca = \"{}\"\n", file("other.pem", &other.pem()));
    let mut sinks = String::new();
    for (front, version) in fronts.iter().zip(["13", "12"]) {
        let url = format!("{}/hook", front.url());
        sinks += &webhook(&format!("right-{version}"), &url, &format!("{ca}{right}"));
        sinks += &webhook(&format!("none-{version}"), &url, &format!("{ca}{NOT_BRIDGE}{KEEP_TRYING}"));
        sinks += &webhook(&format!("wrong-{version}"), &url, &format!("{ca}{wrong}"));
        sinks += &webhook(&format!("untrusting-{version}"), &url, &format!("{untrusting}{right}"));
    }
    let mut scene = scene(home, &sinks).await;
    scene.publish(10).await;
    let wanted = scene.expected.events();
    for version in ["13", "12"] {
        scene.delivered("webhook", &format!("right-{version}"), wanted).await;
        for (name, words) in [
            ("none", "demands a client certificate ("),
            ("wrong", "refuses the client certificate ("),
            ("untrusting", "is not trusted: no authority in ca has signed it"),
        ] {
            let sink = format!("sink=\"{name}-{version}\"");
            scene.home.logged(&["WARN", &sink, "reason=\"tls\"", words]).await;
        }
    }
    assert_eq!(receiver.count(), 2 * wanted);
    let home = scene.end().await;
    assert!(!home.log().contains(key.key_pem().lines().nth(1).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy_with_a_login_and_through_no_other_way() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let proxy = Forward::start(Rule::Login("bridge", "p%:w\"d")).await;
    let strict = Forward::start(Rule::Login("bridge", "another")).await;
    let password = home.write("proxy.password", "p%:w\"d").display().to_string();
    let through = |port: u16| {
        format!(
            "proxy = \"http://bridge@127.0.0.1:{port}\"\nproxy_password = {{ file = \"{password}\" }}\n{NOT_BRIDGE}{KEEP_TRYING}"
        )
    };
    let sinks = webhook("through", &receiver.url, &through(proxy.port))
        + &webhook("refused", &receiver.url, &through(strict.port));
    let mut scene = scene(home, &sinks).await;
    scene.publish(10).await;
    let wanted = scene.expected.events();
    scene.delivered("webhook", "through", wanted).await;
    let words = "refuses its user name and password (HTTP 407): check proxy and proxy_password";
    scene.home.logged(&["WARN", "sink=\"refused\"", "reason=\"unauthorized\"", words]).await;
    scene.complete("through", &receiver.events());
    assert!(proxy.asked().iter().all(|one| one.shown.as_deref() == Some("bridge:p%:w\"d")));
    assert!(!proxy.asked().is_empty());
    let home = scene.end().await;
    assert!(!home.log().contains("p%:w"));
}

/// How long a token is good for.
const LIFE: Duration = Duration::from_secs(2);

/// A server of tokens and the receiver that wants them.
#[derive(Clone, Default)]
struct Guarded {
    issued: Arc<Mutex<Vec<(String, Instant)>>>,
    taken: Arc<Mutex<Vec<Value>>>,
    turned_away: Arc<Mutex<usize>>,
}

async fn issue(
    State(guarded): State<Guarded>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    // "bridge" and the tests' secret, in base64.
    let login = reqwest::Client::new().get("http://x/").basic_auth("bridge", Some(SECRET)).build().unwrap();
    let wanted = login.headers()["authorization"].clone();
    if headers.get("authorization") != Some(&wanted) || !body.starts_with("grant_type=client_credentials") {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"})));
    }
    let mut issued = guarded.issued.lock().unwrap();
    let token = format!("token-{}", issued.len());
    issued.push((token.clone(), Instant::now()));
    let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFE.as_secs()});
    (StatusCode::OK, Json(answer))
}

async fn take(State(guarded): State<Guarded>, headers: HeaderMap, Json(event): Json<Value>) -> StatusCode {
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let issued = guarded.issued.lock().unwrap();
    let good = issued.iter().any(|(token, at)| shown == format!("Bearer {token}") && at.elapsed() < LIFE);
    if !good {
        *guarded.turned_away.lock().unwrap() += 1;
        return StatusCode::UNAUTHORIZED;
    }
    guarded.taken.lock().unwrap().push(event);
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_and_tokens_that_are_taken_back_lose_nothing() {
    let guarded = Guarded::default();
    let app =
        Router::new().route("/token", post(issue)).route("/hook", post(take)).with_state(guarded.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let sink = |name: &str, id: &str| {
        let auth = format!(
            "auth = {{ oauth2 = {{ token_url = \"{base}/token\", client_id = \"{id}\", client_secret = {{ env = \"CRM_SECRET\" }} }} }}\n"
        );
        webhook(name, &format!("{base}/hook"), &format!("{auth}{NOT_BRIDGE}{KEEP_TRYING}"))
    };
    let mut scene = scene(Home::new(), &(sink("crm", "bridge") + &sink("stranger", "nobody"))).await;
    scene.publish(3).await;
    scene.until("cometbridge_sink_delivered_total{kind=\"webhook\",sink=\"crm\"}", |n| n > 0.0).await;
    // The server forgets its tokens: the next request is turned away, and asks for another.
    // One that is about to end is replaced before it is shown: then the next one is forgotten.
    let unauthorized = "cometbridge_sink_retries_total{reason=\"unauthorized\",sink=\"crm\"}";
    for _ in 0..3 {
        guarded.issued.lock().unwrap().iter_mut().for_each(|(token, _)| token.push_str("-gone"));
        let so_far = guarded.taken.lock().unwrap().len();
        scene.publish(1).await;
        eventually("another one was asked for", LIMIT, || async {
            (guarded.taken.lock().unwrap().len() > so_far).then_some(())
        })
        .await;
    }
    scene.until(unauthorized, |n| n > 0.0).await;
    // And then each ends in its own time, while events come.
    let before = guarded.issued.lock().unwrap().len();
    for round in 0..4 {
        scene.publish(1).await;
        let (wanted, issued) = (before + round, guarded.issued.clone());
        eventually("the token has ended", LIFE * 20, || {
            let ended = issued.lock().unwrap().last().is_some_and(|(_, at)| at.elapsed() >= LIFE);
            let fetched = issued.lock().unwrap().len() > wanted;
            async move { (ended || fetched).then_some(()) }
        })
        .await;
    }
    let wanted = scene.expected.events();
    scene.delivered("webhook", "crm", wanted).await;
    scene.complete("crm", &guarded.taken.lock().unwrap());
    let issued = guarded.issued.lock().unwrap().len();
    assert!(issued > 2 && issued < wanted, "{issued} tokens for {wanted} events");
    scene
        .home
        .logged(&["WARN", "sink=\"stranger\"", "reason=\"token\"", "answers 401 (invalid_client)"])
        .await;
    let home = scene.end().await;
    let log = home.log();
    assert!(!log.contains("token-") && !log.contains("whsec_"), "{log}");
    server.abort();
}
