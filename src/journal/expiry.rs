//! Whether windows may expire now: not while the clock is in doubt.
//!
//! A wall clock that jumps forward would empty every window at once. So each tick is compared with monotonic
//! time; after a jump nothing expires until the two have agreed for an hour. Pure: both times are arguments.

use crate::base::time::{MAX_JUMP, Millis};
use std::time::Duration;

/// How long the clock must have been continuous before windows expire again.
const PROBATION: Millis = 3_600_000;
/// Difference between the clocks over the probation that counts as continuous: slewing, a leap second.
const TOLERANCE: Millis = 60_000;

/// Watches the clock.
#[derive(Debug)]
pub(super) struct Expiry {
    wall: Millis,
    elapsed: Millis,
    /// Start of the probation, in both times.
    doubt: Option<(Millis, Millis)>,
}

impl Expiry {
    /// `seen` is the latest time an earlier run has left on disk, `now` the time of this start.
    pub(super) fn new(seen: Option<Millis>, now: Millis) -> Expiry {
        let long_ago = seen.is_some_and(|seen| now.saturating_sub(seen) > MAX_JUMP);
        Expiry { wall: now, elapsed: 0, doubt: long_ago.then_some((now, 0)) }
    }

    /// Takes the time and the monotonic time since `new`; says whether windows may expire now.
    pub(super) fn tick(&mut self, wall: Millis, elapsed: Duration) -> bool {
        let elapsed = Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX);
        let jump = wall.saturating_sub(self.wall).saturating_sub(elapsed.saturating_sub(self.elapsed));
        (self.wall, self.elapsed) = (wall, elapsed);
        if jump > MAX_JUMP {
            self.doubt = Some((wall, elapsed));
            let minutes = jump / 60_000;
            tracing::warn!(
                "the clock jumped forward by {minutes} min; nothing expires until it has been continuous for an hour"
            );
            return false;
        }
        let Some((wall_then, elapsed_then)) = self.doubt else { return true };
        let passed = elapsed.saturating_sub(elapsed_then);
        if passed < PROBATION {
            return false;
        }
        let drift = wall.saturating_sub(wall_then).saturating_sub(passed);
        // A clock that stands still was set too far ahead, and is waiting for the true time to catch up.
        self.doubt = (drift.abs() > TOLERANCE).then_some((wall, elapsed));
        self.doubt.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(millis: i64) -> Duration {
        Duration::from_millis(millis.unsigned_abs())
    }

    #[test]
    fn a_continuous_clock_lets_windows_expire() {
        let mut expiry = Expiry::new(Some(900), 1_000);
        for step in 0..50 {
            assert!(expiry.tick(1_000 + step * HOUR, at(step * HOUR)));
        }
    }

    #[test]
    fn a_jump_of_more_than_an_hour_suspends_until_an_hour_has_passed() {
        let mut expiry = Expiry::new(None, 0);
        assert!(expiry.tick(1_000, at(1_000)));
        let jumped = 90 * 24 * HOUR;
        assert!(!expiry.tick(jumped, at(2_000)));
        assert!(!expiry.tick(jumped + HOUR / 2, at(2_000 + HOUR / 2)));
        assert!(expiry.tick(jumped + HOUR, at(2_000 + HOUR)));
    }

    #[test]
    fn a_clock_that_stands_still_after_the_jump_stays_in_doubt() {
        let mut expiry = Expiry::new(None, 0);
        let jumped = 90 * 24 * HOUR;
        assert!(!expiry.tick(jumped, at(0)));
        for hour in 1..10 {
            assert!(!expiry.tick(jumped, at(hour * HOUR)));
        }
    }

    #[test]
    fn a_start_long_after_the_last_run_begins_in_doubt() {
        let mut expiry = Expiry::new(Some(0), 30 * 24 * HOUR);
        assert!(!expiry.tick(30 * 24 * HOUR, at(0)));
        assert!(expiry.tick(30 * 24 * HOUR + HOUR, at(HOUR)));
    }
}
