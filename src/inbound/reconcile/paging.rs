//! How the log of a conversation is read in pages: from which index on, until when, and what was had of it.
//!
//! Whether `startIndex` is inclusive, and whether it counts from 0 or 1, is not documented: every page overlaps
//! what is known by one, and repeats are dropped by their key. Pure; deliberately absent: the requests.

/// Asked for at once.
const COUNT: i64 = 200;
/// Pages of one reading.
const MAX_PAGES: u32 = 50;
/// Bytes of one reading.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// A page with fewer new items than this is the last one: no server cuts pages so short.
const SHORT: usize = 10;

/// One reading of a log under way.
#[derive(Clone, Debug)]
pub(super) struct Paging {
    /// The last index known before.
    before: Option<i64>,
    /// The last index wanted.
    until: Option<i64>,
    start: i64,
    pages: u32,
    bytes: usize,
    highest: Option<i64>,
    /// Something in it could not be told from a repeat, and was left out.
    odd: bool,
    pub(super) had: Had,
}

/// What was had of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Had {
    /// Every page was answered properly, up to the end.
    pub(super) whole: bool,
    /// The item known last stood in it again.
    pub(super) overlap: bool,
    /// The lowest index above the one known before.
    pub(super) first_after: Option<i64>,
    pub(super) highest: Option<i64>,
    /// Items that went out.
    pub(super) events: usize,
}

impl Paging {
    /// From the last known index on, to the end; from the beginning where none is known.
    pub(super) fn from(before: Option<i64>) -> Paging {
        let start = before.map_or(0, |last| last.saturating_sub(1).max(0));
        Paging {
            before,
            until: None,
            start,
            pages: 0,
            bytes: 0,
            highest: None,
            odd: false,
            had: Had::default(),
        }
    }

    /// From the item before a hole to its end.
    pub(super) fn hole(from: i64, to: i64) -> Paging {
        Paging { until: Some(to), ..Paging::from(Some(from.saturating_sub(1))) }
    }

    /// The query of the next page.
    pub(super) fn query(&self) -> String {
        let wanted = self.until.map_or(COUNT, |to| to.saturating_sub(self.start).saturating_add(2));
        format!("startIndex={}&count={}", self.start, wanted.clamp(2, COUNT))
    }

    /// Takes a page in; says whether another is to be asked for.
    pub(super) fn take(&mut self, indices: &[Option<i64>], bytes: usize) -> bool {
        self.pages += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let known: Vec<i64> = indices.iter().copied().flatten().collect();
        self.odd |= known.len() < indices.len();
        let news = known.iter().filter(|index| self.highest.is_none_or(|highest| **index > highest)).count();
        self.had.overlap |= self.before.is_some_and(|before| known.contains(&before));
        let after = known.iter().copied().filter(|index| self.before.is_none_or(|before| *index > before));
        self.had.first_after = self.had.first_after.into_iter().chain(after).min();
        self.highest = self.highest.into_iter().chain(known).max();
        self.had.highest = self.highest;
        let reached = self.until.is_some_and(|to| self.highest.is_some_and(|highest| highest >= to));
        let ended = reached || news < SHORT;
        self.had.whole = ended && !self.odd;
        let more = !ended && self.pages < MAX_PAGES && self.bytes < MAX_BYTES;
        if let Some(highest) = self.highest {
            self.start = self.start.max(highest.saturating_sub(1)).max(0);
        }
        more
    }

    /// A page failed: what was had before stays, but it is not the whole.
    pub(super) fn failed(&mut self) {
        self.had.whole = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(range: std::ops::RangeInclusive<i64>) -> Vec<Option<i64>> {
        range.map(Some).collect()
    }

    #[test]
    fn a_log_is_read_from_the_last_known_index_with_overlap() {
        let mut paging = Paging::from(Some(7));
        assert_eq!(paging.query(), "startIndex=6&count=200");
        assert!(!paging.take(&page(7..=9), 100));
        let had = Had { whole: true, overlap: true, first_after: Some(8), highest: Some(9), events: 0 };
        assert_eq!(paging.had, had);
        assert_eq!(Paging::from(None).query(), "startIndex=0&count=200");
    }

    #[test]
    fn a_hole_is_read_from_the_item_before_it_to_its_end() {
        let mut paging = Paging::hole(5, 6);
        assert_eq!(paging.query(), "startIndex=3&count=5");
        assert!(!paging.take(&page(4..=8), 100));
        assert!(paging.had.whole && paging.had.overlap);
        assert_eq!(Paging::hole(5, i64::MAX).query(), "startIndex=3&count=200");
    }

    #[test]
    fn a_log_without_the_item_known_last_has_no_overlap_and_an_odd_item_makes_it_no_whole() {
        let mut paging = Paging::from(Some(7));
        paging.take(&page(9..=11), 100);
        assert!(paging.had.whole && !paging.had.overlap);
        paging = Paging::from(Some(7));
        assert!(!paging.take(&[Some(7), None, Some(8)], 100));
        assert!(!paging.had.whole);
    }

    #[test]
    fn pages_and_bytes_are_bounded_and_then_it_is_not_the_whole() {
        let mut paging = Paging::from(None);
        let mut asked = 1;
        while paging.take(&page(asked * 200..=asked * 200 + 199), 100) {
            asked += 1;
        }
        assert_eq!((asked, paging.had.whole), (i64::from(MAX_PAGES), false));
        let mut paging = Paging::from(None);
        assert!(!paging.take(&page(0..=199), MAX_BYTES));
        assert!(!paging.had.whole);
    }

    proptest! {
        /// Whatever `startIndex` means and however a server cuts its pages, the whole log comes.
        #[test]
        fn every_reading_of_start_index_gives_the_whole_log(
            length in 1i64..900, first in 0i64..2, known in proptest::option::of(0i64..900),
            exclusive in any::<bool>(), position in any::<bool>(), cut in 20usize..300,
        ) {
            let log: Vec<i64> = (first..first + length).collect();
            let known = known.filter(|known| log.contains(known));
            let mut paging = Paging::from(known);
            let mut seen = std::collections::BTreeSet::new();
            loop {
                let start: i64 = paging.query().split(['=', '&']).nth(1).unwrap().parse().unwrap();
                let skip = |(at, index): &(usize, &i64)| {
                    let place = if position { *at as i64 } else { **index };
                    if exclusive { place <= start && start > 0 } else { place < start }
                };
                let rest = log.iter().enumerate().skip_while(skip).map(|(_, index)| *index);
                let page: Vec<Option<i64>> = rest.take(cut.min(200)).map(Some).collect();
                seen.extend(page.iter().copied().flatten());
                if !paging.take(&page, 1) {
                    break;
                }
            }
            prop_assert!(paging.had.whole);
            let wanted: Vec<i64> = log.iter().copied().filter(|index| known.is_none_or(|known| *index > known)).collect();
            prop_assert!(wanted.iter().all(|index| seen.contains(index)));
        }
    }
}
