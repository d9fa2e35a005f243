//! A disk without room: nothing is acknowledged, room is made, and the same group is tried again until it fits.
//!
//! Sinks go on meanwhile, and what they settle is what makes room; so their settling is taken out of the queue
//! and not held up behind the stalled group. Whoever needs an append to be on disk before a settle waits for the
//! append first. The reserve is given up for this alone, and must stand again before events are written.

use super::api::{Error, State};
use super::engine::{Compact, Durability, Outcome, Write};
use super::fault::Fault;
use super::group::{Group, Op, Reply, Request};
use super::writer::Writer;
use crate::base::health::Status;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Time for trimming in one round, when no commit waits for its end.
const ROUND: Duration = Duration::from_millis(500);

impl Writer {
    /// Tries the same writes until they are on disk.
    pub(super) fn stall(&mut self, first: Fault, writes: &[Write]) -> Result<Outcome, Error> {
        let began = Instant::now();
        let mut counted = began;
        let mut wait = FIRST_WAIT;
        let mut fault = first;
        self.announce(&fault);
        loop {
            if self.shared.closing.load(Ordering::SeqCst) {
                return Err(Error::Failed(
                    "closed while the disk was full; nothing of it was acknowledged".to_owned(),
                ));
            }
            self.beat();
            let letters_wait = self.take_settled(writes)?;
            let room = !matches!(fault, Fault::Full(_)) || self.make_room()?;
            // Without events to write, dead letters that still find no room are what it is stalled on.
            let go_on = room && !(writes.is_empty() && letters_wait);
            if go_on && self.reserve.restore()? {
                match self.try_commit(writes) {
                    Ok(outcome) => {
                        self.metrics.journal_stall_seconds_total.inc_by(counted.elapsed().as_secs_f64());
                        self.resume(began);
                        return Ok(outcome);
                    }
                    Err(Fault::Fatal(error)) => return Err(error),
                    Err(again) => fault = again,
                }
            }
            std::thread::park_timeout(wait);
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            self.metrics.journal_stall_seconds_total.inc_by(counted.elapsed().as_secs_f64());
            counted = Instant::now();
        }
    }

    fn announce(&self, fault: &Fault) {
        let reason = match fault {
            Fault::Full(why) => format!("no room on disk: {why}"),
            Fault::Busy(why) => format!("another process holds the database: {why}"),
            Fault::Fatal(error) => error.to_string(),
        };
        tracing::error!("journal: stalled, nothing is acknowledged until it can write again: {reason}");
        self.metrics.journal_stalled.set(1);
        self.health.set("journal", Status::Down(reason.clone()));
        self.shared.state.send_replace(State::Stalled { since: self.clock.now(), reason });
    }

    fn resume(&self, began: Instant) {
        let seconds = began.elapsed().as_secs();
        tracing::warn!("journal: writes again after {seconds} s");
        self.metrics.journal_stalled.set(0);
        self.health.set("journal", Status::Ok);
        self.shared.state.send_replace(State::Ok);
    }

    /// Empties the inbox: what sinks settle counts at once, everything else waits behind the stalled writes.
    ///
    /// A position may not overtake what its own sink puts aside: it would let those events go. True where that
    /// found no room.
    fn take_settled(&mut self, stalled: &[Write]) -> Result<bool, Error> {
        let mut letters_wait = false;
        let mut blocked: HashSet<String> = aside_of(stalled).collect();
        let mut queued: VecDeque<Op> = std::mem::take(&mut self.backlog);
        loop {
            match self.inbox.try_recv() {
                Ok(op) => queued.push_back(op),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.shared.closing.store(true, Ordering::SeqCst);
                    break;
                }
            }
        }
        for op in queued {
            match op {
                Op::Write(request)
                    if matches!(request.reply, Reply::Settle(_)) && !mentions(&request, &blocked) =>
                {
                    if let Some(put_off) = self.settle_early(request)? {
                        letters_wait = true;
                        blocked.extend(aside_of(&put_off.writes));
                        self.backlog.push_back(Op::Write(put_off));
                    }
                }
                other => {
                    if let Op::Write(request) = &other {
                        blocked.extend(aside_of(&request.writes));
                    }
                    self.backlog.push_back(other);
                }
            }
        }
        Ok(letters_wait)
    }

    /// Settles ahead of the stalled writes; gives the request back where there is no room even for that.
    ///
    /// Dead letters are what lets a sink move on: they may use the room that events may not.
    fn settle_early(&mut self, request: Request) -> Result<Option<Request>, Error> {
        let mut request = self.clamped(request);
        if request.sync {
            let tried = match self.try_commit(&request.writes) {
                Err(Fault::Full(_)) => {
                    self.give_up_reserve()?;
                    self.try_commit(&request.writes)
                }
                other => other,
            };
            match tried {
                Ok(_) => {}
                Err(Fault::Fatal(error)) => return Err(error),
                Err(_) => return Ok(Some(request)),
            }
        } else {
            self.defer(std::mem::take(&mut request.writes));
        }
        let mut alone = Group::default();
        alone.add(request);
        alone.answer(self.engine.tally().last);
        Ok(None)
    }

    /// Trims all that is delivered, whatever its age, and gives the space back, with the reserve's help if needed.
    /// False where the log could not even be written into the database: more of it would be one more way in.
    fn make_room(&mut self) -> Result<bool, Error> {
        let tried = match self.try_make_room() {
            Err(Fault::Full(_)) => {
                self.give_up_reserve()?;
                self.try_make_room()
            }
            other => other,
        };
        match tried {
            Ok(()) => Ok(true),
            Err(Fault::Fatal(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// In steps that each leave the log empty for the next one.
    fn try_make_room(&mut self) -> Result<(), Fault> {
        let until = Instant::now() + ROUND;
        self.engine.compact(Compact::Log, until)?;
        self.flush(Durability::Lazy)?;
        while let Some(mut plan) = self.plan() {
            plan.bodies_before = i64::MAX;
            let now = Instant::now();
            let trimmed = self.engine.trim(&plan, now)?;
            self.report(trimmed);
            self.engine.compact(Compact::Log, until)?;
            if !trimmed.more || now >= until {
                break;
            }
        }
        self.engine.compact(Compact::Whole, until)?;
        Ok(())
    }

    fn give_up_reserve(&mut self) -> Result<(), Error> {
        if self.reserve.whole() {
            tracing::warn!("journal: gives up the reserve so that delivered events can be trimmed");
            self.reserve.release()?;
        }
        Ok(())
    }
}

/// The sinks whose parked events or dead letters are among the writes.
fn aside_of(writes: &[Write]) -> impl Iterator<Item = String> {
    writes.iter().filter_map(|write| match write {
        Write::Dead { sink, .. }
        | Write::Park { sink, .. }
        | Write::Tried { sink, .. }
        | Write::Unpark { sink, .. } => Some(sink.clone()),
        _ => None,
    })
}

fn mentions(request: &Request, sinks: &HashSet<String>) -> bool {
    request.writes.iter().any(|write| match write {
        Write::Position { sink, .. }
        | Write::Dead { sink, .. }
        | Write::Park { sink, .. }
        | Write::Tried { sink, .. }
        | Write::Unpark { sink, .. } => sinks.contains(sink),
        _ => false,
    })
}
