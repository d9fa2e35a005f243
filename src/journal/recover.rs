//! What a start finds in the database: who it is, how much was written, whether its last rows are whole.

use super::api::{Error, Sequence};
use super::engine::Tally;
use super::row::{COLUMNS, Parsed, parse, uint};
use super::schema::{meta, set_meta};
use super::sqlite::kept_tally;
use rusqlite::Connection;
use rusqlite::types::Value;

/// Rows looked at when the journal opens: those a crash could have torn.
const LOOK: i64 = 64;
/// The key's name in `meta`.
pub(super) const KEY: &str = "digest_key";
const DAMAGED_KEY: &str =
    "the key of its digests is damaged: bring journal.sqlite back from a copy, or begin with a new state_dir";

/// Who the journal is.
pub(super) struct Identity {
    /// Universally unique.
    pub uuid: String,
    /// Unix seconds.
    pub birth: i64,
    /// Of the digests that stand in it.
    pub key: [u8; 32],
}

/// The journal's name and birth, given at the first start, and its key, given then or when an older one is upgraded.
pub(super) fn identity(conn: &mut Connection, now: i64) -> Result<Identity, Error> {
    let tx = conn.transaction()?;
    let (uuid, birth) = match (meta::<String>(&tx, "uuid")?, meta::<i64>(&tx, "birth")?) {
        (Some(uuid), Some(birth)) => (uuid, birth),
        _ => {
            let (uuid, birth) = (uuid::Uuid::now_v7().to_string(), now.div_euclid(1_000));
            set_meta(&tx, "uuid", &uuid)?;
            set_meta(&tx, "birth", birth)?;
            (uuid, birth)
        }
    };
    let (key, stored) = key_of(&tx)?;
    if !stored {
        set_meta(&tx, KEY, key)?;
    }
    tx.commit()?;
    Ok(Identity { uuid, birth, key })
}

/// The key as it is stored, or a new one where there is none yet.
pub(super) fn key_of(conn: &Connection) -> Result<([u8; 32], bool), Error> {
    match meta::<Value>(conn, KEY)? {
        None => {
            let mut key = [0; 32];
            aws_lc_rs::rand::fill(&mut key)
                .map_err(|_| std::io::Error::other("the system gave no random bytes for a key"))?;
            Ok((key, false))
        }
        // A new one in its place would forget which secrets were refused.
        Some(found) => {
            let key = usable(&found).ok_or_else(|| Error::Row(DAMAGED_KEY.to_owned()))?;
            Ok((key, true))
        }
    }
}

fn usable(found: &Value) -> Option<[u8; 32]> {
    match found {
        Value::Blob(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    }
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
