//! The serial decision: new, repeat or changed. One thread decides for all sessions, in commit order.
//!
//! What it decides is handed to the journal in the same order, so a batch that leans on another's mark is
//! answered after that one's commit, even if all of it was repeats. A commit that fails is tried again by the
//! journal or ends the process; no mark is ever taken back.
//!
//! The first row of the design's table that fits decides: log item, reference, resource state, none.
//! Deliberately absent: waiting for the disk (the caller does), and how marks are stored.

mod cache;
mod decide;
mod references;
#[cfg(test)]
mod tests;

pub use decide::{Dedup, Memory, Seen};

use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::inbound::normalise::Candidate;
use crate::journal::{self, Checkpoint, Committed, Journal, Pending};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// One step of one session, to be decided and stored whole.
pub struct Batch {
    pub site: Arc<str>,
    /// The agent's opaque key.
    pub agent: String,
    /// Number of the HTTP session: references are forgotten when it changes.
    pub epoch: u64,
    pub candidates: Vec<Candidate>,
    pub checkpoint: Option<Checkpoint>,
}

/// Where sessions hand in their batches. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<(Batch, oneshot::Sender<Pending<Committed>>)>,
    paused: watch::Receiver<bool>,
}

/// The batch is not stored and never will be: the service is ending. Nothing may be acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("the batch could not be stored: {0}")]
pub struct NotStored(String);

/// Why the deciding thread ended.
pub type Ended = oneshot::Receiver<Result<(), journal::Error>>;

/// Batches waiting to be decided; each session has at most one.
const QUEUE: usize = 4096;
/// The thread says at least this often that it lives.
const BEAT: Duration = Duration::from_secs(30);

impl Intake {
    /// Resolves when the batch is on disk. Waits while a sink with `on_limit = "stop-intake"` lags.
    pub async fn store(&self, batch: Batch) -> Result<Committed, NotStored> {
        let closed = || NotStored("the journal is closed".to_owned());
        let mut paused = self.paused.clone();
        paused.wait_for(|paused| !paused).await.map_err(|_| closed())?;
        let (answer, pending) = oneshot::channel();
        self.queue.send((batch, answer)).await.map_err(|_| closed())?;
        let pending = pending.await.map_err(|_| closed())?;
        match pending.await {
            Ok(Ok(committed)) => Ok(committed),
            Ok(Err(error)) => Err(NotStored(error.to_string())),
            Err(_) => Err(closed()),
        }
    }
}

/// Starts the deciding thread. It ends when every [`Intake`] is gone, or when the marks can not be read.
pub fn start(
    journal: &Journal,
    clock: Clock,
    metrics: Metrics,
    health: Health,
    paused: watch::Receiver<bool>,
) -> Result<(Intake, Ended), journal::Error> {
    let (queue, batches) = mpsc::channel(QUEUE);
    let (end, ended) = oneshot::channel();
    let mut dedup = Dedup::new(journal.lookup()?, clock, metrics);
    let journal = journal.clone();
    std::thread::Builder::new().name("dedup".to_owned()).spawn(move || {
        health.beat("dedup", BEAT * 2);
        let result = run(&mut dedup, &journal, batches, &health);
        health.quiet("dedup");
        // Nobody listens any more when the whole service is ending.
        let _ = end.send(result);
    })?;
    Ok((Intake { queue, paused }, ended))
}

fn run(
    dedup: &mut Dedup<journal::Lookup>,
    journal: &Journal,
    mut batches: mpsc::Receiver<(Batch, oneshot::Sender<Pending<Committed>>)>,
    health: &Health,
) -> Result<(), journal::Error> {
    while let Some((batch, answer)) = batches.blocking_recv() {
        health.beat("dedup", BEAT * 2);
        let append = dedup.decide(batch)?;
        // A session that has gone meanwhile does not want to know; its batch is stored all the same.
        let _ = answer.send(journal.append(append));
        // Idle is alive: only a batch in hand that does not end counts as stuck.
        health.quiet("dedup");
    }
    Ok(())
}
