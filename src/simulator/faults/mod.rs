//! What can be made to go wrong while the simulator runs: the faults by name.
//!
//! A fault without `user` hits whoever comes first. Deliberately absent: the damage itself, which `http`,
//! `login`, `exchange` and `strike` do where they would do the right thing otherwise, and the list of those not
//! yet spent (see `pending`).

mod pending;

pub use pending::{After, Before, Faults, Within};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most messages `batch` publishes.
const MAX_BATCH: usize = 100_000;

/// One fault, as `POST /simulator/faults` takes it: `{"fault":"cut","after":10}`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// How `GET /api/v2/me` treats the user from now on.
    Login { user: String, mode: LoginMode },
    /// The user's CometD sessions are gone: a held connect ends with HTTP 500, the next one gets `402`.
    Drop { user: String },
    /// The HTTP sessions as well: the next request gets 403.
    Expire { user: String },
    /// Publishes one message whose text is this long to the user.
    Huge { user: String, channel: String, bytes: usize },
    /// The next `count` requests are answered with this HTTP status and are not processed.
    Status {
        user: Option<String>,
        status: u16,
        retry_after: Option<u32>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// As `status`, with a redirect: 302 or 307, to `location` or to where the request went.
    Redirect {
        user: Option<String>,
        status: u16,
        location: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next `count` requests wait so long before they are processed.
    Delay {
        user: Option<String>,
        millis: u32,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The connection ends after so many bytes of the next reply's body.
    Cut {
        user: Option<String>,
        after: usize,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next reply is no JSON.
    Garbage {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next reply says it is of this type.
    ContentType {
        user: Option<String>,
        value: String,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply has no `id`.
    NoId {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply has no `ext.ack`.
    NoReplyAck {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply carries its messages, ends the session and advises `none`.
    AdviceNone {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// Handshakes from now on get no ack extension.
    NoAck { enabled: bool },
    /// Without ack, replies other than a connect's carry messages, too.
    DataAnywhere { enabled: bool },
    /// Handshake replies carry no advice.
    HandshakeWithoutAdvice { enabled: bool },
    /// The connection ends before the next request is processed.
    HangUp {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next request is processed, and its connection ends without an answer.
    LostReply {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next request is neither processed nor answered, and its connection stays open.
    Silence {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// For so long nothing is answered on any connection, and all stay open; what was asked or due meanwhile
    /// is never answered.
    SilenceAll { millis: u32 },
    /// The next reply's body comes in pieces of `bytes`, one each `millis`.
    Drip {
        user: Option<String>,
        #[serde(default = "one_size")]
        bytes: usize,
        millis: u32,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next reply is the real one, broken in its middle: its messages are there and can not be parsed.
    Malformed {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next request is answered `402::session_unknown`, though the session lives on until it expires.
    Unknown {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply stands before its data.
    ReplyFirst {
        user: Option<String>,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next connect reply carries this advice, or none: stale or missing advice.
    Advice {
        user: Option<String>,
        value: Option<Value>,
        #[serde(default = "one")]
        count: u32,
    },
    /// What becomes of `BAYEUX_BROWSER`.
    Cookie {
        user: Option<String>,
        how: CookieLoss,
        #[serde(default = "one")]
        count: u32,
    },
    /// The next request goes to another node, which knows neither login nor session.
    Misroute {
        user: Option<String>,
        on: Option<On>,
        #[serde(default = "one")]
        count: u32,
    },
    /// Whether the balancer honours the node in `JSESSIONID`; else requests go to the nodes in turn.
    Balancer { sticky: bool },
    /// The user's CSRF tokens are no longer good; any `GET /api/v2/me` gives the new one.
    Csrf { user: String },
    /// The user's sessions expire as if their time had run out; a held connect is answered first.
    Sweep { user: String },
    /// A held connect ends with HTTP 500, as if another had overtaken it; the session lives on.
    Overlap { user: String },
    /// Handshake replies carry messages: `x-messages`, and with ack `ext.ack` as an object.
    HandshakeData { enabled: bool },
    /// All sessions, logins and connections are gone; it listens again after so long.
    Restart { millis: u32 },
    /// For so long every Basic login is refused, right or wrong: 403 with statusCode 20, or 401.
    Outage {
        millis: u32,
        #[serde(default = "forbidden")]
        status: u16,
    },
    /// A well-formed notification of a shape nobody expects; `variant` counts from 0 and wraps.
    Odd {
        user: String,
        #[serde(default)]
        variant: usize,
    },
    /// So many notifications at once: items of an open conversation of the user, which begins if there is none.
    Batch { user: String, messages: usize },
    /// One item of an open conversation whose text is this long.
    HugeItem { user: String, bytes: usize },
    /// The agent is logged out of devices and channels: now, or by the next login or handshake of another client.
    Logout { user: String, on: Option<Coming> },
    /// Everything not yet spent is taken back, and what was switched on is off.
    Clear,
}

/// How a login ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum LoginMode {
    #[serde(rename = "ok")]
    Ok,
    #[serde(rename = "401")]
    Unauthorised,
    /// As a wrong password: HTTP 403 with statusCode 20.
    #[serde(rename = "403")]
    Forbidden,
    /// The reply names another user, `other-` and the name.
    #[serde(rename = "other", alias = "other-user")]
    OtherUser,
    /// The reply names nobody.
    #[serde(rename = "nameless")]
    Nameless,
    /// The right password, which has to be changed first: statusCode 8.
    #[serde(rename = "new-password")]
    NewPassword,
    #[serde(rename = "500")]
    Error,
    /// With `Retry-After: 1`.
    #[serde(rename = "503")]
    Unavailable,
    /// Three seconds late.
    #[serde(rename = "slow")]
    Slow,
}

/// Which requests a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Any CometD request.
    Any,
    Handshake,
    Connect,
    Subscribe,
    /// `GET /api/v2/me` and below; only where it is named.
    Rest,
}

/// What of a client's coming throws the agent out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coming {
    /// A Basic login that begins an HTTP session.
    Login,
    /// A handshake that went well.
    Handshake,
}

/// How a session loses its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CookieLoss {
    /// The server no longer knows the cookie; done at once.
    Forget,
    /// The next reply sets another value, which the session is not tied to.
    Rename,
    /// The next reply sets the value of another user's session.
    Swap,
}

fn one() -> u32 {
    1
}

fn one_size() -> usize {
    1
}

fn forbidden() -> u16 {
    403
}

impl Fault {
    /// Its name in JSON, e.g. `lost-reply`.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("fault").and_then(Value::as_str).unwrap_or("fault").to_owned()
    }

    /// What is wrong with its values.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Fault::Status { status, .. } if !(400..600).contains(status) => {
                Err(format!("status {status}: want 400 to 599"))
            }
            Fault::Redirect { status, .. } if ![301, 302, 303, 307, 308].contains(status) => {
                Err(format!("status {status}: want 301, 302, 303, 307 or 308"))
            }
            Fault::Outage { status, .. } if ![401, 403].contains(status) => {
                Err(format!("status {status}: want 401 or 403"))
            }
            Fault::Redirect { location: Some(text), .. } | Fault::ContentType { value: text, .. }
                if http::HeaderValue::from_str(text).is_err() =>
            {
                Err("the text can not stand in an HTTP header".to_owned())
            }
            Fault::Cookie { user: None, how: CookieLoss::Forget, .. } => {
                Err("a cookie is forgotten of a user: name one".to_owned())
            }
            Fault::Drip { bytes: 0, .. } => Err("bytes is zero: want 1 or more".to_owned()),
            Fault::Batch { messages, .. } if *messages > MAX_BATCH => {
                Err(format!("messages {messages}: want at most {MAX_BATCH}"))
            }
            _ => Ok(()),
        }
    }
}
