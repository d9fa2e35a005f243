//! Giving space back on SQLite: free pages to the file system, the write-ahead log into the database.
//!
//! While events flow, freed pages are about to be used again, so some are kept; a drained or idle journal keeps
//! none. SQLite checkpoints nothing by itself here, so that the pause falls between commits.

use super::budget::Budget;
use super::engine::{Compact, Held};
use super::row::uint;
use super::sqlite::{FILE, PAGE};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;
use std::time::Instant;

/// Free pages kept while running: a quarter of what is in use, at least 2 MiB.
const KEEP_PAGES: u64 = (2 << 20) / PAGE;
/// A log of so many times its pages begins anew even if readers must wait for it.
const OVERGROWN: u64 = 4;

/// Works until `until`; true if more is to be done.
pub(super) fn slice(
    conn: &Connection,
    budget: Budget,
    how: Compact,
    until: Instant,
) -> Result<bool, rusqlite::Error> {
    let more = how != Compact::Log && vacuum(conn, budget, how, until)?;
    // A slice that ended early leaves the log to the last one, unless it grows meanwhile.
    log(conn, budget, if more { Compact::Running } else { how })?;
    Ok(more)
}

fn vacuum(conn: &Connection, budget: Budget, how: Compact, until: Instant) -> Result<bool, rusqlite::Error> {
    let step = format!("PRAGMA incremental_vacuum({})", budget.vacuum_pages);
    loop {
        let free = pragma(conn, "PRAGMA freelist_count")?;
        let keep = match how {
            Compact::Log | Compact::Whole => 0,
            Compact::Running => {
                let used = pragma(conn, "PRAGMA page_count")?.saturating_sub(free);
                KEEP_PAGES.max(used / 4)
            }
        };
        if free <= keep {
            return Ok(false);
        }
        if Instant::now() >= until {
            return Ok(true);
        }
        // One step frees one page: it must be stepped to its end.
        let mut vacuum = conn.prepare_cached(&step)?;
        let mut steps = vacuum.query([])?;
        while steps.next()?.is_some() {}
        drop(steps);
        if pragma(conn, "PRAGMA freelist_count")? >= free {
            return Ok(false);
        }
    }
}

fn log(conn: &Connection, budget: Budget, how: Compact) -> Result<(), rusqlite::Error> {
    // A reader in the way ends each of these early; the next round tries again.
    let run = |sql: &str| conn.prepare_cached(sql)?.query_row([], |_| Ok(()));
    if how != Compact::Running {
        return run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    let (pages, written) = conn
        .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
        .query_row([], |row| Ok((uint(row.get(1)?), uint(row.get(2)?))))?;
    if pages >= budget.log_pages.saturating_mul(OVERGROWN) {
        run("PRAGMA wal_checkpoint(RESTART)")
    } else if pages.saturating_sub(written) >= budget.log_pages {
        run("PRAGMA wal_checkpoint(PASSIVE)")
    } else {
        Ok(())
    }
}

/// What the journal holds, from two index seeks and the sizes of its files.
pub(super) fn held(conn: &Connection, dir: &Path) -> Result<Held, rusqlite::Error> {
    let figures: Option<(i64, i64, i64, i64, i64)> = conn
        .prepare_cached(
            "SELECT f.nth, f.total, f.bytes, l.nth, l.total FROM
                 (SELECT nth, total, bytes FROM event ORDER BY seq LIMIT 1) f,
                 (SELECT nth, total FROM event ORDER BY seq DESC LIMIT 1) l",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let (events, bytes) = figures.map_or((0, 0), |(nth, total, bytes, last_nth, last_total)| {
        (
            last_nth.saturating_sub(nth).saturating_add(1),
            last_total.saturating_sub(total).saturating_add(bytes),
        )
    });
    let disk_bytes = ["", "-wal", "-shm"]
        .iter()
        .filter_map(|end| std::fs::metadata(dir.join(format!("{FILE}{end}"))).ok())
        .map(|found| found.len())
        .sum();
    Ok(Held { events: uint(events), bytes: uint(bytes), disk_bytes })
}

fn pragma(conn: &Connection, sql: &str) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(uint)
}
