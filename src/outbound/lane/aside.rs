//! Which keys have events parked in the journal, which of them are in hand, and when the others are due.
//!
//! Pure bookkeeping, of the keys alone: the events stay in the journal until their key is tried again. Its figures
//! are ahead of the disk by what is being settled. Deliberately absent: reading and writing.

use crate::base::time::Millis;
use crate::journal::{ParkedKey, Sequence};
use crate::outbound::settings::Park;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
struct Key {
    events: u64,
    bytes: u64,
    /// None while its first events are in hand.
    due: Option<Instant>,
    /// What its first event has been through, ahead of the disk.
    head: Option<Head>,
}

/// The tries of a key's first event.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub sequence: Sequence,
    pub failures: u32,
    pub first_failure: Option<Millis>,
}

#[derive(Debug)]
pub struct Aside {
    room: Park,
    keys: HashMap<Arc<str>, Key>,
    due: BTreeSet<(Instant, Arc<str>)>,
    events: u64,
    bytes: u64,
    /// Delivered or dead, but perhaps still in the journal.
    gone: HashSet<Sequence>,
}

/// A key whose time has come.
#[derive(Debug)]
pub struct Due {
    pub key: Arc<str>,
    pub head: Option<Head>,
}

impl Aside {
    pub fn new(room: Park) -> Aside {
        Aside { room, keys: HashMap::new(), due: BTreeSet::new(), events: 0, bytes: 0, gone: HashSet::new() }
    }

    /// What the journal has, at the start or after more was put there.
    pub fn found(&mut self, parked: Vec<ParkedKey>, now_wall: Millis, now: Instant) {
        for ParkedKey { key, events, bytes, due } in parked {
            let wait = u64::try_from(due.saturating_sub(now_wall)).unwrap_or(0);
            let due = now + Duration::from_millis(wait);
            self.grow(&Arc::from(key.as_str()), events, bytes, due);
        }
    }

    pub fn holds(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Keys, events and bytes.
    pub fn figures(&self) -> (u64, u64, u64) {
        (self.keys.len() as u64, self.events, self.bytes)
    }

    /// Whether one more event fits, of this key.
    pub fn fits(&self, key: &str, bytes: u64) -> bool {
        self.bytes.saturating_add(bytes) <= self.room.bytes
            && (self.keys.len() < self.room.keys || self.holds(key))
    }

    /// How many keys more fit.
    pub fn free_keys(&self) -> usize {
        if self.bytes >= self.room.bytes { 0 } else { self.room.keys.saturating_sub(self.keys.len()) }
    }

    /// Parks events of a key; one that is new is due then.
    pub fn grow(&mut self, key: &Arc<str>, events: u64, bytes: u64, due: Instant) {
        self.events = self.events.saturating_add(events);
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(known) = self.keys.get_mut(key) {
            known.events = known.events.saturating_add(events);
            known.bytes = known.bytes.saturating_add(bytes);
            return;
        }
        self.keys.insert(Arc::clone(key), Key { events, bytes, due: Some(due), head: None });
        self.due.insert((due, Arc::clone(key)));
    }

    /// Keys whose first events are in hand.
    pub fn in_hand(&self) -> usize {
        self.keys.len().saturating_sub(self.due.len())
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next key whose time has come; it is in hand until [`Aside::later`] or [`Aside::through`].
    pub fn take(&mut self, now: Instant) -> Option<Due> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        let known = self.keys.get_mut(&key)?;
        known.due = None;
        Some(Due { head: known.head, key })
    }

    /// The key's first event failed again, or nothing of it could be read yet.
    pub fn later(&mut self, key: &Arc<str>, due: Instant, head: Option<Head>) {
        let Some(known) = self.keys.get_mut(key) else { return };
        if let Some(before) = known.due.replace(due) {
            self.due.remove(&(before, Arc::clone(key)));
        }
        known.head = head.or(known.head);
        self.due.insert((due, Arc::clone(key)));
    }

    /// One parked event is settled for good.
    pub fn settled(&mut self, key: &str, sequence: Sequence, bytes: u64) {
        self.gone.insert(sequence);
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(known) = self.keys.get_mut(key) {
            known.events = known.events.saturating_sub(1);
            known.bytes = known.bytes.saturating_sub(bytes);
            known.head = None;
        }
    }

    /// Nothing of the key could be read: it is over, or not on disk yet (then it is looked for again).
    pub fn empty(&mut self, key: &Arc<str>, all_stored: bool, soon: Instant) {
        if !all_stored && self.keys.get(key).is_some_and(|known| known.events > 0) {
            return self.later(key, soon, None);
        }
        // The journal has none of what was counted: it was removed there.
        if let Some(known) = self.keys.remove(key) {
            self.events = self.events.saturating_sub(known.events);
            self.bytes = self.bytes.saturating_sub(known.bytes);
        }
    }

    /// Nothing of the key is in hand any more: it is over, or its next events are due.
    pub fn through(&mut self, key: &Arc<str>, now: Instant) {
        match self.keys.get(key) {
            Some(known) if known.events == 0 => {
                self.bytes = self.bytes.saturating_sub(known.bytes);
                self.keys.remove(key);
            }
            Some(_) => self.later(key, now, None),
            None => {}
        }
    }

    /// Whether the key is to be tried again later.
    pub fn waits(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|known| known.due.is_some())
    }

    /// Whether it is settled already, although the journal may still show it.
    pub fn is_gone(&self, sequence: Sequence) -> bool {
        self.gone.contains(&sequence)
    }

    /// The journal shows these no more.
    pub fn forgotten(&mut self, sequences: &[Sequence]) {
        for sequence in sequences {
            self.gone.remove(sequence);
        }
    }

    /// Keys that are in hand are not any more.
    pub fn drop_all(&mut self, now: Instant) {
        let held: Vec<Arc<str>> = self
            .keys
            .iter()
            .filter(|(_, known)| known.due.is_none())
            .map(|(key, _)| Arc::clone(key))
            .collect();
        for key in held {
            self.through(&key, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_in_hand_and_over() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut aside = Aside::new(Park { keys: 2, bytes: 100 });
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        aside.grow(&a, 1, 10, later);
        aside.grow(&b, 1, 10, now);
        aside.grow(&a, 1, 10, now);
        assert_eq!((aside.figures(), aside.next_due()), ((2, 3, 30), Some(now)));
        assert!(aside.fits("a", 70) && !aside.fits("a", 71) && !aside.fits("c", 1));
        assert_eq!(&*aside.take(now).unwrap().key, "b");
        assert!(aside.take(now).is_none());
        aside.settled("b", 9, 10);
        assert!(aside.is_gone(9));
        aside.through(&b, now);
        aside.forgotten(&[9]);
        assert!(!aside.holds("b") && !aside.is_gone(9));
        assert_eq!(&*aside.take(later).unwrap().key, "a");
        aside.settled("a", 4, 10);
        aside.through(&a, later);
        assert_eq!((aside.figures(), aside.next_due()), ((1, 1, 10), Some(later)));
    }

    #[test]
    fn tries_that_are_not_on_disk_yet_are_remembered_until_the_event_is_over() {
        let now = Instant::now();
        let mut aside = Aside::new(Park { keys: 2, bytes: 100 });
        let a: Arc<str> = Arc::from("a");
        aside.grow(&a, 2, 10, now);
        aside.take(now).unwrap();
        aside.later(&a, now, Some(Head { sequence: 1, failures: 3, first_failure: Some(7) }));
        assert_eq!(aside.take(now).unwrap().head.map(|head| head.failures), Some(3));
        aside.settled("a", 1, 5);
        aside.drop_all(now);
        assert!(aside.take(now).unwrap().head.is_none());
    }
}
