//! One private Facebook conversation from invitation to completion, with a consult, and the agents' states around it.
//!
//! All names and texts are invented. Pure: a step and the time go in, what to publish and to show comes out.
//! Deliberately absent: pace, users, sessions.

use super::shapes::{self, CHANNELS, DEVICES, FACEBOOK};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Something the world gets to see; `agent` counts from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Publish {
        agent: usize,
        channel: &'static str,
        data: Value,
    },
    /// `GET /api/v2/me/{path}` shows this from now on, or nothing.
    Show {
        agent: usize,
        path: String,
        value: Option<Value>,
    },
}

/// Who speaks in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Customer,
    Agent(usize),
}

const FIRST: usize = 0;
const CONSULTED: usize = 1;
const BYSTANDER: usize = 2;

/// A conversation as it stands.
#[derive(Debug)]
pub struct Conversation {
    id: String,
    uri: String,
    url: String,
    log: Vec<Value>,
    present: Vec<Who>,
    reference: u64,
}

impl Conversation {
    pub const STEPS: usize = 20;

    /// Begins at `now`, which also gives the interaction its id: no two conversations share one.
    pub fn new(url: &str, now: Timestamp) -> Conversation {
        let born = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let id = format!("0000{}", shapes::base36(born, 12));
        let uri = shapes::session_uri(url, &id);
        Conversation { id, uri, url: url.to_owned(), log: Vec::new(), present: Vec::new(), reference: 10 }
    }

    /// The acts of a step; past the last there are none.
    pub fn step(&mut self, number: usize, now: Timestamp) -> Vec<Act> {
        match number {
            0 => self.readiness(&[(FIRST, true), (CONSULTED, true), (BYSTANDER, false)], now),
            1 => self.state(FIRST, "StatusChange", "Invited", false),
            2 => self.accepted(now),
            3 => self.readiness(&[(FIRST, false)], now),
            4 => self.say(Who::Customer, "TypingStarted", None, "All", now),
            5 => self.say(Who::Customer, "Text", Some("Hello World"), "All", now),
            6 => self.say(Who::Agent(FIRST), "TypingStarted", None, "All", now),
            7 => self.say(Who::Agent(FIRST), "Text", Some("Good day, what can I do for you?"), "All", now),
            8 => self.say(
                Who::Customer,
                "Text",
                Some("My parcel says delivered, the porch says no."),
                "All",
                now,
            ),
            9 => self.state(FIRST, "PropertiesUpdated", "Chatting", true),
            10 => self.say(Who::Agent(FIRST), "Text", Some("I ask a colleague from the depot."), "All", now),
            11 => self.state(CONSULTED, "StatusChange", "Invited", false),
            12 => self.consulted(now),
            13 => self.say(
                Who::Agent(CONSULTED),
                "Text",
                Some("It is on shelf 7, wrong sticker."),
                "Agents",
                now,
            ),
            14 => self.say(Who::Customer, "Text", Some("Any news?"), "All", now),
            15 => self.left(now),
            16 => self.say(Who::Agent(FIRST), "Text", Some("It leaves again today. Sorry!"), "All", now),
            17 => self.say(Who::Customer, "ParticipantLeft", None, "All", now),
            18 => self.completed(),
            19 => self.readiness(&[(FIRST, true), (BYSTANDER, true)], now),
            _ => Vec::new(),
        }
    }

    fn readiness(&mut self, agents: &[(usize, bool)], now: Timestamp) -> Vec<Act> {
        let mut acts = Vec::new();
        for &(agent, ready) in agents {
            let (devices, channels) = (shapes::devices(&self.url, agent, ready), shapes::channels(ready));
            acts.push(Act::Show { agent, path: "devices".to_owned(), value: Some(devices.clone()) });
            acts.push(Act::Show { agent, path: "channels".to_owned(), value: Some(channels.clone()) });
            acts.push(Act::Publish { agent, channel: DEVICES, data: shapes::device_state(devices, now) });
            acts.push(Act::Publish { agent, channel: CHANNELS, data: shapes::channel_state(channels, now) });
        }
        acts
    }

    fn accepted(&mut self, now: Timestamp) -> Vec<Act> {
        self.present = vec![Who::Customer, Who::Agent(FIRST)];
        self.item(Who::Customer, "ParticipantJoined", None, "All", now);
        self.item(Who::Agent(FIRST), "ParticipantJoined", None, "All", now);
        let mut acts = self.state(FIRST, "StatusChange", "Chatting", true);
        acts.extend(self.state(FIRST, "ParticipantsUpdated", "Chatting", false));
        acts.extend(self.send_log(FIRST, 0));
        acts
    }

    /// The second agent gets the log from its start; the first one what is new in it.
    fn consulted(&mut self, now: Timestamp) -> Vec<Act> {
        let known = self.log.len();
        self.present.push(Who::Agent(CONSULTED));
        self.item(Who::Agent(CONSULTED), "ParticipantJoined", None, "All", now);
        let mut acts = self.state(CONSULTED, "StatusChange", "Chatting", true);
        for agent in [FIRST, CONSULTED] {
            acts.extend(self.state(agent, "ParticipantsUpdated", "Chatting", false));
        }
        acts.extend(self.send_log(CONSULTED, 0));
        acts.extend(self.send_log(FIRST, known));
        acts
    }

    fn left(&mut self, now: Timestamp) -> Vec<Act> {
        let mut acts = self.say(Who::Agent(CONSULTED), "ParticipantLeft", None, "All", now);
        acts.extend(self.state(CONSULTED, "StatusChange", "Completed", true));
        acts.extend(self.state(FIRST, "ParticipantsUpdated", "Chatting", false));
        acts
    }

    fn completed(&mut self) -> Vec<Act> {
        self.present.clear();
        self.state(FIRST, "StatusChange", "Completed", true)
    }

    /// A log item and who gets it: the agents that are there, and one who just left.
    fn say(
        &mut self,
        who: Who,
        kind: &str,
        text: Option<&str>,
        visibility: &str,
        now: Timestamp,
    ) -> Vec<Act> {
        let known = self.log.len();
        self.item(who, kind, text, visibility, now);
        let agents: Vec<usize> = [FIRST, CONSULTED]
            .into_iter()
            .filter(|agent| self.present.contains(&Who::Agent(*agent)))
            .collect();
        if kind == "ParticipantLeft" {
            self.present.retain(|other| *other != who);
        }
        agents.into_iter().flat_map(|agent| self.send_log(agent, known)).collect()
    }

    fn item(&mut self, who: Who, kind: &str, text: Option<&str>, visibility: &str, now: Timestamp) {
        let mut item = json!({"index": self.log.len() + 1, "type": kind, "from": self.author(who),
            "visibility": visibility, "timestamp": shapes::stamp(now)});
        if let (Some(text), Some(members)) = (text, item.as_object_mut()) {
            members.insert("text".to_owned(), text.into());
        }
        self.log.push(item);
    }

    fn author(&self, who: Who) -> Value {
        let (kind, nickname, number) = match who {
            Who::Customer => ("Customer", "PersonP", 0),
            Who::Agent(FIRST) => ("Agent", "Marat", 1),
            Who::Agent(_) => ("Agent", "Ines", 2),
        };
        let born = self.id.get(6..).unwrap_or_default();
        json!({"type": kind, "nickname": nickname, "participantId": format!("0090{born}{number:02}")})
    }

    /// The items from `known` on, to one agent, and the whole log for who asks over REST.
    fn send_log(&self, agent: usize, known: usize) -> Vec<Act> {
        let data = shapes::log_update(&self.uri, self.log.get(known..).unwrap_or_default());
        let path = format!("facebooksessions/{}/messages", self.id);
        vec![
            Act::Show { agent, path, value: Some(self.log.clone().into()) },
            Act::Publish { agent, channel: FACEBOOK, data },
        ]
    }

    /// A change of the session's state as one agent sees it; `own` says that the agent's own request caused it.
    fn state(&mut self, agent: usize, kind: &str, state: &str, own: bool) -> Vec<Act> {
        let capabilities = match state {
            "Invited" => json!(["Accept", "Reject"]),
            "Chatting" => json!([
                "Transfer",
                "Complete",
                "Leave",
                "InFocus",
                "SendMessage",
                "SendStartTypingNotification",
                "SendStopTypingNotification"
            ]),
            _ => json!([]),
        };
        let over = state == "Completed";
        let shown = if over { &[] } else { self.present.as_slice() };
        let participants: Vec<Value> = shown.iter().map(|who| self.author(*who)).collect();
        let session = json!({"id": self.id, "state": state, "capabilities": capabilities, "uri": self.uri,
            "participants": participants, "userData": {"Topic": "parcel", "Language": "English"}});
        self.reference += u64::from(own);
        let data = shapes::session_change(kind, &session, own.then_some(self.reference));
        let list = if over { json!([]) } else { json!([session]) };
        let mut acts = vec![
            Act::Show { agent, path: "facebooksessions".to_owned(), value: Some(list) },
            Act::Publish { agent, channel: FACEBOOK, data },
        ];
        if over {
            let path = format!("facebooksessions/{}/messages", self.id);
            acts.push(Act::Show { agent, path, value: None });
        }
        acts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play() -> (String, Vec<(usize, &'static str, Value)>) {
        let start = Timestamp::from_millisecond(1_763_793_600_000).unwrap();
        let mut conversation = Conversation::new("http://x", start);
        let mut seen = Vec::new();
        for number in 0..Conversation::STEPS + 1 {
            let now = start + jiff::SignedDuration::from_millis(number as i64 * 700);
            for act in conversation.step(number, now) {
                if let Act::Publish { agent, channel, data } = act {
                    seen.push((agent, channel, data));
                }
            }
        }
        (conversation.id, seen)
    }

    fn items(seen: &[(usize, &'static str, Value)], agent: usize) -> Vec<Value> {
        let updates =
            seen.iter().filter(|(to, _, data)| *to == agent && data["messageType"] == "MessageLogUpdated");
        updates.flat_map(|(_, _, data)| data["messages"].as_array().unwrap().clone()).collect()
    }

    #[test]
    fn the_first_agent_gets_every_item_once_and_in_order() {
        let (_, seen) = play();
        let indexes: Vec<u64> =
            items(&seen, FIRST).iter().map(|item| item["index"].as_u64().unwrap()).collect();
        assert_eq!(indexes, (1..=indexes.len() as u64).collect::<Vec<_>>());
        assert!(indexes.len() >= 12);
    }

    #[test]
    fn the_consulted_agent_gets_the_log_from_its_start_with_equal_content() {
        let (_, seen) = play();
        let (first, second) = (items(&seen, FIRST), items(&seen, CONSULTED));
        assert_eq!(second[0]["index"], 1);
        assert!(second.len() > 10);
        assert!(second.iter().all(|item| first.contains(item)));
    }

    #[test]
    fn the_conversation_is_invited_chatting_and_completed() {
        let (id, seen) = play();
        assert_eq!(id.len(), 16);
        let states: Vec<String> = seen
            .iter()
            .filter(|(agent, _, data)| *agent == FIRST && data["notificationType"] == "StatusChange")
            .map(|(_, _, data)| data["facebooksession"]["state"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(states, ["Invited", "Chatting", "Completed"]);
        let invited = seen.iter().find(|(_, _, data)| data["facebooksession"]["state"] == "Invited").unwrap();
        assert!(invited.2.get("referenceId").is_none());
    }

    #[test]
    fn all_three_agents_have_states_on_devices_and_channels() {
        let (_, seen) = play();
        for agent in [FIRST, CONSULTED, BYSTANDER] {
            for channel in [DEVICES, CHANNELS] {
                assert!(seen.iter().any(|(to, on, _)| *to == agent && *on == channel));
            }
        }
    }
}
