//! A bounded memory of what was decided lately, in two generations: what is touched stays, the rest goes as a
//! whole. What is gone is read again from the journal.
//!
//! Deliberately absent: exact age or popularity; the journal holds everything, this only saves reading.

use crate::base::digest::Digest;
use std::collections::HashMap;

pub struct Cache<V> {
    young: HashMap<Digest, V>,
    old: HashMap<Digest, V>,
    weight: usize,
    limit: usize,
    turns: u64,
}

impl<V> Cache<V> {
    /// `limit` is the weight of one generation; at most two are held.
    pub fn new(limit: usize) -> Cache<V> {
        Cache { young: HashMap::new(), old: HashMap::new(), weight: 0, limit, turns: 0 }
    }

    /// The value, moved to the young generation.
    pub fn get(&mut self, key: &Digest) -> Option<&mut V> {
        if !self.young.contains_key(key)
            && let Some(value) = self.old.remove(key)
        {
            self.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    pub fn remove(&mut self, key: &Digest) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub fn insert(&mut self, key: Digest, value: V) {
        self.add_weight(1);
        self.young.insert(key, value);
    }

    /// The value in the young generation, made where there is none.
    pub fn young(&mut self, key: Digest, make: impl FnOnce() -> V) -> &mut V {
        self.young.entry(key).or_insert_with(make)
    }

    /// Says that values have grown.
    pub fn add_weight(&mut self, more: usize) {
        self.weight += more;
        if self.weight > self.limit {
            self.old = std::mem::take(&mut self.young);
            self.weight = more;
            self.turns += 1;
        }
    }

    /// How often the old generation has gone.
    pub fn turns(&self) -> u64 {
        self.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn what_is_touched_stays_and_the_total_is_bounded() {
        let mut cache = Cache::new(10);
        for n in 0..1_000 {
            cache.insert(key(n), n);
            assert_eq!(cache.get(&key(0)).copied(), Some(0), "touched each time");
            assert!(cache.young.len() + cache.old.len() <= 21);
        }
        assert!(cache.get(&key(5)).is_none());
        cache.remove(&key(0));
        assert!(cache.get(&key(0)).is_none());
    }
}
