//! Bodies by the book, odd ones, and those that mean to take our memory.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn a_body_is_read_as_a_set_and_a_bad_message_costs_only_itself() {
    let body = br#"[{"channel":"/v2/me/chats","data":{"n":1.10}},7,{"x":1},
        {"channel":"/meta/connect","id":3,"successful":true,"ext":{"ack":9007199254740993},"advice":{"interval":"soon","timeout":100}}]"#;
    let messages = parse(body).unwrap();
    assert!(matches!(&messages[0], Message::Data { channel, data }
        if channel == "/v2/me/chats" && data.get() == r#"{"n":1.10}"#));
    assert!(matches!(&messages[1], Message::Malformed { .. }));
    assert!(matches!(&messages[2], Message::Malformed { .. }));
    let Message::Meta(meta) = &messages[3] else { panic!("no meta") };
    assert_eq!(meta.id.as_deref(), Some("3"));
    assert_eq!(meta.ack, Ack::Batch(9_007_199_254_740_993));
    let advice = meta.advice.clone().unwrap();
    assert_eq!((advice.interval, advice.timeout), (None, Some(100)));
}

#[test]
fn a_message_without_data_keeps_its_channel() {
    let body = br#"[{"channel":"/v2/me/chats","data":null},{"channel":"/v2/me/calls"},{"data":null}]"#;
    let channels = parse(body).unwrap().into_iter().map(|message| match message {
        Message::Malformed { channel, .. } => channel.unwrap_or_default(),
        other => panic!("{other:?}"),
    });
    assert_eq!(channels.collect::<Vec<_>>(), ["/v2/me/chats", "/v2/me/calls", ""]);
}

#[test]
fn every_form_of_the_ack_extension_is_understood() {
    let of = |ext: &str| {
        let body = format!(r#"{{"channel":"/meta/handshake","successful":true,"ext":{ext}}}"#);
        let Message::Meta(meta) = parse(body.as_bytes()).unwrap().remove(0) else { panic!("no meta") };
        meta.ack
    };
    assert_eq!(of(r#"{"ack":true}"#), Ack::Enabled);
    assert_eq!(of(r#"{"ack":{"enabled":true}}"#), Ack::Enabled);
    assert_eq!(of(r#"{"ack":{"enabled":true,"batch":4}}"#), Ack::Batch(4));
    assert_eq!(of(r#"{"ack":{"enabled":false,"batch":4}}"#), Ack::None);
    assert_eq!(of(r#"{"ack":false}"#), Ack::None);
    assert_eq!(of("{}"), Ack::None);
}

#[test]
fn an_unreadable_body_is_named_without_quoting_it() {
    let error = parse(b"<html>secret").unwrap_err().to_string();
    assert!(error.contains("12 bytes") && !error.contains("secret"), "{error}");
    assert!(parse(b"  ").unwrap_err().to_string().contains("empty"));
}

#[test]
fn the_connect_carries_the_ack_and_asks_for_no_hold_where_told() {
    let of = |hold, window: Option<u64>| {
        let window = window.map(Duration::from_millis);
        let (id, client_id) = ("5".into(), "c".into());
        let request = Request::Connect { id, client_id, ack: Some(3), hold, window };
        String::from_utf8(request.body()).unwrap()
    };
    let rest = r#""channel":"/meta/connect","clientId":"c","connectionType":"long-polling","ext":{"ack":3},"id":"5"}]"#;
    assert_eq!(of(Hold::None, None), format!(r#"[{{"advice":{{"timeout":0}},{rest}"#));
    assert_eq!(of(Hold::Server, None), format!("[{{{rest}"));
    assert_eq!(of(Hold::Server, Some(9)), format!(r#"[{{"advice":{{"interval":9}},{rest}"#));
    let both = r#"[{"advice":{"interval":9,"timeout":5},"#;
    assert_eq!(of(Hold::Of(Duration::from_millis(5)), Some(9)), format!("{both}{rest}"));
}

#[test]
fn a_body_of_very_many_messages_is_unreadable_and_one_of_just_so_many_is_not() {
    let body = |count: usize| format!("[{}]", vec![r#"{"channel":"/a","data":1}"#; count].join(","));
    assert_eq!(parse(body(MAX_MESSAGES).as_bytes()).unwrap().len(), MAX_MESSAGES);
    let error = parse(body(MAX_MESSAGES + 1).as_bytes()).unwrap_err().to_string();
    assert!(error.contains("100001 messages"), "{error}");
}

#[test]
fn what_is_no_message_is_kept_one_by_one_up_to_a_hundred_and_the_rest_together() {
    let odd: Vec<String> = (0..90_000).map(|n| n.to_string()).collect();
    let messages = parse(format!("[{}]", odd.join(",")).as_bytes()).unwrap();
    assert!(messages.len() < 200, "{}", messages.len());
    let mut came = Vec::new();
    for message in &messages {
        let Message::Malformed { raw, .. } = message else { panic!("{message:?}") };
        assert!(raw.get().len() <= MAX_BUNDLE + 2);
        let value: serde_json::Value = serde_json::from_str(raw.get()).unwrap();
        came.extend(value.as_array().cloned().unwrap_or_else(|| vec![value]));
    }
    let came: Vec<String> = came.iter().map(ToString::to_string).collect();
    assert_eq!(came, odd, "nothing is lost and the order is kept");
}

#[test]
fn a_list_of_very_many_strings_is_not_taken() {
    let of = |count: usize| {
        let list = vec![r#""x""#; count].join(",");
        let body = format!(r#"{{"channel":"/meta/subscribe","successful":true,"subscription":[{list}]}}"#);
        let Message::Meta(meta) = parse(body.as_bytes()).unwrap().remove(0) else { panic!("no meta") };
        meta.subscription.len()
    };
    assert_eq!((of(2), of(MAX_STRINGS + 1)), (2, 0));
}

#[test]
fn a_single_meta_message_has_its_type_in_the_suffix_and_several_have_none() {
    let (id, client_id) = (String::from("5"), String::from("c"));
    let channel = (id.clone(), "/a".to_owned());
    let subscribe = |count, gone| Request::Subscribe {
        client_id: client_id.clone(),
        channels: vec![channel.clone(); count],
        gone: vec![channel.clone(); gone],
    };
    assert_eq!(Request::Handshake { id: id.clone() }.suffix(), "/handshake");
    assert_eq!((subscribe(1, 0).suffix(), subscribe(2, 0).suffix()), ("/subscribe", ""));
    assert_eq!((subscribe(0, 1).suffix(), subscribe(1, 1).suffix()), ("/unsubscribe", ""));
    let body = |request: Request| serde_json::from_slice::<serde_json::Value>(&request.body()).unwrap();
    let message =
        |meta| serde_json::json!({"id": "5", "channel": meta, "clientId": "c", "subscription": "/a"});
    let both = serde_json::json!([message("/meta/unsubscribe"), message("/meta/subscribe")]);
    assert_eq!(body(subscribe(1, 1)), both, "what is gone goes first");
    assert_eq!(Request::Disconnect { id, client_id }.suffix(), "/disconnect");
}

proptest! {
    #[test]
    fn no_body_can_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&body);
    }

    #[test]
    fn no_json_can_make_it_panic(value in "[\\[{\\]}:,\"a-z/0-9 ]{0,80}") {
        let _ = parse(value.as_bytes());
    }
}
