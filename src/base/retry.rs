//! Backoff: how long to wait before try number `n`. A pure function of the attempt and a random number.
//!
//! Deliberately absent: sleeping, counting attempts, deciding what may be retried.

use crate::base::time::Millis;
use std::time::Duration;

/// Exponential growth from `initial` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub initial: Duration,
    pub max: Duration,
}

impl Backoff {
    /// The longest wait before retry `attempt` (1 is the first retry): doubles each time, never above `max`.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.initial.saturating_mul(1u32 << doublings).min(self.max)
    }

    /// Full jitter: anything between zero and the ceiling; `random` is in `0.0..1.0`. For herds of sessions.
    pub fn full_jitter(&self, attempt: u32, random: f64) -> Duration {
        self.ceiling(attempt).mul_f64(random.clamp(0.0, 1.0))
    }

    /// Between the ceiling and one and a half of it: never sooner than the schedule says. For sinks.
    pub fn jitter_upward(&self, attempt: u32, random: f64) -> Duration {
        let ceiling = self.ceiling(attempt);
        ceiling + ceiling.mul_f64(random.clamp(0.0, 1.0) / 2.0)
    }
}

/// `Retry-After` as HTTP has it: seconds, or a date (a past one means now). `now` is in milliseconds.
pub fn retry_after(text: &str, now: Millis) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?.as_millisecond();
    Some(Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_maximum() {
        let backoff = Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(3) };
        let seen: Vec<_> = (1..6).map(|n| backoff.ceiling(n).as_millis()).collect();
        assert_eq!(seen, [500, 1000, 2000, 3000, 3000]);
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = 784_111_777_000;
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    proptest! {
        #[test]
        fn jitter_stays_in_its_bounds(attempt in 0u32..10_000, random in 0.0f64..1.0) {
            let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_secs(60) };
            prop_assert!(backoff.full_jitter(attempt, random) <= backoff.max);
            let up = backoff.jitter_upward(attempt, random);
            prop_assert!(up >= backoff.ceiling(attempt) && up <= backoff.max.mul_f64(1.5));
        }
    }
}
