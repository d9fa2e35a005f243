//! Load: chat messages for all users in turn, so many each second.
//!
//! Each user has one conversation of the simulated contact centre, so that REST shows what is told; it is over after a
//! thousand messages, and the next one begins. Deliberately absent: catching up after a stall; what is late is not sent.

use crate::simulator::hub::Hub;
use crate::simulator::world::{Kind, Medium, Note, Speaker, World, item};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const TICK: Duration = Duration::from_millis(20);
const LOG_LENGTH: u32 = 1_000;
/// Conversations that are over and still shown.
const KEEP_ENDED: usize = 1_000;

/// The conversation of one user, and how many messages it still gets.
struct Talk {
    id: Arc<str>,
    left: u32,
}

/// Publishes until it is dropped.
pub async fn run(hub: &Hub, per_second: f64, url: &str) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Another one for each start: what a bridge has seen of the one before is not seen again.
    let born = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    hub.state().world = Some(World::new(url, &hub.options.users, born, KEEP_ENDED));
    let mut talks: Vec<Option<Talk>> = hub.options.users.iter().map(|_| None).collect();
    let (mut due, mut place) = (0.0, 0);
    loop {
        ticks.tick().await;
        due += per_second * TICK.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            if let Some(talk) = talks.get_mut(place) {
                publish(hub, talk, place);
            }
            place = (place + 1) % talks.len().max(1);
        }
    }
}

fn publish(hub: &Hub, talk: &mut Option<Talk>, agent: usize) {
    let mut state = hub.state();
    let Some(mut world) = state.world.take() else { return };
    let notes = message(&mut world, talk, agent, Timestamp::now());
    state.world = Some(world);
    state.publish_notes(notes);
}

/// One message of the customer's, and what comes before it where its conversation is only beginning.
fn message(world: &mut World, talk: &mut Option<Talk>, agent: usize, at: Timestamp) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(over) = talk.take_if(|talk| talk.left == 0) {
        notes.extend(world.complete(&over.id, at));
    }
    let talk = talk.get_or_insert_with(|| {
        let (id, invited) = world.begin(Medium::Facebook, agent, at);
        notes.extend(invited);
        notes.extend(world.accept(&id, agent, at));
        Talk { id, left: LOG_LENGTH }
    });
    talk.left -= 1;
    notes.extend(world.say(&talk.id, item(Kind::Text, Speaker::Customer, at)));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::options::User;
    use std::collections::HashSet;

    #[test]
    fn a_conversation_ends_after_a_thousand_messages_and_rest_shows_the_one_that_is_told() {
        let users =
            [User { agent: "1".to_owned(), username: "a".to_owned(), password: "x".to_owned().into() }];
        let mut world = World::new("http://x", &users, 1, 10);
        let (mut talk, mut ids) = (None, HashSet::new());
        for number in 0..2_500 {
            let notes = message(&mut world, &mut talk, 0, Timestamp::UNIX_EPOCH);
            let id = talk.as_ref().unwrap().id.clone();
            let begins = ids.insert(id.clone());
            assert_eq!(begins, number % 1_000 == 0);
            assert_eq!(notes.last().unwrap().data["messageType"], "MessageLogUpdated");
            let listed = world.resource("a", "facebooksessions", 0, None).unwrap();
            assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &(*id).into()));
        }
        assert_eq!(world.ended(0, 10).1, 0);
        assert_eq!(world.ended(0, 10).0.len(), 2);
    }
}
