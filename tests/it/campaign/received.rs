//! What came downstream, by what it is about.
//!
//! Deliberately absent: judgement, but for the promises that every consumer relies on (ids and order).

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

pub struct Event {
    pub sequence: String,
    pub kind: String,
    pub medium: String,
    pub agent: String,
    pub observed_by: String,
    pub interaction: String,
    pub index: Option<i64>,
    pub recorded: i64,
    pub data: Value,
}

/// A state as it stood from this event on, in the words of the simulator's `says`.
pub struct Said {
    pub says: String,
    pub at: i64,
    pub place: usize,
}

impl Said {
    /// Of a conversation: the agent takes part in it, or is asked to.
    pub fn is_open(&self) -> bool {
        self.says.starts_with("Invited") || self.says.starts_with("Chatting")
    }
}

/// Agent, kind of resource and its id.
pub type Resource = (String, String, String);

pub struct Received {
    pub events: Vec<Event>,
    /// Medium, conversation and index; the places of its revisions.
    pub messages: HashMap<(String, String, i64), Vec<usize>>,
    pub states: BTreeMap<Resource, Vec<Said>>,
    /// What contradicts the promises of ids and order.
    pub broken: Vec<String>,
}

impl Received {
    pub fn parse(lines: &[String]) -> Received {
        let mut out = Received {
            events: Vec::new(),
            messages: HashMap::new(),
            states: BTreeMap::new(),
            broken: Vec::new(),
        };
        let mut ids: HashMap<String, &String> = HashMap::new();
        let mut last: HashMap<String, String> = HashMap::new();
        for line in lines {
            let Ok(json) = serde_json::from_str::<Value>(line) else {
                out.broken.push(format!("no JSON: {line}"));
                continue;
            };
            let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            if let Some(first) = ids.insert(text("id"), line) {
                if first != line {
                    out.broken.push(format!("one id, two contents: {first}\n{line}"));
                }
                continue;
            }
            let sequence = text("sequence");
            if let Some(before) = last.insert(text("partitionkey"), sequence.clone())
                && before >= sequence
            {
                out.broken.push(format!("{sequence} came after {before} of one key"));
            }
            let event = Event {
                sequence,
                kind: text("event"),
                medium: text("medium"),
                agent: text("agent"),
                observed_by: text("observedby"),
                interaction: text("interaction"),
                index: json["messageindex"].as_i64(),
                recorded: millis(&json["recordedtime"]).unwrap_or_default(),
                data: json["data"].clone(),
            };
            out.take(event);
        }
        out
    }

    fn take(&mut self, event: Event) {
        let place = self.events.len();
        if let (Some(index), "message") = (event.index, event.kind.as_str()) {
            let key = (event.medium.clone(), event.interaction.clone(), index);
            self.messages.entry(key).or_default().push(place);
        }
        if let Some((kind, id, says)) = state(&event) {
            let said = Said { says, at: event.recorded, place };
            self.states.entry((event.agent.clone(), kind, id)).or_default().push(said);
        }
        self.events.push(event);
    }

    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.kind == kind)
    }

    pub fn has_item(&self, medium: &str, conversation: &str, index: i64) -> bool {
        self.messages.contains_key(&(medium.to_owned(), conversation.to_owned(), index))
    }
}

/// RFC 3339 as Unix milliseconds.
pub fn millis(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond())
}

/// What state an event tells of, and of what.
fn state(event: &Event) -> Option<(String, String, String)> {
    let data = &event.data;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match event.kind.as_str() {
        "state_change" => {
            let kind = if data["deviceId"].is_string() { "device" } else { "channel" };
            Some((kind.to_owned(), word(&data["channel"]), word(&data["userState"]["state"])))
        }
        "status_change" | "participants_updated" | "properties_updated" => {
            let parties = data["participants"].as_array().map_or(0, Vec::len);
            let says = format!("{} {} {parties}", word(&data["state"]), word(&data["userData"]["Revision"]));
            Some((event.medium.clone(), event.interaction.clone(), says))
        }
        "ended_unseen" => Some((event.medium.clone(), event.interaction.clone(), "ended unseen".to_owned())),
        _ => None,
    }
}
