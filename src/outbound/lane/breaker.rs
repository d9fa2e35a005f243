//! The circuit breaker of one destination: when most of it fails, one call at a time finds out when it is back.
//!
//! Pure; time comes from outside. What fails while it is open is the destination's fault: it counts against no event.
//! Deliberately absent: failures that are an event's own (it is refused, the destination works).

use crate::base::retry::Backoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So many failures in a row, with nothing delivered in between and not all of one key, open it.
const IN_A_ROW: u32 = 5;

#[derive(Debug)]
pub struct Breaker {
    backoff: Backoff,
    in_a_row: u32,
    /// Of the first failure in the row, and whether there was another.
    key: Option<Arc<str>>,
    several: bool,
    /// Probes that failed since it opened.
    probes: u32,
    until: Option<Instant>,
}

impl Breaker {
    pub fn new(backoff: Backoff) -> Breaker {
        Breaker { backoff, in_a_row: 0, key: None, several: false, probes: 0, until: None }
    }

    pub fn open(&self) -> bool {
        self.until.is_some()
    }

    /// When the next probe may leave; none while it is closed.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How many calls may be out now, if there is a limit.
    pub fn limit(&self, now: Instant) -> Option<usize> {
        self.until.map(|until| usize::from(now >= until))
    }

    /// A call failed through the destination's fault. Says whether this opened it. One key alone never does, nor do
    /// keys that failed before while others got through (`parked`): they say nothing of the destination.
    /// `asked` is the least wait that the destination asks for.
    pub fn failed(
        &mut self,
        key: &Arc<str>,
        parked: bool,
        asked: Duration,
        now: Instant,
        random: f64,
    ) -> bool {
        match self.until {
            // Calls that left before it opened say nothing new.
            Some(until) if now < until => return false,
            Some(_) => {}
            None if parked => return false,
            None => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.several |= self.key.get_or_insert_with(|| Arc::clone(key)) != key;
                if self.in_a_row < IN_A_ROW || !self.several {
                    return false;
                }
            }
        }
        let opened = self.until.is_none();
        self.probes = self.probes.saturating_add(1);
        self.until = Some(now + self.backoff.jitter_upward(self.probes, random).max(asked));
        opened
    }

    /// Something got through. Says whether this closed it.
    pub fn worked(&mut self) -> bool {
        (self.in_a_row, self.probes, self.key, self.several) = (0, 0, None, false);
        self.until.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn breaker() -> Breaker {
        Breaker::new(Backoff { initial: second(1), max: second(4) })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_at_a_time_through() {
        let (mut breaker, now) = (breaker(), Instant::now());
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        for key in [&a, &b, &a, &a] {
            assert!(!breaker.failed(key, false, Duration::ZERO, now, 0.0));
        }
        assert!(!breaker.worked() && breaker.limit(now).is_none());
        for key in [&a, &b, &a, &a] {
            breaker.failed(key, false, Duration::ZERO, now, 0.0);
        }
        assert!(breaker.failed(&a, false, Duration::ZERO, now, 0.0) && breaker.open());
        assert_eq!((breaker.limit(now), breaker.limit(now + second(1))), (Some(0), Some(1)));
        // Others that were on their way.
        assert!(!breaker.failed(&b, false, Duration::ZERO, now, 0.0));
        assert_eq!(breaker.until(), Some(now + second(1)));
        let mut at = now + second(1);
        for wait in [2, 4, 4] {
            breaker.failed(&a, true, Duration::ZERO, at, 0.0);
            assert_eq!(breaker.until(), Some(at + second(wait)));
            at += second(wait);
        }
        breaker.failed(&b, false, second(60), at, 0.0);
        assert_eq!(breaker.until(), Some(at + second(60)), "what is asked for is granted");
        assert!(breaker.worked() && breaker.limit(at).is_none());
    }

    #[test]
    fn one_key_alone_and_parked_ones_do_not_open_it() {
        let (mut breaker, now) = (breaker(), Instant::now());
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        for _ in 0..20 {
            assert!(
                !breaker.failed(&a, false, Duration::ZERO, now, 0.0)
                    && !breaker.failed(&b, true, Duration::ZERO, now, 0.0)
            );
        }
        assert!(breaker.failed(&b, false, Duration::ZERO, now, 0.0));
    }
}
