//! Time: a wall clock that never goes back, and RFC 3339 text.
//!
//! Deliberately absent: parsing of the vendor's odd stamps (that is `normalise`).

use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// A jump forward of more than this suspends expiry: a wrong clock must not empty a window.
pub const MAX_JUMP: Millis = 3_600_000;

/// The wall clock for ages and windows: never goes back. Cheap to clone; a test can hold the hands.
#[derive(Clone, Debug)]
pub struct Clock {
    last: Arc<AtomicI64>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Clock {
        Clock { last: Arc::new(AtomicI64::new(i64::MIN)), source: Source::System }
    }

    /// A clock that stands still until `set` moves it.
    pub fn manual(start: Millis) -> Clock {
        Clock {
            last: Arc::new(AtomicI64::new(i64::MIN)),
            source: Source::Manual(Arc::new(AtomicI64::new(start))),
        }
    }

    /// Moves a manual clock; a system clock is left alone.
    pub fn set(&self, now: Millis) {
        if let Source::Manual(at) = &self.source {
            at.store(now, Ordering::SeqCst);
        }
    }

    /// Now, never earlier than any answer given before.
    pub fn now(&self) -> Millis {
        let read = match &self.source {
            Source::System => Timestamp::now().as_millisecond(),
            Source::Manual(at) => at.load(Ordering::SeqCst),
        };
        self.last.fetch_max(read, Ordering::SeqCst).max(read)
    }
}

/// `2014-01-02T22:23:20.126Z`; the epoch where the number is no valid time.
pub fn rfc3339(at: Millis) -> String {
    let stamp = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{stamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let clock = Clock::manual(1_000);
        assert_eq!(clock.now(), 1_000);
        clock.set(500);
        assert_eq!(clock.now(), 1_000);
        clock.set(2_000);
        assert_eq!(clock.now(), 2_000);
    }

    #[test]
    fn milliseconds_are_always_written() {
        assert_eq!(rfc3339(1_388_701_400_126), "2014-01-02T22:23:20.126Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
