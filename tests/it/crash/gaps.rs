//! The blind intervals that the bridge publishes: what never came must lie in one of them.

use super::seen::Seen;
use super::story::{State, Story};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The bridge's own events, on stdout beside the others.
pub const GAPS: &str = "[sink.stdout.gaps]\nmatch = { medium = [\"bridge\"] }\nprivacy = \"full\"\n";

/// Those of stdout that are the bridge's own, and the others.
pub fn apart(events: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    events.into_iter().partition(|event| event["medium"] == "bridge")
}

/// From when nobody listened, and until when, by agent.
#[derive(Default)]
pub struct Gaps(BTreeMap<String, Vec<(Timestamp, Option<Timestamp>)>>);

impl Gaps {
    /// Takes in the bridge's own events, in order.
    pub fn take(events: impl IntoIterator<Item = Value>) -> Gaps {
        let mut gaps = Gaps::default();
        let mut ids = BTreeSet::new();
        // Without those that came again after a kill.
        for event in events.into_iter().filter(|event| ids.insert(event["id"].to_string())) {
            let data = &event["data"];
            let time = |name: &str| data[name].as_str().map(|text| text.parse::<Timestamp>().unwrap());
            let of_agent = gaps.0.entry(data["agent"].as_str().unwrap().to_owned()).or_default();
            assert_eq!(data["cause"], "restart", "no other gap in this run: {event}");
            match event["event"].as_str().unwrap() {
                "gap_opened" => of_agent.push((time("from").unwrap(), None)),
                _ => {
                    let open = of_agent.last_mut().expect("a gap closes that was opened");
                    assert_eq!(Some(open.0), time("from"), "it closes the one opened last");
                    open.1 = time("to");
                }
            }
        }
        gaps
    }

    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// A gap that a kill left open lasts until the next one begins.
    fn covers(&self, state: &State) -> bool {
        let Some(gaps) = self.0.get(&state.agent) else { return false };
        let next_begins = gaps.iter().skip(1).map(|gap| Some(gap.0)).chain([None]);
        gaps.iter().zip(next_begins).any(|((from, to), next)| {
            let end = to.or(next);
            *from <= state.told && end.is_none_or(|end| state.begun <= end)
        })
    }

    /// Every state that never came was told in a gap of its agent; every last gap is closed.
    pub fn name_all_that_is_missing(&self, story: &Story, seen: &Seen, agents: usize) {
        assert_eq!(self.0.len(), agents, "a restart is a gap of every agent");
        for (agent, gaps) in &self.0 {
            assert!(gaps.last().unwrap().1.is_some(), "the last gap of {agent} is closed");
        }
        // Before an agent's session was held for the first time there is nothing to miss.
        let mut held = BTreeSet::new();
        for state in story.states() {
            if seen.has(&state) {
                held.insert(state.agent.clone());
            }
            if !held.contains(&state.agent) {
                continue;
            }
            assert!(seen.has(&state) || self.covers(&state), "{} was lost in silence: {state:?}", state.tag);
        }
    }
}
