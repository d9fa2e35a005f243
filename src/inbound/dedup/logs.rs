//! The logs of conversations: which items were seen, with which contents, and which indices were passed over.
//!
//! A content is the digest of a notified item, or of what a reading of it shares with a notification of it.
//! Deliberately absent: reading what was passed over (the session's loop has it done).

use super::Hole;
use super::cache::Cache;
use super::decide::{Memory, Seen};
use crate::base::digest::Digest;
use crate::base::time::Millis;
use crate::inbound::normalise::Sight;
use crate::journal::{self, MarkWrite};
use std::collections::{BTreeMap, HashMap};

/// Log items kept in memory (two generations of this); about 64 bytes each.
const CACHED: usize = 500_000;

pub(super) struct Logs {
    conversations: Cache<Log>,
    /// Passed over in the batch in hand, one span for each conversation.
    spans: BTreeMap<Digest, Hole>,
}

struct Log {
    items: HashMap<i64, Seen>,
    /// Holes up to here were said.
    said: Option<i64>,
}

impl Logs {
    pub(super) fn new() -> Logs {
        Logs { conversations: Cache::new(CACHED), spans: BTreeMap::new() }
    }

    /// A notified item: the mark to write where its content is new. A reading with the same shared fields makes
    /// it a repeat.
    pub(super) fn notified(
        &mut self,
        memory: &impl Memory,
        conversation: Digest,
        index: i64,
        content: Digest,
        shared: Option<Digest>,
        at: Millis,
    ) -> Result<Option<MarkWrite>, journal::Error> {
        self.conversations.add_weight(1);
        let seen = self.log(memory, conversation)?.items.entry(index).or_default();
        if seen.digests.contains(&content) || shared.is_some_and(|shared| seen.digests.contains(&shared)) {
            return Ok(None);
        }
        Ok(Some(add(seen, conversation, index, content, at)))
    }

    /// An item read over REST: the mark to write where nothing was ever seen at its index.
    pub(super) fn read(
        &mut self,
        memory: &impl Memory,
        conversation: Digest,
        index: i64,
        shared: Digest,
        at: Millis,
    ) -> Result<Option<MarkWrite>, journal::Error> {
        self.conversations.add_weight(1);
        let seen = self.log(memory, conversation)?.items.entry(index).or_default();
        let new = seen.digests.is_empty();
        Ok(new.then(|| add(seen, conversation, index, shared, at)))
    }

    /// Remembers for the end of the batch that a session's log went from `before` to `index`.
    pub(super) fn passed_over(&mut self, conversation: Digest, of: &Sight, before: i64, index: i64) {
        let (from, to) = (before.saturating_add(1), index.saturating_sub(1));
        if from > to {
            return;
        }
        let (medium, interaction) = (of.kind.to_owned(), of.id.clone());
        let span = self.spans.entry(conversation).or_insert(Hole { medium, interaction, from, to });
        (span.from, span.to) = (span.from.min(from), span.to.max(to));
    }

    /// Ends the batch: what was passed over, was seen by nobody and was not said before.
    pub(super) fn holes(&mut self, memory: &impl Memory) -> Result<Vec<Hole>, journal::Error> {
        let mut out = Vec::new();
        for (conversation, mut hole) in std::mem::take(&mut self.spans) {
            let log = self.log(memory, conversation)?;
            if let Some(said) = log.said {
                hole.from = hole.from.max(said.saturating_add(1));
            }
            while hole.from <= hole.to && log.items.contains_key(&hole.from) {
                hole.from += 1;
            }
            while hole.from <= hole.to && log.items.contains_key(&hole.to) {
                hole.to -= 1;
            }
            if hole.from <= hole.to {
                log.said = log.said.max(Some(hole.to));
                out.push(hole);
            }
        }
        Ok(out)
    }

    fn log(&mut self, memory: &impl Memory, conversation: Digest) -> Result<&mut Log, journal::Error> {
        if self.conversations.get(&conversation).is_none() {
            let items = memory.conversation(&conversation)?;
            self.conversations.add_weight(items.len());
            self.conversations.insert(conversation, Log { items, said: None });
        }
        Ok(self.conversations.young(conversation, || Log { items: HashMap::new(), said: None }))
    }

    #[cfg(test)]
    pub(super) fn seen_contents(&mut self, conversation: &Digest, index: i64) -> usize {
        let log = self.conversations.get(conversation);
        log.and_then(|log| log.items.get(&index)).map_or(0, |seen| seen.digests.len())
    }
}

/// Adds a content; the oldest goes where there are too many.
fn add(seen: &mut Seen, conversation: Digest, index: i64, content: Digest, at: Millis) -> MarkWrite {
    if seen.digests.len() >= journal::MAX_DIGESTS {
        seen.digests.remove(0);
    }
    seen.digests.push(content);
    seen.revision = seen.revision.saturating_add(1);
    MarkWrite { conversation, index, content, revision: seen.revision, at }
}
