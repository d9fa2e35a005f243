//! Transcripts: the judgement against a world that loses things, and the task on the real journal.

mod task;
mod world;

use super::doubtful;
use super::make;
use super::record::{Limits, Record};
use super::verdict::{Doubts, judge};
use crate::base::data::{Complete, Message, Reason, TranscriptData};
use crate::base::envelope::{Event, Origin, gws_type, partition_key};
use proptest::prelude::*;
use serde_json::{Value, json};
use world::{Act, Loss, World};

const LIMITS: Limits = Limits { items: 1_000, bytes: 1 << 20 };

/// An event of the conversation `1` of the site `main`.
pub(super) fn event(word: &'static str, agent: Option<&str>, data: &Value) -> Event {
    let data = serde_json::value::to_raw_value(data).unwrap();
    Event {
        source: "/gws/main".to_owned(),
        site: "main".to_owned(),
        kind: gws_type("chat", word).into(),
        medium: "chat".into(),
        event: word.into(),
        interaction: Some("1".to_owned()),
        agent: agent.map(str::to_owned),
        partitionkey: partition_key("main", "1"),
        ..Event::bare(data)
    }
}

pub(super) fn item(observer: &str, index: i64, kind: &str, from: &str) -> Event {
    let party = if from.starts_with('c') { "Customer" } else { "Agent" };
    let from = json!({"kind": party, "participantId": from, "nickname": "Ann"});
    let message = json!({"index": index, "kind": kind, "text": format!("text {index}"), "from": from});
    Event {
        id: format!("main/chat/1/messages/{index}"),
        observedby: Some(observer.to_owned()),
        messageindex: Some(index),
        ..event("message", None, &json!({"interactionId": "1", "message": message}))
    }
}

pub(super) fn state(agent: &str, state: &str) -> Event {
    let data = json!({"interactionId": "1", "notificationType": "StatusChange", "state": state});
    event("status_change", Some(agent), &data)
}

pub(super) fn gap(agent: &str, id: &str, certainty: &str, recovered: Option<&str>) -> Event {
    let phase = if recovered.is_some() { "closed" } else { "opened" };
    let mut data = json!({"interactionId": "1", "agent": agent, "gapid": id, "phase": phase, "cause": "restart",
        "certainty": certainty});
    if let Some(word) = recovered {
        data["recovered"] = word.into();
    }
    Event { origin: Origin::Bridge, ..event("gap", Some(agent), &data) }
}

/// The same index with another content.
pub(super) fn again(item: Event) -> Event {
    Event { id: format!("{};revision=2", item.id), revision: Some(2), baseid: Some(item.id.clone()), ..item }
}

/// A whole conversation of one agent.
pub(super) fn whole() -> Vec<Event> {
    vec![
        state("a", "Invited"),
        state("a", "Chatting"),
        item("a", 1, "ParticipantJoined", "c"),
        item("a", 2, "ParticipantJoined", "p1"),
        item("a", 3, "Text", "c"),
        item("a", 4, "ParticipantLeft", "c"),
        state("a", "Completed"),
    ]
}

fn record(events: &[Event]) -> Record {
    let mut record = Record::begin(1, &state("a", "Invited"));
    for event in events {
        record.take(event, 100, LIMITS);
    }
    record
}

fn verdict(events: &[Event]) -> (Complete, Vec<Reason>) {
    let record = record(events);
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "as it is stored");
    judge(&record, Doubts::default())
}

#[test]
fn a_log_seen_from_its_begin_to_its_end_is_complete() {
    assert_eq!(verdict(&whole()), (Complete::True, vec![]));
}

#[test]
fn every_doubt_has_its_reason_and_none_is_complete() {
    let without = |at: usize| {
        let mut events = whole();
        events.remove(at);
        events
    };
    let with = |at: usize, event: Event| {
        let mut events = whole();
        events.insert(at, event);
        events
    };
    let instead = |at: usize, event: Event| {
        let mut events = whole();
        events[at] = event;
        events
    };
    let read = Event { origin: Origin::Snapshot, ..state("a", "Completed") };
    let unseen = event("ended_unseen", Some("a"), &json!({"interactionId": "1", "agent": "a"}));
    let mut nobody = item("a", 3, "ParticipantLeft", "c");
    nobody.data =
        serde_json::from_str(&nobody.data.get().replace("participantId", "participantUri")).unwrap();
    let cases = [
        (without(2), Complete::False, Reason::IndicesMissing),
        (without(4), Complete::False, Reason::IndicesMissing),
        (instead(2, item("a", 1, "Text", "c")), Complete::Unknown, Reason::StartNotSeen),
        (with(5, gap("a", "g", "certain", None)), Complete::False, Reason::GapCertain),
        (with(5, gap("a", "g", "certain", Some("partly"))), Complete::False, Reason::GapCertain),
        (with(5, gap("a", "g", "possible", Some("no"))), Complete::Unknown, Reason::GapPossible),
        (without(6), Complete::Unknown, Reason::NotEnded),
        (instead(6, read), Complete::Unknown, Reason::EndNotSeen),
        (instead(6, unseen), Complete::Unknown, Reason::EndNotSeen),
        (without(5), Complete::Unknown, Reason::CustomerRemains),
        // Somebody who was never invited looks on; the agent of the log is not held.
        (without(0), Complete::Unknown, Reason::OthersRemain),
        (with(5, item("a", 5, "ParticipantJoined", "p2")), Complete::Unknown, Reason::OthersRemain),
        (with(5, nobody), Complete::Unknown, Reason::ParticipantUnclear),
        // All have left, in either order: somebody who is not held may have been asked before and come later.
        (with(6, item("a", 5, "ParticipantLeft", "p1")), Complete::Unknown, Reason::OthersRemain),
        (with(7, item("a", 5, "ParticipantLeft", "p1")), Complete::Unknown, Reason::OthersRemain),
        (instead(6, state("a", "Revoked")), Complete::Unknown, Reason::OthersRemain),
        (with(5, again(item("a", 3, "Text", "p1"))), Complete::Unknown, Reason::ItemChanged),
        (vec![state("a", "Invited"), state("a", "Revoked")], Complete::Unknown, Reason::NoItems),
    ];
    for (events, complete, reason) in cases {
        let (is, reasons) = verdict(&events);
        assert_eq!(is, complete, "{reason:?}: {reasons:?}");
        assert!(reasons.contains(&reason), "{reason:?}: {reasons:?}");
    }
    let doubts = Doubts { damaged: false, not_understood: true };
    assert_eq!(judge(&record(&whole()), doubts), (Complete::Unknown, vec![Reason::NotUnderstood]));
    let earlier = Record { earlier: true, ..record(&whole()) };
    assert_eq!(judge(&earlier, Doubts::default()), (Complete::Unknown, vec![Reason::EarlierRemoved]));
}

#[test]
fn an_agent_has_joined_where_it_was_told_so_and_not_by_another_word_of_an_open_list() {
    // `b` is asked and never comes; the other one in the log is not held, and stays.
    let mut events = whole();
    events.insert(5, item("a", 4, "ParticipantJoined", "p2"));
    events[6] = item("a", 5, "ParticipantLeft", "c");
    events.splice(1..1, ["Invited", "Alerting", "Revoked"].map(|word| state("b", word)));
    assert_eq!(verdict(&events), (Complete::Unknown, vec![Reason::OthersRemain]));
    // Rejected, it is told the same word as at an end.
    events[3] = state("b", "Completed");
    assert_eq!(verdict(&events), (Complete::Unknown, vec![Reason::OthersRemain]));
    // Where it does come, the word between changes nothing.
    let taken = ["Invited", "Alerting", "chatting", "Completed"].map(|word| state("b", word));
    events.splice(1..4, taken);
    assert_eq!(verdict(&events), (Complete::True, vec![]));
}

#[test]
fn a_conversation_that_an_agent_left_before_another_ended_it_is_complete() {
    let mut events = whole();
    let joins = ["Invited", "Chatting"].map(|word| state("b", word));
    events.splice(2..2, joins);
    events.insert(6, item("a", 3, "ParticipantJoined", "p2"));
    events.truncate(7);
    events.push(item("a", 4, "ParticipantLeft", "p1"));
    events.push(state("a", "Completed"));
    events.push(item("b", 5, "ParticipantLeft", "c"));
    events.push(state("b", "Completed"));
    assert_eq!(verdict(&events), (Complete::True, vec![]));
}

#[test]
fn a_gap_after_which_all_was_read_takes_nothing_and_is_named() {
    let mut events = whole();
    events.insert(5, gap("a", "g", "certain", None));
    events.insert(6, gap("a", "g", "certain", Some("yes")));
    // Said again after a crash.
    events.insert(7, gap("a", "g", "certain", None));
    assert_eq!(verdict(&events), (Complete::True, vec![]));
    assert_eq!(record(&events).gaps.len(), 1);
}

#[test]
fn what_does_not_fit_is_counted_and_never_complete() {
    let mut record = Record::default();
    let kept = whole().iter().filter(|event| record.take(event, 100, Limits { items: 2, ..LIMITS })).count();
    assert_eq!((kept, record.items, record.left_out), (2, 2, 2));
    let (complete, reasons) = judge(&record, Doubts::default());
    assert_eq!((complete, reasons), (Complete::False, vec![Reason::Cut]));
}

#[test]
fn items_stand_in_the_order_of_their_index_and_a_later_revision_in_its_place() {
    let record = record(&whole());
    let other =
        Event { id: "main/agent/b/chat/1/messages/2".to_owned(), ..item("b", 2, "ParticipantJoined", "p1") };
    let items = vec![
        item("a", 3, "Text", "c"),
        item("a", 1, "ParticipantJoined", "c"),
        item("a", 2, "ParticipantJoined", "p1"),
        other,
    ];
    let items = make::items(items);
    assert!(!make::differ(&items), "two agents' copies are equal");
    let differs = vec![item("a", 3, "Text", "c"), item("b", 3, "Text", "p1")];
    assert!(make::differ(&make::items(differs)), "an index of two contents");
    let made = make::make(&record, "1", items, (Complete::True, vec![]), 0, 2);
    assert_eq!(made.event.id, "main/chat/1/transcript;revision=2");
    assert_eq!(
        (made.event.revision, made.event.baseid.as_deref()),
        (Some(2), Some("main/chat/1/transcript"))
    );
    let data: TranscriptData = serde_json::from_str(made.event.data.get()).unwrap();
    let of = |message: &Message| message.index;
    assert_eq!(
        data.items.iter().map(|item| of(&item.message)).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(data.participants.len(), 2);
    let schema = crate::base::schema::get("chat.transcript").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let whole = crate::base::encode::structured(
        &Event { recordedtime: made.event.time.clone(), ..made.event },
        "1763793600-0000000000000000042",
    )
    .unwrap();
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let problems: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&whole)
        .map(|error| error.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    /// Whoever is held, whatever is lost and read again: nothing that is said to be complete lacks an item.
    #[test]
    fn complete_is_never_wrong_in_the_direction_of_true(
        held in prop::collection::vec(any::<bool>(), 4),
        acts in prop::collection::vec((0usize..4, 0u8..19).prop_map(Act::of), 3..40),
        losses in prop::collection::vec((0usize..4, 0usize..60, 1usize..12, 0u8..4).prop_map(Loss::of), 0..4),
    ) {
        let world = World::play(&acts);
        let events = world.told(&held, &losses);
        let record = record(&events);
        let (complete, reasons) = judge(&record, Doubts::default());
        if complete == Complete::True {
            prop_assert_eq!(record.items, world.log as u64, "{:?} {:?}", events.len(), reasons);
            prop_assert_eq!(record.indices.highest(), Some(world.log as i64));
            prop_assert!(events.iter().all(|event| event.revision.is_none()), "an index has two contents");
        }
    }
}

#[test]
fn a_world_without_losses_whose_agents_are_all_held_and_whose_customer_leaves_is_complete() {
    let acts = [
        Act::Invite(0),
        Act::Accept(0),
        Act::Say(0),
        Act::Invite(1),
        Act::Accept(1),
        Act::Leave(0),
        Act::Complete,
    ];
    let world = World::play(&acts);
    assert_eq!(world.log, 6);
    let record = record(&world.told(&[true; 4], &[]));
    assert_eq!(judge(&record, Doubts::default()), (Complete::True, vec![]));
    let record = self::record(&world.told(&[true, false, true, true], &[]));
    assert_ne!(judge(&record, Doubts::default()).0, Complete::True);
}

#[test]
fn what_may_have_been_of_a_log_leaves_a_doubt_and_what_came_on_other_channels_none() {
    let of = |medium: &'static str, word: &'static str, data: Value| {
        let event = Event { medium: medium.into(), interaction: None, ..event(word, Some("a"), &data) };
        doubtful(&event).is_some()
    };
    for (medium, word) in [("unknown", "unknown"), ("agent", "error"), ("bridge", "item_rejected")] {
        for topic in ["/v2/me/chats", "/v2/me/smssession/", "/v2/me/facebooksession"] {
            assert!(of(medium, word, json!({"topic": topic, "errorMessage": "x"})), "{medium} {topic}");
        }
        for topic in ["/v2/me/devices", "/v2/me/Calls", "/v2/me/workitems/"] {
            assert!(!of(medium, word, json!({"topic": topic})), "{medium} {topic}");
        }
        assert!(of(medium, word, json!({})), "where it came is not kept");
    }
    assert!(!of("agent", "state_change", json!({"deviceId": "d"})));
}
