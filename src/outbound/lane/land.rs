//! What a lane makes of a call's outcomes: close, try again later, put aside.
//!
//! Deliberately absent: waiting; a verdict only names the time.

use super::{End, Landed, Lane};
use crate::base::time::Millis;
use crate::journal::{NewDeadLetter, Sequence};
use crate::outbound::sink::{Cause, Outcome, Shape};
use crate::outbound::source::Source;
use crate::outbound::window::{Item, Verdict};
use std::time::Duration;
use tokio::time::Instant;

impl<S: Source> Lane<S> {
    /// Takes a call's outcomes in. Gives the end where the sink can not go on as it is.
    pub(super) fn land(&mut self, landed: Landed, shape: &Shape) -> Option<End> {
        let (mut done, mut failed, mut end) = (0, None, None);
        let mut verdicts = Vec::with_capacity(landed.batch.len());
        let mut outcomes = landed.outcomes.into_iter();
        for delivery in &landed.batch {
            let sequence = delivery.sequence;
            // An outcome that is missing against the contract counts as not tried.
            let verdict = match outcomes.next().unwrap_or(Outcome::Held) {
                Outcome::Done => {
                    done += 1;
                    Verdict::Closed
                }
                Outcome::Held => Verdict::Untried,
                Outcome::Retry { cause, after } => {
                    let verdict = self.again(sequence, &cause, after, shape.max_retry_after);
                    failed = Some(cause);
                    verdict
                }
                Outcome::Reject { cause } => {
                    self.reject(sequence, &cause);
                    Verdict::Closed
                }
                Outcome::Reconnect { cause } => {
                    end.get_or_insert(End::Rebuild(cause));
                    Verdict::Untried
                }
                Outcome::Disable { cause } => {
                    end = Some(End::Disabled(cause));
                    Verdict::Untried
                }
            };
            verdicts.push((sequence, verdict));
        }
        self.window.land(&verdicts);
        self.report.delivered(done, landed.took);
        if done > 0 {
            self.builds = 0;
            self.report.got_through(self.window.failing());
        }
        if let Some(cause) = failed {
            self.report.failed(&cause);
        }
        end
    }

    /// A failed try: a later one, or a dead letter once they are used up.
    fn again(&mut self, at: Sequence, cause: &Cause, asked: Option<Duration>, most: Duration) -> Verdict {
        let now = self.wiring.clock.now();
        let policy = self.config.retry;
        let Some(item) = self.window.failed(at, now) else { return Verdict::Untried };
        if item.failures >= policy.max_attempts {
            let letter = dead_letter(item, cause, now);
            self.put_aside(letter, cause);
            return Verdict::Closed;
        }
        let schedule = policy.backoff.jitter_upward(item.failures, fastrand::f64());
        self.report.retry(cause);
        Verdict::Again(Instant::now() + wait(schedule, asked, most, fastrand::f64()))
    }

    fn reject(&mut self, at: Sequence, cause: &Cause) {
        let now = self.wiring.clock.now();
        if let Some(item) = self.window.failed(at, now) {
            let letter = dead_letter(item, cause, now);
            self.put_aside(letter, cause);
        }
    }

    fn put_aside(&mut self, letter: NewDeadLetter, cause: &Cause) {
        self.report.dead_letter(cause, &letter.event.id, letter.attempts);
        self.dead.push(letter);
    }
}

/// The copy holds the event as the journal has it: a redrive masks it again, by the settings of then.
fn dead_letter(item: &Item, cause: &Cause, now: Millis) -> NewDeadLetter {
    NewDeadLetter {
        sequence: item.stored.sequence,
        event: std::sync::Arc::clone(&item.stored.event),
        reason: cause.reason.to_owned(),
        detail: cause.detail.clone(),
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
