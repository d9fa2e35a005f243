//! The users of one site who are held here: from the id that GWS shows of a user to the roster's key.
//!
//! Each session brings the id that `GET /me` showed of its own user, and takes it back when it ends: who is not held stays
//! unknown. Deliberately absent: names, and ids of anybody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Users(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The roster's key, and the number of the place it is held by.
    agents: HashMap<String, (Arc<str>, u64)>,
    places: u64,
}

/// As long as it lives, the user is known as an agent.
pub struct Place {
    users: Arc<Users>,
    id: String,
    number: u64,
}

impl Users {
    /// The user of this id is the agent of this key.
    pub fn hold(self: &Arc<Users>, id: &str, agent: &str) -> Place {
        let mut known = self.known();
        known.places += 1;
        let number = known.places;
        known.agents.insert(id.to_owned(), (agent.into(), number));
        Place { users: Arc::clone(self), id: id.to_owned(), number }
    }

    /// The roster's key of a user who is held.
    pub fn agent(&self, id: &str) -> Option<String> {
        self.known().agents.get(id).map(|(agent, _)| agent.to_string())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.users.known();
        // A newer session of the same user may have taken it over.
        if known.agents.get(&self.id).is_some_and(|(_, number)| *number == self.number) {
            known.agents.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_as_long_as_somebody_holds_it() {
        let users = Arc::new(Users::default());
        let first = users.hold("u1", "1001");
        assert_eq!(users.agent("u1").as_deref(), Some("1001"));
        assert_eq!(users.agent("u2"), None);
        let second = users.hold("u1", "1001");
        drop(first);
        assert_eq!(users.agent("u1").as_deref(), Some("1001"), "the newer one holds it");
        drop(second);
        assert_eq!(users.agent("u1"), None);
    }
}
