//! Bayeux on the wire: reply bodies in, and request bodies out (`request`).
//!
//! A body is read as a set of messages in any order; one message that can not be read never costs its
//! neighbours. Deliberately absent: what to do about a reply (that is `machine`).

use serde::de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

mod request;

pub use request::{Hold, Numbered, Request};

/// The longest client id taken; servers use some dozen characters.
const MAX_CLIENT_ID: usize = 1024;
/// Messages of one body: each takes far more memory than the few bytes it can be written in.
const MAX_MESSAGES: usize = 100_000;
/// Of what is no message, so many are kept one by one and the others together, so many bytes at a time: each becomes
/// an event and a line of the log.
const MAX_MALFORMED: usize = 100;
const MAX_BUNDLE: usize = 64 << 10;
/// Strings of one list in a reply.
const MAX_STRINGS: usize = 1_000;

/// One message of a reply body.
#[derive(Debug)]
pub enum Message {
    /// A reply on `/meta/…` or to a request of ours.
    Meta(Box<Meta>),
    /// A notification: its channel and its `data`, untouched.
    Data { channel: String, data: Box<RawValue> },
    /// Not a Bayeux message, as it came, and its channel where it names one.
    Malformed { channel: Option<String>, raw: Box<RawValue>, reason: &'static str },
}

/// A reply to one of our requests. Unknown members are passed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    pub channel: String,
    pub id: Option<String>,
    pub client_id: Option<String>,
    pub successful: bool,
    pub error: Option<String>,
    pub advice: Option<Advice>,
    /// `ext.ack` of a handshake reply: whether the server acknowledges, and from which batch.
    pub ack: Ack,
    pub subscription: Vec<String>,
    /// `supportedConnectionTypes` of a handshake reply; empty where it names none.
    pub connection_types: Vec<String>,
}

/// `ext.ack` in its four shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    #[default]
    None,
    /// `true`, or `{"enabled":true}`.
    Enabled,
    /// `{"enabled":true,"batch":N}`, or the number of a connect reply.
    Batch(i64),
}

/// What the server advises; absent members stay absent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Advice {
    #[serde(default, deserialize_with = "lenient")]
    pub reconnect: Option<String>,
    /// Milliseconds.
    #[serde(default, deserialize_with = "lenient")]
    pub interval: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub timeout: Option<i64>,
    #[serde(default, rename = "multiple-clients", deserialize_with = "lenient")]
    pub multiple_clients: Option<bool>,
}

/// A member of the wrong type counts as absent: advice is advice. Nothing is built of what is not taken.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(value.get()).ok())
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    channel: Option<String>,
    #[serde(default, deserialize_with = "lenient_id")]
    id: Option<String>,
    #[serde(default, rename = "clientId")]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    successful: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    advice: Option<Advice>,
    #[serde(borrow, default)]
    ext: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    subscription: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "supportedConnectionTypes")]
    connection_types: Option<&'a RawValue>,
}

/// Ids are strings by the book; some servers send numbers.
fn lenient_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).ok(),
        Some(b'-' | b'0'..=b'9') => Some(text.to_owned()),
        _ => None,
    })
}

/// The body was no JSON array or object at all.
#[derive(Debug, thiserror::Error)]
#[error("the reply is not a Bayeux body ({bytes} bytes): {reason}")]
pub struct Unreadable {
    pub bytes: usize,
    pub reason: String,
}

/// Reads a reply body: an array of messages, or a single one.
pub fn parse(body: &[u8]) -> Result<Vec<Message>, Unreadable> {
    let unreadable = |reason: String| Unreadable { bytes: body.len(), reason };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(unreadable("it is empty".to_owned()));
    }
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        let single = serde_json::from_slice::<&RawValue>(body).map_err(|e| unreadable(position(&e)))?;
        return Ok(vec![message(single)]);
    }
    let Counted(count) = serde_json::from_slice(body).map_err(|e| unreadable(position(&e)))?;
    if count > MAX_MESSAGES {
        return Err(unreadable(format!("it holds {count} messages, and {MAX_MESSAGES} at most are taken")));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    Collect(count).deserialize(&mut reader).map_err(|e| unreadable(position(&e)))
}

/// How many items a list has; nothing of them is kept.
struct Counted(usize);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Counted, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Counted;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Counted, A::Error> {
                let mut count = 0;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Counted(count))
            }
        }
        deserializer.deserialize_seq(Count)
    }
}

/// The messages of a list that has so many.
struct Collect(usize);

impl<'de> DeserializeSeed<'de> for Collect {
    type Value = Vec<Message>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Message>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Collect {
    type Value = Vec<Message>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Message>, A::Error> {
        let mut messages = Vec::with_capacity(self.0);
        let (mut malformed, mut bundle) = (0, String::new());
        while let Some(raw) = items.next_element::<&RawValue>()? {
            match message(raw) {
                Message::Malformed { .. } if malformed >= MAX_MALFORMED => {
                    if bundle.len() + raw.get().len() > MAX_BUNDLE {
                        messages.extend(bundled(&mut bundle));
                    }
                    bundle.push(if bundle.is_empty() { '[' } else { ',' });
                    bundle.push_str(raw.get());
                }
                message => {
                    malformed += usize::from(matches!(message, Message::Malformed { .. }));
                    messages.push(message);
                }
            }
        }
        messages.extend(bundled(&mut bundle));
        Ok(messages)
    }
}

/// What is collected of messages that are none, as one; `[` and all of them are in there.
fn bundled(bundle: &mut String) -> Option<Message> {
    if bundle.is_empty() {
        return None;
    }
    let list = std::mem::take(bundle) + "]";
    let raw = RawValue::from_string(list).ok()?;
    Some(Message::Malformed { channel: None, raw, reason: "several that are no Bayeux messages, together" })
}

/// serde's words without a quotation from the body, which could be personal.
fn position(error: &serde_json::Error) -> String {
    format!("no JSON array or object; it breaks off at line {} column {}", error.line(), error.column())
}

fn message(raw: &RawValue) -> Message {
    let malformed = |channel, reason| Message::Malformed { channel, raw: raw.to_owned(), reason };
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(raw.get()) else {
        return malformed(None, "not a Bayeux message");
    };
    let Some(channel) = wire.channel else { return malformed(None, "no channel") };
    if let Some(data) = wire.data
        && !channel.starts_with("/meta/")
        && data.get() != "null"
    {
        return Message::Data { channel, data: data.to_owned() };
    }
    if wire.successful.is_none() && !channel.starts_with("/meta/") {
        return malformed(Some(channel), "neither data nor a reply");
    }
    Message::Meta(Box::new(Meta {
        channel,
        id: wire.id,
        client_id: wire.client_id.filter(|id| id.len() <= MAX_CLIENT_ID),
        successful: wire.successful.unwrap_or(false),
        error: wire.error.map(|text| text.chars().take(200).collect()),
        advice: wire.advice,
        ack: wire.ext.map(ack).unwrap_or_default(),
        subscription: wire.subscription.map(strings).unwrap_or_default(),
        connection_types: wire.connection_types.map(strings).unwrap_or_default(),
    }))
}

/// A string, or the strings of a list; of a list that is too long nothing.
fn strings(json: &RawValue) -> Vec<String> {
    let string = |item: &RawValue| serde_json::from_str::<String>(item.get()).ok();
    match serde_json::from_str::<Counted>(json.get()) {
        Ok(Counted(count)) if count <= MAX_STRINGS => {
            let items: Vec<&RawValue> = serde_json::from_str(json.get()).unwrap_or_default();
            items.into_iter().filter_map(string).collect()
        }
        Ok(_) => Vec::new(),
        Err(_) => string(json).into_iter().collect(),
    }
}

fn ack(ext: &RawValue) -> Ack {
    #[derive(Deserialize)]
    struct Ext<'a> {
        #[serde(borrow, default)]
        ack: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Form {
        #[serde(default, deserialize_with = "lenient")]
        enabled: Option<bool>,
        #[serde(default, deserialize_with = "lenient")]
        batch: Option<i64>,
    }
    let Ok(Ext { ack: Some(ack) }) = serde_json::from_str::<Ext<'_>>(ext.get()) else { return Ack::None };
    match ack.get().as_bytes().first() {
        Some(b't') => Ack::Enabled,
        Some(b'{') => match serde_json::from_str::<Form>(ack.get()) {
            Ok(Form { enabled, batch }) if enabled != Some(false) => batch.map_or(Ack::Enabled, Ack::Batch),
            _ => Ack::None,
        },
        _ => serde_json::from_str(ack.get()).map_or(Ack::None, Ack::Batch),
    }
}

#[cfg(test)]
mod tests;
