//! Notifications in the seed's shapes, and what must come of them.
//!
//! Two agents share each conversation. Logs are resent from index 1, the same message goes to both agents at
//! the same moment, states repeat. Every content is distinct, so what came can be told from what was sent.

use super::cometd::Publish;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const CHANNEL: &str = "/v2/me/facebooksession";

/// The user names of the roster, in its order; agent `1001` is the first.
pub fn users(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("user-{n:03}")).collect()
}

/// One conversation between a customer and two agents.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub id: String,
    pub users: [String; 2],
}

/// A conversation for each two users.
pub fn conversations(users: &[String], prefix: &str) -> Vec<Conversation> {
    users
        .chunks_exact(2)
        .enumerate()
        .map(|(n, pair)| Conversation {
            id: format!("{prefix}{n:06}X"),
            users: [pair[0].clone(), pair[1].clone()],
        })
        .collect()
}

impl Conversation {
    /// A log with the items `from..=to`, as the seed shows it.
    pub fn log(&self, from: usize, to: usize) -> Value {
        json!({
            "messageType": "MessageLogUpdated",
            "notificationType": "NewMessages",
            "messages": (from..=to).map(|index| self.item(index)).collect::<Vec<_>>(),
            "facebooksessionUri": format!("http://localhost:8080/api/v2/facebooksessions/{}", self.id),
        })
    }

    fn item(&self, index: usize) -> Value {
        let second = index % 60;
        let mut item = json!({
            "index": index,
            "type": if index == 1 { "ParticipantJoined" } else { "Text" },
            "from": {"type": "Customer", "nickname": "PersonP", "participantId": "009052C5E6D6004A"},
            "visibility": "All",
            "timestamp": format!("2014-01-02T14:23:{second:02}.126-0800"),
        });
        if index > 1 {
            item["text"] = json!(format!("Hello World {index} äöü \u{1F600} of {}", self.id));
        }
        item
    }

    /// A state change with a comment that tells it from any other.
    pub fn state(&self, step: usize) -> Value {
        json!({
            "messageType": "FacebooksessionStateChangeMessage",
            "notificationType": if step.is_multiple_of(3) { "PropertiesUpdated" } else { "StatusChange" },
            "facebooksession": {
                "state": "Chatting",
                "comment": format!("step {step}"),
                "capabilities": ["Transfer", "Complete", "Leave", "SendMessage"],
                "id": self.id,
                "uri": format!("http://localhost:8080/api/v2/facebooksessions/{}", self.id),
                "participants": [],
            },
        })
    }

    pub fn to(&self, user: usize, data: Value, tag: String) -> Publish {
        Publish { user: self.users[user].clone(), channel: CHANNEL.to_owned(), data, tag }
    }

    /// The id of a log item's event.
    pub fn message_id(&self, index: usize) -> String {
        format!("main/facebooksession/{}/messages/{index}", self.id)
    }
}

/// A device notification of one agent; `step` tells it from any other.
pub fn device(user: &str, step: usize) -> Publish {
    let state = if step.is_multiple_of(2) { "Ready" } else { "NotReady" };
    let data = json!({
        "messageType": "DeviceStateChangeMessage",
        "devices": [{
            "id": format!("device-of-{user}"),
            "deviceState": "Active",
            "userState": {"displayName": state, "state": state, "reason": format!("step {step}")},
            "phoneNumber": "5005",
            "doNotDisturb": "Off",
        }],
    });
    Publish {
        user: user.to_owned(),
        channel: "/v2/me/devices".to_owned(),
        data,
        tag: format!("{user}/device/{step}"),
    }
}

/// What a receiver must have in the end.
#[derive(Debug, Default)]
pub struct Expected {
    pub messages: BTreeSet<String>,
    /// Comments of conversation states, in order, by agent and conversation.
    pub states: BTreeMap<(String, String), Vec<String>>,
    /// Reasons of device states, in order, by agent.
    pub devices: BTreeMap<String, Vec<String>>,
}

impl Expected {
    pub fn events(&self) -> usize {
        let of = |lists: Vec<usize>| lists.iter().sum::<usize>();
        self.messages.len()
            + of(self.states.values().map(Vec::len).collect())
            + of(self.devices.values().map(Vec::len).collect())
    }
}

/// `rounds` rounds over all conversations: batches to publish one after the other, and what must come of them.
pub fn script(
    conversations: &[Conversation],
    users: &[String],
    rounds: usize,
) -> (Vec<Vec<Publish>>, Expected) {
    let agent_of = |user: &String| (1001 + users.iter().position(|u| u == user).unwrap()).to_string();
    let mut batches = Vec::new();
    let mut expected = Expected::default();
    for round in 1..=rounds {
        let mut batch = Vec::new();
        for talk in conversations {
            // The new message goes to both agents at the same moment.
            for side in 0..2 {
                batch.push(talk.to(side, talk.log(round, round), format!("{}/{round}/{side}", talk.id)));
            }
            expected.messages.insert(talk.message_id(round));
            if round.is_multiple_of(5) {
                for side in 0..2 {
                    batch.push(talk.to(side, talk.log(1, round), format!("{}/log/{round}/{side}", talk.id)));
                }
            }
            if round.is_multiple_of(4) {
                let side = round / 4 % 2;
                // Twice the same: the second is a repeat.
                for copy in 0..2 {
                    batch.push(talk.to(side, talk.state(round), format!("{}/state/{round}/{copy}", talk.id)));
                }
                let key = (agent_of(&talk.users[side]), talk.id.clone());
                expected.states.entry(key).or_default().push(format!("step {round}"));
            }
        }
        if round.is_multiple_of(10) {
            for user in users {
                batch.push(device(user, round / 10));
                batch.push(device(user, round / 10));
                expected.devices.entry(agent_of(user)).or_default().push(format!("step {}", round / 10));
            }
        }
        batches.push(batch);
    }
    (batches, expected)
}

/// Checks what one receiver got, in the order it got it, against what must have come; returns the ids.
pub fn verify(receiver: &str, events: &[Value], expected: &Expected) -> BTreeSet<String> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let mut ids = BTreeSet::new();
    let mut messages = BTreeSet::new();
    let mut states: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for event in events {
        let id = text(event, "id");
        assert!(ids.insert(id.clone()), "{receiver}: {id} came twice");
        let (key, sequence) = (text(event, "partitionkey"), text(event, "sequence"));
        let before = last.insert(key.clone(), sequence.clone());
        assert!(before.is_none_or(|before| before < sequence), "{receiver}: order broken in {key} at {id}");
        match (text(event, "medium").as_str(), text(event, "event").as_str()) {
            ("facebooksession", "message") => {
                messages.insert(id);
            }
            ("facebooksession", _) => {
                let comment = event["data"]["comment"].as_str().unwrap_or_default().to_owned();
                states.entry((text(event, "agent"), text(event, "interaction"))).or_default().push(comment);
            }
            ("agent", _) => {
                let reason = event["data"]["userState"]["reason"].as_str().unwrap_or_default().to_owned();
                devices.entry(text(event, "agent")).or_default().push(reason);
            }
            other => panic!("{receiver}: unexpected {other:?}: {event}"),
        }
    }
    assert_eq!(messages, expected.messages, "{receiver}: messages");
    assert_eq!(states, expected.states, "{receiver}: conversation states");
    assert_eq!(devices, expected.devices, "{receiver}: device states");
    ids
}
