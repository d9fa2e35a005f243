//! What leaves through which sink: privacy, `match` and `raw`.

use crate::data_path::event_of;
use crate::harness::cometd::Publish;
use crate::harness::kafka::{Kafka, Record};
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, NOT_BRIDGE, kafka, stdout, webhook};
use serde_json::{Value, json};
use std::time::Duration;

/// Texts that stand in what is published and must not leave through a sink without content.
const PERSONAL: &[&str] = &[
    "Rosalind",
    "medical question",
    "https://private.example/claim",
    "+49-30-55577",
    "IBAN-DE02",
    "left for the doctor",
    "Lunch (doctor)",
    "wants a refund",
    "Franklin",
    "typed and deleted",
];

/// A conversation and a device with personal words in every place that may have some.
fn personal(user: &str, other: &str) -> Vec<Publish> {
    let talk = "000PERSONAL01";
    let uri = format!("http://localhost:8080/api/v2/facebooksessions/{talk}");
    let item = |index: usize, more: Value| {
        let mut item = json!({
            "index": index, "type": "Text", "visibility": "All", "timestamp": "2014-01-02T14:23:20.126-0800",
            "from": {"type": "Customer", "nickname": "Rosalind", "participantId": "009052C5E6D6004A"},
        });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let log = json!({
        "messageType": "MessageLogUpdated", "notificationType": "NewMessages",
        "facebooksessionUri": uri, "customerName": "Rosalind Franklin",
        "messages": [
            item(1, json!({"type": "ParticipantJoined"})),
            item(2, json!({"text": "a medical question"})),
            item(3, json!({"type": "PushUrl", "text": "https://private.example/claim", "url": "https://private.example/claim"})),
            item(4, json!({"type": "Notice", "noticeText": "wants a refund", "userNickname": "Franklin"})),
            item(5, json!({"type": "TypingStarted", "text": "typed and deleted"})),
        ],
    });
    let state = json!({
        "messageType": "FacebooksessionStateChangeMessage", "notificationType": "PropertiesUpdated",
        "phoneNumber": "+49-30-55577",
        "facebooksession": {
            "id": talk, "uri": uri, "state": "Chatting", "comment": "wants a refund", "subject": "medical question",
            "userData": {"account": "IBAN-DE02", "name": "Franklin"}, "capabilities": ["Transfer"],
            "participants": [{"nickname": "Rosalind", "type": "Customer", "participantId": "009", "phoneNumber": "+49-30-55577"}],
        },
    });
    let device = json!({
        "messageType": "DeviceStateChangeMessage",
        "devices": [{"id": "device-1", "deviceState": "Active", "phoneNumber": "+49-30-55577",
            "userState": {"displayName": "Lunch (doctor)", "state": "NotReady", "reason": "left for the doctor"}}],
    });
    let unknown =
        json!({"messageType": "SomethingNew", "customer": "Rosalind", "phoneNumber": "+49-30-55577"});
    let to = |user: &str, channel: &str, data: &Value, tag: &str| Publish {
        user: user.to_owned(),
        channel: channel.to_owned(),
        data: data.clone(),
        tag: tag.to_owned(),
    };
    vec![
        to(user, "/v2/me/facebooksession", &log, "log"),
        to(other, "/v2/me/facebooksession", &log, "log-2"),
        to(user, "/v2/me/facebooksession", &state, "state"),
        to(user, "/v2/me/devices", &device, "device"),
        to(user, "/v2/me/facebooksession", &unknown, "unknown"),
    ]
}

/// Key, headers and value: all the bytes of a record.
fn bytes_of(record: &Record) -> String {
    format!("{} {} {}", record.key, record.headers, record.value)
}

fn no_personal_text(sink: &str, bytes: &str) {
    for text in PERSONAL {
        assert!(!bytes.contains(text), "{sink} let out {text:?}: {bytes}");
    }
}

fn ids_by_key(events: &[Value]) -> Vec<(String, Vec<String>)> {
    let mut out: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for event in events {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        out.entry(text("partitionkey")).or_default().push(format!("{} {}", text("id"), text("sequence")));
    }
    out.into_iter().collect()
}

/// Kafka, webhook and stdout without content beside a webhook with all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_without_content_has_the_same_ids_in_the_same_order_and_no_personal_text() {
    let broker = Kafka::shared().await;
    let (full, bare) = (Receiver::start().await, Receiver::start().await);
    let without = "privacy = \"no-content\"\nraw = true\n";
    let sinks = webhook("full", &full.url, "raw = true\n")
        + &webhook("bare", &bare.url, without)
        + &kafka("topic", &broker.brokers(), "bare", without)
        + &stdout("console", without);
    let mut scene = Scene::start(6, 10, &sinks).await;
    scene.publish(10).await;
    scene.server.publish(&personal(&scene.users[0], &scene.users[1])).await;
    let wanted = scene.expected.events() + 8;
    for (kind, sink) in [("webhook", "full"), ("webhook", "bare"), ("kafka", "topic"), ("stdout", "console")]
    {
        scene.delivered(kind, sink, wanted).await;
    }
    let everything = full.events();
    assert_eq!(everything.len(), wanted);
    let said: String = full.received().into_iter().map(|received| received.body).collect();
    for text in PERSONAL.iter().filter(|text| **text != "typed and deleted") {
        assert!(said.contains(text), "the sink with everything lacks {text:?}");
    }
    assert!(!said.contains("typed and deleted"), "text that was typed and not sent leaves through no sink");

    for received in bare.received() {
        no_personal_text("webhook", &format!("{:?} {}", received.headers, received.body));
        assert!(!received.body.contains("Hello World") && !received.body.contains("PersonP"));
    }
    let records = broker.read("bare", wanted, Duration::from_secs(10)).await;
    for record in &records {
        no_personal_text("kafka", &bytes_of(record));
        assert!(!record.value.contains("Hello World") && !record.value.contains("PersonP"));
    }
    for line in scene.home.stdout_lines() {
        no_personal_text("stdout", &line);
    }
    let same = ids_by_key(&everything);
    assert_eq!(ids_by_key(&bare.events()), same);
    assert_eq!(ids_by_key(&records.iter().map(event_of).collect::<Vec<_>>()), same);
    assert_eq!(ids_by_key(&scene.stdout_events()), same);
    let home = scene.end().await;
    no_personal_text("the log", &home.log());
}

/// A sink gets what it asked for by medium and event, with the sender's JSON where it wants it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_gets_the_media_and_events_it_names_with_or_without_raw() {
    let mut receivers = Vec::new();
    let mut sinks = String::new();
    for (name, more) in [
        ("messages", "match = { event = [\"message\"] }\nraw = true\n"),
        ("agents", "match = { medium = [\"agent\"] }\nraw = false\n"),
        ("both", "match = { medium = [\"facebooksession\"], event = [\"status_change\"] }\n"),
    ] {
        let receiver = Receiver::start().await;
        sinks += &webhook(name, &receiver.url, &format!("{more}{KEEP_TRYING}"));
        receivers.push(receiver);
    }
    sinks += &stdout("console", NOT_BRIDGE);
    let mut scene = Scene::start(6, 20, &sinks).await;
    scene.publish(20).await;
    let wanted = scene.expected.events();
    scene.delivered("stdout", "console", wanted).await;
    for sink in ["messages", "agents", "both"] {
        scene.settled(sink).await;
    }
    let all = scene.stdout_events();
    let kinds: [fn(&Value) -> bool; 3] = [
        |event| event["event"] == "message",
        |event| event["medium"] == "agent",
        |event| event["medium"] == "facebooksession" && event["event"] == "status_change",
    ];
    for (receiver, fits) in receivers.iter().zip(kinds) {
        let chosen: Vec<Value> = all.iter().filter(|event| fits(event)).cloned().collect();
        assert!(!chosen.is_empty());
        assert_eq!(ids_by_key(&receiver.events()), ids_by_key(&chosen));
    }
    let filtered = scene.daemon.metric("cometbridge_sink_filtered_total{sink=\"agents\"}").await as usize;
    assert_eq!(filtered, wanted - receivers[1].count());
    for event in receivers[0].events() {
        let raw = &event["data"]["raw"];
        assert_eq!(raw["index"], event["messageindex"], "the item as it was sent: {event}");
    }
    for receiver in &receivers[1..] {
        assert!(receiver.events().iter().all(|event| event["data"].get("raw").is_none()));
    }
    scene.end().await;
}
