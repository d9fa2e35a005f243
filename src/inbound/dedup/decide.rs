//! The decision itself, one candidate after the other.
//!
//! Deliberately absent: threads and queues (see the parent).

use crate::base::digest::Digest;
use crate::base::envelope::{Origin, medium};
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, rfc3339};
use crate::inbound::checkpoint::{session_name, with_holes};
use crate::inbound::dedup::attached::Attached;
use crate::inbound::dedup::cache::Cache;
use crate::inbound::dedup::contexts::Contexts;
use crate::inbound::dedup::logs::Logs;
use crate::inbound::dedup::references::References;
use crate::inbound::dedup::resources::Resources;
use crate::inbound::dedup::since::{self, Coverage};
use crate::inbound::dedup::{Batch, Hole, Taken};
use crate::inbound::normalise::{Candidate, Key, Says, Sight, base_id, event_id, keys, message_type};
use crate::journal::{self, Append, Checkpoint, ContextValue, Erased, Known, StateWrite};
use std::collections::HashMap;

/// What was seen of one log item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub digests: Vec<Digest>,
    /// Of the last content forwarded; 1 is the first.
    pub revision: u32,
}

/// What is known from before: the journal's marks.
pub trait Memory {
    /// Every item seen of a conversation, by index.
    fn conversation(&self, conversation: &Digest) -> Result<HashMap<i64, Seen>, journal::Error>;
    /// The last content seen of a resource.
    fn state(&self, resource: &Digest) -> Result<Option<Digest>, journal::Error>;
    /// What is known of a resource as one session sees it.
    fn known(&self, session: &str, kind: &str, id: &str) -> Result<Option<Known>, journal::Error>;
    /// The values last known of a conversation.
    fn context(&self, conversation: &Digest) -> Result<Vec<ContextValue>, journal::Error>;
}

impl Memory for journal::Lookup {
    fn conversation(&self, conversation: &Digest) -> Result<HashMap<i64, Seen>, journal::Error> {
        let marks =
            journal::Lookup::conversation(self, conversation)?.map(|known| known.marks).unwrap_or_default();
        Ok(marks
            .into_iter()
            .map(|mark| (mark.index, Seen { digests: mark.digests, revision: mark.revision }))
            .collect())
    }

    fn state(&self, resource: &Digest) -> Result<Option<Digest>, journal::Error> {
        journal::Lookup::state(self, resource)
    }

    fn known(&self, session: &str, kind: &str, id: &str) -> Result<Option<Known>, journal::Error> {
        journal::Lookup::known(self, session, kind, id)
    }

    fn context(&self, conversation: &Digest) -> Result<Vec<ContextValue>, journal::Error> {
        journal::Lookup::context(self, conversation)
    }
}

/// States kept in memory (two generations of this); about 64 bytes each.
const CACHED: usize = 500_000;

pub struct Dedup<M> {
    memory: M,
    clock: Clock,
    metrics: Metrics,
    logs: Logs,
    states: Cache<Digest>,
    references: References,
    resources: Resources,
    coverage: Coverage,
    contexts: Contexts,
    attached: Attached,
}

/// What was decided of a batch, beside what is to be written.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub forwarded: usize,
    pub stale: Vec<usize>,
    pub holes: Vec<Hole>,
}

/// What became of a candidate.
enum Verdict {
    Repeat(&'static str),
    New {
        revision: u32,
    },
    /// A reading older than what was decided since.
    Stale,
}

/// The batch in hand, but for its candidates.
struct Step {
    site: std::sync::Arc<str>,
    agent: String,
    group: Option<String>,
    session: String,
    epoch: u64,
    /// Of a reading: when it left, in the order of decisions.
    taken: u64,
    now: u64,
}

impl<M: Memory> Dedup<M> {
    pub fn new(memory: M, clock: Clock, metrics: Metrics, contexts: Contexts) -> Dedup<M> {
        Dedup {
            memory,
            clock,
            metrics,
            logs: Logs::new(),
            states: Cache::new(CACHED),
            references: References::default(),
            resources: Resources::new(),
            coverage: Coverage::default(),
            contexts,
            attached: Attached::default(),
        }
    }

    /// Forgets what was erased.
    pub fn forget(&mut self, erased: Erased) {
        self.contexts.forget(erased.conversations);
        if erased.any {
            self.attached = Attached::default();
        }
    }

    /// Decides every candidate of a batch in order; what is new or changed is in the answer. `now` is the moment
    /// of this decision and higher than that of any before.
    pub fn decide(&mut self, now: Taken, batch: Batch) -> Result<(Append, Outcome), journal::Error> {
        self.coverage.gaps(&batch.gaps, now.0);
        let mut append = Append { checkpoint: batch.checkpoint, gaps: batch.gaps, ..Append::default() };
        let mut outcome = Outcome::default();
        let step = Step {
            session: session_name(&batch.site, &batch.agent),
            site: batch.site,
            agent: batch.agent,
            group: batch.group,
            epoch: batch.epoch,
            taken: batch.taken.unwrap_or(now).0,
            now: now.0,
        };
        for (kind, id) in &batch.lapsed {
            let resource = self.resources.get(&self.memory, &step.session, kind, id)?;
            match keys::agent_kind(kind) {
                Some(_) => resource.mark(since::lapse),
                None => resource.end(),
            }
        }
        for (position, mut candidate) in batch.candidates.into_iter().enumerate() {
            match self.judge(&step, &candidate, &mut append)? {
                Verdict::Stale => outcome.stale.push(position),
                Verdict::Repeat(rule) => {
                    self.metrics.duplicates_total.with_label_values(&[&*step.site, rule]).inc();
                }
                Verdict::New { revision } => {
                    if revision > 1 {
                        self.metrics.revisions_total.with_label_values(&[&*step.site]).inc();
                    }
                    self.date(&step, &mut candidate)?;
                    self.keep(&step, candidate, revision, &mut append)?;
                }
            }
        }
        let forget = append.checkpoint.as_ref().is_some_and(Checkpoint::forgets);
        if forget {
            self.coverage.forget(&step.session);
        }
        append.known = self.resources.finish(&step.session, step.now, self.clock.now(), forget);
        outcome.forwarded = append.events.len();
        outcome.holes = self.logs.holes(&self.memory)?;
        if !outcome.holes.is_empty() {
            // In one step with what passed them over: a kill may come before they are read.
            append.checkpoint = append.checkpoint.map(|point| with_holes(point, &outcome.holes));
        }
        Ok((append, outcome))
    }

    fn judge(
        &mut self,
        step: &Step,
        candidate: &Candidate,
        append: &mut Append,
    ) -> Result<Verdict, journal::Error> {
        let read = candidate.event.origin == Origin::Snapshot;
        match &candidate.sight {
            Some(sight) if read || sight.says == Says::Ended => {
                self.judge_read(step, candidate, sight, append)
            }
            Some(sight) => {
                let verdict = self.judge_notified(step, candidate, append)?;
                // A reference within its minute tells again what may be over by now.
                if !matches!(verdict, Verdict::Repeat("reference")) {
                    self.observe(step, candidate, sight)?;
                }
                Ok(verdict)
            }
            None => self.judge_notified(step, candidate, append),
        }
    }

    /// The design's table: the first row that fits decides.
    fn judge_notified(
        &mut self,
        step: &Step,
        candidate: &Candidate,
        append: &mut Append,
    ) -> Result<Verdict, journal::Error> {
        let now = self.clock.now();
        match &candidate.dedup {
            Key::LogItem { conversation, index } => {
                let shared = match &candidate.sight {
                    Some(Sight { says: Says::Item { shared, .. }, .. }) => Some(*shared),
                    _ => None,
                };
                let mark = self.logs.notified(
                    &self.memory,
                    *conversation,
                    *index,
                    candidate.content,
                    shared,
                    now,
                )?;
                Ok(marked(mark, "log-item", append))
            }
            Key::Reference { key } => {
                if self.references.repeats(&step.agent, step.epoch, *key, candidate.content, now) {
                    return Ok(Verdict::Repeat("reference"));
                }
                if let Some(resource) = candidate.resource {
                    self.remember_state(resource, candidate.content, append);
                }
                Ok(Verdict::New { revision: 1 })
            }
            Key::State { resource } => {
                if self.last_state(resource)? == Some(candidate.content) {
                    return Ok(Verdict::Repeat("state"));
                }
                self.remember_state(*resource, candidate.content, append);
                Ok(Verdict::New { revision: 1 })
            }
            Key::None => {
                if let Some(resource) = candidate.resource {
                    self.remember_state(resource, candidate.content, append);
                }
                Ok(Verdict::New { revision: 1 })
            }
        }
    }

    /// Takes over what a notification shows of its resource.
    fn observe(&mut self, step: &Step, candidate: &Candidate, sight: &Sight) -> Result<(), journal::Error> {
        let covered = self.coverage.holds(&step.session, step.now);
        let resource = self.resources.get(&self.memory, &step.session, sight.kind, &sight.id)?;
        resource.any_at = step.now;
        match &sight.says {
            Says::State { open, shadow } => {
                resource.state_at = step.now;
                if keys::agent_kind(sight.kind).is_some() {
                    resource.mark(|known| since::told(known, shadow, &candidate.event.time, covered));
                }
                resource.merge(*open, shadow);
            }
            Says::Item { index, .. } => {
                let before = resource.raise(*index);
                if let (Some(before), Key::LogItem { conversation, .. }) = (before, &candidate.dedup) {
                    self.logs.passed_over(*conversation, sight, before, *index);
                }
            }
            Says::Ended => {}
        }
        Ok(())
    }

    /// What a reading shows: news only where it differs, and only where nothing was decided since it left.
    fn judge_read(
        &mut self,
        step: &Step,
        candidate: &Candidate,
        sight: &Sight,
        append: &mut Append,
    ) -> Result<Verdict, journal::Error> {
        let covered = self.coverage.holds(&step.session, step.taken);
        let resource = self.resources.get(&self.memory, &step.session, sight.kind, &sight.id)?;
        match &sight.says {
            Says::Item { index, shared } => {
                resource.raise(*index);
                let Key::LogItem { conversation, index } = &candidate.dedup else {
                    return Ok(Verdict::New { revision: 1 });
                };
                let now = self.clock.now();
                let mark = self.logs.read(&self.memory, *conversation, *index, *shared, now)?;
                return Ok(marked(mark, "snapshot", append));
            }
            Says::State { .. } if resource.state_at > step.taken => return Ok(Verdict::Stale),
            Says::State { open, shadow } => {
                let differs = resource.differs(*open, shadow);
                if keys::agent_kind(sight.kind).is_some() {
                    resource.mark(|known| since::read(known, shadow, differs, covered));
                }
                resource.merge(*open, shadow);
                if !differs {
                    return Ok(Verdict::Repeat("snapshot"));
                }
            }
            Says::Ended if resource.row.as_ref().is_none_or(|row| !row.open) => {
                return Ok(Verdict::Repeat("snapshot"));
            }
            Says::Ended if resource.any_at > step.taken => return Ok(Verdict::Stale),
            Says::Ended => resource.end(),
        }
        (resource.state_at, resource.any_at) = (step.now, step.now);
        if let Some(of) = candidate.resource {
            self.remember_state(of, candidate.content, append);
        }
        Ok(Verdict::New { revision: 1 })
    }

    /// Says of an agent's state since when it stands, where that is known.
    fn date(&mut self, step: &Step, candidate: &mut Candidate) -> Result<(), journal::Error> {
        let Some(sight) = candidate.sight.as_ref().filter(|_| candidate.dated) else { return Ok(()) };
        let resource = self.resources.get(&self.memory, &step.session, sight.kind, &sight.id)?;
        let known = resource.row.as_ref().map(|row| &row.shadow);
        if let Some(data) = known.and_then(|known| since::dated(&candidate.event.data, known)) {
            candidate.event.data = data;
        }
        Ok(())
    }

    fn last_state(&mut self, resource: &Digest) -> Result<Option<Digest>, journal::Error> {
        if let Some(content) = self.states.get(resource) {
            return Ok(Some(*content));
        }
        self.memory.state(resource)
    }

    fn remember_state(&mut self, resource: Digest, content: Digest, append: &mut Append) {
        self.states.insert(resource, content);
        append.states.push(StateWrite { resource, content, at: self.clock.now() });
    }

    /// Gives the event its identity and its place in the batch.
    fn keep(
        &mut self,
        step: &Step,
        candidate: Candidate,
        revision: u32,
        append: &mut Append,
    ) -> Result<(), journal::Error> {
        let Candidate { mut event, identity, resource, compared, .. } = candidate;
        let told =
            resource.filter(|_| compared).and_then(|resource| self.attached.changed(&resource, &event.data));
        event.data = told.unwrap_or(event.data);
        event.id = event_id(&identity, revision);
        event.baseid = base_id(&identity, revision);
        event.revision = event.baseid.is_some().then_some(revision);
        let now = self.clock.now();
        event.recordedtime = rfc3339(now);
        // Fixed here: whoever reads the event later, and however often, takes it for the same group's.
        event.group = event.agent.as_ref().and(step.group.clone());
        let whose = (&*step.site, step.agent.as_str());
        append.contexts.extend(self.contexts.stamp(&self.memory, whose, &mut event, now)?);
        self.metrics
            .events_total
            .with_label_values(&[&*step.site, event.medium.as_ref(), event.event.as_ref()])
            .inc();
        if event.medium == medium::UNKNOWN {
            self.metrics.unknown_event(&step.site, message_type(&event.data).as_deref());
        }
        append.events.push(event);
        Ok(())
    }
}

/// An item with a mark is new or changed, one without a repeat.
fn marked(mark: Option<journal::MarkWrite>, rule: &'static str, append: &mut Append) -> Verdict {
    match mark {
        Some(mark) => {
            let revision = mark.revision;
            append.marks.push(mark);
            Verdict::New { revision }
        }
        None => Verdict::Repeat(rule),
    }
}

#[cfg(test)]
impl<M: Memory> Dedup<M> {
    /// Contents remembered of one item.
    pub fn seen_contents(&mut self, conversation: &Digest, index: i64) -> usize {
        self.logs.seen_contents(conversation, index)
    }
}
