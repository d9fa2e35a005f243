//! The work between commits: deferred writes, trimming, giving space back, the high-water mark, the gauges.
//!
//! In slices, so that a commit never waits long; while calls are queued a slice is short and must be earned by
//! the time spent on commits before it.

use super::api::Error;
use super::engine::{Compact, Durability, Plan, Trimmed, Write};
use super::expiry::Expiry;
use super::fault::{self, Fault};
use super::group::Sealed;
use super::writer::Writer;
use std::time::{Duration, Instant};

/// Longest slice when nobody waits.
const SLICE: Duration = Duration::from_millis(40);
/// Longest slice when somebody does.
const SHORT_SLICE: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_secs(1);
const HIGH_WATER: Duration = Duration::from_secs(3);
/// How often what expires is searched for what has.
const SWEEP: Duration = Duration::from_secs(600);
/// Without a call for this long the journal counts as idle: the log is emptied.
const IDLE: Duration = Duration::from_secs(5);
/// A short log is emptied less often, as each time costs fsyncs.
const IDLE_SEAL: Duration = Duration::from_secs(300);

/// A journal of so many bytes is written anew in some seconds.
const REBUILT: u64 = 512 << 20;

/// When what was done last.
#[derive(Debug)]
pub(super) struct Upkeep {
    started: Instant,
    expiry: Expiry,
    may_expire: bool,
    ticked: Instant,
    marked: Instant,
    swept: Instant,
    sealed: Instant,
    active: Instant,
    /// The end of the last slice, and how long it took.
    slice: (Instant, Duration),
    more: bool,
    unseen_bytes: u64,
    dirty: bool,
}

impl Upkeep {
    pub(super) fn new(expiry: Expiry) -> Upkeep {
        let now = Instant::now();
        Upkeep {
            started: now,
            expiry,
            may_expire: false,
            ticked: now,
            marked: now,
            swept: now,
            sealed: now,
            active: now,
            slice: (now, Duration::ZERO),
            more: true,
            unseen_bytes: 0,
            dirty: true,
        }
    }

    /// Whether a slice is waiting to be done.
    pub(super) fn hungry(&self) -> bool {
        self.more
    }

    /// How long the writer may sleep: no longer than until the next tick, which is when deferred writes go to
    /// the system.
    pub(super) fn until_tick(&self, now: Instant) -> Duration {
        TICK.saturating_sub(now.saturating_duration_since(self.ticked))
    }

    /// Somebody's writes are on disk.
    pub(super) fn committed(&mut self, writes: &[Write]) {
        self.active = Instant::now();
        self.wrote(writes);
    }

    /// The log has grown.
    fn wrote(&mut self, writes: &[Write]) {
        self.dirty = true;
        for write in writes {
            let bytes = match write {
                Write::Event { body, .. } | Write::Dead { body, .. } | Write::Park { body, .. } => {
                    body.len() as u64
                }
                Write::Forget { bytes, .. } | Write::Redrive { bytes, .. } => *bytes,
                Write::TakeUp { bytes, .. } => bytes.saturating_mul(2),
                Write::Checkpoint(point) => point.body.len() as u64,
                Write::Known(known) => known.shadow.len() as u64,
                Write::Draft(draft) => draft.body.len() as u64,
                Write::DraftItem(_, body) => body.len() as u64,
                Write::Context(value) => value.value.as_ref().map_or(0, |value| value.len() as u64),
                _ => 0,
            };
            self.unseen_bytes = self.unseen_bytes.saturating_add(bytes);
        }
        // Whole pages are written, so that small commits fill the log too: a guess is enough.
        self.unseen_bytes = self.unseen_bytes.saturating_add(super::sqlite::PAGE * 4);
    }
}

impl Writer {
    /// Does what is due; `idle` says that no call was waiting.
    pub(super) fn look_after(&mut self, idle: bool) -> Result<(), Error> {
        let now = Instant::now();
        let tick = now.duration_since(self.upkeep.ticked) >= TICK;
        if tick {
            self.upkeep.ticked = now;
            self.tick(now)?;
        }
        let due = tick || self.upkeep.more || self.upkeep.unseen_bytes >= self.budget.look_bytes;
        let (ended, took) = self.upkeep.slice;
        let earned = now.duration_since(ended) >= took.saturating_mul(2);
        if !due || !(idle || earned) {
            return Ok(());
        }
        let quiet = now.duration_since(self.upkeep.active) > TICK;
        let done = self.slice(now + if quiet { SLICE } else { SHORT_SLICE });
        self.upkeep.slice = (Instant::now(), now.elapsed());
        self.upkeep.unseen_bytes = 0;
        self.upkeep.more = matches!(done, Ok(true));
        match done {
            Ok(_) => Ok(()),
            // A log that can not be written into the database must not grow beyond what the reserve can hold.
            Err(fault @ Fault::Full(_)) => self.stall(fault, &[]).map(|_| ()),
            Err(fault) => pass_over(fault),
        }
    }

    fn tick(&mut self, now: Instant) -> Result<(), Error> {
        let wall = self.clock.now();
        let elapsed = now.duration_since(self.upkeep.started);
        self.upkeep.may_expire = self.upkeep.expiry.tick(wall, elapsed);
        self.flush(Durability::Lazy).or_else(pass_over)?;
        if now.duration_since(self.upkeep.marked) >= HIGH_WATER {
            self.upkeep.marked = now;
            self.mark_high_water()?;
        }
        if now.duration_since(self.upkeep.swept) >= SWEEP {
            self.upkeep.swept = now;
            self.engine.sweep();
        }
        self.seal(now).or_else(pass_over)?;
        self.gauges().or_else(pass_over)
    }

    /// One slice of trimming, then of giving space back.
    fn slice(&mut self, until: Instant) -> Result<bool, Fault> {
        if let Some(plan) = self.plan() {
            let trimmed = self.engine.trim(&plan, until)?;
            self.report(trimmed);
            if trimmed.more {
                self.engine.compact(Compact::Running, Instant::now())?;
                return Ok(true);
            }
        }
        self.engine.compact(Compact::Running, until)
    }

    /// Empties the log and the free pages of a journal that has come to rest.
    fn seal(&mut self, now: Instant) -> Result<(), Fault> {
        if !self.upkeep.dirty || now.duration_since(self.upkeep.active) < IDLE {
            return Ok(());
        }
        let large = self.engine.held()?.disk_bytes > (8 << 20);
        if !large && now.duration_since(self.upkeep.sealed) < IDLE_SEAL {
            return Ok(());
        }
        if !self.engine.compact(Compact::Whole, now + SLICE)? {
            self.upkeep.sealed = now;
            self.upkeep.dirty = false;
        }
        Ok(())
    }

    fn gauges(&mut self) -> Result<(), Fault> {
        let held = self.engine.held()?;
        let show = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.journal_events.set(show(held.events));
        self.metrics.journal_bytes.set(show(held.bytes));
        self.metrics.journal_disk_bytes.set(show(held.disk_bytes));
        Ok(())
    }

    /// What may go now; `None` before the sinks are known.
    pub(super) fn plan(&self) -> Option<Plan> {
        let sinks = self.sinks.as_ref()?;
        let positions = self.shared.positions();
        let last = self.engine.tally().last;
        let floor = sinks
            .iter()
            .map(|sink| positions.get(sink).copied().unwrap_or(0))
            .min()
            .unwrap_or(last)
            .min(last);
        let now = self.clock.now();
        let before =
            |window: Duration| now.saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
        let sure = self.upkeep.may_expire;
        Some(Plan {
            floor,
            // Not a window: what is delivered may go early, and a full disk is worse.
            bodies_before: before(self.config.keep_delivered),
            marks_before: sure.then(|| before(self.config.dedup_window)),
            gaps_before: sure.then(|| before(self.config.keep_gaps)),
            drafts_before: sure.then(|| before(self.config.keep_drafts)),
            // As long as an item would be known again after the draft it would have come to.
            made_before: sure
                .then(|| before(self.config.keep_drafts.saturating_add(self.config.dedup_window))),
            dead_before: sure.then(|| before(self.config.keep_dead_letters)),
            max_dead: self.config.max_dead_letters,
            sinks: serde_json::to_string(sinks).unwrap_or_default(),
        })
    }

    pub(super) fn report(&mut self, trimmed: Trimmed) {
        let Trimmed {
            bodies,
            conversations,
            states,
            known,
            gaps,
            drafts,
            made,
            contexts,
            dead_expired,
            dead_over_limit,
            forgotten: _,
            more: _,
        } = trimmed;
        self.metrics.journal_trimmed_total.inc_by(bodies);
        self.metrics.marks_evicted_total.inc_by(conversations);
        self.metrics.gaps_expired_total.inc_by(gaps);
        self.upkeep.dirty |= trimmed != Trimmed::default();
        if conversations > 0 || states > 0 {
            tracing::info!(
                "journal: {conversations} conversations and {states} states passed their dedup window"
            );
        }
        if contexts > 0 {
            tracing::info!("journal: {contexts} values of contexts passed the dedup window");
        }
        if known > 0 || gaps > 0 {
            tracing::info!("journal: {known} ended resources and {gaps} closed gaps passed their time");
        }
        if drafts > 0 {
            tracing::info!("journal: drafts of {drafts} transcripts removed, past transcript.keep");
        }
        if made > 0 {
            tracing::info!("journal: numbers of {made} removed transcripts passed the dedup window");
        }
        if dead_expired > 0 {
            tracing::warn!("journal: {dead_expired} dead letters removed, past their retention");
        }
        if dead_over_limit > 0 {
            tracing::warn!(
                "journal: the oldest {dead_over_limit} dead letters removed, over the limit of a sink"
            );
        }
        let dropped = |reason: &str| self.metrics.dead_letters_dropped_total.with_label_values(&[reason]);
        dropped("retention").inc_by(dead_expired);
        dropped("limit").inc_by(dead_over_limit);
    }

    /// Commits what is deferred; it stays deferred where there is no room.
    pub(super) fn flush(&mut self, durability: Durability) -> Result<(), Fault> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let writes = self.deferred.take();
        self.upkeep.wrote(&writes);
        let done = self.engine.commit(&writes, durability).map(|_| ());
        if done.is_err() {
            self.defer(writes);
        }
        done
    }

    /// Trims all that may go, and gives all its space back.
    pub(super) fn trim_whole(&mut self) -> Result<(), Error> {
        let (wall, elapsed) = (self.clock.now(), self.upkeep.started.elapsed());
        self.upkeep.may_expire = self.upkeep.expiry.tick(wall, elapsed);
        self.flush(Durability::Lazy).or_else(pass_over)?;
        self.engine.sweep();
        while let Some(plan) = self.plan() {
            self.beat();
            match self.engine.trim(&plan, Instant::now() + SLICE) {
                Ok(trimmed) => {
                    self.report(trimmed);
                    if !trimmed.more {
                        break;
                    }
                }
                Err(fault) => return pass_over(fault),
            }
        }
        self.give_back_whole()?;
        self.gauges().or_else(pass_over)
    }

    pub(super) fn give_back_whole(&mut self) -> Result<(), Error> {
        loop {
            self.beat();
            match self.engine.compact(Compact::Whole, Instant::now() + SLICE) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(fault) => return pass_over(fault),
            }
        }
    }

    /// Writes the database anew, as what was moved between pages may leave bytes behind in their unused parts. It
    /// takes one go, and nothing is committed meanwhile: of a large journal only where no service runs.
    pub(super) fn rebuild(&mut self) -> bool {
        let served = self.sinks.is_some();
        if served && !self.engine.held().is_ok_and(|held| held.disk_bytes <= REBUILT) {
            return false;
        }
        self.beat();
        self.engine.rebuild()
    }

    /// A slice on the way to files that hold nothing of what was removed.
    pub(super) fn seal_slice(&mut self) -> Result<Sealed, Error> {
        let log = self.config.state_dir.join(format!("{}-wal", super::sqlite::FILE));
        match self.engine.compact(Compact::Whole, Instant::now() + SLICE) {
            Ok(true) => Ok(Sealed::More),
            Ok(false) if std::fs::metadata(log).is_ok_and(|log| log.len() == 0) => Ok(Sealed::Clean),
            Ok(false) => Ok(Sealed::Held),
            Err(fault) => pass_over(fault).map(|()| Sealed::Held),
        }
    }

    pub(super) fn mark_high_water(&mut self) -> Result<(), Error> {
        let (tally, now) = (self.engine.tally(), self.clock.now());
        self.high_water.keep(tally, now).map_err(fault::of_io).or_else(pass_over)
    }
}

/// Upkeep that finds no room is tried again later; the next commit says how bad it is.
fn pass_over(fault: Fault) -> Result<(), Error> {
    match fault {
        Fault::Full(why) | Fault::Busy(why) => {
            tracing::debug!("journal: upkeep put off: {why}");
            Ok(())
        }
        Fault::Fatal(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_never_sleeps_past_a_tick() {
        let mut upkeep = Upkeep::new(Expiry::new(None, 0));
        let start = upkeep.ticked;
        let left = |upkeep: &Upkeep, millis| upkeep.until_tick(start + Duration::from_millis(millis));
        assert_eq!(left(&upkeep, 0), TICK);
        assert_eq!(left(&upkeep, 999), Duration::from_millis(1));
        assert_eq!(left(&upkeep, 1_000), Duration::ZERO);
        assert_eq!(left(&upkeep, 5_000), Duration::ZERO);
        upkeep.ticked = start + Duration::from_secs(5);
        assert_eq!(left(&upkeep, 5_400), Duration::from_millis(600));
    }
}
