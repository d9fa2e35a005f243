//! The reading side on SQLite: a read-only connection of its own, one statement a call, nothing held open.
//!
//! A statement left open would pin the write-ahead log and let it grow without end.

use super::api::{
    Account, Checkpoint, ConversationMarks, DeadLetter, Error, Gap, Known, Lag, Mark, Sequence,
};
use super::engine::{RawRead, Reading};
use super::facts;
use super::row::{COLUMNS, Parsed, int, parse, uint};
use super::schema;
use super::sqlite::FILE;
use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::time::rfc3339;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
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
    Ok(SqliteReader(conn))
}

impl SqliteReader {
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

    fn dead_letters(&self, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let mut select = self.0.prepare_cached(&format!(
            "SELECT {LETTER} FROM dead_letter WHERE ?1 IS NULL OR sink = ?1 ORDER BY number LIMIT ?2"
        ))?;
        let found = select.query_map(params![sink, int(limit as u64)], letter)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn dead_letter(&self, number: u64) -> Result<Option<(DeadLetter, Arc<Event>)>, Error> {
        let mut select =
            self.0.prepare_cached(&format!("SELECT {LETTER}, body FROM dead_letter WHERE number = ?1"))?;
        let found: Option<(DeadLetter, Vec<u8>)> =
            select.query_row([int(number)], |row| Ok((letter(row)?, row.get(11)?))).optional()?;
        let Some((letter, body)) = found else { return Ok(None) };
        let event = serde_json::from_slice(&body)
            .map_err(|error| Error::Row(format!("dead letter {number} ({:?} error)", error.classify())))?;
        Ok(Some((letter, Arc::new(event))))
    }
}

const LETTER: &str =
    "number, sink, seq, id, kind, subject, reason, detail, attempts, first_failure, last_failure";

fn letter(row: &Row<'_>) -> Result<DeadLetter, rusqlite::Error> {
    Ok(DeadLetter {
        number: uint(row.get(0)?),
        sink: row.get(1)?,
        sequence: uint(row.get(2)?),
        id: row.get(3)?,
        kind: row.get(4)?,
        subject: row.get(5)?,
        reason: row.get(6)?,
        detail: row.get(7)?,
        attempts: row.get(8)?,
        first_failure: rfc3339(row.get(9)?),
        last_failure: rfc3339(row.get(10)?),
    })
}
