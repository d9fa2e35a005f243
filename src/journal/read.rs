//! The reading side on SQLite: a read-only connection of its own, one statement a call, nothing held open.
//!
//! A statement left open would pin the write-ahead log and let it grow without end.

use super::api::{Account, Checkpoint, ConversationMarks, Error, Gap, Known, Lag, Mark, Sequence};
use super::aside::{self, DeadLetter, LetterCount, LetterFilter, Parked, ParkedKey};
use super::contexts::{self, ContextValue};
use super::drafts::{self, Draft};
use super::engine::{RawRead, Reading};
use super::erase::rows::{Page, Table};
use super::erase::{self, Selector};
use super::facts;
use super::recover;
use super::row::{COLUMNS, Parsed, int, parse, uint};
use super::schema;
use super::sqlite::{self, FILE};
use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::time::Millis;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A reader.
pub(super) struct SqliteReader(Connection);

/// Opens the database for reading alone.
pub(super) fn open(dir: &Path) -> Result<SqliteReader, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(FILE), flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "cache_size", -2_048)?;
    sqlite::keep_plans(&conn)?;
    Ok(SqliteReader(conn))
}

impl SqliteReader {
    pub(super) fn digest_key(&self) -> Result<[u8; 32], Error> {
        recover::key_of(&self.0).map(|(key, _)| key)
    }

    /// Refuses a journal that a newer release has written.
    pub(super) fn refuse_newer(&self, dir: &Path) -> Result<(), Error> {
        let (found, known) =
            (schema::version(&self.0)?, i64::try_from(schema::STEPS.len()).unwrap_or(i64::MAX));
        if found > known {
            return Err(Error::Newer { path: dir.join(FILE).display().to_string(), found, known });
        }
        Ok(())
    }
}

impl Reading for SqliteReader {
    fn read(
        &self,
        from_exclusive: Sequence,
        known: Sequence,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<RawRead, Error> {
        let max_events = max_events.max(1);
        let mut select = self
            .0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2"))?;
        let mut rows = select.query([int(from_exclusive), int(max_events as u64)])?;
        let mut out = RawRead::default();
        out.read.through = from_exclusive;
        let (mut seen, mut bytes) = (0usize, 0u64);
        while let Some(row) = rows.next()? {
            seen = seen.saturating_add(1);
            match parse(row)? {
                Parsed::Whole(stored, _) => {
                    bytes = bytes.saturating_add(stored.bytes);
                    if bytes > max_bytes as u64 && !out.read.events.is_empty() {
                        return Ok(out);
                    }
                    out.read.through = stored.sequence;
                    out.read.events.push(stored);
                }
                Parsed::Damaged(sequence, reason) => {
                    out.read.through = sequence;
                    out.damaged.push((sequence, reason));
                }
            }
        }
        if seen < max_events {
            out.read.through = out.read.through.max(known);
        }
        Ok(out)
    }

    fn lag(&self, position: Sequence) -> Result<Lag, Error> {
        let figures: Option<(i64, i64, i64, i64, i64, i64, i64)> = self
            .0
            .prepare_cached(
                "SELECT f.nth, f.total, f.bytes, f.recorded, l.nth, l.total, l.seq FROM
                     (SELECT nth, total, bytes, recorded FROM event WHERE seq > ?1 ORDER BY seq LIMIT 1) f,
                     (SELECT nth, total, seq FROM event ORDER BY seq DESC LIMIT 1) l",
            )?
            .query_row([int(position)], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                ))
            })
            .optional()?;
        let Some((nth, total, bytes, recorded, last_nth, last_total, last)) = figures else {
            return Ok(Lag { position, last: position, events: 0, bytes: 0, oldest: None });
        };
        Ok(Lag {
            position,
            last: uint(last),
            events: uint(last_nth.saturating_sub(nth).saturating_add(1)),
            bytes: uint(last_total.saturating_sub(total).saturating_add(bytes)),
            oldest: Some(recorded),
        })
    }

    /// By halves, as no index has the time: it grows with the sequence, but for a clock set back between two runs.
    fn before(&self, time: Millis) -> Result<Sequence, Error> {
        let ends = "SELECT min(seq), max(seq) FROM event";
        let ends: (Option<i64>, Option<i64>) =
            self.0.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(mut low), Some(last)) = ends else { return Ok(0) };
        let mut high = last.saturating_add(1);
        let mut select =
            self.0.prepare_cached("SELECT seq, recorded FROM event WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
        while low < high {
            let middle = low.midpoint(high);
            let found = select.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match found {
                Some((sequence, recorded)) if Millis::lt(&recorded, &time) => {
                    low = i64::saturating_add(sequence, 1)
                }
                _ => high = middle,
            }
        }
        Ok(uint(low.saturating_sub(1)))
    }

    fn conversation(&self, conversation: &Digest) -> Result<Option<ConversationMarks>, Error> {
        let mut select = self.0.prepare_cached(
            "SELECT c.last_activity, m.idx, m.digests, m.revision
             FROM conversation c LEFT JOIN mark m ON m.conversation = c.num WHERE c.id = ?1 ORDER BY m.idx",
        )?;
        let mut rows = select.query([conversation.0])?;
        let mut found: Option<ConversationMarks> = None;
        while let Some(row) = rows.next()? {
            let last_activity = row.get(0)?;
            let entry = found.get_or_insert(ConversationMarks { marks: Vec::new(), last_activity });
            if let Some(index) = row.get(1)? {
                let digests: Vec<u8> = row.get(2)?;
                let digests = digests.chunks_exact(16).filter_map(Digest::from_slice).collect();
                entry.marks.push(Mark { index, digests, revision: row.get(3)? });
            }
        }
        Ok(found)
    }

    fn state(&self, resource: &Digest) -> Result<Option<Digest>, Error> {
        let found: Option<[u8; 16]> = self
            .0
            .prepare_cached("SELECT content FROM state WHERE resource = ?1")?
            .query_row([resource.0], |row| row.get(0))
            .optional()?;
        Ok(found.map(Digest))
    }

    fn checkpoint(&self, session: &str) -> Result<Option<Checkpoint>, Error> {
        let mut select = self.0.prepare_cached("SELECT body FROM checkpoint WHERE session = ?1")?;
        let body: Option<String> = select.query_row([session], |row| row.get(0)).optional()?;
        Ok(body.map(|body| Checkpoint { session: session.to_owned(), body }))
    }

    fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        let mut select = self.0.prepare_cached("SELECT session, body FROM checkpoint ORDER BY session")?;
        let found = select.query_map([], |row| Ok(Checkpoint { session: row.get(0)?, body: row.get(1)? }))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn known(&self, session: &str) -> Result<Vec<Known>, Error> {
        facts::read::known(&self.0, session)
    }

    fn known_one(&self, session: &str, kind: &str, id: &str) -> Result<Option<Known>, Error> {
        facts::read::known_one(&self.0, session, kind, id)
    }

    fn gaps(&self, session: Option<&str>, only_open: bool, limit: usize) -> Result<Vec<Gap>, Error> {
        facts::read::gaps(&self.0, session, only_open, limit)
    }

    fn accounts(&self) -> Result<Vec<Account>, Error> {
        facts::read::accounts(&self.0)
    }

    fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, Error> {
        facts::read::notes(&self.0, prefix)
    }

    fn dead_letters(&self, filter: &LetterFilter, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        aside::letters::list(&self.0, filter, limit)
    }

    fn count_dead_letters(&self, filter: &LetterFilter) -> Result<Vec<LetterCount>, Error> {
        aside::letters::count(&self.0, filter)
    }

    fn letter_ids(&self, filter: &LetterFilter) -> Result<Vec<(String, String)>, Error> {
        aside::letters::ids(&self.0, filter)
    }

    fn letter_numbers(&self, filter: &LetterFilter) -> Result<Vec<(u64, u64)>, Error> {
        aside::letters::numbers(&self.0, filter)
    }

    fn dead_letter(&self, number: u64) -> Result<Option<(DeadLetter, Arc<Event>, String)>, Error> {
        aside::letters::one(&self.0, number)
    }

    fn redriven(&self, sink: &str, now: Millis, limit: usize) -> Result<Vec<(u64, ParkedKey)>, Error> {
        aside::letters::redriven(&self.0, sink, now, limit)
    }

    fn parked_keys(&self, sink: &str) -> Result<Vec<ParkedKey>, Error> {
        aside::parked::keys(&self.0, sink)
    }

    fn parked(
        &self,
        sink: &str,
        key: &str,
        max_events: usize,
        max_bytes: u64,
    ) -> Result<(Vec<Parked>, Vec<Sequence>), Error> {
        aside::parked::of_key(&self.0, sink, key, max_events, max_bytes)
    }

    fn matching(&self, table: Table, after: i64, selector: &Selector) -> Result<Page, Error> {
        erase::rows::matching(&self.0, table, after, selector)
    }

    fn count_known(&self, selector: &Selector) -> Result<u64, Error> {
        erase::rows::count_known(&self.0, selector)
    }

    fn drafts(&self, keys: &[String]) -> Result<Vec<Draft>, Error> {
        drafts::rows::drafts(&self.0, keys)
    }

    fn transcripts_made(&self, keys: &[String]) -> Result<BTreeMap<String, u32>, Error> {
        drafts::rows::made(&self.0, keys)
    }

    fn due_drafts(&self, now: Millis, limit: usize) -> Result<Vec<Draft>, Error> {
        drafts::rows::due(&self.0, now, limit)
    }

    fn draft_items(&self, key: &str) -> Result<Vec<Event>, Error> {
        drafts::rows::items(&self.0, key)
    }

    fn drafts_between(
        &self,
        from: Millis,
        to: Millis,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<Draft>, Option<i64>), Error> {
        drafts::rows::between(&self.0, from, to, after, limit)
    }

    fn drafts_meant(&self, after: i64, selector: &Selector) -> Result<(Vec<i64>, Option<i64>), Error> {
        drafts::rows::meant(&self.0, after, selector)
    }

    fn context(&self, conversation: &Digest) -> Result<Vec<ContextValue>, Error> {
        contexts::rows::of(&self.0, conversation)
    }

    fn contexts_meant(
        &self,
        after: i64,
        selector: &Selector,
    ) -> Result<(BTreeSet<Digest>, Option<i64>), Error> {
        contexts::rows::meant(&self.0, after, selector)
    }

    fn aside_after(&self, sink: &str, position: Sequence) -> Result<Vec<Sequence>, Error> {
        aside::parked::after(&self.0, sink, position)
    }
}
