//! What is last known of each interaction for the context of its events: by path the value, and the event it came from.
//!
//! It stands beside the events, as an interaction may last longer than their bodies stay. Here is the handle's side; `rows`
//! are the rows. Deliberately absent: which paths there are, and when a value is known no longer.

pub(super) mod rows;

use super::api::Error;
use super::engine::Write;
use super::erase::Selector;
use super::group::Op;
use super::{Journal, Lookup};
use crate::base::digest::Digest;
use crate::base::time::Millis;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::MutexGuard;

/// One value; the last one written for (`conversation`, `path`) counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextValue {
    /// As in [`super::MarkWrite`].
    pub conversation: Digest,
    pub path: String,
    pub interaction: String,
    /// Whose session showed it.
    pub agent: String,
    /// Of the event that it came from.
    pub id: String,
    /// JSON; none where it is known no longer.
    pub value: Option<String>,
    /// The interaction's last activity; kept to ten minutes only, to save writes.
    pub at: Millis,
}

/// What must be forgotten by whoever has it in memory.
#[derive(Debug, Default)]
pub struct Erased {
    /// Their values.
    pub conversations: Vec<Digest>,
    /// Somebody erased something: all that is kept of attached data besides.
    pub any: bool,
}

impl Journal {
    /// Held by the one who keeps attached data in memory, from using it until what follows is handed in: what is
    /// erased meanwhile would come back. In it stands what was erased since it was held last. Blocks.
    pub fn hold_erased(&self) -> MutexGuard<'_, Erased> {
        self.0.erased.blocking_lock()
    }

    /// Removes what stands under other paths than these, in small transactions.
    pub async fn keep_contexts(&self, paths: &[String]) -> Result<(), Arc<Error>> {
        let paths = serde_json::to_string(paths).unwrap_or_default();
        let keep = || vec![Write::KeepContexts { paths: paths.clone() }];
        while self.call(|answer| Op::Touch { writes: keep(), answer }).await? > 0 {}
        Ok(())
    }

    /// Of how many interactions a value is meant.
    pub(super) async fn count_contexts(&self, selector: &Selector) -> Result<u64, Error> {
        let (mut after, mut found) = (0, BTreeSet::new());
        loop {
            let (page, next) = self.contexts_meant(after, selector).await?;
            found.extend(page);
            let Some(next) = next else { return Ok(found.len() as u64) };
            after = next;
        }
    }

    /// Removes all values of each interaction of which one is meant: they are of the same people.
    pub(super) async fn erase_contexts(&self, selector: &Selector) -> Result<u64, Arc<Error>> {
        let (mut after, mut gone) = (0, 0u64);
        loop {
            let mut erased = self.0.erased.lock().await;
            let (page, next) = self.contexts_meant(after, selector).await.map_err(Arc::new)?;
            if !page.is_empty() {
                let writes = page.iter().copied().map(Write::EraseContext).collect();
                gone = gone.saturating_add(self.call(|answer| Op::Touch { writes, answer }).await?);
                erased.conversations.extend(page);
            }
            drop(erased);
            let Some(next) = next else { return Ok(gone) };
            after = next;
        }
    }

    async fn contexts_meant(
        &self,
        after: i64,
        selector: &Selector,
    ) -> Result<(BTreeSet<Digest>, Option<i64>), Error> {
        let selector = selector.clone();
        self.ask(move |reader| reader.contexts_meant(after, &selector)).await
    }
}

/// Adds the writes of one step; the bytes of their texts.
pub(super) fn gather(values: Vec<ContextValue>, writes: &mut Vec<Write>) -> u64 {
    let bytes = values.iter().filter_map(|value| value.value.as_ref()).map(|value| value.len() as u64).sum();
    writes.extend(values.into_iter().map(Write::Context));
    bytes
}

impl Lookup {
    /// Every value known of a conversation. A row that can not be read is passed over and named.
    pub fn context(&self, conversation: &Digest) -> Result<Vec<ContextValue>, Error> {
        self.0.context(conversation)
    }
}
