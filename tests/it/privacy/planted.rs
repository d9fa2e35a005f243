//! Notifications with a planted value in every field of a class, in unknown fields, in keys of maps, and where something
//! else is expected.
//!
//! Deliberately absent: looking for them.

use crate::harness::cometd::Publish;
use serde_json::{Value, json};

/// Every planted text begins so; no signature and no hash can hold it.
pub const PLANTED: &str = "zq-";
/// Every planted number begins so.
pub const NUMBER: &str = "497770055";
/// Every agent's key and device begins so.
pub const AGENT: &str = "kyagent";
/// What the last notification of each agent says.
pub const LAST: &str = "zq-last";
/// The kinds of planted texts.
pub const KINDS: &[&str] =
    &["zq-name", "zq-text", "zq-url", "zq-key", "zq-value", "zq-unknown", "zq-reason", "zq-odd"];

fn to(user: &str, channel: &str, data: &Value) -> Publish {
    Publish { user: user.to_owned(), channel: channel.to_owned(), data: data.clone(), tag: String::new() }
}

pub fn last(user: &str) -> Publish {
    to(user, "/v2/me/chats", &json!({"messageType": "SomethingNew", "text": LAST}))
}

/// The forms take turns; every value is another one each time.
pub fn notification(nth: usize, user: &str) -> Publish {
    let m = |kind: &str| format!("zq-{kind}{nth}");
    let phone = format!("+{NUMBER}{nth:05}");
    let stamp = json!({"eventProcessing": {"serverGenerationTimestamp": 1_769_554_688_150_i64 + nth as i64}});
    let id = format!("0000T{:04}", nth / 16);
    let session = json!({"id": id, "state": "Chatting", "comment": m("text"), "subject": m("unknown"),
        "capabilities": ["Transfer"], "userData": {m("key"): m("value"), "PhoneNumber": phone, "WWE_PARTY_1": {m("key"): [m("value")]}},
        "participants": [{"type": "Customer", "nickname": m("name"), "participantId": "009", "phoneNumber": phone, m("key"): 1}]});
    let item = json!({"index": nth, "type": "Text", "text": m("text"), "noticeText": m("text"), "url": m("url"),
        "visibility": "All", "timestamp": "2014-01-02T14:23:20.126-0800", m("key"): m("unknown"),
        "from": {"type": "Customer", "nickname": m("name"), "participantId": "009", "userName": m("unknown")}});
    let log = |items: Value| {
        json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages", "chatId": id, "metrics": stamp,
            "customer": m("unknown"), "chat": {"id": id}, "messages": items})
    };
    let state = |medium: &str, kind: &str, session: Value| {
        json!({"messageType": format!("{kind}StateChangeMessage"), "notificationType": "PropertiesUpdated",
            "phoneNumber": phone, "metrics": stamp, medium: session})
    };
    let device = json!({"id": format!("kyagentdevice{}", nth % 50), "deviceState": "Active", "phoneNumber": phone,
        "e164Number": phone, "userState": {"displayName": m("reason"), "state": format!("S{nth}"), "reason": m("reason"),
        "by": m("unknown")}});
    match nth % 12 {
        0 => to(user, "/v2/me/chats", &log(json!([item]))),
        1 => to(user, "/v2/me/chats", &state("chat", "Chat", session)),
        2 => to(
            user,
            "/v2/me/devices",
            &json!({"messageType": "DeviceStateChangeMessage", "devices": [device]}),
        ),
        3 => to(user, "/v2/me/facebooksession", &state("facebooksession", "Facebooksession", session)),
        4 => to(
            user,
            "/v2/me/chats",
            &json!({"messageType": "SomethingNew", m("key"): m("unknown"), "phone": phone}),
        ),
        5 => to(
            user,
            "/v2/me/devices",
            &json!({"messageType": "DeviceStateChangeMessage", "metrics": stamp,
            "devices": [m("odd"), {"phoneNumber": phone}, {"id": {m("key"): 1}}, [m("odd")]]}),
        ),
        6 => to(
            user,
            "/v2/me/chats",
            &log(json!([m("odd"), {"index": m("odd"), "text": {m("key"): m("odd")}, "from": m("odd")},
            {"index": nth, "type": {m("key"): m("odd")}, "text": [m("odd")], "from": [m("odd")], "url": 5}])),
        ),
        7 => {
            let odd = json!({"id": id, "state": {m("key"): m("odd")}, "participants": m("odd"), "userData": [m("odd")],
                "comment": {m("key"): m("odd")}, "capabilities": {m("key"): m("odd")}, "receivedDate": {"a": m("odd")}});
            to(user, "/v2/me/chats", &state("chat", "Chat", odd))
        }
        8 => {
            let number: u64 = format!("{NUMBER}{nth:05}").parse().unwrap();
            let odd = json!({"id": id, "state": format!("S{nth}"), "userData": {"Phone": number, "a": null, "b": [number]},
                "participants": [{"nickname": number, "type": "Agent"}, m("odd"), [m("odd")]]});
            to(user, "/v2/me/chats", &state("chat", "Chat", odd))
        }
        9 => to(
            user,
            "/v2/me/channels",
            &json!({"messageType": "ChannelStateChangeMessageV2", "metrics": stamp,
            "channels": [{"channel": "chat", "dndState": "Off", "phoneNumber": phone,
                "userState": {"state": format!("S{nth}"), "displayName": m("reason"), "reason": [m("odd")]}}]}),
        ),
        10 => to(
            user,
            "/v2/me/chats",
            &json!({"messageType": "ErrorMessage", "errorMessage": m("text"), "metrics": stamp,
            "notificationType": "Error", "chat": {"id": id, "comment": m("text")}}),
        ),
        _ => to(user, "/v2/me/chats", &json!([m("odd"), {m("key"): m("value")}])),
    }
}
