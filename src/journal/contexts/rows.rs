//! Rows of values, as they are written, read, erased, and go in their time.
//!
//! They are keyed by a number, so that those of interactions that live at the same time share pages. Deliberately absent:
//! when.

use super::ContextValue;
use crate::base::digest::Digest;
use crate::journal::api::Error;
use crate::journal::erase::Selector;
use crate::journal::facts::read::readable;
use rusqlite::{Connection, Row, params};
use std::collections::BTreeSet;

/// The step of the schema.
pub(in crate::journal) const SCHEMA: &str = "
CREATE TABLE context (
    num INTEGER PRIMARY KEY,
    conversation BLOB NOT NULL,
    path TEXT NOT NULL,
    interaction TEXT NOT NULL,
    agent TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE UNIQUE INDEX context_of ON context (conversation, path);
CREATE INDEX context_at ON context (at);
";

/// Values looked at in one page of an erasing, or removed in one transaction.
const ROWS: i64 = 512;

const COLUMNS: &str = "conversation, path, interaction, agent, id, value, at, num";

pub(in crate::journal) fn write(conn: &Connection, value: &ContextValue) -> Result<(), rusqlite::Error> {
    let ContextValue { conversation, path, interaction, agent, id, value, at } = value;
    let Some(value) = value else {
        return conn
            .prepare_cached("DELETE FROM context WHERE conversation = ?1 AND path = ?2")?
            .execute(params![conversation.0, path])
            .map(|_| ());
    };
    conn.prepare_cached(
        "INSERT INTO context (conversation, path, interaction, agent, id, value, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (conversation, path) DO UPDATE SET
             agent = excluded.agent, id = excluded.id, value = excluded.value, at = excluded.at",
    )?
    .execute(params![conversation.0, path, interaction, agent, id, value, at])
    .map(|_| ())
}

pub(in crate::journal) fn of(conn: &Connection, conversation: &Digest) -> Result<Vec<ContextValue>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM context WHERE conversation = ?1");
    readable(conn, &sql, [conversation.0], "context", value_of)
}

fn value_of(row: &Row<'_>) -> Result<ContextValue, rusqlite::Error> {
    Ok(ContextValue {
        conversation: Digest(row.get(0)?),
        path: row.get(1)?,
        interaction: row.get(2)?,
        agent: row.get(3)?,
        id: row.get(4)?,
        value: Some(row.get(5)?),
        at: row.get(6)?,
    })
}

/// The conversations of which a value is meant, and after which the next page goes on. A row that can not be read is
/// meant: it must not be what keeps a text.
pub(in crate::journal) fn meant(
    conn: &Connection,
    after: i64,
    selector: &Selector,
) -> Result<(BTreeSet<Digest>, Option<i64>), Error> {
    let sql = format!("SELECT {COLUMNS} FROM context WHERE num > ?1 ORDER BY num LIMIT {ROWS}");
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([after])?;
    let (mut found, mut seen, mut last) = (BTreeSet::new(), 0, None);
    while let Some(row) = rows.next()? {
        (seen, last) = (seen + 1, Some(row.get(7)?));
        if value_of(row).map_or(true, |value| selector.fits_context(&value)) {
            found.extend(row.get(0).map(Digest));
        }
    }
    Ok((found, last.filter(|_| seen >= ROWS)))
}

/// Removes all of one conversation; how many there were.
pub(in crate::journal) fn remove(conn: &Connection, conversation: &Digest) -> Result<u64, rusqlite::Error> {
    let mut gone = conn.prepare_cached("DELETE FROM context WHERE conversation = ?1")?;
    gone.execute([conversation.0]).map(|gone| gone as u64)
}

/// Removes some of those whose path is not in the JSON list; how many.
pub(in crate::journal) fn keep(conn: &Connection, paths: &str) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(
        "DELETE FROM context WHERE num IN
             (SELECT num FROM context WHERE path NOT IN (SELECT value FROM json_each(?1)) LIMIT ?2)",
    )?
    .execute(params![paths, ROWS])
    .map(|gone| gone as u64)
}

/// Removes some of those without activity since `before`; how many.
pub(in crate::journal) fn expire(conn: &Connection, before: i64) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(
        "DELETE FROM context WHERE num IN (SELECT num FROM context WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?
    .execute([before, ROWS])
    .map(|gone| gone as u64)
}
