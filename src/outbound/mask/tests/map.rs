//! What leaves of attached data: paths at any depth, and keys that are known for what they hold.

use super::*;

fn rule(of: &str, action: Action) -> Rule {
    let of = Class::parse(of).map_or_else(|| Of::Path(of.to_owned()), Of::Class);
    Rule { of, action }
}

fn full(rules: &[(&str, Action)]) -> Policy {
    let rules = rules.iter().map(|(of, action)| rule(of, *action)).collect();
    Policy { rules, ..Policy::preset(Preset::Full) }
}

/// What is left of this map in a call's event.
fn of(map: &str, value: &Value, policy: &Policy) -> Value {
    let event = with("call", "status_change", &json!({"interactionId": "i", map: value}));
    left(&event, policy)[map].clone()
}

fn user_data(value: &Value, policy: &Policy) -> Value {
    of("userData", value, policy)
}

#[test]
fn a_path_reaches_what_lies_below_a_key_and_the_key_of_that_name() {
    let data = json!({"Customer": {"Phone": "+49305559999", "Name": "n", "More": [{"Phone": "1"}]},
        "Customer.Phone": "+49305558888", "Phone": "p", "WWE_PARTY_1003": {"lastname": "Zed", "firstname": null}});
    let policy = |phone| {
        full(&[("userData.Customer.Phone", phone), ("userData.WWE_PARTY_1003.lastname", Action::Drop)])
    };
    let expected = |phone: fn(&str) -> Value| {
        json!({"Customer": {"Phone": phone("+49305559999"), "Name": "n", "More": [{"Phone": "1"}]},
            "Customer.Phone": phone("+49305558888"), "Phone": "p", "WWE_PARTY_1003": {"firstname": null}})
    };
    assert_eq!(user_data(&data, &policy(Action::Hash)), expected(|phone| hash(phone).into()));
    assert_eq!(
        user_data(&data, &policy(Action::Mask)),
        expected(|phone| format!("********{}", &phone[8..]).into())
    );
    assert_eq!(user_data(&data, &policy(Action::Truncate(3))), expected(|phone| phone[..3].into()));
    assert_eq!(user_data(&data, &policy(Action::Keep)), expected(|phone| phone.into()));
    assert_eq!(
        user_data(&data, &policy(Action::Drop)),
        json!({"Customer": {"Name": "n", "More": [{"Phone": "1"}]}, "Phone": "p", "WWE_PARTY_1003": {"firstname": null}})
    );
    let lists = full(&[("userData.Customer.More.Phone", Action::Drop)]);
    assert_eq!(user_data(&data, &lists)["Customer"]["More"], json!([{}]), "in lists, too");
    for map in ["extensions", "userData"] {
        let below = full(&[(&format!("{map}.a.b"), Action::Drop)]);
        assert_eq!(of(map, &json!({"a": {"b": "x", "c": 1.50}}), &below), json!({"a": {"c": 1.50}}));
    }
    let fields = json!({"customFields": {"a": {"b": "x", "c": "y"}}});
    let event = with("outbound", "record", &fields);
    assert_eq!(
        left(&event, &full(&[("customFields.a.b", Action::Drop)])),
        json!({"customFields": {"a": {"c": "y"}}})
    );
}

#[test]
fn the_nearest_path_counts_below_a_key_as_everywhere() {
    let data = json!({"Customer": {"Phone": "+49305559999", "No": "7"}, "Other": "o"});
    let one = Policy {
        rules: vec![rule("userData.Customer.No", Action::Keep)],
        ..Policy::preset(Preset::NoContent)
    };
    assert_eq!(user_data(&data, &one), json!({"Customer": {"No": "7"}}));
    assert_eq!(user_data(&json!({"Customer": "x", "Other": "o"}), &one), Value::Null);
    let listed = Policy { userdata: vec!["Customer".to_owned()], ..one.clone() };
    assert_eq!(user_data(&data, &listed), json!({"Customer": {"Phone": "+49305559999", "No": "7"}}));
    let but = Policy { rules: vec![rule("userData.Customer.Phone", Action::Drop)], ..listed };
    assert_eq!(user_data(&data, &but), json!({"Customer": {"No": "7"}}));
    let hashed = full(&[("userData.Customer", Action::Hash), ("userData.Customer.No", Action::Keep)]);
    assert_eq!(
        user_data(&data, &hashed),
        json!({"Customer": {hash("Phone"): hash("+49305559999"), "No": "7"}, "Other": "o"})
    );
    let whole = full(&[("userData.Customer", Action::Hash)]);
    assert_eq!(user_data(&data, &whole)["Customer"], hash(r#"{"No":"7","Phone":"+49305559999"}"#));
}

#[test]
fn keys_that_are_known_have_the_class_of_what_they_hold() {
    let data = json!({"FirstName": "Ann", "PhoneNumber": "+49305559999", "Phone2": "+49305558888",
        "ChatServerHost": "h", "WWE_PARTY_1003": {"lastname": "Zed"}, "K1003": "x", "Account": "a", "Subject": "s",
        "Deep": [{"EmailAddress": "a@b", "Order": 1.50}, null]});
    let dropped =
        full(&[("contact", Action::Drop), ("identity", Action::Drop), ("infrastructure", Action::Drop)]);
    let expected = json!({"Account": "a", "Subject": "s", "Deep": [{"Order": 1.50}, null]});
    assert_eq!(user_data(&data, &dropped), expected);
    let masked = full(&[("contact", Action::Mask), ("identity", Action::Truncate(1))]);
    assert_eq!(
        user_data(&data, &masked),
        json!({"FirstName": "A", "PhoneNumber": "********9999", "ChatServerHost": "h", "Account": "a", "Subject": "s",
            "Deep": [{"EmailAddress": "***", "Order": 1.50}, null]}),
        "a key that is not known to the letter could be half a number"
    );
    let hashed = full(&[("contact", Action::Hash), ("identity", Action::Hash), ("content", Action::Drop)]);
    let left = user_data(&data, &hashed);
    assert_eq!(
        (&left["FirstName"], &left["PhoneNumber"]),
        (&json!(hash("Ann")), &json!(hash("+49305559999")))
    );
    assert_eq!(left[&hash("WWE_PARTY_1003")], json!(hash(r#"{"lastname":"Zed"}"#)));
    assert_eq!(
        (&left[&hash("Phone2")], &left[&hash("K1003")]),
        (&json!(hash("+49305558888")), &json!(hash("x")))
    );
    assert!(left.get("Subject").is_none() && left["Account"] == "a", "{left}");
    let fields = of("extensions", &json!({"FirstName": "Ann"}), &full(&[("identity", Action::Drop)]));
    assert_eq!(fields, json!({"FirstName": "Ann"}), "what a switch adds is of one class");
}

#[test]
fn the_class_of_a_key_and_that_of_attached_data_both_count_and_a_named_key_is_the_operators_word() {
    let data = json!({"FirstName": "Ann", "Account": "a", "ContactId": {"PhoneNumber": "1"}});
    let policy = |preset, rules: &[(&str, Action)]| Policy { preset, ..full(rules) };
    for preset in [Preset::NoContent, Preset::Pseudonymous, Preset::Minimal] {
        assert_eq!(user_data(&data, &policy(preset, &[("identity", Action::Keep)])), Value::Null);
    }
    for all in ["business", "userData"] {
        let kept = policy(Preset::NoContent, &[(all, Action::Keep)]);
        assert_eq!(user_data(&data, &kept), json!({"Account": "a"}), "{all}");
    }
    let hashed = user_data(&data, &full(&[("business", Action::Hash), ("identity", Action::Mask)]));
    assert_eq!(hashed[&hash("FirstName")], json!(hash("Ann")), "the stricter of both: {hashed}");
    let named = Policy {
        userdata: vec!["ContactId".to_owned()],
        ..full(&[("identity", Action::Drop), ("contact", Action::Drop), ("userData.FirstName", Action::Mask)])
    };
    assert_eq!(
        user_data(&data, &named),
        json!({"FirstName": "***", "Account": "a", "ContactId": {"PhoneNumber": "1"}})
    );
}

#[test]
fn of_keys_that_changed_only_the_keys_are_hidden() {
    let data = json!({"Account": "added", "PhoneNumber": "changed", "WWE_PARTY_1003": "removed"});
    let changes = |policy: &Policy| of("userDataChanges", &data, policy);
    assert_eq!(
        changes(&full(&[("business", Action::Hash)])),
        json!({hash("Account"): "added", hash("PhoneNumber"): "changed", hash("WWE_PARTY_1003"): "removed"})
    );
    for (action, third) in [(Action::Hash, Some(hash("WWE_PARTY_1003"))), (Action::Mask, None)] {
        let mut left = json!({"Account": "added", "PhoneNumber": "changed"});
        left.as_object_mut().unwrap().extend(third.map(|key| (key, json!("removed"))));
        assert_eq!(changes(&full(&[("identity", action), ("contact", action)])), left);
    }
    assert_eq!(
        changes(&full(&[("identity", Action::Drop), ("contact", Action::Drop)])),
        json!({"Account": "added"})
    );
    let named = full(&[("userDataChanges", Action::Hash), ("userDataChanges.Account", Action::Keep)]);
    assert_eq!(changes(&named)["Account"], "added");
    let listed = Policy { userdata: vec!["Account".to_owned()], ..Policy::preset(Preset::Minimal) };
    assert_eq!(changes(&listed), json!({"Account": "added"}));
}

#[test]
fn what_is_too_deep_to_be_looked_at_goes() {
    let nested = |depth| (0..depth).fold(json!("x"), |inner, _| json!({ "a": inner }));
    let policy = full(&[("identity", Action::Drop)]);
    assert_eq!(user_data(&nested(20), &policy), nested(20));
    assert!(!user_data(&nested(60), &policy).to_string().contains('x'));
}

proptest::proptest! {
    #[test]
    fn nothing_leaves_from_below_a_path_or_a_class_that_is_dropped(data in any_json()) {
        // Wherever it stands, the planted text lies below one of these.
        let data = json!({"Customer": {"Phone": data.clone(), "x": [{"LastName": data.clone()}]}, "Phone9": data});
        let policy = full(&[("userData.Customer.Phone", Action::Drop), ("identity", Action::Drop), ("contact", Action::Mask)]);
        let left = user_data(&data, &policy);
        proptest::prop_assert_eq!(left, json!({"Customer": {"x": [{}]}}));
    }
}
