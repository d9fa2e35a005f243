//! Whether our own coming and going throws agents out: who was seen logged out right after it.
//!
//! Pure: every function is told the time. Deliberately absent: what follows (see the parent).

use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// What comes so soon after our own login or the end of our session may be its doing.
const CLOSE: Duration = Duration::from_secs(30);
/// People do log out by themselves: what lies further back than this does not count.
const REMEMBERED: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub struct Brake {
    touched: HashMap<String, Instant>,
    disturbed: HashMap<String, Instant>,
}

impl Brake {
    /// We logged in as the agent, or our session of it ended.
    pub fn touched(&mut self, agent: &str, now: Instant) {
        self.touched.insert(agent.to_owned(), now);
    }

    /// The agent was logged out. How many different agents were disturbed within the last hour, where this is
    /// one of them.
    pub fn logged_out(&mut self, agent: &str, now: Instant) -> Option<usize> {
        let close = self.touched.get(agent).is_some_and(|at| now.saturating_duration_since(*at) <= CLOSE);
        if !close {
            return None;
        }
        self.disturbed.insert(agent.to_owned(), now);
        self.disturbed.retain(|_, at| now.saturating_duration_since(*at) <= REMEMBERED);
        Some(self.disturbed.len())
    }

    pub fn reset(&mut self) {
        self.disturbed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_follows_closely_counts_and_each_agent_once_and_not_for_ever() {
        let (mut brake, start) = (Brake::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(brake.logged_out("1", at(0)), None);
        brake.touched("1", at(0));
        brake.touched("2", at(0));
        assert_eq!(brake.logged_out("1", at(30)), Some(1));
        assert_eq!(brake.logged_out("1", at(30)), Some(1));
        assert_eq!(brake.logged_out("2", at(31)), None);
        brake.touched("2", at(100));
        assert_eq!(brake.logged_out("2", at(101)), Some(2));
        brake.touched("3", at(3_640));
        assert_eq!(brake.logged_out("3", at(3_641)), Some(2));
    }
}
