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
    /// How long the server keeps a session by itself between a connect's reply and the next connect.
    pub server_window: Duration,
    /// How much longer it is asked to; zero asks for nothing.
    pub ask_window: Duration,
    /// How long a session is kept alive while its batch waits for storage.
    pub stall_hold: Duration,
}

/// What earlier processes left of this agent's session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Until when they have everything, if one of them held it: what came later may be missing.
    pub covered: Option<Millis>,
    /// The journal has lost its end: what was stored after `covered` may be gone with it.
    pub shortened: bool,
    /// The Bayeux session that may still live at the server.
    pub saved: Option<Saved>,
    /// A gap that was open when the last process ended: it goes on.
    pub gap: Option<OpenGap>,
}

/// A Bayeux session as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub client_id: String,
    /// The last batch stored, where the server acknowledges.
    pub ack: Option<i64>,
    /// Hold time of its connects.
    pub timeout: Duration,
    /// Whether the server granted the longer window.
    pub granted: bool,
    /// When the server answered it last.
    pub answered: Millis,
    /// The number of the last request.
    pub ids: u64,
    /// What it has subscribed to.
    pub channels: Vec<String>,
}

/// A gap that is open since coverage was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenGap {
    pub from: Option<Millis>,
    pub cause: &'static str,
    pub certainty: Certainty,
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
    /// `Restore` has put cookies and secret in place (true), or that can not be done.
    Restored(bool),
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
    /// A wait is over, or a batch still waits for storage.
    Timer,
    /// A refused agent may be tried again: its secret changed, or an operator asked.
    Pardoned,
    /// The session is to be over: the agent's roster line went or changed.
    Leave,
    Stop,
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// 401, or 403 with statusCode 20: the secret is not tried again.
    Refused(String),
    /// statusCode 8: the server wants a new password first.
    Stale(String),
    /// It can not even be sent, or its answer says too little to trust it.
    Unusable(String),
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
    /// A proxy on the way refuses our login to it, or demands one (HTTP 407).
    ProxyRefused,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put the cookies of the saved session in place, without a request.
    Restore,
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
        /// Say `Timer` each time this passes before the commit.
        beat: Duration,
    },
    /// Go on waiting for the commit of the batch in hand; `Timer` after `beat`.
    AwaitStore {
        beat: Duration,
    },
    /// Wait until a refused agent may be tried again.
    AwaitPardon,
    /// The Bayeux session is over by intent: where the agent stands is noted, and no session to go on with.
    Release,
    Report(Phase),
    Say(Note),
    End,
}

/// States an operator sees; the labels of `cometbridge_sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Starting,
    /// A session that an earlier process left is asked whether it lives.
    Resume,
    Login,
    Handshake,
    Subscribe,
    Connected,
    /// A batch waits for storage; the session is kept alive.
    Stalled,
    Backoff,
    Refused,
    Stopped,
}

impl Phase {
    pub const ALL: [Phase; 10] = [
        Phase::Starting,
        Phase::Resume,
        Phase::Login,
        Phase::Handshake,
        Phase::Subscribe,
        Phase::Connected,
        Phase::Stalled,
        Phase::Backoff,
        Phase::Refused,
        Phase::Stopped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Resume => "resume",
            Phase::Stalled => "stalled",
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
pub const LOST: &[&str] =
    &["restart", "server-disconnect", "server-ended", "session-unknown", "storage", "unreadable"];

/// Every cause of a gap with its certainty, as metrics write them.
pub const GAPS: &[(&str, &str)] = &[
    ("journal-shortened", "certain"),
    ("refused", "certain"),
    ("restart", "certain"),
    ("restart", "possible"),
    ("server-disconnect", "certain"),
    ("server-ended", "certain"),
    ("session-unknown", "certain"),
    ("storage", "certain"),
    ("unreadable", "certain"),
    ("unreachable", "possible"),
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
    /// The session hears from now on.
    Subscribed,
    ConnectOk,
    /// The session of an earlier process goes on.
    Resumed {
        ack: bool,
    },
    /// It was gone, or could not be asked.
    NotResumed,
    /// It was too old to be asked.
    TooOld,
    /// A batch waits for storage since `since`.
    Stalled {
        since: Millis,
    },
    SubscriptionRefused {
        channel: String,
        error: String,
    },
    MultipleClients {
        times: u32,
    },
    /// So many replies in a row to this request could not be read that the last is put aside.
    Unreadable {
        step: &'static str,
    },
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
        /// The first moment covered again.
        to: Millis,
        cause: &'static str,
        certainty: Certainty,
    },
}

/// The word of the closed list for a cause read back from the journal.
pub fn cause_word(text: &str) -> &'static str {
    GAPS.iter().map(|(cause, _)| *cause).find(|cause| *cause == text).unwrap_or("restart")
}
