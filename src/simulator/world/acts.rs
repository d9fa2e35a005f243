//! What can happen to a conversation, and the notifications of each act.
//!
//! An act that no longer fits (its conversation is over, its agent gone) does nothing. Deliberately absent: chance.

use super::conversation::{Conversation, Item, Kind, Medium, Speaker};
use super::{Note, World};
use crate::simulator::ledger::Label;
use crate::simulator::script::base36;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;

impl World {
    /// A customer comes and an agent is invited; the conversation's id.
    pub fn begin(&mut self, medium: Medium, agent: usize, at: Timestamp) -> (Arc<str>, Vec<Note>) {
        self.begun += 1;
        let id: Arc<str> = format!("{}{}", self.prefix, base36(self.begun, 12)).into();
        let mut conversation = Conversation::new(Arc::clone(&id), self.begun, medium, at);
        conversation.log.push(item(Kind::Joined, Speaker::Customer, at));
        self.conversations.insert(Arc::clone(&id), conversation);
        let notes = self.invite(&id, agent);
        (id, notes)
    }

    /// One more agent is asked to take part.
    pub fn invite(&mut self, id: &str, agent: usize) -> Vec<Note> {
        let Some(of) = self.agents.get_mut(agent) else { return Vec::new() };
        let Some(conversation) = self.conversations.get_mut(id) else { return Vec::new() };
        if conversation.is_invited(agent) || conversation.is_chatting(agent) {
            return Vec::new();
        }
        conversation.invite(agent);
        of.open.push(Arc::clone(&conversation.id));
        self.change(id, agent, "StatusChange", "Invited", false).into_iter().collect()
    }

    /// The invitation is accepted: the agent gets the whole log, the others what is new in it.
    pub fn accept(&mut self, id: &str, agent: usize, at: Timestamp) -> Vec<Note> {
        let Some(conversation) = self.conversations.get_mut(id) else { return Vec::new() };
        if !conversation.is_invited(agent) {
            return Vec::new();
        }
        conversation.join(agent);
        conversation.log.push(item(Kind::Joined, Speaker::Agent(agent), at));
        let (last, present) = (conversation.log.len(), conversation.chatting());
        let mut notes: Vec<Note> =
            self.change(id, agent, "StatusChange", "Chatting", true).into_iter().collect();
        notes.extend(self.update(id, "ParticipantsUpdated", None));
        notes.extend(self.tell(id, agent, 1));
        let others = present.iter().filter(|one| **one != agent);
        notes.extend(others.filter_map(|other| self.tell(id, *other, last)));
        notes
    }

    /// The invitation is taken back. Without another agent the conversation is over.
    pub fn revoke(&mut self, id: &str, agent: usize, at: Timestamp) -> Vec<Note> {
        if !self.invited(id, agent) {
            return Vec::new();
        }
        let notes = self.change(id, agent, "StatusChange", "Revoked", false).into_iter().collect();
        self.part(id, agent, at);
        notes
    }

    /// A new item, told to all agents present.
    pub fn say(&mut self, id: &str, new: Item) -> Vec<Note> {
        let Some(conversation) = self.conversations.get_mut(id) else { return Vec::new() };
        if let Speaker::Agent(agent) = new.from
            && !conversation.is_chatting(agent)
        {
            return Vec::new();
        }
        conversation.log.push(new);
        let (last, present) = (conversation.log.len(), conversation.chatting());
        present.iter().filter_map(|agent| self.tell(id, *agent, last)).collect()
    }

    /// The attached data change; the first agent present did it.
    pub fn attach(&mut self, id: &str) -> Vec<Note> {
        let Some(conversation) = self.conversations.get_mut(id) else { return Vec::new() };
        conversation.changes += 1;
        let first = conversation.chatting().first().copied();
        self.update(id, "PropertiesUpdated", first)
    }

    /// One agent leaves; the last one ends the conversation.
    pub fn leave(&mut self, id: &str, agent: usize, at: Timestamp) -> Vec<Note> {
        if !self.conversations.get(id).is_some_and(|conversation| conversation.is_chatting(agent)) {
            return Vec::new();
        }
        let mut notes = self.say(id, item(Kind::Left, Speaker::Agent(agent), at));
        notes.extend(self.change(id, agent, "StatusChange", "Completed", true));
        self.part(id, agent, at);
        notes.extend(self.update(id, "ParticipantsUpdated", None));
        notes
    }

    /// The customer goes and the conversation is over for all.
    pub fn complete(&mut self, id: &str, at: Timestamp) -> Vec<Note> {
        let mut notes = self.say(id, item(Kind::Left, Speaker::Customer, at));
        let Some(conversation) = self.conversations.get_mut(id) else { return Vec::new() };
        conversation.customer = false;
        for (place, agent) in conversation.chatting().into_iter().enumerate() {
            notes.extend(self.change(id, agent, "StatusChange", "Completed", place == 0));
            self.part(id, agent, at);
        }
        let asked = self.conversations.get(id).map(Conversation::invited).unwrap_or_default();
        for agent in asked {
            notes.extend(self.revoke(id, agent, at));
        }
        notes
    }

    /// So many texts in a row in a conversation of the user, which begins if there is none; `size` in bytes of each.
    pub fn burst(&mut self, user: &str, messages: usize, size: usize, at: Timestamp) -> Vec<Note> {
        let Some(agent) = self.place(user) else { return Vec::new() };
        let chatting = |id: &&Arc<str>| self.conversations.get(*id).is_some_and(|one| one.is_chatting(agent));
        let open = self.open(agent).iter().find(chatting).cloned();
        let mut notes = Vec::new();
        let id = open.unwrap_or_else(|| {
            let (id, begun) = self.begin(Medium::Facebook, agent, at);
            notes.extend(begun);
            notes.extend(self.accept(&id, agent, at));
            id
        });
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        for _ in 0..messages {
            notes.extend(self.say(&id, Item { size, ..item(Kind::Text, Speaker::Customer, at) }));
        }
        notes
    }

    /// An agent is no longer a party.
    fn part(&mut self, id: &str, agent: usize, at: Timestamp) {
        if let Some(of) = self.agents.get_mut(agent) {
            of.open.retain(|other| **other != *id);
        }
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        conversation.part(agent);
        if conversation.is_deserted()
            && let Some(mut over) = self.conversations.remove(id)
        {
            over.ended = Some(at);
            self.ended.push_back(over);
            if self.ended.len() > self.keep_ended {
                self.ended.pop_front();
                self.ended_forgotten += 1;
            }
        }
    }

    /// A change that all parties see, the invited ones too; `own` is the agent whose request caused it.
    fn update(&mut self, id: &str, kind: &'static str, own: Option<usize>) -> Vec<Note> {
        let Some(conversation) = self.conversations.get(id) else { return Vec::new() };
        let parties = conversation.chatting().into_iter().chain(conversation.invited());
        let seen: Vec<(usize, &str)> = parties.map(|agent| (agent, conversation.state(agent))).collect();
        seen.into_iter()
            .filter_map(|(agent, state)| self.change(id, agent, kind, state, own == Some(agent)))
            .collect()
    }

    /// A change of state as one agent sees it; `own` says that the agent's own request caused it.
    fn change(&mut self, id: &str, agent: usize, kind: &'static str, state: &str, own: bool) -> Option<Note> {
        let of = self.agents.get_mut(agent)?;
        let conversation = self.conversations.get(id)?;
        let medium = conversation.medium;
        let says = conversation.says(state);
        let mut data = json!({"messageType": medium.message_type(), "notificationType": kind,
            medium.key(): conversation.resource(&self.url, state)});
        if own && let Some(members) = data.as_object_mut() {
            of.reference += 1;
            members.insert("referenceId".to_owned(), of.reference.into());
        }
        let label = Label {
            message_type: medium.message_type(),
            notification_type: kind,
            conversation: Some(Arc::clone(&conversation.id)),
            says: Some(says.into()),
            ..Label::default()
        };
        Some(Note { user: Arc::clone(&of.name), channel: medium.channel(), data, label })
    }

    /// The log from `first` on, to one agent.
    fn tell(&self, id: &str, agent: usize, first: usize) -> Option<Note> {
        let conversation = self.conversations.get(id)?;
        let (medium, path) = (conversation.medium, conversation.path());
        let data = json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages",
            "messages": conversation.items(first, usize::MAX, true),
            format!("{}Uri", medium.key()): format!("{}/api/v2{path}", self.url),
            format!("{}Path", medium.key()): path});
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let label = Label {
            message_type: "MessageLogUpdated",
            notification_type: "NewMessages",
            conversation: Some(Arc::clone(&conversation.id)),
            indices: (number(first), number(conversation.log.len())),
            ..Label::default()
        };
        Some(Note { user: self.name(agent), channel: medium.channel(), data, label })
    }
}

/// An item for all, of ordinary length.
pub fn item(kind: Kind, from: Speaker, at: Timestamp) -> Item {
    Item { kind, from, internal: false, size: 0, at }
}
