//! What is kept of each interaction for its transcript: a draft, and its log items in order.
//!
//! It stands beside the events, as a conversation may last longer than their bodies stay. However a draft goes, the number
//! of its last transcript stays for a while, so that no id comes twice. Here is the handle's side; `rows` are the rows.
//! Deliberately absent: what a draft means, and when one is due.

pub(super) mod rows;

use super::Journal;
use super::api::{Error, Sequence};
use super::engine::Write;
use super::erase::Selector;
use super::group::Op;
use crate::base::envelope::Event;
use crate::base::time::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::MutexGuard;

/// What is known of one interaction for its transcript; the last one written for `key` counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub key: String,
    pub interaction: String,
    /// When its first and its last event were recorded.
    pub began: Millis,
    pub at: Millis,
    /// When a transcript is to be made of it; none where nothing came since the last one.
    pub due: Option<Millis>,
    /// The transcripts made of it so far. The number outlives the draft.
    pub revision: u32,
    /// Opaque here; ids and words, no personal text.
    pub body: String,
}

/// A log item for a draft; the last one written for (`key`, `base`) counts.
#[derive(Clone, Debug)]
pub struct DraftItem {
    pub key: String,
    /// The id of its first revision.
    pub base: String,
    pub sequence: Sequence,
    /// Without the sender's own JSON.
    pub event: Event,
}

impl Journal {
    /// Held from reading events until what follows from them for drafts is committed: what is erased meanwhile would
    /// come back.
    pub async fn hold_drafts(&self) -> MutexGuard<'_, ()> {
        self.0.drafts.lock().await
    }

    /// Those of these keys that there are.
    pub async fn drafts(&self, keys: Vec<String>) -> Result<Vec<Draft>, Error> {
        self.ask(move |reader| reader.drafts(&keys)).await
    }

    /// The last transcript of each of these keys of which a draft is gone, for as long as that is known.
    pub async fn transcripts_made(&self, keys: Vec<String>) -> Result<BTreeMap<String, u32>, Error> {
        self.ask(move |reader| reader.transcripts_made(&keys)).await
    }

    /// The first ones that are due.
    pub async fn due_drafts(&self, now: Millis, limit: usize) -> Result<Vec<Draft>, Error> {
        self.ask(move |reader| reader.due_drafts(now, limit)).await
    }

    /// The items of one, in the order they were recorded in. What can not be read is passed over and named.
    pub async fn draft_items(&self, key: &str) -> Result<Vec<Event>, Error> {
        let key = key.to_owned();
        self.ask(move |reader| reader.draft_items(&key)).await
    }

    /// Those with an event recorded in `from..to`, in the order they began in, `limit` of them after that number; and
    /// the number that the next ones come after.
    pub async fn drafts_between(
        &self,
        (from, to): (Millis, Millis),
        after: i64,
        limit: usize,
    ) -> Result<(Vec<Draft>, Option<i64>), Error> {
        self.ask(move |reader| reader.drafts_between(from, to, after, limit)).await
    }

    /// Removes all of them, in small transactions.
    pub async fn clear_drafts(&self) -> Result<(), Arc<Error>> {
        while self.call(|answer| Op::Touch { writes: vec![Write::ClearDrafts], answer }).await? > 0 {}
        Ok(())
    }

    /// How many are meant.
    pub(super) async fn count_drafts(&self, selector: &Selector) -> Result<u64, Error> {
        let (mut after, mut found) = (0, 0u64);
        loop {
            let (page, next) = self.drafts_meant(after, selector).await?;
            found = found.saturating_add(page.len() as u64);
            let Some(next) = next else { return Ok(found) };
            after = next;
        }
    }

    /// Removes each that is meant, whole: of a part nobody could say what is missing in it. The number of its last
    /// transcript stays, under a digest.
    pub(super) async fn erase_drafts(&self, selector: &Selector) -> Result<u64, Arc<Error>> {
        let _held = self.hold_drafts().await;
        let (mut after, mut gone) = (0, 0u64);
        loop {
            let (page, next) = self.drafts_meant(after, selector).await.map_err(Arc::new)?;
            for number in page {
                let writes = vec![Write::EraseDraft(number)];
                gone = gone.saturating_add(self.call(|answer| Op::Touch { writes, answer }).await?);
            }
            let Some(next) = next else { return Ok(gone) };
            after = next;
        }
    }

    async fn drafts_meant(&self, after: i64, selector: &Selector) -> Result<(Vec<i64>, Option<i64>), Error> {
        let selector = selector.clone();
        self.ask(move |reader| reader.drafts_meant(after, &selector)).await
    }
}
