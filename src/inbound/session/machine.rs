//! The session's state machine: pure, no I/O, no clock of its own.
//!
//! One input at a time comes in, actions come out; the loop in `inbound` carries them out in order. The rules
//! are those of a Bayeux subscriber that acknowledges only what is stored: the connect that carries
//! `ext.ack = N` leaves only after everything up to N has been committed, one connect is in flight, a lost
//! session means handshake, ack back to zero and all subscriptions anew.
//!
//! Deliberately absent: HTTP, JSON, the notifications themselves (only their number is known here).

use crate::base::data::Certainty;
use crate::base::time::Millis;
use crate::inbound::session::bayeux::{Ack, Advice, Meta, Request};
use crate::inbound::session::protocol::{
    Action, Before, Failure, FailureKind, Input, Moment, Note, Phase, Rules,
};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    New,
    Login {
        then_resume: bool,
    },
    Handshake {
        id: String,
    },
    Subscribe {
        ids: Vec<(String, String)>,
    },
    Connect {
        id: String,
    },
    /// A batch is on its way to disk; `ack` counts once it is there, then `next` follows.
    Storing {
        ack: Option<i64>,
        next: Next,
    },
    Waiting {
        next: Next,
    },
    Ended,
}

/// What follows a wait or a commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    Login {
        fresh: bool,
        then_resume: bool,
    },
    /// From the login, and not at once.
    LoginAfter(Duration),
    Handshake,
    Subscribe,
    /// `after` the given wait.
    Connect {
        after: Duration,
        immediate: bool,
    },
    Fail(FailureKind),
}

/// A gap that is open since the session was lost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gap {
    pub from: Option<Millis>,
    pub cause: &'static str,
    pub certainty: Certainty,
}

/// The machine. Made anew by each step.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) rules: Rules,
    pub(super) step: Step,
    pub(super) client_id: Option<String>,
    /// `Some(n)` where the server acknowledges: the last batch that is durably stored.
    pub(super) ack: Option<i64>,
    pub(super) timeout: Duration,
    pub(super) interval: Duration,
    pub(super) failures: u32,
    pub(super) unreadable: u32,
    pub(super) logins_failed: u32,
    pub(super) lost_in_a_row: u32,
    ids: u64,
    /// When the connect left that is out, or was last.
    asked: Option<Millis>,
    /// What was published until then is in hand: when the connect left whose answer came last. Not when that
    /// answer was dealt with, as more may have been queued behind it by then.
    pub(super) covered: Option<Millis>,
    pub(super) gap: Option<Gap>,
    /// The journal has lost its end, and this session's share of it was not yet named.
    pub(super) shortened: bool,
}

/// Hold time of a connect until the server says its own.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Machine {
    pub fn new(rules: Rules, before: Before) -> Machine {
        Machine {
            rules,
            step: Step::New,
            client_id: None,
            ack: None,
            timeout: DEFAULT_TIMEOUT,
            interval: Duration::ZERO,
            failures: 0,
            unreadable: 0,
            logins_failed: 0,
            lost_in_a_row: 0,
            ids: 0,
            asked: None,
            covered: before.covered,
            shortened: before.shortened,
            gap: None,
        }
    }

    /// The Bayeux session in use, for the checkpoint.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The last batch durably stored, where the server acknowledges.
    pub fn ack(&self) -> Option<i64> {
        self.ack
    }

    /// The last batch that will be stored once the batch in hand is committed.
    pub fn ack_once_stored(&self) -> Option<i64> {
        match self.step {
            Step::Storing { ack: Some(ack), .. } => Some(ack),
            _ => self.ack,
        }
    }

    /// Everything published until then is stored, or is in the batch in hand.
    pub fn covered(&self) -> Option<Millis> {
        self.covered
    }

    /// One input in, the actions it causes out. The last action is the one whose end gives the next input.
    pub fn step(mut self, at: Moment, input: Input) -> (Machine, Vec<Action>) {
        let mut out = Vec::new();
        let step = std::mem::replace(&mut self.step, Step::Ended);
        match (step, input) {
            (Step::Ended, _) => out.push(Action::End),
            (Step::Storing { ack, .. }, Input::Stop) => {
                // The batch may still be committed by the flush; its ack can not leave any more.
                let _ = ack;
                self.end(&mut out);
            }
            (_, Input::Stop) => self.end(&mut out),
            (Step::New, Input::Start) => {
                self.open_first_gap(&mut out);
                self.login(false, false, &mut out);
            }
            (Step::Login { then_resume }, Input::LoggedIn) => self.logged_in(then_resume, &mut out),
            (Step::Login { then_resume }, Input::LoginFailed(failure)) => {
                self.login_failed(at, failure, then_resume, &mut out);
            }
            (Step::Handshake { id }, Input::Replied { metas, data }) => {
                self.handshake_replied(at, &id, &metas, data, &mut out);
            }
            (Step::Subscribe { ids }, Input::Replied { metas, data }) => {
                self.subscribe_replied(at, &ids, &metas, data, &mut out);
            }
            (Step::Connect { id }, Input::Replied { metas, data }) => {
                self.connect_replied(at, &id, &metas, data, &mut out);
            }
            (step, Input::Failed(failure)) => self.failed(at, &step, &failure, &mut out),
            (Step::Storing { ack, next }, Input::Committed) => {
                if ack.is_some() {
                    self.ack = ack;
                }
                self.go(at, next, &mut out);
            }
            (Step::Waiting { next }, Input::Timer) => self.go(at, next, &mut out),
            (step, _) => {
                // An input that does not belong to this step: the loop never produces it; stay as we are.
                self.step = step;
            }
        }
        if let Some(Action::Send { request: Request::Connect { .. }, .. }) = out.last() {
            self.asked = Some(at.now);
        }
        (self, out)
    }

    fn end(&mut self, out: &mut Vec<Action>) {
        self.step = Step::Ended;
        out.push(Action::Report(Phase::Stopped));
        out.push(Action::End);
    }

    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        self.ids.to_string()
    }

    fn go(&mut self, at: Moment, next: Next, out: &mut Vec<Action>) {
        match next {
            Next::Login { fresh, then_resume } => self.login(fresh, then_resume, out),
            Next::LoginAfter(wait) => {
                self.wait(wait, Next::Login { fresh: true, then_resume: false }, out);
            }
            Next::Handshake => self.handshake(out),
            Next::Subscribe => self.subscribe(out),
            Next::Connect { after, immediate } if after.is_zero() => self.connect(immediate, out),
            Next::Connect { after, immediate } => {
                self.wait(after, Next::Connect { after: Duration::ZERO, immediate }, out);
            }
            Next::Fail(kind) => {
                let failure = Failure {
                    kind,
                    text: "the reply held no answer to the connect".into(),
                    retry_after: None,
                };
                self.failed(at, &Step::Connect { id: String::new() }, &failure, out);
            }
        }
    }

    pub(super) fn wait(&mut self, how_long: Duration, next: Next, out: &mut Vec<Action>) {
        self.step = Step::Waiting { next };
        out.push(Action::Wait(how_long));
    }

    /// Notifications first: nothing else leaves before they are stored.
    pub(super) fn store_then(
        &mut self,
        at: Moment,
        data: usize,
        ack: Option<i64>,
        next: Next,
        out: &mut Vec<Action>,
    ) {
        if data > 0 {
            let unacknowledged = ack.is_none() && self.ack.is_some();
            self.step = Step::Storing { ack, next };
            out.push(Action::Deliver { unacknowledged });
            return;
        }
        if ack.is_some() {
            self.ack = ack;
        }
        self.go(at, next, out);
    }

    pub(super) fn connect(&mut self, immediate: bool, out: &mut Vec<Action>) {
        let id = self.next_id();
        let client_id = self.client_id.clone().unwrap_or_default();
        self.step = Step::Connect { id: id.clone() };
        let hold = if immediate { Duration::ZERO } else { self.timeout };
        out.push(Action::Send {
            request: Request::Connect { id, client_id, ack: self.ack, immediate },
            timeout: hold + self.rules.network_delay,
        });
    }

    fn connect_replied(&mut self, at: Moment, id: &str, metas: &[Meta], data: usize, out: &mut Vec<Action>) {
        if metas.iter().any(|meta| meta.channel == "/meta/disconnect" && meta.id.is_none()) {
            return self.lost(at, data, "server-disconnect", Certainty::Certain, out);
        }
        let Some(reply) = metas.iter().find(|meta| is_reply(meta, "/meta/connect", id)) else {
            // Data of such a reply is stored early; with ack it comes again, and is dropped then.
            return self.store_then(at, data, None, Next::Fail(FailureKind::Http), out);
        };
        self.advise(reply.advice.as_ref());
        if reply.advice.as_ref().and_then(|advice| advice.multiple_clients) == Some(true) {
            out.push(Action::Say(Note::MultipleClients));
        }
        if !reply.successful {
            return self.connect_refused(at, reply, data, out);
        }
        self.good_reply(at, out);
        if reply.advice.as_ref().is_some_and(tells_to_stay_away) {
            // The last reply of a session that the server has ended comes with its messages, as a success.
            return self.lost(at, data, "server-ended", Certainty::Certain, out);
        }
        let ack = match (self.ack, reply.ack) {
            (Some(_), Ack::Batch(batch)) => Some(batch),
            _ => None,
        };
        self.store_then(at, data, ack, Next::Connect { after: self.interval, immediate: false }, out);
    }

    fn good_reply(&mut self, at: Moment, out: &mut Vec<Action>) {
        if self.failures > 0 {
            out.push(Action::Say(Note::Recovered { attempts: self.failures }));
        }
        self.failures = 0;
        self.unreadable = 0;
        self.lost_in_a_row = 0;
        self.covered = self.asked.or(Some(at.now));
        out.push(Action::Say(Note::ConnectOk));
        out.push(Action::Report(Phase::Connected));
        if let Some(Gap { from, cause, certainty }) = self.gap.take() {
            out.push(Action::Say(Note::GapClosed { from, cause, certainty }));
        }
    }

    /// An unsuccessful connect reply: the advice decides first, the error's code only where there is none.
    fn connect_refused(&mut self, at: Moment, reply: &Meta, data: usize, out: &mut Vec<Action>) {
        let advised = reply.advice.as_ref().and_then(|advice| advice.reconnect.as_deref());
        match advised {
            Some("handshake") => self.lost(at, data, "session-unknown", Certainty::Certain, out),
            Some("none") => self.lost(at, data, "server-ended", Certainty::Certain, out),
            None if session_unknown(reply) => {
                self.lost(at, data, "session-unknown", Certainty::Certain, out);
            }
            _ => self.store_then(at, data, None, Next::Fail(FailureKind::Http), out),
        }
    }

    /// Advice replaces the interval (absent means none); an absent timeout keeps the one known.
    pub(super) fn advise(&mut self, advice: Option<&Advice>) {
        let Some(advice) = advice else { return };
        let milliseconds =
            |value: i64, max: u64| Duration::from_millis(u64::try_from(value).unwrap_or_default().min(max));
        self.interval = milliseconds(advice.interval.unwrap_or_default(), 60_000);
        if let Some(timeout) = advice.timeout.filter(|timeout| *timeout > 0) {
            self.timeout = milliseconds(timeout, 600_000);
        }
    }
}

pub(super) fn failure(kind: FailureKind, text: &str) -> Failure {
    Failure { kind, text: text.to_owned(), retry_after: None }
}

/// `none`, or a negative interval: the client is not to come back by itself.
fn tells_to_stay_away(advice: &Advice) -> bool {
    advice.reconnect.as_deref() == Some("none") || advice.interval.is_some_and(|interval| interval < 0)
}

pub(super) fn is_reply(meta: &Meta, channel: &str, id: &str) -> bool {
    meta.channel == channel && meta.id.as_deref() == Some(id)
}

/// 402 on CometD, 403 with these words on others, 401 on Faye.
pub(super) fn session_unknown(reply: &Meta) -> bool {
    let error = reply.error.as_deref().unwrap_or_default();
    let code = error.split(':').next().unwrap_or_default();
    code == "402" || (matches!(code, "401" | "403") && error.to_ascii_lowercase().contains("unknown"))
}
