//! OAUTHBEARER: tokens from a server of the tests' own, which end every few seconds.

use super::stage::Stage;
use crate::data_path::event_of;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, stdout};
use crate::harness::workload;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// In seconds; the client asks for the next one at four fifths of it.
const LIFE: u64 = 5;

#[derive(Default)]
struct Counts {
    given: AtomicUsize,
    refused: AtomicUsize,
}

/// Gives tokens that nobody signed to the client `bridge` with the secret `s3 cret/+`.
async fn token(State(counts): State<Arc<Counts>>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    // RFC 6749, 2.3.1: both are form-encoded, then Basic.
    let wanted = format!("Basic {}", STANDARD.encode("bridge:s3+cret%2F%2B"));
    let known = headers.get("authorization").is_some_and(|given| given.as_bytes() == wanted.as_bytes());
    if !known || body != "grant_type=client_credentials&scope=kafka" {
        counts.refused.fetch_add(1, Ordering::SeqCst);
        let answer = json!({ "error": "invalid_client", "error_description": "who is that" });
        return (StatusCode::UNAUTHORIZED, answer.to_string());
    }
    counts.given.fetch_add(1, Ordering::SeqCst);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "sub": "bridge", "iat": now, "exp": now + LIFE });
    let token = format!("{}.{}.", part(json!({ "alg": "none" })), part(claims));
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFE });
    (StatusCode::OK, answer.to_string())
}

async fn token_server() -> (String, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let router = Router::new().route("/token", post(token)).with_state(counts.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    (url, counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_end_and_a_refused_secret_is_said_and_read_anew() {
    let stage = Stage::new().await;
    stage.kafka.prepare(&["tokens"], &[("User:bridge", "Write", "tokens")]).await;
    let (url, counts) = token_server().await;
    let secret = stage.home.write("client.secret", "not the one\n");
    let oauth = format!(
        "oauth2 = {{ token_url = \"{url}\", client_id = \"bridge\", client_secret = {{ file = \"{}\" }}, scopes = [\"kafka\"] }}",
        secret.display()
    );
    let sinks = stage.sink("tokens", stage.token, "", &oauth) + &stdout("console", NOT_BRIDGE);
    let server = Cometd::start(Kind::Java, &[]);
    let users = workload::users(3);
    stage.home.write_roster(&users);
    stage.home.write_config(&server.url, &sinks);

    let words = "answers 401 (invalid_client): check client_id and client_secret";
    let said = stage.checked(1, "sink.kafka.tokens: token: the token endpoint at 127.0.0.1:").await;
    assert!(said.contains(words) && !said.contains("not the one") && !said.contains("who is that"), "{said}");

    let Stage { kafka, home, .. } = stage;
    let mut scene = Scene::on(server, home, &users, 20, &sinks, &[]).await;
    scene.publish(5).await;
    scene.home.logged(&["WARN", "sink=\"tokens\"", "reason=\"token\"", words]).await;
    scene.until("cometbridge_kafka_tokens_total{result=\"failed\",sink=\"tokens\"}", |n| n > 0.0).await;
    assert!(counts.refused.load(Ordering::SeqCst) > 0 && counts.given.load(Ordering::SeqCst) == 0);

    scene.home.write("client.secret", "s3 cret/+\n");
    let so_far = scene.stdout_events().len();
    scene.delivered("kafka", "tokens", so_far).await;
    // Through three lives of a token, publishing all the while.
    for round in 1..=3 {
        scene.publish(5).await;
        let given = counts.given.load(Ordering::SeqCst) + 1;
        crate::harness::eventually("the next token", Duration::from_secs(60), || {
            let now = counts.given.load(Ordering::SeqCst);
            async move { (now >= given).then_some(()) }
        })
        .await;
        println!("round {round}: {given} tokens");
    }
    let all = scene.expected.events();
    scene.delivered("kafka", "tokens", all).await;
    let records = kafka.read("tokens", all, Duration::from_secs(20)).await;
    scene.complete("tokens", &records.iter().map(event_of).collect::<Vec<_>>());
    let metrics = scene.daemon.metrics().await;
    assert!(!metrics.contains("sink_dead_letters_total{reason=\"token\",sink=\"tokens\"} 1"), "{metrics}");
    for shown in [scene.home.log(), metrics] {
        assert!(!shown.contains("s3 cret") && !shown.contains("eyJ"), "no token and no secret is shown");
    }
    scene.end().await;
}
