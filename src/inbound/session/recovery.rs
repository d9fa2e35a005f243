//! How the machine comes back: sessions lost, requests failed, gaps opened.
//!
//! Deliberately absent: the happy path (see `machine`).

use crate::base::data::Certainty;
use crate::inbound::session::bayeux::Hold;
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Action, Failure, FailureKind, Moment, Note, OpenGap, Phase};
use crate::inbound::session::steps::{Next, Step};
use std::time::Duration;

/// Unreadable replies in a row to one request before the session begins anew: the same bytes would come for ever.
const MAX_UNREADABLE: u32 = 3;
/// Servers look for expired sessions about once a second.
const SWEEP: Duration = Duration::from_secs(2);
/// Sessions lost right after their handshake before the cookies are dropped as well.
const MAX_LOST_IN_A_ROW: u32 = 2;

impl Machine {
    /// The Bayeux session is gone, and its queue with it.
    pub(super) fn lost(
        &mut self,
        at: Moment,
        data: usize,
        cause: &'static str,
        certainty: Certainty,
        out: &mut Vec<Action>,
    ) {
        let cause = if self.resuming { "restart" } else { cause };
        out.push(Action::Say(Note::Lost { reason: cause }));
        self.give_up_resuming(out);
        self.open_gap(cause, certainty, out);
        self.subscribed = None;
        self.client_id = None;
        self.lost_in_a_row += 1;
        let next = if cause == "server-ended" || self.lost_in_a_row > MAX_LOST_IN_A_ROW {
            // Told to go away, or lost again at once: no storm; slowly, and from the login.
            self.failures += 1;
            let wait = self.rules.backoff.jitter_upward(self.failures, at.random);
            out.push(Action::Report(Phase::Backoff));
            Next::LoginAfter(wait)
        } else {
            Next::Handshake
        };
        self.store_then(at, data, None, next, out);
    }

    /// What this process begins with: nobody listened since the last one ended, or worse.
    pub(super) fn open_first_gap(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.shortened) {
            // Also where nothing is known of the agent any more: that may be among what is lost.
            self.begin_gap("journal-shortened", Certainty::Certain, out);
        } else {
            self.open_gap("restart", Certainty::Certain, out);
        }
    }

    pub(super) fn open_gap(&mut self, cause: &'static str, certainty: Certainty, out: &mut Vec<Action>) {
        match &mut self.gap {
            // What was possible has become certain.
            Some(gap) if certainty == Certainty::Certain => gap.certainty = certainty,
            Some(_) => {}
            None if self.covered.is_some() => self.begin_gap(cause, certainty, out),
            None => {}
        }
    }

    pub(super) fn begin_gap(&mut self, cause: &'static str, certainty: Certainty, out: &mut Vec<Action>) {
        if self.gap.is_some() {
            return;
        }
        let gap = OpenGap { from: self.covered, cause, certainty };
        out.push(Action::Say(Note::GapOpened { from: gap.from, cause, certainty }));
        self.gap = Some(gap);
    }

    pub(super) fn failed(&mut self, at: Moment, step: &Step, failure: &Failure, out: &mut Vec<Action>) {
        let (name, next) = match step {
            Step::Handshake { .. } => ("handshake", Next::Handshake),
            Step::Subscribe { .. } => ("subscribe", Next::Subscribe),
            Step::Connect { .. } => ("connect", Next::Connect { after: Duration::ZERO, hold: Hold::None }),
            other => {
                self.step = other.clone();
                return;
            }
        };
        self.watch_own_clock(at, out);
        if name == "handshake" {
            out.push(Action::Say(Note::HandshakeFailed));
        }
        if name != "handshake" && self.ack.is_none() {
            // Without ack a cut reply looks like an empty one: something may have been in it, also where a gap is open
            // that would end with the subscriptions before it. A subscription's can hold messages where others stand.
            self.subscribed = None;
            self.open_gap("reply-lost", Certainty::Possible, out);
        }
        match failure.kind {
            FailureKind::Unauthorized => {
                let next = Next::Login { fresh: self.failures > 0, then_resume: name == "connect" };
                self.back_off(at, name, failure, next, out);
            }
            FailureKind::Unreadable => {
                self.unreadable += 1;
                match self.unreadable < MAX_UNREADABLE {
                    true => self.back_off(at, name, failure, next, out),
                    false => self.never_readable(at, name, failure, out),
                }
            }
            _ => self.back_off(at, name, failure, next, out),
        }
    }

    /// One of the replies is put aside, and the session begins anew. What could not be opened at all would fare no
    /// better a moment later: slowly, and from the login.
    fn never_readable(&mut self, at: Moment, step: &'static str, failure: &Failure, out: &mut Vec<Action>) {
        self.unreadable = 0;
        out.push(Action::Say(Note::Unreadable { step }));
        if self.client_id.is_some() {
            out.push(Action::Say(Note::Lost { reason: "unreadable" }));
        }
        self.open_gap("unreadable", Certainty::Certain, out);
        self.give_up_resuming(out);
        self.subscribed = None;
        self.client_id = None;
        if step == "connect" {
            return self.back_off(at, step, failure, Next::Handshake, out);
        }
        self.trouble(step, failure, out);
        let wait = self.rules.backoff.jitter_upward(u32::MAX, at.random);
        self.wait(wait, Next::Login { fresh: true, then_resume: false }, out);
    }

    /// Nothing was heard for longer than any server keeps a session: it may be gone, and whoever waits for this
    /// agent's events should know now, not when the server can be asked again.
    fn watch_own_clock(&mut self, at: Moment, out: &mut Vec<Action>) {
        let Some(answered) = self.answered.filter(|_| self.client_id.is_some()) else { return };
        let asked = if self.granted { self.rules.ask_window } else { Duration::ZERO };
        let life = self.timeout + self.rules.server_window + asked + SWEEP;
        if Duration::from_millis(u64::try_from(at.now - answered).unwrap_or_default()) > life {
            self.open_gap("unreachable", Certainty::Possible, out);
        }
    }

    pub(super) fn back_off(
        &mut self,
        at: Moment,
        step: &'static str,
        failure: &Failure,
        next: Next,
        out: &mut Vec<Action>,
    ) {
        self.trouble(step, failure, out);
        let jittered = self.interval + self.rules.backoff.full_jitter(self.failures, at.random);
        let asked = failure.retry_after.unwrap_or_default().min(self.rules.backoff.max);
        self.wait(jittered.max(asked), next, out);
    }

    fn trouble(&mut self, step: &'static str, failure: &Failure, out: &mut Vec<Action>) {
        self.failures = self.failures.saturating_add(1);
        out.push(Action::Say(Note::Trouble { step, text: failure.text.clone(), attempt: self.failures }));
        out.push(Action::Report(Phase::Backoff));
    }
}
