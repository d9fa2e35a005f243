//! Where an agent is logged in, by what notifications told of its devices and channels.
//!
//! One state of `LoggedOut` says little: who works on one channel is logged out of the others all day. Deliberately
//! absent: what follows for the site's logins (see `accounts`).

use std::collections::BTreeMap;

/// Devices and channels of one agent; GWS has fewer.
const MAX_PLACES: usize = 64;

/// Each device and channel that was told of: whether the agent is logged in there.
#[derive(Debug, Default)]
pub struct Presence(BTreeMap<Box<str>, bool>);

impl Presence {
    /// Takes in the states of one reply. True where with them the agent has left the last place that is known: the
    /// agent was logged out, and not of one channel among others. A place never told of before counts as left.
    pub fn left_all(&mut self, states: impl IntoIterator<Item = (String, bool)>) -> bool {
        let mut left = false;
        for (place, logged_in) in states {
            let place = place.into_boxed_str();
            if self.0.len() >= MAX_PLACES && !self.0.contains_key(&place) {
                continue;
            }
            let before = self.0.insert(place, logged_in);
            left |= !logged_in && before != Some(false);
        }
        left && !self.0.values().any(|logged_in| *logged_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(presence: &mut Presence, states: &[(&str, bool)]) -> bool {
        presence.left_all(states.iter().map(|(place, logged_in)| ((*place).to_owned(), *logged_in)))
    }

    #[test]
    fn out_of_one_channel_is_not_out_and_out_of_the_last_is() {
        let mut presence = Presence::default();
        assert!(!told(&mut presence, &[("chat", true), ("email", false)]));
        assert!(!told(&mut presence, &[("device", false)]), "chat is known to be in");
        assert!(told(&mut presence, &[("chat", false)]));
        assert!(!told(&mut presence, &[("chat", false), ("device", false)]), "that is no news");
        assert!(!told(&mut presence, &[("chat", true)]));
        assert!(told(&mut presence, &[("chat", false), ("email", false)]));
        assert!(!told(&mut presence, &[]));
    }

    #[test]
    fn the_first_word_of_an_agent_counts_where_all_of_it_is_out() {
        assert!(told(&mut Presence::default(), &[("device", false), ("chat", false)]));
        assert!(!told(&mut Presence::default(), &[("device", true), ("chat", false)]));
    }
}
