//! The journal: durable events in order, dedup marks, sink positions and dead letters, and what sessions know.
//!
//! What enters is committed with a full fsync before anybody is told so; that is the promise everything else
//! stands on. Deliberately absent: any knowledge of CometD, of sinks, or of how an event came to be.
//!
//! `api` says what goes in and out. One thread writes (`writer`, with `group`, `stall` and `upkeep`), two read
//! (`readers`); both see storage through `engine`, which `sqlite` and its neighbours implement. `facts` is what
//! sessions know besides events, `contexts` what is last known of interactions, `drafts` what transcripts are made of, `aside` what sinks could not deliver and `erase` what must go, from the handle down to the rows. Around the database stand the checked directory
//! (`directory`), its `lock`, the `reserve` and the `high_water` mark.

mod api;
mod aside;
mod budget;
mod compact;
mod contexts;
mod directory;
mod drafts;
mod engine;
mod erase;
mod expiry;
mod facts;
mod fault;
mod group;
mod high_water;
mod lock;
mod open;
mod read;
mod readers;
mod recover;
mod reserve;
mod row;
mod schema;
mod shared;
mod sqlite;
mod stall;
mod trim;
mod upkeep;
mod writer;

#[cfg(test)]
mod tests;

pub use api::*;
pub use aside::{
    DeadLetter, Failure, LetterCount, LetterFilter, NewDeadLetter, NewParked, Parked, ParkedKey, Settle,
    Tried,
};
pub use contexts::{ContextValue, Erased};
pub use drafts::{Draft, DraftItem};
pub use erase::{Erasable, Selector};

use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, rfc3339};
use engine::{Opener, Reading, Write};
use group::{Answer, Op, Reply, Request};
use readers::Readers;
use shared::Shared;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

/// The handle: cheap to clone; the journal ends with [`Journal::close`], or as after a crash with the last handle.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    ops: Sender<Op>,
    shared: Arc<Shared>,
    readers: Readers,
    opener: Opener,
    clock: Clock,
    birth: i64,
    /// Of the digests that stand in the journal.
    key: [u8; 32],
    writer: Mutex<Option<JoinHandle<()>>>,
    /// See [`Journal::hold_drafts`].
    drafts: tokio::sync::Mutex<()>,
    /// See [`Journal::hold_erased`].
    erased: tokio::sync::Mutex<Erased>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("head", &*self.0.shared.head.borrow()).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal in `config.state_dir`, making it where there is none, and starts its threads. Blocks.
    pub fn open(
        config: Config,
        clock: Clock,
        metrics: Metrics,
        health: Health,
    ) -> Result<(Journal, Recovery), Error> {
        open::open(config, clock, metrics, health, |engine| Box::new(engine))
    }

    /// Queues one step; steps are committed in the order of the calls, whole or not at all.
    ///
    /// An event without `recordedtime` gets the time of this call. A step without [`Append::needs_sync`] (a
    /// checkpoint alone) is answered without waiting for the disk, yet never before those ahead of it are on disk.
    /// It is written with the next commit, at the latest one second after its answer (later by as long as what the
    /// writer does then takes, and not while the disk is full): from then on the end of the process, kill -9 too,
    /// leaves it whole; a power cut may still take it until the next full commit.
    /// The queue has no limit: every caller waits for its answer before its next step.
    pub fn append(&self, append: Append) -> Pending<Committed> {
        let (answer, pending) = oneshot::channel();
        let sync = append.needs_sync();
        let now = self.0.clock.now();
        let Append { events, marks, states, contexts, known, gaps, checkpoint, .. } = append;
        let Append { drafts, items, position, .. } = append;
        let count = events.len() as u64;
        let mut bytes = 0u64;
        let mut writes = Vec::with_capacity(events.len().saturating_add(marks.len()).saturating_add(2));
        for mut event in events {
            if event.recordedtime.is_empty() {
                event.recordedtime = rfc3339(now);
            }
            match serialised(&event) {
                Ok(body) => {
                    bytes = bytes.saturating_add(body.len() as u64);
                    writes.push(Write::Event { body, recorded: now });
                }
                Err(error) => {
                    answer.send(Err(Arc::new(error))).ok();
                    return pending;
                }
            }
        }
        writes.extend(marks.into_iter().map(Write::Mark));
        writes.extend(states.into_iter().map(Write::State));
        bytes = bytes.saturating_add(contexts::gather(contexts, &mut writes));
        bytes = bytes.saturating_add(facts::gather(known, gaps, &mut writes));
        bytes = bytes.saturating_add(drafts.iter().map(|draft| draft.body.len() as u64).sum());
        writes.extend(drafts.into_iter().map(Write::Draft));
        let small = (writes.len() as u64).saturating_sub(count);
        bytes = bytes.saturating_add(small.saturating_mul(SMALL_ROW));
        for item in items {
            match serialised(&item.event) {
                Ok(body) => {
                    bytes = bytes.saturating_add(body.len() as u64);
                    writes.push(Write::DraftItem(item, body));
                }
                Err(error) => {
                    answer.send(Err(Arc::new(error))).ok();
                    return pending;
                }
            }
        }
        writes.extend(checkpoint.map(Write::Checkpoint));
        writes.extend(position.map(|(sink, at)| Write::Position { sink, at }));
        self.write(Request { writes, events: count, bytes, sync, reply: Reply::Append(answer) });
        pending
    }

    /// Says which sinks are configured, again after each change. A new one begins where it is told; one that is no
    /// longer named keeps its position, but holds nothing back. Nothing is trimmed before the first call.
    pub async fn register_sinks(&self, sinks: &[(String, StartAt)]) -> Result<(), Arc<Error>> {
        let mut begins = Vec::with_capacity(sinks.len());
        for (sink, start) in sinks {
            let begin = match *start {
                StartAt::Latest => None,
                StartAt::Earliest => Some(0),
                StartAt::Time(time) => Some(self.ask(move |reader| reader.before(time)).await?),
            };
            begins.push((sink.clone(), begin));
        }
        self.call(|answer| Op::Register { sinks: begins, answer }).await
    }

    /// Where a sink stands, whether configured or not; `None` if the journal does not know it.
    pub async fn position(&self, sink: &str) -> Option<Sequence> {
        self.0.shared.positions().get(sink).copied()
    }

    /// Events after `from_exclusive`, in order: at least one where there is one, else up to both limits.
    pub async fn read(
        &self,
        from_exclusive: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Read, Error> {
        let known = self.0.shared.head.borrow().last;
        let asked = self.ask(move |reader| reader.read(from_exclusive, known, max_events, max_bytes)).await?;
        let mut read = asked.read;
        for (sequence, reason) in asked.damaged {
            tracing::error!("journal: event {sequence} is damaged ({reason}); passed over and set aside");
            self.send(writer::set_aside(sequence, reason));
            read.damaged = Some(sequence);
        }
        Ok(read)
    }

    /// How many events and bytes lie after `position`, and since when the first of them waits.
    pub async fn lag(&self, position: Sequence) -> Result<Lag, Error> {
        self.ask(move |reader| reader.lag(position)).await
    }

    /// The last event committed; changes with each commit that holds events.
    pub fn head(&self) -> watch::Receiver<Head> {
        self.0.shared.head.subscribe()
    }

    /// Whether the journal can write.
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.shared.state.subscribe()
    }

    /// A look-up of its own for a thread that may block.
    pub fn lookup(&self) -> Result<Lookup, Error> {
        (self.0.opener)().map(Lookup)
    }

    /// Where one session stood last.
    pub async fn checkpoint(&self, session: &str) -> Result<Option<Checkpoint>, Error> {
        let session = session.to_owned();
        self.ask(move |reader| reader.checkpoint(&session)).await
    }

    /// Where every session stood last, by name.
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.ask(|reader| reader.checkpoints()).await
    }

    /// Trims all that may go now and gives its space back, without waiting for the slices between commits.
    pub async fn trim(&self) -> Result<(), Arc<Error>> {
        self.call(|answer| Op::Trim { answer }).await
    }

    /// Commits what is queued, writes everything to its place and ends the threads. Later calls get an error.
    pub async fn close(&self) {
        self.0.shared.closing.store(true, Ordering::SeqCst);
        self.send(Op::Close);
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut threads = self.0.readers.close();
        if let Some(writer) = writer {
            writer.thread().unpark();
            threads.push(writer);
        }
        // A thread that panicked has said so already.
        tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join()))).await.ok();
    }

    fn write(&self, request: Request) {
        self.send(Op::Write(request));
    }

    /// Sends to the writer; where it has ended, whoever waits is told why.
    fn send(&self, op: Op) {
        if let Err(unsent) = self.0.ops.send(op) {
            let why = self.0.shared.failure().map_or(Error::Closed, Error::Failed);
            unsent.0.refuse(&Arc::new(why));
        }
    }

    async fn call<T>(&self, op: impl FnOnce(Answer<T>) -> Op) -> Result<T, Arc<Error>> {
        let (answer, pending) = oneshot::channel();
        self.send(op(answer));
        settled(pending).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Reading) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let asked = self.0.readers.ask(call).await;
        if let Err(error) = &asked
            && fault::breaks_reading(error)
        {
            self.send(Op::Broken(format!("reading: {error}")));
        }
        asked
    }
}

/// What a mark, a state or a fact counts for in the size of a commit: a part of a page that others share.
const SMALL_ROW: u64 = 512;

/// Look-ups for dedup: blocking, on a connection of its own; sees what is committed, and nothing else.
pub struct Lookup(Box<dyn Reading>);

impl Lookup {
    /// Everything seen of one conversation.
    pub fn conversation(&self, conversation: &Digest) -> Result<Option<ConversationMarks>, Error> {
        self.0.conversation(conversation)
    }

    /// The last content seen of one resource.
    pub fn state(&self, resource: &Digest) -> Result<Option<Digest>, Error> {
        self.0.state(resource)
    }
}

/// Looks at the state directory as a start would, and leaves everything as it was.
pub fn inspect(state_dir: &Path) -> Result<(), Error> {
    let existed = state_dir.exists();
    directory::prepare(state_dir)?;
    if !existed {
        // Made only to see that it can be made.
        std::fs::remove_dir(state_dir)?;
        return Ok(());
    }
    let _lock = lock::take(state_dir)?;
    if state_dir.join(sqlite::FILE).exists() {
        read::open(state_dir)?.refuse_newer(state_dir)?;
    }
    Ok(())
}

/// There is a journal in this state directory; nothing is made, and nothing is locked.
pub fn exists(state_dir: &Path) -> Result<(), Error> {
    directory::check(state_dir)?;
    if state_dir.join(sqlite::FILE).exists() {
        return Ok(());
    }
    let reason = "holds no journal; the service has not run on it yet".to_owned();
    Err(Error::Directory { path: state_dir.display().to_string(), reason })
}

/// Whether there is a journal, as far as this user can see: what is kept from it may be one.
pub fn is_there(state_dir: &Path) -> bool {
    state_dir.join(sqlite::FILE).try_exists().unwrap_or(true)
}

/// Does it while no daemon can have the state directory.
pub fn alone<T>(state_dir: &Path, act: impl FnOnce() -> T) -> Result<T, Error> {
    directory::check(state_dir)?;
    let _lock = lock::take(state_dir)?;
    Ok(act())
}

/// Dead letters from the files of a journal that no process has open, and its key (a passing one where an older release
/// gave it none).
pub fn dead_letters_offline(
    state_dir: &Path,
    filter: &LetterFilter,
    limit: usize,
) -> Result<(Vec<DeadLetter>, [u8; 32]), Error> {
    alone(state_dir, || {
        let reader = read::open(state_dir)?;
        Ok((reader.dead_letters(filter, limit)?, reader.digest_key()?))
    })?
}

/// Sink and id of each letter, and [`Journal::digest_key`].
type LetterIds = (Vec<(String, String)>, [u8; 32]);

/// Their sinks and ids, as [`Journal::dead_letter_ids`], and [`Journal::digest_key`].
pub fn dead_letter_ids_offline(state_dir: &Path, filter: &LetterFilter) -> Result<LetterIds, Error> {
    alone(state_dir, || {
        let reader = read::open(state_dir)?;
        Ok((reader.letter_ids(filter)?, reader.digest_key()?))
    })?
}

fn serialised(event: &Event) -> Result<Vec<u8>, Error> {
    // The error's own words could quote the event.
    serde_json::to_vec(event).map_err(|error| Error::Row(format!("event ({:?} error)", error.classify())))
}
