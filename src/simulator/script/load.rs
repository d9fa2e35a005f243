//! Load: chat messages for all users in turn, so many each second.
//!
//! Each user has one conversation whose log grows by an item a time and begins anew after a thousand.
//! Deliberately absent: catching up after a stall; what is late is not sent.

use super::shapes::{self, FACEBOOK};
use crate::simulator::hub::Hub;
use crate::simulator::ledger::Label;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const TICK: Duration = Duration::from_millis(20);
const LOG_LENGTH: u64 = 1_000;

/// Publishes until it is dropped.
pub async fn run(hub: &Hub, per_second: f64, url: &str) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let born = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let mut due = 0.0;
    let mut sent = 0u64;
    loop {
        ticks.tick().await;
        due += per_second * TICK.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            publish(hub, url, born, sent);
            sent += 1;
        }
    }
}

fn publish(hub: &Hub, url: &str, born: u64, sent: u64) {
    let users = hub.options.users.len().max(1) as u64;
    let (turn, place) = (sent / users, sent % users);
    let Some(user) = usize::try_from(place).ok().and_then(|place| hub.options.users.get(place)) else {
        return;
    };
    let id = conversation_id(born, turn / LOG_LENGTH, place);
    let data = item(url, &id, turn % LOG_LENGTH + 1, sent);
    if let Ok(data) = serde_json::value::to_raw_value(&data) {
        hub.state().publish(&user.username, FACEBOOK, &data, Label::default());
    }
}

/// Another one for each start, user and thousand of items.
fn conversation_id(born: u64, round: u64, place: u64) -> String {
    format!("{}{}{}", shapes::base36(born, 8), shapes::base36(round, 4), shapes::base36(place, 4))
}

fn item(url: &str, id: &str, index: u64, number: u64) -> Value {
    let from = json!({"type": "Customer", "nickname": "PersonP", "participantId": format!("0090{id}")});
    let item = json!({"index": index, "type": "Text", "from": from, "text": format!("synthetic message {number}"),
        "visibility": "All", "timestamp": shapes::stamp(Timestamp::now())});
    shapes::log_update(&shapes::session_uri(url, id), &[item])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_users_or_rounds_share_a_conversation() {
        let mut ids = HashSet::new();
        for round in 0..50 {
            for place in 0..1_000 {
                assert!(ids.insert(conversation_id(1_763_793_600_000, round, place)));
            }
        }
    }
}
