//! What the ends of gaps say under their conversations of what was recovered, against the truth.
//!
//! `yes` must be true. `partly` and `no` may be too careful, so that they are counted: what came while nobody heard
//! can not always be told from nothing. Deliberately absent: whether it is said at all (see `gaps` and `ended`).

use super::oracle::{Row, Truth};
use super::received::{Event, Received, millis};
use std::collections::HashSet;

#[derive(Default)]
pub struct Recovered {
    pub yes: usize,
    pub untrue: Vec<String>,
    /// `partly` and `no`, and those of them that no loss stands behind.
    pub rest: usize,
    pub careful: Vec<String>,
}

pub fn measure(truth: &Truth, received: &Received, lost: &HashSet<u64>) -> Recovered {
    let mut out = Recovered::default();
    let (told, user_of) = (truth.told(), truth.user_of());
    for (place, event) in received.events.iter().enumerate() {
        if event.kind != "gap" || event.data["phase"] != "closed" || event.data["cause"] == "hole" {
            continue;
        }
        let user = user_of[event.agent.as_str()];
        let rows = told.get(&(user, event.interaction.as_str())).map(Vec::as_slice).unwrap_or_default();
        let from = millis(&event.data["from"]).unwrap_or(i64::MIN);
        let to = millis(&event.data["to"]).unwrap_or(i64::MAX);
        let within: Vec<&&Row> = rows.iter().filter(|row| (from..=to).contains(&row.at)).collect();
        if event.data["recovered"] == "yes" {
            out.yes += 1;
            let missing = missing(received, event, place, &within);
            if !missing.is_empty() {
                out.untrue.push(format!(
                    "{} {} of {user}: gap {} is recovered, and of its log {missing:?} did not come before that",
                    event.medium, event.interaction, event.data
                ));
            }
        } else {
            out.rest += 1;
            if !within.iter().any(|row| lost.contains(&row.n)) {
                out.careful.push(format!("{user}: {} {} {}", event.medium, event.interaction, event.data));
            }
        }
    }
    out
}

/// Indices that the consumer has to have when it reads of the recovery, and has not: those told while the gap lasted,
/// and those between the last before and the first after it.
fn missing(received: &Received, event: &Event, place: usize, within: &[&&Row]) -> Vec<i64> {
    let told = within.iter().filter_map(|row| row.indices).flat_map(|(first, last)| first..=last);
    let before = event.data["lastIndexBefore"].as_i64().unwrap_or_default();
    let between = event.data["firstIndexAfter"].as_i64().map_or(0..0, |after| before + 1..after);
    let wanted: HashSet<i64> = told.chain(between).collect();
    let came = |index: &i64| {
        let key = (event.medium.clone(), event.interaction.clone(), *index);
        received.messages.get(&key).is_some_and(|places| places.iter().any(|one| *one < place))
    };
    let mut out: Vec<i64> = wanted.into_iter().filter(|index| !came(index)).collect();
    out.sort_unstable();
    out
}
