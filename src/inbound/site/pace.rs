//! How often something may happen: a pace with a hard limit over any second, and the logins' pace, which gives way
//! to an overloaded site.
//!
//! Pure: every function is told the time. Deliberately absent: queues and waiting (see `gate`).

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What is allowed in a second leaves in a little more than one: on its way it can come closer together, and the
/// server counts what arrives.
const SPAN: Duration = Duration::from_millis(1_050);
/// How much of a late start is made good: timers are late by a millisecond or two each time.
const SLACK: Duration = Duration::from_millis(20);
/// What was used without a turn keeps others waiting, though never for longer than this.
const LONGEST_DEBT: Duration = Duration::from_secs(10);
/// The shortest time between two halvings: answers that were under way together are one sign.
const BETWEEN: Duration = Duration::from_secs(3);
/// How long no trouble must be heard of before the pace rises again.
const QUIET: Duration = Duration::from_secs(5);
/// From nothing to the configured rate in this time.
const RECOVERY: f64 = 30.0;
/// Latency says nothing below this.
const SLOW: f64 = 0.5;
/// This much above its floor, latency is a sign of overload.
const RISEN: f64 = 3.0;

/// Evenly spaced turns, and never more than the limit within any second, as the server sees it.
#[derive(Debug)]
pub struct Pace {
    step: Duration,
    limit: usize,
    /// When the next turn would come if all came in time.
    next: Option<Instant>,
    /// The turns of the last second, and the last one in any case.
    taken: VecDeque<Instant>,
    /// Turns that need not be spaced, as others were given back: the limit alone holds for them.
    spare: usize,
}

impl Pace {
    /// `per_second` may be below one; the limit is then one.
    pub fn new(per_second: f64) -> Pace {
        let limit = (per_second.floor() as usize).max(1);
        Pace { step: step(per_second), limit, next: None, taken: VecDeque::new(), spare: 0 }
    }

    /// A lower or higher pace from now on; the hard limit stays.
    pub fn set(&mut self, per_second: f64, now: Instant) {
        self.step = step(per_second);
        self.next = self.next.map(|next| next.min(now + self.step + self.slack()));
    }

    /// When the next turn may be taken; what lies in the past means now.
    pub fn ready_at(&self, now: Instant) -> Instant {
        let spaced = self
            .next
            .filter(|_| self.spare == 0)
            .and_then(|next| next.checked_sub(SLACK.min(self.step / 2)))
            .map_or(now, |at| at.max(now));
        let oldest = self.taken.len().checked_sub(self.limit).and_then(|place| self.taken.get(place));
        spaced.max(oldest.map_or(now, |oldest| *oldest + SPAN))
    }

    fn slack(&self) -> Duration {
        SLACK.min(self.step / 2)
    }

    /// How long so many turns take.
    pub fn time_of(&self, turns: usize) -> Duration {
        self.step.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }

    pub fn take(&mut self, now: Instant) {
        match self.spare.checked_sub(1) {
            Some(left) => self.spare = left,
            None => self.next = Some(self.next.map_or(now, |next| next.max(now)) + self.step),
        }
        while self.taken.front().is_some_and(|oldest| *oldest + SPAN <= now) {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
    }

    /// A turn that was taken then was not used. One of more than a second ago is in nobody's way any more. Two may follow
    /// at once, so that the limit is reached soon where all are given back.
    pub fn give_back(&mut self, then: Instant) {
        let Some(place) = self.taken.iter().rposition(|taken| *taken == then) else { return };
        self.taken.remove(place);
        self.spare = (self.spare + 2).min(self.limit);
    }

    /// What needs a turn has happened without one: those who come next wait for it.
    pub fn owe(&mut self, now: Instant) {
        self.spare = 0;
        self.take(now);
        self.next = self.next.map(|next| next.min(now + LONGEST_DEBT));
    }
}

fn step(per_second: f64) -> Duration {
    SPAN.div_f64(per_second.max(0.001))
}

/// The logins' rate: halves at a sign of overload, rises evenly afterwards.
#[derive(Debug)]
pub struct Giving {
    configured: f64,
    rate: f64,
    /// When `rate` was last brought up to date.
    at: Instant,
    trouble: Option<Instant>,
    /// Seconds: a moving mean, and the lowest it was (which rises slowly, as sites do get slower for good).
    latency: Option<f64>,
    floor: f64,
}

impl Giving {
    pub fn new(configured: u32, now: Instant) -> Giving {
        let configured = f64::from(configured.max(1));
        Giving { configured, rate: configured, at: now, trouble: None, latency: None, floor: f64::MAX }
    }

    /// The rate now.
    pub fn rate(&mut self, now: Instant) -> f64 {
        let from = self.trouble.map_or(self.at, |trouble| (trouble + QUIET).max(self.at));
        let quiet = now.saturating_duration_since(from).as_secs_f64();
        self.rate = (self.rate + quiet * self.configured / RECOVERY).min(self.configured);
        self.at = now;
        self.rate
    }

    /// The site asked for less (429, 503).
    pub fn overloaded(&mut self, now: Instant) {
        let rate = self.rate(now);
        let again = self.trouble.is_none_or(|last| now.saturating_duration_since(last) >= BETWEEN);
        if again {
            self.rate = (rate / 2.0).max(self.configured / 16.0).max(0.1).min(self.configured);
            self.trouble = Some(now);
        }
    }

    /// An exchange that the server could not hold was answered after this time.
    pub fn answered(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let mean = self.latency.map_or(took, |mean| mean + (took - mean) * 0.2);
        self.latency = Some(mean);
        self.floor = (self.floor * 1.0005).min(mean);
        if mean > SLOW && mean > RISEN * self.floor {
            self.overloaded(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[tokio::test]
    async fn turns_are_spaced_and_lateness_is_made_good_within_the_limit() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0);
        let mut now = start;
        let mut taken = Vec::new();
        while taken.len() < 40 {
            now = pace.ready_at(now).max(now);
            // A timer that is late by 7 ms.
            now += Duration::from_millis(7);
            pace.take(now);
            taken.push(now);
        }
        for pair in taken.windows(11) {
            assert!(pair[10] - pair[0] >= SPAN, "{pair:?}");
        }
        let whole = taken[39] - taken[0];
        assert!(whole < Duration::from_millis(4_300), "lateness adds up: {whole:?}");
    }

    #[tokio::test]
    async fn a_rest_earns_no_more_than_the_second_allows() {
        let start = Instant::now();
        let mut pace = Pace::new(2.0);
        pace.take(start);
        let late = after(start, 60_000);
        assert_eq!(pace.ready_at(late), late);
        pace.take(late);
        assert!(pace.ready_at(late) >= after(late, 480));
    }

    #[tokio::test]
    async fn a_turn_that_is_given_back_goes_to_the_next_and_what_is_owed_is_waited_for() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0);
        for n in 0..10 {
            pace.take(after(start, n * 105));
        }
        let now = after(start, 950);
        assert_eq!(pace.ready_at(now), after(start, 1_050), "ten within a second, and no more");
        pace.give_back(after(start, 420));
        assert_eq!(pace.ready_at(now), now);
        pace.take(now);
        pace.give_back(after(start, 421));
        assert_eq!(pace.ready_at(now), after(start, 1_050), "one that nobody took changes nothing");
        for _ in 0..20 {
            pace.owe(now);
        }
        assert!(pace.ready_at(now) >= after(start, 950 + 20 * 105), "the rate holds in the long run");
        for _ in 0..5_000 {
            pace.owe(now);
        }
        assert!(pace.ready_at(now) <= now + LONGEST_DEBT);
    }

    #[tokio::test]
    async fn overload_halves_the_rate_once_per_sign_and_it_comes_back_evenly() {
        let start = Instant::now();
        let mut giving = Giving::new(8, start);
        giving.overloaded(start);
        giving.overloaded(after(start, 100));
        assert_eq!(giving.rate(after(start, 200)), 4.0);
        giving.overloaded(after(start, 3_000));
        assert_eq!(giving.rate(after(start, 8_000)), 2.0);
        let later = giving.rate(after(start, 11_000));
        assert!(later > 2.0 && later < 4.0, "{later}");
        assert_eq!(giving.rate(after(start, 60_000)), 8.0);
    }

    #[tokio::test]
    async fn the_rate_never_falls_to_nothing() {
        let start = Instant::now();
        let mut giving = Giving::new(5, start);
        for n in 0..100 {
            giving.overloaded(after(start, n * 3_000));
        }
        assert!(giving.rate(after(start, 297_000)) >= 5.0 / 16.0);
    }

    #[tokio::test]
    async fn rising_latency_is_a_sign_and_steady_slowness_is_none() {
        let start = Instant::now();
        let mut steady = Giving::new(5, start);
        for n in 0..200 {
            steady.answered(Duration::from_millis(900), after(start, n * 100));
        }
        assert_eq!(steady.rate(after(start, 20_000)), 5.0);
        let mut rising = Giving::new(5, start);
        for n in 0..20 {
            rising.answered(Duration::from_millis(50), after(start, n * 100));
        }
        for n in 20..40 {
            rising.answered(Duration::from_secs(2), after(start, n * 100));
        }
        assert!(rising.rate(after(start, 4_000)) < 5.0);
    }
}
