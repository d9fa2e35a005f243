//! What each preset and each rule leaves of each kind of event.

use super::*;
use crate::base::envelope::gws_type;
use crate::outbound::settings::{Of, Rule};
use crate::outbound::testing::{event as sample, raw};
use serde_json::{Value, json};

mod context;
mod fit;
mod ids;
mod map;
mod media;
mod transcripts;

/// A sample of the given type; every text that must not leave without content holds the word "secret".
fn with(medium: &'static str, word: &'static str, data: &Value) -> Arc<Event> {
    let mut event = sample("k", 1);
    event.medium = medium.into();
    event.event = word.into();
    event.kind = gws_type(medium, word).into();
    event.data = raw(&data.to_string());
    event.raw = Some(raw(r#"{"text":"secret raw"}"#));
    event.rest = Some(raw(r#"{"user":"secret rest"}"#));
    Arc::new(event)
}

fn mask(policy: &Policy) -> Mask {
    Mask::of(policy, Some(hmac::Key::new(hmac::HMAC_SHA256, b"a key of some length")), &[7; 32])
}

fn hash(text: &str) -> String {
    Hider::new(Some(hmac::Key::new(hmac::HMAC_SHA256, b"a key of some length")), &[7; 32], false).hash(text)
}

fn left(event: &Arc<Event>, policy: &Policy) -> Value {
    let masked = mask(policy).apply(event);
    assert!(masked.raw.is_none() && masked.rest.is_none());
    serde_json::from_str(masked.data.get()).unwrap()
}

fn preset(event: &Arc<Event>, preset: Preset) -> Value {
    left(event, &Policy::preset(preset))
}

fn masked(event: &Arc<Event>) -> Value {
    let policy = Policy::preset(Preset::NoContent);
    let whole = crate::base::encode::structured(&mask(&policy).apply(event), "1-1").unwrap();
    assert!(!String::from_utf8(whole).unwrap().contains("secret"));
    left(event, &policy)
}

fn message() -> Arc<Event> {
    with(
        "chat",
        "message",
        &json!({"interactionId": "i", "message": {"index": 5, "kind": "Text", "text": "secret", "new": "secret",
            "noticeText": "secret", "url": "secret", "visibility": "All", "sentAt": "2014-01-02T14:23:20.126Z",
            "from": {"kind": "Customer", "nickname": "secret", "participantId": "p", "secret": 1}}}),
    )
}

fn state() -> Arc<Event> {
    with(
        "agent",
        "state_change",
        &json!({"deviceId": "d", "deviceState": "Active", "phoneNumber": "secret", "doNotDisturb": "Off",
            "e164Number": "secret", "telephonyNetwork": "Private", "channels": ["voice"], "description": "secret",
            "dynamicPhoneNumber": "secret", "userState": {"id": "7", "displayName": "secret", "state": "NotReady",
                "workMode": "AuxWork", "reason": "secret"}, "capabilities": ["ready"], "extra": ["secret"]}),
    )
}

#[test]
fn a_message_keeps_its_frame_and_loses_its_content() {
    let frame = json!({"interactionId": "i", "message": {"index": 5, "kind": "Text", "visibility": "All",
        "sentAt": "2014-01-02T14:23:20.126Z", "from": {"kind": "Customer", "participantId": "p"}}});
    assert_eq!(masked(&message()), frame);
    assert_eq!(preset(&message(), Preset::Minimal), frame);
    let mut named = frame;
    named["message"]["from"]["nickname"] = hash("secret").into();
    assert_eq!(preset(&message(), Preset::Pseudonymous), named);
}

#[test]
fn an_interaction_keeps_state_and_participants_without_names() {
    let data = json!({"interactionId": "i", "notificationType": "StatusChange", "state": "Chat",
        "capabilities": ["SendMessage"], "chatType": "Standard", "comment": "secret", "userData": {"a": "secret", "secret": "b"},
        "participants": [{"kind": "Agent", "nickname": "secret", "participantId": "p", "visibility": "All"}, "secret"]});
    for word in ["status_change", "participants_updated", "properties_updated", "error"] {
        assert_eq!(
            masked(&with("facebooksession", word, &data)),
            json!({"interactionId": "i", "notificationType": "StatusChange", "state": "Chat",
            "capabilities": ["SendMessage"], "chatType": "Standard",
            "participants": [{"kind": "Agent", "participantId": "p", "visibility": "All"}]})
        );
    }
}

#[test]
fn an_agent_state_keeps_states_without_numbers_names_and_reasons() {
    let mut left = json!({"deviceId": "d", "deviceState": "Active", "doNotDisturb": "Off",
        "telephonyNetwork": "Private", "channels": ["voice"], "userState": {"id": "7", "state": "NotReady", "workMode": "AuxWork"}, "capabilities": ["ready"]});
    assert_eq!(masked(&state()), left);
    left["deviceId"] = hash("d").into();
    assert_eq!(preset(&state(), Preset::Minimal), left);
    for number in ["phoneNumber", "e164Number", "dynamicPhoneNumber"] {
        left[number] = hash("secret").into();
    }
    assert_eq!(preset(&state(), Preset::Pseudonymous), left);
}

#[test]
fn what_is_not_understood_keeps_its_place_and_reason_only() {
    let event = with("unknown", "unknown", &json!({"topic": "/v2/x", "reason": "r", "extra": "secret"}));
    assert_eq!(masked(&event), json!({"topic": "/v2/x", "reason": "r"}));
}

#[test]
fn an_unknown_type_or_odd_data_leaves_empty() {
    let mut event = Event::clone(&with("chat", "message", &json!({"message": ["secret"], "secret": 1})));
    assert_eq!(masked(&Arc::new(event.clone())), json!({"message": []}));
    event.kind = "genesys.gws.chat.message.v2".into();
    assert_eq!(masked(&Arc::new(event.clone())), json!({}));
    event.data = raw("[\"secret\"]");
    event.kind = gws_type("chat", "message").into();
    assert_eq!(masked(&Arc::new(event)), json!({}));
    assert_eq!(masked(&with("chat", "whisper", &json!({"text": "secret"}))), json!({}));
}

#[test]
fn events_of_the_bridge_leave_whole_but_for_the_agent() {
    let mut event = Event::clone(&with("bridge", "sink_lost", &json!({"sink": "crm", "count": 3})));
    event.kind = "cometbridge.sink.lost.v1".into();
    for word in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal] {
        assert_eq!(preset(&Arc::new(event.clone()), word), json!({"sink": "crm", "count": 3}));
    }
    event.kind = "cometbridge.session.silent.v1".into();
    event.data = raw(r#"{"agent":"1001","differing":{"chat":2}}"#);
    assert_eq!(
        preset(&Arc::new(event), Preset::Minimal),
        json!({"agent": hash("1001"), "differing": {"chat": 2}})
    );
}

#[test]
fn full_with_raw_is_the_very_same_event() {
    let event = message();
    let full = |raw| Mask { hidden: None, raw, context: Vec::new() };
    assert!(Arc::ptr_eq(&event, &full(true).apply(&event)));
    let bare = full(false).apply(&event);
    assert!(bare.raw.is_none() && bare.rest.is_none());
    assert_eq!(bare.data.get(), event.data.get());
}

/// An agent's event with every attribute that names the agent.
fn of_agent() -> Event {
    Event {
        id: "main/agent/1001/d/state_change/ab12".into(),
        subject: "agent/1001/d".into(),
        agent: Some("1001".into()),
        interaction: None,
        partitionkey: "main/1001".into(),
        ..Event::clone(&state())
    }
}

#[test]
fn an_agents_key_is_hashed_alike_wherever_it_stands() {
    let agent = hash("1001");
    for word in [Preset::Pseudonymous, Preset::Minimal] {
        let mask = mask(&Policy::preset(word));
        let left = mask.apply(&Arc::new(of_agent()));
        assert_eq!(left.agent.as_ref(), Some(&agent));
        assert_eq!(left.partitionkey, format!("main/{agent}"));
        assert_eq!(left.subject, format!("agent/{agent}/{}", hash("d")));
        assert_eq!(left.id, format!("main/{}", hash("main/agent/1001/d/state_change/ab12")));
        assert_eq!(mask.names(&of_agent().id, &of_agent().subject), (left.id.clone(), left.subject.clone()));
        let session = Event { subject: "session/1001".into(), id: "0199".into(), ..of_agent() };
        let left = mask.apply(&Arc::new(session));
        assert_eq!((left.subject.as_str(), left.id.as_str()), (format!("session/{agent}").as_str(), "0199"));
    }
    let kept = mask(&Policy::preset(Preset::NoContent)).apply(&Arc::new(of_agent()));
    let id = format!("main/{}", hash(&of_agent().id));
    assert_eq!(
        (&kept.id, &kept.subject),
        (&id, &of_agent().subject),
        "whose it is may be seen, not the content"
    );
}

#[test]
fn a_log_item_keeps_its_id_and_its_key_and_not_who_saw_it() {
    let item = Event {
        id: "main/chat/i/messages/5;revision=2".into(),
        baseid: Some("main/chat/i/messages/5".into()),
        subject: "chat/i".into(),
        observedby: Some("1001".into()),
        interaction: Some("1001".into()),
        partitionkey: "main/1001".into(),
        ..Event::clone(&message())
    };
    let left = mask(&Policy::preset(Preset::Minimal)).apply(&Arc::new(item.clone()));
    assert_eq!((&left.id, &left.baseid, &left.subject), (&item.id, &item.baseid, &item.subject));
    assert_eq!(left.partitionkey, item.partitionkey, "an interaction's, whatever it is called");
    assert_eq!(left.observedby, Some(hash("1001")));
    let own = Event { id: "main/agent/1001/chat/i/messages/5".into(), baseid: None, ..item };
    assert!(!mask(&Policy::preset(Preset::Minimal)).apply(&Arc::new(own)).id.contains("1001"));
}

#[test]
fn a_rule_for_a_field_goes_before_one_for_its_class_and_both_before_the_preset() {
    let rule = |of, action| Rule { of, action };
    let path = |text: &str| Of::Path(text.to_owned());
    let policy = Policy {
        rules: vec![
            rule(path("message"), Action::Drop),
            rule(path("message.text"), Action::Truncate(3)),
            rule(path("message.from"), Action::Mask),
            rule(Of::Class(Class::Content), Action::Hash),
        ],
        ..Policy::preset(Preset::NoContent)
    };
    let message = left(&message(), &policy);
    assert_eq!(
        message,
        json!({"interactionId": "i", "message": {"text": "sec",
        "from": {"kind": "****omer", "nickname": "******", "participantId": "*"}}})
    );
    let full =
        Policy { rules: vec![rule(Of::Class(Class::Contact), Action::Mask)], ..Policy::preset(Preset::Full) };
    let state = left(&state(), &full);
    assert_eq!((&state["phoneNumber"], &state["userState"]["reason"]), (&json!("******"), &json!("secret")));
    assert_eq!(state.get("extra"), None, "with a rule it is an allow-list");
}

#[test]
fn of_attached_data_only_what_is_named_leaves_keys_included() {
    let data = json!({"interactionId": "i", "userData": {"ContactId": {"a": [1, 2.50]}, "Phone": "030555778899", "WWE_PARTY_1003": "x"}});
    let event = with("chat", "properties_updated", &data);
    let mut policy =
        Policy { userdata: vec!["ContactId".to_owned()], ..Policy::preset(Preset::Pseudonymous) };
    let user_data = |policy: &Policy| left(&event, policy)["userData"].clone();
    assert_eq!(user_data(&policy), json!({"ContactId": {"a": [1, 2.5]}}));
    policy.rules = vec![
        Rule { of: Of::Path("userData.Phone".into()), action: Action::Mask },
        Rule { of: Of::Class(Class::Business), action: Action::Hash },
    ];
    let all = user_data(&policy);
    assert_eq!((&all["Phone"], &all[&hash("WWE_PARTY_1003")]), (&json!("********8899"), &json!(hash("x"))));
    assert_eq!(all.as_object().unwrap().len(), 3);
    assert_eq!(preset(&event, Preset::NoContent), json!({"interactionId": "i"}));
}

/// Objects with names of the table and others, of any depth; every text is the planted one.
fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![Just(json!("planted")), Just(json!(null)), Just(json!(7)), Just(json!(true))];
    let names = prop_oneof![
        Just("message"),
        Just("from"),
        Just("text"),
        Just("nickname"),
        Just("participants"),
        Just("userData"),
        Just("comment"),
        Just("planted"),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| json!(members)),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn whatever_stands_where_something_else_should_what_leaves_is_an_object_without_it(data in any_json()) {
        for word in ["message", "status_change", "state_change", "ended_unseen"] {
            for policy in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal].map(Policy::preset) {
                let left = left(&with("chat", word, &data), &policy);
                proptest::prop_assert!(left.is_object() && !left.to_string().contains("planted"), "{left}");
            }
        }
    }
}
