//! What a lane holds in hand: open events by key, which keys may be tried, and up to where all is settled.
//!
//! Pure bookkeeping. One key has at most one call out at a time, and its events leave in their order; a key
//! that failed waits for its time while the others go on. Events that are parked in the journal may be in hand,
//! too; they hold no position. Deliberately absent: I/O, and what an outcome means.

mod item;

pub use item::{Item, Take, Verdict};

use crate::base::time::Millis;
use crate::journal::Sequence;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

#[derive(Debug, Default)]
struct KeyQueue {
    waiting: VecDeque<Sequence>,
    out: bool,
}

impl KeyQueue {
    fn close(&mut self, sequence: Sequence) {
        // Mostly it is the first, as they leave in their order.
        if self.waiting.front() == Some(&sequence) {
            self.waiting.pop_front();
        } else {
            self.waiting.retain(|&waiting| waiting != sequence);
        }
    }
}

/// What came back of one key; a call holds the events of a key side by side.
struct Run {
    key: Arc<str>,
    closed: Vec<Sequence>,
    again: Vec<Sequence>,
    /// The latest time that one of them is to wait for.
    due: Option<Instant>,
}

/// The window itself.
#[derive(Debug)]
pub struct Window {
    open: BTreeMap<Sequence, Item>,
    /// Parked events in hand.
    parked: BTreeMap<Sequence, Item>,
    keys: HashMap<Arc<str>, KeyQueue>,
    ready: VecDeque<Arc<str>>,
    delayed: BTreeSet<(Instant, Arc<str>)>,
    /// Calls that failed whole and are to go again just as they were; their keys stay out.
    frozen: BTreeMap<(Instant, Sequence), Vec<Sequence>>,
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
            parked: BTreeMap::new(),
            keys: HashMap::new(),
            ready: VecDeque::new(),
            delayed: BTreeSet::new(),
            frozen: BTreeMap::new(),
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

    /// The position once these are settled, too.
    pub fn position_after(&self, call: &[Item]) -> Sequence {
        let over: BTreeSet<Sequence> = call.iter().map(|item| item.stored.sequence).collect();
        let open = self.open.keys().find(|at| !over.contains(at));
        open.map_or(self.through, |lowest| lowest.saturating_sub(1))
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
        let (sequence, key) = (item.stored.sequence, Arc::clone(&item.key));
        // What lies beyond all that was read is new for certain.
        if (item.parked || sequence <= self.through) && self.item(sequence).is_some() {
            return;
        }
        if item.parked {
            self.failing += usize::from(item.failures > 0);
            self.parked.insert(sequence, item);
        } else {
            self.through = self.through.max(sequence);
            self.bytes = self.bytes.saturating_add(item.stored.bytes);
            self.open.insert(sequence, item);
        }
        let queue = self.keys.entry(Arc::clone(&key)).or_default();
        queue.waiting.push_back(sequence);
        if queue.waiting.len() == 1 && !queue.out {
            self.ready.push_back(key);
        }
    }

    /// An event that needs nothing more: it is not for this sink, or kept beside the position.
    pub fn pass(&mut self, sequence: Sequence) {
        self.through = self.through.max(sequence);
        self.settled_above = if self.open.is_empty() { 0 } else { self.settled_above.saturating_add(1) };
    }

    /// Everything up to here has been looked at.
    pub fn passed(&mut self, through: Sequence) {
        self.through = self.through.max(through);
    }

    /// Whether something may be tried now.
    pub fn has_ready(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.frozen.first_key_value().is_some_and(|((due, _), _)| *due <= now)
    }

    /// Whether it holds anything of the key.
    pub fn holds(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Open events that failed at least once.
    pub fn failing(&self) -> usize {
        self.failing
    }

    /// Events held, parked ones left out.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The calls that are out will not come back: their events may be taken again, oldest key first.
    pub fn recall(&mut self) {
        let frozen: BTreeSet<Arc<str>> = self
            .frozen
            .values()
            .flatten()
            .filter_map(|&at| self.item(at).map(|item| Arc::clone(&item.key)))
            .collect();
        let mut back: Vec<(Sequence, Arc<str>)> = Vec::new();
        for (key, queue) in self.keys.iter_mut().filter(|(key, queue)| queue.out && !frozen.contains(*key)) {
            queue.out = false;
            if let Some(&first) = queue.waiting.front() {
                back.push((first, Arc::clone(key)));
            }
        }
        back.sort();
        self.ready.extend(back.into_iter().map(|(_, key)| key));
    }

    /// Calls that were to go again as they were are none any more.
    pub fn thaw(&mut self) {
        for at in std::mem::take(&mut self.frozen).into_values().flatten() {
            let Some(key) = self.item(at).map(|item| Arc::clone(&item.key)) else { continue };
            if let Some(queue) = self.keys.get_mut(&key).filter(|queue| queue.out) {
                queue.out = false;
                self.ready.push_back(key);
            }
        }
    }

    /// When the next waiting key or call may be tried again.
    pub fn next_due(&self) -> Option<Instant> {
        let key = self.delayed.first().map(|(due, _)| *due);
        let call = self.frozen.first_key_value().map(|((due, _), _)| *due);
        key.into_iter().chain(call).min()
    }

    /// Makes the keys ready whose time has come.
    pub fn wake(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.delayed.pop_first() {
                self.ready.push_back(key);
            }
        }
    }

    /// The next call's events, in order within each key. Their keys are out until [`Window::land`]. A call that
    /// is to go again as it was goes first.
    pub fn take(&mut self, limit: Take, now: Instant) -> Vec<Item> {
        if let Some(entry) = self.frozen.first_entry()
            && entry.key().0 <= now
        {
            let again = entry.remove();
            return again.into_iter().filter_map(|at| self.item(at).cloned()).collect();
        }
        let mut taken: Vec<Item> = Vec::new();
        let mut keys = 0;
        while keys < limit.keys && taken.len() < limit.items {
            let Some(key) = self.ready.pop_front() else { break };
            let Some(queue) = self.keys.get(&key) else { continue };
            let first = queue.waiting.front().and_then(|&at| self.item(at));
            let alone = first.is_some_and(|item| item.alone);
            if alone && !taken.is_empty() {
                self.ready.push_front(key);
                break;
            }
            let failing = alone || first.is_some_and(|item| item.failures > 0);
            let most = if failing { 1 } else { limit.per_key.min(limit.items.saturating_sub(taken.len())) };
            let next: Vec<Item> = queue
                .waiting
                .iter()
                .filter_map(|&at| self.item(at))
                // One that must go alone later ends what goes together now.
                .enumerate()
                .take_while(|(nth, item)| *nth == 0 || !item.alone)
                .map(|(_, item)| item.clone())
                .take(most)
                .collect();
            taken.extend(next);
            if let Some(queue) = self.keys.get_mut(&key) {
                queue.out = true;
            }
            keys += 1;
            if alone {
                break;
            }
        }
        taken
    }

    /// Notes a failed try, which counts against the event or not; gives the event.
    pub fn failed(
        &mut self,
        sequence: Sequence,
        at: Millis,
        call_began: Instant,
        counts: bool,
    ) -> Option<&Item> {
        let item = self.open.get_mut(&sequence).or_else(|| self.parked.get_mut(&sequence))?;
        self.failing += usize::from(item.failures == 0 && counts);
        item.failures = item.failures.saturating_add(u32::from(counts));
        item.first_failure.get_or_insert(at);
        item.failing_since.get_or_insert(call_began);
        Some(item)
    }

    /// A call has come back. A call that goes again as it was (`frozen`) waits for the last of its times.
    pub fn land(&mut self, verdicts: &[(Sequence, Verdict)], frozen: bool) {
        let mut runs: Vec<Run> = Vec::new();
        for &(sequence, verdict) in verdicts {
            let Some(item) = self.item(sequence) else { continue };
            if runs.last().is_none_or(|run| run.key != item.key) {
                runs.push(Run {
                    key: Arc::clone(&item.key),
                    closed: Vec::new(),
                    again: Vec::new(),
                    due: None,
                });
            }
            let Some(run) = runs.last_mut() else { continue };
            match verdict {
                Verdict::Again(at) => {
                    run.due = run.due.max(Some(at));
                    run.again.push(sequence);
                }
                Verdict::Untried => {}
                Verdict::Alone => {
                    if let Some(item) = self.item_mut(sequence) {
                        item.alone = true;
                    }
                }
                Verdict::Closed => {
                    run.closed.push(sequence);
                    self.remove(sequence);
                }
            }
        }
        let again: Vec<Sequence> = runs.iter().flat_map(|run| &run.again).copied().collect();
        let last = runs.iter().filter_map(|run| run.due).max();
        let freezes = frozen && again.len() > 1;
        for run in runs {
            let stays = freezes && !run.again.is_empty();
            self.come_back(run, stays);
        }
        if let (true, Some(last), Some(&first)) = (freezes, last, again.first()) {
            self.frozen.insert((last, first), again);
        }
    }

    /// What of a key is over leaves its queue, which may be taken from again unless it `stays` out.
    fn come_back(&mut self, run: Run, stays: bool) {
        let Some(queue) = self.keys.get_mut(&run.key) else { return };
        for over in run.closed {
            queue.close(over);
        }
        if stays {
            return;
        }
        let was_out = std::mem::replace(&mut queue.out, false);
        if queue.waiting.is_empty() {
            self.keys.remove(&run.key);
        } else if !was_out {
            // It is ready or waits already.
        } else if let Some(at) = run.due {
            self.delayed.insert((at, run.key));
        } else {
            self.ready.push_back(run.key);
        }
    }

    /// Gives everything of a key away that is not out; the position may pass it.
    pub fn evict(&mut self, key: &str) -> Vec<Item> {
        if self.keys.get(key).is_none_or(|queue| queue.out) {
            return Vec::new();
        }
        let Some((key, queue)) = self.keys.remove_entry(key) else { return Vec::new() };
        self.delayed.retain(|(_, delayed)| *delayed != key);
        self.ready.retain(|ready| *ready != key);
        queue.waiting.into_iter().filter_map(|at| self.remove(at)).collect()
    }

    /// The keys that hold something of the journal's order (not parked ones) and are not out, oldest first.
    pub fn idle_keys(&self) -> Vec<Arc<str>> {
        let mut seen = BTreeSet::new();
        let keys = self.open.values().map(|item| &item.key);
        let idle = keys.filter(|key| self.keys.get(*key).is_some_and(|queue| !queue.out));
        idle.filter(|key| seen.insert(Arc::clone(key))).cloned().collect()
    }

    fn remove(&mut self, sequence: Sequence) -> Option<Item> {
        let before = self.position();
        let gone = self.open.remove(&sequence);
        if let Some(item) = &gone {
            self.bytes = self.bytes.saturating_sub(item.stored.bytes);
            // Only the lowest one's going moves the position.
            let moves = before.saturating_add(1) == sequence;
            let passed = if moves { self.position().saturating_sub(before) } else { 0 };
            self.settled_above = if self.open.is_empty() {
                0
            } else {
                // Holes in the sequence only make this smaller, never larger than what was settled.
                self.settled_above.saturating_add(1).saturating_sub(passed)
            };
        }
        let gone = gone.or_else(|| self.parked.remove(&sequence))?;
        self.failing = self.failing.saturating_sub(usize::from(gone.failures > 0));
        Some(gone)
    }

    /// One that the journal keeps beside the position.
    pub fn parked(&self, sequence: Sequence) -> Option<&Item> {
        self.parked.get(&sequence)
    }

    pub fn item(&self, sequence: Sequence) -> Option<&Item> {
        self.open.get(&sequence).or_else(|| self.parked.get(&sequence))
    }

    fn item_mut(&mut self, sequence: Sequence) -> Option<&mut Item> {
        self.open.get_mut(&sequence).or_else(|| self.parked.get_mut(&sequence))
    }
}

#[cfg(test)]
mod tests;
