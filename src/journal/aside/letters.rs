//! Rows of dead letters.

use super::{DeadLetter, LATE, LetterCount, LetterFilter, NewDeadLetter, ParkedKey};
use crate::base::envelope::Event;
use crate::base::time::{Millis, rfc3339};
use crate::journal::api::Error;
use crate::journal::row::{int, uint};
use crate::journal::schema;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use std::sync::Arc;

/// The schema that first knew redrives and answers; an older journal is read without them.
const WITH_REDRIVE: i64 = 3;

/// Bytes that become parked events in one transaction, beyond the first.
const MAX_TAKEN: u64 = 4 << 20;

/// A letter for the same event again (the sink met it twice around a crash) replaces the first.
pub(in crate::journal) fn dead(
    conn: &Connection,
    sink: &str,
    letter: &NewDeadLetter,
    body: &[u8],
) -> Result<(), rusqlite::Error> {
    super::parked::unpark(conn, sink, letter.sequence)?;
    conn.prepare_cached(
        "INSERT INTO dead_letter
             (sink, seq, id, kind, subject, reason, detail, answer, attempts, first_failure, last_failure, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (sink, seq) DO UPDATE SET
             reason = excluded.reason, detail = excluded.detail, answer = excluded.answer,
             attempts = excluded.attempts, first_failure = min(first_failure, excluded.first_failure),
             last_failure = excluded.last_failure",
    )?
    .execute(params![
        sink,
        int(letter.sequence),
        letter.event.id,
        letter.event.kind,
        letter.event.subject,
        letter.failure.reason,
        letter.failure.detail,
        letter.failure.answer,
        letter.attempts,
        letter.first_failure,
        letter.last_failure,
        body
    ])
    .map(|_| ())
}

pub(in crate::journal) fn forget(conn: &Connection, number: u64) -> Result<u64, rusqlite::Error> {
    let gone = conn.prepare_cached("DELETE FROM dead_letter WHERE number = ?1")?.execute([int(number)])?;
    Ok(gone as u64)
}

pub(in crate::journal) fn redrive(
    conn: &Connection,
    number: u64,
    at: Millis,
) -> Result<u64, rusqlite::Error> {
    let asked = conn
        .prepare_cached("UPDATE dead_letter SET redrive = ?2 WHERE number = ?1 AND redrive IS NULL")?
        .execute([int(number), at])?;
    Ok(asked as u64)
}

/// A letter becomes a parked event.
pub(in crate::journal) fn take_up(
    conn: &Connection,
    number: u64,
    key: &str,
    now: Millis,
) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(
        "INSERT INTO parked (sink, key, seq, recorded, attempts, first_failure, due, late, reason, detail, answer,
                             bytes, body)
         SELECT sink, ?2, seq, last_failure, 0, NULL, ?3, 1, reason, detail, answer, length(body), body
         FROM dead_letter WHERE number = ?1
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![int(number), key, now])?;
    forget(conn, number)
}

/// Letters whose redrive is due, each with the key it will have.
pub(in crate::journal) fn redriven(
    conn: &Connection,
    sink: &str,
    now: Millis,
    limit: usize,
) -> Result<Vec<(u64, ParkedKey)>, Error> {
    // First which ones, then what they hold: sorting would read every body that is due, each time.
    let mut select = conn.prepare_cached(
        "SELECT number, coalesce(CASE WHEN json_valid(CAST(body AS TEXT)) THEN json_extract(CAST(body AS TEXT), '$.partitionkey') END,
                         subject), length(body)
         FROM dead_letter WHERE number IN
             (SELECT number FROM dead_letter WHERE sink = ?1 AND redrive <= ?2 ORDER BY redrive, seq LIMIT ?3)
         ORDER BY redrive, seq",
    )?;
    let mut rows = select.query(params![sink, now, int(limit as u64)])?;
    let mut found: Vec<(u64, ParkedKey)> = Vec::new();
    let mut total = 0u64;
    while let Some(row) = rows.next()? {
        let bytes = uint(row.get(2)?);
        total = total.saturating_add(bytes);
        if total > MAX_TAKEN && !found.is_empty() {
            break;
        }
        let key = format!("{}{LATE}", row.get::<_, String>(1)?);
        found.push((uint(row.get(0)?), ParkedKey { key, events: 1, bytes, due: now }));
    }
    Ok(found)
}

const FIELDS: &str =
    "number, sink, seq, id, kind, subject, reason, detail, attempts, first_failure, last_failure";

/// The condition of a filter, over the parameters of [`wanted`]. There is no index for it: to look into 100,000 letters of
/// 8 kB takes less than a second, and what reads bodies comes last.
const FITS: &str = "(?1 IS NULL OR sink = ?1)
     AND (?9 IS NULL OR sink IN (SELECT value FROM json_each(?9)))
     AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR reason = ?5) AND (?6 IS NULL OR id = ?6)
     AND (?7 IS NULL OR last_failure >= ?7) AND (?8 IS NULL OR last_failure < ?8)
     AND (?2 IS NULL OR (json_valid(CAST(body AS TEXT)) AND (
                         json_extract(CAST(body AS TEXT), '$.agent') = ?2
                         OR json_extract(CAST(body AS TEXT), '$.observedby') = ?2)))
     AND (?3 IS NULL OR (json_valid(CAST(body AS TEXT))
                         AND json_extract(CAST(body AS TEXT), '$.interaction') = ?3))";

fn wanted(filter: &LetterFilter) -> [Box<dyn ToSql + '_>; 9] {
    let LetterFilter { sink, sinks, agent, interaction, kind, reason, id, since, until } = filter;
    let sinks = (!sinks.is_empty()).then(|| serde_json::Value::from(sinks.as_slice()).to_string());
    [
        Box::new(sink),
        Box::new(agent),
        Box::new(interaction),
        Box::new(kind),
        Box::new(reason),
        Box::new(id),
        Box::new(since),
        Box::new(until),
        Box::new(sinks),
    ]
}

fn rows<T>(
    conn: &Connection,
    filter: &LetterFilter,
    select: &str,
    row: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<T>, Error> {
    let mut select = conn.prepare_cached(select)?;
    let found = select.query_map(params_from_iter(wanted(filter)), row)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(in crate::journal) fn list(
    conn: &Connection,
    filter: &LetterFilter,
    limit: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let redrive = redrive_column(conn)?;
    let limit = limit.min(i64::MAX as usize);
    let select =
        format!("SELECT {FIELDS}, {redrive} FROM dead_letter WHERE {FITS} ORDER BY number LIMIT {limit}");
    rows(conn, filter, &select, letter)
}

pub(in crate::journal) fn ids(
    conn: &Connection,
    filter: &LetterFilter,
) -> Result<Vec<(String, String)>, Error> {
    let select = format!("SELECT DISTINCT sink, id FROM dead_letter WHERE {FITS}");
    rows(conn, filter, &select, |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(in crate::journal) fn numbers(
    conn: &Connection,
    filter: &LetterFilter,
) -> Result<Vec<(u64, u64)>, Error> {
    // The length stands in the row's head: no body is read for it.
    let select = format!("SELECT number, length(body) FROM dead_letter WHERE {FITS} ORDER BY seq");
    rows(conn, filter, &select, |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))
}

pub(in crate::journal) fn count(conn: &Connection, filter: &LetterFilter) -> Result<Vec<LetterCount>, Error> {
    let select = format!(
        "SELECT sink, reason, count(*) FROM dead_letter WHERE {FITS} GROUP BY sink, reason ORDER BY sink, reason"
    );
    rows(conn, filter, &select, |row| {
        Ok(LetterCount { sink: row.get(0)?, reason: row.get(1)?, letters: uint(row.get(2)?) })
    })
}

pub(in crate::journal) fn one(
    conn: &Connection,
    number: u64,
) -> Result<Option<(DeadLetter, Arc<Event>, String)>, Error> {
    let redrive = redrive_column(conn)?;
    let answer = if redrive == "NULL" { "''" } else { "answer" };
    let mut select = conn.prepare_cached(&format!(
        "SELECT {FIELDS}, {redrive}, {answer}, body FROM dead_letter WHERE number = ?1"
    ))?;
    let found: Option<(DeadLetter, String, Vec<u8>)> =
        select.query_row([int(number)], |row| Ok((letter(row)?, row.get(12)?, row.get(13)?))).optional()?;
    let Some((letter, answer, body)) = found else { return Ok(None) };
    // The error's own words could quote the event.
    let event = serde_json::from_slice(&body)
        .map_err(|error| Error::Row(format!("dead letter {number} ({:?} error)", error.classify())))?;
    Ok(Some((letter, Arc::new(event), answer)))
}

fn redrive_column(conn: &Connection) -> Result<&'static str, Error> {
    Ok(if schema::version(conn)? < WITH_REDRIVE { "NULL" } else { "redrive" })
}

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
        redrive_at: row.get::<_, Option<i64>>(11)?.map(rfc3339),
    })
}
