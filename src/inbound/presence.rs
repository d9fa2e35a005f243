//! Where an agent is logged in, by what notifications told and readings showed of its devices and channels.
//!
//! One state of `LoggedOut` says little: who works on one channel is logged out of the others all day. Deliberately
//! absent: what follows for the site's logins (see `accounts`).

use crate::base::time::Millis;
use crate::inbound::normalise::keys::{CHANNEL, DEVICE};
use crate::inbound::normalise::{Candidate, Says, Shadow};
use crate::journal::Known;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Devices and channels of one agent; GWS has fewer.
const MAX_PLACES: usize = 64;
/// What was known longer ago than this says nothing of the moment before a login: people come and go by themselves.
/// Shorter than any outage and the wait after it, in which a server may have logged its agents out by itself.
const RECENT_MILLIS: Millis = 60_000;

/// A device or channel, and whether the agent is logged in there.
pub type State = (String, bool);

/// Each device and channel that is known of; shared by a session and its readings.
#[derive(Debug, Default)]
pub struct Presence(Mutex<BTreeMap<Box<str>, bool>>);

impl Presence {
    /// Takes in the states of one reply. True where with them the agent has left the last place that is known: the
    /// agent was logged out, and not of one channel among others. A place never told of before counts as left.
    pub fn left_all(&self, states: impl IntoIterator<Item = State>) -> bool {
        let mut known = self.known();
        let mut left = false;
        for (place, logged_in) in states {
            let was_out = known.get(place.as_str()) == Some(&false);
            left |= put(&mut known, place, logged_in) && !logged_in && !was_out;
        }
        left && nowhere(&known)
    }

    /// Takes in what a reading shows. True where the agent was known to be logged in somewhere, and is nowhere now.
    /// Unlike a notification a reading of somebody who is not known says nothing: most of those who are logged out
    /// have been so for hours. `whole`: it shows every device and channel.
    pub fn shown_out(&self, states: Vec<State>, whole: bool) -> bool {
        let mut known = self.known();
        let was_in = !nowhere(&known);
        if whole && !states.is_empty() {
            known.clear();
        }
        for (place, logged_in) in states {
            put(&mut known, place, logged_in);
        }
        was_in && nowhere(&known)
    }

    /// Forgets what is too old to be compared with what comes after a login or the end of a session. `covered`: until
    /// when it would have been told.
    pub fn forget_old(&self, covered: Option<Millis>, now: Millis) {
        if !recent(covered, now) {
            self.known().clear();
        }
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Box<str>, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was told until `covered` still says how an agent stood just now.
pub fn recent(covered: Option<Millis>, now: Millis) -> bool {
    covered.is_some_and(|covered| now.saturating_sub(covered) <= RECENT_MILLIS)
}

/// The state that is known of a device or channel.
pub fn state_known(row: &Known) -> Option<State> {
    of(&row.kind, &row.id, &Shadow::parse(&row.shadow))
}

/// The state that a notification or a reading says a device or channel to have.
pub fn state_of(candidate: &Candidate) -> Option<State> {
    let sight = candidate.sight.as_ref()?;
    let Says::State { shadow, .. } = &sight.says else { return None };
    of(sight.kind, &sight.id, shadow)
}

fn of(kind: &str, id: &str, shadow: &Shadow) -> Option<State> {
    let logged_in = !shadow.state()?.eq_ignore_ascii_case("LoggedOut");
    [DEVICE, CHANNEL].contains(&kind).then(|| (id.to_owned(), logged_in))
}

fn nowhere(known: &BTreeMap<Box<str>, bool>) -> bool {
    !known.values().any(|logged_in| *logged_in)
}

/// Whether there was room for it.
fn put(known: &mut BTreeMap<Box<str>, bool>, place: String, logged_in: bool) -> bool {
    let place = place.into_boxed_str();
    let room = known.len() < MAX_PLACES || known.contains_key(&place);
    if room {
        known.insert(place, logged_in);
    }
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(states: &[(&str, bool)]) -> Vec<State> {
        states.iter().map(|(place, logged_in)| ((*place).to_owned(), *logged_in)).collect()
    }

    fn told(presence: &Presence, told: &[(&str, bool)]) -> bool {
        presence.left_all(states(told))
    }

    fn shown(presence: &Presence, shown: &[(&str, bool)]) -> bool {
        presence.shown_out(states(shown), true)
    }

    #[test]
    fn out_of_one_channel_is_not_out_and_out_of_the_last_is() {
        let presence = Presence::default();
        assert!(!told(&presence, &[("chat", true), ("email", false)]));
        assert!(!told(&presence, &[("device", false)]), "chat is known to be in");
        assert!(told(&presence, &[("chat", false)]));
        assert!(!told(&presence, &[("chat", false), ("device", false)]), "that is no news");
        assert!(!told(&presence, &[("chat", true)]));
        assert!(told(&presence, &[("chat", false), ("email", false)]));
        assert!(!told(&presence, &[]));
    }

    #[test]
    fn the_first_word_of_an_agent_counts_where_all_of_it_is_out() {
        assert!(told(&Presence::default(), &[("device", false), ("chat", false)]));
        assert!(!told(&Presence::default(), &[("device", true), ("chat", false)]));
    }

    #[test]
    fn a_reading_counts_where_the_agent_was_known_to_be_in_and_only_then() {
        let presence = Presence::default();
        assert!(!shown(&presence, &[("device", false), ("chat", false)]), "never known before");
        assert!(!shown(&presence, &[("device", false), ("chat", true)]));
        assert!(!presence.shown_out(states(&[("device", false)]), false), "of chat it says nothing");
        assert!(!shown(&presence, &[]), "a list of nothing says nothing");
        assert!(shown(&presence, &[("device", false), ("chat", false)]));
        assert!(!shown(&presence, &[("device", false), ("chat", false)]), "that is no news");
    }

    #[test]
    fn a_device_that_is_no_longer_listed_keeps_nobody_logged_in() {
        let presence = Presence::default();
        shown(&presence, &[("old device", true), ("chat", true)]);
        assert!(!shown(&presence, &[("device", true), ("chat", false)]));
        assert!(told(&presence, &[("device", false)]));
    }

    #[test]
    fn what_was_known_long_ago_is_not_compared_with() {
        let presence = Presence::default();
        shown(&presence, &[("chat", true)]);
        presence.forget_old(Some(1_000), 1_000 + RECENT_MILLIS);
        assert!(!presence.is_empty());
        presence.forget_old(Some(1_000), 1_001 + RECENT_MILLIS);
        assert!(presence.is_empty());
        presence.shown_out(states(&[("chat", true)]), true);
        presence.forget_old(None, 5);
        assert!(presence.is_empty());
        assert!(!shown(&presence, &[("chat", false)]));
    }
}
