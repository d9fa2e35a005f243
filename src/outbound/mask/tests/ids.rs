//! Ids of events that stand in other events: the same as the events themselves have at this sink.

use super::*;
use rstest::rstest;

/// Of items as `dedup_scope` "site" and "agent" have them, one that came again, and one without an index.
#[rstest]
#[case("main/chat/i/messages/5")]
#[case("main/chat/i/messages/5;revision=2")]
#[case("main/agent/1001/chat/i/messages/5")]
#[case("main/agent/1001/chat/i/messages/5;revision=2")]
#[case("main/agent/1001/chat/i/message/ab12")]
#[case("019c13f0-0000-7000-8000-000000000001")]
fn an_item_of_a_transcript_names_the_event_that_the_sink_has(#[case] id: &str) {
    let item = Event { id: id.to_owned(), ..Event::clone(&message()) };
    let transcript = with(
        "chat",
        "transcript",
        &json!({"interactionId": "i", "complete": "true", "agents": [], "participants": [],
            "items": [{"eventId": id, "observedBy": "1001", "message": {"index": 5}}]}),
    );
    for preset in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal] {
        let mask = mask(&Policy::preset(preset));
        let left: Value = serde_json::from_str(mask.apply(&transcript).data.get()).unwrap();
        assert_eq!(left["items"][0]["eventId"], mask.apply(&Arc::new(item.clone())).id, "{preset:?}");
        let hidden = preset != Preset::NoContent;
        assert!(!hidden || !left.to_string().contains("1001"), "{left}");
    }
    let said = Policy {
        rules: vec![Rule { of: Of::Path("items.eventId".to_owned()), action: Action::Hash }],
        ..Policy::preset(Preset::Minimal)
    };
    assert_eq!(
        left(&transcript, &said)["items"][0]["eventId"],
        hash(id),
        "a rule for the field itself is obeyed"
    );
}
