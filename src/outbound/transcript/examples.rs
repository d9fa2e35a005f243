//! The examples of transcripts: made by what makes them in the daemon, from a fixed conversation.
//!
//! Deliberately absent: every doubt that a transcript can have (see `tests`).

use super::make::{items, make};
use super::record::{Limits, Record};
use super::verdict::{Doubts, judge};
use crate::base::envelope::{Event, event, gws_type, medium, partition_key};
use crate::base::examples::{NOW, hold};
use serde_json::{Value, json};

const INTERACTION: &str = "0003C";
const AGENT: &str = "1001";

fn of(medium: &'static str, word: &'static str, data: &Value) -> Event {
    Event {
        source: "/gws/main".to_owned(),
        site: "main".to_owned(),
        kind: gws_type(medium, word).into(),
        medium: medium.into(),
        event: word.into(),
        interaction: Some(INTERACTION.to_owned()),
        partitionkey: partition_key("main", INTERACTION),
        ..Event::bare(serde_json::value::to_raw_value(data).unwrap())
    }
}

fn state(medium: &'static str, state: &str) -> Event {
    let data = json!({"interactionId": INTERACTION, "notificationType": "StatusChange", "state": state});
    Event { agent: Some(AGENT.to_owned()), ..of(medium, event::STATUS_CHANGE, &data) }
}

fn item(medium: &'static str, (index, kind, who, text): (i64, &str, &str, Option<&str>)) -> Event {
    let from = match who {
        "Customer" => json!({"kind": "Customer", "nickname": "Bob", "participantId": "p1"}),
        _ => json!({"kind": "Agent", "nickname": "Ann", "participantId": "p2", "agent": AGENT}),
    };
    let mut message = json!({"index": index, "kind": kind, "visibility": "All",
        "sentAt": format!("2026-11-22T07:55:{index:02}.000+01:00"), "from": from});
    if let Some(text) = text {
        message["text"] = text.into();
    }
    Event {
        id: format!("main/{medium}/{INTERACTION}/messages/{index}"),
        observedby: Some(AGENT.to_owned()),
        ..of(medium, event::MESSAGE, &json!({"interactionId": INTERACTION, "message": message}))
    }
}

/// A conversation of one agent, without the items of these indices.
fn transcript(medium: &'static str, without: &[i64], revision: u32) -> Event {
    let said = [
        (1, "ParticipantJoined", "Customer", None),
        (2, "ParticipantJoined", "Agent", None),
        (3, "Text", "Customer", Some("Where is my parcel?")),
        (4, "Text", "Agent", Some("On its way.")),
        (5, "ParticipantLeft", "Customer", None),
    ];
    let said = said.into_iter().filter(|(index, ..)| !without.contains(index));
    let mut events = vec![state(medium, "Invited"), state(medium, "Chatting")];
    events.extend(said.map(|one| item(medium, one)));
    events.push(state(medium, "Completed"));
    let mut record = Record::begin(1, &events[0]);
    let limits = Limits { items: 1_000, bytes: 1 << 20 };
    events.retain(|event| record.take(event, 100, limits));
    let verdict = judge(&record, Doubts::default());
    make(&record, INTERACTION, items(events), verdict, NOW, revision).event
}

#[test]
fn transcripts_have_an_example_in_the_contract() {
    for medium in medium::CONVERSATIONS {
        let name = "an item of the log was not seen; it came later, and the transcript again";
        let events = [transcript(medium, &[4], 1), transcript(medium, &[], 2)];
        hold(&format!("{medium}-transcript.json"), name, &events);
    }
}
