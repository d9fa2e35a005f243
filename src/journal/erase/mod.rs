//! Erasing what belongs to one interaction, one agent or one value: events, and their copies that sinks could not
//! deliver, wherever they stand; then what sessions know of it; then the space they took.
//!
//! Here is the handle's side; `select` says what is meant, `rows` finds and removes it. What is erased is found by
//! readers in small pages and removed in small transactions, so that commits of events go between. Marks stay (they
//! are digests), so that an item that is sent again does not come back. A lane may have an event in hand meanwhile:
//! it can still deliver it, but the journal takes no copy of it any more.
//! Deliberately absent: files that are not the journal's.

pub(super) mod rows;
mod select;

pub use select::Selector;

use super::Journal;
use super::api::{Error, Sequence};
use super::engine::Write;
use super::group::{Op, Sealed};
use rows::{ASIDE, Page, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What there is to be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasable {
    pub events: u64,
    pub dead_letters: u64,
    pub parked: u64,
    /// Rows that were damaged and stand aside.
    pub damaged: u64,
    /// Resources as sessions know them.
    pub known: u64,
    /// Interactions kept for their transcripts.
    #[serde(default)]
    pub transcripts: u64,
    /// Interactions of which values are kept for the context of their events.
    #[serde(default)]
    pub contexts: u64,
    /// By sink: those it has not settled yet, parked ones included, whether it would be given them or not.
    pub undelivered: BTreeMap<String, u64>,
}

/// The log is emptied as soon as no reader is in the way; ours are short.
const TRIES: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(25);
const NOT_REBUILT: &str = "it is erased, but unused parts of the database's pages may hold bytes of it, as the \
    database could not be written anew: that needs as much room again, here and for temporary files, and of a journal \
    beyond 512 MiB is only done where no service runs. Stop the service, erase again, start it";
/// A copy that moves between the two tables while they are looked through is found by looking again.
const ROUNDS: u32 = 10;

impl Journal {
    /// Counts what [`Journal::erase`] would remove, and changes nothing.
    pub async fn erasable(&self, selector: &Selector, sinks: &[String]) -> Result<Erasable, Error> {
        let positions = self.0.shared.positions().clone();
        let mut sum = Erasable::default();
        for sink in sinks.iter().filter(|sink| positions.contains_key(*sink)) {
            sum.undelivered.insert(sink.clone(), 0);
        }
        for table in [Table::Event, Table::Damaged, Table::Parked, Table::Dead] {
            let mut after = 0;
            loop {
                let page = self.page(table, after, selector).await?;
                count(&mut sum, table, &page, &positions);
                let Some(next) = page.next else { break };
                after = next;
            }
        }
        sum.transcripts = self.count_drafts(selector).await?;
        sum.contexts = self.count_contexts(selector).await?;
        let selector = selector.clone();
        sum.known = self.ask(move |reader| reader.count_known(&selector)).await?;
        Ok(sum)
    }

    /// Removes all that is meant, up to what is committed when it is called; says how many rows there were. When
    /// it resolves, nothing of them is left in the journal's files.
    pub async fn erase(&self, selector: &Selector, sinks: &[String]) -> Result<u64, Arc<Error>> {
        self.0.erased.lock().await.any = true;
        let settled = {
            let positions = self.0.shared.positions();
            sinks.iter().map(|sink| positions.get(sink).copied().unwrap_or(0)).min().unwrap_or(0)
        };
        let mut gone = self.pass(Table::Event, selector, settled).await?;
        gone = gone.saturating_add(self.pass(Table::Damaged, selector, settled).await?);
        for _ in 0..ROUNDS {
            let mut more = 0u64;
            for table in ASIDE {
                more = more.saturating_add(self.pass(table, selector, settled).await?);
            }
            gone = gone.saturating_add(more);
            if more == 0 {
                break;
            }
        }
        gone = gone.saturating_add(self.erase_drafts(selector).await?);
        gone = gone.saturating_add(self.erase_contexts(selector).await?);
        let known = vec![Write::EraseKnown(selector.clone())];
        gone = gone.saturating_add(self.call(|answer| Op::Touch { writes: known, answer }).await?);
        let rebuilt = self.call(|answer| Op::Rebuild { answer }).await?;
        self.seal().await?;
        if rebuilt { Ok(gone) } else { Err(Arc::new(Error::Row(NOT_REBUILT.to_owned()))) }
    }

    async fn pass(&self, table: Table, selector: &Selector, settled: Sequence) -> Result<u64, Arc<Error>> {
        let head = self.0.shared.head.borrow().last;
        let (mut after, mut gone) = (0, 0u64);
        loop {
            let page = self.page(table, after, selector).await.map_err(Arc::new)?;
            let erase = |hit: &rows::Hit| {
                let sequence = hit.sequence;
                Write::Erase { sequence, in_hand: table != Table::Event || sequence > settled }
            };
            let writes: Vec<Write> = page.found.iter().map(erase).collect();
            if !writes.is_empty() {
                gone = gone.saturating_add(self.call(|answer| Op::Touch { writes, answer }).await?);
            }
            match page.next {
                // A stream that goes on without end must not be followed.
                Some(next) if table != Table::Event || next < rows::position(head) => after = next,
                _ => return Ok(gone),
            }
        }
    }

    async fn page(&self, table: Table, after: i64, selector: &Selector) -> Result<Page, Error> {
        let selector = selector.clone();
        self.ask(move |reader| reader.matching(table, after, &selector)).await
    }

    /// Gives all free space back and empties the log, in slices.
    async fn seal(&self) -> Result<(), Arc<Error>> {
        let mut held = 0;
        while held < TRIES {
            match self.call(|answer| Op::Seal { answer }).await? {
                Sealed::Clean => return Ok(()),
                Sealed::More => {}
                Sealed::Held => {
                    held += 1;
                    tokio::time::sleep(BETWEEN).await;
                }
            }
        }
        let text = "it is erased, but the write-ahead log beside the journal can not be emptied and may hold it still: \
                    the disk is full, or another program has the journal open; end that, and erase again";
        Err(Arc::new(Error::Row(text.to_owned())))
    }
}

fn count(sum: &mut Erasable, table: Table, page: &Page, positions: &BTreeMap<String, Sequence>) {
    let found = page.found.len() as u64;
    let all = match table {
        Table::Event => &mut sum.events,
        Table::Damaged => &mut sum.damaged,
        Table::Parked => &mut sum.parked,
        Table::Dead => &mut sum.dead_letters,
    };
    *all = all.saturating_add(found);
    for (sink, undelivered) in &mut sum.undelivered {
        let position = positions.get(sink).copied().unwrap_or(0);
        let waits = |hit: &&rows::Hit| match table {
            Table::Event => hit.sequence > position,
            // Beyond the position its event has been counted.
            Table::Parked => hit.sequence <= position && hit.sink.as_deref() == Some(sink),
            Table::Damaged | Table::Dead => false,
        };
        *undelivered = undelivered.saturating_add(page.found.iter().filter(waits).count() as u64);
    }
}
