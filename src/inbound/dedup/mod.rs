//! The serial decision: new, repeat or changed. One thread decides for all sessions, in commit order.
//!
//! What it decides is handed to the journal in the same order, so a batch that leans on another's mark is
//! answered after that one's commit, even if all of it was repeats. A commit that fails is tried again by the
//! journal or ends the process; no mark is ever taken back.
//!
//! The first row of the design's table that fits decides: log item, reference, resource state, none. What REST
//! shows is compared with what is known of the resource, on the fields that both forms share (`resources`). What goes on
//! gets what was last known of its interaction (`contexts`).
//! Deliberately absent: waiting for the disk (the caller does), and how marks are stored.

mod attached;
mod cache;
mod contexts;
mod decide;
mod logs;
mod references;
mod resources;
mod since;
#[cfg(test)]
mod tests;

pub use contexts::Contexts;
pub use decide::{Dedup, Memory, Outcome, Seen};

use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::inbound::normalise::Candidate;
use crate::journal::{self, Checkpoint, Committed, Gap, Journal, Pending};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// One step of one session, to be decided and stored whole.
pub struct Batch {
    pub site: Arc<str>,
    /// The agent's opaque key.
    pub agent: String,
    /// The agent's group in the roster: what is the agent's own is stamped with it.
    pub group: Option<String>,
    /// Number of the HTTP session: references are forgotten when it changes.
    pub epoch: u64,
    pub candidates: Vec<Candidate>,
    pub gaps: Vec<Gap>,
    /// Where something may have been missed: the agent's devices and channels (kind and id) that were known before, as how
    /// long their states stand can not be told any more; and interactions that may long be over.
    pub lapsed: Vec<(&'static str, String)>,
    pub checkpoint: Option<Checkpoint>,
    /// When the reading left that these candidates come from; absent for notifications and events of the bridge.
    pub taken: Option<Taken>,
}

impl Batch {
    /// A step with nothing in it yet.
    pub fn of(site: &Arc<str>, agent: &str, group: Option<&str>, epoch: u64) -> Batch {
        let (site, agent, group) = (Arc::clone(site), agent.to_owned(), group.map(str::to_owned));
        let (candidates, gaps, lapsed) = (Vec::new(), Vec::new(), Vec::new());
        Batch { site, agent, group, epoch, candidates, gaps, lapsed, checkpoint: None, taken: None }
    }
}

/// A moment in the order of decisions: a resource decided upon later than this makes a reading of it stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken(pub u64);

/// What became of a batch that is on disk.
#[derive(Clone, Debug)]
pub struct Stored {
    pub committed: Committed,
    /// How many candidates went on as events.
    pub forwarded: usize,
    /// Of a reading: the candidates (by position) that were not decided, because something about their resource
    /// was committed after the reading left. They are to be read again.
    pub stale: Vec<usize>,
    /// Of notifications: indices that the log of a conversation passed over, seen for the first time.
    pub holes: Vec<Hole>,
}

/// Indices `from..=to` of a conversation's log that were never seen, between two that were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    pub medium: String,
    pub interaction: String,
    pub from: i64,
    pub to: i64,
}

/// Where sessions hand in their batches. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<(Batch, oneshot::Sender<Decided>)>,
    paused: watch::Receiver<bool>,
    decided: Arc<AtomicU64>,
}

/// The decision, on its way to the disk.
struct Decided {
    pending: Pending<Committed>,
    outcome: Outcome,
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
    /// The present moment, to be taken before a reading leaves.
    pub fn now(&self) -> Taken {
        Taken(self.decided.load(Ordering::SeqCst))
    }

    /// Whether a sink with `on_limit = "stop-intake"` holds everything up now.
    pub fn paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Resolves when the batch is on disk. Waits while a sink with `on_limit = "stop-intake"` lags.
    pub async fn store(&self, batch: Batch) -> Result<Stored, NotStored> {
        let closed = || NotStored("the journal is closed".to_owned());
        let mut paused = self.paused.clone();
        paused.wait_for(|paused| !paused).await.map_err(|_| closed())?;
        let (answer, pending) = oneshot::channel();
        self.queue.send((batch, answer)).await.map_err(|_| closed())?;
        let Decided { pending, outcome } = pending.await.map_err(|_| closed())?;
        match pending.await {
            Ok(Ok(committed)) => {
                let Outcome { forwarded, stale, holes } = outcome;
                Ok(Stored { committed, forwarded, stale, holes })
            }
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
    contexts: Contexts,
) -> Result<(Intake, Ended), journal::Error> {
    let (queue, batches) = mpsc::channel(QUEUE);
    let decided = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&decided);
    let (end, ended) = oneshot::channel();
    let mut dedup = Dedup::new(journal.lookup()?, clock, metrics, contexts);
    let journal = journal.clone();
    std::thread::Builder::new().name("dedup".to_owned()).spawn(move || {
        health.beat("dedup", BEAT * 2);
        let result = run(&mut dedup, &journal, batches, &health, &counter);
        health.quiet("dedup");
        // Nobody listens any more when the whole service is ending.
        let _ = end.send(result);
    })?;
    Ok((Intake { queue, paused, decided }, ended))
}

fn run(
    dedup: &mut Dedup<journal::Lookup>,
    journal: &Journal,
    mut batches: mpsc::Receiver<(Batch, oneshot::Sender<Decided>)>,
    health: &Health,
    counter: &AtomicU64,
) -> Result<(), journal::Error> {
    while let Some((batch, answer)) = batches.blocking_recv() {
        health.beat("dedup", BEAT * 2);
        // Counted before it is decided: a reading that left before this moment is older than what it decides.
        let now = Taken(counter.fetch_add(1, Ordering::SeqCst) + 1);
        let mut held = journal.hold_erased();
        dedup.forget(std::mem::take(&mut *held));
        let (append, outcome) = dedup.decide(now, batch)?;
        let pending = journal.append(append);
        drop(held);
        // A session that has gone meanwhile does not want to know; its batch is stored all the same.
        let _ = answer.send(Decided { pending, outcome });
        // Idle is alive: only a batch in hand that does not end counts as stuck.
        health.quiet("dedup");
    }
    Ok(())
}
