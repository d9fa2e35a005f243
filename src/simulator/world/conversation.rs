//! A conversation: its medium, its parties and its log, and how they look as JSON.
//!
//! Texts are made from the conversation's number and the item's index and are not stored. Deliberately absent:
//! what may happen to it (see `acts`).

use crate::simulator::script::stamp;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Invented, and of many alphabets.
const PHRASES: [&str; 12] = [
    "Hello World",
    "My parcel says delivered, the porch says no.",
    "Let me look that up for you.",
    "Grüße aus Köln, wo bleibt meine Bestellung?",
    "Thank you for waiting.",
    "It is on shelf 7, wrong sticker.",
    "Можно перенести доставку?",
    "Any news?",
    "配達は明日になりますか",
    "It said \"error 12\" and a \\ in the path.",
    "Great, thanks 👍",
    "Is there anything else I can do?",
];

/// A kind of text conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Chat,
    Facebook,
    Sms,
}

impl Medium {
    pub const ALL: [Medium; 3] = [Medium::Chat, Medium::Facebook, Medium::Sms];

    /// The member that holds the resource.
    pub fn key(self) -> &'static str {
        match self {
            Medium::Chat => "chat",
            Medium::Facebook => "facebooksession",
            Medium::Sms => "smssession",
        }
    }

    /// The list's name in REST.
    pub fn list(self) -> &'static str {
        match self {
            Medium::Chat => "chats",
            Medium::Facebook => "facebooksessions",
            Medium::Sms => "smssessions",
        }
    }

    pub fn channel(self) -> &'static str {
        match self {
            Medium::Chat => "/v2/me/chats",
            Medium::Facebook => "/v2/me/facebooksession",
            Medium::Sms => "/v2/me/smssession",
        }
    }

    pub fn message_type(self) -> &'static str {
        match self {
            Medium::Chat => "ChatStateChangeMessage",
            Medium::Facebook => "FacebooksessionStateChangeMessage",
            Medium::Sms => "SMSsessionStateChangeMessage",
        }
    }
}

/// Who an item is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Customer,
    Agent(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Joined,
    Left,
    TypingStarted,
    TypingStopped,
    Text,
    Notice,
    PushUrl,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Joined => "ParticipantJoined",
            Kind::Left => "ParticipantLeft",
            Kind::TypingStarted => "TypingStarted",
            Kind::TypingStopped => "TypingStopped",
            Kind::Text => "Text",
            Kind::Notice => "Notice",
            Kind::PushUrl => "PushUrl",
        }
    }
}

/// One item of a log; its index is its place, from 1.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub kind: Kind,
    pub from: Speaker,
    /// For agents only; else for all.
    pub internal: bool,
    /// The text is filled up to so many bytes.
    pub size: u32,
    pub at: Timestamp,
}

#[derive(Debug)]
pub struct Conversation {
    pub id: Arc<str>,
    pub number: u64,
    pub medium: Medium,
    pub log: Vec<Item>,
    pub begun: Timestamp,
    pub ended: Option<Timestamp>,
    pub customer: bool,
    invited: Vec<usize>,
    joined: Vec<usize>,
    /// All agents that ever took part.
    pub agents: Vec<usize>,
    /// How often the attached data changed.
    pub changes: u32,
}

impl Conversation {
    pub fn new(id: Arc<str>, number: u64, medium: Medium, begun: Timestamp) -> Conversation {
        Conversation {
            id,
            number,
            medium,
            log: Vec::new(),
            begun,
            ended: None,
            customer: true,
            invited: Vec::new(),
            joined: Vec::new(),
            agents: Vec::new(),
            changes: 0,
        }
    }

    pub fn invite(&mut self, agent: usize) {
        self.invited.push(agent);
    }

    pub fn is_invited(&self, agent: usize) -> bool {
        self.invited.contains(&agent)
    }

    pub fn is_chatting(&self, agent: usize) -> bool {
        self.joined.contains(&agent)
    }

    pub fn join(&mut self, agent: usize) {
        self.invited.retain(|other| *other != agent);
        self.joined.push(agent);
        if !self.agents.contains(&agent) {
            self.agents.push(agent);
        }
    }

    pub fn part(&mut self, agent: usize) {
        self.invited.retain(|other| *other != agent);
        self.joined.retain(|other| *other != agent);
    }

    pub fn chatting(&self) -> Vec<usize> {
        self.joined.clone()
    }

    pub fn invited(&self) -> Vec<usize> {
        self.invited.clone()
    }

    pub fn is_deserted(&self) -> bool {
        self.joined.is_empty() && self.invited.is_empty()
    }

    /// The state as an agent sees it.
    pub fn state(&self, agent: usize) -> &'static str {
        match () {
            () if self.is_chatting(agent) => "Chatting",
            () if self.is_invited(agent) => "Invited",
            () => "Completed",
        }
    }

    pub fn path(&self) -> String {
        format!("/{}/{}", self.medium.list(), self.id)
    }

    /// The resource as an agent sees it; `state` for one that is leaving.
    pub fn resource(&self, url: &str, state: &str) -> Value {
        let capabilities = match state {
            "Invited" => json!(["Accept", "Reject"]),
            "Chatting" => json!(["Transfer", "Complete", "Leave", "InFocus", "SendMessage"]),
            _ => json!([]),
        };
        let customer = self.customer.then_some(Speaker::Customer);
        let agents = self.joined.iter().map(|agent| Speaker::Agent(*agent));
        let gone = matches!(state, "Completed" | "Revoked");
        let parties: Vec<Value> =
            customer.into_iter().chain(agents).filter(|_| !gone).map(|one| self.author(one)).collect();
        json!({"id": *self.id, "state": state, "capabilities": capabilities, "uri": format!("{url}/api/v2{}", self.path()),
            "path": self.path(), "participants": parties, "receivedDate": stamp(self.begun),
            "userData": {"Topic": "parcel", "Language": "English", "Revision": self.changes.to_string()}})
    }

    /// What `resource` shows, in a few words: state, revision, number of parties.
    pub fn says(&self, state: &str) -> String {
        let gone = matches!(state, "Completed" | "Revoked");
        let parties = if gone { 0 } else { usize::from(self.customer) + self.joined.len() };
        format!("{state} {} {parties}", self.changes)
    }

    /// Items from index `first` (from 1, inclusive), at most `count`.
    pub fn items(&self, first: usize, count: usize, live: bool) -> Vec<Value> {
        let first = first.max(1);
        let items = self.log.iter().enumerate().skip(first - 1).take(count);
        items.map(|(at, item)| self.item(at + 1, item, live)).collect()
    }

    /// `live` is the form of a notification, which has a second stamp.
    fn item(&self, index: usize, item: &Item, live: bool) -> Value {
        let mut json = Map::new();
        json.insert("index".to_owned(), index.into());
        json.insert("type".to_owned(), item.kind.name().into());
        json.insert("from".to_owned(), self.author(item.from));
        let content = match item.kind {
            Kind::Text | Kind::TypingStarted => Some(("text", self.text(index, item.size))),
            Kind::Notice => Some(("noticeText", format!("notice {index}"))),
            Kind::PushUrl => Some(("url", format!("https://example.com/{}/{index}", self.number))),
            _ => None,
        };
        if let Some((name, text)) = content {
            json.insert(name.to_owned(), text.into());
        }
        json.insert("visibility".to_owned(), if item.internal { "Agents" } else { "All" }.into());
        json.insert("timestamp".to_owned(), stamp(item.at).into());
        if live {
            json.insert("timestampSeconds".to_owned(), item.at.as_millisecond().into());
        }
        json.into()
    }

    fn text(&self, index: usize, size: u32) -> String {
        let place = usize::try_from(self.number).unwrap_or_default().wrapping_mul(7).wrapping_add(index);
        let phrase = PHRASES.get(place % PHRASES.len()).copied().unwrap_or_default();
        let mut text = format!("{phrase} [{}.{index}]", self.number);
        let missing = usize::try_from(size).unwrap_or_default().saturating_sub(text.len());
        text.push_str(&"x".repeat(missing));
        text
    }

    fn author(&self, who: Speaker) -> Value {
        let (kind, nickname, number) = match who {
            Speaker::Customer => ("Customer", "PersonP".to_owned(), 0),
            Speaker::Agent(agent) => ("Agent", format!("Agent{agent}"), agent + 1),
        };
        json!({"type": kind, "nickname": nickname, "participantId": format!("0090{}{number:04}", self.id)})
    }
}
