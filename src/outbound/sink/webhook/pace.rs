//! How fast a receiver is posted to: its own rate, and pauses for all keys while it asks to be slowed down for.
//!
//! Only the lane waits long: what may not leave within a second goes back to it as not tried. Deliberately absent:
//! tries; a pause postpones them and counts none.

use crate::base::retry::Backoff;
use crate::outbound::settings::Rate;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What is waited for here, so that a stop of the lane is not held up.
const LONGEST: Duration = Duration::from_secs(1);
/// Requests arrive closer together than they leave: the rate leaves in a little more time than it says.
const STRETCH: f64 = 1.05;

pub struct Pace {
    /// Time from one request to the next.
    between: Option<Duration>,
    backoff: Backoff,
    /// The most that a receiver may ask for.
    most: Duration,
    state: Mutex<State>,
}

struct State {
    /// When the rate has room for the next request.
    next: Instant,
    /// Nothing leaves before.
    paused_until: Instant,
    /// When the last pause was asked for: what left before then asks for no second one.
    paused_at: Option<Instant>,
    /// Pauses in a row.
    level: u32,
}

impl Pace {
    pub fn new(rate: Option<Rate>, backoff: Backoff, most: Duration) -> Pace {
        let now = Instant::now();
        Pace {
            between: rate.map(|rate| rate.per.mul_f64(STRETCH / f64::from(rate.requests.max(1)))),
            backoff,
            most,
            state: Mutex::new(State { next: now, paused_until: now, paused_at: None, level: 0 }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this request's turn; if it is too far off, says after how long to ask again.
    pub async fn turn(&self) -> Result<(), Duration> {
        let at = self.book()?;
        if let Some(at) = at {
            sleep_until(at).await;
            // A pause may have begun meanwhile.
            self.paused()?;
        }
        Ok(())
    }

    /// The time of this request, where it is not now.
    fn book(&self) -> Result<Option<Instant>, Duration> {
        self.paused()?;
        let Some(between) = self.between else { return Ok(None) };
        let (mut state, now) = (self.state(), Instant::now());
        let at = state.next.max(now);
        if at > now + LONGEST {
            return Err(at - now);
        }
        state.next = at + between;
        Ok((at > now).then_some(at))
    }

    fn paused(&self) -> Result<(), Duration> {
        let left = self.state().paused_until.saturating_duration_since(Instant::now());
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// An answer to what left at `sent` says that the receiver is fine.
    pub fn fine(&self, sent: Instant) {
        let mut state = self.state();
        if state.paused_at.is_none_or(|at| sent > at) {
            state.level = 0;
        }
    }

    /// An answer to what left at `sent` asks to slow down, perhaps with a wait of its own.
    pub fn slow(&self, sent: Instant, asked: Option<Duration>) {
        let (mut state, now, random) = (self.state(), Instant::now(), fastrand::f64());
        if state.paused_at.is_none_or(|at| sent > at) {
            state.level = state.level.saturating_add(1);
            state.paused_at = Some(now);
            let wait = self.backoff.jitter_upward(state.level, random);
            state.paused_until = state.paused_until.max(now + wait);
        }
        if let Some(asked) = asked {
            // Never sooner than asked for, and not all at the same second.
            let asked = asked.min(self.most);
            let wait = (asked + asked.mul_f64(random / 10.0)).min(self.most);
            state.paused_until = state.paused_until.max(now + wait);
        }
    }

    /// How long the pause still lasts.
    pub fn left(&self) -> Duration {
        self.paused().err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(rate: Option<Rate>) -> Pace {
        Pace::new(rate, Backoff { initial: SECOND, max: SECOND * 8 }, SECOND * 60)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_never_exceeded_and_nearly_used() {
        let pace = pace(Some(Rate { requests: 10, per: SECOND }));
        let mut left = Vec::new();
        let began = Instant::now();
        for _ in 0..40 {
            pace.turn().await.unwrap();
            left.push(began.elapsed());
        }
        for (at, first) in left.iter().enumerate() {
            assert!(left[at..].iter().filter(|one| **one - *first <= SECOND).count() <= 10, "{left:?}");
        }
        assert!(left[39] < SECOND * 5, "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_wait_long_goes_back_to_the_lane() {
        let pace = pace(Some(Rate { requests: 6, per: SECOND * 60 }));
        pace.turn().await.unwrap();
        let wait = pace.turn().await.unwrap_err();
        assert!(wait > SECOND * 10 && wait < SECOND * 11, "{wait:?}");
        tokio::time::sleep(wait).await;
        pace.turn().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_once_a_round_and_end_with_an_answer_that_is_fine() {
        let pace = pace(None);
        let sent = Instant::now();
        for _ in 0..8 {
            pace.slow(sent, None);
        }
        assert!(pace.left() >= SECOND && pace.left() <= SECOND * 3 / 2, "{:?}", pace.left());
        assert!(pace.turn().await.is_err());
        tokio::time::sleep(pace.left()).await;
        pace.turn().await.unwrap();
        pace.slow(Instant::now(), None);
        assert!(pace.left() >= SECOND * 2, "{:?}", pace.left());
        tokio::time::sleep(pace.left()).await;
        pace.fine(Instant::now());
        pace.slow(Instant::now(), None);
        assert!(pace.left() >= SECOND && pace.left() <= SECOND * 3 / 2, "{:?}", pace.left());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_receiver_asks_for_is_kept_up_to_the_limit() {
        let pace = pace(None);
        pace.slow(Instant::now(), Some(SECOND * 20));
        assert!(pace.left() >= SECOND * 20 && pace.left() <= SECOND * 22, "{:?}", pace.left());
        pace.slow(Instant::now(), Some(Duration::MAX));
        assert_eq!(pace.left(), SECOND * 60);
    }
}
