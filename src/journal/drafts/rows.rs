//! Rows of drafts and their items, as they are written, read, erased, and go in their time.
//!
//! Items are keyed by their draft's number, so that those of one conversation share pages. Of a draft that goes a row of
//! `transcript` stays, if a transcript was made of it: a digest of its key (no id, so that an erasing need not take it, and
//! what comes later repeats no id either) and the number of the last one. Deliberately absent: when.

use super::{Draft, DraftItem};
use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::time::Millis;
use crate::journal::api::Error;
use crate::journal::erase::Selector;
use crate::journal::row::int;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// The step of the schema.
pub(in crate::journal) const SCHEMA: &str = "
CREATE TABLE draft (
    num INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    interaction TEXT NOT NULL,
    began INTEGER NOT NULL,
    at INTEGER NOT NULL,
    due INTEGER,
    body TEXT NOT NULL
);
CREATE INDEX draft_due ON draft (due) WHERE due IS NOT NULL;
CREATE INDEX draft_at ON draft (at);
CREATE TABLE draft_item (
    draft INTEGER NOT NULL,
    base TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (draft, base)
) WITHOUT ROWID;
";

/// The step that lets the number of the last transcript outlive its draft.
pub(in crate::journal) const NUMBERS: &str = "
ALTER TABLE draft ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE draft SET revision = coalesce(json_extract(body, '$.revision'), 0) WHERE json_valid(body);
CREATE TABLE transcript (
    id BLOB PRIMARY KEY,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX transcript_at ON transcript (at);
";

/// Items, or numbers, removed in one transaction.
const ROWS: i64 = 512;
/// Drafts looked at in one page of an erasing.
const LOOKED_AT: i64 = 64;

const COLUMNS: &str = "key, interaction, began, at, due, body, revision, num";

pub(in crate::journal) fn write(conn: &Connection, draft: &Draft) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "INSERT INTO draft (key, interaction, began, at, due, body, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (key) DO UPDATE SET
             at = excluded.at, due = excluded.due, body = excluded.body, revision = excluded.revision",
    )?
    .execute(params![
        draft.key,
        draft.interaction,
        draft.began,
        draft.at,
        draft.due,
        draft.body,
        draft.revision
    ])
    .map(|_| ())
}

/// Its draft stands before it in the same transaction.
pub(in crate::journal) fn write_item(
    conn: &Connection,
    item: &DraftItem,
    body: &[u8],
) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "INSERT INTO draft_item (draft, base, seq, body) SELECT num, ?2, ?3, ?4 FROM draft WHERE key = ?1
         ON CONFLICT (draft, base) DO UPDATE SET seq = excluded.seq, body = excluded.body",
    )?
    .execute(params![item.key, item.base, int(item.sequence), body])
    .map(|_| ())
}

pub(in crate::journal) fn drafts(conn: &Connection, keys: &[String]) -> Result<Vec<Draft>, Error> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM draft WHERE key = ?1"))?;
    let mut found = Vec::new();
    for key in keys {
        found.extend(select.query_row([key], draft_of).optional()?);
    }
    Ok(found)
}

pub(in crate::journal) fn made(conn: &Connection, keys: &[String]) -> Result<BTreeMap<String, u32>, Error> {
    let mut select = conn.prepare_cached("SELECT revision FROM transcript WHERE id = ?1")?;
    let mut found = BTreeMap::new();
    for key in keys {
        let revision = select.query_row([id(key)], |row| row.get(0)).optional()?;
        found.extend(revision.map(|revision| (key.clone(), revision)));
    }
    Ok(found)
}

fn id(key: &str) -> [u8; 16] {
    Digest::of(key.as_bytes()).0
}

pub(in crate::journal) fn due(conn: &Connection, now: Millis, limit: usize) -> Result<Vec<Draft>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM draft WHERE due <= ?1 ORDER BY due LIMIT ?2");
    let mut select = conn.prepare_cached(&sql)?;
    let found = select.query_map(params![now, int(limit as u64)], draft_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(in crate::journal) fn items(conn: &Connection, key: &str) -> Result<Vec<Event>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT i.body, i.seq FROM draft d JOIN draft_item i ON i.draft = d.num WHERE d.key = ?1 ORDER BY i.seq",
    )?;
    let mut rows = select.query([key])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_bytes_or_null().ok().flatten().unwrap_or_default();
        match serde_json::from_slice(body) {
            Ok(event) => found.push(event),
            Err(_) => {
                let sequence: i64 = row.get(1)?;
                tracing::error!(
                    "journal: the item of event {sequence} in 'draft_item' is damaged; passed over"
                );
            }
        }
    }
    Ok(found)
}

pub(in crate::journal) fn between(
    conn: &Connection,
    from: Millis,
    to: Millis,
    after: i64,
    limit: usize,
) -> Result<(Vec<Draft>, Option<i64>), Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM draft WHERE num > ?3 AND at >= ?1 AND began < ?2 ORDER BY num LIMIT ?4"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query(params![from, to, after, int(limit as u64)])?;
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        found.push(draft_of(row)?);
        last = Some(row.get(7)?);
    }
    let next = last.filter(|_| found.len() >= limit);
    Ok((found, next))
}

fn draft_of(row: &Row<'_>) -> Result<Draft, rusqlite::Error> {
    Ok(Draft {
        key: row.get(0)?,
        interaction: row.get(1)?,
        began: row.get(2)?,
        at: row.get(3)?,
        due: row.get(4)?,
        body: row.get(5)?,
        revision: row.get(6)?,
    })
}

/// The numbers of those that are meant, by themselves or by an item, and after which the next page goes on.
pub(in crate::journal) fn meant(
    conn: &Connection,
    after: i64,
    selector: &Selector,
) -> Result<(Vec<i64>, Option<i64>), Error> {
    let mut select =
        conn.prepare_cached("SELECT num, interaction, body FROM draft WHERE num > ?1 ORDER BY num LIMIT ?2")?;
    let mut of = conn.prepare_cached("SELECT body FROM draft_item WHERE draft = ?1")?;
    let mut rows = select.query([after, LOOKED_AT])?;
    let (mut found, mut seen, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        (seen, last) = (seen + 1, Some(number));
        let (interaction, body): (String, String) = (row.get(1)?, row.get(2)?);
        let mut is_meant = selector.fits_draft(&interaction, &body);
        if !is_meant && !matches!(selector, Selector::Interaction(_)) {
            let mut items = of.query([number])?;
            while let Some(item) = items.next()? {
                let body = item.get_ref(0)?.as_bytes_or_null().ok().flatten().unwrap_or_default();
                is_meant |= selector.fits(body);
            }
        }
        if is_meant {
            found.push(number);
        }
    }
    Ok((found, last.filter(|_| seen >= LOOKED_AT)))
}

/// Removes one with its items, but for the number of its last transcript; how many drafts went.
pub(in crate::journal) fn remove(conn: &Connection, number: i64) -> Result<u64, rusqlite::Error> {
    let made: Option<(String, u32, i64)> = conn
        .prepare_cached("SELECT key, revision, at FROM draft WHERE num = ?1 AND revision > 0")?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((key, revision, at)) = made {
        conn.prepare_cached("INSERT OR REPLACE INTO transcript (id, revision, at) VALUES (?1, ?2, ?3)")?
            .execute(params![id(&key), revision, at])?;
    }
    conn.prepare_cached("DELETE FROM draft_item WHERE draft = ?1")?.execute([number])?;
    let gone = conn.prepare_cached("DELETE FROM draft WHERE num = ?1")?.execute([number])?;
    Ok(gone as u64)
}

/// Takes one step of removing all; zero when there is nothing left.
pub(in crate::journal) fn clear(conn: &Connection) -> Result<u64, rusqlite::Error> {
    let found = conn.prepare_cached("SELECT num FROM draft LIMIT 1")?.query_row([], |row| row.get(0));
    found.optional()?.map_or(Ok(0), |number| step(conn, number))
}

/// Takes one step of removing those without an event since `before`; zero when there is none.
pub(in crate::journal) fn expire(conn: &Connection, before: i64) -> Result<(u64, u64), rusqlite::Error> {
    let found = conn
        .prepare_cached("SELECT num FROM draft WHERE at < ?1 ORDER BY at LIMIT 1")?
        .query_row([before], |row| row.get(0))
        .optional()?;
    let Some(number) = found else { return Ok((0, 0)) };
    let steps = step(conn, number)?;
    let whole = conn.prepare_cached("SELECT 1 FROM draft WHERE num = ?1")?.exists([number])?;
    Ok((steps, u64::from(!whole)))
}

/// Removes some of the numbers whose last event was before `before`; how many.
pub(in crate::journal) fn expire_made(conn: &Connection, before: i64) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(
        "DELETE FROM transcript WHERE id IN (SELECT id FROM transcript WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?
    .execute([before, ROWS])
    .map(|gone| gone as u64)
}

fn step(conn: &Connection, number: i64) -> Result<u64, rusqlite::Error> {
    let gone = conn
        .prepare_cached(
            "DELETE FROM draft_item WHERE draft = ?1 AND base IN
                 (SELECT base FROM draft_item WHERE draft = ?1 LIMIT ?2)",
        )?
        .execute([number, ROWS])?;
    if gone as u64 == ROWS.unsigned_abs() {
        return Ok(1);
    }
    remove(conn, number).map(|_| 1)
}
