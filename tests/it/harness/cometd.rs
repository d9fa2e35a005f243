//! A CometD server nobody here wrote, and its control API.

use super::{http, root};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Java,
    Node,
    /// Our own `cometbridge simulate`, for faults that real servers do not have.
    Simulator,
}

pub struct Cometd {
    child: Child,
    _stdin: ChildStdin,
    pub url: String,
    client: reqwest::Client,
}

/// One notification to publish.
#[derive(Clone, Debug)]
pub struct Publish {
    pub user: String,
    pub channel: String,
    pub data: Value,
    pub tag: String,
}

impl Cometd {
    pub fn start(kind: Kind, arguments: &[&str]) -> Cometd {
        let mut command = match kind {
            Kind::Java => Command::new(root().join("tests/peers/run-cometd-java.sh")),
            Kind::Node => Command::new(root().join("tests/peers/run-cometd-node.sh")),
            Kind::Simulator => Command::new(super::daemon::BINARY),
        };
        if matches!(kind, Kind::Simulator) {
            command.args(["simulate", "--rate", "0"]);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peer starts: run tests/peers/setup.sh");
        let stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("{kind:?} said {line:?}"));
        Cometd { url: url.to_owned(), child, _stdin: stdin, client: http() }
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let reply =
            self.client.post(format!("{}{path}", self.url)).body(body.to_string()).send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        serde_json::from_str(&reply.text().await.unwrap()).unwrap()
    }

    /// Publishes in order; to how many live sessions each one went.
    pub async fn publish(&self, batch: &[Publish]) -> Vec<u64> {
        let body: Vec<Value> = batch
            .iter()
            .map(|p| json!({"user": p.user, "channel": p.channel, "data": p.data, "tag": p.tag}))
            .collect();
        let answer = self.post("/control/publish", &Value::Array(body)).await;
        answer["delivered"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
    }

    /// Users that have a session subscribed to something.
    pub async fn subscribed(&self) -> usize {
        let users = self.get("/control/sessions").await;
        users["users"].as_object().map_or(0, |users| {
            users.values().filter(|user| user["channels"].as_array().is_some_and(|c| !c.is_empty())).count()
        })
    }

    pub async fn drop_session(&self, user: &str) {
        self.post("/control/drop", &json!({"user": user})).await;
    }

    pub async fn expire(&self, user: &str) {
        self.post("/control/expire", &json!({"user": user})).await;
    }

    pub async fn login_mode(&self, user: &str, mode: &str) {
        self.post("/control/login", &json!({"user": user, "mode": mode})).await;
    }

    /// The simulator only: one fault.
    pub async fn fault(&self, fault: Value) {
        self.post("/simulator/faults", &fault).await;
    }

    /// Tags of notifications whose batch a client has acknowledged.
    pub async fn acked(&self) -> std::collections::HashSet<String> {
        let tags = self.get("/control/acked").await;
        tags["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    pub async fn stats(&self) -> Value {
        self.get("/control/stats").await
    }

    /// Ends it at once, as a crash does.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Cometd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
