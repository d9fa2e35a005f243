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
use crate::inbound::session::bayeux::{Ack, Advice, Hold, Meta, Request};
use crate::inbound::session::protocol::{
    Action, Before, FailureKind, Input, Moment, Note, OpenGap, Phase, Rules, Saved,
};
use crate::inbound::session::replies::{error_code, failure, is_reply, session_unknown, tells_to_stay_away};
use crate::inbound::session::stall::Storing;
use crate::inbound::session::steps::{Next, Step};
use std::time::Duration;

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
    /// Replies in a row.
    pub(super) unreadable: u32,
    /// Replies that told of other clients behind the same cookie.
    pub(super) crowded: u32,
    pub(super) logins_failed: u32,
    pub(super) lost_in_a_row: u32,
    pub(super) ids: u64,
    /// When the connect left that is out, or was last.
    asked: Option<Millis>,
    /// What was published until then is in hand: when the connect left whose answer came last. Not when that
    /// answer was dealt with, as more may have been queued behind it by then.
    pub(super) covered: Option<Millis>,
    /// The same without the batch in hand.
    stored: Option<Millis>,
    pub(super) gap: Option<OpenGap>,
    /// The journal has lost its end, and this session's share of it was not yet named.
    pub(super) shortened: bool,
    /// What an earlier process left, until it was tried.
    pub(super) saved: Option<Saved>,
    /// The session is an earlier process's, and has not answered yet.
    pub(super) resuming: bool,
    /// What the session has subscribed to, or was refused for good.
    pub(super) channels: Vec<String>,
    /// Subscriptions that may only have failed in passing were asked for once more.
    pub(super) asked_twice: bool,
    /// The server granted the window that was asked for.
    pub(super) granted: bool,
    /// When the server answered a connect of this session well, or its handshake.
    pub(super) answered: Option<Millis>,
    /// When a new session's subscriptions were taken; until the first good connect after it.
    pub(super) subscribed: Option<Millis>,
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
            crowded: 0,
            logins_failed: 0,
            lost_in_a_row: 0,
            ids: 0,
            asked: None,
            covered: before.covered,
            stored: before.covered,
            shortened: before.shortened,
            gap: before.gap,
            saved: before.saved,
            resuming: false,
            channels: Vec::new(),
            asked_twice: false,
            granted: false,
            answered: None,
            subscribed: None,
        }
    }

    /// The Bayeux session in use, for the checkpoint.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The session as a checkpoint keeps it: one without subscriptions hears nothing, and is not gone on with. One that is written together with the batch in hand may count it as
    /// stored; no other may: what a later process acknowledges by it would be lost.
    pub fn saved(&self, with_batch: bool) -> Option<Saved> {
        let ack = match self.step {
            Step::Storing(Storing { ack: Some(ack), .. }) if with_batch => Some(ack),
            _ => self.ack,
        };
        Some(Saved {
            client_id: self.client_id.clone()?,
            ack,
            timeout: self.timeout,
            granted: self.granted,
            answered: self.answered?,
            ids: self.ids,
            channels: Some(self.channels.clone()).filter(|channels| !channels.is_empty())?,
        })
    }

    /// Everything published until then is stored, or is in the batch in hand where that counts.
    pub fn covered(&self, with_batch: bool) -> Option<Millis> {
        match self.step {
            Step::Storing(_) if !with_batch => self.stored,
            _ => self.covered,
        }
    }

    /// One input in, the actions it causes out. The last action is the one whose end gives the next input.
    pub fn step(mut self, at: Moment, input: Input) -> (Machine, Vec<Action>) {
        let mut out = Vec::new();
        let step = std::mem::replace(&mut self.step, Step::Ended);
        if matches!(input, Input::Replied { .. }) {
            self.unreadable = 0;
        }
        match (step, input) {
            (Step::Ended, _) => out.push(Action::End),
            // A batch in hand may still be committed by the flush; its ack can not leave any more.
            (step, Input::Stop) => {
                if matches!(step, Step::Storing(_)) {
                    self.covered = self.stored;
                }
                self.end(&mut out);
            }
            (Step::Leaving, Input::Replied { data, .. }) if data > 0 => self.last_words(at, &mut out),
            (Step::Leaving, _) => self.gone(&mut out),
            (_, Input::Leave) => self.leave(&mut out),
            (Step::New, Input::Start) => self.start(at, &mut out),
            (Step::Restoring, Input::Restored(ready)) => self.restored(ready, &mut out),
            (Step::Refused, Input::Pardoned) => self.login(true, false, &mut out),
            (Step::Login { then_resume }, Input::LoggedIn) => self.logged_in(then_resume, &mut out),
            (Step::Login { then_resume }, Input::LoginFailed(failure)) => {
                self.login_failed(at, failure, then_resume, &mut out);
            }
            (Step::Handshake { id }, Input::Replied { metas, data }) => {
                self.handshake_replied(at, &id, &metas, data, &mut out);
            }
            (Step::Subscribe { ids, gone }, Input::Replied { metas, data }) => {
                self.subscribe_replied(at, (&ids, &gone), &metas, data, &mut out);
            }
            (Step::Connect { id }, Input::Replied { metas, data }) => {
                self.connect_replied(at, &id, &metas, data, &mut out);
            }
            (Step::Storing(storing), input) => self.while_storing(at, storing, input, &mut out),
            (step, Input::Failed(failure)) => self.failed(at, &step, &failure, &mut out),
            (Step::Waiting { next }, Input::Timer) => self.go(at, next, &mut out),
            (step, _) => {
                // An input that does not belong to this step: the loop never produces it; stay as we are.
                self.step = step;
            }
        }
        let parked = matches!(self.step, Step::Storing(_));
        if let Some(Action::Send { request: Request::Connect { .. }, .. }) = out.last()
            && !parked
        {
            self.asked = Some(at.now);
        }
        (self, out)
    }

    pub(super) fn end(&mut self, out: &mut Vec<Action>) {
        self.step = Step::Ended;
        out.push(Action::Report(Phase::Stopped));
        out.push(Action::End);
    }

    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        self.ids.to_string()
    }

    pub(super) fn go(&mut self, at: Moment, next: Next, out: &mut Vec<Action>) {
        match next {
            Next::Login { fresh, then_resume } => self.login(fresh, then_resume, out),
            Next::LoginAfter(wait) => {
                self.wait(wait, Next::Login { fresh: true, then_resume: false }, out);
            }
            Next::Handshake => self.handshake(out),
            Next::Subscribe => self.subscribe(out),
            Next::SubscribeAgain => {
                let failure = failure(FailureKind::Http, "the server refused every subscription");
                self.back_off(at, "subscribe", &failure, Next::Subscribe, out);
            }
            Next::Gone => self.gone(out),
            Next::Connect { after, hold } if after.is_zero() => self.connect(hold, out),
            Next::Connect { after, hold } => {
                self.wait(after, Next::Connect { after: Duration::ZERO, hold }, out);
            }
            Next::Unanswered => {
                let failure = failure(FailureKind::Http, "the reply held no answer to the connect");
                self.failed(at, &Step::Connect { id: String::new() }, &failure, out);
            }
            Next::Refused(code) => {
                let code =
                    code.map_or_else(|| "without a code".to_owned(), |code| format!("with code {code}"));
                let failure = failure(FailureKind::Http, &format!("the server refused the connect {code}"));
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
            self.step = Step::Storing(Storing::new(at.now, ack, next));
            out.push(Action::Deliver { unacknowledged, beat: self.beat() });
            return;
        }
        if ack.is_some() {
            self.ack = ack;
        }
        self.go(at, next, out);
    }

    pub(super) fn connect(&mut self, hold: Hold, out: &mut Vec<Action>) {
        let id = self.next_id();
        self.step = Step::Connect { id: id.clone() };
        out.push(self.connect_request(id, hold));
    }

    /// A connect with the last batch stored, and the wish for a longer window.
    pub(super) fn connect_request(&self, id: String, hold: Hold) -> Action {
        let client_id = self.client_id.clone().unwrap_or_default();
        let window = (!self.rules.ask_window.is_zero()).then_some(self.rules.ask_window);
        let held = match hold {
            Hold::None => Duration::ZERO,
            Hold::Server => self.timeout,
            Hold::Of(time) => time,
        };
        Action::Send {
            request: Request::Connect { id, client_id, ack: self.ack, hold, window },
            timeout: held + self.rules.network_delay,
        }
    }

    fn connect_replied(&mut self, at: Moment, id: &str, metas: &[Meta], data: usize, out: &mut Vec<Action>) {
        if metas.iter().any(|meta| meta.channel == "/meta/disconnect" && meta.id.is_none()) {
            return self.lost(at, data, "server-disconnect", Certainty::Certain, out);
        }
        let Some(reply) = metas.iter().find(|meta| is_reply(meta, "/meta/connect", id)) else {
            // Data of such a reply is stored early; with ack it comes again, and is dropped then.
            return self.store_then(at, data, None, Next::Unanswered, out);
        };
        self.advise(reply.advice.as_ref());
        if reply.advice.as_ref().and_then(|advice| advice.multiple_clients) == Some(true) {
            self.crowded = self.crowded.saturating_add(1);
            out.push(Action::Say(Note::MultipleClients { times: self.crowded }));
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
        let next = match self.subscribed_to_all() {
            true => Next::Connect { after: self.interval, hold: Hold::Server },
            false => Next::Subscribe,
        };
        self.store_then(at, data, ack, next, out);
    }

    fn good_reply(&mut self, at: Moment, out: &mut Vec<Action>) {
        if self.failures > 0 {
            out.push(Action::Say(Note::Recovered { attempts: self.failures }));
        }
        self.failures = 0;
        self.lost_in_a_row = 0;
        self.stored = self.covered;
        self.covered = self.asked.or(Some(at.now));
        self.answered = Some(at.now);
        if std::mem::take(&mut self.resuming) {
            out.push(Action::Say(Note::Resumed { ack: self.ack.is_some() }));
        }
        if !self.subscribed_to_all() {
            // It hears not yet all it has to, or nothing at all: a gap goes on until it does.
            return;
        }
        out.push(Action::Report(Phase::Connected));
        let to = self.subscribed.take().unwrap_or(at.now);
        if let Some(OpenGap { from, cause, certainty }) = self.gap.take() {
            out.push(Action::Say(Note::GapClosed { from, to, cause, certainty }));
        }
        out.push(Action::Say(Note::ConnectOk));
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
            _ => self.store_then(at, data, None, Next::Refused(error_code(reply)), out),
        }
    }

    /// Advice replaces the interval (absent means none); an absent timeout keeps the one known. The echo of the
    /// window that we asked for is a grant, not a wish to be left alone.
    pub(super) fn advise(&mut self, advice: Option<&Advice>) {
        let Some(advice) = advice else { return };
        let milliseconds =
            |value: i64, max: u64| Duration::from_millis(u64::try_from(value).unwrap_or_default().min(max));
        let interval = milliseconds(advice.interval.unwrap_or_default(), 600_000);
        if interval == self.rules.ask_window && !interval.is_zero() {
            // Our own wish stands in place of the server's: what it said with the handshake still holds.
            self.granted = true;
        } else {
            self.interval = interval.min(MAX_INTERVAL);
        }
        if let Some(timeout) = advice.timeout.filter(|timeout| *timeout > 0) {
            self.timeout = milliseconds(timeout, 600_000);
        }
    }
}

/// However long a server asks to be left alone between two connects.
const MAX_INTERVAL: Duration = Duration::from_secs(60);
