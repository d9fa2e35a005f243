//! Rows of what sessions know, as they are read back.
//!
//! Of resources and gaps a row that can not be read is passed over, so that it hides no other; of accounts and
//! notes it is an error, because what is missing there would be acted upon.

use crate::base::digest::Digest;
use crate::base::envelope::Word;
use crate::journal::api::{Account, Error, Gap, Known};
use crate::journal::row::{int, uint};
use rusqlite::{Connection, Params, Row, params};

const KNOWN: &str = "s.name, k.kind, k.id, k.open, k.last_index, k.shadow, k.at, k.num
     FROM session s JOIN known k ON k.session = s.num";

pub(in crate::journal) fn known(conn: &Connection, session: &str) -> Result<Vec<Known>, Error> {
    let sql = format!("SELECT {KNOWN} WHERE s.name = ?1 ORDER BY k.kind, k.id");
    readable(conn, &sql, [session], "known", known_of)
}

pub(in crate::journal) fn known_one(
    conn: &Connection,
    session: &str,
    kind: &str,
    id: &str,
) -> Result<Option<Known>, Error> {
    let sql = format!("SELECT {KNOWN} WHERE s.name = ?1 AND k.kind = ?2 AND k.id = ?3");
    Ok(readable(conn, &sql, [session, kind, id], "known", known_of)?.pop())
}

/// The number grows with each new gap, so that it is the order of time whatever the clock did.
pub(in crate::journal) fn gaps(
    conn: &Connection,
    session: Option<&str>,
    only_open: bool,
    limit: usize,
) -> Result<Vec<Gap>, Error> {
    let which = match (session.is_some(), only_open) {
        (false, false) => "?1 IS NULL",
        (false, true) => "?1 IS NULL AND ended IS NULL",
        (true, false) => "session = ?1",
        // The plus keeps to the index of sessions: one session has few gaps, all together may have many open ones.
        (true, true) => "session = ?1 AND +ended IS NULL",
    };
    let sql = format!(
        "SELECT id, session, began, opened, ended, cause, certainty, first, num FROM gap
         WHERE {which} ORDER BY num DESC LIMIT ?2"
    );
    readable(conn, &sql, params![session, int(limit as u64)], "gap", gap_of)
}

pub(in crate::journal) fn accounts(conn: &Connection) -> Result<Vec<Account>, Error> {
    let mut select =
        conn.prepare_cached("SELECT session, worked, refused, reason, at FROM account ORDER BY session")?;
    let found = select.query_map([], account_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(in crate::journal) fn notes(conn: &Connection, prefix: &str) -> Result<Vec<(String, String)>, Error> {
    let mut select = conn.prepare_cached("SELECT name, value FROM note WHERE name >= ?1 ORDER BY name")?;
    let mut rows = select.query([prefix])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if !name.starts_with(prefix) {
            break;
        }
        found.push((name, row.get(1)?));
    }
    Ok(found)
}

/// Every row that can be read; another one is named by its table and its `num`.
pub(in crate::journal) fn readable<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    table: &str,
    parse: fn(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<T>, Error> {
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match parse(row) {
            Ok(one) => found.push(one),
            Err(_) => {
                let number: i64 = row.get("num")?;
                tracing::error!("journal: row {number} of '{table}' is damaged; passed over");
            }
        }
    }
    Ok(found)
}

fn known_of(row: &Row<'_>) -> Result<Known, rusqlite::Error> {
    Ok(Known {
        session: row.get(0)?,
        kind: Word::Owned(row.get(1)?),
        id: row.get(2)?,
        open: row.get(3)?,
        last_index: row.get(4)?,
        shadow: row.get(5)?,
        at: row.get(6)?,
    })
}

fn gap_of(row: &Row<'_>) -> Result<Gap, rusqlite::Error> {
    Ok(Gap {
        id: row.get(0)?,
        session: row.get(1)?,
        from: row.get(2)?,
        opened: row.get(3)?,
        to: row.get(4)?,
        cause: row.get(5)?,
        certainty: row.get(6)?,
        first: uint(row.get(7)?),
    })
}

fn account_of(row: &Row<'_>) -> Result<Account, rusqlite::Error> {
    let digest = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(at)?.map(Digest));
    Ok(Account {
        session: row.get(0)?,
        worked: digest(1)?,
        refused: digest(2)?,
        reason: row.get(3)?,
        at: row.get(4)?,
    })
}
