//! The simulated contact centre: agents with states, conversations with a log, and what the agents are told.
//!
//! Each act changes the state that REST shows and returns the notifications for the agents concerned, as one
//! step. Pure: the time goes in. Deliberately absent: who does what when (see `day`), sessions, delivery.

mod acts;
mod agent;
mod conversation;
mod views;

pub use acts::item;
pub use agent::{Place, Readiness};
pub use conversation::{Item, Kind, Medium, Speaker};

use super::ledger::Label;
use super::options::User;
use super::script::{DEVICES, FACEBOOK};
use agent::Agent;
use conversation::Conversation;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A notification for one agent.
#[derive(Clone, Debug)]
pub struct Note {
    pub user: Arc<str>,
    pub channel: &'static str,
    pub data: Value,
    pub label: Label,
}

/// The contact centre; agents are named by their place among the simulator's users.
#[derive(Debug)]
pub struct World {
    url: Arc<str>,
    /// Stands in every id, so that days of different seeds share none.
    prefix: String,
    agents: Vec<Agent>,
    places: HashMap<Arc<str>, usize>,
    conversations: HashMap<Arc<str>, Conversation>,
    begun: u64,
    ended: VecDeque<Conversation>,
    keep_ended: usize,
    ended_forgotten: u64,
}

impl World {
    /// All agents are there, not ready, without conversations. `url` is the server's own.
    pub fn new(url: &str, users: &[User], seed: u64, keep_ended: usize) -> World {
        let agents: Vec<Agent> = users.iter().map(|user| Agent::new(&user.username)).collect();
        World {
            url: url.into(),
            prefix: super::script::base36(seed % 36u64.pow(4), 4),
            places: agents.iter().enumerate().map(|(at, agent)| (Arc::clone(&agent.name), at)).collect(),
            agents,
            conversations: HashMap::new(),
            begun: 0,
            ended: VecDeque::new(),
            keep_ended,
            ended_forgotten: 0,
        }
    }

    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// The conversations an agent is invited to or takes part in.
    pub fn open(&self, agent: usize) -> &[Arc<str>] {
        self.agents.get(agent).map(|agent| agent.open.as_slice()).unwrap_or_default()
    }

    /// The agents that take part, in the order they joined; empty where the conversation is over.
    pub fn present(&self, id: &str) -> Vec<usize> {
        self.conversations.get(id).map(Conversation::chatting).unwrap_or_default()
    }

    /// Whether the agent has been invited to the conversation and has not answered.
    pub fn invited(&self, id: &str, agent: usize) -> bool {
        self.conversations.get(id).is_some_and(|conversation| conversation.is_invited(agent))
    }

    fn place(&self, user: &str) -> Option<usize> {
        self.places.get(user).copied()
    }

    fn name(&self, agent: usize) -> Arc<str> {
        self.agents.get(agent).map(|agent| Arc::clone(&agent.name)).unwrap_or_default()
    }
}

/// A notification nobody expects, on its channel; each is well-formed JSON.
pub fn odd(variant: usize) -> (&'static str, Value) {
    let message = |items: Value| json!({"messageType": "MessageLogUpdated", "messages": items, "facebooksessionPath": "/facebooksessions/0000ODD"});
    match variant % 8 {
        0 => (FACEBOOK, Value::Null),
        1 => (FACEBOOK, json!("text where an object was expected")),
        2 => (FACEBOOK, json!({"messageType": "MessageLogUpdated", "messages": "none"})),
        3 => (FACEBOOK, message(json!([{"index": "five", "type": 7, "from": [], "text": {"a": 1}}]))),
        4 => (FACEBOOK, message(json!([null, 1, "x", {"index": 1e300, "text": "late"}]))),
        5 => (DEVICES, json!({"messageType": "DeviceStateChangeMessage", "devices": {"id": null}})),
        6 => (DEVICES, json!([[[[[[]]]]]])),
        _ => (FACEBOOK, json!({"messageType": "SomethingNew", "a.b": {"\u{0}": "\u{1f4a9}"}, "n": -0.0})),
    }
}
