//! What a start finds in the database: who it is, how much was written, whether its last rows are whole.

use super::api::{Error, Sequence};
use super::engine::Tally;
use super::row::{COLUMNS, Parsed, parse, uint};
use super::schema::{meta, set_meta};
use super::sqlite::kept_tally;
use rusqlite::Connection;

/// Rows looked at when the journal opens: those a crash could have torn.
const LOOK: i64 = 64;

/// The journal's universally unique name and its birth in Unix seconds, given at the first start.
pub(super) fn identity(conn: &mut Connection, now: i64) -> Result<(String, i64), Error> {
    if let (Some(uuid), Some(birth)) = (meta::<String>(conn, "uuid")?, meta::<i64>(conn, "birth")?) {
        return Ok((uuid, birth));
    }
    let uuid = uuid::Uuid::now_v7().to_string();
    let birth = now.div_euclid(1_000);
    let tx = conn.transaction()?;
    set_meta(&tx, "uuid", &uuid)?;
    set_meta(&tx, "birth", birth)?;
    tx.commit()?;
    Ok((uuid, birth))
}

/// What was ever written: what was kept when rows went, or what the last whole row says, whichever is more.
pub(super) fn tally(conn: &Connection) -> Result<Tally, rusqlite::Error> {
    let mut tally = kept_tally(conn)?;
    let mut rows = conn.prepare(&format!("SELECT {COLUMNS} FROM event ORDER BY seq DESC LIMIT {LOOK}"))?;
    let mut rows = rows.query([])?;
    let mut damaged = 0u64;
    while let Some(row) = rows.next()? {
        // Even a damaged row has used its sequence up.
        tally.last = tally.last.max(uint(row.get(0)?));
        match parse(row)? {
            Parsed::Damaged(..) => damaged = damaged.saturating_add(1),
            Parsed::Whole(_, figures) => {
                tally.count = tally.count.max(figures.nth.saturating_add(damaged));
                tally.bytes = tally.bytes.max(figures.total);
                break;
            }
        }
    }
    Ok(tally)
}

/// The damaged ones among the last rows.
pub(super) fn torn(conn: &Connection) -> Result<Vec<(Sequence, String)>, rusqlite::Error> {
    let mut rows = conn.prepare(&format!("SELECT {COLUMNS} FROM event ORDER BY seq DESC LIMIT {LOOK}"))?;
    let mut rows = rows.query([])?;
    let mut torn = Vec::new();
    while let Some(row) = rows.next()? {
        if let Parsed::Damaged(sequence, reason) = parse(row)? {
            torn.push((sequence, reason));
        }
    }
    Ok(torn)
}

/// The latest time the last run has left in its rows.
pub(super) fn last_recorded(conn: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    use rusqlite::OptionalExtension;
    conn.query_row("SELECT recorded FROM event ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).optional()
}
