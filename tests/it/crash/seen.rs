//! What a receiver has, and whether it is what was told.

use super::story::{State, Story};
use crate::harness::daemon::Home;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What one receiver got, each id once, in the order of first arrival.
pub struct Seen {
    receiver: &'static str,
    /// By id, the whole event as it came first.
    pub events: BTreeMap<String, Value>,
    pub messages: BTreeSet<String>,
    /// Agent, interaction and step of each state.
    states: BTreeSet<(String, String, usize)>,
    /// Events that came again, the same in every attribute.
    pub repeats: usize,
    /// The greatest sequence.
    pub last: String,
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

/// The number in `step N`.
fn step_of(event: &Value) -> usize {
    event["data"]["comment"].as_str().and_then(|c| c.strip_prefix("step ")).unwrap().parse().unwrap()
}

impl Seen {
    /// Takes in what came, in the order in which it came: an id means one content and one sequence for ever, and
    /// first arrivals of one key come in sequence order.
    pub fn take(receiver: &'static str, came: impl IntoIterator<Item = Value>) -> Seen {
        let mut seen = Seen {
            receiver,
            events: BTreeMap::new(),
            messages: BTreeSet::new(),
            states: BTreeSet::new(),
            repeats: 0,
            last: String::new(),
        };
        let mut last: BTreeMap<String, String> = BTreeMap::new();
        for event in came {
            let id = text(&event, "id");
            if let Some(first) = seen.events.get(&id) {
                assert_eq!(*first, event, "{receiver}: {id} came with two contents");
                seen.repeats += 1;
                continue;
            }
            let (key, sequence) = (text(&event, "partitionkey"), text(&event, "sequence"));
            let before = last.insert(key.clone(), sequence.clone());
            assert!(
                before.is_none_or(|before| before < sequence),
                "{receiver}: order broken in {key} at {id}"
            );
            seen.last = seen.last.max(sequence);
            seen.sort_in(&id, &event);
            seen.events.insert(id, event);
        }
        seen
    }

    fn sort_in(&mut self, id: &str, event: &Value) {
        assert_eq!(event["medium"], "facebooksession", "{}: unexpected {event}", self.receiver);
        if event["event"] == "gap" {
            // The session's gap in the order of an interaction: neither told nor a state.
            return;
        }
        if event["event"] == "message" {
            assert!(!id.contains(";revision="), "{}: a resent item became {id}", self.receiver);
            self.messages.insert(id.to_owned());
            return;
        }
        let (agent, interaction, step) = (text(event, "agent"), text(event, "interaction"), step_of(event));
        let new = self.states.insert((agent, interaction, step));
        assert!(new, "{}: one state under two ids, the second is {id}", self.receiver);
    }

    pub fn has(&self, state: &State) -> bool {
        self.states.contains(&(state.agent.clone(), state.interaction.clone(), state.step))
    }

    /// Everything acknowledged is here.
    pub fn holds_acknowledged(&self, story: &Story, acked: &HashSet<String>) {
        for (tag, id) in story.messages() {
            let kept = !acked.contains(&tag) || self.messages.contains(&id);
            assert!(kept, "{}: {tag} was acknowledged and is lost", self.receiver);
        }
        for state in story.states() {
            let kept = !acked.contains(&state.tag) || self.has(&state);
            assert!(kept, "{}: {} was acknowledged and is lost", self.receiver, state.tag);
        }
    }

    /// The messages are those of the logs, no more and no less; every state was told.
    pub fn holds_the_logs(&self, story: &Story) {
        let told = story.message_ids();
        let (lost, strange): (Vec<_>, Vec<_>) =
            (told.difference(&self.messages).collect(), self.messages.difference(&told).collect());
        assert!(
            lost.is_empty() && strange.is_empty(),
            "{}: lost {lost:?}, strange {strange:?}",
            self.receiver
        );
        let told: BTreeSet<(String, String, usize)> =
            story.states().into_iter().map(|s| (s.agent, s.interaction, s.step)).collect();
        assert!(self.states.is_subset(&told), "{}: a state nobody told", self.receiver);
    }

    /// In each window the states of a session that came are the first ones told there: a kill cuts, it makes no
    /// hole. Windows of `whole` are not cut at all. Says how many were cut.
    pub fn has_no_holes(&self, story: &Story, whole: impl Fn(u64) -> bool) -> usize {
        let mut cut: BTreeMap<(u64, String), String> = BTreeMap::new();
        let mut missing = 0;
        for state in story.states() {
            let Some(window) = state.window else { continue };
            let session = (window, state.agent.clone());
            if self.has(&state) {
                let hole = cut.get(&session);
                assert!(hole.is_none(), "{}: {hole:?} is missing, {} came later", self.receiver, state.tag);
            } else {
                assert!(!whole(window), "{}: {} is lost", self.receiver, state.tag);
                cut.entry(session).or_insert(state.tag);
                missing += 1;
            }
        }
        missing
    }

    /// Every state told after the first that came to its agent is here: nothing in between was missed, whoever
    /// was listening at the moment.
    pub fn has_all_since_the_first(&self, story: &Story) {
        let mut held = BTreeSet::new();
        for state in story.states() {
            if self.has(&state) {
                held.insert(state.agent.clone());
            } else {
                let lost = held.contains(&state.agent);
                assert!(
                    !lost,
                    "{}: {} was told to a session that goes on, and is lost",
                    self.receiver, state.tag
                );
            }
        }
    }

    /// Ids and contents here are those of the other receiver (`raw` aside, which is a matter of the sink).
    pub fn agrees_with(&self, other: &Seen) {
        assert!(
            self.events.keys().eq(other.events.keys()),
            "{} and {} differ",
            self.receiver,
            other.receiver
        );
        let shown = |event: &Value| {
            let mut data = event["data"].clone();
            for beside in ["raw", "notification"] {
                data.as_object_mut().unwrap().remove(beside);
            }
            data
        };
        for (id, event) in &self.events {
            assert_eq!(
                shown(event),
                shown(&other.events[id]),
                "{id} in {} and {}",
                self.receiver,
                other.receiver
            );
        }
    }
}

/// What stdout of all ended processes said; a last line that was torn by a kill was not received.
pub fn from_stdout(home: &Home) -> Vec<Value> {
    let mut events = Vec::new();
    for lines in home.stdout_of_each() {
        let last = lines.len();
        for (number, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(event) => events.push(event),
                Err(error) => assert_eq!(number + 1, last, "only a last line may be torn: {error}: {line}"),
            }
        }
    }
    events
}
