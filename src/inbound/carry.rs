//! The actions of the machine carried out: requests, waits, batches; the end of each is the next input.
//!
//! Deliberately absent: which action comes when (the machine), requests on their way (`sending`), logins (`login`), gaps
//! (`ledger`).

use crate::inbound::Session;
use crate::inbound::checkpoint;
use crate::inbound::dedup::{NotStored, Stored};
use crate::inbound::ledger::Aside;
use crate::inbound::normalise::Kinds;
use crate::inbound::notes;
use crate::inbound::session::bayeux::{self, Message, Meta, Request};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::pending::Pending;
use crate::inbound::session::protocol::{Action, Failure, FailureKind, Input};
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Opening;
use crate::inbound::upkeep::{Event, Upkeep};
use crate::inbound::users::Place;
use crate::journal::{Append, Checkpoint, Gap, Known};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A session at work.
pub struct Held {
    pub session: Session,
    pub site_name: Arc<str>,
    pub transport: Arc<Transport>,
    pub pending: Pending,
    /// Notifications of the last reply, until they are handed in.
    pub(super) messages: Vec<Message>,
    /// The batch on its way to disk.
    pub(super) storing: Option<BoxFuture<'static, Result<Stored, NotStored>>>,
    pub upkeep: Box<Upkeep>,
    /// The place among the handshakes under way.
    pub opening: Option<Opening>,
    /// Number of the HTTP session.
    pub epoch: u64,
    /// The gap that is open, or was closed last and waits to be repaired.
    pub gap: Option<Gap>,
    /// What was known of the session's resources when that gap opened.
    pub before: Vec<Known>,
    /// The Bayeux session is new, and no connect of it was answered well yet.
    pub fresh: bool,
    /// The last body that could not be read, until the machine has heard of it.
    pub unreadable: Vec<u8>,
    /// Why the session does not work, where that is a reply which could not be read.
    pub(super) aside: Option<Box<Aside>>,
    /// The server named another user: no change of the secret mends that.
    pub other_user: bool,
    /// The secret whose login was answered in a way that is of no use: the same one fares no better.
    pub useless: Option<SecretString>,
    /// The login under way starts from nothing: no cookies, and the base URL in use.
    pub fresh_login: bool,
    /// Seen during a wait, and the next connect has to know.
    pub(super) logged_out: bool,
    /// The last poll was answered at once and for nothing, though its session lives: the next one may be, too.
    pub(super) asks: bool,
    /// When the last checkpoint was written.
    pub(super) marked: tokio::time::Instant,
    /// What it was silent about by then.
    pub(super) silent: Kinds,
    /// The agent's user, known to the site by its id.
    pub(super) place: Option<Place>,
    pub(super) stop: CancellationToken,
}

/// An idle session's checkpoint is renewed so often: what a crash costs in certainty of when a gap began.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// How a wait ended before its work did.
pub(super) enum Cut {
    Stop,
    Leave,
    LoggedOut,
}

impl Held {
    pub fn new(mut session: Session, stop: CancellationToken) -> Held {
        let pin = session.site.pin(session.agent.group.as_deref(), session.agent.base_url.as_ref());
        session.past.connected.into_iter().for_each(|at| session.view.held_since(at));
        session.view.recall(session.past.silent);
        Held {
            site_name: session.site.config.name.as_str().into(),
            transport: Arc::new(Transport::new(Arc::clone(&session.site), pin)),
            pending: std::mem::take(&mut session.past.pending),
            messages: Vec::new(),
            storing: None,
            upkeep: Box::new(Upkeep::new(&session)),
            opening: None,
            epoch: 0,
            gap: session.past.gap.take(),
            before: Vec::new(),
            fresh: false,
            unreadable: Vec::new(),
            aside: None,
            other_user: false,
            useless: None,
            fresh_login: false,
            logged_out: false,
            asks: false,
            marked: tokio::time::Instant::now(),
            silent: session.past.silent,
            place: None,
            stop,
            session,
        }
    }

    /// Carries the actions out in order; the end of the last one is the next input. `None` ends the session.
    pub async fn carry_out(&mut self, machine: &Machine, actions: Vec<Action>) -> Option<Input> {
        for action in actions {
            let input = match action {
                Action::Report(phase) => {
                    self.session.view.set(phase);
                    continue;
                }
                Action::Say(note) => {
                    // Rare ones may wait for the disk: they take their memory only then.
                    if let Some(publish) = self.note(machine, note) {
                        publish.await;
                    }
                    continue;
                }
                Action::Release => {
                    Box::pin(self.release(machine)).await;
                    continue;
                }
                Action::End => return None,
                // A batch in hand is always finished: the flush commits it.
                Action::Deliver { unacknowledged, beat } => {
                    self.deliver(machine, unacknowledged);
                    self.await_store(beat).await?
                }
                Action::AwaitStore { beat } => self.await_store(beat).await?,
                Action::Send { request, timeout } if self.storing.is_some() => {
                    Box::pin(self.sign_of_life(request, timeout)).await?
                }
                Action::Send { request: request @ Request::Disconnect { .. }, timeout } => {
                    Box::pin(self.farewell(request, timeout)).await
                }
                Action::Send { request, timeout } => self.send(machine, request, timeout).await,
                Action::Restore => Input::Restored(Box::pin(self.restore()).await),
                Action::Login { fresh } => {
                    self.upkeep.pause();
                    self.logged_out = false;
                    let covered = self.covered(machine);
                    Box::pin(self.login(fresh, covered)).await
                }
                Action::AwaitPardon => {
                    self.upkeep.pause();
                    let (stop, leave) = (self.stop.clone(), self.session.leave.clone());
                    or_cut(Box::pin(self.pardon()), &stop, &leave).await
                }
                Action::Wait(how_long) => match self.beside(machine, tokio::time::sleep(how_long)).await {
                    Ok(()) => Input::Timer,
                    Err(Cut::LoggedOut) => {
                        self.logged_out = true;
                        Input::Timer
                    }
                    Err(cut) => cut.into(),
                },
            };
            return Some(input);
        }
        None
    }

    /// Does the work with the upkeep beside it.
    pub(super) async fn beside<T>(
        &mut self,
        machine: &Machine,
        work: impl Future<Output = T>,
    ) -> Result<T, Cut> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = self.stop.cancelled() => return Err(Cut::Stop),
                () = self.session.leave.cancelled() => return Err(Cut::Leave),
                event = self.upkeep.next(&self.session, &self.transport, self.epoch) => {
                    self.found(machine);
                    if event == Event::LoggedOut {
                        self.upkeep.pause();
                        return Err(Cut::LoggedOut);
                    }
                }
            }
        }
    }

    pub(super) fn answered(&mut self, answer: Result<Vec<u8>, Failure>, connect: bool) -> Input {
        let replied = answer.and_then(|body| {
            bayeux::parse(&body).map_err(|error| {
                self.unreadable = body;
                Failure { kind: FailureKind::Unreadable, text: error.to_string(), retry_after: None }
            })
        });
        match replied {
            Ok(messages) => self.received(messages),
            Err(failure) => {
                let too_long = self.transport.take_too_long();
                if !too_long.is_empty() {
                    self.unreadable = too_long;
                }
                if connect {
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
        self.unreadable = Vec::new();
        for message in messages {
            match message {
                Message::Meta(meta) => metas.push(*meta),
                other => self.messages.push(other),
            }
        }
        Input::Replied { metas, data: self.messages.len() }
    }

    /// Only what is committed in one step with the batch in hand may count it as stored.
    pub fn checkpoint(&self, machine: &Machine, with_batch: bool) -> Checkpoint {
        let closed = self.gap.as_ref().filter(|gap| gap.to.is_some());
        let closed = closed.map(|gap| (gap, self.before.as_slice()));
        let sources = checkpoint::Sources {
            name: &self.session.name(),
            group: self.session.agent.group.as_deref(),
            pending: &self.pending,
            transport: &self.transport,
            sealer: self.session.sealer.as_deref(),
            unread: self.upkeep.unread().chain(closed).collect(),
            holes: self.upkeep.holes().cloned().collect(),
            unseen: (self.fresh && self.gap.is_none()) || self.upkeep.unseen(),
            connected: self.session.view.connected(),
            silent: self.session.view.silent(),
            user: self.place.as_ref().map(Place::id),
            with_batch,
        };
        checkpoint::write(machine, &sources)
    }

    /// Notes how the session stands, so that a later process can go on with it, or knows since when nobody
    /// listened. Nobody waits for it: it may ride with a later commit.
    pub fn mark(&mut self, machine: &Machine) {
        // What waits for the disk brings a newer one with it.
        if machine.client_id().is_none() || self.storing.is_some() {
            return;
        }
        self.marked = tokio::time::Instant::now();
        self.silent = self.session.view.silent();
        let checkpoint = Some(self.checkpoint(machine, false));
        drop(self.session.journal.append(Append { checkpoint, ..Append::default() }));
    }

    /// After a reading: that the session is silent is noted at once, as a quiet one's poll may be held for long.
    fn found(&mut self, machine: &Machine) {
        if self.session.view.silent() != self.silent {
            self.mark(machine);
        }
    }

    /// As `mark`, where the last one is old enough.
    pub fn renew(&mut self, machine: &Machine) {
        if self.marked.elapsed() >= MARK_EVERY {
            // A balancer may have moved the session, by any answer.
            self.session.view.node(self.node());
            self.mark(machine);
        }
    }
}

impl From<Cut> for Input {
    fn from(cut: Cut) -> Input {
        match cut {
            Cut::Stop => Input::Stop,
            Cut::Leave => Input::Leave,
            Cut::LoggedOut => {
                let text = "the HTTP session is no longer logged in".to_owned();
                Input::Failed(Failure { kind: FailureKind::Unauthorized, text, retry_after: None })
            }
        }
    }
}

async fn or_cut(
    work: impl Future<Output = Input>,
    stop: &CancellationToken,
    leave: &CancellationToken,
) -> Input {
    tokio::select! {
        input = work => input,
        () = stop.cancelled() => Input::Stop,
        () = leave.cancelled() => Input::Leave,
    }
}
