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
#[case("main/chat/i/message/ab12")]
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
        let said = left["items"][0]["eventId"].as_str().unwrap();
        assert!(!said.contains("ab12"), "{preset:?}: {said}");
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

/// Of an agent's state, as `normalise` makes it.
const OF_CONTENT: &str = "main/agent/1001/d/state_change/ab12";

#[test]
fn an_id_that_is_made_of_content_leaves_as_it_is_only_where_all_leaves() {
    let event = Arc::new(of_agent());
    let rule = Policy {
        rules: vec![Rule { of: Of::Class(Class::Infrastructure), action: Action::Drop }],
        ..Policy::preset(Preset::Full)
    };
    let policies = [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal].map(Policy::preset);
    for policy in policies.into_iter().chain([rule.clone()]) {
        let left = mask(&policy).apply(&event);
        assert_eq!(left.id, mask(&policy).names(OF_CONTENT, "").0);
        assert!(
            left.id.starts_with("main/") && left.id.len() == 37 && !left.id.contains("ab12"),
            "{}",
            left.id
        );
    }
    let whole = Mask { hidden: None, raw: true, context: Vec::new() };
    assert_eq!((&whole.apply(&event).id, whole.names(OF_CONTENT, "").0), (&event.id, event.id.clone()));

    // Without a key of the operator's the journal's own secret stands in.
    let of = |secret: u8| Mask::of(&rule, None, &[secret; 32]).apply(&event).id.clone();
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    assert_eq!(of(7), Mask::without_content(&[7; 32]).apply(&event).id);
}

#[test]
fn what_names_an_event_to_all_stays_where_agents_are_not_hashed() {
    for id in [
        "main/chat/i/messages/5",
        "main/agent/1001/chat/i/messages/5;revision=2",
        "main/chat/i/transcript",
        "main/agent/1001/chat/i/gap/0199/closed",
        "019c13f0-0000-7000-8000-000000000001",
    ] {
        let event = Arc::new(Event { id: id.to_owned(), ..of_agent() });
        assert_eq!(mask(&Policy::preset(Preset::NoContent)).apply(&event).id, id);
    }
}

#[test]
fn no_rule_shows_a_part_of_an_id_that_is_made_of_content() {
    let id = "main/chat/i/message/ab12";
    let transcript = with("chat", "transcript", &json!({"items": [{"eventId": id}]}));
    for (of, action) in [
        (Of::Class(Class::Pseudonym), Action::Mask),
        (Of::Path("items.eventId".to_owned()), Action::Mask),
        (Of::Path("items".to_owned()), Action::Keep),
        (Of::Path("items.eventId".to_owned()), Action::Truncate(30)),
    ] {
        let policy = Policy { rules: vec![Rule { of, action }], ..Policy::preset(Preset::Full) };
        let left = left(&transcript, &policy).to_string();
        assert!(left.contains("eventId") && !left.contains("ab12"), "{action:?}: {left}");
    }
}

#[test]
fn the_digest_of_what_was_too_large_can_not_be_tried_where_anything_is_hidden() {
    let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut event = Event::clone(&with("bridge", "item_rejected", &json!({"bytes": 7, "sha256": sha256})));
    event.kind = "cometbridge.item.rejected.v1".into();
    let event = Arc::new(event);
    for word in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal] {
        let data = preset(&event, word);
        let left = data["sha256"].as_str().unwrap();
        assert!(left != sha256 && left.len() == 64 && data["bytes"] == 7, "{data}");
    }
}

#[test]
fn a_reference_leaves_as_it_is_only_where_it_is_the_integer_that_is_documented() {
    let of = |reference: &str, policy: &Policy| {
        let event = Event { referenceid: Some(reference.to_owned()), ..of_agent() };
        mask(policy).apply(&Arc::new(event)).referenceid.clone().unwrap()
    };
    for word in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal] {
        let policy = Policy::preset(word);
        assert_eq!((of("17", &policy), of("Ann Lee", &policy)), ("17".to_owned(), hash("Ann Lee")));
    }
}
