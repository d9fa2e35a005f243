//! A batch on its way to the disk: handed in, waited for, and the session kept alive meanwhile.
//!
//! Deliberately absent: what is decided about it (`dedup`), and when a sign of life is due (the machine).

use crate::inbound::batch;
use crate::inbound::carry::Held;
use crate::inbound::dedup::{Batch, NotStored, Stored};
use crate::inbound::reconcile::Occasion;
use crate::inbound::session::bayeux::Request;
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::Input;
use crate::inbound::site::Errand;
use std::sync::Arc;
use std::time::Duration;

impl Held {
    /// Hands the notifications in.
    pub(super) fn deliver(&mut self, machine: &Machine, unacknowledged: bool) {
        let messages = std::mem::take(&mut self.messages);
        let now = self.session.clock.now();
        let received = batch::build(&self.session, messages, &self.pending, now);
        self.pending.stored(&received.digests, unacknowledged);
        self.upkeep.heard(now);
        self.session.view.heard(now, received.told);
        let checkpoint = self.checkpoint(machine, true);
        (self.marked, self.silent) = (tokio::time::Instant::now(), self.session.view.silent());
        let batch = Batch { candidates: received.candidates, checkpoint: Some(checkpoint), ..self.step() };
        let (intake, accounts) = (self.session.intake.clone(), Arc::clone(&self.session.accounts));
        let agent = self.session.agent.key.clone();
        let logged_out = self.upkeep.presence.left_all(received.states);
        let password_changed = received.password_changed;
        if password_changed {
            self.transport.withhold();
        }
        self.storing = Some(Box::pin(async move {
            if password_changed {
                // Noted first: once the batch is stored it does not come again.
                accounts.password_changed(&agent).await;
            }
            let stored = intake.store(batch).await?;
            if logged_out {
                accounts.logged_out(&agent).await;
            }
            Ok(stored)
        }));
    }

    /// Waits for the commit; `Timer` where it takes longer than `beat`. `None` where it will never be.
    pub(super) async fn await_store(&mut self, beat: Duration) -> Option<Input> {
        let Some(storing) = &mut self.storing else { return Some(Input::Committed) };
        let stored = tokio::select! {
            biased;
            stored = storing => stored,
            () = tokio::time::sleep(beat) => return Some(Input::Timer),
        };
        self.stored(stored)
    }

    /// Sends a request that keeps the session alive, unless the commit comes first.
    pub(super) async fn sign_of_life(&mut self, request: Request, timeout: Duration) -> Option<Input> {
        let Some(storing) = &mut self.storing else { return Some(Input::Committed) };
        let (site, transport) = (Arc::clone(&self.session.site), Arc::clone(&self.transport));
        let parked = matches!(request, Request::Connect { .. });
        let work = async move {
            if !parked {
                site.admit_at(Errand::KeepAlive, &transport.base()).await;
            }
            transport.post(&request, timeout).await
        };
        let began = tokio::time::Instant::now();
        let answer = tokio::select! {
            biased;
            stored = storing => return self.stored(stored),
            answer = work => answer,
            () = self.stop.cancelled() => return Some(Input::Stop),
        };
        // What a parked connect brings comes again; what comes with another reply does not, and waits its turn.
        let waiting = std::mem::take(&mut self.messages);
        let input = self.answered(answer, false);
        // No such reply counts, and none is put aside.
        self.unreadable = Vec::new();
        if parked {
            self.judge(&input, self.at_once(began.elapsed(), timeout), false, None);
        }
        let came = std::mem::replace(&mut self.messages, waiting);
        if !parked {
            self.messages.extend(came);
        }
        Some(input)
    }

    fn stored(&mut self, stored: Result<Stored, NotStored>) -> Option<Input> {
        self.storing = None;
        self.session.view.stalled(false);
        match stored {
            Ok(stored) => {
                stored.holes.into_iter().for_each(|hole| self.upkeep.want(Occasion::Hole(hole)));
                Some(Input::Committed)
            }
            Err(error) => {
                tracing::error!(agent = %self.session.agent.key, %error, "nothing more is acknowledged");
                None
            }
        }
    }
}
