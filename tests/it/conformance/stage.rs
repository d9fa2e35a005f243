//! A server, a proxy before it, a daemon behind it, and receivers for notifications and for what the bridge says.

use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::Home;
use crate::harness::proxy::{Passed, Proxy};
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{BRIDGE, webhook};
use crate::harness::workload;
use crate::harness::{eventually, free_port};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the workload makes, and nothing that reconciling adds to it.
const CONTENT: &str = "match = { medium = [\"facebooksession\", \"agent\"], \
    event = [\"message\", \"status_change\", \"properties_updated\", \"state_change\"], visibility = [] }\n";

pub struct Stage {
    pub scene: Scene,
    pub proxy: Proxy,
    content: Receiver,
    bridge: Receiver,
    kind: Kind,
    like: Like,
    /// Of `run`, for the next process too.
    arguments: Vec<String>,
}

impl Stage {
    /// All agents are connected; `rounds` rounds wait to be published. `more` are keys of the site.
    pub async fn start(kind: Kind, like: Like, agents: usize, rounds: usize, more: &[&str]) -> Stage {
        let (content, bridge) = (Receiver::start().await, Receiver::start().await);
        let users = workload::users(agents);
        // A port that nobody is given while the server is away.
        let like = Like { port: free_port(), ..like };
        let server = Cometd::start_like(kind, &like, &users).await;
        let proxy = Proxy::before(server.port()).await;
        let home = Home::new();
        home.write_roster(&users);
        let sinks = webhook("content", &content.url, CONTENT) + &webhook("bridge", &bridge.url, BRIDGE);
        home.write_config(&proxy.url, &sinks);
        let keys: Vec<String> =
            ["max_backoff=1s"].iter().chain(more).map(|key| format!("site.main.{key}")).collect();
        let arguments: Vec<String> = keys.into_iter().flat_map(|key| ["--set".to_owned(), key]).collect();
        let mut daemon = home.start_with(&words(&arguments));
        daemon.connected(agents).await;
        let scene = Scene::around(server, home, daemon, &users, rounds);
        Stage { scene, proxy, content, bridge, kind, like, arguments }
    }

    /// The daemon ends: killed, or told to.
    pub async fn ended(&mut self, kill: bool) {
        self.scene.daemon.signal(if kill { "KILL" } else { "TERM" });
        eventually("the daemon ends", LIMIT, || {
            let ended = self.scene.daemon.has_ended();
            async move { ended }
        })
        .await;
    }

    /// A key of the site, for the processes to come.
    pub fn also(&mut self, key: &str) {
        self.arguments.extend(["--set".to_owned(), format!("site.main.{key}")]);
    }

    /// The daemon on the same state again.
    pub async fn begin_again(&mut self) {
        self.scene.daemon = self.scene.home.start_with(&words(&self.arguments));
        self.scene.daemon.connected(self.scene.users.len()).await;
    }

    /// The server dies and starts again on its port, with nothing of before in its memory.
    pub async fn server_anew(&mut self) {
        self.scene.server.end();
        let like = Like { port: self.scene.server.port(), ..self.like.clone() };
        self.scene.server = Cometd::start_like(self.kind, &like, &self.scene.users).await;
    }

    /// Publishes so many rounds and waits until everything published so far has arrived.
    pub async fn rounds(&mut self, rounds: usize, so_far: usize) {
        self.scene.publish(rounds).await;
        let expected = workload::script(&self.scene.talks, &self.scene.users, so_far).1;
        self.scene.delivered("webhook", "content", expected.events()).await;
    }

    /// All of the workload has arrived, each once and in order.
    pub async fn complete(&mut self) {
        let wanted = self.scene.expected.events();
        // By what the receiver has: a counter begins anew with each process. What a process had no time to note as
        // delivered comes again under its id.
        let once = || {
            let mut ids = std::collections::BTreeSet::new();
            let mut events = self.content.events();
            events.retain(|event| ids.insert(event["id"].to_string()));
            events
        };
        eventually("everything has arrived", LIMIT, || {
            let all = once().len() >= wanted;
            async move { all.then_some(()) }
        })
        .await;
        self.scene.complete("webhook", &once());
    }

    /// As `server_anew`, under a daemon that runs.
    pub async fn restart_server(&mut self) {
        self.scene.server.end();
        self.scene.until(CONNECTED, |n| n == 0.0).await;
        self.server_anew().await;
        let agents = self.scene.users.len() as f64;
        self.scene.until(CONNECTED, |n| n == agents).await;
    }

    /// What the daemon says of an agent, with its timeline.
    pub async fn agent(&self, key: &str) -> Value {
        let path = format!("/api/v1/agents/{key}");
        let (_, text) = eventually("the daemon answers", LIMIT, || self.scene.daemon.get(&path)).await;
        serde_json::from_str(&text).unwrap()
    }

    pub async fn struck(&self, faults: usize) {
        eventually("the fault has struck", LIMIT, || async { (self.proxy.struck() >= faults).then_some(()) })
            .await;
    }

    pub async fn subscribed(&self) {
        let all = self.scene.users.len();
        eventually("all are subscribed", LIMIT, || async {
            (self.scene.server.subscribed().await == all).then_some(())
        })
        .await;
    }

    /// Waits until so many gaps are closed.
    pub async fn closed(&self, gaps: usize) {
        eventually("the gaps are closed", LIMIT, || async {
            (self.said("gap_closed").len() >= gaps).then_some(())
        })
        .await;
    }

    /// What the bridge said with this word, in order.
    pub fn said(&self, word: &str) -> Vec<Value> {
        self.bridge.events().into_iter().filter(|event| event["event"] == word).collect()
    }

    /// Agent, cause and certainty of every gap; each was opened once and closed once, with the same words.
    pub fn gaps(&self) -> Vec<(String, String, String)> {
        let words = |event: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&event["agent"]), text(&event["data"]["cause"]), text(&event["data"]["certainty"]))
        };
        let of = |word: &str| {
            let mut all: Vec<_> = self.said(word).iter().map(words).collect();
            all.sort();
            all
        };
        assert_eq!(of("gap_opened"), of("gap_closed"));
        of("gap_opened")
    }

    /// Nobody has missed anything, and no session was given up.
    pub async fn no_gap(&self) {
        let daemon = &self.scene.daemon;
        assert_eq!(daemon.metric("cometbridge_session_gaps_total").await, 0.0, "{}", self.scene.home.log());
        assert_eq!(daemon.metric("cometbridge_session_lost_total").await, 0.0);
        let handshakes = self.scene.server.stats().await["handshakes"].as_u64().unwrap();
        assert_eq!(handshakes, self.scene.users.len() as u64, "one handshake each");
    }

    /// Connects that failed in this way so far.
    pub async fn connects(&self, result: &str) -> f64 {
        self.scene.daemon.metric(&connects(result)).await
    }

    /// The connects of each Bayeux session, in order.
    pub fn connects_by_session(&self) -> BTreeMap<String, Vec<(Value, Passed)>> {
        let mut sessions: BTreeMap<String, Vec<(Value, Passed)>> = BTreeMap::new();
        for request in self.proxy.passed() {
            let Ok(Value::Array(messages)) = serde_json::from_str(&request.body) else { continue };
            for message in messages.into_iter().filter(|message| message["channel"] == "/meta/connect") {
                let client = message["clientId"].as_str().unwrap().to_owned();
                sessions.entry(client).or_default().push((message, request.clone()));
            }
        }
        sessions
    }

    /// Stops it; whatever happened, it was a passive guest.
    pub async fn end(self) {
        let stats = self.scene.server.stats().await;
        assert_eq!((&stats["foreignPosts"], &stats["disconnects"]), (&0.into(), &0.into()));
        assert_eq!(stats["clientPublishes"], 0);
        self.scene.end().await;
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

pub const CONNECTED: &str = "cometbridge_sessions{site=\"main\",state=\"connected\"}";

pub fn connects(result: &str) -> String {
    format!("cometbridge_connects_total{{result=\"{result}\",site=\"main\"}}")
}
