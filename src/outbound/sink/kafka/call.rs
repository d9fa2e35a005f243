//! One call of `deliver`: its records, what became of each, and who is told of their reports.
//!
//! Deliberately absent: sending, and what a report means.

use super::super::{Cause, Delivery, Outcome};
use super::flight::Report;
use std::collections::HashSet;
use tokio::sync::mpsc;

pub struct Call<'a> {
    pub batch: &'a [Delivery],
    pub outcomes: Vec<Outcome>,
    /// Keys of which an event is not done: nothing more of them goes out in this call.
    pub failed: HashSet<&'a str>,
    /// Records without report.
    pub out: usize,
    /// Where values are made.
    pub value: Vec<u8>,
    pub tell: mpsc::UnboundedSender<(usize, Report)>,
    pub heard: mpsc::UnboundedReceiver<(usize, Report)>,
}

impl<'a> Call<'a> {
    pub fn new(batch: &'a [Delivery]) -> Call<'a> {
        let (tell, heard) = mpsc::unbounded_channel();
        let outcomes = vec![Outcome::Held; batch.len()];
        Call { batch, outcomes, failed: HashSet::new(), out: 0, value: Vec::new(), tell, heard }
    }

    pub fn set(&mut self, nth: usize, outcome: Outcome) {
        if !matches!(outcome, Outcome::Done | Outcome::Reject { .. })
            && let Some(delivery) = self.batch.get(nth)
        {
            self.failed.insert(delivery.event.partitionkey.as_str());
        }
        if let Some(slot) = self.outcomes.get_mut(nth) {
            *slot = outcome;
        }
    }

    /// What was neither reported nor decided goes again, with another client.
    pub fn leave_to_another(&mut self, cause: &Cause) {
        for outcome in self.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Held) {
            *outcome = Outcome::Reconnect { cause: cause.clone() };
        }
    }
}
