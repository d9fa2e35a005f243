//! What REST shows of the contact centre, and the whole truth of it for an oracle.
//!
//! Deliberately absent: HTTP.

use super::World;
use super::conversation::{Conversation, Medium};
use serde_json::{Value, json};
use std::sync::Arc;

impl World {
    /// What `GET /api/v2/me/{path}` shows the user: `devices`, `channels`, a list of conversations, one of them,
    /// or the items of its log from index `first` on, inclusive. Nothing where that does not exist for the user.
    pub fn resource(&self, user: &str, path: &str, first: usize, count: Option<usize>) -> Option<Value> {
        let agent = self.place(user)?;
        let mut parts = path.split('/');
        let (name, id, rest) = (parts.next()?, parts.next(), parts.next());
        match (name, id, rest) {
            ("devices", None, _) => return self.devices(agent),
            ("channels", None, _) => return self.channels(agent),
            _ => {}
        }
        let medium = Medium::ALL.into_iter().find(|medium| medium.list() == name)?;
        let of = self.open(agent).iter().filter_map(|id| self.conversations.get(id));
        let mut of = of.filter(|conversation| conversation.medium == medium);
        let Some(id) = id else {
            return Some(of.map(|one| one.resource(&self.url, one.state(agent))).collect());
        };
        let conversation = of.find(|conversation| *conversation.id == *id)?;
        match rest {
            None => Some(conversation.resource(&self.url, conversation.state(agent))),
            Some("messages") if parts.next().is_none() => {
                let count = if conversation.is_chatting(agent) { count.unwrap_or(usize::MAX) } else { 0 };
                Some(conversation.items(first, count, false).into())
            }
            Some(_) => None,
        }
    }

    /// The truth about one user: states, open conversations with their logs.
    pub fn truth(&self, user: &str) -> Option<Value> {
        let agent = self.place(user)?;
        let open: Vec<Value> = self
            .open(agent)
            .iter()
            .filter_map(|id| self.conversations.get(id))
            .map(|one| {
                let count = if one.is_chatting(agent) { usize::MAX } else { 0 };
                json!({"medium": one.medium.key(), "id": *one.id, "state": one.state(agent),
                    "changes": one.changes, "log": one.items(1, count, false)})
            })
            .collect();
        Some(json!({"devices": self.devices(agent)?, "channels": self.channels(agent)?, "open": open}))
    }

    /// The conversations that are over, oldest first, and how many have been forgotten.
    pub fn ended(&self, skip: usize, count: usize) -> (Vec<Value>, u64) {
        let already = usize::try_from(self.ended_forgotten).unwrap_or(usize::MAX);
        let list = self.ended.iter().skip(skip.saturating_sub(already)).take(count);
        (list.map(|one| self.over(one)).collect(), self.ended_forgotten)
    }

    fn over(&self, one: &Conversation) -> Value {
        let agents: Vec<Arc<str>> = one.agents.iter().map(|agent| self.name(*agent)).collect();
        let agents: Vec<&str> = agents.iter().map(|name| &**name).collect();
        json!({"medium": one.medium.key(), "id": *one.id, "agents": agents,
            "at": one.ended.map(|at| at.as_millisecond()), "log": one.items(1, usize::MAX, false)})
    }
}
