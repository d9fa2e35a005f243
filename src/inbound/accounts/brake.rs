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
    touched: HashMap<String, Touch>,
    disturbed: HashMap<String, Instant>,
}

struct Touch {
    at: Instant,
    /// The agent was not read over REST since.
    unread: bool,
}

impl Brake {
    /// We logged in as the agent, or our session of it ended.
    pub fn touched(&mut self, agent: &str, now: Instant) {
        self.touched.insert(agent.to_owned(), Touch { at: now, unread: true });
    }

    /// The agent was logged out. How many different agents were disturbed within the last hour, where this is
    /// one of them.
    pub fn logged_out(&mut self, agent: &str, now: Instant) -> Option<usize> {
        let touch = self.touched.get(agent)?;
        (now.saturating_duration_since(touch.at) <= CLOSE).then(|| self.count(agent, now))
    }

    /// The agent was read over REST. `out`: it was logged in before, and is not now; counted as in `logged_out`. What
    /// the first reading after our coming shows, and nobody told, was before there was a subscription to tell it,
    /// however late that reading comes: it may have to wait for thousands of others.
    pub fn read(&mut self, agent: &str, out: bool, now: Instant) -> Option<usize> {
        let touch = self.touched.get_mut(agent)?;
        let first = std::mem::take(&mut touch.unread);
        let close = now.saturating_duration_since(touch.at) <= CLOSE;
        (out && (first || close)).then(|| self.count(agent, now))
    }

    fn count(&mut self, agent: &str, now: Instant) -> usize {
        self.disturbed.insert(agent.to_owned(), now);
        self.disturbed.retain(|_, at| now.saturating_duration_since(*at) <= REMEMBERED);
        self.disturbed.len()
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

    #[tokio::test]
    async fn the_first_reading_after_our_coming_counts_whenever_it_comes_and_later_ones_as_news_do() {
        let (mut brake, start) = (Brake::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(brake.read("1", true, at(0)), None, "we did not come");
        for agent in ["1", "2", "3"] {
            brake.touched(agent, at(0));
        }
        assert_eq!(brake.read("1", true, at(900)), Some(1));
        assert_eq!(brake.read("2", false, at(10)), None);
        assert_eq!(brake.read("2", true, at(29)), Some(2));
        assert_eq!(brake.read("3", false, at(10)), None);
        assert_eq!(brake.read("3", true, at(31)), None, "told by nobody, and too late to be our doing");
        brake.touched("3", at(40));
        assert_eq!(brake.read("3", true, at(90)), Some(3));
    }
}
