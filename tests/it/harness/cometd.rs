//! A CometD server nobody here wrote, and its control API.

use super::{http, root};
use cometbridge::simulator;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Java,
    Node,
    /// Our own `cometbridge simulate`, for faults that real servers do not have.
    Simulator,
}

enum Running {
    /// Ends when its stdin ends, too.
    Process(Child, ChildStdin),
    /// The simulator in this process, where it takes what its command line has no words for.
    Here(simulator::Handle),
    Ended,
}

/// How a server is to be, whichever it is.
#[derive(Clone, Debug)]
pub struct Like {
    pub ack: bool,
    pub csrf: bool,
    /// Milliseconds that a connect is held, that a client is told to wait, that a session lives between connects.
    pub timeout: u64,
    pub interval: u64,
    pub max_interval: u64,
    pub denied: Option<&'static str>,
    /// Whether the reply to a handshake may carry messages.
    pub handshake_delivery: bool,
    /// Zero for any.
    pub port: u16,
}

impl Default for Like {
    fn default() -> Like {
        Like {
            ack: true,
            csrf: false,
            timeout: 20_000,
            interval: 0,
            max_interval: 10_000,
            denied: None,
            handshake_delivery: false,
            port: 0,
        }
    }
}

pub struct Cometd {
    running: Running,
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
        Cometd { url: url.to_owned(), running: Running::Process(child, stdin), client: http() }
    }

    /// One of the three, with these users and their passwords `pw-<user>`.
    pub async fn start_like(kind: Kind, like: &Like, users: &[String]) -> Cometd {
        if !matches!(kind, Kind::Simulator) {
            let mut arguments: Vec<String> = Vec::new();
            let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
            option("ack", like.ack.to_string());
            option("csrf", like.csrf.to_string());
            option("timeout", like.timeout.to_string());
            option("interval", like.interval.to_string());
            option("max-interval", like.max_interval.to_string());
            option("port", like.port.to_string());
            if let Some(channel) = like.denied {
                option("deny-channel", channel.to_owned());
            }
            if like.handshake_delivery {
                option("handshake-delivery", "true".to_owned());
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            return Cometd::start(kind, &arguments);
        }
        let user = |(number, name): (usize, &String)| simulator::User {
            agent: (1001 + number).to_string(),
            username: name.clone(),
            password: SecretString::from(format!("pw-{name}")),
        };
        let options = simulator::Options {
            listen: ([127, 0, 0, 1], like.port).into(),
            users: users.iter().enumerate().map(user).collect(),
            ack: like.ack,
            csrf: like.csrf,
            timeout: Duration::from_millis(like.timeout),
            max_interval: Duration::from_millis(like.max_interval),
            denied_channels: like.denied.into_iter().map(str::to_owned).collect(),
            ..simulator::Options::default()
        };
        // The port of one that has just ended may be taken for a moment still.
        let handle = super::eventually("the simulator listens", Duration::from_secs(30), || async {
            simulator::start(options.clone()).await.ok()
        })
        .await;
        Cometd { url: handle.url(), running: Running::Here(handle), client: http() }
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
        let answer = self.post("/control/publish", &publications(batch)).await;
        answer["delivered"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
    }

    /// Sessions, channels and held connects by user.
    pub async fn sessions(&self) -> Value {
        self.get("/control/sessions").await
    }

    /// Users that have a session subscribed to something.
    pub async fn subscribed(&self) -> usize {
        let users = self.sessions().await;
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

    /// The simulator only: what `GET /api/v2/me/{path}` shows a user from now on.
    pub async fn resource(&self, user: &str, path: &str, value: Value) {
        self.post("/simulator/resources", &json!({"user": user, "path": path, "value": value})).await;
    }

    /// Tags of notifications whose batch a client has acknowledged.
    pub async fn acked(&self) -> std::collections::HashSet<String> {
        let tags = self.get("/control/acked").await;
        tags["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    pub async fn stats(&self) -> Value {
        self.get("/control/stats").await
    }

    /// Java only: keeps messages for the handshakes of the users' next sessions.
    pub async fn welcome(&self, batch: &[Publish]) {
        self.post("/control/welcome", &publications(batch)).await;
    }

    /// Users with a connect that is held now.
    pub async fn held(&self) -> usize {
        let users = self.sessions().await;
        let held = |user: &&Value| user["held"].as_u64() == Some(1) && user["sessions"].as_u64() == Some(1);
        users["users"].as_object().map_or(0, |users| users.values().filter(held).count())
    }

    /// Ends it at once, as a crash does.
    pub fn end(&mut self) {
        match std::mem::replace(&mut self.running, Running::Ended) {
            Running::Process(mut child, _stdin) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            // Its tasks and their sockets go with it.
            Running::Here(handle) => drop(handle),
            Running::Ended => {}
        }
    }
}

fn publications(batch: &[Publish]) -> Value {
    let one = |p: &Publish| json!({"user": p.user, "channel": p.channel, "data": p.data, "tag": p.tag});
    Value::Array(batch.iter().map(one).collect())
}

impl Drop for Cometd {
    fn drop(&mut self) {
        self.end();
    }
}
