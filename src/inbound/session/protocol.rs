//! What goes into the session machine and what comes out of it: inputs, actions, and the words for both.
//!
//! Deliberately absent: any behaviour (that is `machine` and `recovery`).

use crate::base::data::Certainty;
use crate::base::retry::Backoff;
use crate::base::time::Millis;
use crate::inbound::session::bayeux::{Meta, Request};
use std::time::Duration;

/// What the machine must know of its site.
#[derive(Clone, Debug)]
pub struct Rules {
    pub channels: Vec<String>,
    pub network_delay: Duration,
    pub backoff: Backoff,
}

/// What earlier processes left of this agent's session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Until when they have everything, if one of them held it: what came later may be missing.
    pub covered: Option<Millis>,
    /// The journal has lost its end: what was stored after `covered` may be gone with it.
    pub shortened: bool,
}

/// When an input came, and a random number in `0.0..1.0` for jitter.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Millis,
    pub random: f64,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    Start,
    LoggedIn,
    LoginFailed(LoginFailure),
    /// A body arrived and was read: the replies in it, and how many notifications came along.
    Replied {
        metas: Vec<Meta>,
        data: usize,
    },
    Failed(Failure),
    /// The batch handed out by `Deliver` is on disk.
    Committed,
    Timer,
    Stop,
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// The secret was refused: not tried again.
    Final(String),
    /// The server answered for another user than the roster names: not tried again either.
    OtherUser(String),
    /// May pass: the server, the network, a secret that can not be read just now.
    Passing(Failure),
}

/// Why a request brought no usable reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// One clear sentence, without personal data.
    pub text: String,
    pub retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection, a cut, or silence beyond the limit.
    Network,
    Timeout,
    /// HTTP 401 or 403: the HTTP session is gone, or the CSRF token is stale.
    Unauthorized,
    Http,
    /// The body could not be read as Bayeux.
    Unreadable,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `GET /me`. `fresh` drops the cookies first.
    Login {
        fresh: bool,
    },
    Send {
        request: Request,
        timeout: Duration,
    },
    Wait(Duration),
    /// Store the notifications of the last reply, then say `Committed`. `unacknowledged` ones will come
    /// again: the server acknowledges, and this reply closed no batch.
    Deliver {
        unacknowledged: bool,
    },
    Report(Phase),
    Say(Note),
    End,
}

/// States an operator sees; the labels of `cometbridge_sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Starting,
    Login,
    Handshake,
    Subscribe,
    Connected,
    Backoff,
    Refused,
    Stopped,
}

impl Phase {
    pub const ALL: [Phase; 8] = [
        Phase::Starting,
        Phase::Login,
        Phase::Handshake,
        Phase::Subscribe,
        Phase::Connected,
        Phase::Backoff,
        Phase::Refused,
        Phase::Stopped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Login => "login",
            Phase::Handshake => "handshake",
            Phase::Subscribe => "subscribe",
            Phase::Connected => "connected",
            Phase::Backoff => "backoff",
            Phase::Refused => "refused",
            Phase::Stopped => "stopped",
        }
    }
}

/// Every reason a session can be lost for.
pub const LOST: &[&str] = &["server-disconnect", "server-ended", "session-unknown", "unreadable"];

/// Every cause of a gap with its certainty, as metrics write them.
pub const GAPS: &[(&str, &str)] = &[
    ("journal-shortened", "certain"),
    ("restart", "certain"),
    ("server-disconnect", "certain"),
    ("server-ended", "certain"),
    ("session-unknown", "certain"),
    ("unreadable", "certain"),
    ("reply-lost", "possible"),
];

/// The word for it in metrics.
pub fn certainty_word(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "certain",
        Certainty::Possible => "possible",
    }
}

/// Facts worth a log line, a metric or an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    LoginRefused(String),
    /// A step failed; `attempt` counts failures since the last success.
    Trouble {
        step: &'static str,
        text: String,
        attempt: u32,
    },
    Recovered {
        attempts: u32,
    },
    HandshakeOk {
        ack: bool,
    },
    HandshakeFailed,
    ConnectOk,
    SubscriptionRefused {
        channel: String,
        error: String,
    },
    MultipleClients,
    Lost {
        reason: &'static str,
    },
    /// Notifications may have been missed since `from`.
    GapOpened {
        from: Option<Millis>,
        cause: &'static str,
        certainty: Certainty,
    },
    GapClosed {
        from: Option<Millis>,
        cause: &'static str,
        certainty: Certainty,
    },
}
