//! The logs of conversations that are over: every item that somebody was told of came, or its loss was told where it
//! was lost, in the session's gap and, where the conversation was known, in its own order.
//!
//! Deliberately absent: conversations that are still open (see `states`).

use super::gaps::Gap;
use super::oracle::{Row, Truth};
use super::received::{Event, Received, Said, millis};
use super::states::content;
use std::collections::{BTreeMap, HashMap};

pub fn complaints(truth: &Truth, received: &Received, gaps: &BTreeMap<String, Vec<Gap>>) -> Vec<String> {
    let mut by_conversation: HashMap<&str, Vec<&Row>> = HashMap::new();
    for row in truth.rows.iter().filter(|row| row.indices.is_some()) {
        by_conversation.entry(&row.conversation).or_default().push(row);
    }
    let mut unrecovered: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in received.of("gap").filter(|event| event.data["phase"] == "closed") {
        if event.data["recovered"] != "yes" {
            unrecovered.entry(&event.interaction).or_default().push(event);
        }
    }
    let mut out = Vec::new();
    for one in &truth.ended {
        let told = by_conversation.get(one.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let gaps_of = unrecovered.get(one.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        for item in &one.log {
            let index = item["index"].as_i64().unwrap();
            let key = (one.medium.clone(), one.id.clone(), index);
            if let Some(place) = received.messages.get(&key).and_then(|places| places.last()) {
                let (wanted, is) =
                    (content(item, "type"), content(&received.events[*place].data["message"], "kind"));
                if wanted != is {
                    out.push(format!("item {index} of {} {} is {wanted}, received {is}", one.medium, one.id));
                }
                continue;
            }
            let hole = gaps_of.iter().any(|event| surrounds(event, index));
            let of =
                told.iter().filter(|row| row.indices.is_some_and(|(from, to)| (from..=to).contains(&index)));
            for row in of.filter(|_| !hole) {
                let why = unsaid(truth, received, gaps, gaps_of, row);
                out.extend(why.map(|why| {
                    format!(
                        "item {index} of {} {}, which is over, is lost: {} at {} {why}",
                        one.medium, one.id, row.user, row.at
                    )
                }));
            }
        }
    }
    out
}

/// A hole tells of the indices in it.
fn surrounds(event: &Event, index: i64) -> bool {
    let edge = |name: &str| event.data[name].as_i64();
    event.data["cause"] == "hole"
        && edge("lastIndexBefore").is_some_and(|before| before < index)
        && edge("firstIndexAfter").is_some_and(|after| index < after)
}

/// Where this one's loss is not told.
fn unsaid(
    truth: &Truth,
    received: &Received,
    gaps: &BTreeMap<String, Vec<Gap>>,
    unrecovered: &[&Event],
    row: &Row,
) -> Option<&'static str> {
    let agent = &truth.agents[&row.user];
    let mut of = gaps.get(agent).into_iter().flatten();
    let Some(gap) = of.find(|gap| gap.holds(row.at, row.at)) else { return Some("has no gap then") };
    let resource = (agent.clone(), row.medium.to_owned(), row.conversation.clone());
    let said = received.states.get(&resource).map(Vec::as_slice).unwrap_or_default();
    // Of what had ended for the agent before, or is heard of never, nobody can tell.
    let (before, since): (Vec<&Said>, Vec<&Said>) =
        said.iter().partition(|said| received.events[said.place].sequence < gap.opened);
    if since.is_empty() && before.last().is_none_or(|last| !last.is_open()) {
        return None;
    }
    let covers = |event: &&Event| {
        let (from, to) = (millis(&event.data["from"]), millis(&event.data["to"]));
        event.agent == *agent && from.is_none_or(|from| from <= row.at) && to.is_some_and(|to| row.at <= to)
    };
    (!unrecovered.iter().any(covers)).then_some("is told of no gap of it that was not recovered")
}
