//! Where a lane's events come from: the journal ahead of it, and what is parked beside it.
//!
//! An event whose key has parked ones is parked behind them. Deliberately absent: delivering.

use super::aside::Head;
use super::{Fault, Lane, MAX_UNSTORED};
use crate::base::envelope::Event;
use crate::journal::{Failure, NewDeadLetter, NewParked, Parked, Read, Stored};
use crate::outbound::route;
use crate::outbound::sink::Shape;
use crate::outbound::source::Source;
use crate::outbound::window::Item;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Parked keys in hand at once, at least; more where a sink takes more calls.
const KEYS_IN_HAND: usize = 16;
/// And at most: with what one key may bring they are 16 MiB beside the window.
const MAX_KEYS_IN_HAND: usize = 64;
/// Of one parked key in hand at once.
const EVENTS_OF_KEY: usize = 16;
const BYTES_OF_KEY: u64 = 256 << 10;
/// What was parked a moment ago may not be on disk yet.
const SOON: Duration = Duration::from_millis(200);
/// For the journal to take them up.
const TAKE_UP: Duration = Duration::from_secs(5);
/// Dead letters taken up at once.
const TAKEN_UP: usize = 2_000;

impl<S: Source> Lane<S> {
    /// Begins to read where there is room and something to read. The lane goes on meanwhile.
    pub(super) fn read_ahead(&mut self) {
        let head = self.head.borrow_and_update().last;
        let waits = match self.crowded {
            // What did not fit may fit now.
            Some(figures) if figures != self.aside.figures() => false,
            Some(_) if self.source.writable() => true,
            _ => self.stuck,
        };
        let idle = self.reading.is_none() && head > self.window.through();
        if waits || !idle || self.unstored() >= MAX_UNSTORED {
            return;
        }
        let Some((events, bytes)) = self.window.room() else { return };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let (source, from) = (self.source.clone(), self.window.through());
        self.reading = Some(Box::pin(async move { source.read(from, events, bytes).await }));
    }

    /// Takes what was read into the window; with nothing read there is something to read again.
    pub(super) fn take_in(&mut self, read: Option<Read>) {
        self.stuck = false;
        let Some(read) = read else { return };
        let before = self.window.through();
        let mut filtered = 0;
        self.crowded = None;
        for stored in read.events {
            if !route::wants(&self.config, &stored.event) {
                self.window.pass(stored.sequence);
                filtered += 1;
            } else if self.skip.remove(&stored.sequence) {
                self.window.pass(stored.sequence);
            } else if !self.aside.holds(&stored.event.partitionkey) {
                let masked = self.mask.apply(&stored.event);
                self.window.push(Item::new(stored, masked));
            } else if self.may_park(&stored.event.partitionkey, stored.bytes) {
                self.park_behind(stored);
            } else {
                // It may not overtake, and nothing behind it can be kept in order without it.
                self.crowded = Some(self.aside.figures());
                break;
            }
        }
        if self.crowded.is_none() {
            self.window.passed(read.through);
        }
        self.report.filtered(filtered);
        // A read that got nowhere waits for the next commit, or the tick, rather than spin.
        self.stuck = self.window.through() <= before;
    }

    fn park_behind(&mut self, stored: Stored) {
        let key = Arc::from(stored.event.partitionkey.as_str());
        self.window.pass(stored.sequence);
        self.aside.grow(&key, 1, stored.bytes, Instant::now());
        self.next.park.push(NewParked {
            sequence: stored.sequence,
            event: stored.event,
            recorded: stored.recorded,
            attempts: 0,
            first_failure: None,
            due: self.wiring.clock.now(),
            failure: Failure::default(),
        });
    }

    /// Takes parked keys in hand whose time has come, where a call is free for them.
    pub(super) async fn load(&mut self, shape: &Shape, out: usize) -> Result<(), Fault> {
        if out >= self.allowed(shape, Instant::now()) {
            return Ok(());
        }
        let calls = shape.calls;
        while self.may_load(calls) {
            let now = Instant::now();
            let Some(due) = self.aside.take(now) else {
                if !std::mem::take(&mut self.more_letters) {
                    return Ok(());
                }
                // All that was taken up is in hand or over: the next ones need not wait for the tick.
                self.take_up().await?;
                continue;
            };
            let (sink, key) = (&self.config.name, &due.key);
            let found = self.source.parked(sink, key, EVENTS_OF_KEY, BYTES_OF_KEY).await?;
            let fresh: Vec<Parked> =
                found.into_iter().filter(|parked| !self.aside.is_gone(parked.sequence)).collect();
            if fresh.is_empty() {
                let all_stored = self.settling.is_none() && self.nothing_aside();
                self.aside.empty(&due.key, all_stored, now + SOON);
                continue;
            }
            for parked in fresh {
                self.take_in_hand(&due.key, parked, due.head);
            }
            if !self.window.holds(&due.key) {
                self.aside.through(&due.key, now);
            }
        }
        Ok(())
    }

    /// Whether another parked key may be taken in hand.
    pub(super) fn may_load(&self, calls: usize) -> bool {
        self.aside.in_hand() < calls.clamp(KEYS_IN_HAND, MAX_KEYS_IN_HAND) && self.unstored() < MAX_UNSTORED
    }

    /// What is over its limits already (they may have been lowered, or its age has passed) is not tried again.
    fn take_in_hand(&mut self, key: &Arc<str>, parked: Parked, head: Option<Head>) {
        let known = head.filter(|head| head.sequence == parked.sequence);
        let failures = known.map_or(parked.attempts, |head| head.failures);
        let first_failure = known.and_then(|head| head.first_failure).or(parked.first_failure);
        let now = self.wiring.clock.now();
        if self.over(failures, first_failure, now) {
            let first_failure = first_failure.unwrap_or(now);
            let Parked { sequence, event, bytes, failure, .. } = parked;
            self.aside.settled(key, sequence, bytes);
            self.put_aside(NewDeadLetter {
                sequence,
                event,
                failure,
                attempts: failures,
                first_failure,
                last_failure: now,
            });
            return;
        }
        let mut masked = self.mask.apply(&parked.event);
        if parked.late {
            masked = Arc::new(Event { late: true, ..Event::clone(&masked) });
        }
        let Parked { sequence, event, bytes, recorded, .. } = parked;
        let stored = Stored { sequence, event, bytes, recorded };
        self.window.push(Item {
            key: Arc::clone(key),
            failures,
            first_failure,
            parked: true,
            ..Item::new(stored, masked)
        });
    }

    /// Takes up dead letters that somebody asked for again, as far as there is room.
    pub(super) async fn take_up(&mut self) -> Result<(), Fault> {
        let room = self.aside.free_keys().min(TAKEN_UP);
        if room == 0 || self.breaker.open() || !self.source.writable() {
            return Ok(());
        }
        // A disk that is full from this moment on must not hold up what makes room; what is taken up without us is
        // found at the next start.
        let taken = tokio::time::timeout(TAKE_UP, self.source.take_up(&self.config.name, room)).await;
        let Ok(taken) = taken else { return Ok(()) };
        let taken = taken.map_err(|error| Fault::Journal(error.to_string()))?;
        self.more_letters = !taken.is_empty();
        if !taken.is_empty() {
            tracing::info!(
                sink = self.config.name,
                letters = taken.len(),
                "dead letters are delivered again"
            );
            self.aside.found(taken, self.wiring.clock.now(), Instant::now());
        }
        Ok(())
    }
}
