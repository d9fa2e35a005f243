//! Transcripts: one event for an interaction that is over, made from the journal and written back into it.
//!
//! A task reads the journal from a position of its own, as a lane does, and keeps a draft of each interaction beside
//! it. Drafts, items, position and transcript change in one transaction, so that a crash anywhere repeats nothing and
//! forgets nothing: a transcript of one revision exists once. Its number outlives the draft, so that what comes after
//! `transcript.keep`, an erasing or a time without transcripts gets the next one. It reads what is committed and in steps,
//! so that no live event waits for it. `record` is what is known, `verdict` what that is worth, `make` the event.
//! Deliberately absent: who gets it (`route`).

#[cfg(test)]
mod examples;
mod listing;
mod make;
mod record;
mod spans;
mod verdict;

#[cfg(test)]
mod tests;

pub use listing::{Line, listing};
pub use record::Limits;

use record::Record;

use crate::base::data::{Complete, Reason};
use crate::base::envelope::{Event, event, medium};
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, Millis};
use crate::journal::{self, Append, Draft, DraftItem, Journal, Sequence, Stored, settled};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use verdict::Doubts;

/// Its position in the journal. No sink can have this name.
pub const POSITION: &str = "bridge/transcripts";

/// When transcripts are made, and how large they may be.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long nothing may have come since all held agents were out.
    pub quiet: Duration,
    /// After so long without an event an interaction counts as over all the same.
    pub give_up: Duration,
    pub limits: Limits,
}

/// How often what is new is read.
const TICK: Duration = Duration::from_secs(1);
/// What one step takes in: it is one transaction, small beside the reserve of a full disk.
const EVENTS: usize = 500;
const BYTES: usize = 1 << 20;
/// Transcripts made in one look.
const DUE: usize = 64;
/// Notes of what makes logs doubtful: the sequence of the last such event, of an agent or of all.
const DOUBTS: &str = "transcript-doubt/";

/// What the task works with.
pub struct Maker {
    pub journal: Journal,
    pub config: Config,
    pub clock: Clock,
    pub metrics: Metrics,
}

/// Removes what is kept for transcripts, where nobody wants any; the numbers of those made go in their time.
pub async fn forget(journal: &Journal) -> Result<(), Arc<journal::Error>> {
    journal.clear_drafts().await?;
    for (name, _) in journal.notes(DOUBTS).await.map_err(Arc::new)? {
        journal.set_note(&name, None).await?;
    }
    Ok(())
}

impl Maker {
    /// Works until `stop`; an error means that the journal has failed.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Arc<journal::Error>> {
        let mut at = self.journal.position(POSITION).await.unwrap_or(0);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            loop {
                let through = self.read(at).await?;
                let rested = through == at;
                at = through;
                if rested || stop.is_cancelled() {
                    break;
                }
            }
            // Only with all taken in that is committed: a draft that is due may have got something new.
            if !stop.is_cancelled() && at >= self.journal.head().borrow().last {
                self.make_due().await?;
            }
        }
        Ok(())
    }

    /// Takes in what lies behind `at`; how far it got.
    async fn read(&self, at: Sequence) -> Result<Sequence, Arc<journal::Error>> {
        let _held = self.journal.hold_drafts().await;
        let read = self.journal.read(at, EVENTS, BYTES).await.map_err(Arc::new)?;
        if read.through <= at {
            return Ok(at);
        }
        if let Some(sequence) = read.damaged {
            self.doubt("", sequence).await?;
        }
        let (mut drafts, made) = self.drafts_of(&read.events).await?;
        let mut items = Vec::new();
        for stored in &read.events {
            if let Some(agent) = doubtful(&stored.event) {
                self.doubt(&agent, stored.sequence).await?;
            }
            items.extend(self.take(stored, &mut drafts, &made));
        }
        let drafts = drafts.into_iter().map(|(key, open)| open.draft(key, &self.config)).collect();
        let position = Some((POSITION.to_owned(), read.through));
        settled(self.journal.append(Append { drafts, items, position, ..Append::default() })).await?;
        Ok(read.through)
    }

    /// The drafts that these events change, as they stand, and the last transcripts of those that are gone.
    async fn drafts_of(
        &self,
        events: &[Stored],
    ) -> Result<(BTreeMap<String, Open>, BTreeMap<String, u32>), Arc<journal::Error>> {
        let mut keys: Vec<String> = events.iter().filter_map(|stored| record::key(&stored.event)).collect();
        keys.sort_unstable();
        keys.dedup();
        let found = self.journal.drafts(keys.clone()).await.map_err(Arc::new)?;
        let made = self.journal.transcripts_made(keys).await.map_err(Arc::new)?;
        Ok((found.into_iter().map(|draft| (draft.key.clone(), Open::of(draft))).collect(), made))
    }

    fn take(
        &self,
        stored: &Stored,
        drafts: &mut BTreeMap<String, Open>,
        made: &BTreeMap<String, u32>,
    ) -> Option<DraftItem> {
        let Stored { sequence, event, recorded, .. } = stored;
        let key = record::key(event)?;
        let open = drafts.entry(key.clone()).or_insert_with(|| {
            let revision = made.get(&key).copied().unwrap_or(0);
            Open {
                interaction: event.interaction.clone().unwrap_or_default(),
                began: *recorded,
                at: *recorded,
                revision,
                record: Record { earlier: revision > 0, ..Record::begin(*sequence, event) },
            }
        });
        open.at = open.at.max(*recorded);
        let size = event.data.get().len().saturating_add(ENVELOPE) as u64;
        if !open.record.take(event, size, self.config.limits) {
            return None;
        }
        let base = event.baseid.clone().unwrap_or_else(|| event.id.clone());
        let event = Event { raw: None, rest: None, context: None, ..Event::clone(event) };
        Some(DraftItem { key, base, sequence: *sequence, event })
    }

    async fn doubt(&self, agent: &str, sequence: Sequence) -> Result<(), Arc<journal::Error>> {
        self.journal.set_note(&format!("{DOUBTS}{agent}"), Some(&sequence.to_string())).await
    }

    /// Makes the transcripts whose time has come.
    async fn make_due(&self) -> Result<(), Arc<journal::Error>> {
        loop {
            let _held = self.journal.hold_drafts().await;
            let due = self.journal.due_drafts(self.clock.now(), DUE).await.map_err(Arc::new)?;
            if due.is_empty() {
                return Ok(());
            }
            let doubts = self.journal.notes(DOUBTS).await.map_err(Arc::new)?;
            for draft in due {
                self.make_one(draft, &doubts).await?;
            }
        }
    }

    async fn make_one(&self, draft: Draft, doubts: &[(String, String)]) -> Result<(), Arc<journal::Error>> {
        let events = self.journal.draft_items(&draft.key).await.map_err(Arc::new)?;
        let (key, mut open) = (draft.key.clone(), Open::of(draft));
        let (kept, items) = (events.len() as u64, make::items(events));
        // With dedup_scope = "agent" another content of an index may be another agent's, and no revision.
        open.record.changed |= make::differ(&items);
        let mut verdict = verdict::judge(&open.record, doubts_of(&open.record, doubts));
        // What is counted and not there any more was damaged.
        if kept < open.record.items && verdict.0 != Complete::False {
            verdict.1.insert(0, Reason::JournalDamaged);
            verdict.0 = Complete::False;
        }
        let revision = open.revision.saturating_add(1);
        let made =
            make::make(&open.record, &open.interaction, items, verdict.clone(), self.clock.now(), revision);
        let news = made.digest != open.record.digest;
        open.record.judged = Some(verdict.clone());
        if news {
            (open.revision, open.record.digest) = (revision, made.digest);
        }
        let events = if news { vec![made.event] } else { Vec::new() };
        let drafts = vec![Draft { due: None, ..open.draft(key, &self.config) }];
        settled(self.journal.append(Append { events, drafts, ..Append::default() })).await?;
        if news {
            self.metrics.transcripts_total.with_label_values(&[verdict.0.as_str()]).inc();
        }
        Ok(())
    }
}

/// What an item's own attributes take beside its text.
const ENVELOPE: usize = 256;

/// A draft in hand.
struct Open {
    interaction: String,
    began: Millis,
    at: Millis,
    /// The transcripts made so far.
    revision: u32,
    record: Record,
}

impl Open {
    /// What can not be read begins anew, and is doubtful by what is missing in it.
    fn of(draft: Draft) -> Open {
        let record = serde_json::from_str(&draft.body).unwrap_or_else(|_| {
            tracing::error!("the draft of a transcript can not be read; it begins anew");
            Record { unclear: true, ..Record::default() }
        });
        let Draft { interaction, began, at, revision, .. } = draft;
        Open { interaction, began, at, revision, record }
    }

    fn draft(self, key: String, config: &Config) -> Draft {
        let wait = if self.record.is_over() { config.quiet } else { config.give_up };
        let due = self.at.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let body = serde_json::to_string(&self.record).unwrap_or_default();
        let Open { interaction, began, at, revision, .. } = self;
        Draft { key, interaction, began, at, due: Some(due), revision, body }
    }
}

/// Channels that carry no conversation's log: what is not understood there takes nothing from one.
const OTHER_CHANNELS: &[&str] = &[
    "/v2/me",
    "/v2/users",
    "/v2/me/devices",
    "/v2/me/calls",
    "/v2/me/channels",
    "/v2/me/emails",
    "/v2/me/facebook",
    "/v2/me/twitter",
    "/v2/me/workitems",
    "/v2/me/openmedia",
    "/v2/me/workbins",
    "/v2/me/im-sessions",
    "/v2/me/outbound",
    "/notifications/services",
];

/// The agent of whose conversations something was not understood, rejected or not told: its site, a slash, its name.
fn doubtful(of: &Event) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Whence {
        topic: Option<String>,
    }
    let about = (of.medium.as_ref(), of.event.as_ref());
    match about {
        // An error that names no interaction may have been one's.
        (medium::UNKNOWN, _) | (medium::AGENT, event::ERROR) | (medium::BRIDGE, event::ITEM_REJECTED) => {
            let topic = serde_json::from_str(of.data.get()).ok().and_then(|said: Whence| said.topic);
            let topic = topic.unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
            if OTHER_CHANNELS.contains(&topic.as_str()) {
                return None;
            }
        }
        (medium::BRIDGE, event::SILENT) => {}
        _ => return None,
    }
    Some(format!("{}/{}", of.site, of.agent.as_deref()?))
}

fn doubts_of(record: &Record, notes: &[(String, String)]) -> Doubts {
    let since = |name: &str| {
        notes.iter().any(|(note, sequence)| {
            note.strip_prefix(DOUBTS) == Some(name)
                && sequence.parse::<Sequence>().is_ok_and(|sequence| sequence >= record.first)
        })
    };
    let of_agent = |agent: &record::Agent| since(&format!("{}/{}", agent.site, agent.agent));
    Doubts { damaged: since(""), not_understood: record.agents.iter().any(of_agent) }
}
