//! How long the rest of a reply is waited for that has begun. Silence counts and not the whole, as a large batch on a
//! slow line is no failure; but what only trickles would make a session deaf for as long as it pleases.
//!
//! Deliberately absent: the wait itself.

use std::time::Duration;
use tokio::time::Instant;

/// Bytes a second below which a line is taken for none.
const SLOWEST: u64 = 512;
/// Network delays that a reply may take whatever it brings.
const GRACE: u32 = 4;

/// Of one request.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// When the answer must have begun. A server may begin it early and hold the rest.
    pub first: Instant,
    pub network_delay: Duration,
}

impl Patience {
    /// Until when the next bytes must come, where so many came since `began` and the last of them now.
    pub fn until(&self, began: Instant, now: Instant, bytes: usize) -> Instant {
        (now + self.network_delay).min(self.end(began, bytes))
    }

    /// Whether it was the whole that took too long, and no silence.
    pub fn trickles(&self, began: Instant, now: Instant, bytes: usize) -> bool {
        now >= self.end(began, bytes)
    }

    fn end(&self, began: Instant, bytes: usize) -> Instant {
        let earned = Duration::from_millis(bytes as u64 * 1_000 / SLOWEST);
        self.first.max(began + GRACE * self.network_delay + earned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_slow_line_is_waited_for_and_a_trickle_is_not() {
        let start = Instant::now();
        let patience = Patience { first: start + seconds(40), network_delay: seconds(10) };
        // Of a reply that began after the whole hold time.
        let began = start + seconds(30);
        assert_eq!(patience.until(began, began, 1), began + seconds(10), "silence counts");
        let late = began + seconds(39);
        let (slow, trickle) = (39 * 1_024, 78);
        assert_eq!(patience.until(began, late, slow), late + seconds(10));
        assert_eq!(patience.until(began, late, trickle), began + seconds(40) + Duration::from_millis(152));
        let later = began + seconds(41);
        assert!(patience.trickles(began, later, trickle) && !patience.trickles(began, later, slow));
        // An hour at the slowest pace.
        let hour = began + seconds(3_600);
        assert!(!patience.trickles(began, hour, 3_600 * 512));
    }

    #[test]
    fn what_begins_early_and_is_held_has_the_time_of_a_held_poll() {
        let start = Instant::now();
        let patience = Patience { first: start + seconds(40), network_delay: seconds(2) };
        let now = start + seconds(20);
        assert_eq!(patience.until(start, now, 10), now + seconds(2));
        assert!(!patience.trickles(start, now, 10) && patience.trickles(start, start + seconds(40), 10));
    }
}
