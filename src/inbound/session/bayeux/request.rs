//! Request bodies out.
//!
//! Deliberately absent: which request comes when (that is `machine`).

use serde::Serialize;
use std::time::Duration;

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

/// The id of a message, and the channel that it is about.
pub type Numbered = (String, String);

/// A request body of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Handshake {
        id: String,
    },
    /// Channels with the ids of their messages; of those `gone` the session is to hear no more.
    Subscribe {
        client_id: String,
        channels: Vec<Numbered>,
        gone: Vec<Numbered>,
    },
    Connect {
        id: String,
        client_id: String,
        ack: Option<i64>,
        hold: Hold,
        window: Option<Duration>,
    },
    Disconnect {
        id: String,
        client_id: String,
    },
}

impl Request {
    /// The path suffix that CometD's own clients append to the URL of a single meta message.
    pub fn suffix(&self) -> &'static str {
        match self {
            Request::Handshake { .. } => "/handshake",
            Request::Subscribe { channels, gone, .. } => match (channels.len(), gone.len()) {
                (1, 0) => "/subscribe",
                (0, 1) => "/unsubscribe",
                _ => "",
            },
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
            Request::Subscribe { client_id, channels, gone } => {
                let on = |meta: &'static str, of: &[Numbered]| {
                    of.iter()
                        .map(|(id, channel)| {
                            serde_json::json!({
                                "id": id, "channel": meta, "clientId": client_id, "subscription": channel,
                            })
                        })
                        .collect::<Vec<_>>()
                };
                [on("/meta/unsubscribe", gone), on("/meta/subscribe", channels)].concat()
            }
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
