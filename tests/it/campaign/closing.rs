//! That every gap is told whole: opened once, closed once after that, as the same gap, under its conversations too.
//!
//! Deliberately absent: whether it is true (see `gaps`), and what was recovered (see `recovered`).

use super::received::{Event, Received, millis};
use std::collections::BTreeMap;

/// The events of one gap in one order: the session's, or a conversation's as one agent sees it.
#[derive(Default)]
struct Told<'a> {
    opened: Vec<&'a Event>,
    closed: Vec<&'a Event>,
}

/// Gap, agent, conversation; the last is empty for the session's own events.
type Key<'a> = (&'a str, &'a str, &'a str);

pub fn complaints(received: &Received) -> Vec<String> {
    let mut all: BTreeMap<Key<'_>, Told<'_>> = BTreeMap::new();
    for event in &received.events {
        let key = (word(event, "gapid"), event.agent.as_str(), event.interaction.as_str());
        match (event.kind.as_str(), word(event, "phase")) {
            ("gap_opened", _) | ("gap", "opened") => all.entry(key).or_default().opened.push(event),
            ("gap_closed", _) | ("gap", "closed") => all.entry(key).or_default().closed.push(event),
            ("gap", phase) => {
                return vec![format!("{} is told of a gap in phase {phase:?}", event.interaction)];
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    for (key @ (id, agent, conversation), told) in &all {
        let found = match (*conversation, told.closed.first().map(|event| word(event, "cause"))) {
            ("", _) => session(told),
            (_, Some("hole")) => hole(told),
            _ => within(told, all.get(&(*id, *agent, ""))),
        };
        out.extend(found.into_iter().map(|what| format!("gap {key:?}: {what}")));
    }
    out
}

fn session(told: &Told<'_>) -> Vec<String> {
    let ([opened], [closed]) = (told.opened.as_slice(), told.closed.as_slice()) else {
        return vec![format!("opened {} times, closed {} times", told.opened.len(), told.closed.len())];
    };
    let mut out = ends(opened, closed);
    let (from, to) = (millis(&opened.data["from"]), millis(&closed.data["to"]));
    if to.is_none() || from > to {
        out.push(format!("from {from:?} to {to:?}"));
    }
    if word(opened, "firstSequence") > word(closed, "lastSequence") {
        out.push("its last event came before its first".to_owned());
    }
    out
}

/// A hole has no interval and was never open.
fn hole(told: &Told<'_>) -> Vec<String> {
    let sound = told.opened.is_empty() && told.closed.len() == 1 && told.closed[0].data["from"].is_null();
    if sound { Vec::new() } else { vec!["no hole looks so".to_owned()] }
}

/// A conversation that came up within the gap is told of its end alone.
fn within(told: &Told<'_>, of: Option<&Told<'_>>) -> Vec<String> {
    let Some((opening, closing)) = of.and_then(|of| of.opened.first().zip(of.closed.first())) else {
        return vec!["no session has it".to_owned()];
    };
    let [closed] = told.closed.as_slice() else {
        return vec![format!("closed {} times under its conversation", told.closed.len())];
    };
    let mut out = Vec::new();
    for name in ["from", "to", "cause", "certainty"] {
        if closed.data[name] != closing.data[name] {
            let (is, wanted) = (&closed.data[name], &closing.data[name]);
            out.push(format!("{name} is {is} under its conversation, and {wanted} of the session"));
        }
    }
    if closed.sequence <= closing.sequence {
        out.push("read again before the session was covered again".to_owned());
    }
    if closed.data["recovered"].is_null() {
        out.push("closed without a word of what was recovered".to_owned());
    }
    match told.opened.as_slice() {
        [] => {}
        [opened] => {
            out.extend(ends(opened, closed));
            if opened.sequence <= opening.sequence
                || opened.data["lastIndexBefore"] != closed.data["lastIndexBefore"]
            {
                out.push("its beginning under the conversation is another one's".to_owned());
            }
        }
        many => out.push(format!("opened {} times under its conversation", many.len())),
    }
    out
}

/// What holds between the two events of any gap.
fn ends(opened: &Event, closed: &Event) -> Vec<String> {
    let mut out = Vec::new();
    for name in ["from", "cause"] {
        if opened.data[name] != closed.data[name] {
            out.push(format!("{name} was {} and is {}", opened.data[name], closed.data[name]));
        }
    }
    if word(opened, "certainty") == "certain" && word(closed, "certainty") != "certain" {
        out.push("what was certain is no longer".to_owned());
    }
    if opened.sequence >= closed.sequence {
        out.push("closed before it was opened".to_owned());
    }
    out
}

fn word<'a>(event: &'a Event, name: &str) -> &'a str {
    event.data[name].as_str().unwrap_or_default()
}
