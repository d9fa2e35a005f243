//! What may stand on a pseudonymous tape: an allow-list of GWS's own field names.
//!
//! States, kinds, numbers and stamps stay; ids, names and texts become marks that are the same for the same value on
//! one tape, and on no other, as the key is thrown away with the process; whatever is not named here goes. So a tape
//! plays the same conversations, with nobody in them. Deliberately absent: a way back.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value};

/// Words of closed or open sets, numbers and stamps: they say what happened, not to whom.
const PLAIN: &[&str] = &[
    "messagetype",
    "notificationtype",
    "index",
    "type",
    "visibility",
    "timestamp",
    "timestampseconds",
    "state",
    "devicestate",
    "workmode",
    "donotdisturb",
    "channel",
    "capabilities",
    "referenceid",
    "calltype",
    "chattype",
    "mute",
    "recordingstate",
    "duration",
    "monitoring",
    "monitoredusermuted",
    "supervisorlisteningin",
    "telephonynetwork",
    "receiveddate",
    "errorcode",
    "statuscode",
    "stateresource",
    "action",
    "servergenerationtimestamp",
];
/// What is looked into.
const OPEN: &[&str] = &[
    "messages",
    "from",
    "participants",
    "devices",
    "channels",
    "userstate",
    "dndstate",
    "metrics",
    "eventprocessing",
    "chat",
    "facebooksession",
    "facebooksessions",
    "smssession",
    "call",
    "email",
    "facebook",
    "tweet",
    "twitter",
    "workitem",
    "openmedia",
    "imsession",
    "record",
];
/// Whose values become marks.
const MARKED: &[&str] = &[
    "id",
    "calluuid",
    "connid",
    "participantid",
    "nickname",
    "text",
    "noticetext",
    "username",
    "phonenumber",
    "workbinuserid",
    "userid",
    "recordhandle",
    "comment",
    "subject",
];
/// Collections whose members' addresses name the conversation that a log belongs to.
const COLLECTIONS: &[&str] = &[
    "chats",
    "facebooksession",
    "facebooksessions",
    "smssession",
    "smssessions",
    "calls",
    "emails",
    "facebook",
    "twitter",
    "workitems",
    "openmedia",
    "im-sessions",
];
/// Deeper than this nothing is looked at.
const MAX_DEPTH: usize = 16;
/// Hex digits of a mark.
const MARK: usize = 16;

/// Takes out what is personal, with marks of one tape's own.
pub struct Veil(hmac::Key);

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Veil")
    }
}

impl Veil {
    /// With a key that nobody knows; `None` where the system has no randomness to give.
    pub fn new() -> Option<Veil> {
        let mut secret = [0u8; 32];
        SystemRandom::new().fill(&mut secret).ok()?;
        Some(Veil(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// The notification's data as it may stand on the tape.
    pub fn over(&self, data: &Value) -> Value {
        self.value(data, 0)
    }

    fn value(&self, value: &Value, depth: usize) -> Value {
        match value {
            Value::Object(members) if depth < MAX_DEPTH => Value::Object(self.members(members, depth)),
            Value::Array(list) if depth < MAX_DEPTH => {
                Value::Array(list.iter().map(|one| self.value(one, depth + 1)).collect())
            }
            // A text whose name is unknown by here (a participant as plain text) is somebody's number or name.
            Value::String(text) => Value::String(self.mark(text)),
            _ => Value::Null,
        }
    }

    fn members(&self, members: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), self.member(name, value, depth)?)))
            .collect()
    }

    fn member(&self, name: &str, value: &Value, depth: usize) -> Option<Value> {
        let folded = name.to_ascii_lowercase();
        let named = |list: &[&str]| list.contains(&folded.as_str());
        let scalar = !matches!(value, Value::Object(_) | Value::Array(_));
        if named(PLAIN) {
            return plain(value);
        }
        if named(MARKED) && scalar {
            return Some(match value {
                Value::String(text) => Value::String(self.mark(text)),
                Value::Number(number) => Value::String(self.mark(&number.to_string())),
                other => other.clone(),
            });
        }
        // `channel` is a word, `chat` may be an object or, in other messages, a word too.
        if named(OPEN) {
            return if scalar { None } else { Some(self.value(value, depth + 1)) };
        }
        if folded.ends_with("uri") || folded.ends_with("path") {
            return value.as_str().and_then(|text| self.address(text)).map(Value::String);
        }
        None
    }

    /// `/chats/ID` of a conversation's address, with the id's mark; nothing of any other.
    fn address(&self, text: &str) -> Option<String> {
        let mut segments = text.split(['?', '#']).next()?.rsplit('/');
        let (id, collection) = (segments.next()?, segments.next()?);
        let known = COLLECTIONS.contains(&collection.to_ascii_lowercase().as_str());
        (known && !id.is_empty()).then(|| format!("/{collection}/{}", self.mark(id)))
    }

    fn mark(&self, text: &str) -> String {
        let tag = hmac::sign(&self.0, text.as_bytes());
        let mut mark: String = tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        mark.truncate(MARK);
        mark
    }
}

/// A word, a number, or a list of words; an object under such a name is none of ours.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if word(text) => Some(value.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Null => Some(value.clone()),
        Value::Array(list) => {
            let words = list.iter().filter(|one| one.as_str().is_some_and(word)).cloned();
            Some(Value::Array(words.collect()))
        }
        _ => None,
    }
}

/// Words and stamps are short and plain; a sentence under such a name does not pass.
fn word(text: &str) -> bool {
    let one = |c: char| c.is_ascii_alphanumeric() || "-_:.+".contains(c);
    text.len() <= 64 && text.chars().all(one)
}
