//! The day as a pure sequence: the same for a seed, and consistent in itself.

use super::*;
use crate::simulator::options::numbered_users;
use secrecy::SecretString;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const EPOCH: i64 = 1_763_793_600_000;

fn scenario(seed: u64, agents: usize) -> Arc<Scenario> {
    let text = format!(
        "seed = {seed}\nagents = {agents}\n[day]\nspeed = 60.0\nconversations_per_hour = 30.0\ntransfer = 0.1\nconsult = 0.1\n\
         [[fault]]\nkind = \"cut\"\nrate_per_minute = 60.0\nafter = {{ from = 0, to = 4000 }}\n"
    );
    Arc::new(Scenario::parse("test", &text).unwrap())
}

/// Plays so many events; the world and everything that came of them.
fn play(seed: u64, agents: usize, events: usize) -> (World, Vec<Note>, Vec<Fault>) {
    let users = numbered_users(agents, &SecretString::from("pw"));
    let mut world = World::new("http://x", &users, seed, 100_000);
    let mut day = Day::new(scenario(seed, agents));
    let epoch = Timestamp::from_millisecond(EPOCH).unwrap();
    let (mut notes, mut faults) = (Vec::new(), Vec::new());
    for _ in 0..events {
        match day.step(&mut world, epoch).unwrap() {
            Done::Notes(more) => notes.extend(more),
            Done::Faults(more) => faults.extend(more),
        }
    }
    (world, notes, faults)
}

fn text(notes: &[Note]) -> Vec<String> {
    notes.iter().map(|note| format!("{} {} {}", note.user, note.channel, note.data)).collect()
}

#[test]
fn a_seed_gives_one_day_to_the_byte_and_another_seed_another() {
    let (first, second, other) = (play(7, 20, 3_000), play(7, 20, 3_000), play(8, 20, 3_000));
    assert_eq!(text(&first.1), text(&second.1));
    assert_eq!(first.2, second.2);
    assert!(first.1.len() > 3_000 && first.2.len() > 10);
    assert_ne!(text(&first.1), text(&other.1));
}

#[test]
fn what_an_agent_was_told_last_is_what_rest_shows() {
    let (world, notes, _) = play(3, 20, 5_000);
    let mut states: HashMap<(String, String), Value> = HashMap::new();
    let mut devices: HashMap<String, Value> = HashMap::new();
    for note in &notes {
        for key in ["chat", "facebooksession", "smssession"] {
            if let Some(resource) = note.data.get(key) {
                let id = resource["id"].as_str().unwrap().to_owned();
                states.insert((note.user.to_string(), id), resource.clone());
            }
        }
        if let Some(list) = note.data.get("devices") {
            devices.insert(note.user.to_string(), list.clone());
        }
    }
    let mut open = 0;
    for ((user, id), told) in &states {
        let shown: Vec<Value> = ["chats", "facebooksessions", "smssessions"]
            .iter()
            .filter_map(|list| world.resource(user, &format!("{list}/{id}"), 0, None))
            .collect();
        if ["Completed", "Revoked"].contains(&told["state"].as_str().unwrap()) {
            assert!(shown.is_empty(), "{user} {told}");
        } else {
            assert_eq!(shown, std::slice::from_ref(told), "{user}");
            open += 1;
        }
    }
    assert!(open > 5);
    for (user, told) in devices {
        assert_eq!(world.resource(&user, "devices", 0, None), Some(told));
    }
}

#[test]
fn each_agent_is_told_every_item_of_a_log_in_order_while_it_takes_part() {
    let (world, notes, _) = play(5, 20, 5_000);
    let mut seen: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for note in notes.iter().filter(|note| note.label.message_type == "MessageLogUpdated") {
        let of = (note.user.to_string(), note.label.conversation.as_ref().unwrap().to_string());
        let items = note.data["messages"].as_array().unwrap();
        let (first, last) = note.label.indices;
        assert_eq!((&items[0]["index"], items.len()), (&first.into(), (last - first + 1) as usize));
        let log = seen.entry(of).or_default();
        if first == 1 {
            log.clear();
        }
        log.extend(items.iter().cloned());
    }
    let (ended, _) = world.ended(0, usize::MAX);
    assert!(ended.len() > 10);
    let mut compared = 0;
    for ((user, id), log) in &seen {
        let indices: Vec<u64> = log.iter().map(|item| item["index"].as_u64().unwrap()).collect();
        assert_eq!(indices, (1..=indices.len() as u64).collect::<Vec<_>>(), "{user} {id}");
        for list in ["chats", "facebooksessions", "smssessions"] {
            if let Some(shown) = world.resource(user, &format!("{list}/{id}/messages"), 0, None) {
                let texts =
                    |items: &[Value]| items.iter().map(|item| item["text"].clone()).collect::<Vec<_>>();
                assert_eq!(texts(shown.as_array().unwrap()), texts(log));
                compared += 1;
            }
        }
    }
    assert!(compared > 5);
}

#[test]
fn a_log_is_read_from_an_index_on_that_is_part_of_the_answer() {
    let users = numbered_users(1, &SecretString::from("pw"));
    let mut world = World::new("http://x", &users, 1, 10);
    let at = Timestamp::from_millisecond(EPOCH).unwrap();
    world.burst("agent-1", 5, 300, at);
    let id = world.open(0)[0].clone();
    let path = format!("facebooksessions/{id}/messages");
    let read = |first, count| {
        let items = world.resource("agent-1", &path, first, count).unwrap();
        items.as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(0, None), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(read(3, Some(2)), [3, 4]);
    assert!(read(99, None).is_empty());
    assert_eq!(world.resource("agent-1", "facebooksessions/other/messages", 0, None), None);
    let items = world.resource("agent-1", &path, 7, None).unwrap();
    assert_eq!(items[0]["text"].as_str().unwrap().len(), 300);
    world.complete(&id, at);
    assert_eq!(world.resource("agent-1", &path, 0, None), None);
    assert_eq!(world.resource("agent-1", "facebooksessions", 0, None), Some(serde_json::json!([])));
    let (ended, forgotten) = world.ended(0, 10);
    assert_eq!((ended[0]["log"].as_array().unwrap().len(), forgotten), (8, 0));
}

#[test]
fn ten_thousand_agents_have_their_day() {
    let (world, notes, _) = play(1, 10_000, 20_000);
    assert_eq!(world.agents(), 10_000);
    assert!(notes.len() > 10_000);
}
