//! What events carry along of their interaction: what was last known when they were recorded, over restarts, and nothing
//! else.

use super::*;
use crate::base::left_out::LeftOut;
use crate::inbound::settings::{Scope, SiteConfig, testing};
use crate::journal::Erased;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const WINDOW: Duration = Duration::from_hours(30 * 24);
const PATHS: [&str; 3] = ["userData.ContactId", "state", "userData.Vip"];

fn contexts(site: &SiteConfig) -> Contexts {
    Contexts::new(std::slice::from_ref(site), &PATHS.map(str::to_owned), WINDOW)
}

fn keeping() -> Bench {
    let mut bench = Bench::new();
    bench.restart_with(contexts(&testing::site()));
    bench
}

/// An event of an interaction that is always news.
fn of(interaction: &str, id: &str, data: &Value) -> Candidate {
    let event = Event {
        medium: "chat".into(),
        interaction: Some(interaction.to_owned()),
        ..Event::bare(RawValue::from_string(data.to_string()).unwrap())
    };
    let identity = Identity::Content { digest_id: id.to_owned() };
    Candidate { event, identity, dedup: Key::None, ..item(0, id) }
}

fn message(interaction: &str, id: &str) -> Candidate {
    of(interaction, id, &json!({"interactionId": interaction, "message": {"text": "t"}}))
}

/// What an event has in its context: path, value and id.
fn shown(event: &Event) -> Value {
    event.context.as_ref().map_or(Value::Null, |json| serde_json::from_str(json.get()).unwrap())
}

impl Bench {
    fn shown(&mut self, agent: &str, candidate: Candidate) -> Value {
        shown(&self.put(agent, vec![candidate])[0])
    }
}

#[test]
fn a_value_goes_along_with_each_event_of_its_interaction_over_a_restart_too() {
    let mut bench = keeping();
    assert_eq!(bench.shown("a", message("1", "m0")), Value::Null);
    let first = of("1", "s1", &json!({"state": "Chatting", "userData": {"ContactId": 7.5, "Other": "x"}}));
    let state = json!({"value": "Chatting", "id": "s1"});
    let known = json!({"userData.ContactId": {"value": 7.5, "id": "s1"}, "state": state});
    assert_eq!(bench.shown("a", first), known, "its own values have its own id");
    assert_eq!(bench.shown("b", message("1", "m1")), known, "whoever sees it");
    assert_eq!(bench.shown("a", message("2", "m2")), Value::Null, "another interaction");
    bench.restart_with(contexts(&testing::site()));
    assert_eq!(bench.shown("a", message("1", "m3")), known);
    let text = bench.put("a", vec![message("1", "m4")]).remove(0).context.unwrap();
    assert!(text.get().starts_with(r#"{"userData.ContactId":{"value":7.5,"id":"s1"}"#), "{text}");

    let other = of("1", "s2", &json!({"state": "Held"}));
    let held = json!({"value": "Held", "id": "s2"});
    let known = json!({"userData.ContactId": {"value": 7.5, "id": "s1"}, "state": held});
    assert_eq!(bench.shown("a", other), known, "no attached data, nothing said of it");
    let gone = of("1", "s3", &json!({"userData": {"Vip": true}}));
    let known = json!({"state": held, "userData.Vip": {"value": true, "id": "s3"}});
    assert_eq!(bench.shown("a", gone), known, "attached data without it");
    bench.restart_with(contexts(&testing::site()));
    assert_eq!(bench.shown("a", message("1", "m5")), known);
}

#[test]
fn an_event_of_no_interaction_and_a_site_that_nobody_asked_for_have_none() {
    let mut bench = keeping();
    let state = |id: &str| of("1", id, &json!({"userData": {"ContactId": "c"}}));
    let mut own = state("s0");
    own.event.interaction = None;
    assert_eq!(bench.shown("a", own), Value::Null);
    let batch = Batch { candidates: vec![state("s1")], ..Batch::of(&"other".into(), "a", None, 1) };
    let (append, _) = bench.dedup.decide(Taken(0), batch).unwrap();
    assert!(append.contexts.is_empty() && append.events[0].context.is_none());
    bench.restart();
    let batch = Batch { candidates: vec![state("s2")], ..Batch::of(&"main".into(), "a", None, 1) };
    let (append, _) = bench.dedup.decide(Taken(0), batch).unwrap();
    assert!(append.contexts.is_empty() && append.events[0].context.is_none());
}

#[test]
fn what_a_site_does_not_collect_is_not_carried_along_though_it_was_kept_before() {
    let mut bench = keeping();
    let state = of("1", "s1", &json!({"state": "Chatting", "userData": {"ContactId": "c"}}));
    bench.put("a", vec![state]);
    let left_out = LeftOut::new(Vec::new(), vec!["userData.ContactId".to_owned()]).map(Arc::new);
    let contexts = contexts(&SiteConfig { left_out, ..testing::site() });
    assert_eq!(contexts.paths(), ["state", "userData.Vip"]);
    bench.restart_with(contexts);
    assert_eq!(bench.shown("a", message("1", "m1")), json!({"state": {"value": "Chatting", "id": "s1"}}));
}

#[test]
fn with_the_scope_of_an_agent_each_has_what_it_was_shown() {
    let mut bench = Bench::new();
    bench.restart_with(contexts(&SiteConfig { scope: Scope::Agent, ..testing::site() }));
    let known = bench.shown("a", of("1", "s1", &json!({"state": "Chatting"})));
    assert_eq!(bench.shown("a", message("1", "m1")), known);
    assert_eq!(bench.shown("b", message("1", "m2")), Value::Null);
}

#[test]
fn activity_keeps_values_and_what_was_erased_is_forgotten() {
    let mut bench = keeping();
    let state = of("1", "s1", &json!({"state": "Chatting", "userData": {"ContactId": "c"}}));
    bench.put("a", vec![state]);
    let mut writes = |minutes: i64| {
        bench.clock.set(minutes * 60_000);
        let batch = Batch { candidates: vec![message("1", "m")], ..Batch::of(&"main".into(), "a", None, 1) };
        let (append, _) = bench.dedup.decide(Taken(0), batch).unwrap();
        bench.marks.commit(&append);
        append.contexts.iter().map(|value| (value.path.clone(), value.at)).collect::<Vec<_>>()
    };
    assert_eq!(writes(9), []);
    let at = 11 * 60_000;
    assert_eq!(writes(11), [("state".to_owned(), at), ("userData.ContactId".to_owned(), at)]);
    assert_eq!(writes(12), []);

    let conversation = bench.marks.0.borrow().contexts.keys().next().unwrap().0;
    bench.marks.0.borrow_mut().contexts.clear();
    assert_ne!(bench.shown("a", message("1", "m1")), Value::Null, "it is in memory");
    bench.dedup.forget(Erased { conversations: vec![conversation], any: true });
    assert_eq!(bench.shown("a", message("1", "m2")), Value::Null);
}

#[test]
fn what_has_gone_from_the_journal_in_its_time_does_not_come_back_from_memory() {
    let mut bench = keeping();
    bench.put("a", vec![of("1", "s1", &json!({"state": "Chatting"}))]);
    bench.clock.set(i64::try_from(WINDOW.as_millis()).unwrap() + 1);
    assert_ne!(bench.shown("a", message("1", "m1")), Value::Null, "the journal has it still");
    bench.clock.set(2 * i64::try_from(WINDOW.as_millis()).unwrap() + 2);
    bench.marks.0.borrow_mut().contexts.clear();
    assert_eq!(bench.shown("a", message("1", "m2")), Value::Null);
}

/// One event: whose, of which interaction, and what it says of the two values and of attached data at all.
type Told = (u8, Option<u8>, Option<Option<u8>>);

proptest! {
    #[test]
    fn a_context_is_what_the_events_before_said_last(
        told in proptest::collection::vec((0..3u8, proptest::option::of(0..3u8), proptest::option::of(proptest::option::of(0..3u8))), 1..60),
        restarts in proptest::collection::vec(proptest::bool::ANY, 60),
    ) {
        let told: Vec<Told> = told;
        let mut bench = keeping();
        let mut model: HashMap<u8, BTreeMap<&str, Value>> = HashMap::new();
        for (nth, (interaction, state, data)) in told.into_iter().enumerate() {
            if restarts[nth] {
                bench.restart_with(contexts(&testing::site()));
            }
            let id = format!("e{nth}");
            let mut said = json!({"interactionId": "x"});
            let known = model.entry(interaction).or_default();
            if let Some(state) = state {
                said["state"] = json!(state);
                known.insert("state", json!({"value": state, "id": id}));
            }
            if let Some(contact) = data {
                said["userData"] = json!({});
                known.remove("userData.ContactId");
                if let Some(contact) = contact {
                    said["userData"]["ContactId"] = json!(contact);
                    known.insert("userData.ContactId", json!({"value": contact, "id": id}));
                }
            }
            let expected = if known.is_empty() { Value::Null } else { json!(known) };
            let candidate = of(&interaction.to_string(), &id, &said);
            prop_assert_eq!(bench.shown("a", candidate), expected);
        }
    }
}
