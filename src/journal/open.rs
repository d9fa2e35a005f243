//! Opening: the directory, the lock, the database, what it should have held, the reserve, the threads.

use super::api::{Config, Error, Head, Recovery};
use super::budget::Budget;
use super::engine::{Durability, Engine, Opener, Reading, Write};
use super::expiry::Expiry;
use super::fault::{self, Fault};
use super::group::Deferred;
use super::high_water::{self, HighWater, Mark};
use super::readers::Readers;
use super::recover::Identity;
use super::reserve::Reserve;
use super::shared::Shared;
use super::sqlite::{self, Sqlite};
use super::upkeep::Upkeep;
use super::writer::Writer;
use super::{Inner, Journal, directory, lock, read, recover};
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

/// Sequences passed over when a journal was shortened: the mark lies some seconds behind what was given out.
pub(super) const PASS_OVER: u64 = 10_000_000;

/// Opens the journal; `wrap` lets a test stand between the writer and its engine.
pub(super) fn open(
    config: Config,
    clock: Clock,
    metrics: Metrics,
    health: Health,
    wrap: impl FnOnce(Sqlite) -> Box<dyn Engine>,
) -> Result<(Journal, Recovery), Error> {
    let dir = config.state_dir.clone();
    directory::prepare(&dir)?;
    let lock = lock::take(&dir)?;
    let mark = load_mark(&dir)?;
    let budget = Budget::of(config.reserve_bytes);
    let mut engine = open_engine(&dir, &clock, budget)?;
    let Identity { uuid, birth, key } = recover::identity(&mut engine.conn, clock.now())?;
    let shortened = settle_shortened(&config, &mark, &uuid, &mut engine)?;
    set_torn_aside(&mut engine, &metrics)?;
    let reserve = Reserve::open(&dir, config.reserve_bytes)?;
    let tally = engine.tally;
    let known = Mark { uuid: uuid.clone(), last: tally.last, count: tally.count, at: clock.now() };
    high_water::store(&dir, &known)?;
    let seen = recover::last_recorded(&engine.conn)?;
    let seen = seen.max(mark.and_then(Result::ok).map(|mark| mark.at));

    let opener: Opener = {
        let dir = dir.clone();
        Arc::new(move || Ok(Box::new(read::open(&dir)?) as Box<dyn Reading>))
    };
    let readers = Readers::start(&opener)?;
    let head = Head { last: tally.last, total_bytes: tally.bytes };
    let shared = Arc::new(Shared::new(head, engine.positions()?));
    let (ops, inbox) = channel();
    let writer = Writer {
        engine: wrap(engine),
        inbox,
        backlog: VecDeque::new(),
        deferred: Deferred::default(),
        sinks: None,
        upkeep: Upkeep::new(Expiry::new(seen, clock.now())),
        reserve,
        budget,
        high_water: HighWater::new(&dir, &uuid, tally),
        shared: Arc::clone(&shared),
        config,
        clock: clock.clone(),
        metrics,
        health,
        _lock: lock,
    };
    let writer = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run())?;
    let writer = Mutex::new(Some(writer));
    let drafts = tokio::sync::Mutex::new(());
    let erased = tokio::sync::Mutex::default();
    let inner = Inner { ops, shared, readers, opener, clock, birth, key, writer, drafts, erased };
    let recovery = Recovery { last: tally.last, shortened, birth, uuid };
    Ok((Journal(Arc::new(inner)), recovery))
}

/// `Some(Err)` where a file is there that is no mark.
fn load_mark(dir: &Path) -> Result<Option<Result<Mark, ()>>, Error> {
    match high_water::load(dir) {
        Ok(mark) => Ok(mark.map(Ok)),
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Some(Err(()))),
        Err(error) => Err(error.into()),
    }
}

/// Says why the journal holds less than it must, if it does, and goes on only where that was accepted.
fn settle_shortened(
    config: &Config,
    mark: &Option<Result<Mark, ()>>,
    uuid: &str,
    engine: &mut Sqlite,
) -> Result<Option<String>, Error> {
    let found = engine.tally;
    let (reason, last) = match mark {
        None => return Ok(None),
        Some(Err(())) => (
            format!(
                "the mark in '{}' beside it can not be read, so what it should hold is not known",
                high_water::FILE
            ),
            found.last,
        ),
        Some(Ok(mark)) if mark.uuid != uuid => (
            format!(
                "it is not the journal that wrote {} events here before (removed, or replaced)",
                mark.count
            ),
            mark.last,
        ),
        Some(Ok(mark)) if found.last < mark.last || found.count < mark.count => (
            format!(
                "it ends at sequence {}, but had reached {} before (its write-ahead log was cut or damaged)",
                found.last, mark.last
            ),
            mark.last,
        ),
        Some(Ok(_)) => return Ok(None),
    };
    if !config.accept_shortened {
        let path = config.state_dir.join(sqlite::FILE).display().to_string();
        return Err(Error::Shortened { path, reason });
    }
    tracing::error!("journal: {reason}; goes on as it was told to");
    let last = last.max(found.last).saturating_add(PASS_OVER);
    engine.raise(last)?;
    Ok(Some(reason))
}

fn set_torn_aside(engine: &mut Sqlite, metrics: &Metrics) -> Result<(), Error> {
    let torn = recover::torn(&engine.conn)?;
    if torn.is_empty() {
        return Ok(());
    }
    let mut writes = Vec::with_capacity(torn.len());
    for (sequence, reason) in torn {
        tracing::error!("journal: event {sequence} is damaged ({reason}); set aside");
        writes.push(Write::SetAside { sequence, reason });
    }
    match engine.commit(&writes, Durability::Full) {
        Ok(outcome) => {
            metrics.journal_damaged_total.inc_by(outcome.set_aside);
            Ok(())
        }
        Err(Fault::Fatal(error)) => Err(error),
        // The readers will find them again.
        Err(Fault::Full(_) | Fault::Busy(_)) => Ok(()),
    }
}

/// Opens the database; on a full disk with the help of the reserve, which must then stand again.
fn open_engine(dir: &Path, clock: &Clock, budget: Budget) -> Result<Sqlite, Error> {
    let told =
        |reason: String| Error::Directory { path: dir.join(sqlite::FILE).display().to_string(), reason };
    let mut helped = false;
    loop {
        let fault = match sqlite::open(dir, clock, budget) {
            Ok(engine) => return Ok(engine),
            Err(Error::Sqlite(error)) => fault::of_sqlite(error, dir),
            Err(other) => return Err(other),
        };
        match fault {
            Fault::Full(_) if !helped => {
                helped = true;
                match std::fs::remove_file(dir.join(super::reserve::FILE)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
            Fault::Full(why) => return Err(told(format!("the disk has no room ({why}); free some space"))),
            Fault::Busy(why) => return Err(told(format!("another process holds it ({why}); end that one"))),
            Fault::Fatal(Error::Sqlite(error)) => return Err(told(format!("can not be opened: {error}"))),
            Fault::Fatal(other) => return Err(other),
        }
    }
}
