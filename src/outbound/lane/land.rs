//! What a lane makes of a call's outcomes: close, try again later, put aside.
//!
//! Deliberately absent: waiting; a verdict only names the time.

use super::park::{Again, failure};
use super::wait::{Joined, came_back};
use super::{Calls, End, Landed, Lane};
use crate::base::time::Millis;
use crate::journal::{NewDeadLetter, Sequence, sequence_text};
use crate::outbound::sink::{Cause, Outcome, Shape};
use crate::outbound::source::Source;
use crate::outbound::window::{Item, Verdict};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A call of many that is answered with a failure so often is tried in parts, even where nothing else gets through.
const PARTED: u32 = 3;

/// What a call's outcomes come to.
struct Sum {
    /// When it began.
    began: Instant,
    done: u64,
    failed: Option<Cause>,
    end: Option<End>,
    again: Vec<Again>,
    /// Keys with parked events among the call's.
    parked: HashSet<Arc<str>>,
}

impl<S: Source> Lane<S> {
    /// All that are back by now: a look around costs more than a landing. Says why the serving is to end.
    pub(super) fn land_all(&mut self, first: Joined, calls: &mut Calls, shape: &Shape) -> Option<End> {
        let mut end = None;
        let mut next = Some(first);
        while let Some(joined) = next {
            let this = came_back(joined).and_then(|landed| self.land(landed, shape));
            end = end.or(this);
            next = calls.try_join_next();
        }
        end
    }

    /// Takes a call's outcomes in. Gives the end where the sink can not go on as it is.
    fn land(&mut self, landed: Landed, shape: &Shape) -> Option<End> {
        let began = Instant::now().checked_sub(landed.took).unwrap_or_else(Instant::now);
        let mut sum =
            Sum { began, done: 0, failed: None, end: None, again: Vec::new(), parked: HashSet::new() };
        let mut verdicts = Vec::with_capacity(landed.batch.len());
        let tried =
            landed.outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Held | Outcome::Later { .. }));
        let worked = self.judge_call(&landed, shape.max_retry_after);
        let mut outcomes = landed.outcomes.into_iter();
        for delivery in &landed.batch {
            // An outcome that is missing against the contract counts as not tried.
            let outcome = outcomes.next().unwrap_or(Outcome::Held);
            let verdict = self.verdict(delivery.sequence, outcome, shape, &mut sum);
            verdicts.push((delivery.sequence, verdict));
        }
        // A call with nothing in it may end the sink, too.
        for outcome in outcomes {
            self.verdict(0, outcome, shape, &mut sum);
        }
        self.window.land(&verdicts, shape.frozen);
        let Sum { done, failed, end, again, parked, .. } = sum;
        for again in again {
            self.after_failure(again);
        }
        for key in parked {
            if !self.window.holds(&key) && !self.aside.waits(&key) {
                self.aside.through(&key, Instant::now());
            }
        }
        if tried {
            self.report.delivered(done, landed.took);
        }
        if worked {
            self.builds = 0;
            self.report.got_through(self.failing());
        }
        if let Some(cause) = failed {
            self.report.failed(&cause);
        }
        end
    }

    /// Events that failed and will be tried again.
    pub(super) fn failing(&self) -> usize {
        let (_, parked, _) = self.aside.figures();
        self.window.failing().saturating_add(usize::try_from(parked).unwrap_or(usize::MAX))
    }

    /// What the call says of the destination; a call counts once, however much it carried. True where something
    /// got through.
    fn judge_call(&mut self, landed: &Landed, most: Duration) -> bool {
        let now = Instant::now();
        if landed.outcomes.contains(&Outcome::Done) {
            self.last_good = Some(now);
            if self.breaker.worked() {
                self.report.circuit(false, None);
            }
            return true;
        }
        // Whoever refuses an event for what it is is there.
        let judged = landed.outcomes.iter().any(|outcome| match outcome {
            Outcome::Reject { .. } | Outcome::Split { .. } => true,
            Outcome::Retry { cause, .. } => cause.is_the_events(),
            _ => false,
        });
        if judged && self.breaker.worked() {
            self.report.circuit(false, None);
        }
        let mut blamed =
            landed.batch.iter().zip(&landed.outcomes).filter_map(|(delivery, outcome)| match outcome {
                Outcome::Retry { cause, after } if !cause.is_the_events() => {
                    Some((delivery.sequence, cause, after))
                }
                _ => None,
            });
        if let Some((at, cause, after)) = blamed.next()
            && let Some(item) = self.window.item(at)
        {
            let asked = after.map_or(Duration::ZERO, |after| after.min(most));
            if self.breaker.failed(&item.key, item.parked, asked, now, fastrand::f64()) {
                self.report.circuit(true, Some(cause));
            }
        }
        false
    }

    fn verdict(&mut self, at: Sequence, outcome: Outcome, shape: &Shape, sum: &mut Sum) -> Verdict {
        match outcome {
            Outcome::Done => {
                sum.done += 1;
                self.over_for_good(at, true, sum);
                Verdict::Closed
            }
            Outcome::Held => Verdict::Untried,
            // No try, so it goes into no count, and no key is parked for it.
            Outcome::Later { after } => Verdict::Again(Instant::now() + after),
            Outcome::Retry { cause, after } => {
                sum.failed = Some(cause.clone());
                self.again(at, cause, after, shape, sum)
            }
            Outcome::Split { cause } => {
                sum.failed = Some(cause);
                Verdict::Alone
            }
            Outcome::Reject { cause } => {
                self.reject(at, &cause, sum);
                Verdict::Closed
            }
            Outcome::Reconnect { cause } => {
                sum.end.get_or_insert(End::Rebuild(cause));
                Verdict::Untried
            }
            Outcome::Disable { cause } => {
                sum.end = Some(End::Disabled(cause));
                Verdict::Untried
            }
        }
    }

    /// A failed try: a later one, or a dead letter once they are used up.
    fn again(
        &mut self,
        at: Sequence,
        cause: Cause,
        asked: Option<Duration>,
        shape: &Shape,
        sum: &mut Sum,
    ) -> Verdict {
        let now = self.wiring.clock.now();
        let counts = cause.is_the_events() || !self.breaker.open();
        let Some(item) = self.window.failed(at, now, sum.began, counts).cloned() else {
            return Verdict::Untried;
        };
        if self.over(item.failures, item.first_failure, now) {
            self.over_for_good(at, false, sum);
            self.put_aside(dead_letter(&item, &cause, now));
            return Verdict::Closed;
        }
        // One of many alone may be at fault, and holds up innocent ones.
        let answered = cause.was_answered() && item.failures >= PARTED;
        if shape.frozen && !item.alone && (answered || self.others_got_through(&item)) {
            self.report.retry(&cause);
            return Verdict::Alone;
        }
        let schedule = self.config.retry.backoff.jitter_upward(item.failures.max(1), fastrand::f64());
        self.report.retry(&cause);
        let due = Instant::now() + wait(schedule, asked, shape.max_retry_after, fastrand::f64());
        sum.again.push(Again { item, due, cause });
        Verdict::Again(due)
    }

    /// Whether its tries or its time are used up.
    pub(super) fn over(&self, failures: u32, first_failure: Option<Millis>, now: Millis) -> bool {
        let policy = self.config.retry;
        let since = first_failure.map_or(0, |first| now.saturating_sub(first).max(0).unsigned_abs());
        failures >= policy.max_attempts || Duration::from_millis(since) >= policy.max_age
    }

    fn reject(&mut self, at: Sequence, cause: &Cause, sum: &mut Sum) {
        let now = self.wiring.clock.now();
        if let Some(item) = self.window.failed(at, now, sum.began, true).cloned() {
            self.over_for_good(at, false, sum);
            self.put_aside(dead_letter(&item, cause, now));
        }
    }

    /// A parked event leaves the journal: it is delivered, or becomes a dead letter.
    fn over_for_good(&mut self, at: Sequence, delivered: bool, sum: &mut Sum) {
        let Some(item) = self.window.parked(at) else { return };
        let key = Arc::clone(&item.key);
        self.aside.settled(&key, at, item.stored.bytes);
        sum.parked.insert(key);
        if delivered {
            self.next.unpark.push(at);
        }
    }

    pub(super) fn put_aside(&mut self, letter: NewDeadLetter) {
        let NewDeadLetter { failure, sequence, attempts, .. } = &letter;
        self.report.dead_letter(failure, &sequence_text(self.wiring.birth, *sequence), *attempts);
        self.next.dead.push(letter);
    }
}

/// The copy holds the event as the journal has it: a redrive masks it again, by the settings of then.
fn dead_letter(item: &Item, cause: &Cause, now: Millis) -> NewDeadLetter {
    NewDeadLetter {
        sequence: item.stored.sequence,
        event: Arc::clone(&item.stored.event),
        failure: failure(cause),
        attempts: item.failures,
        first_failure: item.first_failure.unwrap_or(now),
        last_failure: now,
    }
}

/// Never sooner than the schedule; later where the receiver asks for it, up to `most`. What it asks for is
/// stretched by up to a tenth, so that waits that began together do not end together.
fn wait(schedule: Duration, asked: Option<Duration>, most: Duration, random: f64) -> Duration {
    let Some(asked) = asked else { return schedule };
    let asked = asked.min(most);
    (asked + asked.mul_f64(random.clamp(0.0, 1.0) / 10.0)).min(most).max(schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_asks_for_counts_between_the_schedule_and_the_limit() {
        let second = Duration::from_secs;
        assert_eq!(wait(second(5), None, second(60), 0.5), second(5));
        assert_eq!(wait(second(5), Some(second(1)), second(60), 0.5), second(5));
        assert_eq!(wait(second(5), Some(second(20)), second(60), 0.5), second(21));
        assert_eq!(wait(second(5), Some(Duration::MAX), second(60), 0.5), second(60));
        assert_eq!(wait(second(90), Some(second(70)), second(60), 0.5), second(90));
    }
}
