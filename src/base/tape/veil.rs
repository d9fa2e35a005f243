//! What may stand on a tape that is not full: an allow-list of GWS's own field names.
//!
//! States, kinds, numbers and stamps stay; ids become marks that are the same for the same value on one tape, and on no
//! other, as the key is thrown away with the process; so do references and codes that are texts, and types that are not
//! GWS's; so do names and texts, or they go; whatever is not named here goes.
//! So a tape plays the same conversations, with nobody in them. Deliberately absent: a way back.

use crate::base::stamps;
use crate::base::words::{is_message_type, is_no_id, is_notification_type, medium_of};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Words of closed or open sets, numbers and stamps: they say what happened, not to whom.
const PLAIN: &[&str] = &[
    "index",
    "type",
    "visibility",
    "timestampseconds",
    "state",
    "devicestate",
    "workmode",
    "donotdisturb",
    "dndstate",
    "channel",
    "capabilities",
    "calltype",
    "chattype",
    "mute",
    "recordingstate",
    "duration",
    "monitoring",
    "monitoredusermuted",
    "supervisorlisteningin",
    "telephonynetwork",
    "statuscode",
    "stateresource",
    "action",
    "servergenerationtimestamp",
    "servicename",
    "servicestate",
];
/// Of those the ones that may be written with a blank.
const STAMPS: &[&str] = &["timestamp", "receiveddate"];
/// What is looked into, beside interactions by the names of their media.
const OPEN: &[&str] = &[
    "messages",
    "from",
    "participants",
    "devices",
    "channels",
    "services",
    "userstate",
    "metrics",
    "eventprocessing",
    "record",
];
/// An interaction in a workbin stands under its medium's name and this.
const IN_WORKBIN: &str = "stateresourcev2";
/// Whose values become marks.
const IDS: &[&str] = &["id", "calluuid", "connid", "participantid", "recordhandle"];
/// What is of people: a mark on a pseudonymous tape, on no other.
const PEOPLE: &[&str] = &[
    "nickname",
    "text",
    "noticetext",
    "username",
    "phonenumber",
    "workbinuserid",
    "userid",
    "comment",
    "subject",
];
/// Those of them that are an interaction's; an `id` is so only right in one.
const OWN: &[&str] = &["id", "calluuid", "connid"];
/// Collections, beside those of interactions, whose members' addresses stay with a mark.
const COLLECTIONS: &[&str] = &["devices", "workbins"];
/// Deeper than this nothing is looked at.
const MAX_DEPTH: usize = 16;
/// Hex digits of a mark.
const MARK: usize = 16;

/// What a tape that is not full holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Ids, names and texts are marks.
    Pseudonymous,
    /// Ids of interactions are what they are, so that the tape can be laid beside their events; other ids are marks;
    /// there are no names and texts.
    NoContent,
    /// Ids are marks; there are no names and texts.
    Minimal,
}

/// Takes out what is personal, with marks of one tape's own.
pub struct Veil {
    key: hmac::Key,
    level: Level,
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Veil")
    }
}

impl Veil {
    /// With a key that nobody knows; `None` where the system has no randomness to give.
    pub fn new(level: Level) -> Option<Veil> {
        let mut secret = [0u8; 32];
        SystemRandom::new().fill(&mut secret).ok()?;
        Some(Veil { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), level })
    }

    /// The notification's data as it may stand on the tape.
    pub fn over(&self, data: &Value) -> Value {
        self.value(data, "", 0)
    }

    /// `within` is the folded name that the value stands under.
    fn value(&self, value: &Value, within: &str, depth: usize) -> Value {
        match value {
            Value::Object(members) if depth < MAX_DEPTH => {
                Value::Object(self.members(members, within, depth))
            }
            Value::Array(list) if depth < MAX_DEPTH => {
                Value::Array(list.iter().map(|one| self.value(one, within, depth + 1)).collect())
            }
            // A text whose name is unknown by here (a participant as plain text) is somebody's number or name.
            Value::String(text) if self.level == Level::Pseudonymous => Value::String(self.mark(text)),
            _ => Value::Null,
        }
    }

    fn members(&self, members: &Map<String, Value>, within: &str, depth: usize) -> Map<String, Value> {
        members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), self.member(name, value, within, depth)?)))
            .collect()
    }

    fn member(&self, name: &str, value: &Value, within: &str, depth: usize) -> Option<Value> {
        let folded = name.to_ascii_lowercase();
        let named = |list: &[&str]| list.contains(&folded.as_str());
        let scalar = !matches!(value, Value::Object(_) | Value::Array(_));
        match folded.as_str() {
            "messagetype" => return self.word_of(value, is_message_type),
            "notificationtype" => return self.word_of(value, is_notification_type),
            // Of texts like these the sender is somebody's own program.
            "referenceid" | "errorcode" => return self.word_of(value, |_| false),
            "name" if within == "services" => return plain(value),
            _ if named(STAMPS) => return stamp(value),
            _ => {}
        }
        // A channel may say an agent's state in a word alone.
        if named(PLAIN) || folded == "userstate" && scalar {
            return plain(value);
        }
        if named(IDS) && scalar {
            let own = named(OWN) && (folded != "id" || medium_of(within).is_some());
            return Some(match value {
                Value::String(text) => Value::String(self.id(text, own)),
                Value::Number(number) => Value::String(self.mark(&number.to_string())),
                other => other.clone(),
            });
        }
        if named(PEOPLE) && scalar {
            return match value {
                _ if self.level != Level::Pseudonymous => None,
                Value::String(text) => Some(Value::String(self.mark(text))),
                Value::Number(number) => Some(Value::String(self.mark(&number.to_string()))),
                other => Some(other.clone()),
            };
        }
        // `channel` is a word, `chat` may be an object or, in other messages, a word too.
        let within = folded.strip_suffix(IN_WORKBIN).unwrap_or(&folded);
        if named(OPEN) || medium_of(within).is_some() {
            return if scalar { None } else { Some(self.value(value, within, depth + 1)) };
        }
        if folded.ends_with("uri") || folded.ends_with("path") {
            return value.as_str().and_then(|text| self.address(text)).map(Value::String);
        }
        None
    }

    /// A number, or a word that `known` knows; of any other text the mark.
    fn word_of(&self, value: &Value, known: impl Fn(&str) -> bool) -> Option<Value> {
        match value {
            Value::String(text) => match text.trim() {
                "" => None,
                word if known(word) => Some(Value::String(word.to_owned())),
                other => Some(Value::String(self.mark(other))),
            },
            Value::Number(_) | Value::Null => Some(value.clone()),
            _ => None,
        }
    }

    /// `/chats/ID` of a conversation's address, with the id or its mark; nothing of any other but a device's or a workbin's.
    fn address(&self, text: &str) -> Option<String> {
        let path = text.split(['?', '#']).next()?.trim().trim_end_matches('/');
        let mut segments = path.rsplit('/');
        let (id, collection) = (segments.next()?.trim(), segments.next()?);
        let interaction = medium_of(collection).is_some();
        let known = interaction || COLLECTIONS.contains(&collection.to_ascii_lowercase().as_str());
        (known && !id.is_empty()).then(|| format!("/{collection}/{}", self.id(id, interaction)))
    }

    /// An id, or its mark. What does not look like an interaction's id is none, whatever it is called; what says that there
    /// is no id says nothing else.
    fn id(&self, text: &str, interaction: bool) -> String {
        let text = text.trim();
        if is_no_id(text) || (interaction && self.level == Level::NoContent && word(text)) {
            return text.to_owned();
        }
        self.mark(text)
    }

    fn mark(&self, text: &str) -> String {
        let tag = hmac::sign(&self.key, text.as_bytes());
        let mut mark: String = tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        mark.truncate(MARK);
        mark
    }
}

/// A word, a number, or a list of words; an object under such a name is none of ours.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if word(text.trim()) => Some(Value::String(text.trim().to_owned())),
        Value::Number(_) | Value::Bool(_) | Value::Null => Some(value.clone()),
        Value::Array(list) => {
            let words = list.iter().filter_map(Value::as_str).map(str::trim).filter(|text| word(text));
            Some(Value::Array(words.map(Value::from).collect()))
        }
        _ => None,
    }
}

/// A stamp in any form that is read as one, which may hold a blank where a word has none.
fn stamp(value: &Value) -> Option<Value> {
    let of_stamps = |c: char| c.is_ascii_digit() || "TtZz:.,+- ".contains(c);
    let is_stamp = |text: &str| text.chars().all(of_stamps) && stamps::parse(text, &TimeZone::UTC).is_some();
    match value {
        Value::String(text) if is_stamp(text.trim()) => Some(Value::String(text.trim().to_owned())),
        other => plain(other),
    }
}

/// Words and stamps are short and plain; a sentence under such a name does not pass.
fn word(text: &str) -> bool {
    let one = |c: char| c.is_ascii_alphanumeric() || "-_:.+".contains(c);
    text.len() <= 64 && text.chars().all(one)
}
