//! Replies as no server should send them, from our own simulator: every good event still arrives once.

use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::Home;
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload::{self, CHANNEL};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

const PACE: [&str; 4] = ["--set", "site.main.max_backoff=1s", "--set", "site.main.max_message=64KiB"];

struct Garbled {
    scene: Scene,
    /// Conversations and agents.
    good: Receiver,
    /// What is not understood, and what the bridge says.
    other: Receiver,
}

/// The simulator with six agents, keys as the workload has them.
async fn start(rounds: usize, options: &[&str]) -> Garbled {
    let (good, other) = (Receiver::start().await, Receiver::start().await);
    let server = Cometd::start(Kind::Simulator, &[&["--agents", "6", "--timeout", "2000"], options].concat());
    let users: Vec<String> = (1..=6).map(|n| format!("agent-{n}")).collect();
    let home = Home::new();
    let (mut roster, mut secrets) = ("agent,username\n".to_owned(), "username,password\n".to_owned());
    for (number, user) in users.iter().enumerate() {
        let _ = writeln!(roster, "{},{user}", 1001 + number);
        let _ = writeln!(secrets, "{user},simulated");
    }
    home.write("agents.csv", &roster);
    home.write("passwords.csv", &secrets);
    let sinks = webhook("good", &good.url, NOT_BRIDGE)
        + &webhook("other", &other.url, "match = { medium = [\"bridge\", \"unknown\"] }\nraw = true\n");
    let scene = Scene::on(server, home, &users, rounds, &sinks, &PACE).await;
    Garbled { scene, good, other }
}

impl Garbled {
    /// Publishes the first rounds and waits until nothing of them is on its way any more.
    async fn first_rounds(&mut self, rounds: usize) {
        self.scene.publish(rounds).await;
        let so_far = workload::script(&self.scene.talks, &self.scene.users, rounds).1;
        self.scene.delivered("webhook", "good", so_far.events()).await;
    }

    async fn struck(&self, faults: u64) {
        eventually("the faults have struck", LIMIT, || async {
            (self.scene.server.stats().await["faults"].as_u64()? >= faults).then_some(())
        })
        .await;
    }

    /// All sessions work and all of the workload has arrived, once.
    async fn complete(&mut self) {
        let wanted = self.scene.expected.events();
        self.scene.delivered("webhook", "good", wanted).await;
        self.scene.complete("webhook", &self.good.events());
    }

    async fn subscribed(&self) {
        eventually("all are subscribed", LIMIT, || async {
            (self.scene.server.subscribed().await == 6).then_some(())
        })
        .await;
    }

    async fn closed(&self, gaps: usize) {
        let closed = || async { (self.events("gap_closed").len() >= gaps).then_some(()) };
        eventually("the gaps are closed", LIMIT, closed).await;
    }

    fn events(&self, word: &str) -> Vec<Value> {
        self.other.events().into_iter().filter(|event| event["event"] == word).collect()
    }
}

/// With acknowledgement nothing is lost, whatever becomes of the replies: the batch comes again.
#[tokio::test(flavor = "multi_thread")]
async fn replies_that_are_garbled_cut_refused_or_redirected_lose_and_double_nothing() {
    let faults = [
        json!({"fault": "garbage", "count": 2}),
        json!({"fault": "cut", "after": 1}),
        json!({"fault": "cut", "after": 300, "count": 3}),
        json!({"fault": "status", "status": 502, "count": 2}),
        json!({"fault": "status", "status": 503, "retry_after": 1}),
        json!({"fault": "status", "status": 429, "retry_after": 1}),
        json!({"fault": "status", "status": 500, "count": 2}),
        json!({"fault": "redirect", "status": 303, "location": "http://127.0.0.1:1/elsewhere"}),
        json!({"fault": "redirect", "status": 307}),
        json!({"fault": "redirect", "status": 308, "location": "http://127.0.0.1:1/elsewhere"}),
        json!({"fault": "content-type", "value": "text/html", "count": 2}),
        json!({"fault": "no-id", "count": 4}),
        json!({"fault": "no-reply-ack", "count": 4}),
        json!({"fault": "delay", "millis": 300, "count": 2}),
    ];
    let strikes: u64 =
        faults.iter().map(|fault| fault.get("count").and_then(Value::as_u64).unwrap_or(1)).sum();
    let mut garbled = start(60, &[]).await;
    // Messages that came with an unusable reply are kept, come again, and are known then.
    garbled.scene.server.fault(json!({"fault": "no-id", "user": "agent-1"})).await;
    garbled.scene.publish(1).await;
    garbled.scene.until("cometbridge_duplicates_total{rule=\"redelivery\"", |n| n > 0.0).await;
    // The first failure of a session is always logged, so the one whose words count strikes first.
    garbled
        .scene
        .server
        .fault(json!({"fault": "redirect", "status": 302, "user": "agent-2", "on": "connect"}))
        .await;
    garbled.scene.publish(3).await;
    garbled.struck(2).await;
    garbled.scene.home.logged(&["WARN", "a redirect that is not followed"]).await;
    for mut fault in faults {
        fault["on"] = json!("connect");
        if ["no-id", "no-reply-ack"].contains(&fault["fault"].as_str().unwrap()) {
            fault.as_object_mut().unwrap().remove("on");
        }
        garbled.scene.server.fault(fault).await;
        garbled.scene.publish(4).await;
    }
    garbled.struck(2 + strikes).await;
    garbled.scene.publish(8).await;
    garbled.complete().await;
    let daemon = &garbled.scene.daemon;
    assert_eq!(daemon.metric("cometbridge_session_gaps_total").await, 0.0, "nothing was missed");
    assert!(daemon.metric("cometbridge_connects_total{result=\"failed\"").await >= 10.0);
    garbled.scene.end().await;
}

/// Sessions opened without advice, ended by `none`, and dropped, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_without_advice_or_ended_by_advice_come_back() {
    let mut garbled = start(40, &[]).await;
    garbled.scene.server.fault(json!({"fault": "handshake-without-advice", "enabled": true})).await;
    garbled.first_rounds(10).await;
    garbled.scene.server.drop_session("agent-1").await;
    garbled.scene.server.expire("agent-2").await;
    garbled.scene.server.fault(json!({"fault": "advice-none", "user": "agent-3"})).await;
    garbled.closed(3).await;
    garbled.subscribed().await;
    garbled.scene.publish(30).await;
    garbled.complete().await;
    let causes: BTreeSet<(String, String)> = garbled
        .events("gap_opened")
        .iter()
        .map(|gap| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&gap["agent"]), text(&gap["data"]["cause"]))
        })
        .collect();
    let wanted = [("1001", "session-unknown"), ("1002", "session-unknown"), ("1003", "server-ended")];
    assert_eq!(causes, wanted.map(|(agent, cause)| (agent.to_owned(), cause.to_owned())).into());
    garbled.scene.end().await;
}

/// Nonsense among good notifications, and one too large: each is kept or named, its neighbours untouched.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_huge_messages_are_kept_or_named_and_their_neighbours_arrive() {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let strange: Vec<Value> = vec![
        json!(17),
        json!(null),
        json!("text"),
        json!([]),
        json!({}),
        json!({"messageType": 5}),
        json!({"messageType": "MessageLogUpdated", "messages": "no list"}),
        json!({"messageType": "MessageLogUpdated", "messages": [1, null, {"index": "one"}]}),
        json!({"messageType": "FacebooksessionStateChangeMessage"}),
        json!({"messageType": "FacebooksessionStateChangeMessage", "facebooksession": [1]}),
        json!({"messageType": "DeviceStateChangeMessage", "devices": [{"id": {}}, "x", {}]}),
        json!({"messageType": "x".repeat(30_000)}),
        serde_json::from_str(&deep).unwrap(),
    ];
    let mut garbled = start(30, &[]).await;
    for data in &strange {
        garbled.scene.publish(2).await;
        let user = "agent-1".to_owned();
        let item =
            Publish { user, channel: CHANNEL.to_owned(), data: data.clone(), tag: "strange".to_owned() };
        assert_eq!(garbled.scene.server.publish(&[item]).await, [1]);
    }
    let huge = json!({"fault": "huge", "user": "agent-2", "channel": CHANNEL, "bytes": 200_000});
    garbled.scene.server.fault(huge).await;
    garbled.scene.publish(6).await;
    let enough = || async {
        (garbled.events("unknown").len() >= strange.len() && garbled.events("item_rejected").len() == 1)
            .then_some(())
    };
    eventually("the strange ones are there", LIMIT, enough).await;
    garbled.complete().await;
    let rejected = &garbled.events("item_rejected")[0];
    let data = &rejected["data"];
    assert_eq!((&rejected["agent"], &data["topic"]), (&json!("1002"), &json!(CHANNEL)));
    assert!(data["bytes"].as_u64().unwrap() >= 200_000, "{data}");
    assert_eq!(data["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(garbled.scene.daemon.metric("cometbridge_items_rejected_total").await, 1.0);
    let raws: Vec<String> =
        garbled.events("unknown").iter().map(|event| event["data"]["raw"].to_string()).collect();
    for data in [json!(17), json!("text"), json!({"messageType": 5})] {
        assert!(raws.contains(&data.to_string()), "{data} is kept as it came: {raws:?}");
    }
    garbled.scene.end().await;
}

/// Without acknowledgement a cut reply may have held something: that is said; and data may come with any reply.
#[tokio::test(flavor = "multi_thread")]
async fn without_ack_a_cut_is_a_possible_gap_and_data_in_other_replies_counts() {
    let mut garbled = start(30, &["--no-ack"]).await;
    garbled.first_rounds(10).await;
    garbled.scene.server.fault(json!({"fault": "cut", "user": "agent-1", "after": 1})).await;
    garbled.closed(1).await;
    let gap = &garbled.events("gap_opened")[0];
    let data = &gap["data"];
    assert_eq!((&data["cause"], &data["certainty"]), (&json!("reply-lost"), &json!("possible")), "{gap}");

    // The second subscription finds messages waiting, as the first one worked and its reply was cut.
    let faults = [
        json!({"fault": "data-anywhere", "enabled": true}),
        json!({"fault": "cut", "user": "agent-2", "on": "subscribe", "after": 1}),
        json!({"fault": "delay", "user": "agent-2", "on": "subscribe", "millis": 1500, "count": 2}),
    ];
    for fault in faults {
        garbled.scene.server.fault(fault).await;
    }
    garbled.scene.server.drop_session("agent-2").await;
    garbled.struck(4).await;
    garbled.scene.publish(10).await;
    garbled.closed(2).await;
    garbled.scene.publish(10).await;
    garbled.complete().await;
    garbled.scene.end().await;
}
