//! Tapes are written and read, and the veil lets nothing through that it does not name.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn written(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, &Label::new("full", "2026-11-27T20:00:00Z".to_owned(), 2)).unwrap();
    lines.iter().for_each(|line| write(&mut out, line).unwrap());
    out
}

fn line(at: u64, agent: usize) -> Line {
    let data = RawValue::from_string(r#"{"messageType":"X","n":1.50}"#.to_owned()).unwrap();
    Line { at, agent, channel: "/v2/me/chats".to_owned(), data }
}

#[test]
fn a_tape_is_read_as_it_was_written_in_the_order_of_time() {
    let tape = read("t", &mut written(&[line(9, 2), line(3, 1)]).as_slice()).unwrap();
    assert_eq!(tape.label.agents, 2);
    assert_eq!(tape.lines.iter().map(|line| (line.at, line.agent)).collect::<Vec<_>>(), [(3, 1), (9, 2)]);
    assert_eq!(tape.lines[0].data.get(), r#"{"messageType":"X","n":1.50}"#);
}

#[test]
fn what_is_no_tape_is_refused_by_its_line_without_repeating_it() {
    let said = |bytes: &[u8]| read("t", &mut &bytes[..]).unwrap_err().to_string();
    assert_eq!(said(b""), "the tape t, line 1: the file is empty");
    assert!(said(b"{\"secret\":1}\n").starts_with("the tape t, line 1: the label of a tape is expected"));
    assert!(!said(b"{\"secret\":1}\n").contains("secret"));
    let newer = r#"{"tape":2,"privacy":"full","recorded":"x","agents":1}"#;
    assert!(said(newer.as_bytes()).contains("form is 2, this release plays form 1"));
    assert!(said(&written(&[line(1, 3)])).contains("line 2: agent = 3: the label says 1 to 2"));
    let mut broken = written(&[line(1, 1)]);
    broken.extend_from_slice(b"{\"at\":1,\"agent\":1\n");
    assert!(said(&broken).contains("line 3: a notification with at, agent, channel and data is expected"));
}

#[test]
fn the_veil_keeps_the_shape_and_takes_the_people_out() {
    let veil = Veil::new(Level::Pseudonymous).unwrap();
    let log = json!({
        "messageType": "MessageLogUpdated", "notificationType": "NewMessages",
        "messages": [{"index": 5, "type": "Text", "text": "MARKER hello", "visibility": "All",
            "from": {"type": "Customer", "nickname": "MARKER", "participantId": "MARKER9"},
            "timestamp": "2014-01-02T14:23:20.126-0800", "unknown": "MARKER"}],
        "chatUri": "http://MARKER.example/api/v2/chats/MARKER7", "userUri": "http://x/users/MARKER8",
        "userData": {"WWE_PARTY_MARKER": "MARKER"}, "participants": ["MARKER5"], "type": {"a": "MARKER"},
    });
    let veiled = veil.over(&log);
    assert!(!veiled.to_string().contains("MARKER"), "{veiled}");
    let item = &veiled["messages"][0];
    assert_eq!(
        (&item["index"], &item["type"], &item["visibility"]),
        (&json!(5), &json!("Text"), &json!("All"))
    );
    assert_eq!(item["timestamp"], "2014-01-02T14:23:20.126-0800");
    assert!(veiled["chatUri"].as_str().unwrap().starts_with("/chats/"), "{veiled}");
    assert!(veiled.get("userData").is_none() && veiled.get("userUri").is_none());
    // The conversation stays one: its state change bears the same mark as its log's address.
    let state = veil.over(&json!({"chat": {"id": "MARKER7", "state": "Chatting", "participants": []}}));
    assert!(veiled["chatUri"].as_str().unwrap().ends_with(state["chat"]["id"].as_str().unwrap()));
    assert_eq!(state["chat"]["state"], "Chatting");
    assert_ne!(Veil::new(Level::Pseudonymous).unwrap().over(&log), veiled, "another tape has other marks");
}

const LEVELS: [Level; 3] = [Level::Pseudonymous, Level::NoContent, Level::Minimal];

#[test]
fn an_agents_states_stay_as_documented_on_every_tape() {
    let channels = json!({"channels": [
        {"channel": "voice", "userState": {"state": "Ready", "reason": "MARKER"}, "dndState": "Off"},
        {"channel": "chat", "userState": "NotReady", "dndState": "On"},
        {"channel": "email", "userState": "MARKER is away", "dndState": "MARKER is away"},
        {"channel": "sms", "dndState": {"text": "MARKER"}},
    ]});
    let kept = json!({"channels": [
        {"channel": "voice", "userState": {"state": "Ready"}, "dndState": "Off"},
        {"channel": "chat", "userState": "NotReady", "dndState": "On"},
        {"channel": "email"},
        {"channel": "sms"},
    ]});
    for level in LEVELS {
        assert_eq!(Veil::new(level).unwrap().over(&channels), kept, "{level:?}");
    }
}

#[test]
fn tapes_without_content_have_no_names_and_texts_and_say_their_interactions_as_the_level_has_it() {
    let call = json!({"messageType": "CallStateChangeMessage", "notificationType": "StatusChange",
        "call": {"id": "0A1B", "callUuid": "0A1B", "connId": "006802C6", "state": "Ringing", "ani": "MARKER", "uri": "http://MARKER/calls/0A1B",
            "participants": [{"id": "MARKER1", "phoneNumber": "MARKER2"}, "MARKER3"], "userData": {"MARKER": "MARKER"}},
        "phoneNumber": "MARKER"});
    let log = json!({"messageType": "MessageLogUpdated", "chatUri": "http://MARKER/api/v2/chats/0003C",
        "messages": [{"index": 5, "type": "Text", "text": "MARKER", "from": {"type": "Customer", "nickname": "MARKER",
            "participantId": "MARKER4"}}]});
    let device = json!({"devices": [{"id": "MARKER5", "userState": {"id": "MARKER6", "state": "Ready"}}]});
    for level in [Level::NoContent, Level::Minimal] {
        let veil = Veil::new(level).unwrap();
        let [call, log, device] = [&call, &log, &device].map(|data| veil.over(data));
        assert!(![&call, &log, &device].iter().any(|tape| tape.to_string().contains("MARKER")), "{level:?}");
        let item = &log["messages"][0];
        assert_eq!((&item["index"], &item["from"]["type"]), (&json!(5), &json!("Customer")));
        assert!(item.get("text").is_none() && item["from"].get("nickname").is_none(), "{log}");
        assert!(item["from"]["participantId"].is_string() && device["devices"][0]["id"].is_string());
        assert_eq!(call["call"]["state"], "Ringing");
        let known = level == Level::NoContent;
        for (name, is) in
            [("id", "0A1B"), ("callUuid", "0A1B"), ("connId", "006802C6"), ("uri", "/calls/0A1B")]
        {
            assert_eq!(call["call"][name] == is, known, "{level:?} {name}");
        }
        assert_eq!(log["chatUri"] == "/chats/0003C", known, "{level:?}");
        assert_eq!(call["call"]["id"], call["call"]["callUuid"], "one value, one mark");
    }
    let mail = json!({"chat": {"id": "ann@MARKER.example"}, "chatUri": "/chats/ann@MARKER.example"});
    assert!(
        !Veil::new(Level::NoContent).unwrap().over(&mail).to_string().contains("MARKER"),
        "no id looks so"
    );
}

#[test]
fn documented_forms_pass_as_the_bridge_reads_them() {
    let veil = Veil::new(Level::NoContent).unwrap();
    let call = json!({"messageType": " CallStateChangeMessage", "notificationType": "StatusChange ",
        "calls": [{"id": " 0A1B ", "state": " Dialing ", "capabilities": [" Hold"]}]});
    assert_eq!(
        veil.over(&call),
        json!({"messageType": "CallStateChangeMessage", "notificationType": "StatusChange",
            "calls": [{"id": "0A1B", "state": "Dialing", "capabilities": ["Hold"]}]})
    );
    for stamp in ["2014-01-09 11:58:12.035+0200", "2014-01-02T14:23:18.000-0800", "2014-01-09 11:58:12"] {
        let item = json!({"messages": [{"timestamp": format!(" {stamp}")}], "chat": {"receivedDate": stamp}});
        let kept = json!({"messages": [{"timestamp": stamp}], "chat": {"receivedDate": stamp}});
        assert_eq!(veil.over(&item), kept);
    }
    assert!(veil.over(&json!({"timestamp": "2014-01-09 Jane Doe"})).get("timestamp").is_none());
    for (uri, kept) in [
        ("http://h/api/v2/twitters/0002T", "/twitters/0002T"),
        ("http://h/api/v2/me/chats/0003C/?x=1", "/chats/0003C"),
        ("/im-sessions/0004I", "/im-sessions/0004I"),
        ("http://h/api/v2/me/calls/null", "/calls/null"),
    ] {
        assert_eq!(veil.over(&json!({"uri": uri})), json!({"uri": kept}));
    }
    for medium in ["chats", "emails", "smssessions", "calls", "twitters"] {
        let (data, mut kept) = (json!({medium: {"id": "X1", "text": "MARKER"}}), json!({}));
        kept[medium] = json!({"id": "X1"});
        assert_eq!(veil.over(&data), kept);
    }
    let workbin = json!({"messageType": "WorkbinStateChangeMessage", "action": "ItemAdded",
        "emailStateResourceV2": {"email": {"id": "0001E", "subject": "MARKER"}}, "chatStateResourceV2": {"id": "0003C"}});
    assert_eq!(
        veil.over(&workbin),
        json!({"messageType": "WorkbinStateChangeMessage", "action": "ItemAdded",
            "emailStateResourceV2": {"email": {"id": "0001E"}}, "chatStateResourceV2": {"id": "0003C"}})
    );
    let services = json!({"services": [{"name": "Voice", "state": "Inactive"}], "serviceName": "VOICE"});
    assert_eq!(veil.over(&services), services);
    let device =
        veil.over(&json!({"devices": [{"uri": "http://h/devices/MARKER"}], "userUri": "/users/MARKER"}));
    assert!(device["devices"][0]["uri"].as_str().unwrap().starts_with("/devices/"), "{device}");
    assert!(!device.to_string().contains("MARKER"), "{device}");
}

#[test]
fn texts_that_somebody_chose_become_marks_and_numbers_and_types_of_gws_stay() {
    for level in LEVELS {
        let veil = Veil::new(level).unwrap();
        for name in ["referenceId", "errorCode", "messageType", "notificationType"] {
            for text in ["MARKER", "ann.smith-MARKER", "+4930MARKER", "MARKER Message"] {
                let veiled = veil.over(&json!({name: text}));
                assert!(veiled[name].is_string() && !veiled.to_string().contains("MARKER"), "{veiled}");
                assert_eq!(veiled, veil.over(&json!({name: format!(" {text} ")})), "one value, one mark");
                assert_ne!(veiled, veil.over(&json!({name: format!("{text}2")})));
            }
        }
        for kept in [
            json!({"referenceId": 17, "errorCode": 5}),
            json!({"messageType": "facebooksessionStateChangeMessage", "notificationType": "statuschange"}),
            json!({"messageType": "WidgetStateChangeMessage", "notificationType": "WidgetUpdated"}),
            json!({"messageType": "ServiceStateChanged", "notificationType": "TweetSaved"}),
        ] {
            assert_eq!(veil.over(&kept), kept);
        }
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("text".to_owned()),
        Just("type".to_owned()),
        Just("state".to_owned()),
        Just("chatUri".to_owned()),
        Just("messages".to_owned()),
        Just("capabilities".to_owned()),
        Just("id".to_owned()),
        "[a-zA-Z]{1,8}",
    ];
    let leaf =
        prop_oneof![Just(json!("a SECRET text")), Just(json!("http://SECRET/x/SECRET")), Just(json!(7))];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_of_people_passes_wherever_it_stands(data in anything()) {
        for level in LEVELS {
            let veiled = Veil::new(level).unwrap().over(&data);
            prop_assert!(!veiled.to_string().contains("SECRET"), "{} of {}", veiled, data);
        }
    }
}
