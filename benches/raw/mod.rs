//! The raw loop: the least a client must do to hold a session, on hyper, one connection each.
//!
//! Deliberately absent: failures, advice, storing anything.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io::{Read, Write};
use tokio::net::TcpStream;

const PASSWORD: &str = "simulated";
/// Sessions that are opened at once.
const DIALS: usize = 256;

/// Opens `agents` sessions, says READY when every one has a held connect, and holds them.
pub fn run(url: &str, agents: usize) {
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let (ready, mut all) = tokio::sync::mpsc::channel(64);
        let dials = std::sync::Arc::new(tokio::sync::Semaphore::new(DIALS));
        for n in 1..=agents {
            tokio::spawn(session(address.clone(), n, ready.clone(), dials.clone()));
        }
        for _ in 0..agents {
            all.recv().await.unwrap();
        }
        println!("READY");
        std::future::pending::<()>().await;
    });
}

struct Session {
    address: String,
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
    cookies: Vec<String>,
}

async fn session(
    address: String,
    n: usize,
    ready: tokio::sync::mpsc::Sender<()>,
    dials: std::sync::Arc<tokio::sync::Semaphore>,
) {
    use base64::Engine;
    let dial = dials.acquire().await.unwrap();
    let stream = TcpStream::connect(&address).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("agent-{n}:{PASSWORD}"));
    let mut session =
        Session { address, sender, authorization: format!("Basic {basic}"), cookies: Vec::new() };
    session.call("GET", "/api/v2/me", Value::Null).await;
    let reply = session
        .call(
            "POST",
            "/api/v2/notifications/handshake",
            json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0",
            "supportedConnectionTypes": ["long-polling"], "ext": {"ack": true}}]),
        )
        .await;
    let client = reply[0]["clientId"].as_str().unwrap().to_owned();
    let subscribe = json!([{"id": "2", "channel": "/meta/subscribe", "clientId": client, "subscription": "/v2/me/chats"}]);
    session.call("POST", "/api/v2/notifications/subscribe", subscribe).await;
    let connect = |id: usize, ack: &Value, advice: Value| {
        json!([{"id": id.to_string(), "channel": "/meta/connect", "clientId": client, "connectionType": "long-polling",
            "ext": {"ack": ack}, "advice": advice}])
    };
    let first = session
        .call("POST", "/api/v2/notifications/connect", connect(3, &json!(0), json!({"timeout": 0})))
        .await;
    let mut ack = first.as_array().unwrap().last().unwrap()["ext"]["ack"].clone();
    drop(dial);
    ready.send(()).await.unwrap();
    for id in 4.. {
        let reply = session.call("POST", "/api/v2/notifications/connect", connect(id, &ack, json!({}))).await;
        ack = reply.as_array().unwrap().last().unwrap()["ext"]["ack"].clone();
    }
}

impl Session {
    async fn call(&mut self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("authorization", &self.authorization)
            .header("cookie", self.cookies.join("; "))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            self.cookies.push(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }
}

/// A plain GET on loopback, without a client library.
pub fn get(port: u16, path: &str) -> Option<String> {
    ask(port, &format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n"))
}

/// Sends a request as it is; the whole answer.
pub fn ask(port: u16, request: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
