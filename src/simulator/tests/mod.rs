//! The simulator as a client sees it, over real sockets.

use super::*;
use reqwest::header::{COOKIE, SET_COOKIE};
use secrecy::SecretString;
use serde_json::{Value, json};

mod control;
mod faults;
mod protocol;
mod scenario;
mod wire;

const CHANNEL: &str = "/v2/me/facebooksession";

/// A client with its own cookies; the simplest thing that can talk Bayeux.
struct Client {
    http: reqwest::Client,
    url: String,
    cookies: Vec<(String, String)>,
    csrf: Option<String>,
    id: String,
    sent: u64,
}

impl Client {
    fn new(simulator: &Handle) -> Client {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Client { http, url: simulator.url(), cookies: Vec::new(), csrf: None, id: String::new(), sent: 0 }
    }

    fn keep(&mut self, response: &reqwest::Response) {
        for value in response.headers().get_all(SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn login(&mut self, user: &str, password: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}/api/v2/me", self.url)).basic_auth(user, Some(password));
        let response = request.send().await.unwrap();
        self.keep(&response);
        self.csrf = response.headers().get("x-csrf-token").map(|value| value.to_str().unwrap().to_owned());
        response
    }

    fn request(&mut self, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v2/notifications/x", self.url);
        let request = self.http.post(url).header(COOKIE, self.cookie()).body(body.to_string());
        match &self.csrf {
            Some(token) => request.header("X-CSRF-TOKEN", token),
            None => request,
        }
    }

    async fn post(&mut self, body: Value) -> (u16, Vec<Value>) {
        let response = self.request(&body).send().await.unwrap();
        self.keep(&response);
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn handshake(&mut self, ack: bool) -> Value {
        let body = json!([{"channel": "/meta/handshake", "id": "h", "version": "1.0",
            "supportedConnectionTypes": ["long-polling"], "ext": {"ack": ack}}]);
        let reply = self.post(body).await.1.remove(0);
        self.id = reply["clientId"].as_str().unwrap_or_default().to_owned();
        reply
    }

    async fn subscribe(&mut self, subscription: Value) -> Value {
        let body = json!([{"channel": "/meta/subscribe", "id": "s", "clientId": self.id, "subscription": subscription}]);
        self.post(body).await.1.remove(0)
    }

    fn connect_body(&mut self, ack: Option<u64>, timeout: Option<u64>) -> Value {
        self.sent += 1;
        let mut message = json!({"channel": "/meta/connect", "id": self.sent.to_string(), "clientId": self.id,
            "connectionType": "long-polling"});
        if let Some(ack) = ack {
            message["ext"] = json!({"ack": ack});
        }
        if let Some(timeout) = timeout {
            message["advice"] = json!({"timeout": timeout});
        }
        json!([message])
    }

    async fn connect(&mut self, ack: Option<u64>, timeout: Option<u64>) -> (u16, Vec<Value>) {
        let body = self.connect_body(ack, timeout);
        self.post(body).await
    }

    /// A logged-in, subscribed client that has made its first connect (batch 1).
    async fn ready(simulator: &Handle, user: &str, ack: bool) -> Client {
        let mut client = Client::new(simulator);
        assert_eq!(client.login(user, "pw").await.status(), 200);
        assert_eq!(client.handshake(ack).await["successful"], true);
        assert_eq!(client.subscribe(json!(CHANNEL)).await["successful"], true);
        assert_eq!(client.connect(ack.then_some(0), Some(0)).await.0, 200);
        client
    }
}

fn options(users: usize) -> Options {
    Options { users: numbered_users(users, &SecretString::from("pw")), ..Options::default() }
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

/// The data messages of a body, by their `n`.
fn data(messages: &[Value]) -> Vec<u64> {
    messages.iter().filter_map(|message| message["data"]["n"].as_u64()).collect()
}

fn publish(simulator: &Handle, user: &str, n: u64) -> usize {
    simulator.publish_tagged(user, CHANNEL, &raw(&json!({"n": n})), &n.to_string())
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

/// `reqwest` is built without its JSON feature.
trait JsonValue {
    async fn json_value(self) -> Value;
}

impl JsonValue for reqwest::Response {
    async fn json_value(self) -> Value {
        serde_json::from_slice(&self.bytes().await.unwrap()).unwrap()
    }
}
