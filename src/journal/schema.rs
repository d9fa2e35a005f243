//! The tables, and how an older journal is brought up to date in place.
//!
//! Each step is one transaction and is never edited once released: a journal of any older release goes through
//! the same steps as it would have. Deliberately absent: steps back.

use super::api::Error;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::path::Path;

/// The first release.
///
/// `event` keeps its small columns before the body, so that looking at them reads no overflow page. `mark` is
/// keyed by a conversation's number, not its digest: conversations that live at the same time then share pages,
/// which is most of what a commit costs.
pub(super) const V1: &str = "
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    recorded INTEGER NOT NULL,
    nth INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    total INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE conversation (
    num INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    last_activity INTEGER NOT NULL
);
CREATE TABLE mark (
    conversation INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    digests BLOB NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (conversation, idx)
) WITHOUT ROWID;
CREATE TABLE state (
    resource BLOB PRIMARY KEY,
    content BLOB NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE checkpoint (
    session TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE position (
    sink TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letter (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_failure INTEGER NOT NULL,
    last_failure INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX dead_letter_of ON dead_letter (sink, seq);
CREATE INDEX dead_letter_when ON dead_letter (last_failure);
CREATE TABLE damaged (
    seq INTEGER PRIMARY KEY,
    body BLOB,
    reason TEXT NOT NULL
);
";

/// What sessions know: their resources, their gaps, their accounts; and small facts by name.
///
/// A session's name stands once, in `session`; a session that is forgotten loses its name there, and its rows of
/// `known` go later, in slices. `known` is keyed by a number, not by what it is looked up by: rows that live at the
/// same time then share pages, and an update of one touches no index (unless it has ended).
/// `gap` repeats the name, because a closed gap outlives a session that is forgotten.
pub(super) const V2: &str = "
CREATE TABLE session (
    num INTEGER PRIMARY KEY,
    name TEXT UNIQUE
);
CREATE TABLE known (
    num INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    open INTEGER NOT NULL,
    last_index INTEGER,
    at INTEGER NOT NULL,
    shadow TEXT NOT NULL
);
CREATE UNIQUE INDEX known_of ON known (session, kind, id);
CREATE INDEX known_ended ON known (at) WHERE open = 0;
CREATE TABLE gap (
    num INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    began INTEGER,
    opened INTEGER NOT NULL,
    ended INTEGER,
    cause TEXT NOT NULL,
    certainty TEXT NOT NULL,
    first INTEGER NOT NULL
);
CREATE INDEX gap_of ON gap (session);
CREATE INDEX gap_ended ON gap (ended);
CREATE TABLE account (
    session TEXT PRIMARY KEY,
    worked BLOB,
    refused BLOB,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE note (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// What sinks could not deliver: parked events, and dead letters that can be asked for again.
///
/// A parked event has a row of its own with its body, so that it holds nothing back; it is found by its key, in order.
pub(super) const V3: &str = "
CREATE TABLE parked (
    num INTEGER PRIMARY KEY,
    sink TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_failure INTEGER,
    due INTEGER NOT NULL,
    late INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    answer TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX parked_of ON parked (sink, seq);
CREATE INDEX parked_key ON parked (sink, key, seq);
ALTER TABLE dead_letter ADD COLUMN answer TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN redrive INTEGER;
CREATE INDEX dead_letter_redrive ON dead_letter (sink, redrive) WHERE redrive IS NOT NULL;
";

/// Step n brings version n to n + 1.
pub(super) const STEPS: &[&str] =
    &[V1, V2, V3, super::drafts::rows::SCHEMA, super::contexts::rows::SCHEMA, super::drafts::rows::NUMBERS];

/// Brings the schema up to the last step; refuses a journal that knows more steps than this release.
pub(super) fn upgrade(conn: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), Error> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let found = version(conn)?;
    if found > known {
        return Err(Error::Newer { path: path.display().to_string(), found, known });
    }
    let behind = usize::try_from(found).unwrap_or(0);
    for (step, to) in steps.iter().skip(behind).zip(found.saturating_add(1)..) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if to == 1 {
            tx.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) WITHOUT ROWID")?;
        }
        tx.execute_batch(step)?;
        tx.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('schema', ?1)", [to])?;
        tx.commit()?;
        if found > 0 {
            tracing::info!("journal: schema brought from version {} to {to}", to.saturating_sub(1));
        }
    }
    Ok(())
}

/// The version of an open journal; 0 for a new one.
pub(super) fn version(conn: &Connection) -> Result<i64, Error> {
    let made: bool = conn.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'",
        [],
        |row| row.get(0),
    )?;
    if !made {
        return Ok(0);
    }
    Ok(meta(conn, "schema")?.unwrap_or(0))
}

/// One value of `meta`.
pub(super) fn meta<T: rusqlite::types::FromSql>(
    conn: &Connection,
    name: &str,
) -> Result<Option<T>, rusqlite::Error> {
    let mut found = conn.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    found.query_row([name], |row| row.get(0)).optional()
}

/// Sets one value of `meta`.
pub(super) fn set_meta(
    conn: &Connection,
    name: &str,
    value: impl rusqlite::ToSql,
) -> Result<(), rusqlite::Error> {
    let mut set = conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?;
    set.execute(rusqlite::params![name, value]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_journal_is_upgraded_in_place_and_keeps_its_rows() {
        let mut conn = Connection::open_in_memory().unwrap();
        upgrade(&mut conn, Path::new("x"), &[V1]).unwrap();
        conn.execute("INSERT INTO position VALUES ('crm', 7, 0)", []).unwrap();
        let steps = [V1, "ALTER TABLE position ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"];
        upgrade(&mut conn, Path::new("x"), &steps).unwrap();
        assert_eq!(version(&conn).unwrap(), 2);
        let row: (i64, String) = conn
            .query_row("SELECT seq, note FROM position WHERE sink = 'crm'", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, (7, "none".to_owned()));
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_version_whole() {
        let mut conn = Connection::open_in_memory().unwrap();
        upgrade(&mut conn, Path::new("x"), &[V1]).unwrap();
        let steps = [V1, "CREATE TABLE extra (x); CREATE TABLE event (clash)"];
        assert!(upgrade(&mut conn, Path::new("x"), &steps).is_err());
        assert_eq!(version(&conn).unwrap(), 1);
        let extra: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'extra'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(extra, 0);
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        upgrade(&mut conn, Path::new("x"), &[V1, "CREATE TABLE later (x)"]).unwrap();
        match upgrade(&mut conn, Path::new("x"), &[V1]) {
            Err(Error::Newer { found: 2, known: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}
