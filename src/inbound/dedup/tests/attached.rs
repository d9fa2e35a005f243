//! Which keys of attached data changed: what one notification after another lets know.

use super::*;
use crate::base::classes::Class;
use crate::base::left_out::LeftOut;
use crate::inbound::normalise::{Context, normalise};
use crate::inbound::settings::{SiteConfig, testing};
use crate::inbound::users::Users;
use crate::journal::Erased;
use proptest::prelude::{prop_assert_eq, proptest};
use serde_json::{Value, json};
use std::collections::BTreeMap;

struct Desk {
    bench: Bench,
    site: SiteConfig,
    now: u64,
}

impl Desk {
    fn new() -> Desk {
        Desk { bench: Bench::new(), site: testing::site(), now: 0 }
    }

    /// What an agent's event says of the keys; `null` where it says nothing. None where no event comes of it.
    fn told(&mut self, agent: &str, call: &str, user_data: Option<&Value>) -> Option<Value> {
        self.now += 1;
        let mut data = json!({"messageType": "CallStateChangeMessage", "notificationType": "AttachedDataChanged",
            "call": {"id": call, "state": "Established", "dnis": self.now.to_string()}});
        if let Some(user_data) = user_data {
            data["call"]["userData"] = user_data.clone();
        }
        let data = RawValue::from_string(data.to_string()).unwrap();
        let cx = Context { site: &self.site, agent, users: &Users::default(), received: 1 };
        let candidates = normalise(&cx, "/v2/me/calls", &data);
        let batch = Batch { candidates, ..Batch::of(&"main".into(), agent, None, 1) };
        let (append, _) = self.bench.dedup.decide(Taken(self.now), batch).unwrap();
        self.bench.marks.commit(&append);
        let data: Value = serde_json::from_str(append.events.first()?.data.get()).unwrap();
        Some(data["userDataChanges"].clone())
    }
}

#[test]
fn keys_are_named_that_came_changed_or_went_and_only_where_it_is_known_what_was_before() {
    let mut desk = Desk::new();
    let (one, two) = (json!({"a": "1", "b": {"x": 1}, "c": "3"}), json!({"b": {"x": 2}, "c": "3", "d": "4"}));
    assert_eq!(desk.told("1001", "k", Some(&one)), Some(Value::Null), "nobody knows what was before");
    let said = json!({"a": "removed", "b": "changed", "d": "added"});
    assert_eq!(desk.told("1001", "k", Some(&two)), Some(said.clone()));
    assert_eq!(desk.told("1001", "k", None), Some(Value::Null), "no attached data says nothing of it");
    assert_eq!(desk.told("1001", "k", Some(&two)), Some(Value::Null));
    assert_eq!(desk.told("1001", "other", Some(&one)), Some(Value::Null));
    assert_eq!(desk.told("1002", "k", Some(&one)), Some(Value::Null), "each agent is told for itself");
    assert_eq!(desk.told("1002", "k", Some(&two)), Some(said));
    assert_eq!(
        desk.told("1001", "k", Some(&json!({}))),
        Some(json!({"b": "removed", "c": "removed", "d": "removed"}))
    );
}

#[test]
fn what_a_site_does_not_collect_is_not_named_either() {
    let mut desk = Desk::new();
    desk.site.left_out =
        Some(LeftOut::new(vec![Class::Contact], vec!["userData.Account".to_owned()]).unwrap().into());
    let of = |text: &str| json!({"Account": text, "PhoneNumber": text, "Queue": text});
    desk.told("1001", "k", Some(&of("1")));
    assert_eq!(desk.told("1001", "k", Some(&of("2"))), Some(json!({"Queue": "changed"})));
    desk.site.left_out = Some(LeftOut::new(Vec::new(), vec!["userDataChanges".to_owned()]).unwrap().into());
    assert_eq!(desk.told("1001", "k", Some(&of("3"))), Some(Value::Null));
}

#[test]
fn what_was_erased_is_named_no_more() {
    let mut desk = Desk::new();
    desk.told("1001", "k", Some(&json!({"Secret": "1"})));
    desk.bench.dedup.forget(Erased { any: true, ..Erased::default() });
    assert_eq!(desk.told("1001", "k", Some(&json!({}))), Some(Value::Null));
}

#[test]
fn long_keys_are_not_remembered_for_ever() {
    let mut desk = Desk::new();
    let long = |n: u8| json!({(n.to_string() + &"k".repeat(1 << 20)): 1});
    desk.told("1001", "k", Some(&long(0)));
    for n in 1..20 {
        desk.told("1001", &n.to_string(), Some(&long(n)));
    }
    assert_eq!(desk.told("1001", "k", Some(&json!({}))), Some(Value::Null), "two generations of 8 MiB");
}

#[test]
fn too_many_keys_are_not_followed() {
    let mut desk = Desk::new();
    let many = |count: usize| Value::Object((0..count).map(|n| (format!("k{n}"), json!(n))).collect());
    desk.told("1001", "k", Some(&many(512)));
    assert_eq!(desk.told("1001", "k", Some(&many(511))), Some(json!({"k511": "removed"})));
    assert_eq!(desk.told("1001", "k", Some(&many(513))), Some(Value::Null));
    assert_eq!(
        desk.told("1001", "k", Some(&many(1))),
        Some(Value::Null),
        "what was before is not known any more"
    );
}

proptest! {
    /// Whoever applies what is said to the keys known before has the keys of now.
    #[test]
    fn what_is_said_leads_from_one_to_the_next(all in proptest::collection::vec(
        proptest::collection::btree_map("[a-c\"\\\\]{1,2}", 0u8..3, 0..5), 2..6))
    {
        let mut desk = Desk::new();
        let mut before: Option<BTreeMap<String, u8>> = None;
        for now in all {
            let said = desk.told("1001", "k", Some(&json!(now))).unwrap();
            if let Some(before) = &before {
                let mut wanted = serde_json::Map::new();
                for key in before.keys().chain(now.keys()) {
                    let word = match (before.get(key), now.get(key)) {
                        (Some(_), None) => "removed",
                        (None, Some(_)) => "added",
                        (one, other) if one != other => "changed",
                        _ => continue,
                    };
                    wanted.insert(key.clone(), json!(word));
                }
                let wanted = if wanted.is_empty() { Value::Null } else { Value::Object(wanted) };
                prop_assert_eq!(said, wanted);
            }
            before = Some(now);
        }
    }
}
