//! How a lane keeps its place: settling, the lag and its limits, and moving on where a limit is passed.
//!
//! Deliberately absent: anything that delivers.

use super::{Fault, Lane, TICK, settled, within};
use crate::journal::{Append, Error, Lag, Settle, sequence_text};
use crate::outbound::lag::{Loss, age, caught_up, exceeded, lost_event};
use crate::outbound::settings::OnLimit;
use crate::outbound::source::Source;
use crate::outbound::window::Window;
use std::time::Duration;
use tokio::time::Instant;

/// How often a position alone is stored. It reaches the disk with the next commit in any case, so a crash forgets no
/// more for it; asking at each landing would cost as much as the delivery itself.
const SETTLE_EVERY: Duration = Duration::from_millis(50);

impl<S: Source> Lane<S> {
    /// Stores what is to be stored: at once what is put aside, after a moment a position alone.
    pub(super) fn settle(&mut self) {
        self.settle_due = None;
        if self.settling.is_some() || (self.settled == Some(self.to_settle()) && self.nothing_aside()) {
            return;
        }
        let due = self.last_settle + SETTLE_EVERY;
        if self.nothing_aside() && Instant::now() < due {
            self.settle_due = Some(due);
            return;
        }
        self.settle_now();
    }

    /// Asks the journal to store position and dead letters, one request at a time: what comes meanwhile goes
    /// with the next.
    pub(super) fn settle_now(&mut self) {
        let position = self.to_settle();
        if self.settling.is_some() || (self.settled == Some(position) && self.nothing_aside()) {
            return;
        }
        let fresh = Settle { sink: self.config.name.clone(), ..Settle::default() };
        let settle = Settle { position, ..std::mem::replace(&mut self.next, fresh) };
        self.settling_gone.clone_from(&settle.unpark);
        self.settling_gone.extend(settle.dead.iter().map(|letter| letter.sequence));
        self.settling = Some(self.source.settle(settle));
        self.last_settle = Instant::now();
        self.settled = Some(position);
    }

    pub(super) fn nothing_aside(&self) -> bool {
        let Settle { dead, park, tried, unpark, .. } = &self.next;
        dead.is_empty() && park.is_empty() && tried.is_empty() && unpark.is_empty()
    }

    /// What is put aside or over there and not stored yet.
    pub(super) fn unstored(&self) -> usize {
        let Settle { dead, park, tried, unpark, .. } = &self.next;
        [dead.len(), park.len(), tried.len(), unpark.len()].iter().sum()
    }

    /// What the settle that came back had removed is not in the journal any more.
    pub(super) fn stored(&mut self) {
        let gone = std::mem::take(&mut self.settling_gone);
        self.aside.forgotten(&gone);
    }

    /// Stores what is still to be stored before the lane ends.
    pub(super) async fn last_settle(&mut self) -> Result<(), Fault> {
        loop {
            self.settle_now();
            if self.settling.is_none() {
                return Ok(());
            }
            match within(&self.wiring.abort, settled(&mut self.settling)).await {
                Some(done) => {
                    done?;
                    self.stored();
                }
                None => return Ok(()),
            }
        }
    }

    /// Looks at the lag: metrics, and what the limits ask for. Says whether the lane was moved on.
    pub(super) async fn tick(&mut self) -> Result<bool, Fault> {
        let limit = self.config.max_lag;
        let lag = self.source.lag(self.window.position()).await?;
        let now = self.wiring.clock.now();
        self.report.lag(&lag, age(&lag, now));
        let (keys, events, bytes) = self.aside.figures();
        self.report.parked(keys, events, bytes, self.crowded.is_some());
        self.take_up().await?;
        let passed = exceeded(&limit, &lag, now);
        match (limit.on_limit, passed) {
            (OnLimit::Release, Some(name)) => return self.release(name, &lag).await,
            (OnLimit::Release, None) => {}
            (OnLimit::StopIntake, passed) => self.hold_intake(passed, caught_up(&limit, &lag, now)),
        }
        Ok(false)
    }

    /// Pauses the intake from the limit on until the sink has caught up.
    fn hold_intake(&self, passed: Option<&'static str>, caught_up: bool) {
        let name = &self.config.name;
        match passed {
            Some(limit) if self.wiring.intake.set(name, true) => self.report.intake(true, limit),
            None if caught_up && self.wiring.intake.set(name, false) => self.report.intake(false, ""),
            _ => {}
        }
    }

    /// Moves the lane to the end of what the lag counted. The event that names the loss is on disk before the position moves: a crash
    /// in between names it twice rather than never.
    async fn release(&mut self, limit: &'static str, lag: &Lag) -> Result<bool, Fault> {
        // Number and end come from one reading: what is committed since is not lost and must not be counted.
        let (first, last) = (lag.position.saturating_add(1), lag.last);
        if last < first {
            return Ok(false);
        }
        let count = lag.events.saturating_sub(self.window.settled_above());
        let loss = Loss { sink: &self.config.name, first, last, count, bytes: lag.bytes, limit };
        let (birth, now) = (self.wiring.birth, self.wiring.clock.now());
        let event = lost_event(&loss, birth, now).map_err(|error| Error::Row(error.to_string()))?;
        let written = self.source.append(Append { events: vec![event], ..Append::default() });
        match within(&self.wiring.abort, written).await {
            None => return Ok(false),
            Some(Ok(Ok(_))) => {}
            Some(Ok(Err(error))) => return Err(Fault::Journal(error.to_string())),
            Some(Err(_)) => return Err(Error::Closed.into()),
        }
        self.report.lost(count, &sequence_text(birth, first), &sequence_text(birth, last), limit);
        self.jump(last).await?;
        let (events, bytes) = self.window.limits();
        self.reading = None;
        self.window = Window::new(last, events, bytes);
        self.crowded = None;
        self.aside.drop_all(tokio::time::Instant::now());
        self.settle_now();
        Ok(true)
    }

    /// All that is left to do once the sink has ended: the limits still hold.
    pub(super) async fn watch_only(&mut self) -> Result<(), Fault> {
        loop {
            tokio::select! {
                () = self.wiring.stop.cancelled() => return self.last_settle().await,
                () = tokio::time::sleep(TICK) => {
                    self.tick().await?;
                    self.last_settle().await?;
                }
            }
        }
    }
}
