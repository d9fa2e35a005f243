//! CometD in: one session per agent, from login to the committed batch.
//!
//! `hold` is the one loop per session and the ONLY place that lets the next connect, which is the
//! acknowledgement, go out: it sends what the pure machine says, and the machine says so only after
//! `Committed`. Deliberately absent: any knowledge of sinks.

pub mod accounts;
pub mod batch;
pub mod dedup;
pub mod fleet;
pub mod normalise;
mod notes;
pub mod passwords;
pub mod reconcile;
pub mod roster;
pub mod session;
pub mod settings;
pub mod site;

use crate::base::metrics::Metrics;
use crate::base::retry::Backoff;
use crate::base::time::Clock;
use crate::inbound::accounts::Accounts;
use crate::inbound::dedup::{Batch, Intake, NotStored};
use crate::inbound::fleet::View;
use crate::inbound::normalise::Candidate;
use crate::inbound::roster::Agent;
use crate::inbound::session::bayeux::{self, Message, Meta, Request};
use crate::inbound::session::login::login;
use crate::inbound::session::machine::Machine;
use crate::inbound::session::pending::Pending;
use crate::inbound::session::protocol::{
    Action, Before, Failure, FailureKind, Input, LoginFailure, Moment, Note, Rules,
};
use crate::inbound::session::transport::{Pin, Transport};
use crate::inbound::site::{Errand, Site};
use crate::journal::{Checkpoint, Journal};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What one session needs.
pub struct Session {
    pub site: Arc<Site>,
    pub agent: Agent,
    pub intake: Intake,
    pub journal: Journal,
    pub accounts: Arc<Accounts>,
    pub view: Arc<View>,
    pub clock: Clock,
    pub metrics: Metrics,
    pub before: Before,
    /// Cancelled where the agent is to be held no longer: says farewell to the server, unlike a stop.
    pub leave: CancellationToken,
}

/// A session at work.
struct Held {
    session: Session,
    site_name: Arc<str>,
    transport: Arc<Transport>,
    pending: Pending,
    /// Notifications of the last reply, until they are handed in.
    messages: Vec<Message>,
    /// Number of the HTTP session.
    epoch: u64,
}

/// Holds one agent's session until told to stop, or until its login is refused.
pub async fn hold(session: Session, stop: CancellationToken) {
    let config = &session.site.config;
    let rules = Rules {
        channels: config.channels.clone(),
        network_delay: config.network_delay,
        backoff: Backoff { initial: Duration::from_secs(1), max: config.max_backoff },
    };
    let mut machine = Machine::new(rules, session.before);
    let mut held = Held {
        site_name: config.name.as_str().into(),
        transport: Arc::new(Transport::new(session.site.clone(), Pin::default())),
        pending: Pending::default(),
        messages: Vec::new(),
        epoch: 0,
        session,
    };
    let mut input = Input::Start;
    loop {
        let moment = Moment { now: held.session.clock.now(), random: fastrand::f64() };
        let (next, actions) = machine.step(moment, input);
        machine = next;
        match held.carry_out(&machine, actions, &stop).await {
            Some(next) => input = next,
            None => break,
        }
    }
    held.mark(&machine).await;
}

impl Held {
    /// Carries the actions out in order; the end of the last one is the next input. `None` ends the session.
    async fn carry_out(
        &mut self,
        machine: &Machine,
        actions: Vec<Action>,
        stop: &CancellationToken,
    ) -> Option<Input> {
        for action in actions {
            let input = match action {
                Action::Report(phase) => {
                    self.session.view.set(phase);
                    continue;
                }
                Action::Say(note) => {
                    self.note(machine, &note).await;
                    continue;
                }
                Action::End => return None,
                // A batch in hand is always finished: the flush commits it.
                Action::Deliver { unacknowledged } => self.deliver(machine, unacknowledged).await?,
                Action::Login { fresh } => or_stop(self.login(fresh), stop).await,
                Action::Send { request, timeout } => or_stop(self.send(request, timeout), stop).await,
                Action::Wait(how_long) => {
                    let wait = async {
                        tokio::time::sleep(how_long).await;
                        Input::Timer
                    };
                    or_stop(wait, stop).await
                }
            };
            return Some(input);
        }
        None
    }

    async fn note(&mut self, machine: &Machine, note: &Note) {
        let now = self.session.clock.now();
        notes::say(&self.session, note, now);
        if matches!(note, Note::HandshakeOk { .. }) {
            self.pending.forget();
            self.mark(machine).await;
        }
        if let Some(gap) = notes::gap_of(note, now) {
            let journal = &self.session.journal;
            let gap = reconcile::gap(&self.session.site.config, &self.session.agent.key, now, &gap, journal);
            // A journal that can not store it ends the service, and the next start knows of the gap.
            if let Err(error) = self.store(vec![gap], None).await {
                tracing::error!(agent = %self.session.agent.key, %error, "the gap could not be written down");
            }
        }
    }

    /// Notes that the session is held now, so that a later process knows since when nobody listened.
    async fn mark(&mut self, machine: &Machine) {
        if machine.client_id().is_none() {
            return;
        }
        let checkpoint = batch::checkpoint(&self.session, machine, &self.pending);
        if let Err(error) = self.store(Vec::new(), Some(checkpoint)).await {
            tracing::debug!(agent = %self.session.agent.key, %error, "the checkpoint was not stored");
        }
    }

    async fn store(
        &self,
        candidates: Vec<Candidate>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), NotStored> {
        let empty = Batch::of(&self.site_name, &self.session.agent.key, self.epoch);
        let batch = Batch { candidates, checkpoint, ..empty };
        self.session.intake.store(batch).await.map(|_| ())
    }

    async fn login(&mut self, fresh: bool) -> Input {
        if fresh {
            self.transport.forget();
        }
        self.epoch += 1;
        let site = &self.session.site;
        site.admit(Errand::Login).await;
        let password = match passwords::read(&site.config, &self.session.agent).await {
            Ok(password) => password,
            Err(text) => {
                let failure = Failure { kind: FailureKind::Network, text, retry_after: None };
                return self.login_failed(LoginFailure::Passing(failure));
            }
        };
        let (charset, timeout) = (site.config.password_charset, site.config.network_delay);
        match login(&self.transport, &self.session.agent, &password, charset, timeout).await {
            Ok(()) => {
                notes::login(&self.session, "ok");
                Input::LoggedIn
            }
            Err(failure) => self.login_failed(failure),
        }
    }

    fn login_failed(&self, failure: LoginFailure) -> Input {
        let result = match &failure {
            LoginFailure::Final(_) => "refused",
            LoginFailure::OtherUser(_) => "other-user",
            LoginFailure::Passing(_) => "failed",
        };
        notes::login(&self.session, result);
        Input::LoginFailed(failure)
    }

    async fn send(&mut self, request: Request, timeout: Duration) -> Input {
        // A held poll paces itself; everything else shares the site's pace.
        if !matches!(request, Request::Connect { immediate: false, .. }) {
            self.session.site.admit(Errand::Open).await;
        }
        let answer = self.transport.post(&request, timeout).await;
        let replied = answer.and_then(|body| {
            bayeux::parse(&body).map_err(|error| Failure {
                kind: FailureKind::Unreadable,
                text: error.to_string(),
                retry_after: None,
            })
        });
        match replied {
            Ok(messages) => self.received(messages),
            Err(failure) => {
                if matches!(request, Request::Connect { .. }) {
                    notes::connect_failed(&self.session, failure.kind);
                }
                Input::Failed(failure)
            }
        }
    }

    /// Parts the replies, which the machine judges, from the notifications, which wait for `Deliver`.
    fn received(&mut self, messages: Vec<Message>) -> Input {
        let mut metas: Vec<Meta> = Vec::new();
        self.messages.clear();
        for message in messages {
            match message {
                Message::Meta(meta) => metas.push(meta),
                other => self.messages.push(other),
            }
        }
        Input::Replied { metas, data: self.messages.len() }
    }

    /// Hands the notifications in and waits for the commit. `None` where they can not be stored any more.
    async fn deliver(&mut self, machine: &Machine, unacknowledged: bool) -> Option<Input> {
        let messages = std::mem::take(&mut self.messages);
        let now = self.session.clock.now();
        let received = batch::build(&self.session, messages, &self.pending, now);
        self.pending.stored(&received.digests, unacknowledged);
        let checkpoint = batch::checkpoint(&self.session, machine, &self.pending);
        match self.store(received.candidates, Some(checkpoint)).await {
            Ok(()) => Some(Input::Committed),
            Err(error) => {
                tracing::error!(agent = %self.session.agent.key, %error, "nothing more is acknowledged");
                None
            }
        }
    }
}

async fn or_stop(work: impl Future<Output = Input>, stop: &CancellationToken) -> Input {
    tokio::select! {
        input = work => input,
        () = stop.cancelled() => Input::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl Fn(Session, CancellationToken) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn a_session_at_rest_takes_little_memory() {
        let bytes = size(hold);
        assert!(bytes <= 6 * 1024, "the future of a session takes {bytes} bytes");
    }
}
