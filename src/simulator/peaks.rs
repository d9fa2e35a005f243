//! How hard the clients press: requests and logins in any one second, login attempts by user.
//!
//! Every request that is answered at once counts, in the second it arrives. A poll counts unless it is held or has news
//! to bring: so a connect does that asks for no hold, finds its session gone, is refused, or is struck by a fault before it
//! is held (a delayed one counts after the delay, one that is never answered does not). The simulator's own routes do not
//! count. Deliberately absent: limits; the simulator only watches.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);

/// The most events seen in any window of a second.
#[derive(Debug, Default)]
struct Rate {
    recent: VecDeque<Instant>,
    max: usize,
}

impl Rate {
    fn count(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.max = self.max.max(self.recent.len());
    }
}

/// The logins tried for one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Basic logins since the start or the last reset.
    pub attempts: u32,
    pub refused: u32,
    /// The longest row of refusals without a success between them.
    pub max_refused_in_a_row: u32,
    #[serde(skip)]
    refused_in_a_row: u32,
    /// Wrong passwords in a row, which lock the account.
    #[serde(skip)]
    wrong_in_a_row: u32,
    pub locked: bool,
}

#[derive(Debug, Default)]
pub struct Peaks {
    requests: Rate,
    logins: Rate,
    accounts: HashMap<String, Attempts>,
}

/// Maxima since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Maxima {
    /// Requests in any one second, but polls that were held or brought news.
    pub max_requests_per_second: u64,
    pub max_logins_per_second: u64,
    /// Of any account.
    pub max_login_attempts: u32,
    pub max_refused_attempts: u32,
    pub locked_accounts: u64,
}

impl Peaks {
    /// A request is answered at once.
    pub fn request(&mut self) {
        self.requests.count(Instant::now());
    }

    /// A Basic login is tried for an account that exists.
    pub fn attempt(&mut self, user: &str) {
        self.account(user).attempts += 1;
    }

    /// Any Basic login, also for an account that does not exist.
    pub fn login(&mut self) {
        self.logins.count(Instant::now());
    }

    /// The login was refused; where `wrong` passwords lock (`lock_after`), the account may be locked now.
    pub fn refused(&mut self, user: &str, wrong: bool, lock_after: Option<u32>) {
        let account = self.account(user);
        account.refused += 1;
        account.refused_in_a_row += 1;
        account.max_refused_in_a_row = account.max_refused_in_a_row.max(account.refused_in_a_row);
        account.wrong_in_a_row += u32::from(wrong);
        account.locked |= lock_after.is_some_and(|after| account.wrong_in_a_row >= after);
    }

    pub fn succeeded(&mut self, user: &str) {
        let account = self.account(user);
        (account.refused_in_a_row, account.wrong_in_a_row) = (0, 0);
    }

    pub fn locked(&self, user: &str) -> bool {
        self.accounts.get(user).is_some_and(|account| account.locked)
    }

    /// Forgets the maxima and the attempts; a locked account stays locked.
    pub fn reset(&mut self) {
        // What came before is no part of a second that begins now.
        (self.requests, self.logins) = (Rate::default(), Rate::default());
        self.accounts.retain(|_, account| account.locked);
        for account in self.accounts.values_mut() {
            *account = Attempts { locked: true, ..Attempts::default() };
        }
    }

    pub fn maxima(&self) -> Maxima {
        let most = |of: fn(&Attempts) -> u32| self.accounts.values().map(of).max().unwrap_or_default();
        Maxima {
            max_requests_per_second: self.requests.max as u64,
            max_logins_per_second: self.logins.max as u64,
            max_login_attempts: most(|account| account.attempts),
            max_refused_attempts: most(|account| account.refused),
            locked_accounts: self.accounts.values().filter(|account| account.locked).count() as u64,
        }
    }

    pub fn accounts(&self) -> BTreeMap<String, Attempts> {
        self.accounts.iter().map(|(user, account)| (user.clone(), *account)).collect()
    }

    fn account(&mut self, user: &str) -> &mut Attempts {
        self.accounts.entry(user.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_maximum_is_that_of_any_second_not_of_whole_ones() {
        let mut peaks = Peaks::default();
        for _ in 0..3 {
            peaks.request();
            tokio::time::advance(Duration::from_millis(400)).await;
        }
        assert_eq!(peaks.maxima().max_requests_per_second, 3);
        tokio::time::advance(Duration::from_millis(900)).await;
        peaks.request();
        assert_eq!(peaks.maxima().max_requests_per_second, 3);
        peaks.reset();
        assert_eq!(peaks.maxima().max_requests_per_second, 0);
        peaks.request();
        assert_eq!(peaks.maxima().max_requests_per_second, 1);
    }

    #[test]
    fn wrong_passwords_lock_and_an_outage_does_not() {
        let mut peaks = Peaks::default();
        for _ in 0..5 {
            peaks.refused("u", false, Some(3));
        }
        assert!(!peaks.locked("u"));
        for _ in 0..2 {
            peaks.refused("u", true, Some(3));
        }
        peaks.succeeded("u");
        peaks.refused("u", true, Some(3));
        assert!(!peaks.locked("u"));
        for _ in 0..2 {
            peaks.refused("u", true, Some(3));
        }
        assert!(peaks.locked("u"));
        peaks.reset();
        assert!(peaks.locked("u") && peaks.maxima().locked_accounts == 1);
    }
}
