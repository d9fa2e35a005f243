//! The ledger of one session: gaps opened and closed, what the machine says, the checkpoint renewed.
//!
//! Deliberately absent: when a gap begins or ends (the machine), and what can be repaired (`reconcile`).

use crate::base::data::Certainty;
use crate::base::time::Millis;
use crate::inbound::carry::Held;
use crate::inbound::dedup::Batch;
use crate::inbound::normalise::keys;
use crate::inbound::reconcile::{self, Occasion};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Note, certainty_word};
use crate::inbound::{notes, site};
use crate::journal::{Append, Gap, Known, settled};
use futures_util::future::BoxFuture;
use uuid::Uuid;

/// The devices and channels among what is known.
fn of_agent(known: &[Known]) -> Vec<(&'static str, String)> {
    known.iter().filter_map(|row| Some((keys::agent_kind(&row.kind)?, row.id.clone()))).collect()
}

/// A reply that was put aside, until the session works again.
pub struct Aside {
    step: &'static str,
    /// What became of it.
    words: String,
}

impl Held {
    /// Deals with what the machine says; what has to be published is still to be awaited.
    pub(super) fn note<'a>(&'a mut self, machine: &'a Machine, note: Note) -> Option<BoxFuture<'a, ()>> {
        let now = self.session.clock.now();
        notes::say(&self.session, &note, now);
        match note {
            Note::HandshakeOk { .. } => {
                self.pending.forget();
                self.fresh = true;
                self.upkeep.begin(now);
                self.upkeep.resume();
                self.session.view.node(self.node());
                self.mark(machine);
            }
            // From here on a later process can go on with it.
            Note::Subscribed => self.mark(machine),
            Note::ConnectOk => self.connected(machine),
            // Written at once: lives shorter than the time between two checkpoints must not let it grow old.
            Note::Resumed { .. } => {
                self.session.view.node(self.node());
                self.mark(machine);
                if !machine.subscribed_to_all() {
                    return Some(Box::pin(self.lapse()));
                }
            }
            Note::HandshakeFailed => self.opening = None,
            Note::Trouble { step, text, .. } => {
                self.opening = None;
                self.upkeep.hears(false);
                // Kept no longer than it can be the one that is put aside: thousands of sessions may hold one.
                self.unreadable = Vec::new();
                if let Some(aside) = self.aside.as_ref().filter(|aside| aside.step == step) {
                    self.session.view.cause(&format!("{step} failed: {text}; {}", aside.words));
                }
            }
            Note::Stalled { .. } => self.session.view.stalled(true),
            Note::Lost { reason } => {
                self.upkeep.hears(false);
                if matches!(reason, "session-unknown" | "restart") {
                    self.session.accounts.touched(&self.session.agent.key);
                    self.upkeep.presence.forget_old(self.covered(machine), now);
                }
            }
            Note::Unreadable { step } => self.put_aside(now, step),
            Note::GapOpened { from, cause, certainty } => {
                self.upkeep.hears(false);
                return Some(Box::pin(self.open(now, from, cause, certainty)));
            }
            Note::GapClosed { to, certainty, .. } => {
                return Some(Box::pin(self.close(now, to, certainty, machine)));
            }
            _ => {}
        }
        None
    }

    /// A connect was answered well.
    fn connected(&mut self, machine: &Machine) {
        self.opening = None;
        self.aside = None;
        self.upkeep.hears(true);
        let (gap, before) = (self.gap.take(), std::mem::take(&mut self.before));
        if std::mem::take(&mut self.fresh) {
            self.upkeep.want(Occasion::NewSession { gap, before });
            return self.mark(machine);
        }
        if let Some(gap) = gap {
            self.upkeep.want(Occasion::Continued { gap, before });
        }
        self.renew(machine);
    }

    pub(super) fn node(&self) -> Option<String> {
        let cookies = self.transport.cookies();
        site::node_of(cookies.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// A step of this session with nothing in it yet.
    pub(super) fn step(&self) -> Batch {
        let agent = &self.session.agent;
        Batch::of(&self.site_name, &agent.key, agent.group.as_deref(), self.epoch)
    }

    async fn open(&mut self, now: Millis, from: Option<Millis>, cause: &'static str, certainty: Certainty) {
        let gap = Gap {
            id: Uuid::now_v7().to_string(),
            session: self.session.name(),
            from,
            opened: now,
            to: None,
            cause: cause.to_owned(),
            certainty: certainty_word(certainty).to_owned(),
            first: self.session.journal.head().borrow().last,
        };
        self.handed_in().await;
        let known = self.known().await;
        let (config, journal) = (&self.session.site.config, &self.session.journal);
        let candidates = reconcile::opened(config, &self.session.agent.key, now, &gap, &known, journal);
        let lapsed = [of_agent(&known), reconcile::faded(&gap, &known)].concat();
        self.gap = Some(gap.clone());
        self.before = known;
        self.publish(Batch { candidates, gaps: vec![gap], lapsed, ..self.step() }).await;
    }

    /// The session listened to other channels until now: of the agent's states it may have heard nothing.
    async fn lapse(&mut self) {
        let lapsed = of_agent(&self.known().await);
        self.publish(Batch { lapsed, ..self.step() }).await;
    }

    /// What a reading has handed in a moment ago may not be committed yet, and stands before the gap all the same: an
    /// empty batch behind it is answered after it.
    fn handed_in(&self) -> impl Future<Output = ()> + Send + 'static {
        let behind = self.step();
        let (intake, agent) = (self.session.intake.clone(), self.session.agent.key.clone());
        async move {
            if let Err(error) = intake.store(behind).await {
                tracing::error!(agent, %error, "what stands before a gap may be older than it is");
            }
        }
    }

    /// What is known of this session's resources now.
    pub(super) fn known(&self) -> impl Future<Output = Vec<Known>> + Send + 'static {
        let (journal, name) = (self.session.journal.clone(), self.session.name());
        async move {
            journal.known(&name).await.unwrap_or_else(|error| {
                tracing::error!(session = name, %error, "the interactions that a gap touches can not be read");
                Vec::new()
            })
        }
    }

    /// Of a gap that an earlier process left open: what is known as this one begins was known when it opened, as
    /// nobody listened since.
    pub(super) async fn recall(&mut self) {
        if self.gap.is_some() {
            self.before = self.known().await;
        }
    }

    /// Until when a change of the agent's states would have been told.
    pub(super) fn covered(&self, machine: &Machine) -> Option<Millis> {
        let channels = &self.session.site.config.channels;
        let told = channels.iter().any(|name| ["/v2/me/devices", "/v2/me/channels"].contains(&name.as_str()));
        machine.covered(false).filter(|_| told)
    }

    async fn close(&mut self, now: Millis, to: Millis, certainty: Certainty, machine: &Machine) {
        let Some(gap) = &mut self.gap else { return };
        gap.to = Some(to);
        gap.certainty = certainty_word(certainty).to_owned();
        let gap = gap.clone();
        let (config, journal) = (&self.session.site.config, &self.session.journal);
        let candidates = reconcile::closed(config, &self.session.agent.key, now, &gap, journal);
        // In one step with the note that what it touched is not read again yet.
        let checkpoint = Some(self.checkpoint(machine, false));
        self.publish(Batch { candidates, gaps: vec![gap], checkpoint, ..self.step() }).await;
    }

    async fn publish(&mut self, batch: Batch) {
        // A journal that can not store it ends the service, and the next start knows of the gap.
        if let Err(error) = self.session.intake.store(batch).await {
            tracing::error!(agent = %self.session.agent.key, %error, "what is not known any more could not be written down");
        }
    }

    /// Once for each cause: as long as the same request brings nothing that can be read, the first one stands for all.
    fn put_aside(&mut self, now: Millis, step: &'static str) {
        if self.aside.as_ref().is_some_and(|aside| aside.step == step) {
            return;
        }
        let body = std::mem::take(&mut self.unreadable);
        let kept = self.session.quarantine.keep(now, &body);
        let words = notes::put_aside(&self.session, step, body.len(), kept);
        self.aside = Some(Box::new(Aside { step, words }));
    }

    /// Where the agent stands, for its next session: on disk before that begins, as it reads it.
    pub(super) async fn release(&mut self, machine: &Machine) {
        let checkpoint = Some(self.checkpoint(machine, false));
        let append = Append { checkpoint, durable: true, ..Append::default() };
        if let Err(error) = settled(self.session.journal.append(append)).await {
            tracing::error!(agent = %self.session.agent.key, %error, "where the agent stands could not be written down");
        }
    }
}
