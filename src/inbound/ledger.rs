//! The ledger of one session: gaps opened and closed, what the machine says, the checkpoint renewed.
//!
//! Deliberately absent: when a gap begins or ends (the machine), and what can be repaired (`reconcile`).

use crate::base::data::Certainty;
use crate::base::time::Millis;
use crate::inbound::carry::Held;
use crate::inbound::dedup::Batch;
use crate::inbound::normalise::Candidate;
use crate::inbound::reconcile::{self, Occasion};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Note, certainty_word};
use crate::inbound::{notes, quarantine, site};
use crate::journal::{Append, Checkpoint, Gap, Known, settled};
use futures_util::future::BoxFuture;
use uuid::Uuid;

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
            Note::ConnectOk => self.connected(machine),
            // Written at once: lives shorter than the time between two checkpoints must not let it grow old.
            Note::Resumed { .. } => {
                self.session.view.node(self.node());
                self.mark(machine);
            }
            Note::HandshakeFailed => self.opening = None,
            Note::Trouble { .. } => {
                self.opening = None;
                self.upkeep.hears(false);
            }
            Note::Stalled { .. } => self.session.view.stalled(true),
            Note::Lost { reason } => {
                self.upkeep.hears(false);
                if matches!(reason, "session-unknown" | "restart") {
                    self.session.accounts.touched(&self.session.agent.key);
                }
                if reason == "unreadable" {
                    self.quarantine(now);
                }
            }
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
        let known = self.known().await;
        let (config, journal) = (&self.session.site.config, &self.session.journal);
        let candidates = reconcile::opened(config, &self.session.agent.key, now, &gap, &known, journal);
        self.gap = Some(gap.clone());
        self.before = known;
        self.publish(candidates, gap, None).await;
    }

    /// What is known of this session's resources now.
    fn known(&self) -> impl Future<Output = Vec<Known>> + Send + 'static {
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

    async fn close(&mut self, now: Millis, to: Millis, certainty: Certainty, machine: &Machine) {
        let Some(gap) = &mut self.gap else { return };
        gap.to = Some(to);
        gap.certainty = certainty_word(certainty).to_owned();
        let gap = gap.clone();
        let (config, journal) = (&self.session.site.config, &self.session.journal);
        let candidates = reconcile::closed(config, &self.session.agent.key, now, &gap, journal);
        // In one step with the note that what it touched is not read again yet.
        let checkpoint = Some(self.checkpoint(machine, false));
        self.publish(candidates, gap, checkpoint).await;
    }

    async fn publish(&mut self, candidates: Vec<Candidate>, gap: Gap, checkpoint: Option<Checkpoint>) {
        let empty = Batch::of(&self.site_name, &self.session.agent.key, self.epoch);
        let batch = Batch { candidates, gaps: vec![gap], checkpoint, ..empty };
        // A journal that can not store it ends the service, and the next start knows of the gap.
        if let Err(error) = self.session.intake.store(batch).await {
            tracing::error!(agent = %self.session.agent.key, %error, "the gap could not be written down");
        }
    }

    fn quarantine(&mut self, now: Millis) {
        let body = std::mem::take(&mut self.unreadable);
        let site = self.session.site.config.name.as_str();
        self.session.metrics.replies_quarantined_total.with_label_values(&[site]).inc();
        let name = format!("{now}-{}", fastrand::u32(..));
        match quarantine::keep(&self.session.state_dir, &name, &body) {
            Ok(path) => {
                tracing::error!(agent = %self.session.agent.key, bytes = body.len(), file = %path.display(), "three replies could not be read; the last one is kept for you to look at, the session begins anew");
            }
            Err(error) => {
                tracing::error!(agent = %self.session.agent.key, bytes = body.len(), %error, "three replies could not be read, and the last one could not be kept; the session begins anew");
            }
        }
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
