//! A simulator, a daemon, a receiver of every event, and conversations that are known before anything goes wrong.

use crate::harness::cometd::{Cometd, Kind, Like, Publish};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::webhook;
use crate::harness::workload::{self, CHANNEL, Conversation};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub struct Stage {
    pub server: Cometd,
    pub home: Home,
    pub daemon: Daemon,
    pub users: Vec<String>,
    receiver: Receiver,
    /// Keys of the daemon.
    pub more: Vec<String>,
}

/// Of a daemon that compares nothing by itself.
pub const NO_ROUTINE: &str = "reconcile_every=0s";

pub fn talk(users: &[String], number: usize) -> Conversation {
    let [one, other] = [users[0].clone(), users[users.len() - 1].clone()];
    Conversation { id: format!("0000Na9B26{number:06}X"), users: [one, other] }
}

impl Stage {
    /// All agents are connected and were read for the first time. `more` are keys of the site.
    pub async fn start(like: Like, agents: usize, more: &[&str], sinks: &str) -> Stage {
        let users = workload::users(agents);
        let server = Cometd::start_like(Kind::Simulator, &like, &users).await;
        let (home, receiver) = (Home::new(), Receiver::start().await);
        home.write_roster(&users);
        home.write_config(&server.url, &(webhook("all", &receiver.url, "") + sinks));
        let more: Vec<String> =
            ["max_backoff=1s"].iter().chain(more).map(|key| format!("site.main.{key}")).collect();
        let daemon = run(&home, &more);
        let mut stage = Stage { server, home, daemon, users, receiver, more };
        stage.daemon.connected(agents).await;
        stage.readings(agents).await;
        stage
    }

    /// Waits for so many readings of whatever result.
    pub async fn readings(&mut self, count: usize) {
        let count = count as f64;
        self.daemon.until("cometbridge_session_readings_total", LIMIT, |n| n >= count).await;
    }

    /// Kills the daemon, does what is to be done meanwhile, and starts it again.
    pub async fn killed(self, meanwhile: impl AsyncFnOnce(&Cometd)) -> Stage {
        let agents = self.users.len();
        self.killed_and_back(agents, meanwhile).await
    }

    /// The same where so many agents stand in the roster by then.
    pub async fn killed_and_back(mut self, agents: usize, meanwhile: impl AsyncFnOnce(&Cometd)) -> Stage {
        self.daemon.kill();
        meanwhile(&self.server).await;
        self.daemon = run(&self.home, &self.more);
        self.daemon.connected(agents).await;
        self
    }

    /// Notifies one agent of a log's items.
    pub async fn say(&self, user: usize, talk: &Conversation, from: usize, to: usize) {
        self.tell(user, talk.log(from, to)).await;
    }

    pub async fn tell(&self, user: usize, data: Value) {
        self.tell_on(user, CHANNEL, data).await;
    }

    /// Tells an agent something on a channel of the test's choice.
    pub async fn tell_on(&self, user: usize, channel: &str, data: Value) {
        let (user, channel, tag) = (self.users[user].clone(), channel.to_owned(), "any".to_owned());
        self.server.publish(&[Publish { user, channel, data, tag }]).await;
    }

    /// The agent takes part in a conversation of which `items` items were told.
    pub async fn begin(&self, user: usize, talk: &Conversation, items: usize) {
        self.tell(user, talk.state(1)).await;
        self.say(user, talk, 1, items).await;
        let (agent, last) = (agent(user), talk.message_id(items));
        self.event("the state came", |e| e["event"] == "status_change" && e["agent"] == *agent).await;
        self.event("the last item came", |e| e["id"] == *last).await;
    }

    /// What REST shows an agent: these conversations, each with so many log items.
    pub async fn rest(&self, user: usize, talks: &[(&Conversation, usize)]) {
        let list: Vec<Value> =
            talks.iter().map(|(talk, _)| talk.state(1)["facebooksession"].clone()).collect();
        self.server.resource(&self.users[user], "facebooksessions", json!(list)).await;
        for (talk, items) in talks {
            let path = format!("facebooksessions/{}/messages", talk.id);
            self.server.resource(&self.users[user], &path, talk.log(1, *items)["messages"].clone()).await;
        }
    }

    /// Replaces the roster by these lines of agent, user name and base URL.
    pub fn roster(&self, agents: &[(usize, &str)]) {
        let line = |(user, base): &(usize, &str)| format!("{},{},{base}\n", agent(*user), self.users[*user]);
        let text: String = agents.iter().map(line).collect();
        let new = self.home.write("agents.csv.new", &format!("agent,username,base_url\n{text}"));
        std::fs::rename(new, self.home.path("agents.csv")).unwrap();
    }

    /// The user's session is lost, and no new one is given: its gap, which stays open.
    pub async fn lose(&self, user: usize) -> Value {
        let name = &self.users[user];
        let refused =
            json!({"fault": "status", "user": name, "status": 400, "on": "handshake", "count": 100_000});
        self.server.fault(refused).await;
        self.server.drop_session(name).await;
        let agent = agent(user);
        self.event("the gap opens", |event| event["event"] == "gap_opened" && event["agent"] == *agent).await
    }

    pub fn events(&self) -> Vec<Value> {
        self.receiver.events()
    }

    /// Waits for an event.
    pub async fn event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, LIMIT, || async { self.events().into_iter().find(|event| wanted(event)) }).await
    }

    /// Waits until a gap is closed under an interaction, for an agent.
    pub async fn closed(&self, user: usize, talk: &Conversation) -> Value {
        let agent = agent(user);
        let event = self
            .event("the interaction's gap is closed", |e| {
                is_gap(e, "closed") && e["agent"] == *agent && e["interaction"] == *talk.id
            })
            .await;
        event["data"].clone()
    }

    /// Every id once.
    pub fn nothing_twice(&self) {
        let mut ids = BTreeSet::new();
        for event in self.events() {
            assert!(ids.insert(event["id"].to_string()), "twice: {event}");
        }
    }

    /// Of one conversation, in order: items by their index, gaps by their phase, others by their name; an item
    /// that was read and not told has an `r`.
    pub fn story(&self, talk: &Conversation) -> Vec<String> {
        let mut ids = BTreeSet::new();
        let mut events = self.events();
        // What came again after a kill is no news.
        events.retain(|event| event["interaction"] == *talk.id && ids.insert(event["id"].to_string()));
        events.iter().map(|event| word(event, talk)).collect()
    }

    pub async fn end(self) {
        assert!(self.daemon.stop().await.success());
        self.home.log_is_clean(&self.users);
    }
}

fn run(home: &Home, keys: &[String]) -> Daemon {
    let arguments: Vec<&str> = keys.iter().flat_map(|key| ["--set", key.as_str()]).collect();
    home.start_with(&arguments)
}

pub fn agent(user: usize) -> String {
    (1001 + user).to_string()
}

pub fn is_gap(event: &Value, phase: &str) -> bool {
    event["event"] == "gap" && event["data"]["phase"] == phase
}

/// One event as [`Stage::story`] tells it; it must stand under its conversation's key.
pub fn word(event: &Value, talk: &Conversation) -> String {
    assert_eq!(event["partitionkey"], format!("main/{}", talk.id), "{event}");
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    match text("event").as_str() {
        "message" => {
            let index = text("id").rsplit('/').next().unwrap().to_owned();
            let read = if event["origin"] == "snapshot" { "r" } else { "" };
            format!("{index}{read}")
        }
        "gap" => format!("{} {}", event["data"]["phase"].as_str().unwrap(), text("agent")),
        "ended_unseen" => format!("ended {}", text("agent")),
        other => other.to_owned(),
    }
}
