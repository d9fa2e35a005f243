//! Bayeux messages as this server reads and writes them.
//!
//! These types are its own, so that a mistake in the client's is not mirrored here. Deliberately absent: what
//! a message does.

use super::queue::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub const HANDSHAKE: &str = "/meta/handshake";
pub const CONNECT: &str = "/meta/connect";
pub const SUBSCRIBE: &str = "/meta/subscribe";
pub const UNSUBSCRIBE: &str = "/meta/unsubscribe";
pub const DISCONNECT: &str = "/meta/disconnect";

/// More messages than this in one body are refused.
pub const MAX_MESSAGES: usize = 100;
/// The longest hold and the longest extra lifetime a client may ask for.
const MAX_ASKED: u64 = 3_600_000;

/// A message from a client; members it does not need are left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub channel: String,
    pub id: Option<Value>,
    pub client_id: Option<String>,
    pub supported_connection_types: Option<Vec<String>>,
    pub advice: Option<Asked>,
    pub ext: Option<RequestExt>,
    pub subscription: Option<Value>,
}

/// What a client asks for in a connect, in milliseconds.
#[derive(Debug, Deserialize)]
pub struct Asked {
    timeout: Option<u64>,
    interval: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct RequestExt {
    ack: Option<Value>,
}

impl Request {
    /// The ack extension is asked for (handshake).
    pub fn wants_ack(&self) -> bool {
        matches!(self.ext.as_ref().and_then(|ext| ext.ack.as_ref()), Some(Value::Bool(true)))
    }

    /// The server answers it at once by its own words; else a connect may be held.
    pub fn asks_no_hold(&self) -> bool {
        self.asked_timeout().is_some_and(|hold| hold.is_zero())
    }

    /// The batch acknowledged (connect); a negative number acknowledges nothing.
    pub fn acknowledged(&self) -> Option<u64> {
        let ack = self.ext.as_ref()?.ack.as_ref()?;
        ack.as_u64().or_else(|| ack.as_i64().map(|_| 0))
    }

    pub fn asked_timeout(&self) -> Option<Duration> {
        self.advice.as_ref()?.timeout.map(|ms| Duration::from_millis(ms.min(MAX_ASKED)))
    }

    pub fn asked_interval(&self) -> Option<Duration> {
        self.advice.as_ref()?.interval.map(|ms| Duration::from_millis(ms.min(MAX_ASKED)))
    }

    /// The channels of a subscription, given as one string or as an array of them.
    pub fn channels(&self) -> Result<Vec<String>, &'static str> {
        let channels = match &self.subscription {
            None => return Err("403::subscription_missing"),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) if !many.is_empty() => {
                let names = many.iter().map(|name| name.as_str().map(str::to_owned));
                names.collect::<Option<Vec<_>>>().ok_or("403::subscription_invalid")?
            }
            Some(_) => return Err("403::subscription_invalid"),
        };
        if channels.iter().any(|name| !valid_channel(name)) {
            return Err("403::subscription_invalid");
        }
        Ok(channels)
    }
}

/// Reads a body: an array of messages, or one alone. The error is the text of the HTTP 400.
pub fn parse(body: &[u8]) -> Result<Vec<Request>, String> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let messages: Vec<Request> = if first == Some(&b'{') {
        vec![serde_json::from_slice(body).map_err(|error| error.to_string())?]
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())?
    };
    if messages.len() > MAX_MESSAGES {
        return Err(format!("more than {MAX_MESSAGES} messages in one body"));
    }
    Ok(messages)
}

/// A reply; what is `None` is not written.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    pub successful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_connection_types: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<ReplyExt>,
    /// Messages that follow a handshake reply in its body.
    #[serde(rename = "x-messages", skip_serializing_if = "Option::is_none")]
    pub messages: Option<usize>,
    /// It stands before the data.
    #[serde(skip)]
    pub first: bool,
}

#[derive(Debug, Serialize)]
pub struct ReplyExt {
    pub ack: Value,
}

/// Times in milliseconds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Advice {
    Own(OwnAdvice),
    /// As a fault has it.
    Given(Value),
}

#[derive(Debug, Serialize)]
pub struct OwnAdvice {
    pub reconnect: &'static str,
    pub interval: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    #[serde(rename = "multiple-clients", skip_serializing_if = "std::ops::Not::not")]
    pub multiple_clients: bool,
}

impl Advice {
    pub fn retry(timeout: Duration, interval: Duration, multiple_clients: bool) -> Advice {
        Advice::Own(OwnAdvice {
            reconnect: "retry",
            interval: millis(interval),
            timeout: Some(millis(timeout)),
            multiple_clients,
        })
    }

    pub fn only(reconnect: &'static str) -> Advice {
        Advice::Own(OwnAdvice { reconnect, interval: 0, timeout: None, multiple_clients: false })
    }
}

impl Reply {
    pub fn to(request: &Request) -> Reply {
        Reply {
            channel: request.channel.clone(),
            id: request.id.clone(),
            successful: true,
            ..Reply::default()
        }
    }

    pub fn refused(request: &Request, error: &str) -> Reply {
        Reply {
            successful: false,
            error: Some(error.to_owned()),
            subscription: request.subscription.clone(),
            ..Reply::to(request)
        }
    }

    /// The session is not (or no longer) known here. As in CometD, the advice stands on handshakes and connects only.
    pub fn unknown(request: &Request) -> Reply {
        let advised = request.channel == CONNECT || request.channel == HANDSHAKE;
        Reply {
            advice: advised.then(|| Advice::only("handshake")),
            ..Reply::refused(request, "402::session_unknown")
        }
    }
}

/// A response body in CometD's order: handshake reply, data, other replies, connect reply last; or, as other
/// servers have it, the connect reply ahead of the data.
pub fn body(replies: &[Reply], data: &[Message]) -> Vec<u8> {
    let of = |wanted: fn(&str) -> bool| {
        let chosen = replies.iter().filter(move |reply| wanted(&reply.channel));
        chosen.filter_map(|reply| serde_json::to_string(reply).ok())
    };
    let mut parts: Vec<String> = of(|channel| channel == HANDSHAKE).collect();
    let ahead = replies.iter().any(|reply| reply.first);
    if ahead {
        parts.extend(of(|channel| channel == CONNECT));
    }
    parts.extend(data.iter().map(|message| message.json.to_string()));
    parts.extend(of(|channel| channel != HANDSHAKE && channel != CONNECT));
    if !ahead {
        parts.extend(of(|channel| channel == CONNECT));
    }
    format!("[{}]", parts.join(",")).into_bytes()
}

/// Whether a subscription, perhaps with a wildcard at its end, covers a channel.
pub fn covers(subscription: &str, channel: &str) -> bool {
    if let Some(prefix) = subscription.strip_suffix("**") {
        return channel.starts_with(prefix);
    }
    match subscription.strip_suffix('*') {
        Some(prefix) => channel.strip_prefix(prefix).is_some_and(|rest| !rest.contains('/')),
        None => subscription == channel,
    }
}

pub fn valid_channel(name: &str) -> bool {
    name.len() <= 512
        && name.starts_with('/')
        && name.len() > 1
        && !name.contains("//")
        && !name.ends_with('/')
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_cover_one_segment_or_all_below() {
        assert!(covers("/v2/me/*", "/v2/me/devices"));
        assert!(!covers("/v2/me/*", "/v2/me"));
        assert!(!covers("/v2/me/*", "/v2/me/a/b"));
        assert!(covers("/v2/**", "/v2/me/a/b"));
        assert!(!covers("/v2/me", "/v2/me/devices"));
    }

    #[test]
    fn a_negative_ack_acknowledges_nothing_and_a_missing_one_is_none() {
        let of = |text: &str| parse(text.as_bytes()).unwrap().remove(0).acknowledged();
        assert_eq!(of(r#"{"channel":"/meta/connect","ext":{"ack":-1}}"#), Some(0));
        assert_eq!(of(r#"[{"channel":"/meta/connect","ext":{"ack":5000000000}}]"#), Some(5_000_000_000));
        assert_eq!(of(r#"[{"channel":"/meta/connect"}]"#), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }
    }
}
