//! What goes into the journal and what comes out of it: plain data, the configuration, and the errors.
//!
//! Deliberately absent: how any of it is stored.

use super::contexts::ContextValue;
use super::drafts::{Draft, DraftItem};
use crate::base::digest::Digest;
use crate::base::envelope::{Event, Word};
use crate::base::time::Millis;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Position of an event: 1 is the first ever written. Holes are possible.
pub type Sequence = u64;

/// How the journal is kept.
#[derive(Clone, Debug)]
pub struct Config {
    pub state_dir: PathBuf,
    /// How long bodies stay after every sink has settled them.
    pub keep_delivered: Duration,
    /// How long the marks of a conversation, and an ended one itself, stay after the last activity.
    pub dedup_window: Duration,
    /// Size of the file that is given up when the disk is full, so that trimming can work.
    pub reserve_bytes: u64,
    /// How long a gap stays after it was closed.
    pub keep_gaps: Duration,
    /// How long what transcripts are made of stays after the last event of its interaction.
    pub keep_drafts: Duration,
    /// How long dead letters are kept.
    pub keep_dead_letters: Duration,
    /// How many dead letters one sink may hold; the oldest go first, counted.
    pub max_dead_letters: u64,
    /// Start although the journal is shorter than the mark beside it says.
    pub accept_shortened: bool,
}

/// One step of one session (or of the bridge itself), committed whole or not at all.
#[derive(Debug, Default)]
pub struct Append {
    pub events: Vec<Event>,
    pub marks: Vec<MarkWrite>,
    pub states: Vec<StateWrite>,
    pub contexts: Vec<ContextValue>,
    pub known: Vec<Known>,
    pub gaps: Vec<Gap>,
    pub checkpoint: Option<Checkpoint>,
    /// Before their items.
    pub drafts: Vec<Draft>,
    pub items: Vec<DraftItem>,
    /// Whoever reads the journal to make this has read so far.
    pub position: Option<(String, Sequence)>,
    /// It must be on disk before it is answered, even if it is a checkpoint alone.
    pub durable: bool,
}

impl Append {
    /// Whether anything in it must be on disk before it may be acknowledged.
    pub fn needs_sync(&self) -> bool {
        self.durable
            || !self.events.is_empty()
            || !self.marks.is_empty()
            || !self.states.is_empty()
            || !self.contexts.is_empty()
            || !self.known.is_empty()
            || !self.gaps.is_empty()
            || !self.drafts.is_empty()
            || !self.items.is_empty()
            || self.checkpoint.as_ref().is_some_and(Checkpoint::forgets)
    }
}

/// A log item seen: one digest more for (conversation, index).
#[derive(Clone, Debug)]
pub struct MarkWrite {
    /// Digest of realm, medium, interaction (and agent, where the scope says so).
    pub conversation: Digest,
    pub index: i64,
    pub content: Digest,
    /// 1 for the first content seen, 2 for the first that differed, …
    pub revision: u32,
    pub at: Millis,
}

/// The last content seen of a resource whose notifications carry its whole state.
#[derive(Clone, Debug)]
pub struct StateWrite {
    pub resource: Digest,
    pub content: Digest,
    pub at: Millis,
}

/// What is known of one resource (a conversation, a device, a media channel) as one agent's session sees it.
/// The last one written for (`session`, `kind`, `id`) counts.
///
/// What is not open goes when the dedup window has passed since `at`, what is open never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `<site>/<agent>`.
    pub session: String,
    /// A conversation's medium, `device` or `channel`.
    pub kind: Word,
    pub id: String,
    /// A conversation that has not ended as far as this agent saw; devices and channels are always open.
    pub open: bool,
    /// The highest index of the conversation's log that was seen through this session, or read for it.
    pub last_index: Option<i64>,
    /// What was last seen of it, field by field: opaque here. Words and digests, no personal text.
    pub shadow: String,
    pub at: Millis,
}

/// An interval in which one session was blind. The last one written for an `id` counts.
///
/// An open gap never expires, a closed one [`Config::keep_gaps`] after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub id: String,
    /// `<site>/<agent>`.
    pub session: String,
    /// The last moment known to be covered.
    pub from: Option<Millis>,
    pub opened: Millis,
    /// The first moment covered again; absent while the gap is open.
    pub to: Option<Millis>,
    pub cause: String,
    /// `certain` or `possible`.
    pub certainty: String,
    /// The last event in the journal when it opened.
    pub first: Sequence,
}

/// What is known of one agent's secret: only keyed digests of it, never the secret. It does not expire, and where
/// a secret is refused it outlives the session: an agent may come back with the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// `<site>/<agent>`.
    pub session: String,
    /// Of the secret that logged in last.
    pub worked: Option<Digest>,
    /// Of the secret that was refused last, and is not tried again.
    pub refused: Option<Digest>,
    /// Why it was refused; empty where it was not.
    pub reason: String,
    pub at: Millis,
}

/// Where one session stands: stored with each batch, so that a later start can resume from it.
///
/// An empty body forgets the session: what is known of its resources, its open gaps and its account go with it.
/// Its closed gaps stay for their time, and its account stays where a secret of it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// `<site>/<agent>`.
    pub session: String,
    /// The session's own JSON (client id, ack, pending digests, …); opaque here.
    pub body: String,
}

impl Checkpoint {
    /// Whether it forgets the session.
    pub fn forgets(&self) -> bool {
        self.body.is_empty()
    }
}

/// Told after the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Last sequence in the journal with this batch in it.
    pub last: Sequence,
}

/// Resolves when the batch is on disk; an error means the journal has failed and nothing may be acknowledged.
///
/// A receiver that ends without an answer means the same; [`settled`] folds the two into one.
pub type Pending<T> = tokio::sync::oneshot::Receiver<Result<T, Arc<Error>>>;

/// Waits for a [`Pending`]; a journal that ended without answering counts as closed.
pub async fn settled<T>(pending: Pending<T>) -> Result<T, Arc<Error>> {
    pending.await.unwrap_or_else(|_| Err(Arc::new(Error::Closed)))
}

/// The `sequence` attribute: the journal's birth in Unix seconds, a dash, the zero-padded sequence.
pub fn sequence_text(birth: i64, sequence: Sequence) -> String {
    format!("{birth}-{sequence:019}")
}

/// Where a sink that the journal does not know yet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// After the last event committed when it is registered.
    Latest,
    /// At the first event the journal still holds.
    Earliest,
    /// At the first event recorded then or later, of those the journal still holds.
    Time(Millis),
}

/// What was seen of one log item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub index: i64,
    /// Every content seen, oldest first; beyond [`MAX_DIGESTS`] the oldest are forgotten.
    pub digests: Vec<Digest>,
    pub revision: u32,
}

/// Contents remembered for one log item: a peer that changes an item without end must not fill the disk.
/// Forgetting one means that it would be forwarded again: a duplicate, never a loss.
pub const MAX_DIGESTS: usize = 256;

/// Everything seen of one conversation, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationMarks {
    pub marks: Vec<Mark>,
    /// Kept to ten minutes only, to save writes.
    pub last_activity: Millis,
}

/// One event as it is read back.
#[derive(Clone, Debug)]
pub struct Stored {
    pub sequence: Sequence,
    pub event: Arc<Event>,
    pub bytes: u64,
    pub recorded: Millis,
}

/// One reading step.
#[derive(Clone, Debug, Default)]
pub struct Read {
    pub events: Vec<Stored>,
    /// Everything up to here has been looked at (damaged rows are passed over and counted).
    pub through: Sequence,
    /// The last row that was damaged.
    pub damaged: Option<Sequence>,
}

/// Head of the journal: the last sequence and the running total of bytes up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub last: Sequence,
    pub total_bytes: u64,
}

/// What a sink's position is, and how far behind it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    pub position: Sequence,
    /// The newest event that is counted: what is committed after the reading stands beyond it.
    pub last: Sequence,
    pub events: u64,
    pub bytes: u64,
    /// When the oldest unsettled event was recorded.
    pub oldest: Option<Millis>,
}

/// Whether the journal can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    /// The disk is full: tries again, acknowledges nothing.
    Stalled {
        since: Millis,
        reason: String,
    },
    /// An I/O error or corruption: stopped for good; the process must end.
    Failed(String),
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    pub last: Sequence,
    /// The mark beside the journal knew more events than it holds, and the caller accepted that.
    pub shortened: Option<String>,
    /// Unix seconds of the journal's birth: the first part of every `sequence` attribute.
    pub birth: i64,
    /// Universally unique name of this journal.
    pub uuid: String,
}

/// Why the journal can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{path}: held by another cometbridge (pid {pid}); stop it first, or give this one a state_dir of its own"
    )]
    Locked { path: String, pid: String },
    #[error("{path}: {reason}")]
    Directory { path: String, reason: String },
    #[error(
        "{path}: schema version {found} is newer than this release knows ({known}); run the release that wrote it, or a later one"
    )]
    Newer { path: String, found: i64, known: i64 },
    #[error(
        "{path}: {reason}; events may have been lost with them. To go on all the same: cometbridge run --accept-shortened-journal"
    )]
    Shortened { path: String, reason: String },
    #[error("the journal has failed: {0}")]
    Failed(String),
    #[error("the journal is closed")]
    Closed,
    #[error("journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("journal: {0}")]
    Io(#[from] std::io::Error),
    #[error("journal: a row could not be written or read: {0}")]
    Row(String),
}
