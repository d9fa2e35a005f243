//! One event in a lane's hands, what can become of it, and how much a call takes.

use crate::base::envelope::Event;
use crate::base::time::Millis;
use crate::journal::Stored;
use std::sync::Arc;
use tokio::time::Instant;

/// One event that is not settled yet.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose order it belongs to.
    pub key: Arc<str>,
    pub stored: Stored,
    /// As the sink may see it.
    pub masked: Arc<Event>,
    /// Tries that failed and count.
    pub failures: u32,
    pub first_failure: Option<Millis>,
    /// When the call began in which it first failed, in this process.
    pub failing_since: Option<Instant>,
    /// The journal keeps it for the lane, beside the position.
    pub parked: bool,
    /// Only to be tried in a call of its own.
    pub alone: bool,
}

impl Item {
    /// One that was just read. Order is kept by the key that the journal knows, whatever the sink may see of it.
    pub fn new(stored: Stored, masked: Arc<Event>) -> Item {
        let key = Arc::from(stored.event.partitionkey.as_str());
        Item {
            key,
            stored,
            masked,
            failures: 0,
            first_failure: None,
            failing_since: None,
            parked: false,
            alone: false,
        }
    }
}

/// What became of one event of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered or dead-lettered: no more of it.
    Closed,
    /// Failed: its key waits until then.
    Again(Instant),
    /// Not tried: may go at once, after what stands before it.
    Untried,
    /// Refused together with others: to be tried alone.
    Alone,
}

/// How much one call may take.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    pub items: usize,
    pub keys: usize,
    /// Of one key that has not failed; of one that has, only the first is tried.
    pub per_key: usize,
}
