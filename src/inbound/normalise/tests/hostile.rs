//! Whatever a server sends: no panic, no loss, no unbounded work.
//!
//! `COMETBRIDGE_CAMPAIGN` takes the full size, two million notifications (minutes in a release build).

use super::whole::assert_whole;
use super::*;

fn cases() -> u32 {
    if std::env::var_os("COMETBRIDGE_CAMPAIGN").is_some() { 1_000_000 } else { 300 }
}

/// Channels and data of the corpus, read once.
static CORPUS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let read = |(_, fixture): (PathBuf, Fixture)| {
        (fixture.channel, serde_json::from_str(fixture.data.get()).unwrap())
    };
    fixtures().into_iter().map(read).collect()
});

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(WORDS), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

const WORDS: &[&str] = &[
    "messageType",
    "notificationType",
    "referenceId",
    "messages",
    "chat",
    "chats",
    "facebooksession",
    "chatUri",
    "facebooksessionPath",
    "devices",
    "channels",
    "channel",
    "id",
    "path",
    "uri",
    "index",
    "type",
    "text",
    "from",
    "timestamp",
    "timestampSeconds",
    "userData",
    "userState",
    "participants",
    "metrics",
    "eventProcessing",
    "serverGenerationTimestamp",
    "call",
    "tweet",
    "record",
    "recordHandle",
    "customFields",
    "extensions",
    "errorCode",
    "errorMessage",
    "deviceId",
    "emailStateResourceV2",
    "imSessionPath",
    "CallStateChangeMessage",
    "TweetStateChangeMessage",
    "IMLogUpdateMessage",
    "OutboundRecordMessage",
    "DeviceUserEventMessage",
    "WorkbinStateChangeMessage",
    "WorkbinSubscriptionStateChangeMessage",
    "ErrorMessage",
    "PasswordChangeError",
    "TweetSaved",
    "MessageLogUpdated",
    "ChatStateChangeMessage",
    "DeviceStateChangeMessage",
    "ChannelStateChangeMessageV2",
    "StatusChange",
    "Error",
    "TypingStarted",
    "2014-01-02T14:23:18.000-0800",
];

/// Puts `by` in place of the `at`-th value met on the way through the tree, or takes it out.
fn mutate(value: &mut Value, at: &mut usize, by: &Option<Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mutate_child(item, at, by)),
        Value::Object(members) => members.values_mut().for_each(|member| mutate_child(member, at, by)),
        _ => {}
    }
}

fn mutate_child(value: &mut Value, at: &mut usize, by: &Option<Value>) {
    if *at == 0 {
        *value = by.clone().unwrap_or(Value::Null);
    } else {
        mutate(value, at, by);
    }
    *at = at.wrapping_sub(1);
}

/// What must hold of every answer.
fn check(options: &Options, channel: &str, data: &RawValue) {
    let candidates = run(options, channel, data);
    assert!(!candidates.is_empty(), "a notification vanished");
    assert_whole(&site(options), data, &candidates);
    for candidate in &candidates {
        let event = &candidate.event;
        let id = event_id(&candidate.identity, 1);
        assert!(!id.contains('.') && !id.is_empty() && id.is_ascii(), "{id}");
        assert!(event.id.is_empty() && event.recordedtime.is_empty() && event.revision.is_none());
        assert_eq!(event.time.len(), 24, "{}", event.time);
        validate("hostile", &envelope(candidate));
        assert!(!event.data.get().contains(['\n', '\r']), "data is not one line");
        if options.typing_text {
            let raw = event.raw.as_ref().map_or("null", |raw| raw.get());
            assert!(data.get().contains(raw), "raw is not what came: {raw}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_json_is_never_lost(
        data in any_json(),
        tail in prop::sample::select(&["chats", "calls", "devices", "channels", "facebooksession", ""][..]),
        typing_text: bool,
    ) {
        let options = Options { typing_text, ..Options::default() };
        check(&options, &format!("/v2/me/{tail}"), &json(&data.to_string()));
    }

    #[test]
    fn no_mutation_of_a_real_notification_is_lost(
        pick: prop::sample::Index,
        at in 0usize..60,
        by in prop::option::of(any_json()),
        typing_text: bool,
    ) {
        let (channel, data) = pick.get(&CORPUS);
        let (mut value, mut left) = (data.clone(), at);
        mutate(&mut value, &mut left, &by);
        let options = Options { typing_text, ..Options::default() };
        check(&options, channel, &json(&value.to_string()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_item_costs_none_of_its_neighbours(broken in any_json(), at in 0usize..4) {
        let mut items: Vec<Value> =
            (1..4).map(|index| serde_json::json!({"index": index, "type": "Text", "text": "t"})).collect();
        items.insert(at, broken);
        let data = serde_json::json!({
            "messageType": "MessageLogUpdated", "chatPath": "/chats/c1", "messages": items,
        });
        let found = run(&Options::default(), "/v2/me/chats", &json(&data.to_string()));
        prop_assert_eq!(found.len(), 4);
        let mut good: Vec<i64> = Vec::new();
        for (position, candidate) in found.iter().enumerate() {
            if let (true, Key::LogItem { index, .. }) = (position != at, &candidate.dedup) {
                good.push(*index);
            }
        }
        prop_assert_eq!(good, vec![1, 2, 3]);
    }
}

#[test]
fn nesting_without_end_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let objects = format!("{}1{}", r#"{"messages":"#.repeat(100_000), "}".repeat(100_000));
    for data in [
        deep.clone(),
        objects.clone(),
        format!(
            r#"{{"messageType":"MessageLogUpdated","chatUri":"/chats/1","messages":[{deep},{{"index":1,"x":{objects},"type":"TypingStarted","text":"t"}}]}}"#
        ),
        format!(
            r#"{{"messageType":"ChatStateChangeMessage","notificationType":"StatusChange","chat":{{"id":"1","participants":{deep},"userData":{objects}}}}}"#
        ),
        format!(
            r#"{{"messageType":"DeviceStateChangeMessage","devices":[{{"id":"1","userState":{objects}}}],"metrics":{deep}}}"#
        ),
    ] {
        for candidate in run(&Options::default(), "/v2/me/chats", &json(&data)) {
            assert!(serde_json::from_str::<Value>(candidate.event.data.get()).is_ok());
        }
    }
}

fn log_of(items: usize, rest: &str) -> Box<RawValue> {
    let items: Vec<String> = (0..items).map(|index| format!(r#"{{"index":{index}}}"#)).collect();
    let items = items.join(",");
    json(&format!(
        r#"{{"messageType":"MessageLogUpdated","chatUri":"/chats/1","rest":"{rest}","messages":[{items}]}}"#
    ))
}

#[test]
fn ten_thousand_items_are_ten_thousand_events_and_a_large_rest_is_not_repeated_with_each() {
    let small = run(&Options::default(), "/v2/me/chats", &log_of(10_000, ""));
    assert_eq!(small.len(), 10_000);
    let large = run(&Options::default(), "/v2/me/chats", &log_of(10_000, &"x".repeat(100_000)));
    assert_eq!(large.len(), 10_001);
    assert!(large[..10_000].iter().all(|candidate| candidate.event.rest.is_none()));
    let rest = &large[10_000].event;
    assert_eq!(rest.event, "unknown");
    assert!(rest.raw.as_ref().unwrap().get().contains("xxxx"));
}

#[test]
fn more_items_than_that_are_kept_whole_as_unknown() {
    let data = log_of(10_001, "");
    let found = run(&Options::default(), "/v2/me/chats", &data);
    let [one] = found.as_slice() else { panic!("{} events", found.len()) };
    assert_eq!(one.event.event, "unknown");
    assert_eq!(one.event.raw.as_ref().unwrap().get(), data.get());
    assert!(one.event.data.get().contains("10001 items in `messages`"), "{}", one.event.data);
}

#[test]
fn lists_of_very_many_items_read_as_absent_in_a_state_and_stand_in_raw() {
    let many = vec!["{}"; 10_001].join(",");
    let data = STATUS.replacen(
        r#""id":"c1""#,
        &format!(r#""id":"c1","participants":[{many}],"capabilities":[{many}]"#),
        1,
    );
    let candidate = one("/v2/me/chats", &data);
    assert_eq!(candidate.event.interaction.as_deref(), Some("c1"));
    assert!(candidate.event.data.get().len() < 1_000, "{}", candidate.event.data.get().len());
    assert!(candidate.event.raw.unwrap().get().contains(&many));
}

#[test]
fn overlong_and_unprintable_words_reach_no_attribute() {
    for id in ["x".repeat(300), "a\\u0000b".to_owned(), "  ".to_owned()] {
        let data = STATUS.replace(r#""id":"c1""#, &format!(r#""id":"{id}","referenceId":"{id}""#));
        let candidate = one("/v2/me/chats", &data.replacen('{', &format!(r#"{{"referenceId":"{id}","#), 1));
        assert_eq!(candidate.event.interaction.as_deref(), Some("c1"), "by its uri");
        assert_eq!(candidate.event.referenceid, None);
    }
    let item = r#"{"messageType":"MessageLogUpdated","chatUri":"/chats/1","messages":[{"index":9999999999,"visibility":"a\nb","from":{"type":"\u0007"}}]}"#;
    let event = one("/v2/me/chats", item).event;
    assert_eq!((event.messageindex, event.visibility, event.authorkind), (None, None, None));
}
