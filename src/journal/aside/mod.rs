//! What sinks could not deliver: events parked to be tried again, and dead letters.
//!
//! Both are copies with a body of their own, so that neither holds the journal back from trimming. A parked event
//! belongs to its key's order; a dead letter is out of it until somebody asks for its redrive, which makes it a
//! parked one again (flagged late). Here is the handle's side; `letters` and `parked` are the rows.
//! Deliberately absent: when to park, and when to give up: the lanes' affair.

pub(super) mod letters;
pub(super) mod parked;

use super::api::{Error, Pending, Sequence};
use super::engine::Write;
use super::group::{Op, Reply, Request};
use super::{Journal, serialised};
use crate::base::envelope::Event;
use crate::base::time::Millis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Why an event did not get through, the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// A word of the sink's closed set.
    pub reason: String,
    pub detail: String,
    /// The beginning of what the destination answered: may repeat personal data, so it is only shown when asked for.
    pub answer: String,
}

/// What one lane has settled, in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Settle {
    pub sink: String,
    /// Everything up to here is delivered, filtered out, parked, dead-lettered or let go.
    pub position: Sequence,
    pub dead: Vec<NewDeadLetter>,
    pub park: Vec<NewParked>,
    pub tried: Vec<Tried>,
    /// Parked events that are delivered.
    pub unpark: Vec<Sequence>,
}

/// A copy of an event that a sink could not deliver. It is parked no longer, if it was.
#[derive(Clone, Debug)]
pub struct NewDeadLetter {
    pub sequence: Sequence,
    pub event: Arc<Event>,
    pub failure: Failure,
    pub attempts: u32,
    pub first_failure: Millis,
    pub last_failure: Millis,
}

/// An event that waits for its key. One that is parked already stays as it is.
#[derive(Clone, Debug)]
pub struct NewParked {
    pub sequence: Sequence,
    pub event: Arc<Event>,
    pub recorded: Millis,
    pub attempts: u32,
    pub first_failure: Option<Millis>,
    /// Not to be tried before.
    pub due: Millis,
    pub failure: Failure,
}

/// A parked event that was tried once more, in vain.
#[derive(Clone, Debug)]
pub struct Tried {
    pub sequence: Sequence,
    pub attempts: u32,
    pub first_failure: Millis,
    pub due: Millis,
    pub failure: Failure,
}

/// A parked event as it is read back.
#[derive(Clone, Debug)]
pub struct Parked {
    pub sequence: Sequence,
    pub event: Arc<Event>,
    pub bytes: u64,
    pub recorded: Millis,
    pub attempts: u32,
    pub first_failure: Option<Millis>,
    /// Delivered out of its key's order: it was a dead letter.
    pub late: bool,
    /// The last one.
    pub failure: Failure,
}

/// One key with parked events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedKey {
    pub key: String,
    pub events: u64,
    pub bytes: u64,
    /// When its first event may be tried.
    pub due: Millis,
}

/// A dead letter as it is listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    pub number: u64,
    pub sink: String,
    pub sequence: Sequence,
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub reason: String,
    pub detail: String,
    pub attempts: u32,
    /// RFC 3339.
    pub first_failure: String,
    pub last_failure: String,
    /// When it is to be delivered again, where somebody asked for it.
    pub redrive_at: Option<String>,
}

/// Which dead letters are meant: all that fit everything that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LetterFilter {
    pub sink: Option<String>,
    /// One of these, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<String>,
    pub agent: Option<String>,
    pub interaction: Option<String>,
    /// The event's `type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub reason: Option<String>,
    /// The event's `id`.
    pub id: Option<String>,
    /// The last failure at or after this, in Unix milliseconds.
    pub since: Option<Millis>,
    /// The last failure before this.
    pub until: Option<Millis>,
}

/// How many there are of one sink and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterCount {
    pub sink: String,
    pub reason: String,
    pub letters: u64,
}

/// What stands behind the key of events that were dead letters: an order of their own, so that they hold up nothing
/// that came since.
const LATE: char = '\u{0}';

/// What is done to many dead letters: one transaction takes at most so many, and beyond the first so many bytes of
/// bodies, so that commits of events go between and the log stays small beside the reserve.
const PORTION: usize = 256;
const PORTION_BYTES: u64 = 1 << 20;

impl Journal {
    /// Queues what a lane has settled. With more than a position in it the answer means that it is on disk;
    /// without, only that the position counts: a crash within the next second may set it back, and events come again.
    ///
    /// A position never moves back, nor beyond the last event. While the disk is full a settle may be committed
    /// before an append that was queued ahead of it: who needs the append first waits for it first.
    pub fn settle(&self, settle: Settle) -> Pending<()> {
        let (answer, pending) = oneshot::channel();
        let position = Write::Position { sink: settle.sink.clone(), at: settle.position };
        match aside(settle) {
            Ok((mut writes, bytes)) => {
                let sync = !writes.is_empty();
                writes.push(position);
                self.send(Op::Write(Request {
                    writes,
                    events: 0,
                    bytes,
                    sync,
                    reply: Reply::Settle(answer),
                }));
            }
            Err(error) => drop(answer.send(Err(Arc::new(error)))),
        }
        pending
    }

    /// The keys of a sink that have parked events, in the order of their first ones.
    pub async fn parked_keys(&self, sink: &str) -> Result<Vec<ParkedKey>, Error> {
        let sink = sink.to_owned();
        self.ask(move |reader| reader.parked_keys(&sink)).await
    }

    /// The first parked events of a key, in order: at least one where there is one, else up to both limits.
    pub async fn parked(
        &self,
        sink: &str,
        key: &str,
        max_events: usize,
        max_bytes: u64,
    ) -> Result<Vec<Parked>, Error> {
        let (of, key) = (sink.to_owned(), key.to_owned());
        let (found, spoilt) = self.ask(move |reader| reader.parked(&of, &key, max_events, max_bytes)).await?;
        for sequence in spoilt {
            tracing::error!(
                sink,
                sequence,
                "journal: a parked event can not be read; passed over and set aside"
            );
            let writes = vec![Write::Spoilt { sink: sink.to_owned(), sequence }];
            self.send(Op::Write(Request { writes, events: 0, bytes: 0, sync: true, reply: Reply::Nobody }));
        }
        Ok(found)
    }

    /// Sets a sink's position, back too, with a note in the same transaction.
    pub async fn set_position(
        &self,
        sink: &str,
        at: Sequence,
        note: &str,
        value: &str,
    ) -> Result<(), Arc<Error>> {
        let note = Write::Note { name: note.to_owned(), value: Some(value.to_owned()) };
        self.touch(vec![Write::SetPosition { sink: sink.to_owned(), at }, note]).await.map(|_| ())
    }

    /// Which events beyond a position are parked or dead letters already.
    pub async fn aside_after(&self, sink: &str, position: Sequence) -> Result<Vec<Sequence>, Error> {
        let sink = sink.to_owned();
        self.ask(move |reader| reader.aside_after(&sink, position)).await
    }

    /// Dead letters, oldest first.
    pub async fn dead_letters(&self, filter: &LetterFilter, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let filter = filter.clone();
        self.ask(move |reader| reader.dead_letters(&filter, limit)).await
    }

    /// How many dead letters there are, by sink and reason.
    pub async fn count_dead_letters(&self, filter: &LetterFilter) -> Result<Vec<LetterCount>, Error> {
        let filter = filter.clone();
        self.ask(move |reader| reader.count_dead_letters(&filter)).await
    }

    /// Sink and event id of each.
    pub async fn dead_letter_ids(&self, filter: &LetterFilter) -> Result<Vec<(String, String)>, Error> {
        let filter = filter.clone();
        self.ask(move |reader| reader.letter_ids(&filter)).await
    }

    /// One dead letter with its event and the beginning of the last answer.
    pub async fn dead_letter(&self, number: u64) -> Result<Option<(DeadLetter, Arc<Event>, String)>, Error> {
        self.ask(move |reader| reader.dead_letter(number)).await
    }

    /// Removes dead letters; says how many there were.
    pub async fn purge_dead_letters(&self, filter: &LetterFilter) -> Result<u64, Arc<Error>> {
        let meant = self.numbers(filter).await?;
        let forget = |(number, bytes)| (Write::Forget { number, bytes }, bytes);
        self.touch_all(meant.into_iter().map(forget)).await
    }

    /// Asks for dead letters to be delivered again, at most so many a second (none: as fast as the lane takes
    /// them). Says how many; one that is asked for already stays as it is.
    pub async fn redrive_dead_letters(
        &self,
        filter: &LetterFilter,
        per_second: Option<u32>,
    ) -> Result<u64, Arc<Error>> {
        let meant = self.numbers(filter).await?;
        let now = self.0.clock.now();
        let ask = |(nth, (number, bytes)): (i64, (u64, u64))| {
            let after = per_second.map_or(0, |rate| nth.saturating_mul(1_000) / i64::from(rate.max(1)));
            (Write::Redrive { number, bytes, at: now.saturating_add(after) }, bytes)
        };
        self.touch_all((0..).zip(meant).map(ask)).await
    }

    /// Makes parked events of dead letters whose redrive is due, in the order of their sequences; they are on disk
    /// when it resolves. Only the sink's own lane may ask. Each is told as one more event of its key.
    pub async fn take_up(&self, sink: &str, limit: usize) -> Result<Vec<ParkedKey>, Arc<Error>> {
        let (owned, now) = (sink.to_owned(), self.0.clock.now());
        let due = self.ask(move |reader| reader.redriven(&owned, now, limit)).await.map_err(Arc::new)?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let writes = due.iter().map(|(number, one)| {
            let ParkedKey { key, bytes, .. } = one.clone();
            Write::TakeUp { number: *number, bytes, key }
        });
        self.touch(writes.collect()).await?;
        Ok(due.into_iter().map(|(_, one)| one).collect())
    }

    async fn numbers(&self, filter: &LetterFilter) -> Result<Vec<(u64, u64)>, Arc<Error>> {
        let filter = filter.clone();
        self.ask(move |reader| reader.letter_numbers(&filter)).await.map_err(Arc::new)
    }

    /// In their order, a transaction a portion; each comes with its bytes.
    async fn touch_all(&self, writes: impl Iterator<Item = (Write, u64)>) -> Result<u64, Arc<Error>> {
        let (mut portion, mut size, mut touched) = (Vec::new(), 0u64, 0u64);
        for (write, bytes) in writes {
            size = size.saturating_add(bytes);
            if portion.len() >= PORTION || (size > PORTION_BYTES && !portion.is_empty()) {
                touched = touched.saturating_add(self.touch(std::mem::take(&mut portion)).await?);
                size = bytes;
            }
            portion.push(write);
        }
        match portion.is_empty() {
            true => Ok(touched),
            false => Ok(touched.saturating_add(self.touch(portion).await?)),
        }
    }

    async fn touch(&self, writes: Vec<Write>) -> Result<u64, Arc<Error>> {
        self.call(|answer| Op::Touch { writes, answer }).await
    }
}

/// The writes of a settle besides its position, and their bytes.
fn aside(settle: Settle) -> Result<(Vec<Write>, u64), Error> {
    let Settle { sink, dead, park, tried, unpark, .. } = settle;
    let mut bytes = 0u64;
    let mut writes = Vec::with_capacity(dead.len() + park.len() + tried.len() + unpark.len() + 1);
    for parked in park {
        let body = serialised(&parked.event)?;
        bytes = bytes.saturating_add(body.len() as u64);
        writes.push(Write::Park { sink: sink.clone(), parked, body });
    }
    for tried in tried {
        writes.push(Write::Tried { sink: sink.clone(), tried });
    }
    for letter in dead {
        let body = serialised(&letter.event)?;
        bytes = bytes.saturating_add(body.len() as u64);
        writes.push(Write::Dead { sink: sink.clone(), letter, body });
    }
    for sequence in unpark {
        writes.push(Write::Unpark { sink: sink.clone(), sequence });
    }
    Ok((writes, bytes))
}
