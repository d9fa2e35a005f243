//! Rows to be erased: found by looking at their bodies, removed by their sequence from every table.

use super::select::Selector;
use crate::journal::api::{Error, Sequence};
use crate::journal::engine::{Outcome, Write};
use crate::journal::row::{int, uint};
use crate::journal::sqlite::keep_tally;
use rusqlite::Connection;
use std::collections::HashSet;

/// Where bodies of events stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Table {
    Event,
    Damaged,
    Parked,
    Dead,
}

/// Those whose rows move between them: a redrive parks a dead letter, and a parked event may die.
pub(super) const ASIDE: [Table; 2] = [Table::Dead, Table::Parked];

/// A row that is meant.
#[derive(Debug)]
pub(in crate::journal) struct Hit {
    pub sequence: Sequence,
    /// Whose copy it is.
    pub sink: Option<String>,
}

/// What one look has found, and after which row the next goes on; none where all were looked at.
#[derive(Debug, Default)]
pub(in crate::journal) struct Page {
    pub found: Vec<Hit>,
    pub next: Option<i64>,
}

/// Rows looked at in one page, which become one transaction at most.
const ROWS: u64 = 512;
/// A page ends after so many bytes of bodies.
const BYTES: u64 = 8 << 20;

/// The row number of an event.
pub(super) fn position(sequence: Sequence) -> i64 {
    int(sequence)
}

pub(in crate::journal) fn matching(
    conn: &Connection,
    table: Table,
    after: i64,
    selector: &Selector,
) -> Result<Page, Error> {
    let (columns, from, order) = match table {
        Table::Event => ("seq, seq, NULL, body", "event", "seq"),
        Table::Damaged => ("seq, seq, NULL, body", "damaged", "seq"),
        Table::Parked => ("num, seq, sink, body", "parked", "num"),
        Table::Dead => ("number, seq, sink, body", "dead_letter", "number"),
    };
    let sql = format!("SELECT {columns} FROM {from} WHERE {order} > ?1 ORDER BY {order} LIMIT {ROWS}");
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([after])?;
    let mut page = Page::default();
    let (mut seen, mut bytes) = (0u64, 0u64);
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        seen = seen.saturating_add(1);
        // A damaged row may hold anything, or nothing.
        let body = row.get_ref(3)?.as_bytes_or_null().ok().flatten().unwrap_or_default();
        bytes = bytes.saturating_add(body.len() as u64);
        if selector.fits(body) {
            page.found.push(Hit { sequence: uint(row.get(1)?), sink: row.get(2)? });
        }
        if seen >= ROWS || bytes >= BYTES {
            page.next = Some(number);
            break;
        }
    }
    Ok(page)
}

/// Removes an event wherever it stands. `in_hand` says that a lane may have it: what it wants to keep of it later is
/// not taken.
pub(in crate::journal) fn remove(
    conn: &Connection,
    sequence: Sequence,
    in_hand: bool,
    outcome: &mut Outcome,
) -> Result<(), rusqlite::Error> {
    // It may be the last one, which the tally would otherwise be read from at the next start.
    keep_tally(conn, outcome.tally)?;
    let gone = |sql: &str| conn.prepare_cached(sql)?.execute([int(sequence)]).map(|gone| gone as u64);
    let events = gone("DELETE FROM event WHERE seq = ?1")?;
    let damaged = gone("DELETE FROM damaged WHERE seq = ?1")?;
    let parked = gone("DELETE FROM parked WHERE seq = ?1")?;
    let dead = gone("DELETE FROM dead_letter WHERE seq = ?1")?;
    if in_hand || parked > 0 || dead > 0 {
        outcome.erased.push(sequence);
    }
    for gone in [events, damaged, parked, dead] {
        outcome.touched(gone)?;
    }
    Ok(())
}

/// Whether a lane, which had the event in hand when it was erased, wants to keep a copy of it.
pub(in crate::journal) fn barred(erased: &HashSet<Sequence>, write: &Write) -> bool {
    match write {
        Write::Park { parked, .. } => erased.contains(&parked.sequence),
        Write::Dead { letter, .. } => erased.contains(&letter.sequence),
        _ => false,
    }
}

/// An interaction has rows in the sessions of all who saw it; an agent's sessions are those of its name at any site.
/// A value stands in none: they hold words and digests.
fn known(selector: &Selector) -> Option<(&'static str, &str)> {
    match selector {
        Selector::Interaction(id) => Some(("id = ?1 AND kind NOT IN ('device', 'channel')", id)),
        Selector::Agent(agent) => Some((
            "session IN (SELECT num FROM session WHERE substr(name, instr(name, '/') + 1) = ?1)",
            agent,
        )),
        Selector::Field { .. } => None,
    }
}

pub(in crate::journal) fn count_known(conn: &Connection, selector: &Selector) -> Result<u64, Error> {
    let Some((which, value)) = known(selector) else { return Ok(0) };
    let sql = format!("SELECT count(*) FROM known WHERE {which}");
    Ok(conn.prepare_cached(&sql)?.query_row([value], |row| row.get(0)).map(uint)?)
}

pub(in crate::journal) fn remove_known(
    conn: &Connection,
    selector: &Selector,
) -> Result<u64, rusqlite::Error> {
    let Some((which, value)) = known(selector) else { return Ok(0) };
    let gone = conn.prepare_cached(&format!("DELETE FROM known WHERE {which}"))?.execute([value])?;
    Ok(gone as u64)
}
