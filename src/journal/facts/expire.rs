//! What sessions know goes in its time: one call is a part of one small transaction and takes at most `rows`.
//!
//! Each finds what it takes through an index, so that a search that finds nothing costs nothing. Open resources,
//! open gaps, accounts and notes do not expire. Deliberately absent: when (see `trim` and `upkeep`).

use rusqlite::{Connection, OptionalExtension};

/// Rows of sessions that were forgotten; whether there are more, and how many went.
pub(in crate::journal) fn forgotten(conn: &Connection, rows: i64) -> Result<(bool, u64), rusqlite::Error> {
    let found: Option<i64> = conn
        .prepare_cached("SELECT num FROM session WHERE name IS NULL LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(session) = found else { return Ok((false, 0)) };
    let gone = conn
        .prepare_cached("DELETE FROM known WHERE num IN (SELECT num FROM known WHERE session = ?1 LIMIT ?2)")?
        .execute([session, rows])?;
    if gone == 0 {
        // Only now: its number may then be given again.
        conn.prepare_cached("DELETE FROM session WHERE num = ?1")?.execute([session])?;
    }
    Ok((true, gone as u64))
}

/// Resources that have ended and were not seen since; how many went.
pub(in crate::journal) fn known(conn: &Connection, before: i64, rows: i64) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(
        "DELETE FROM known WHERE num IN
             (SELECT num FROM known WHERE open = 0 AND at < ?1 ORDER BY at LIMIT ?2)",
    )?
    .execute([before, rows])
    .map(|gone| gone as u64)
}

/// Gaps that were closed before; how many went.
pub(in crate::journal) fn gaps(conn: &Connection, before: i64, rows: i64) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(
        "DELETE FROM gap WHERE num IN (SELECT num FROM gap WHERE ended < ?1 ORDER BY ended LIMIT ?2)",
    )?
    .execute([before, rows])
    .map(|gone| gone as u64)
}
