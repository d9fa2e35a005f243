//! The writing side on SQLite: one connection, one transaction for each list of writes.
//!
//! `synchronous` is FULL for what somebody waits for and NORMAL for the rest; it is set outside transactions.
//! Trimming and giving space back are in `trim` and `compact`, what sessions know in `facts`, reading
//! in `read`.

use super::api::{Error, MAX_DIGESTS, MarkWrite, Sequence};
use super::aside;
use super::budget::Budget;
use super::contexts;
use super::drafts;
use super::engine::{Compact, Durability, Engine, Held, Outcome, Plan, Tally, Trimmed, Write};
use super::erase;
use super::facts;
use super::fault::{self, Fault};
use super::row::{Figures, checksum, int, uint};
use super::schema::{self, set_meta};
use super::trim::Sweep;
use crate::base::time::Clock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const FILE: &str = "journal.sqlite";
/// The page size of every journal.
pub(super) const PAGE: u64 = 8_192;
/// A conversation's activity is written again only after this: most commits then touch its marks alone.
pub(super) const ACTIVITY_GRAIN: i64 = 600_000;
/// Readers are short and take no lock that stops a writer; only a foreign process makes this wait.
const BUSY: Duration = Duration::from_millis(100);

/// The engine of this release.
pub(super) struct Sqlite {
    pub(super) conn: Connection,
    pub(super) dir: PathBuf,
    pub(super) tally: Tally,
    pub(super) sweep: Sweep,
    pub(super) budget: Budget,
    /// Events that were erased while a lane could have them in hand, since this process began: no copy of one is
    /// taken any more.
    erased: HashSet<Sequence>,
    clock: Clock,
    synchronous: Option<Durability>,
}

/// Opens the database for writing, making or upgrading it; the caller holds the lock on the directory.
pub(super) fn open(dir: &Path, clock: &Clock, budget: Budget) -> Result<Sqlite, Error> {
    let path = dir.join(FILE);
    // Made here, because SQLite would make it readable by others; its other files take this one's mode.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    File::open(dir)?.sync_all()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&path, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    // The first two only count before the first table exists.
    conn.pragma_update(None, "page_size", int(PAGE))?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let path = path.display().to_string();
        let reason =
            format!("this file system allows no write-ahead log (SQLite answered '{mode}'); use a local one");
        return Err(Error::Directory { path, reason });
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.pragma_update(None, "secure_delete", "ON")?;
    conn.pragma_update(None, "cache_size", -8_192)?;
    keep_plans(&conn)?;
    schema::upgrade(&mut conn, &path, schema::STEPS)?;
    let mut engine = Sqlite {
        conn,
        dir: dir.to_owned(),
        tally: Tally::default(),
        sweep: Sweep::default(),
        budget,
        erased: HashSet::new(),
        clock: clock.clone(),
        synchronous: None,
    };
    // What an earlier run could not fsync may stand in the page cache only: write it anew before relying on it.
    engine.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    engine.tally = super::recover::tally(&engine.conn)?;
    Ok(engine)
}

impl Sqlite {
    /// Sets what a commit waits for; cheap, and only possible outside a transaction.
    pub(super) fn synchronous(&mut self, wanted: Durability) -> Result<(), rusqlite::Error> {
        if self.synchronous == Some(wanted) {
            return Ok(());
        }
        self.synchronous = None;
        let word = match wanted {
            Durability::Full => "FULL",
            Durability::Lazy => "NORMAL",
        };
        self.conn.pragma_update(None, "synchronous", word)?;
        self.synchronous = Some(wanted);
        Ok(())
    }

    pub(super) fn fault(&self, error: rusqlite::Error) -> Fault {
        fault::of_sqlite(error, &self.dir)
    }

    fn try_commit(&mut self, writes: &[Write], durability: Durability) -> Result<Outcome, rusqlite::Error> {
        self.synchronous(durability)?;
        let now = self.clock.now();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcome = Outcome { tally: self.tally, ..Outcome::default() };
        for write in writes {
            if !erase::rows::barred(&self.erased, write) {
                apply(&tx, write, &mut outcome, now)?;
            }
        }
        tx.commit()?;
        self.erased.extend(&outcome.erased);
        self.tally = outcome.tally;
        Ok(outcome)
    }
}

impl Sqlite {
    /// Goes on above `last`, so that no sequence of a lost part is given out again.
    pub(super) fn raise(&mut self, last: Sequence) -> Result<(), rusqlite::Error> {
        let raised = Tally { last: self.tally.last.max(last), ..self.tally };
        self.synchronous(Durability::Full)?;
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        keep_tally(&tx, raised)?;
        tx.commit()?;
        self.tally = raised;
        Ok(())
    }

    /// The positions on disk.
    pub(super) fn positions(&self) -> Result<BTreeMap<String, Sequence>, rusqlite::Error> {
        let mut select = self.conn.prepare("SELECT sink, seq FROM position")?;
        let found = select.query_map([], |row| Ok((row.get(0)?, uint(row.get(1)?))))?;
        found.collect()
    }
}

/// A statement's plan does not depend on what is bound to it. Else SQLite would parse a statement anew for each new
/// value, which costs more than most of them do.
pub(super) fn keep_plans(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

impl Engine for Sqlite {
    fn tally(&self) -> Tally {
        self.tally
    }

    fn commit(&mut self, writes: &[Write], durability: Durability) -> Result<Outcome, Fault> {
        self.try_commit(writes, durability).map_err(|error| self.fault(error))
    }

    fn trim(&mut self, plan: &Plan, until: Instant) -> Result<Trimmed, Fault> {
        super::trim::slice(self, plan, until).map_err(|error| self.fault(error))
    }

    fn sweep(&mut self) {
        self.sweep = Sweep::begin();
    }

    fn compact(&mut self, how: Compact, until: Instant) -> Result<bool, Fault> {
        super::compact::slice(&self.conn, self.budget, how, until).map_err(|error| self.fault(error))
    }

    fn rebuild(&mut self) -> bool {
        let done = self.conn.execute_batch("VACUUM");
        if let Err(error) = &done {
            tracing::warn!("journal: it could not be written anew: {error}");
        }
        done.is_ok()
    }

    fn held(&self) -> Result<Held, Fault> {
        super::compact::held(&self.conn, &self.dir).map_err(|error| self.fault(error))
    }
}

fn apply(conn: &Connection, write: &Write, outcome: &mut Outcome, now: i64) -> Result<(), rusqlite::Error> {
    match write {
        Write::Event { body, recorded } => event(conn, body, *recorded, &mut outcome.tally),
        Write::Mark(mark) => self::mark(conn, mark),
        Write::State(state) => conn
            .prepare_cached("INSERT OR REPLACE INTO state (resource, content, at) VALUES (?1, ?2, ?3)")?
            .execute(params![state.resource.0, state.content.0, state.at])
            .map(|_| ()),
        Write::Known(known) => facts::write::known(conn, known),
        Write::Gap(gap) => facts::write::gap(conn, gap),
        Write::Erase { sequence, in_hand } => erase::rows::remove(conn, *sequence, *in_hand, outcome),
        Write::EraseKnown(selector) => outcome.touched(erase::rows::remove_known(conn, selector)?),
        Write::Draft(draft) => drafts::rows::write(conn, draft),
        Write::DraftItem(item, body) => drafts::rows::write_item(conn, item, body),
        Write::EraseDraft(number) => outcome.touched(drafts::rows::remove(conn, *number)?),
        Write::Context(value) => contexts::rows::write(conn, value),
        Write::EraseContext(of) => outcome.touched(contexts::rows::remove(conn, of)?),
        Write::KeepContexts { paths } => outcome.touched(contexts::rows::keep(conn, paths)?),
        Write::ClearDrafts => outcome.touched(drafts::rows::clear(conn)?),
        Write::Account(account) => facts::write::account(conn, account),
        Write::Note { name, value } => facts::write::note(conn, name, value.as_deref()),
        Write::Checkpoint(point) if point.body.is_empty() => facts::write::forget(conn, &point.session),
        Write::Checkpoint(point) => conn
            .prepare_cached("INSERT OR REPLACE INTO checkpoint (session, body, at) VALUES (?1, ?2, ?3)")?
            .execute(params![point.session, point.body, now])
            .map(|_| ()),
        Write::Position { sink, at } => conn
            .prepare_cached(
                "INSERT INTO position (sink, seq, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sink) DO UPDATE SET seq = max(seq, excluded.seq), at = excluded.at",
            )?
            .execute(params![sink, int(*at), now])
            .map(|_| ()),
        Write::SetPosition { sink, at } => conn
            .prepare_cached("INSERT OR REPLACE INTO position (sink, seq, at) VALUES (?1, ?2, ?3)")?
            .execute(params![sink, int(*at), now])
            .map(|_| ()),
        Write::Spoilt { sink, sequence } => aside::parked::spoilt(conn, sink, *sequence),
        Write::Dead { sink, letter, body } => aside::letters::dead(conn, sink, letter, body),
        Write::SetAside { sequence, reason } => {
            outcome.set_aside =
                outcome.set_aside.saturating_add(set_aside(conn, *sequence, reason, outcome.tally)?);
            Ok(())
        }
        Write::Park { sink, parked, body } => aside::parked::park(conn, sink, parked, body),
        Write::Tried { sink, tried } => aside::parked::tried(conn, sink, tried),
        Write::Unpark { sink, sequence } => aside::parked::unpark(conn, sink, *sequence),
        Write::Forget { number, .. } => outcome.touched(aside::letters::forget(conn, *number)?),
        Write::Redrive { number, at, .. } => outcome.touched(aside::letters::redrive(conn, *number, *at)?),
        Write::TakeUp { number, key, .. } => {
            outcome.touched(aside::letters::take_up(conn, *number, key, now)?)
        }
    }
}

fn event(conn: &Connection, body: &[u8], recorded: i64, tally: &mut Tally) -> Result<(), rusqlite::Error> {
    let bytes = body.len() as u64;
    let next = Tally {
        last: tally.last.saturating_add(1),
        count: tally.count.saturating_add(1),
        bytes: tally.bytes.saturating_add(bytes),
    };
    let figures = Figures { sequence: next.last, recorded, nth: next.count, total: next.bytes };
    conn.prepare_cached(
        "INSERT INTO event (seq, recorded, nth, bytes, total, digest, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        int(next.last),
        recorded,
        int(next.count),
        int(bytes),
        int(next.bytes),
        checksum(figures, body),
        body
    ])?;
    *tally = next;
    Ok(())
}

fn mark(conn: &Connection, write: &MarkWrite) -> Result<(), rusqlite::Error> {
    let found: Option<(i64, i64)> = conn
        .prepare_cached("SELECT num, last_activity FROM conversation WHERE id = ?1")?
        .query_row([write.conversation.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let number = match found {
        Some((number, last)) => {
            if write.at > last.saturating_add(ACTIVITY_GRAIN) {
                conn.prepare_cached("UPDATE conversation SET last_activity = ?2 WHERE num = ?1")?
                    .execute([number, write.at])?;
            }
            number
        }
        None => {
            conn.prepare_cached("INSERT INTO conversation (id, last_activity) VALUES (?1, ?2)")?
                .execute(params![write.conversation.0, write.at])?;
            conn.last_insert_rowid()
        }
    };
    // `||` makes text of two blobs, hence the cast; the bytes stay as they are.
    conn.prepare_cached(
        "INSERT INTO mark (conversation, idx, digests, revision) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (conversation, idx) DO UPDATE SET
             digests = substr(CAST(digests || excluded.digests AS BLOB), ?5),
             revision = max(revision, excluded.revision)",
    )?
    .execute(params![number, write.index, write.content.0, write.revision, -int(MAX_DIGESTS as u64 * 16)])
    .map(|_| ())
}

fn set_aside(
    conn: &Connection,
    sequence: Sequence,
    reason: &str,
    tally: Tally,
) -> Result<u64, rusqlite::Error> {
    // The row may be the last one, which the tally would otherwise be read from at the next start.
    keep_tally(conn, tally)?;
    conn.prepare_cached(
        "INSERT OR REPLACE INTO damaged (seq, body, reason) SELECT seq, body, ?2 FROM event WHERE seq = ?1",
    )?
    .execute(params![int(sequence), reason])?;
    let gone = conn.prepare_cached("DELETE FROM event WHERE seq = ?1")?.execute([int(sequence)])?;
    Ok(gone as u64)
}

/// Writes down what was ever written, before rows that tell it go.
pub(super) fn keep_tally(conn: &Connection, tally: Tally) -> Result<(), rusqlite::Error> {
    set_meta(conn, "last", int(tally.last))?;
    set_meta(conn, "count", int(tally.count))?;
    set_meta(conn, "bytes", int(tally.bytes))
}

/// What [`keep_tally`] wrote last.
pub(super) fn kept_tally(conn: &Connection) -> Result<Tally, rusqlite::Error> {
    let kept = |name: &str| schema::meta::<i64>(conn, name).map(|found| uint(found.unwrap_or(0)));
    Ok(Tally { last: kept("last")?, count: kept("count")?, bytes: kept("bytes")? })
}
