//! A webhook receiver whose answer the test can change while it runs.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// One request that was answered with success.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: String,
    pub event: Value,
}

#[derive(Default)]
struct Inner {
    status: AtomicU16,
    attempts: Mutex<Vec<String>>,
    received: Mutex<Vec<Received>>,
}

pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let inner = Arc::new(Inner::default());
        inner.status.store(200, Ordering::SeqCst);
        let app = Router::new().route("/hook", post(take)).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Receiver { url, inner, task }
    }

    /// What every request is answered from now on.
    pub fn answer(&self, status: u16) {
        self.inner.status.store(status, Ordering::SeqCst);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.inner.received.lock().unwrap().len()
    }

    /// `webhook-id` of every request, refused ones included, in order of arrival.
    pub fn attempts(&self) -> Vec<String> {
        self.inner.attempts.lock().unwrap().clone()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let status = StatusCode::from_u16(inner.status.load(Ordering::SeqCst)).unwrap();
    let id = headers.get("webhook-id").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    inner.attempts.lock().unwrap().push(id);
    if status.is_success() {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let event = serde_json::from_str(&body).unwrap();
        inner.received.lock().unwrap().push(Received { headers, body, event });
    }
    status
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
