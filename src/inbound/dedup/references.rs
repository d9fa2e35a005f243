//! Notifications with a `referenceId`, remembered for a minute per agent and HTTP session.
//!
//! The number's scope and lifetime are not documented, so it is never trusted alone and never for long.
//! Deliberately absent: the disk; a restart begins a new HTTP session anyway.

use crate::base::digest::Digest;
use crate::base::time::Millis;
use std::collections::{HashMap, VecDeque};

/// How long a reference is remembered.
const WINDOW: Millis = 60_000;
/// References remembered for one agent; beyond it the oldest go (duplicates over loss).
const PER_AGENT: usize = 2_048;

#[derive(Default)]
pub struct References(HashMap<String, OfAgent>);

#[derive(Default)]
struct OfAgent {
    epoch: u64,
    seen: VecDeque<(Millis, Digest, Digest)>,
}

impl References {
    /// Whether this content came under this key within the window and the same HTTP session; remembers it.
    pub fn repeats(&mut self, agent: &str, epoch: u64, key: Digest, content: Digest, now: Millis) -> bool {
        if !self.0.contains_key(agent) {
            self.0.insert(agent.to_owned(), OfAgent::default());
        }
        let Some(of) = self.0.get_mut(agent) else { return false };
        if of.epoch != epoch {
            of.epoch = epoch;
            of.seen.clear();
        }
        while of.seen.front().is_some_and(|(at, ..)| now - at > WINDOW) || of.seen.len() >= PER_AGENT {
            of.seen.pop_front();
        }
        if of.seen.iter().any(|(_, k, c)| *k == key && *c == content) {
            return true;
        }
        of.seen.push_back((now, key, content));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_repeats_within_a_minute_and_one_http_session_only() {
        let (key, one, two) = (Digest::of(b"k"), Digest::of(b"1"), Digest::of(b"2"));
        let mut references = References::default();
        assert!(!references.repeats("a", 1, key, one, 0));
        assert!(references.repeats("a", 1, key, one, 60_000));
        assert!(!references.repeats("a", 1, key, two, 60_000), "other content");
        assert!(!references.repeats("b", 1, key, one, 60_000), "another agent");
        assert!(!references.repeats("a", 1, key, one, 60_001), "a minute is over");
        assert!(!references.repeats("a", 2, key, one, 60_002), "another HTTP session");
    }

    #[test]
    fn the_memory_of_one_agent_is_bounded() {
        let mut references = References::default();
        for n in 0..10_000u32 {
            references.repeats("a", 1, Digest::of(&n.to_be_bytes()), Digest::of(b""), 0);
        }
        assert!(references.0["a"].seen.len() <= PER_AGENT);
    }
}
