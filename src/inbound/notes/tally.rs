//! What befalls many agents of a site at once is said of the first few by name, and of the rest by number.
//!
//! A server that restarts is one thing for whoever reads the log, not thousands. Deliberately absent: the words.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Agents named within `STRETCH`.
const NAMED: u32 = 8;
const STRETCH: Duration = Duration::from_secs(10);
/// The rest is summed up after a stretch, and less often while it goes on.
const LONGEST: Duration = Duration::from_secs(300);

/// One kind of thing that befalls agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Trouble,
    Recovered,
    Lost,
    GapOpened,
    GapClosed,
    Gone,
    Stalled,
    SubscriptionRefused,
    MultipleClients,
    Unreadable,
    Unread,
    LoggedOut,
}

/// How something is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Of this agent, by name.
    Name,
    /// As one of many. `first`: somebody has to call [`Tally::sum`] after `STRETCH` from now on.
    Count { first: bool },
}

/// The kinds of one site.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<Kind, Stretch>>);

#[derive(Debug)]
struct Stretch {
    since: Instant,
    named: u32,
    /// Of the many, while there are many.
    counted: Option<u64>,
    length: Duration,
}

impl Tally {
    pub fn tell(&self, kind: Kind, now: Instant) -> Told {
        let mut kinds = self.lock();
        let fresh = || Stretch { since: now, named: 0, counted: None, length: STRETCH };
        let stretch = kinds.entry(kind).or_insert_with(fresh);
        if let Some(counted) = &mut stretch.counted {
            *counted += 1;
            return Told::Count { first: false };
        }
        if now.saturating_duration_since(stretch.since) > STRETCH {
            *stretch = fresh();
        }
        if stretch.named < NAMED {
            stretch.named += 1;
            return Told::Name;
        }
        stretch.counted = Some(1);
        Told::Count { first: true }
    }

    /// When to ask for the sum.
    pub fn stretch(&self, kind: Kind) -> Duration {
        self.lock().get(&kind).map_or(STRETCH, |stretch| stretch.length)
    }

    /// How many there were since the last sum; `None` where it is over, and agents are named again.
    pub fn sum(&self, kind: Kind) -> Option<u64> {
        let mut kinds = self.lock();
        let stretch = kinds.get_mut(&kind)?;
        match stretch.counted.replace(0).filter(|counted| *counted > 0) {
            Some(counted) => {
                stretch.length = stretch.length.saturating_mul(2).min(LONGEST);
                Some(counted)
            }
            None => {
                kinds.remove(&kind);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Stretch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_are_named_the_rest_are_counted_and_when_it_is_over_names_are_told_again() {
        let (tally, start) = (Tally::default(), Instant::now());
        for _ in 0..NAMED {
            assert_eq!(tally.tell(Kind::Lost, start), Told::Name);
        }
        assert_eq!(tally.tell(Kind::Trouble, start), Told::Name, "each kind for itself");
        assert_eq!(tally.tell(Kind::Lost, start), Told::Count { first: true });
        for _ in 0..100 {
            assert_eq!(tally.tell(Kind::Lost, start + STRETCH * 2), Told::Count { first: false });
        }
        assert_eq!(tally.stretch(Kind::Lost), STRETCH);
        assert_eq!(tally.sum(Kind::Lost), Some(101));
        assert_eq!(tally.stretch(Kind::Lost), STRETCH * 2);
        assert_eq!(tally.tell(Kind::Lost, start), Told::Count { first: false });
        assert_eq!(tally.sum(Kind::Lost), Some(1));
        assert_eq!(tally.sum(Kind::Lost), None);
        assert_eq!(tally.tell(Kind::Lost, start), Told::Name);
    }

    #[tokio::test]
    async fn what_befalls_agents_one_after_the_other_is_always_named() {
        let (tally, start) = (Tally::default(), Instant::now());
        for n in 0..100 {
            assert_eq!(tally.tell(Kind::Lost, start + STRETCH / 4 * n), Told::Name, "{n}");
        }
    }
}
