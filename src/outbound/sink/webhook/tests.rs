//! The webhook sink against a real HTTP server whose answers the test sets.

mod auth;
mod refusals;

use super::keys::Keys;
use super::*;
use crate::outbound::settings::{BatchLimits, Refusal, Refusals};
use crate::outbound::sink::Sink;
use crate::outbound::sink::contract::{Bench, Ids, holds};
use crate::outbound::testing::delivery;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

pub const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

type Got = (HeaderMap, Bytes);
/// Status and headers.
type Answer = (u16, Vec<(&'static str, String)>);

/// A receiver: what it got, and its next answers (200 once they are used up).
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    /// Largest number of requests seen at one time, and how many there are now.
    load: Arc<Mutex<(usize, usize)>>,
    /// Requests wait here until this many are there.
    meet: Option<Arc<tokio::sync::Barrier>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    if body.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    {
        let mut load = receiver.load.lock().unwrap();
        load.1 += 1;
        load.0 = load.0.max(load.1);
    }
    if let Some(barrier) = &receiver.meet {
        barrier.wait().await;
    }
    receiver.load.lock().unwrap().1 -= 1;
    receiver.got.lock().unwrap().push((headers, body));
    let mut answers = receiver.answers.lock().unwrap();
    let (status, headers) = if answers.is_empty() { (200, Vec::new()) } else { answers.remove(0) };
    let mut response = (StatusCode::from_u16(status).unwrap(), "a text that stays here").into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn listen(receiver: Receiver) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().fallback(receive).with_state(receiver);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url.parse().unwrap()
}

pub fn config(url: Url) -> WebhookConfig {
    WebhookConfig {
        url,
        secrets: Vec::new(),
        mode: WebhookMode::Structured,
        batch: BatchLimits { events: 100, bytes: 1 << 20 },
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(10),
        concurrency: 4,
        rate: None,
        max_retry_after: Duration::from_secs(60),
        refusals: Refusals { others: Refusal::Retry, statuses: BTreeMap::new() },
        ca: None,
        client_certificate: None,
        proxy: None,
        proxy_password: None,
        allow_networks: Vec::new(),
        headers: Vec::new(),
        auth: None,
    }
}

/// Pauses that a test can sit out.
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(20), max: Duration::from_millis(40) };

async fn sink(config: &WebhookConfig) -> WebhookSink {
    WebhookSink::with_keys(config, BACKOFF, Keys::fixed(config, &[OLD, NEW])).await.unwrap()
}

async fn answered(status: u16, headers: Vec<(&'static str, String)>) -> (Vec<Outcome>, Receiver) {
    let receiver = Receiver::default();
    receiver.answers.lock().unwrap().push((status, headers));
    let sink = sink(&config(listen(receiver.clone()).await)).await;
    (sink.deliver(&[delivery(1, "a"), delivery(2, "a"), delivery(3, "b")]).await, receiver)
}

#[tokio::test]
async fn webhook_holds_the_contract() {
    let receiver = Receiver::default();
    let sink = Sink::Webhook(sink(&config(listen(receiver.clone()).await)).await);
    let received = Box::new(move || {
        let ids: Vec<String> = receiver
            .got
            .lock()
            .unwrap()
            .iter()
            .map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned())
            .collect();
        Box::pin(async move { ids }) as Ids
    });
    holds(Bench { sink, received }).await;
}

#[tokio::test]
async fn every_request_is_signed_with_each_secret_over_its_exact_bytes() {
    let receiver = Receiver::default();
    let sink = sink(&config(listen(receiver.clone()).await)).await;
    assert_eq!(sink.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
    let (headers, body) = receiver.got.lock().unwrap().remove(0);
    for secret in [OLD, NEW] {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&body, &headers).unwrap();
    }
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    let envelope: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(envelope["id"], headers["webhook-id"].to_str().unwrap());
}

#[tokio::test]
async fn a_failure_holds_its_key_and_no_other() {
    let receiver = Receiver::default();
    receiver.answers.lock().unwrap().push((500, vec![("retry-after", "17".to_owned())]));
    let sink = sink(&config(listen(receiver.clone()).await)).await;
    let outcomes = sink.deliver(&[delivery(1, "a"), delivery(2, "a")]).await;
    let [Outcome::Retry { cause, after }, Outcome::Held] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((cause.reason, *after), ("http-5xx", Some(Duration::from_secs(17))));
    assert!(!cause.detail.contains("text that stays"), "{}", cause.detail);
    assert_eq!(receiver.got.lock().unwrap().len(), 1);
    assert_eq!(sink.deliver(&[delivery(1, "a"), delivery(2, "a")]).await, vec![Outcome::Done; 2]);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_not_followed() {
    let receiver = Receiver::default();
    let elsewhere = listen(receiver.clone()).await;
    let (outcomes, _) = answered(307, vec![("location", elsewhere.to_string())]).await;
    let redirects = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Retry { cause, .. } if cause.reason == "redirect"));
    assert_eq!(redirects.count(), 1, "{outcomes:?}");
    assert!(receiver.got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn keys_go_side_by_side_up_to_the_limit() {
    let receiver = Receiver { meet: Some(Arc::new(tokio::sync::Barrier::new(4))), ..Receiver::default() };
    let sink = sink(&config(listen(receiver.clone()).await)).await;
    let batch: Vec<_> = (0..8).map(|number| delivery(number, &format!("k{number}"))).collect();
    // The receiver answers only when four are there: with fewer side by side this would never end.
    assert_eq!(sink.deliver(&batch).await, vec![Outcome::Done; 8]);
    assert_eq!(receiver.load.lock().unwrap().0, 4);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_named_without_its_url() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/secret-path", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let sink = sink(&config(url)).await;
    let outcomes = sink.deliver(&[delivery(1, "a")]).await;
    let [Outcome::Retry { cause, .. }] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(cause.reason, "connect");
    assert!(!cause.detail.contains("secret-path"), "{}", cause.detail);
    assert_eq!(sink.probe().await.unwrap_err().reason, "connect");
}

#[tokio::test]
async fn a_receiver_that_never_answers_times_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let config = WebhookConfig { timeout: Duration::from_millis(50), ..config(url) };
    let outcomes = sink(&config).await.deliver(&[delivery(1, "a")]).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Retry { cause, .. }] if cause.reason == "timeout"),
        "{outcomes:?}"
    );
    drop(listener);
}

#[tokio::test]
async fn where_the_operator_wants_no_signature_none_is_sent() {
    let receiver = Receiver::default();
    let sink = WebhookSink::build(&config(listen(receiver.clone()).await), BACKOFF).await.unwrap();
    assert_eq!(sink.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
    let (headers, _) = receiver.got.lock().unwrap().remove(0);
    assert!(headers.contains_key("webhook-id") && headers.contains_key("webhook-timestamp"));
    assert!(!headers.contains_key("webhook-signature"));
}
