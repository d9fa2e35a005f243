//! What a site does not collect stands in no file and leaves through no sink, while the rest does.

use super::found;
use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::Home;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::stdout;
use crate::harness::workload;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every text that is not to be kept begins so.
const PLANTED: &str = "zqplanted";

fn notifications() -> Vec<(&'static str, Value)> {
    let uri = "http://localhost:8080/api/v2/chats/0000LEFTOUT1";
    let item = |index: u32, more: Value| {
        let mut item = json!({"index": index, "type": "Text", "visibility": "All", "zqplanted1": "zqplanted2",
            "from": {"type": "Customer", "nickname": "zqplanted3", "participantId": "009"}});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let log = json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages", "chatUri": uri,
        "customer": "zqplanted4", "messages": [item(1, json!({"text": "zqplanted5"})),
            item(2, json!({"noticeText": "zqplanted6", "url": "https://zqplanted7"})), "zqplanted8"]});
    let state = json!({"messageType": "ChatStateChangeMessage", "notificationType": "StatusChange",
        "phoneNumber": "zqplanted9", "chat": {"id": "0000LEFTOUT1", "uri": uri, "state": "Chatting",
            "comment": "zqplanteda", "participants": [{"type": "Customer", "nickname": "zqplantedb"}],
            "userData": {"Account": "kept-4711", "FirstName": "zqplantedc", "PhoneNumber": "zqplantedd",
                "WWE_PARTY_zqplantede": {"path": "zqplantedf"}, "Secret": "zqplantedg",
                "Deep": {"EmailAddress": "zqplantedh", "Order": "kept-order"}}}});
    let device = json!({"messageType": "DeviceStateChangeMessage", "devices": [{"id": "device-1",
        "deviceState": "Active", "phoneNumber": "zqplantedi", "e164Number": "zqplantedj",
        "userState": {"state": "NotReady", "displayName": "zqplantedk", "reason": "zqplantedl"}}]});
    let unknown = json!({"messageType": "SomethingNew", "zqplantedm": "zqplantedn"});
    vec![
        ("/v2/me/chats", log),
        ("/v2/me/chats", state),
        ("/v2/me/devices", device),
        ("/v2/me/chats", unknown),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_collected_stands_in_no_file_and_leaves_through_no_sink() {
    let users = workload::users(1);
    let server = Cometd::start(Kind::Java, &[]);
    let home = Home::new();
    home.write_roster(&users);
    let context =
        "context = [\"userData.Account\", \"userData.FirstName\", \"userData.Secret\", \"comment\"]\n";
    home.write_config(&server.url, &stdout("console", &format!("raw = true\nmode = \"lines\"\n{context}")));
    let drop = r#"site.main.collect.drop=["identity","contact","content","data.userData.Secret"]"#;
    let mut daemon = home.start_with(&["--set", drop, "--set", "log.level=trace"]);
    daemon.connected(1).await;
    let publish = |(channel, data): (&str, Value)| Publish {
        user: users[0].clone(),
        channel: channel.to_owned(),
        data,
        tag: String::new(),
    };
    server.publish(&notifications().into_iter().map(publish).collect::<Vec<_>>()).await;
    // Two items, one that is none, a conversation, a device, and what is not understood.
    daemon.until("cometbridge_sink_delivered_total{kind=\"stdout\"", LIMIT, |n| n >= 6.0).await;
    let metrics = daemon.metrics().await;
    daemon.kill();

    let kept: BTreeSet<String> = ["kept-4711", "kept-order", "0000LEFTOUT1"].map(str::to_owned).into();
    assert_eq!(found(&home.state_dir(), &kept).len(), kept.len(), "the right files are looked at");
    assert_eq!(found(&home.state_dir(), &BTreeSet::from([PLANTED.to_owned()])), Vec::<String>::new());
    let lines = home.stdout_of_each().concat();
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |word: &str| events.iter().filter(|event| event["event"] == word).collect::<Vec<_>>();
    assert_eq!(
        (of("message").len(), of("status_change").len(), of("unknown").len()),
        (2, 1, 2),
        "{lines:#?}"
    );
    let data = &of("status_change")[0]["data"];
    assert_eq!(data["userData"], json!({"Account": "kept-4711", "Deep": {"Order": "kept-order"}}));
    let known: Vec<&String> = data["context"].as_object().unwrap().keys().collect();
    assert_eq!(known, ["userData.Account"], "what is not collected is not carried along");
    for (place, text) in [("stdout", lines.join("\n")), ("the log", home.log()), ("metrics", metrics)] {
        assert!(!text.contains(PLANTED), "{place}: {text}");
    }
}
