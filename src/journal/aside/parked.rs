//! Rows of parked events.

use super::{Failure, NewParked, Parked, ParkedKey, Tried};
use crate::journal::api::{Error, Sequence};
use crate::journal::row::{int, uint};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// An event that is parked already stays as it is: its tries count on.
pub(in crate::journal) fn park(
    conn: &Connection,
    sink: &str,
    parked: &NewParked,
    body: &[u8],
) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "INSERT INTO parked (sink, key, seq, recorded, attempts, first_failure, due, late, reason, detail, answer,
                             bytes, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        sink,
        parked.event.partitionkey,
        int(parked.sequence),
        parked.recorded,
        parked.attempts,
        parked.first_failure,
        parked.due,
        parked.failure.reason,
        parked.failure.detail,
        parked.failure.answer,
        int(body.len() as u64),
        body
    ])
    .map(|_| ())
}

pub(in crate::journal) fn tried(conn: &Connection, sink: &str, tried: &Tried) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "UPDATE parked SET attempts = ?3, first_failure = ?4, due = ?5, reason = ?6, detail = ?7, answer = ?8
         WHERE sink = ?1 AND seq = ?2",
    )?
    .execute(params![
        sink,
        int(tried.sequence),
        tried.attempts,
        tried.first_failure,
        tried.due,
        tried.failure.reason,
        tried.failure.detail,
        tried.failure.answer
    ])
    .map(|_| ())
}

pub(in crate::journal) fn unpark(
    conn: &Connection,
    sink: &str,
    sequence: Sequence,
) -> Result<(), rusqlite::Error> {
    conn.prepare_cached("DELETE FROM parked WHERE sink = ?1 AND seq = ?2")?
        .execute(params![sink, int(sequence)])
        .map(|_| ())
}

pub(in crate::journal) fn keys(conn: &Connection, sink: &str) -> Result<Vec<ParkedKey>, Error> {
    // `due` is that of the row with the lowest sequence: SQLite gives a bare column from the row of a lone min().
    let mut select = conn.prepare_cached(
        "SELECT key, count(*), sum(bytes), due, min(seq) AS first FROM parked WHERE sink = ?1
         GROUP BY key ORDER BY first",
    )?;
    let found = select.query_map([sink], |row| {
        Ok(ParkedKey {
            key: row.get(0)?,
            events: uint(row.get(1)?),
            bytes: uint(row.get(2)?),
            due: row.get(3)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// A key's first events, and those among them that can not be read.
pub(in crate::journal) fn of_key(
    conn: &Connection,
    sink: &str,
    key: &str,
    max_events: usize,
    max_bytes: u64,
) -> Result<(Vec<Parked>, Vec<Sequence>), Error> {
    let mut select = conn.prepare_cached(
        "SELECT seq, bytes, recorded, attempts, first_failure, late, body, reason, detail, answer FROM parked
         WHERE sink = ?1 AND key = ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = select.query(params![sink, key, int(max_events as u64)])?;
    let (mut found, mut spoilt): (Vec<Parked>, Vec<Sequence>) = (Vec::new(), Vec::new());
    let mut total = 0u64;
    while let Some(row) = rows.next()? {
        let sequence = uint(row.get(0)?);
        let bytes = uint(row.get(1)?);
        total = total.saturating_add(bytes);
        if total > max_bytes && !found.is_empty() {
            break;
        }
        let body = row.get_ref(6)?.as_blob().unwrap_or_default();
        let Ok(event) = serde_json::from_slice(body) else {
            spoilt.push(sequence);
            continue;
        };
        found.push(Parked {
            sequence,
            event: Arc::new(event),
            bytes,
            recorded: row.get(2)?,
            attempts: row.get(3)?,
            first_failure: row.get(4)?,
            late: row.get(5)?,
            failure: Failure { reason: row.get(7)?, detail: row.get(8)?, answer: row.get(9)? },
        });
    }
    Ok((found, spoilt))
}

/// Out of the way of the readers, and kept for a person to look at.
pub(in crate::journal) fn spoilt(
    conn: &Connection,
    sink: &str,
    sequence: Sequence,
) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO damaged (seq, body, reason)
         SELECT seq, body, 'parked for ' || sink || ', and not an event of this release'
         FROM parked WHERE sink = ?1 AND seq = ?2",
    )?
    .execute(params![sink, int(sequence)])?;
    unpark(conn, sink, sequence)
}

/// What is parked for a sink that is configured no longer, and was before this.
pub(in crate::journal) fn expire(
    conn: &Connection,
    sinks: &str,
    before: i64,
    rows: i64,
) -> Result<u64, rusqlite::Error> {
    let gone = conn
        .prepare_cached(
            "DELETE FROM parked WHERE num IN (SELECT num FROM parked WHERE recorded < ?2
                 AND sink NOT IN (SELECT value FROM json_each(?1)) LIMIT ?3)",
        )?
        .execute(params![sinks, before, rows])?;
    Ok(gone as u64)
}

/// Parked or dead already, beyond a position.
pub(in crate::journal) fn after(
    conn: &Connection,
    sink: &str,
    position: Sequence,
) -> Result<Vec<Sequence>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT seq FROM parked WHERE sink = ?1 AND seq > ?2
         UNION SELECT seq FROM dead_letter WHERE sink = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let found = select.query_map(params![sink, int(position)], |row| Ok(uint(row.get(0)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}
