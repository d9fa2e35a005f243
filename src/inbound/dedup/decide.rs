//! The decision itself, one candidate after the other.
//!
//! Deliberately absent: threads and queues (see the parent).

use crate::base::digest::Digest;
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, rfc3339};
use crate::inbound::dedup::cache::Cache;
use crate::inbound::dedup::references::References;
use crate::inbound::dedup::{Batch, Hole, Taken};
use crate::inbound::normalise::{Candidate, Key, base_id, event_id};
use crate::journal::{self, Append, MarkWrite, StateWrite};
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
}

/// Log items and states kept in memory (two generations of this); about 64 bytes each.
const CACHED: usize = 500_000;

pub struct Dedup<M> {
    memory: M,
    clock: Clock,
    metrics: Metrics,
    conversations: Cache<HashMap<i64, Seen>>,
    states: Cache<Digest>,
    references: References,
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
    New { revision: u32 },
}

impl<M: Memory> Dedup<M> {
    pub fn new(memory: M, clock: Clock, metrics: Metrics) -> Dedup<M> {
        Dedup {
            memory,
            clock,
            metrics,
            conversations: Cache::new(CACHED),
            states: Cache::new(CACHED),
            references: References::default(),
        }
    }

    /// Decides every candidate of a batch in order; what is new or changed is in the answer.
    pub fn decide(&mut self, _now: Taken, batch: Batch) -> Result<(Append, Outcome), journal::Error> {
        let mut append = Append { checkpoint: batch.checkpoint, gaps: batch.gaps, ..Append::default() };
        for candidate in batch.candidates {
            let verdict = self.judge(&batch.agent, batch.epoch, &candidate, &mut append)?;
            match verdict {
                Verdict::Repeat(rule) => {
                    self.metrics.duplicates_total.with_label_values(&[&*batch.site, rule]).inc();
                }
                Verdict::New { revision } => {
                    if revision > 1 {
                        self.metrics.revisions_total.with_label_values(&[&*batch.site]).inc();
                    }
                    self.keep(candidate, revision, &batch.site, &mut append);
                }
            }
        }
        let outcome = Outcome { forwarded: append.events.len(), ..Outcome::default() };
        Ok((append, outcome))
    }

    fn judge(
        &mut self,
        agent: &str,
        epoch: u64,
        candidate: &Candidate,
        append: &mut Append,
    ) -> Result<Verdict, journal::Error> {
        let now = self.clock.now();
        match &candidate.dedup {
            Key::LogItem { conversation, index } => {
                self.judge_item(*conversation, *index, candidate.content, append)
            }
            Key::Reference { key } => {
                if self.references.repeats(agent, epoch, *key, candidate.content, now) {
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

    fn judge_item(
        &mut self,
        conversation: Digest,
        index: i64,
        content: Digest,
        append: &mut Append,
    ) -> Result<Verdict, journal::Error> {
        self.conversations.add_weight(1);
        if self.conversations.get(&conversation).is_none() {
            let known = self.memory.conversation(&conversation)?;
            self.conversations.add_weight(known.len());
            self.conversations.insert(conversation, known);
        }
        let Some(items) = self.conversations.get(&conversation) else {
            return Ok(Verdict::New { revision: 1 });
        };
        let seen = items.entry(index).or_default();
        if seen.digests.contains(&content) {
            return Ok(Verdict::Repeat("log-item"));
        }
        if seen.digests.len() >= journal::MAX_DIGESTS {
            seen.digests.remove(0);
        }
        seen.digests.push(content);
        seen.revision = seen.revision.saturating_add(1);
        let revision = seen.revision;
        let at = self.clock.now();
        append.marks.push(MarkWrite { conversation, index, content, revision, at });
        Ok(Verdict::New { revision })
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
    fn keep(&self, candidate: Candidate, revision: u32, site: &str, append: &mut Append) {
        let Candidate { mut event, identity, .. } = candidate;
        event.id = event_id(&identity, revision);
        event.baseid = base_id(&identity, revision);
        event.revision = event.baseid.is_some().then_some(revision);
        event.recordedtime = rfc3339(self.clock.now());
        self.metrics
            .events_total
            .with_label_values(&[site, event.medium.as_ref(), event.event.as_ref()])
            .inc();
        append.events.push(event);
    }
}

#[cfg(test)]
impl<M: Memory> Dedup<M> {
    /// Contents remembered of one item.
    pub fn seen_contents(&mut self, conversation: &Digest, index: i64) -> usize {
        self.conversations
            .get(conversation)
            .and_then(|items| items.get(&index))
            .map_or(0, |seen| seen.digests.len())
    }
}
