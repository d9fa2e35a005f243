//! How a session begins and leaves: taken over from an earlier process, or from the login; let go by intent.
//!
//! The session of an earlier process is asked with a short poll whether it lives: no login, no handshake, no
//! subscription. A stop says no farewell, so that the next process can do so. Deliberately absent: where
//! checkpoints and cookies come from (the loop puts them in place).

use crate::base::data::Certainty;
use crate::inbound::session::bayeux::{Hold, Request};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Action, Moment, Note, Phase, Saved};
use crate::inbound::session::steps::{Next, Step};
use std::time::Duration;

/// How long the poll of a resumed session is held: long enough to count as a poll, short enough to know soon.
const FIRST_POLL: Duration = Duration::from_secs(1);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// Requests that the last process may have sent after its last checkpoint: their ids are not used again.
const IDS_AHEAD: u64 = 10_000;

impl Machine {
    pub(super) fn start(&mut self, at: Moment, out: &mut Vec<Action>) {
        let Some(saved) = self.saved.take() else {
            self.open_first_gap(out);
            return self.login(false, false, out);
        };
        if std::mem::take(&mut self.shortened) {
            self.begin_gap("journal-shortened", Certainty::Certain, out);
        }
        let age = Duration::from_millis(u64::try_from(at.now - saved.answered).unwrap_or_default());
        if age > self.longest_life(&saved) {
            out.push(Action::Say(Note::TooOld));
            self.open_gap("restart", Certainty::Certain, out);
            return self.login(false, false, out);
        }
        let Saved { client_id, ack, timeout, granted, answered, ids, channels } = saved;
        self.client_id = Some(client_id);
        (self.ack, self.timeout, self.granted) = (ack, timeout, granted);
        (self.answered, self.channels) = (Some(answered), channels);
        self.ids = ids.saturating_add(IDS_AHEAD);
        self.resuming = true;
        if ack.is_none() {
            // The reply that was on its way when the last process ended can not come again.
            self.open_gap("restart", Certainty::Possible, out);
        }
        self.step = Step::Restoring;
        out.push(Action::Report(Phase::Resume));
        out.push(Action::Restore);
    }

    /// The rest of a held poll, and the window after it, as long as it was asked for: some servers grant it without
    /// a word. Many times over, as asking costs one poll and the last checkpoint may be older than the last reply.
    fn longest_life(&self, saved: &Saved) -> Duration {
        (saved.timeout + self.rules.server_window + self.rules.ask_window).saturating_mul(10)
    }

    pub(super) fn restored(&mut self, ready: bool, out: &mut Vec<Action>) {
        if ready {
            return self.connect(Hold::Of(FIRST_POLL), out);
        }
        self.give_up_resuming(out);
        self.login(true, false, out);
    }

    pub(super) fn give_up_resuming(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.resuming) {
            out.push(Action::Say(Note::NotResumed));
            self.open_gap("restart", Certainty::Certain, out);
            self.client_id = None;
        }
    }

    /// The agent is to be let go, for good or to begin anew: a word to the server. What is open stays open: it goes on
    /// with the next session, or whoever parts with the agent closes it.
    pub(super) fn leave(&mut self, out: &mut Vec<Action>) {
        let Some(client_id) = self.client_id.take() else { return self.gone(out) };
        let id = self.next_id();
        self.step = Step::Leaving;
        out.push(Action::Send { request: Request::Disconnect { id, client_id }, timeout: FAREWELL });
    }

    /// The reply to the farewell brought notifications: they come no second time.
    pub(super) fn last_words(&mut self, at: Moment, out: &mut Vec<Action>) {
        self.ack = None;
        self.store_then(at, 1, None, Next::Gone, out);
    }

    /// Whatever the server said to the farewell.
    pub(super) fn gone(&mut self, out: &mut Vec<Action>) {
        out.push(Action::Release);
        self.end(out);
    }
}
