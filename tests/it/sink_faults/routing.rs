//! Who gets what: visibility, authors, states, agents and `except`, as the receivers see it.

use crate::harness::cometd::Publish;
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{KEEP_TRYING, stdout};
use serde_json::{Value, json};

const TALK: &str = "000ROUTING01";

/// Three log items for three kinds of readers, two states of the conversation and two of a device.
fn told(user: &str) -> Vec<Publish> {
    let uri = format!("http://localhost:8080/api/v2/facebooksessions/{TALK}");
    let item = |index: usize, visibility: &str, author: &str| {
        json!({"index": index, "type": "Text", "text": format!("text {index}"), "visibility": visibility,
            "timestamp": "2014-01-02T14:23:20.126-0800",
            "from": {"type": author, "nickname": "n", "participantId": "009052C5E6D6004A"}})
    };
    let log = json!({
        "messageType": "MessageLogUpdated", "notificationType": "NewMessages", "facebooksessionUri": uri,
        "messages": [item(1, "All", "Customer"), item(2, "Agents", "Agent"), item(3, "Supervisors", "Agent"),
            item(4, "All", "Agent")],
    });
    let state = |state: &str| {
        json!({"messageType": "FacebooksessionStateChangeMessage", "notificationType": "StatusChange",
            "facebooksession": {"id": TALK, "uri": uri, "state": state, "capabilities": [], "participants": []}})
    };
    let device = |state: &str| {
        json!({"messageType": "DeviceStateChangeMessage", "devices": [{"id": "device-1", "deviceState": "Active",
            "userState": {"displayName": state, "state": state}}]})
    };
    let to = |channel: &str, data: Value, tag: &str| Publish {
        user: user.to_owned(),
        channel: channel.to_owned(),
        data,
        tag: tag.to_owned(),
    };
    vec![
        to("/v2/me/facebooksession", log, "log"),
        to("/v2/me/facebooksession", state("Chatting"), "chatting"),
        to("/v2/me/facebooksession", state("Completed"), "completed"),
        to("/v2/me/devices", device("NotReady"), "not ready"),
        to("/v2/me/devices", device("Ready"), "ready"),
    ]
}

/// A word for each event, sorted.
fn words(events: &[Value]) -> Vec<String> {
    let word = |event: &Value| match (event["event"].as_str().unwrap(), event["messageindex"].as_i64()) {
        ("message", index) => index.unwrap().to_string(),
        ("state_change", _) => event["data"]["userState"]["state"].as_str().unwrap().to_owned(),
        _ => event["data"]["state"].as_str().unwrap().to_owned(),
    };
    let mut words: Vec<String> = events.iter().map(word).collect();
    words.sort();
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sink_gets_what_its_lists_name_and_a_webhook_nothing_internal_unless_told() {
    let told_alone = "medium = [\"facebooksession\", \"agent\"], event = [\"message\", \"status_change\", \"state_change\"]";
    let wanted: [(&str, String, &[&str]); 7] = [
        ("usual", String::new(), &["1", "4", "Chatting", "Completed", "NotReady", "Ready"]),
        (
            "internal",
            ", visibility = [\"All\", \"Agents\"], class = [\"content\"]".to_owned(),
            &["1", "2", "4"],
        ),
        (
            "all",
            ", visibility = []".to_owned(),
            &["1", "2", "3", "4", "Chatting", "Completed", "NotReady", "Ready"],
        ),
        ("authors", ", authorkind = [\"Customer\"]".to_owned(), &["1"]),
        ("states", ", state = [\"Completed\", \"NotReady\"]".to_owned(), &["Completed", "NotReady"]),
        ("agent", ", agent = [\"1001\"], class = [\"agent-state\"]".to_owned(), &["NotReady", "Ready"]),
        ("site", ", site = [\"main\"], class = [\"lifecycle\"]".to_owned(), &["Chatting", "Completed"]),
    ];
    let mut sinks = stdout(
        "console",
        &format!(
            "match = {{ {told_alone} }}\nexcept = {{ visibility = [\"Agents\", \"Supervisors\"], authorkind = [\"Agent\"] }}\n"
        ),
    );
    let mut receivers = Vec::new();
    for (name, lists, _) in &wanted {
        let receiver = Receiver::start().await;
        sinks += &format!(
            "[sink.webhook.{name}]\nurl = \"{}\"\nallow_plaintext = true\nsecrets = [{{ env = \"CRM_SECRET\" }}]\n\
             privacy = \"full\"\nmatch = {{ {told_alone}{lists} }}\n{KEEP_TRYING}",
            receiver.url
        );
        receivers.push(receiver);
    }
    let mut scene = Scene::start(2, 0, &sinks).await;
    let delivered = scene.server.publish(&told(&scene.users[0].clone())).await;
    assert!(delivered.iter().all(|sessions| *sessions == 1), "{delivered:?}");
    scene.delivered("stdout", "console", 6).await;
    for ((name, _, expected), receiver) in wanted.iter().zip(&receivers) {
        scene.delivered("webhook", name, expected.len()).await;
        scene.until(&format!("cometbridge_sink_lag_events{{sink=\"{name}\"}}"), |lag| lag == 0.0).await;
        assert_eq!(words(&receiver.events()), *expected, "{name}");
    }
    scene.until("cometbridge_sink_lag_events{sink=\"console\"}", |lag| lag == 0.0).await;
    scene.daemon.signal("TERM");
    let Scene { daemon, home, .. } = scene;
    assert!(daemon.ended().await.success());
    let lines = home.stdout_of_each().concat();
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        words(&events),
        ["1", "4", "Chatting", "Completed", "NotReady", "Ready"],
        "what except leaves"
    );
}
