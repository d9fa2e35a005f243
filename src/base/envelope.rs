//! The envelope, version 1: what one event is, from the moment it is normalised until a sink encodes it.
//!
//! Attributes are CloudEvents 1.0 plus our extension attributes (design section 5). An [`Event`] is what the
//! journal stores as a row's body; `sequence` is not in it, because the row's own number says it.
//! Deliberately absent: bytes on the wire (see `encode`) and the typed payloads (see `data`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A closed word (medium, event) or one read back from the journal.
pub type Word = Cow<'static, str>;

/// Media of interactions, agents, what else GWS tells of, and the bridge itself, in the one spelling used everywhere.
pub mod medium {
    pub const FACEBOOKSESSION: &str = "facebooksession";
    pub const CHAT: &str = "chat";
    pub const SMSSESSION: &str = "smssession";
    pub const CALL: &str = "call";
    pub const EMAIL: &str = "email";
    /// Public posts; private messages are a `facebooksession`.
    pub const FACEBOOK: &str = "facebook";
    pub const TWEET: &str = "tweet";
    pub const WORKITEM: &str = "workitem";
    pub const OPENMEDIA: &str = "openmedia";
    pub const IMSESSION: &str = "imsession";
    pub const WORKBIN: &str = "workbin";
    pub const OUTBOUND: &str = "outbound";
    pub const USER: &str = "user";
    pub const SERVICE: &str = "service";
    pub const AGENT: &str = "agent";
    pub const BRIDGE: &str = "bridge";
    pub const UNKNOWN: &str = "unknown";
    /// Every medium that can stand in an envelope or in a `match`.
    pub const ALL: &[&str] = &[
        FACEBOOKSESSION,
        CHAT,
        SMSSESSION,
        CALL,
        EMAIL,
        FACEBOOK,
        TWEET,
        WORKITEM,
        OPENMEDIA,
        IMSESSION,
        WORKBIN,
        OUTBOUND,
        USER,
        SERVICE,
        AGENT,
        BRIDGE,
        UNKNOWN,
    ];
    /// The conversation family: those with a log of numbered items, which REST lists, so that a gap can be repaired.
    pub const CONVERSATIONS: &[&str] = &[FACEBOOKSESSION, CHAT, SMSSESSION];
    /// Every other medium whose notifications carry an interaction's state.
    pub const ITEMS: &[&str] = &[CALL, EMAIL, FACEBOOK, TWEET, WORKITEM, OPENMEDIA, IMSESSION];
}

/// Events, in the one spelling used everywhere.
pub mod event {
    pub const STATUS_CHANGE: &str = "status_change";
    pub const PARTICIPANTS_UPDATED: &str = "participants_updated";
    pub const PROPERTIES_UPDATED: &str = "properties_updated";
    pub const ERROR: &str = "error";
    pub const ATTACHED_DATA_CHANGED: &str = "attached_data_changed";
    pub const RECORDING_STATE_CHANGE: &str = "recording_state_change";
    pub const SAVED: &str = "saved";
    pub const ATTACHMENT_ADDED: &str = "attachment_added";
    pub const ATTACHMENT_REMOVED: &str = "attachment_removed";
    pub const OPERATION_RESPONSE: &str = "operation_response";
    pub const LOG_UPDATE: &str = "log_update";
    pub const SUBSCRIPTION_CHANGE: &str = "subscription_change";
    pub const ACTION: &str = "action";
    pub const RECORD: &str = "record";
    pub const USER_EVENT: &str = "user_event";
    pub const PASSWORD_CHANGED: &str = "password_changed";
    pub const PASSWORD_ERROR: &str = "password_error";
    pub const MESSAGE: &str = "message";
    pub const STATE_CHANGE: &str = "state_change";
    pub const UNKNOWN: &str = "unknown";
    pub const GAP_OPENED: &str = "gap_opened";
    pub const GAP_CLOSED: &str = "gap_closed";
    pub const GAP: &str = "gap";
    pub const ENDED_UNSEEN: &str = "ended_unseen";
    pub const TRANSCRIPT: &str = "transcript";
    pub const SILENT: &str = "silent";
    pub const SINK_LOST: &str = "sink_lost";
    pub const ITEM_REJECTED: &str = "item_rejected";
    /// Every event that can stand in an envelope or in a `match`.
    pub const ALL: &[&str] = &[
        STATUS_CHANGE,
        PARTICIPANTS_UPDATED,
        PROPERTIES_UPDATED,
        ERROR,
        ATTACHED_DATA_CHANGED,
        RECORDING_STATE_CHANGE,
        SAVED,
        ATTACHMENT_ADDED,
        ATTACHMENT_REMOVED,
        OPERATION_RESPONSE,
        LOG_UPDATE,
        SUBSCRIPTION_CHANGE,
        ACTION,
        RECORD,
        USER_EVENT,
        PASSWORD_CHANGED,
        PASSWORD_ERROR,
        MESSAGE,
        STATE_CHANGE,
        UNKNOWN,
        GAP_OPENED,
        GAP_CLOSED,
        GAP,
        ENDED_UNSEEN,
        TRANSCRIPT,
        SILENT,
        SINK_LOST,
        ITEM_REJECTED,
    ];
}

/// Reading words back: those of this release cost nothing to hold, and there are several in each event.
mod words {
    use super::{Word, event, gws_type, medium, schema_urn};
    use serde::de::{Deserializer, Error, Visitor};
    use std::collections::HashSet;
    use std::fmt;
    use std::sync::LazyLock;

    static KNOWN: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let mut known: HashSet<String> =
            medium::ALL.iter().chain(event::ALL).map(|word| (*word).to_owned()).collect();
        for medium in medium::ALL {
            for event in event::ALL {
                known.insert(gws_type(medium, event));
                known.insert(schema_urn(&format!("{medium}.{event}")));
            }
        }
        known
    });

    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Word;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(match KNOWN.get(text) {
                    Some(known) => Word::Borrowed(known.as_str()),
                    None => Word::Owned(text.to_owned()),
                })
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// Where `time` was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// The log item's own stamp.
    Item,
    /// The server's generation time (`metrics.eventProcessing.serverGenerationTimestamp`).
    Server,
    /// The moment the bridge received it.
    Receipt,
}

/// How an event came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Notification,
    Snapshot,
    Bridge,
}

/// The class of an event: the `{class}` placeholder of topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Content,
    Lifecycle,
    AgentState,
    Bridge,
}

impl Class {
    /// Every class, for listing the topics a configuration can produce.
    pub const ALL: [Class; 4] = [Class::Content, Class::Lifecycle, Class::AgentState, Class::Bridge];

    /// Of an event's words. What is not understood counts as content: it may hold some.
    pub fn of(medium: &str, event: &str) -> Class {
        match (medium, event) {
            (medium::BRIDGE, _) => Class::Bridge,
            (medium::AGENT, event::STATE_CHANGE) => Class::AgentState,
            (medium::UNKNOWN, _) | (_, event::MESSAGE | event::LOG_UPDATE | event::TRANSCRIPT) => {
                Class::Content
            }
            _ => Class::Lifecycle,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Content => "content",
            Class::Lifecycle => "lifecycle",
            Class::AgentState => "agent-state",
            Class::Bridge => "bridge",
        }
    }
}

/// One event as the journal holds it: the envelope's attributes, its typed data, and the sender's own JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Fixed when the event enters the journal; empty only between `normalise` and `dedup`.
    pub id: String,
    /// `/gws/<realm>`, or `/bridge` for events of the bridge that belong to no site.
    pub source: String,
    /// `genesys.gws.<medium>.<event>.v<major>` or `cometbridge.…`.
    #[serde(rename = "type", deserialize_with = "words::read")]
    pub kind: Word,
    pub subject: String,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    pub timesource: TimeSource,
    #[serde(deserialize_with = "words::read")]
    pub dataschema: Word,
    /// The configured site's name, for routing and topic placeholders; not an envelope attribute.
    pub site: String,
    #[serde(deserialize_with = "words::read")]
    pub medium: Word,
    #[serde(deserialize_with = "words::read")]
    pub event: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction: Option<String>,
    /// Stands on what belongs to one agent's view; the roster's opaque key, never the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The roster's group of that agent when the event was recorded, for routing; not an envelope attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Who first showed us a shared log item; neither author nor owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observedby: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messageindex: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorkind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referenceid: Option<String>,
    /// The interaction that this one came from, where the sender names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseid: Option<String>,
    /// `<realm>/<interaction>`, else `<realm>/<agent>`: the unit of order.
    pub partitionkey: String,
    /// RFC 3339, UTC, milliseconds: when the bridge wrote it down. Empty until then.
    pub recordedtime: String,
    pub origin: Origin,
    /// The typed payload of `data`, without what stands beside it there: `raw`, `notification` and `context`.
    pub data: Box<RawValue>,
    /// The sender's JSON untouched: the log item, or the notification's whole `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Box<RawValue>>,
    /// Of an item of a list: the rest of the notification it came in, as received (`data.notification`). Rows of the
    /// journal have called it `context` from the start.
    #[serde(default, rename = "context", skip_serializing_if = "Option::is_none")]
    pub rest: Option<Box<RawValue>>,
    /// What was last known of its interaction when it was recorded (`data.context`), of what any sink wanted then.
    #[serde(default, rename = "known", skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// It was a dead letter and comes after later ones of its partition key; a delivery's own, never stored.
    #[serde(skip)]
    pub late: bool,
}

impl Event {
    /// An event with its data and nothing else yet: the start of every constructor.
    pub fn bare(data: Box<RawValue>) -> Event {
        Event {
            id: String::new(),
            source: String::new(),
            kind: Word::default(),
            subject: String::new(),
            time: String::new(),
            timesource: TimeSource::Receipt,
            dataschema: Word::default(),
            site: String::new(),
            medium: Word::default(),
            event: Word::default(),
            interaction: None,
            agent: None,
            group: None,
            observedby: None,
            messageindex: None,
            authorkind: None,
            visibility: None,
            referenceid: None,
            correlationid: None,
            revision: None,
            baseid: None,
            partitionkey: String::new(),
            recordedtime: String::new(),
            origin: Origin::Notification,
            data,
            raw: None,
            rest: None,
            context: None,
            late: false,
        }
    }

    /// The class used for topics and matching.
    pub fn class(&self) -> Class {
        Class::of(&self.medium, &self.event)
    }
}

/// The `type` of a GWS event, e.g. `genesys.gws.chat.message.v1`.
pub fn gws_type(medium: &str, event: &str) -> String {
    if medium == medium::UNKNOWN {
        return "genesys.gws.unknown.v1".to_owned();
    }
    ["genesys.gws.", medium, ".", event, ".v1"].concat()
}

/// The `dataschema` of a type, e.g. `urn:cometbridge:schema:chat.message:1`.
pub fn schema_urn(name: &str) -> String {
    ["urn:cometbridge:schema:", name, ":1"].concat()
}

/// `realm/…` as one partition key.
pub fn partition_key(realm: &str, of: &str) -> String {
    [realm, "/", of].concat()
}

/// Percent-encodes one path segment of an id: everything but letters, digits, `-`, `_` and `~`.
///
/// A dot is encoded too, because `webhook-id` forbids it (it separates the signed parts).
pub fn id_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_notification_is_read_from_the_member_that_older_releases_wrote() {
        let mut event = Event::bare(RawValue::from_string("{}".to_owned()).unwrap());
        event.rest = Some(RawValue::from_string(r#"{"chatUri":"/chats/1"}"#.to_owned()).unwrap());
        let row = serde_json::to_string(&event).unwrap();
        assert!(row.contains(r#""context":{"chatUri":"/chats/1"}"#), "{row}");
        let read: Event = serde_json::from_str(&row).unwrap();
        assert_eq!(read.rest.unwrap().get(), r#"{"chatUri":"/chats/1"}"#);
        assert!(read.context.is_none(), "what is known of the interaction is another member");
    }

    #[test]
    fn an_id_segment_holds_no_dot_slash_or_blank() {
        assert_eq!(id_segment("0000Na9B26EF002X"), "0000Na9B26EF002X");
        assert_eq!(id_segment("a.b/c d;é"), "a%2Eb%2Fc%20d%3B%C3%A9");
    }
}
