//! The seam between the journal's rules and its storage: what an engine must do.
//!
//! One engine writes (from one thread), any number of [`Reading`]s see what is committed. SQLite is the one
//! engine of this release; tests put a failing one in front of it. Deliberately absent: threads, waiting,
//! and any decision on when to do what (see `writer`, `upkeep`, `stall`).

use super::api::{
    Account, Checkpoint, ConversationMarks, Error, Gap, Known, Lag, MarkWrite, Read, Sequence, StateWrite,
};
use super::aside::{
    DeadLetter, LetterCount, LetterFilter, NewDeadLetter, NewParked, Parked, ParkedKey, Tried,
};
use super::contexts::ContextValue;
use super::drafts::{Draft, DraftItem};
use super::erase::Selector;
use super::erase::rows::{Page, Table};
use super::fault::Fault;
use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::time::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// One thing to write; a transaction is a list of them, in order.
#[derive(Debug)]
pub(super) enum Write {
    /// Gets the next sequence.
    Event {
        body: Vec<u8>,
        recorded: Millis,
    },
    Mark(MarkWrite),
    State(StateWrite),
    /// Replaces what was known of the resource.
    Known(Known),
    /// Replaces the gap of that id.
    Gap(Gap),
    /// An empty body forgets the session, with all that is known of it but a refused secret.
    Checkpoint(Checkpoint),
    /// Never moves a position back.
    Position {
        sink: String,
        at: Sequence,
    },
    /// Moves a position wherever it is told, back too.
    SetPosition {
        sink: String,
        at: Sequence,
    },
    Dead {
        sink: String,
        letter: NewDeadLetter,
        body: Vec<u8>,
    },
    /// Moves a damaged row out of the way of the readers.
    SetAside {
        sequence: Sequence,
        reason: String,
    },
    Park {
        sink: String,
        parked: NewParked,
        body: Vec<u8>,
    },
    Tried {
        sink: String,
        tried: Tried,
    },
    Unpark {
        sink: String,
        sequence: Sequence,
    },
    /// Moves a parked event that can not be read out of the way.
    Spoilt {
        sink: String,
        sequence: Sequence,
    },
    /// Removes a dead letter; `bytes` are its body's, here and below: SQLite writes all of a row that changes.
    Forget {
        number: u64,
        bytes: u64,
    },
    /// Asks for a dead letter again.
    Redrive {
        number: u64,
        bytes: u64,
        at: Millis,
    },
    /// Makes a parked event of a dead letter, under a key of its own.
    TakeUp {
        number: u64,
        bytes: u64,
        key: String,
    },
    /// Removes an event from everywhere. `in_hand`: a lane may have it, and what it keeps of it later is not taken.
    Erase {
        sequence: Sequence,
        in_hand: bool,
    },
    /// Removes what sessions know of it.
    EraseKnown(Selector),
    Account(Account),
    /// Replaces the draft of that key.
    Draft(Draft),
    /// Replaces the item of that draft and id; its body beside it.
    DraftItem(DraftItem, Vec<u8>),
    EraseDraft(i64),
    /// Replaces the value of that conversation and path, or removes it.
    Context(ContextValue),
    /// Removes all values of a conversation.
    EraseContext(Digest),
    /// Removes some of the values under other paths than these, a JSON list.
    KeepContexts {
        paths: String,
    },
    /// Removes some of all drafts.
    ClearDrafts,
    /// Sets or removes a small fact.
    Note {
        name: String,
        value: Option<String>,
    },
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// On the disk when the call returns.
    Full,
    /// Whole or not at all, never before what was committed earlier, but lost with a power cut.
    Lazy,
}

/// What was ever written: survives trimming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub last: Sequence,
    pub count: u64,
    pub bytes: u64,
}

/// What a commit did.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub tally: Tally,
    pub set_aside: u64,
    /// Dead letters removed, asked for or taken up; rows erased.
    pub letters: u64,
    /// Erased events that a lane may have in hand.
    pub erased: Vec<Sequence>,
}

impl Outcome {
    #[expect(clippy::unnecessary_wraps, reason = "it ends an arm of a match whose others can fail")]
    pub(super) fn touched(&mut self, letters: u64) -> Result<(), rusqlite::Error> {
        self.letters = self.letters.saturating_add(letters);
        Ok(())
    }
}

/// What may go.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Bodies up to here are settled by every configured sink.
    pub floor: Sequence,
    /// Bodies recorded until then may go.
    pub bodies_before: Millis,
    /// Marks, states, values of interactions and ended resources without activity since this may go; `None` while expiry is suspended.
    pub marks_before: Option<Millis>,
    /// Gaps closed before this may go; `None` while expiry is suspended.
    pub gaps_before: Option<Millis>,
    /// Drafts without an event since this may go; `None` while expiry is suspended.
    pub drafts_before: Option<Millis>,
    /// Numbers of transcripts whose last event was before this may go; `None` while expiry is suspended.
    pub made_before: Option<Millis>,
    /// Dead letters whose last failure lies before this may go; `None` while expiry is suspended.
    pub dead_before: Option<Millis>,
    pub max_dead: u64,
    /// The sinks of the configuration, as a JSON list: what is parked for another goes when dead letters would.
    pub sinks: String,
}

/// What one slice of trimming did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trimmed {
    pub bodies: u64,
    pub conversations: u64,
    pub states: u64,
    /// Ended resources that were known.
    pub known: u64,
    pub gaps: u64,
    pub drafts: u64,
    /// Numbers of transcripts.
    pub made: u64,
    /// Values of interactions.
    pub contexts: u64,
    /// Rows of sessions that were forgotten.
    pub forgotten: u64,
    pub dead_expired: u64,
    pub dead_over_limit: u64,
    /// The slice ended before the work did.
    pub more: bool,
}

/// How far to go in giving space back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compact {
    /// Only what pays: free pages beyond what the next events will use, a log beyond its limit.
    Running,
    /// Only the log, emptied.
    Log,
    /// Everything: no free page kept, the log emptied.
    Whole,
}

/// What the journal holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub events: u64,
    pub bytes: u64,
    pub disk_bytes: u64,
}

/// The writing side. Every call may end in a [`Fault`] and has then changed nothing.
pub(super) trait Engine: Send {
    fn tally(&self) -> Tally;
    fn commit(&mut self, writes: &[Write], durability: Durability) -> Result<Outcome, Fault>;
    /// One slice of trimming; ends soon after `until`.
    fn trim(&mut self, plan: &Plan, until: Instant) -> Result<Trimmed, Fault>;
    /// Starts over the search for what has expired.
    fn sweep(&mut self);
    /// One slice of giving space back; true if more is to be done.
    fn compact(&mut self, how: Compact, until: Instant) -> Result<bool, Fault>;
    /// Writes everything anew, in one go; false, and nothing has changed, where that could not be done.
    fn rebuild(&mut self) -> bool;
    fn held(&self) -> Result<Held, Fault>;
}

/// One reading step, and the rows that were found damaged in it.
#[derive(Debug, Default)]
pub(super) struct RawRead {
    pub read: Read,
    pub damaged: Vec<(Sequence, String)>,
}

/// The reading side: sees committed data only, and holds nothing open between calls.
pub(super) trait Reading: Send {
    /// `known` is a sequence that was committed before the call: an exhausted read has looked at least that far.
    fn read(
        &self,
        from_exclusive: Sequence,
        known: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<RawRead, Error>;
    fn lag(&self, position: Sequence) -> Result<Lag, Error>;
    /// The last sequence before the first event recorded at `time` or later.
    fn before(&self, time: Millis) -> Result<Sequence, Error>;
    fn conversation(&self, conversation: &Digest) -> Result<Option<ConversationMarks>, Error>;
    fn state(&self, resource: &Digest) -> Result<Option<Digest>, Error>;
    fn checkpoint(&self, session: &str) -> Result<Option<Checkpoint>, Error>;
    fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error>;
    fn known(&self, session: &str) -> Result<Vec<Known>, Error>;
    fn known_one(&self, session: &str, kind: &str, id: &str) -> Result<Option<Known>, Error>;
    fn gaps(&self, session: Option<&str>, only_open: bool, limit: usize) -> Result<Vec<Gap>, Error>;
    fn accounts(&self) -> Result<Vec<Account>, Error>;
    fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, Error>;
    fn dead_letters(&self, filter: &LetterFilter, limit: usize) -> Result<Vec<DeadLetter>, Error>;
    fn count_dead_letters(&self, filter: &LetterFilter) -> Result<Vec<LetterCount>, Error>;
    /// Sink and event id of each that is meant.
    fn letter_ids(&self, filter: &LetterFilter) -> Result<Vec<(String, String)>, Error>;
    /// Those that are meant, with the bytes of their bodies.
    fn letter_numbers(&self, filter: &LetterFilter) -> Result<Vec<(u64, u64)>, Error>;
    fn dead_letter(&self, number: u64) -> Result<Option<(DeadLetter, Arc<Event>, String)>, Error>;
    fn redriven(&self, sink: &str, now: Millis, limit: usize) -> Result<Vec<(u64, ParkedKey)>, Error>;
    fn parked_keys(&self, sink: &str) -> Result<Vec<ParkedKey>, Error>;
    fn parked(
        &self,
        sink: &str,
        key: &str,
        max_events: usize,
        max_bytes: u64,
    ) -> Result<(Vec<Parked>, Vec<Sequence>), Error>;
    fn matching(&self, table: Table, after: i64, selector: &Selector) -> Result<Page, Error>;
    fn count_known(&self, selector: &Selector) -> Result<u64, Error>;
    fn drafts(&self, keys: &[String]) -> Result<Vec<Draft>, Error>;
    fn transcripts_made(&self, keys: &[String]) -> Result<BTreeMap<String, u32>, Error>;
    fn due_drafts(&self, now: Millis, limit: usize) -> Result<Vec<Draft>, Error>;
    fn draft_items(&self, key: &str) -> Result<Vec<Event>, Error>;
    /// After this number, and the number that the next page goes on after.
    fn drafts_between(
        &self,
        from: Millis,
        to: Millis,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<Draft>, Option<i64>), Error>;
    fn drafts_meant(&self, after: i64, selector: &Selector) -> Result<(Vec<i64>, Option<i64>), Error>;
    fn context(&self, conversation: &Digest) -> Result<Vec<ContextValue>, Error>;
    fn contexts_meant(
        &self,
        after: i64,
        selector: &Selector,
    ) -> Result<(BTreeSet<Digest>, Option<i64>), Error>;
    fn aside_after(&self, sink: &str, position: Sequence) -> Result<Vec<Sequence>, Error>;
}

/// Makes a reader of its own for whoever asks.
pub(super) type Opener = Arc<dyn Fn() -> Result<Box<dyn Reading>, Error> + Send + Sync>;
