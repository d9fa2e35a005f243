//! What a lane holds in hand: open events by key, which keys may be tried, and up to where all is settled.
//!
//! Pure bookkeeping. One key has at most one call out at a time, and its events leave in their order; a key
//! that failed waits for its time while the others go on. Deliberately absent: I/O, and what an outcome means.

use crate::base::envelope::Event;
use crate::base::time::Millis;
use crate::journal::{Sequence, Stored};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// One event that is not settled yet.
#[derive(Clone, Debug)]
pub struct Item {
    pub stored: Stored,
    /// As the sink may see it.
    pub masked: Arc<Event>,
    /// Tries that failed.
    pub failures: u32,
    pub first_failure: Option<Millis>,
}

/// What became of one event of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered or dead-lettered: no more of it.
    Closed,
    /// Failed: its key waits until then.
    Again(Instant),
    /// Not tried: may go at once, after what stands before it.
    Untried,
}

/// How much one call may take.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    pub items: usize,
    pub keys: usize,
    /// Of one key that has not failed; of one that has, only the first is tried.
    pub per_key: usize,
}

#[derive(Debug, Default)]
struct KeyQueue {
    waiting: VecDeque<Sequence>,
    out: bool,
}

/// The window itself.
#[derive(Debug)]
pub struct Window {
    open: BTreeMap<Sequence, Item>,
    keys: HashMap<Arc<str>, KeyQueue>,
    ready: VecDeque<Arc<str>>,
    delayed: BTreeSet<(Instant, Arc<str>)>,
    /// Everything up to here has been read.
    through: Sequence,
    bytes: u64,
    max_events: usize,
    max_bytes: u64,
    /// Events above the position that are settled already.
    settled_above: u64,
    /// Open events that failed at least once.
    failing: usize,
}

impl Window {
    pub fn new(position: Sequence, max_events: usize, max_bytes: u64) -> Window {
        Window {
            open: BTreeMap::new(),
            keys: HashMap::new(),
            ready: VecDeque::new(),
            delayed: BTreeSet::new(),
            through: position,
            bytes: 0,
            max_events,
            max_bytes,
            settled_above: 0,
            failing: 0,
        }
    }

    /// Sets how much it may hold; what it holds already stays.
    pub fn limit(&mut self, max_events: usize, max_bytes: u64) {
        (self.max_events, self.max_bytes) = (max_events, max_bytes);
    }

    /// What it may hold: events and bytes.
    pub fn limits(&self) -> (usize, u64) {
        (self.max_events, self.max_bytes)
    }

    /// Everything up to here is settled.
    pub fn position(&self) -> Sequence {
        self.open.first_key_value().map_or(self.through, |(&lowest, _)| lowest.saturating_sub(1))
    }

    pub fn through(&self) -> Sequence {
        self.through
    }

    /// Events read beyond the position and settled out of turn: what a jump over the rest does not lose.
    pub fn settled_above(&self) -> u64 {
        self.settled_above
    }

    /// How much may be read now: events and bytes; none while less than an eighth is free.
    pub fn room(&self) -> Option<(usize, u64)> {
        let events = self.max_events.saturating_sub(self.open.len());
        let bytes = self.max_bytes.saturating_sub(self.bytes);
        let enough = events.saturating_mul(8) >= self.max_events && bytes.saturating_mul(8) >= self.max_bytes;
        (enough && events > 0 && bytes > 0).then_some((events, bytes))
    }

    pub fn push(&mut self, item: Item) {
        let sequence = item.stored.sequence;
        let key: Arc<str> = Arc::from(item.masked.partitionkey.as_str());
        self.through = self.through.max(sequence);
        self.bytes = self.bytes.saturating_add(item.stored.bytes);
        self.open.insert(sequence, item);
        let queue = self.keys.entry(Arc::clone(&key)).or_default();
        queue.waiting.push_back(sequence);
        if queue.waiting.len() == 1 && !queue.out {
            self.ready.push_back(key);
        }
    }

    /// An event that is not for this sink.
    pub fn pass(&mut self, sequence: Sequence) {
        self.through = self.through.max(sequence);
        self.settled_above = if self.open.is_empty() { 0 } else { self.settled_above.saturating_add(1) };
    }

    /// Everything up to here has been looked at.
    pub fn passed(&mut self, through: Sequence) {
        self.through = self.through.max(through);
    }

    /// Whether a key may be tried now.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Open events that failed at least once.
    pub fn failing(&self) -> usize {
        self.failing
    }

    /// Events held.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The calls that are out will not come back: their events may be taken again, oldest key first.
    pub fn recall(&mut self) {
        let mut back: Vec<(Sequence, Arc<str>)> = Vec::new();
        for (key, queue) in self.keys.iter_mut().filter(|(_, queue)| queue.out) {
            queue.out = false;
            if let Some(&first) = queue.waiting.front() {
                back.push((first, Arc::clone(key)));
            }
        }
        back.sort();
        self.ready.extend(back.into_iter().map(|(_, key)| key));
    }

    /// When the next waiting key may be tried again.
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Makes the keys ready whose time has come.
    pub fn wake(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.delayed.pop_first() {
                self.ready.push_back(key);
            }
        }
    }

    /// The next call's events, in order within each key. Their keys are out until [`Window::land`].
    pub fn take(&mut self, limit: Take) -> Vec<Item> {
        let mut taken = Vec::new();
        let mut keys = 0;
        while keys < limit.keys && taken.len() < limit.items {
            let Some(key) = self.ready.pop_front() else { break };
            let Some(queue) = self.keys.get_mut(&key) else { continue };
            queue.out = true;
            keys += 1;
            let first = queue.waiting.front().and_then(|sequence| self.open.get(sequence));
            let failing = first.is_some_and(|item| item.failures > 0);
            let most = if failing { 1 } else { limit.per_key.min(limit.items.saturating_sub(taken.len())) };
            taken.extend(queue.waiting.iter().take(most).filter_map(|at| self.open.get(at)).cloned());
        }
        taken
    }

    /// Counts a failed try; gives the number of failures so far and when the first was.
    pub fn failed(&mut self, sequence: Sequence, at: Millis) -> Option<&Item> {
        let item = self.open.get_mut(&sequence)?;
        self.failing += usize::from(item.failures == 0);
        item.failures = item.failures.saturating_add(1);
        item.first_failure.get_or_insert(at);
        Some(item)
    }

    /// A call has come back.
    pub fn land(&mut self, verdicts: &[(Sequence, Verdict)]) {
        let mut due: HashMap<Arc<str>, Option<Instant>> = HashMap::new();
        for &(sequence, verdict) in verdicts {
            let Some(item) = self.open.get(&sequence) else { continue };
            let key: Arc<str> = Arc::from(item.masked.partitionkey.as_str());
            let latest = due.entry(Arc::clone(&key)).or_default();
            match verdict {
                Verdict::Again(at) => *latest = (*latest).max(Some(at)),
                Verdict::Untried => {}
                Verdict::Closed => self.close(sequence, &key),
            }
        }
        for (key, due) in due {
            let Some(queue) = self.keys.get_mut(&key) else { continue };
            queue.out = false;
            if queue.waiting.is_empty() {
                self.keys.remove(&key);
            } else if let Some(at) = due {
                self.delayed.insert((at, key));
            } else {
                self.ready.push_back(key);
            }
        }
    }

    fn close(&mut self, sequence: Sequence, key: &str) {
        let before = self.position();
        let Some(item) = self.open.remove(&sequence) else { return };
        self.bytes = self.bytes.saturating_sub(item.stored.bytes);
        self.failing = self.failing.saturating_sub(usize::from(item.failures > 0));
        if let Some(queue) = self.keys.get_mut(key) {
            queue.waiting.retain(|&waiting| waiting != sequence);
        }
        let passed = self.position().saturating_sub(before);
        self.settled_above = if self.open.is_empty() {
            0
        } else {
            // Holes in the sequence only make this smaller, never larger than what was settled.
            self.settled_above.saturating_add(1).saturating_sub(passed)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::stored;
    use proptest::prelude::*;
    use std::time::Duration;

    const ALL: Take = Take { items: 100, keys: 100, per_key: 100 };

    fn item(sequence: Sequence, key: &str) -> Item {
        let stored = stored(sequence, key);
        Item { masked: Arc::clone(&stored.event), stored, failures: 0, first_failure: None }
    }

    fn window(keys: &[&str]) -> Window {
        let mut window = Window::new(0, 64, 1 << 20);
        for (sequence, key) in (1..).zip(keys) {
            window.push(item(sequence, key));
        }
        window
    }

    fn numbers(items: &[Item]) -> Vec<Sequence> {
        items.iter().map(|item| item.stored.sequence).collect()
    }

    #[test]
    fn the_position_stands_before_the_lowest_open_event() {
        let mut window = window(&["a", "b", "a"]);
        assert_eq!(window.position(), 0);
        assert_eq!(window.take(ALL).len(), 3);
        window.land(&[(2, Verdict::Closed), (3, Verdict::Closed)]);
        assert_eq!((window.position(), window.settled_above()), (0, 2));
        window.land(&[(1, Verdict::Closed)]);
        assert_eq!((window.position(), window.settled_above()), (3, 0));
    }

    #[test]
    fn events_passed_over_move_the_position_too() {
        let mut window = window(&["a"]);
        window.pass(2);
        window.passed(7);
        window.take(ALL);
        assert_eq!(window.position(), 0);
        window.land(&[(1, Verdict::Closed)]);
        assert_eq!(window.position(), 7);
    }

    #[test]
    fn a_key_that_is_out_or_waits_is_not_taken_and_then_one_event_at_a_time() {
        let mut window = window(&["a", "a", "b"]);
        let now = Instant::now();
        let due = now + Duration::from_secs(5);
        assert_eq!(numbers(&window.take(ALL)), [1, 2, 3]);
        window.push(item(4, "a"));
        assert!(window.take(ALL).is_empty());
        window.failed(1, 7);
        window.land(&[(1, Verdict::Again(due)), (2, Verdict::Untried), (3, Verdict::Closed)]);
        window.push(item(5, "b"));
        assert_eq!(numbers(&window.take(ALL)), [5]);
        assert_eq!(window.next_due(), Some(due));
        window.wake(due);
        assert_eq!(numbers(&window.take(ALL)), [1]);
    }

    #[test]
    fn recalled_events_are_taken_again_in_order() {
        let mut window = window(&["b", "a", "b"]);
        assert_eq!(window.take(ALL).len(), 3);
        window.recall();
        assert_eq!(numbers(&window.take(Take { keys: 1, ..ALL })), [1, 3]);
        assert_eq!(numbers(&window.take(ALL)), [2]);
    }

    #[test]
    fn a_full_window_reads_no_more() {
        let mut window = Window::new(0, 8, 1 << 20);
        for sequence in 1..=8 {
            window.push(item(sequence, "a"));
        }
        assert_eq!(window.room(), None);
        window.take(ALL);
        window.land(&[(1, Verdict::Closed)]);
        assert_eq!(window.room().map(|(events, _)| events), Some(1));
    }

    proptest! {
        /// Whatever calls do and in whatever order they come back, each key's events close in their order and
        /// the position never passes an open event nor goes back.
        #[test]
        fn order_and_position_hold(
            keys in proptest::collection::vec(0u8..4, 1..60),
            verdicts in proptest::collection::vec((0usize..8, 0u8..3, 1usize..6), 1..400),
        ) {
            let names = ["a", "b", "c", "d"];
            let of: Vec<_> = keys.iter().map(|&key| names[usize::from(key)]).collect();
            let mut window = window(&of);
            let mut out: Vec<Vec<Sequence>> = Vec::new();
            let mut closed: Vec<Sequence> = Vec::new();
            let mut last = 0;
            let now = Instant::now();
            for (which, verdict, many) in verdicts {
                window.wake(now);
                let call = numbers(&window.take(Take { items: many, keys: 2, per_key: many }));
                if !call.is_empty() { out.push(call); }
                if out.is_empty() { break; }
                let call = out.remove(which % out.len());
                // As a sink does: once one of a key is not done, the later ones of it are held.
                let mut failed = std::collections::HashSet::new();
                let mut landed = Vec::new();
                for (nth, at) in call.into_iter().enumerate() {
                    let key = of[usize::try_from(at).unwrap() - 1];
                    let bad = (nth + usize::from(verdict)) % 3 == 0;
                    if failed.contains(key) {
                        landed.push((at, Verdict::Untried));
                    } else if bad {
                        failed.insert(key);
                        window.failed(at, 0);
                        landed.push((at, Verdict::Again(now)));
                    } else {
                        closed.push(at);
                        landed.push((at, Verdict::Closed));
                    }
                }
                window.land(&landed);
                prop_assert!(window.position() >= last);
                last = window.position();
                let lowest = (1..=u64::try_from(of.len()).unwrap()).find(|at| !closed.contains(at));
                prop_assert_eq!(last, lowest.map_or(of.len() as u64, |at| at - 1));
            }
            for name in names {
                let mine: Vec<_> = closed.iter().filter(|&&at| of[usize::try_from(at).unwrap() - 1] == name).collect();
                prop_assert!(mine.is_sorted());
            }
        }
    }
}
