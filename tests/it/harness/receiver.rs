//! A webhook receiver whose answer the test can change while it runs, for all events or for some.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One request that was answered with success.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: String,
    pub event: Value,
}

/// One request, whatever it was answered.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: String,
    pub headers: HeaderMap,
    pub body: String,
    pub status: u16,
    pub at: Instant,
}

/// What an event is answered; `Retry-After` in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<u32>,
}

impl From<u16> for Reply {
    fn from(status: u16) -> Reply {
        Reply { status, retry_after: None }
    }
}

type Rule = Arc<dyn Fn(&Value) -> Reply + Send + Sync>;

struct Inner {
    rule: Mutex<Rule>,
    attempts: Mutex<Vec<Attempt>>,
    received: Mutex<Vec<Received>>,
}

pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let inner = Arc::new(Inner {
            rule: Mutex::new(Arc::new(|_| 200.into())),
            attempts: Mutex::default(),
            received: Mutex::default(),
        });
        let app = Router::new().route("/hook", post(take)).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Receiver { url, inner, task }
    }

    /// What every request is answered from now on.
    pub fn answer(&self, status: u16) {
        self.answer_by(move |_| status.into());
    }

    /// What each event is answered from now on.
    pub fn answer_by(&self, rule: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        *self.inner.rule.lock().unwrap() = Arc::new(rule);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    pub fn events(&self) -> Vec<Value> {
        self.received().into_iter().map(|received| received.event).collect()
    }

    /// Every event at its first arrival. Those that came again are no more than the tries that failed, and the
    /// same to the byte.
    pub fn events_once(&self, failed_tries: f64) -> Vec<Value> {
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        let (mut events, mut again) = (Vec::new(), 0);
        for received in self.received() {
            let id = received.event["id"].as_str().unwrap().to_owned();
            match bodies.get(&id) {
                Some(first) => {
                    assert_eq!(*first, received.body, "one id, two contents");
                    again += 1;
                }
                None => {
                    bodies.insert(id, received.body);
                    events.push(received.event);
                }
            }
        }
        assert!(f64::from(again) <= failed_tries, "{again} came again, and only {failed_tries} tries failed");
        events
    }

    pub fn count(&self) -> usize {
        self.inner.received.lock().unwrap().len()
    }

    /// Every request, refused ones included, in order of arrival.
    pub fn tries(&self) -> Vec<Attempt> {
        self.inner.attempts.lock().unwrap().clone()
    }

    /// How often it answered so.
    pub fn answered(&self, status: u16) -> usize {
        self.inner.attempts.lock().unwrap().iter().filter(|attempt| attempt.status == status).count()
    }

    /// Every try of each event had the same envelope, but for what says that a later one is late.
    pub fn bodies_never_change_but_for_late(&self) {
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        for attempt in self.tries() {
            let mut event: Value = serde_json::from_str(&attempt.body).unwrap();
            event.as_object_mut().unwrap().remove("late");
            let first = seen.entry(attempt.id.clone()).or_insert_with(|| event.clone());
            assert_eq!(*first, event, "{} changed between tries", attempt.id);
        }
    }

    /// Every try of each event had the same bytes; the tries of each.
    pub fn bodies_never_change(&self) -> BTreeMap<String, usize> {
        let mut seen: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for attempt in self.tries() {
            let first = seen.entry(attempt.id.clone()).or_insert_with(|| (attempt.body.clone(), 0));
            assert_eq!(first.0, attempt.body, "the body of {} changed between tries", attempt.id);
            first.1 += 1;
        }
        seen.into_iter().map(|(id, (_, tries))| (id, tries)).collect()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let id = headers.get("webhook-id").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let event: Value = serde_json::from_str(&body).unwrap();
    let rule = inner.rule.lock().unwrap().clone();
    let reply = rule(&event);
    let status = StatusCode::from_u16(reply.status).unwrap();
    inner.attempts.lock().unwrap().push(Attempt {
        id,
        headers: headers.clone(),
        body: body.clone(),
        status: reply.status,
        at: Instant::now(),
    });
    if status.is_success() {
        inner.received.lock().unwrap().push(Received { headers, body, event });
    }
    let mut response = status.into_response();
    if let Some(seconds) = reply.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status.is_redirection() {
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/hook"));
    }
    response
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
