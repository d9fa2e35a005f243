//! Rows of what sessions know, as they are written: each call a part of the caller's transaction.

use crate::journal::api::{Account, Gap, Known};
use crate::journal::row::int;
use rusqlite::{Connection, OptionalExtension, params};

/// Replaces what was known of the resource.
pub(in crate::journal) fn known(conn: &Connection, known: &Known) -> Result<(), rusqlite::Error> {
    let session = session(conn, &known.session)?;
    conn.prepare_cached(
        "INSERT INTO known (session, kind, id, open, last_index, shadow, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (session, kind, id) DO UPDATE SET
             open = excluded.open, last_index = excluded.last_index, shadow = excluded.shadow, at = excluded.at",
    )?
    .execute(params![
        session,
        &*known.kind,
        known.id,
        i64::from(known.open),
        known.last_index,
        known.shadow,
        known.at
    ])
    .map(|_| ())
}

/// The number of a session, given where it has none.
fn session(conn: &Connection, name: &str) -> Result<i64, rusqlite::Error> {
    let found = conn
        .prepare_cached("SELECT num FROM session WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(number) = found {
        return Ok(number);
    }
    conn.prepare_cached("INSERT INTO session (name) VALUES (?1)")?.execute([name])?;
    Ok(conn.last_insert_rowid())
}

/// Replaces the gap of that id; it keeps its place among the others.
pub(in crate::journal) fn gap(conn: &Connection, gap: &Gap) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "INSERT INTO gap (id, session, began, opened, ended, cause, certainty, first)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET
             session = excluded.session, began = excluded.began, opened = excluded.opened,
             ended = excluded.ended, cause = excluded.cause, certainty = excluded.certainty,
             first = excluded.first",
    )?
    .execute(params![
        gap.id,
        gap.session,
        gap.from,
        gap.opened,
        gap.to,
        gap.cause,
        gap.certainty,
        int(gap.first)
    ])
    .map(|_| ())
}

/// Of an account of which nothing is known any more no row stays.
pub(in crate::journal) fn account(conn: &Connection, account: &Account) -> Result<(), rusqlite::Error> {
    if account.worked.is_none() && account.refused.is_none() {
        conn.prepare_cached("DELETE FROM account WHERE session = ?1")?.execute([&account.session])?;
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT OR REPLACE INTO account (session, worked, refused, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        account.session,
        account.worked.map(|digest| digest.0),
        account.refused.map(|digest| digest.0),
        account.reason,
        account.at
    ])
    .map(|_| ())
}

pub(in crate::journal) fn note(
    conn: &Connection,
    name: &str,
    value: Option<&str>,
) -> Result<(), rusqlite::Error> {
    match value {
        Some(value) => conn
            .prepare_cached("INSERT OR REPLACE INTO note (name, value) VALUES (?1, ?2)")?
            .execute([name, value]),
        None => conn.prepare_cached("DELETE FROM note WHERE name = ?1")?.execute([name]),
    }
    .map(|_| ())
}

/// Forgets a session, but for a secret of it that was refused: it is not to be tried again by an agent that comes
/// back. What it knew may be many rows: without its name they are out of sight, and go in slices.
pub(in crate::journal) fn forget(conn: &Connection, session: &str) -> Result<(), rusqlite::Error> {
    for sql in [
        "DELETE FROM checkpoint WHERE session = ?1",
        "DELETE FROM account WHERE session = ?1 AND refused IS NULL",
        "DELETE FROM gap WHERE session = ?1 AND ended IS NULL",
        "UPDATE session SET name = NULL WHERE name = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([session])?;
    }
    Ok(())
}
