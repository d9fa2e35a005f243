//! Bayeux on the wire: request bodies out, reply bodies in.
//!
//! A body is read as a set of messages in any order; one message that can not be read never costs its
//! neighbours. Deliberately absent: what to do about a reply (that is `machine`).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// The longest client id taken; servers use some dozen characters.
const MAX_CLIENT_ID: usize = 1024;

/// One message of a reply body.
#[derive(Debug)]
pub enum Message {
    /// A reply on `/meta/…` or to a request of ours.
    Meta(Meta),
    /// A notification: its channel and its `data`, untouched.
    Data { channel: String, data: Box<RawValue> },
    /// Not a Bayeux message, as it came.
    Malformed { raw: Box<RawValue>, reason: &'static str },
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

/// A member of the wrong type counts as absent: advice is advice.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
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
    #[serde(default)]
    subscription: Option<serde_json::Value>,
    #[serde(default, rename = "supportedConnectionTypes")]
    connection_types: Option<serde_json::Value>,
}

/// Ids are strings by the book; some servers send numbers.
fn lenient_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
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
    let items = serde_json::from_slice::<Vec<&RawValue>>(body).map_err(|e| unreadable(position(&e)))?;
    Ok(items.into_iter().map(message).collect())
}

/// serde's words without a quotation from the body, which could be personal.
fn position(error: &serde_json::Error) -> String {
    format!("no JSON array or object; it breaks off at line {} column {}", error.line(), error.column())
}

fn message(raw: &RawValue) -> Message {
    let malformed = |reason| Message::Malformed { raw: raw.to_owned(), reason };
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(raw.get()) else {
        return malformed("not a Bayeux message");
    };
    let Some(channel) = wire.channel else { return malformed("no channel") };
    if let Some(data) = wire.data
        && !channel.starts_with("/meta/")
        && data.get() != "null"
    {
        return Message::Data { channel, data: data.to_owned() };
    }
    if wire.successful.is_none() && !channel.starts_with("/meta/") {
        return malformed("neither data nor a reply");
    }
    Message::Meta(Meta {
        channel,
        id: wire.id,
        client_id: wire.client_id.filter(|id| id.len() <= MAX_CLIENT_ID),
        successful: wire.successful.unwrap_or(false),
        error: wire.error.map(|text| text.chars().take(200).collect()),
        advice: wire.advice,
        ack: wire.ext.map(ack).unwrap_or_default(),
        subscription: strings(wire.subscription),
        connection_types: strings(wire.connection_types),
    })
}

fn strings(value: Option<serde_json::Value>) -> Vec<String> {
    match value {
        Some(serde_json::Value::String(one)) => vec![one],
        Some(serde_json::Value::Array(many)) => {
            many.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn ack(ext: &RawValue) -> Ack {
    #[derive(Deserialize)]
    struct Ext {
        #[serde(default)]
        ack: serde_json::Value,
    }
    let Ok(ext) = serde_json::from_str::<Ext>(ext.get()) else { return Ack::None };
    match &ext.ack {
        serde_json::Value::Bool(true) => Ack::Enabled,
        serde_json::Value::Number(number) => number.as_i64().map_or(Ack::None, Ack::Batch),
        serde_json::Value::Object(object) if object.get("enabled") != Some(&false.into()) => {
            object.get("batch").and_then(serde_json::Value::as_i64).map_or(Ack::Enabled, Ack::Batch)
        }
        _ => Ack::None,
    }
}

/// How long the server is asked to hold a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Answer at once.
    None,
    /// As long as the server itself sees fit.
    Server,
    /// So long, also where unacknowledged messages wait.
    Of(Duration),
}

/// A request body of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Handshake { id: String },
    Subscribe { client_id: String, channels: Vec<(String, String)> },
    Connect { id: String, client_id: String, ack: Option<i64>, hold: Hold, window: Option<Duration> },
    Disconnect { id: String, client_id: String },
}

impl Request {
    /// The path suffix that CometD's own clients append to the URL of a single meta message.
    pub fn suffix(&self) -> &'static str {
        match self {
            Request::Handshake { .. } => "/handshake",
            Request::Subscribe { channels, .. } if channels.len() == 1 => "/subscribe",
            Request::Subscribe { .. } => "",
            Request::Connect { .. } => "/connect",
            Request::Disconnect { .. } => "/disconnect",
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Request::Handshake { .. } => "handshake",
            Request::Subscribe { .. } => "subscribe",
            Request::Connect { .. } => "connect",
            Request::Disconnect { .. } => "disconnect",
        }
    }

    /// The JSON array to post.
    pub fn body(&self) -> Vec<u8> {
        let messages = match self {
            Request::Handshake { id } => vec![serde_json::json!({
                "id": id, "channel": "/meta/handshake", "version": "1.0", "minimumVersion": "1.0",
                "supportedConnectionTypes": ["long-polling"], "ext": {"ack": true},
            })],
            Request::Subscribe { client_id, channels } => channels
                .iter()
                .map(|(id, channel)| {
                    serde_json::json!({
                        "id": id, "channel": "/meta/subscribe", "clientId": client_id, "subscription": channel,
                    })
                })
                .collect(),
            Request::Connect { id, client_id, ack, hold, window } => {
                vec![connect(id, client_id, *ack, *hold, *window)]
            }
            Request::Disconnect { id, client_id } => {
                vec![serde_json::json!({"id": id, "channel": "/meta/disconnect", "clientId": client_id})]
            }
        };
        serde_json::Value::Array(messages).to_string().into_bytes()
    }
}

fn connect(
    id: &str,
    client_id: &str,
    ack: Option<i64>,
    hold: Hold,
    window: Option<Duration>,
) -> serde_json::Value {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Connect<'a> {
        id: &'a str,
        channel: &'a str,
        client_id: &'a str,
        connection_type: &'a str,
        #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
        advice: serde_json::Map<String, serde_json::Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ext: Option<serde_json::Value>,
    }
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into();
    let mut advice = serde_json::Map::new();
    match hold {
        Hold::Server => {}
        Hold::None => drop(advice.insert("timeout".to_owned(), 0.into())),
        Hold::Of(time) => drop(advice.insert("timeout".to_owned(), millis(time))),
    }
    if let Some(window) = window {
        advice.insert("interval".to_owned(), millis(window));
    }
    serde_json::to_value(Connect {
        id,
        channel: "/meta/connect",
        client_id,
        connection_type: "long-polling",
        advice,
        ext: ack.map(|number| serde_json::json!({"ack": number})),
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_is_read_as_a_set_and_a_bad_message_costs_only_itself() {
        let body = br#"[{"channel":"/v2/me/chats","data":{"n":1.10}},7,{"x":1},
            {"channel":"/meta/connect","id":3,"successful":true,"ext":{"ack":9007199254740993},"advice":{"interval":"soon","timeout":100}}]"#;
        let messages = parse(body).unwrap();
        assert!(matches!(&messages[0], Message::Data { channel, data }
            if channel == "/v2/me/chats" && data.get() == r#"{"n":1.10}"#));
        assert!(matches!(&messages[1], Message::Malformed { .. }));
        assert!(matches!(&messages[2], Message::Malformed { .. }));
        let Message::Meta(meta) = &messages[3] else { panic!("no meta") };
        assert_eq!(meta.id.as_deref(), Some("3"));
        assert_eq!(meta.ack, Ack::Batch(9_007_199_254_740_993));
        let advice = meta.advice.clone().unwrap();
        assert_eq!((advice.interval, advice.timeout), (None, Some(100)));
    }

    #[test]
    fn every_form_of_the_ack_extension_is_understood() {
        let of = |ext: &str| {
            let body = format!(r#"{{"channel":"/meta/handshake","successful":true,"ext":{ext}}}"#);
            let Message::Meta(meta) = parse(body.as_bytes()).unwrap().remove(0) else { panic!("no meta") };
            meta.ack
        };
        assert_eq!(of(r#"{"ack":true}"#), Ack::Enabled);
        assert_eq!(of(r#"{"ack":{"enabled":true}}"#), Ack::Enabled);
        assert_eq!(of(r#"{"ack":{"enabled":true,"batch":4}}"#), Ack::Batch(4));
        assert_eq!(of(r#"{"ack":{"enabled":false,"batch":4}}"#), Ack::None);
        assert_eq!(of(r#"{"ack":false}"#), Ack::None);
        assert_eq!(of("{}"), Ack::None);
    }

    #[test]
    fn an_unreadable_body_is_named_without_quoting_it() {
        let error = parse(b"<html>secret").unwrap_err().to_string();
        assert!(error.contains("12 bytes") && !error.contains("secret"), "{error}");
        assert!(parse(b"  ").unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn the_connect_carries_the_ack_and_asks_for_no_hold_where_told() {
        let of = |hold, window: Option<u64>| {
            let window = window.map(Duration::from_millis);
            let (id, client_id) = ("5".into(), "c".into());
            let request = Request::Connect { id, client_id, ack: Some(3), hold, window };
            String::from_utf8(request.body()).unwrap()
        };
        let rest = r#""channel":"/meta/connect","clientId":"c","connectionType":"long-polling","ext":{"ack":3},"id":"5"}]"#;
        assert_eq!(of(Hold::None, None), format!(r#"[{{"advice":{{"timeout":0}},{rest}"#));
        assert_eq!(of(Hold::Server, None), format!("[{{{rest}"));
        assert_eq!(of(Hold::Server, Some(9)), format!(r#"[{{"advice":{{"interval":9}},{rest}"#));
        let both = r#"[{"advice":{"interval":9,"timeout":5},"#;
        assert_eq!(of(Hold::Of(Duration::from_millis(5)), Some(9)), format!("{both}{rest}"));
    }

    proptest! {
        #[test]
        fn no_body_can_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn no_json_can_make_it_panic(value in "[\\[{\\]}:,\"a-z/0-9 ]{0,80}") {
            let _ = parse(value.as_bytes());
        }
    }
}
