//! Does a fault at once, or takes it in; and what the day's own plan strikes.
//!
//! Deliberately absent: the damage to a single request or reply (see `http` and `connect`).

use super::faults::{Coming, CookieLoss, Fault};
use super::hub::{Hub, State, now, random_id};
use super::ledger::Label;
use super::world::odd;
use jiff::Timestamp;
use serde_json::value::to_raw_value;
use std::time::Duration;
use tokio::time::Instant;

/// The largest message `huge` makes.
const MAX_HUGE: usize = 256 << 20;
/// The longest outage, silence or restart.
const MAX_MILLIS: u32 = 86_400_000;

impl Hub {
    /// Does a fault, or takes it in; the number of sessions, logins or messages it hit at once. The error says
    /// what is wrong with it.
    pub fn fault(&self, fault: Fault) -> Result<usize, String> {
        fault.check()?;
        let mut state = self.state();
        let name = fault.name();
        let user = named(&fault);
        let Some(hit) = self.strike(&mut state, &fault) else {
            return state.faults.add(fault).map(|()| 0);
        };
        state.ledger.struck(now(), name, user);
        Ok(hit)
    }

    /// The faults that are done at once; `None` for one that waits.
    fn strike(&self, state: &mut State, fault: &Fault) -> Option<usize> {
        let until = |millis: u32| Instant::now() + Duration::from_millis(millis.min(MAX_MILLIS).into());
        Some(match fault {
            Fault::Drop { user } => state.drop_sessions(user, "dropped"),
            Fault::Expire { user } => {
                state.logins.forget(user);
                state.drop_sessions(user, "dropped")
            }
            Fault::Sweep { user } => state.doom(user),
            Fault::Overlap { user } => state.overlap(user, self.options.max_interval),
            Fault::Cookie { user: Some(user), how: CookieLoss::Forget, .. } => state.forget_cookies(user),
            Fault::Csrf { user } if self.options.csrf => state.logins.new_csrf(user),
            Fault::Csrf { .. } => 0,
            Fault::Restart { millis } => {
                let sessions = state.forget_everything();
                self.restarts.send_modify(|(count, pause)| (*count, *pause) = (*count + 1, *millis));
                sessions
            }
            Fault::Outage { millis, status } => {
                state.faults.outage = Some((until(*millis), *status));
                0
            }
            Fault::SilenceAll { millis } => {
                state.faults.silence = Some(until(*millis));
                state.sessions.len()
            }
            Fault::Huge { user, channel, bytes } => {
                let filler = "x".repeat((*bytes).min(MAX_HUGE));
                let data = to_raw_value(&serde_json::json!({"messageType": "Huge", "filler": filler}));
                let label = Label { message_type: "Huge", ..Label::default() };
                data.map_or(0, |data| state.publish(user, channel, &data, label))
            }
            Fault::Odd { user, variant } => {
                let (channel, data) = odd(*variant);
                to_raw_value(&data).map_or(0, |data| {
                    state.publish(user, channel, &data, Label { message_type: "odd", ..Label::default() })
                })
            }
            Fault::Batch { user, messages } => {
                state.in_world(|world, at| world.burst(user, *messages, 0, at))
            }
            Fault::HugeItem { user, bytes } => {
                state.in_world(|world, at| world.burst(user, 1, (*bytes).min(MAX_HUGE), at))
            }
            Fault::Logout { user, on: None } => state.in_world(|world, at| world.log_out(user, at)),
            _ => return None,
        })
    }
}

impl State {
    /// Does something to the contact centre and publishes what follows; the number of notifications.
    fn in_world(
        &mut self,
        act: impl FnOnce(&mut super::world::World, Timestamp) -> Vec<super::world::Note>,
    ) -> usize {
        let at = Timestamp::now();
        let notes = self.world.as_mut().map(|world| act(world, at)).unwrap_or_default();
        let count = notes.len();
        self.publish_notes(notes);
        count
    }

    /// A client comes, and throws the agent out where a fault says so.
    pub fn came(&mut self, user: &str, coming: Coming) {
        if self.faults.logs_out(user, coming) {
            self.note_struck();
            self.in_world(|world, at| world.log_out(user, at));
        }
    }

    /// Publishes what an act of the contact centre brought about.
    pub fn publish_notes(&mut self, notes: Vec<super::world::Note>) {
        for note in notes {
            if let Ok(data) = to_raw_value(&note.data) {
                self.publish(&note.user, note.channel, &data, note.label);
            }
        }
    }

    /// The user's sessions expire: at once, or when the connect they hold is answered.
    fn doom(&mut self, user: &str) -> usize {
        let ids = self.ids_of(user);
        for id in &ids {
            let held = self.sessions.get_mut(id).is_some_and(|session| {
                session.doomed = true;
                session.expires.is_none()
            });
            if !held {
                self.remove(id, "expired");
                self.stats.sessions_expired += 1;
            }
        }
        ids.len()
    }

    fn overlap(&mut self, user: &str, max_interval: Duration) -> usize {
        let mut hit = 0;
        for id in self.ids_of(user) {
            if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.held.is_some()) {
                let interval = session.interval;
                session.begin_connect(interval);
                session.end_connect(max_interval);
                hit += 1;
            }
        }
        hit
    }

    fn forget_cookies(&mut self, user: &str) -> usize {
        let ids = self.ids_of(user);
        for id in &ids {
            if let Some(session) = self.sessions.get_mut(id) {
                session.browser = random_id();
            }
        }
        ids.len()
    }

    /// All sessions and logins, as when a server dies.
    fn forget_everything(&mut self) -> usize {
        let ids: Vec<String> = self.sessions.keys().cloned().collect();
        for id in &ids {
            self.remove(id, "restart");
            self.stats.sessions_removed += 1;
        }
        self.logins = super::login::Logins::default();
        ids.len()
    }

    /// The browser cookie of another user's session.
    pub fn foreign_browser(&self, user: &str) -> Option<String> {
        self.sessions.values().find(|session| session.user != user).map(|session| session.browser.clone())
    }
}

/// The user a fault is for; nobody for one that waits for whoever comes.
fn named(fault: &Fault) -> String {
    let value = serde_json::to_value(fault).unwrap_or_default();
    value.get("user").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
