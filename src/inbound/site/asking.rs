//! Polls and the budget: what is answered at once has a turn of it, what is held has none.
//!
//! A poll that the server holds costs it nothing for now, and thousands of them are out all the time: they are what
//! `requests_per_second` leaves out. But whether one will be held shows only afterwards. That of a session whose last
//! poll was held or brought news leaves without a turn. Every other poll *asks*: after a start, after an outage, after
//! an answer that came at once for nothing, its session may be gone, and is told so at once. Such a poll takes a turn
//! first, so it waits for pauses and breakers like any request, and the turn is given back when the server is seen to hold
//! it. So the budget holds where a server has lost all its sessions, and need not be waited for where it has them: after
//! a restart of ours 15 requests a second resume some 200 sessions a second, thousands within any server's window.
//!
//! To be seen to be held takes the hold of the first ones, a second, as nobody knows yet how fast this host answers.
//! Once one has been held there, being out for a moment is enough for the others, until one asks in vain or the host
//! fails. An answer that comes later than that moment and for nothing used a turn it did not have: it is owed, and those
//! who come next wait for it. What is beyond the budget is so bounded by what is on the way in that moment, and in
//! the long run nothing is.
//!
//! Deliberately absent: what an answer means (see `sending`), who goes first (see `gate`).

use crate::inbound::site::breaker::Asked;
use crate::inbound::site::{Errand, Site};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Polls that ask, each second, where they are held: no budget needs more, and connections cost both sides something.
const ASKED_PER_SECOND: u32 = 200;
/// No host is expected to answer sooner.
const MOMENT: Duration = Duration::from_millis(50);

/// How a poll was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// After it had been held, or with news.
    Held,
    /// At once, and for nothing.
    InVain,
    /// Not at all.
    Not,
}

impl Site {
    /// Sends a poll that asks, and gives its turn back when it is seen to be held; `turn` is `None` then.
    pub async fn asking<T>(
        &self,
        base: &Url,
        turn: &mut Option<Instant>,
        poll: impl Future<Output = T>,
    ) -> T {
        let mut poll = pin!(poll);
        tokio::select! {
            biased;
            answer = &mut poll => return answer,
            () = tokio::time::sleep(self.moment()) => {}
        }
        let lives = self.gate().host_mut(base).is_some_and(|host| host.asked() == Some(Asked::Lives));
        if lives && let Some(at) = turn.take() {
            self.give_back(at);
        }
        poll.await
    }

    /// As many turns as there are in a second, given back after so long, make `ASKED_PER_SECOND`.
    fn moment(&self) -> Duration {
        (Duration::from_secs(1) * self.config.requests_per_second / ASKED_PER_SECOND).max(MOMENT)
    }

    /// Told how a poll was answered that asked, or one that did not and was answered in vain. `turn` is the one it has
    /// still.
    pub fn answered(&self, base: &Url, turn: Option<Instant>, answered: Answered) {
        let asked = match answered {
            Answered::Held => Some(Asked::Lives),
            Answered::InVain => Some(Asked::InVain),
            Answered::Not => None,
        };
        if let (Some(asked), Some(host)) = (asked, self.gate().host_mut(base)) {
            host.note_asked(asked);
        }
        match (answered, turn) {
            (Answered::Held, Some(at)) => self.give_back(at),
            (Answered::InVain, None) => {
                self.gate().all.owe(Instant::now());
                self.count(Errand::Poll);
            }
            (_, Some(_)) => self.count(Errand::Poll),
            (_, None) => {}
        }
    }

    fn give_back(&self, at: Instant) {
        self.gate().all.give_back(at);
        self.news.notify_one();
    }
}
