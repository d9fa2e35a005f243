//! The readings that a session waits for: in which order, how many, and what becomes of those beyond.
//!
//! What is let go stays in the checkpoint until it is told. Deliberately absent: making a reading, and telling.

use crate::inbound::checkpoint::MAX_UNREAD;
use crate::inbound::dedup::Hole;
use crate::inbound::reconcile::{Lost, Occasion};
use crate::journal::{Gap, Known};
use std::collections::VecDeque;
use tokio::time::Instant;

/// Readings that wait; beyond them the oldest hole is let go, else the oldest gap.
pub(super) const MAX_WANTED: usize = 64;

/// A reading to be made, not before a time.
pub(super) struct Wanted {
    pub(super) occasion: Occasion,
    pub(super) tries: u32,
    pub(super) after: Instant,
}

impl Wanted {
    pub(super) fn new(occasion: Occasion) -> Wanted {
        Wanted { occasion, tries: 0, after: Instant::now() }
    }

    /// Whether it closes what a gap left open: until it is done, a difference is no sign of silence.
    pub(super) fn repairs(&self) -> bool {
        matches!(self.occasion, Occasion::NewSession { .. } | Occasion::Continued { .. })
    }

    pub(super) fn routine(&self) -> bool {
        matches!(self.occasion, Occasion::Routine { .. })
    }

    /// The first reading of an agent; with a gap it is the gap that counts.
    pub(super) fn first(&self) -> bool {
        matches!(self.occasion, Occasion::NewSession { gap: None, .. })
    }

    /// The gap it closes, and what was known when that opened.
    pub(super) fn gap(&self) -> Option<(&Gap, &[Known])> {
        match &self.occasion {
            Occasion::NewSession { gap, before } => gap.as_ref().map(|gap| (gap, before.as_slice())),
            Occasion::Continued { gap, before } => Some((gap, before.as_slice())),
            Occasion::Routine { .. } | Occasion::Hole(_) => None,
        }
    }

    pub(super) fn hole(&self) -> Option<&Hole> {
        match &self.occasion {
            Occasion::Hole(hole) => Some(hole),
            _ => None,
        }
    }
}

/// Those that wait, and those that will not be made.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) wanted: VecDeque<Wanted>,
    pub(super) lost: Vec<Lost>,
}

impl Queue {
    /// Where too many gaps wait the oldest is let go, with what it touched: a checkpoint has room for no more.
    fn spare_gaps(&mut self) {
        while self.wanted.iter().filter(|known| known.gap().is_some()).count() > MAX_UNREAD {
            let oldest = self.wanted.iter().position(|known| known.gap().is_some());
            let oldest = oldest.and_then(|place| self.wanted.remove(place));
            oldest.into_iter().for_each(|oldest| self.let_go(oldest));
        }
    }

    /// What repairs a gap goes before what fills a hole, an older gap before a later one.
    pub(super) fn add(&mut self, wanted: Wanted) {
        if self.wanted.len() >= MAX_WANTED {
            let hole = self.wanted.iter().position(|known| !known.repairs());
            let oldest = self.wanted.remove(hole.unwrap_or_default());
            oldest.into_iter().for_each(|oldest| self.let_go(oldest));
        }
        let hole = self.wanted.iter().position(|known| wanted.repairs() && !known.repairs());
        self.wanted.insert(hole.unwrap_or(self.wanted.len()), wanted);
        self.spare_gaps();
    }

    /// The first whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Wanted> {
        let place = self.wanted.iter().position(|wanted| wanted.after <= now)?;
        self.wanted.remove(place)
    }

    /// It will not be read; what waits for it is to be told so.
    pub(super) fn let_go(&mut self, wanted: Wanted) {
        match wanted.occasion {
            Occasion::NewSession { gap: Some(gap), before } | Occasion::Continued { gap, before } => {
                self.lost.push(Lost::Gap(gap, before));
            }
            Occasion::Hole(hole) => self.lost.push(Lost::Hole(hole)),
            Occasion::NewSession { gap: None, .. } | Occasion::Routine { .. } => {}
        }
    }

    pub(super) fn lost_gaps(&self) -> impl Iterator<Item = (&Gap, &[Known])> {
        self.lost.iter().filter_map(|lost| match lost {
            Lost::Gap(gap, before) => Some((gap, before.as_slice())),
            Lost::Hole(_) => None,
        })
    }

    pub(super) fn lost_holes(&self) -> impl Iterator<Item = &Hole> {
        self.lost.iter().filter_map(|lost| match lost {
            Lost::Hole(hole) => Some(hole),
            Lost::Gap(..) => None,
        })
    }
}
