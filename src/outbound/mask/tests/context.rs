//! What a sink gets of an event's context: its own list in its order, and no more of a value than of the field itself.

use super::*;
use crate::outbound::testing::config;

const STORED: &str = r#"{"state":{"value":"Chatting","id":"s1"},"userData.ContactId":{"value":7.50,"id":"main/chat/i/status_change/ab"},
    "userData.Name":{"value":{"n":"secret"},"id":"s1"},"ani":{"value":"030555778899","id":"main/call/i/status_change/ab"}}"#;

fn event(medium: &'static str) -> Arc<Event> {
    let mut event = Event::clone(&with(medium, "status_change", &json!({"interactionId": "i"})));
    (event.raw, event.rest, event.context) = (None, None, Some(raw(STORED)));
    Arc::new(event)
}

fn sees(mut mask: Mask, wanted: &[&str], event: &Arc<Event>) -> Value {
    mask.context = wanted.iter().map(|path| (*path).to_owned()).collect();
    let left = mask.apply(event);
    left.context.as_ref().map_or(Value::Null, |json| serde_json::from_str(json.get()).unwrap())
}

async fn whole(raw: bool) -> Mask {
    let sink = SinkConfig { raw, ..config("s", 1) };
    Mask::new(&sink, &[7; 32]).await.unwrap()
}

#[tokio::test]
async fn a_sink_gets_its_own_list_in_its_own_order_and_none_where_it_has_none() {
    let event = event("chat");
    for raw in [true, false] {
        assert_eq!(sees(whole(raw).await, &[], &event), Value::Null);
        assert_eq!(sees(whole(raw).await, &["userData.Other"], &event), Value::Null);
        let mut mask = whole(raw).await;
        mask.context = ["userData.ContactId", "userData.Other", "state"].map(str::to_owned).to_vec();
        assert_eq!(
            mask.apply(&event).context.as_ref().unwrap().get(),
            r#"{"userData.ContactId":{"value":7.50,"id":"main/chat/i/status_change/ab"},"state":{"value":"Chatting","id":"s1"}}"#
        );
    }
}

#[tokio::test]
async fn the_same_event_leaves_where_there_is_nothing_to_take_away() {
    let mut event = Event::clone(&event("chat"));
    event.context = Some(raw(r#"{"state":{"value":"Chatting","id":"s1"}}"#));
    event.rest = Some(raw("{}"));
    let event = Arc::new(event);
    let mut mask = whole(true).await;
    mask.context = vec!["state".to_owned()];
    assert!(Arc::ptr_eq(&mask.apply(&event), &event));
    mask.context.clear();
    let left = mask.apply(&event);
    assert!(left.context.is_none() && left.rest.is_some());
    mask.raw = false;
    mask.context = vec!["state".to_owned()];
    let left = mask.apply(&event);
    assert!(left.context.is_some() && left.rest.is_none());
}

#[test]
fn a_value_leaves_as_its_field_would() {
    let all = ["state", "userData.ContactId", "userData.Name", "ani"];
    let policy = Policy { userdata: vec!["ContactId".to_owned()], ..Policy::preset(Preset::NoContent) };
    let id = |id: &str| format!("main/{}", hash(id));
    assert_eq!(
        sees(mask(&policy), &all, &event("chat")),
        json!({"state": {"value": "Chatting", "id": "s1"},
            "userData.ContactId": {"value": 7.50, "id": id("main/chat/i/status_change/ab")}})
    );
    let rules = vec![
        Rule { of: Of::Path("userData.ContactId".to_owned()), action: Action::Hash },
        Rule { of: Of::Class(Class::Contact), action: Action::Mask },
    ];
    let policy = Policy { rules, ..Policy::preset(Preset::Minimal) };
    assert_eq!(
        sees(mask(&policy), &all, &event("call")),
        json!({"state": {"value": "Chatting", "id": "s1"},
            "userData.ContactId": {"value": hash("7.50"), "id": id("main/chat/i/status_change/ab")},
            "ani": {"value": "********8899", "id": id("main/call/i/status_change/ab")}}),
        "ids as this sink gets them"
    );
    let hashed = Policy {
        rules: vec![Rule { of: Of::Class(Class::Business), action: Action::Hash }],
        ..Policy::preset(Preset::Full)
    };
    let seen = sees(mask(&hashed), &["userData.Name"], &event("chat"));
    assert_eq!(seen["userData.Name"]["value"], hash(r#"{"n":"secret"}"#), "its name is the operator's");
    assert_eq!(sees(mask(&hashed), &["ani"], &event("chat")), Value::Null, "a chat has no such field");
}

#[test]
fn rules_below_a_key_and_the_class_of_a_key_count_for_what_is_carried_along() {
    let mut event = Event::clone(&event("chat"));
    let member = |value: Value| json!({"value": value, "id": "s1"});
    let stored = json!({"userData.Customer": member(json!({"Phone": "secret", "No": 7})),
        "userData.Customer.Phone": member(json!("secret")), "userData.FirstName": member(json!("secret"))});
    event.context = Some(raw(&stored.to_string()));
    let rules = vec![
        Rule { of: Of::Path("userData.Customer.Phone".to_owned()), action: Action::Drop },
        Rule { of: Of::Class(Class::Identity), action: Action::Drop },
    ];
    let policy = Policy { rules, ..Policy::preset(Preset::Full) };
    let wanted = ["userData.Customer", "userData.Customer.Phone", "userData.FirstName"];
    let seen = sees(mask(&policy), &wanted, &Arc::new(event));
    assert_eq!(seen, json!({"userData.Customer": {"value": {"No": 7}, "id": "s1"}}));
    let context = wanted.map(str::to_owned).to_vec();
    let notes = notes(&SinkConfig { privacy: policy, context, ..config("s", 1) });
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[tokio::test]
async fn a_path_that_never_leaves_is_a_note() {
    let noted = |privacy: Policy, paths: &[&str]| {
        let context = paths.iter().map(|path| (*path).to_owned()).collect();
        notes(&SinkConfig { privacy, context, ..config("s", 1) })
    };
    let paths = ["state", "userData.ContactId", "userData.Name", "ani"];
    assert_eq!(noted(Policy::preset(Preset::Full), &paths), [""; 0]);
    let policy = Policy { userdata: vec!["ContactId".to_owned()], ..Policy::preset(Preset::NoContent) };
    let notes = noted(policy, &paths);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("\"userData.Name\"") && notes[1].contains("\"ani\""), "{notes:?}");
    assert_eq!(noted(Policy::preset(Preset::Pseudonymous), &["ani"]), [""; 0]);
}

/// Contexts with members of any shape; every text that may not leave is the planted one.
fn any_context() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let paths = prop_oneof![
        Just("comment".to_owned()),
        Just("userData.X".to_owned()),
        Just("ani".to_owned()),
        Just("participants".to_owned()),
        Just("planted".to_owned()),
    ];
    let member = prop_oneof![
        any_json().prop_map(|value| json!({"value": value, "id": "x"})),
        any_json(),
        any_json().prop_map(|value| json!({"value": value, "id": {"planted": 1}})),
    ];
    prop::collection::btree_map(paths, member, 0..5).prop_map(|members| json!(members))
}

proptest::proptest! {
    #[test]
    fn whatever_stands_in_a_context_nothing_leaves_that_the_field_could_not(context in any_context()) {
        let mut event = Event::clone(&event("call"));
        event.context = Some(raw(&context.to_string()));
        let event = Arc::new(event);
        for policy in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal].map(Policy::preset) {
            let seen = sees(mask(&policy), &["comment", "userData.X", "ani", "participants"], &event);
            proptest::prop_assert!(!seen.to_string().contains("planted"), "{seen}");
        }
    }
}
