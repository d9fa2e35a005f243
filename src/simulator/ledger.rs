//! The truth beside the traffic: what was published, to how many sessions it went, what was acknowledged, when
//! a user had no subscribed session, which queues were destroyed, which faults struck.
//!
//! All lists are bounded; what falls off their front is counted. Deliberately absent: the state of the contact
//! centre (see `world`) and the routes (see `oracle`).

use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Entries kept of each list but the published rows.
const MAX_ENTRIES: usize = 200_000;

/// What a publisher knows of a notification.
#[derive(Clone, Debug, Default)]
pub struct Label {
    pub message_type: &'static str,
    pub notification_type: &'static str,
    pub conversation: Option<Arc<str>>,
    /// First and last index of the log items it carries; zero without any.
    pub indices: (u32, u32),
    pub tag: Option<Arc<str>>,
    /// The state it carries, in a few words.
    pub says: Option<Arc<str>>,
}

/// One published notification.
#[derive(Clone, Debug)]
pub struct Row {
    pub at: i64,
    pub user: Arc<str>,
    pub channel: Arc<str>,
    pub label: Label,
    pub delivered: u16,
    pub sent: u16,
    pub acked: u16,
}

/// As `GET /simulator/published` shows a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub n: u64,
    /// Unix milliseconds.
    pub at: i64,
    pub user: Arc<str>,
    pub channel: Arc<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message_type: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub notification_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Arc<str>>,
    /// First and last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<(u32, u32)>,
    /// Sessions whose queue it went into.
    pub delivered_to: u16,
    /// Replies that carried it and that no fault damaged.
    pub sent: u16,
    /// Sessions that acknowledged it.
    pub acked: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Arc<str>>,
    /// Of a conversation state, `userData.Revision` and number of participants; of an agent the states, with commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<Arc<str>>,
}

/// A time without a subscribed session; `to` is missing while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    pub user: Arc<str>,
    pub from: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
}

/// A session that ended with its queue: numbers of published rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Destroyed {
    pub at: i64,
    pub user: Arc<str>,
    pub cause: &'static str,
    pub ack: bool,
    /// In a reply already, and not acknowledged.
    pub sent: Vec<u64>,
    /// In no reply yet.
    pub unsent: Vec<u64>,
}

/// A reply that a fault kept from arriving whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    pub at: i64,
    pub user: Arc<str>,
    pub fault: &'static str,
    /// Without ack the messages are gone.
    pub ack: bool,
    pub messages: Vec<u64>,
}

/// A fault that has struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Struck {
    pub n: u64,
    pub at: i64,
    pub fault: String,
    pub user: String,
}

/// A list that forgets its oldest entries.
#[derive(Debug)]
struct Bounded<T> {
    entries: VecDeque<T>,
    forgotten: u64,
    max: usize,
}

impl<T: Clone> Bounded<T> {
    fn new(max: usize) -> Bounded<T> {
        Bounded { entries: VecDeque::new(), forgotten: 0, max }
    }

    /// The entry's number, from 1.
    fn push(&mut self, entry: T) -> u64 {
        self.entries.push_back(entry);
        if self.entries.len() > self.max {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.forgotten + self.entries.len() as u64
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let place = number.checked_sub(self.forgotten + 1)?;
        self.entries.get_mut(usize::try_from(place).ok()?)
    }

    fn after(&self, number: u64) -> impl Iterator<Item = (u64, &T)> {
        let skip = usize::try_from(number.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        let first = self.forgotten + 1;
        self.entries.iter().enumerate().skip(skip).map(move |(at, entry)| (first + at as u64, entry))
    }
}

#[derive(Debug)]
pub struct Ledger {
    rows: Bounded<Row>,
    names: HashMap<Box<str>, Arc<str>>,
    uncovered: Bounded<Uncovered>,
    open: BTreeMap<Arc<str>, i64>,
    destroyed: Bounded<Destroyed>,
    damaged: Bounded<Damaged>,
    struck: Bounded<Struck>,
}

impl Ledger {
    /// Keeps `rows` published rows.
    pub fn new(rows: usize) -> Ledger {
        Ledger {
            rows: Bounded::new(rows),
            names: HashMap::new(),
            uncovered: Bounded::new(MAX_ENTRIES),
            open: BTreeMap::new(),
            destroyed: Bounded::new(MAX_ENTRIES),
            damaged: Bounded::new(MAX_ENTRIES),
            struck: Bounded::new(MAX_ENTRIES),
        }
    }

    /// One copy of a name for all rows; names that come in endless number are not kept.
    pub fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        if self.names.len() < MAX_ENTRIES {
            self.names.insert(text.into(), Arc::clone(&name));
        }
        name
    }

    /// Writes a notification down before it is queued; its number.
    pub fn published(&mut self, at: i64, user: &str, channel: &str, label: Label) -> u64 {
        let (user, channel) = (self.name(user), self.name(channel));
        self.rows.push(Row { at, user, channel, label, delivered: 0, sent: 0, acked: 0 })
    }

    pub fn delivered(&mut self, number: u64, sessions: usize) {
        if let Some(row) = self.rows.get_mut(number) {
            row.delivered = u16::try_from(sessions).unwrap_or(u16::MAX);
        }
    }

    pub fn sent(&mut self, number: u64) {
        if let Some(row) = self.rows.get_mut(number) {
            row.sent = row.sent.saturating_add(1);
        }
    }

    pub fn acked(&mut self, number: u64) {
        if let Some(row) = self.rows.get_mut(number) {
            row.acked = row.acked.saturating_add(1);
        }
    }

    /// Whether the user has a subscribed session from `at` on.
    pub fn covered(&mut self, user: &str, covered: bool, at: i64) {
        let name = self.name(user);
        if !covered {
            self.open.entry(name).or_insert(at);
        } else if let Some(from) = self.open.remove(&name) {
            self.uncovered.push(Uncovered { user: name, from, to: Some(at) });
        }
    }

    /// Users that have a subscribed session now; `users` is the number of all.
    pub fn covered_users(&self, users: usize) -> usize {
        users.saturating_sub(self.open.len())
    }

    pub fn destroyed(&mut self, destroyed: Destroyed) {
        self.destroyed.push(destroyed);
    }

    pub fn damaged(&mut self, damaged: Damaged) {
        self.damaged.push(damaged);
    }

    pub fn struck(&mut self, at: i64, fault: String, user: String) {
        self.struck.push(Struck { n: 0, at, fault, user });
    }

    /// At most `limit` rows after number `after`, oldest first.
    pub fn rows(&self, after: u64, limit: usize) -> Vec<Published> {
        let rows = self.rows.after(after).take(limit);
        rows.map(|(n, row)| Published {
            n,
            at: row.at,
            user: Arc::clone(&row.user),
            channel: Arc::clone(&row.channel),
            message_type: row.label.message_type,
            notification_type: row.label.notification_type,
            conversation: row.label.conversation.clone(),
            indices: (row.label.indices.0 > 0).then_some(row.label.indices),
            delivered_to: row.delivered,
            sent: row.sent,
            acked: row.acked,
            tag: row.label.tag.clone(),
            says: row.label.says.clone(),
        })
        .collect()
    }

    /// Rows that fell off the front.
    pub fn forgotten(&self) -> u64 {
        self.rows.forgotten
    }

    pub fn faults(&self, after: u64, limit: usize) -> Vec<Struck> {
        self.struck.after(after).take(limit).map(|(n, struck)| Struck { n, ..struck.clone() }).collect()
    }

    /// All times without a subscribed session, those that last included, of all users or one.
    pub fn uncovered(&self, user: Option<&str>) -> Vec<Uncovered> {
        let lasting =
            self.open.iter().map(|(user, from)| Uncovered { user: Arc::clone(user), from: *from, to: None });
        let all = self.uncovered.entries.iter().cloned().chain(lasting);
        all.filter(|one| user.is_none_or(|user| *one.user == *user)).collect()
    }

    pub fn queues(&self, user: Option<&str>) -> Vec<Destroyed> {
        let all = self.destroyed.entries.iter();
        all.filter(|one| user.is_none_or(|user| *one.user == *user)).cloned().collect()
    }

    pub fn replies(&self, user: Option<&str>) -> Vec<Damaged> {
        let all = self.damaged.entries.iter();
        all.filter(|one| user.is_none_or(|user| *one.user == *user)).cloned().collect()
    }

    /// Entries of the loss lists that fell off their front; an oracle with any has lost its truth.
    pub fn losses_forgotten(&self) -> u64 {
        self.uncovered.forgotten + self.destroyed.forgotten + self.damaged.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_numbers_when_the_oldest_go() {
        let mut ledger = Ledger::new(3);
        for at in 1..=5 {
            assert_eq!(ledger.published(at, "u", "/c", Label::default()), at as u64);
        }
        ledger.acked(1);
        ledger.acked(4);
        let rows = ledger.rows(0, 100);
        assert_eq!(rows.iter().map(|row| (row.n, row.acked)).collect::<Vec<_>>(), [(3, 0), (4, 1), (5, 0)]);
        assert_eq!(ledger.rows(4, 100).len(), 1);
        assert_eq!(ledger.rows(99, 100).len(), 0);
        assert_eq!(ledger.forgotten(), 2);
    }

    #[test]
    fn a_time_without_a_session_has_one_beginning_and_one_end() {
        let mut ledger = Ledger::new(1);
        ledger.covered("u", false, 1);
        ledger.covered("u", false, 2);
        assert_eq!(ledger.uncovered(None), [Uncovered { user: "u".into(), from: 1, to: None }]);
        ledger.covered("u", true, 5);
        ledger.covered("u", true, 6);
        assert_eq!(ledger.uncovered(Some("u")), [Uncovered { user: "u".into(), from: 1, to: Some(5) }]);
        assert!(ledger.uncovered(Some("v")).is_empty());
    }
}
