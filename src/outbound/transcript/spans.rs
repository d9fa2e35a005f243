//! A set of indices, as spans: a log without holes is one span however long it is.
//!
//! Deliberately absent: removing.

use crate::base::data::Indices;
use serde::{Deserialize, Serialize};

/// A log with more holes than this is not kept track of further.
const MAX_SPANS: usize = 512;

/// Ascending, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans(Vec<(i64, i64)>);

impl Spans {
    /// False where there is no room for it.
    pub fn add(&mut self, index: i64) -> bool {
        let at = self.0.partition_point(|(_, to)| to.saturating_add(1) < index);
        let full = self.0.len() >= MAX_SPANS;
        match self.0.get_mut(at) {
            Some((from, to)) if from.saturating_sub(1) <= index => {
                (*from, *to) = ((*from).min(index), (*to).max(index));
                let end = *to;
                let next = self.0.get(at + 1).copied().filter(|(from, _)| end.saturating_add(1) >= *from);
                if let Some((_, last)) = next {
                    self.0.remove(at + 1);
                    if let Some((_, to)) = self.0.get_mut(at) {
                        *to = (*to).max(last);
                    }
                }
            }
            _ if full => return false,
            _ => self.0.insert(at, (index, index)),
        }
        true
    }

    pub fn lowest(&self) -> Option<i64> {
        self.0.first().map(|(from, _)| *from)
    }

    pub fn highest(&self) -> Option<i64> {
        self.0.last().map(|(_, to)| *to)
    }

    /// What lacks from `from` up to the highest one.
    pub fn missing(&self, from: i64) -> Vec<Indices> {
        let mut next = from;
        let mut out = Vec::new();
        for (first, last) in &self.0 {
            if *first > next {
                out.push(Indices { from: next, to: first.saturating_sub(1) });
            }
            next = next.max(last.saturating_add(1));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_added(indices in prop::collection::vec(-5i64..40, 0..60)) {
            let mut spans = Spans::default();
            for index in &indices {
                prop_assert!(spans.add(*index));
            }
            let set: BTreeSet<i64> = indices.into_iter().collect();
            prop_assert_eq!(spans.lowest(), set.first().copied());
            prop_assert_eq!(spans.highest(), set.last().copied());
            let missing: Vec<i64> = spans.missing(1).iter().flat_map(|gap| gap.from..=gap.to).collect();
            let top = set.last().copied().unwrap_or(0);
            let expected: Vec<i64> = (1..=top).filter(|index| !set.contains(index)).collect();
            prop_assert_eq!(missing, expected);
            let apart = spans.0.windows(2).all(|two| two[0].1 + 1 < two[1].0);
            prop_assert!(apart, "{:?}", spans);
        }
    }

    #[test]
    fn a_log_of_holes_alone_does_not_grow_without_end() {
        let mut spans = Spans::default();
        let kept = (0..10_000).filter(|n| spans.add(n * 2)).count();
        assert_eq!(kept, MAX_SPANS);
        assert!(spans.add(1), "what joins two spans needs no room");
        assert!(spans.add(i64::MAX - 1) || spans.highest() == Some((MAX_SPANS as i64 - 1) * 2));
    }
}
