//! Ids that are made of content: as they are only where all of it leaves, and of no use to whoever tries contents against
//! them elsewhere; in files neither, where something is not collected.

use super::{furnish, said};
use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::webhook;
use crate::harness::workload;
use cometbridge::base::digest::Digest;
use cometbridge::inbound::normalise::keys;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TOLD: &str = "match = { medium = [\"chat\", \"agent\", \"unknown\"], \
    event = [\"message\", \"status_change\", \"state_change\", \"unknown\"], visibility = [] }\n";
/// A log item, one without an index, a conversation's state, two of a device, and what is not understood.
const EVENTS: usize = 6;

fn item() -> Value {
    json!({"index": 1, "type": "Text", "text": "hello", "visibility": "All"})
}

fn told(user: &str) -> Vec<Publish> {
    let metrics = json!({"eventProcessing": {"serverGenerationTimestamp": 1_796_000_000_000_i64}});
    let device = |reason: &str| {
        json!({"messageType": "DeviceStateChangeMessage", "metrics": metrics,
            "devices": [{"id": "device-1", "userState": {"state": "NotReady", "reason": reason}}]})
    };
    let log = json!({"messageType": "MessageLogUpdated", "chatPath": "/chats/0000IDS1", "metrics": metrics,
        "messages": [item(), {"type": "Text", "text": "hello", "visibility": "All"}]});
    let chat = json!({"messageType": "ChatStateChangeMessage", "notificationType": "StatusChange", "metrics": metrics,
        "chat": {"id": "0000IDS1", "state": "Chatting", "comment": "4711"}});
    let unknown = json!({"messageType": "SomethingNew", "text": "4711", "metrics": metrics});
    [
        ("/v2/me/chats", log),
        ("/v2/me/chats", chat),
        ("/v2/me/devices", device("Lunch")),
        ("/v2/me/devices", device("Training")),
        ("/v2/me/chats", unknown),
    ]
    .map(|(channel, data)| Publish {
        user: user.to_owned(),
        channel: channel.to_owned(),
        data,
        tag: String::new(),
    })
    .into()
}

async fn started(home: &Home, set: &[&str]) -> Daemon {
    let set: Vec<&str> = set.iter().flat_map(|key| ["--set", key]).collect();
    let mut daemon = home.start_with(&set);
    daemon.connected(1).await;
    daemon
}

/// Ids by sequence of all that a receiver was sent, whatever it answered; of one event only one.
fn ids(receiver: &Receiver) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for one in receiver.tries() {
        let event: Value = serde_json::from_str(&one.body).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        assert_eq!(one.headers["webhook-id"], id.as_str());
        let before = ids.insert(event["sequence"].as_str().unwrap().to_owned(), id.clone());
        assert!(before.is_none_or(|before| before == id), "an event has two ids");
    }
    ids
}

async fn sent(receiver: &Receiver, events: usize) -> BTreeMap<String, String> {
    eventually("the events were sent", LIMIT, || async {
        Some(ids(receiver)).filter(|ids| ids.len() >= events)
    })
    .await
}

/// What an id is made of, where that is content.
fn digests(ids: &BTreeMap<String, String>) -> BTreeSet<String> {
    let last = ids.values().filter_map(|id| id.rsplit('/').next());
    last.filter(|last| Digest::from_hex(last).is_some()).map(str::to_owned).collect()
}

fn in_files(home: &Home, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(home.state_dir()).unwrap().map(|file| file.unwrap().path());
    let of_journal = |file: &std::path::PathBuf| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal.sqlite"))
    };
    files.filter(of_journal).any(|file| {
        let all = std::fs::read(file).unwrap();
        all.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_made_of_content_tell_nothing_where_anything_is_hidden() {
    let users = workload::users(1);
    let server = Cometd::start(Kind::Java, &["--max-interval", "60000"]);
    let hooks = [(); 5].map(|()| Receiver::start());
    let [full, bare, rule, refused, collecting] = hooks;
    let (full, bare, rule) = (full.await, bare.await, rule.await);
    let (refused, collecting) = (refused.await, collecting.await);
    // Of what is the agent's own the first is tried again and again, and the others wait for it.
    bare.answer_by(|event| if event["medium"] == "chat" { 200.into() } else { 503.into() });
    refused.answer(400);
    let home = furnish(&users);
    let of =
        |name: &str, receiver: &Receiver, more: &str| webhook(name, &receiver.url, &format!("{more}{TOLD}"));
    let retry = "retry = { initial = \"20ms\", max = \"200ms\", max_attempts = 100000 }\n";
    let sinks = [
        of("full", &full, "raw = true\n"),
        of("bare", &bare, &format!("privacy = \"no-content\"\n{retry}")),
        of(
            "rule",
            &rule,
            "privacy = \"full\"\nprivacy_rules = [{ class = \"contact\", action = \"mask\" }]\n",
        ),
        of("refused", &refused, "privacy = \"no-content\"\non_4xx = \"dead-letter\"\n"),
    ];
    home.write_config(&server.url, &sinks.concat());
    let daemon = started(&home, &[]).await;
    // The same agents elsewhere, of whom not all is kept.
    let other = furnish(&users);
    other.write_config(&server.url, &of("collecting", &collecting, ""));
    let drops = started(&other, &["site.main.collect.drop=[\"content\"]"]).await;
    server.publish(&told(&users[0])).await;

    let plain = sent(&full, EVENTS).await;
    let made_of = digests(&plain);
    assert_eq!((plain.len(), made_of.len()), (EVENTS, EVENTS - 1), "{plain:?}");
    let before = sent(&bare, EVENTS - 2).await;

    sent(&refused, EVENTS).await;
    home.logged(&["WARN", "event put aside as a dead letter", "HTTP 400"]).await;
    let list = eventually("all are dead letters", LIMIT, || async {
        let list = said(&home, &["dead-letters", "list", "--sink", "refused", "--json"]);
        (list.lines().count() == EVENTS).then_some(list)
    })
    .await;
    for digest in &made_of {
        assert!(!list.contains(digest) && !home.log().contains(digest), "{digest}");
        assert!(in_files(&home, digest.as_bytes()), "the right files are looked at");
    }

    daemon.kill();
    let offline = said(&home, &["dead-letters", "list", "--sink", "refused", "--json"]);
    assert_eq!(offline, list);
    bare.answer(200);
    let daemon = started(&home, &[]).await;
    let (hidden, ruled) = (sent(&bare, EVENTS).await, sent(&rule, EVENTS).await);
    assert!(before.iter().all(|(sequence, id)| hidden[sequence] == *id), "the ids are those of before");
    for (sequence, id) in &plain {
        let same = id.contains("/messages/");
        assert_eq!((hidden[sequence] == *id, ruled[sequence] == *id), (same, same), "{id}");
    }
    assert!(digests(&hidden).is_disjoint(&made_of) && digests(&ruled).is_disjoint(&made_of));
    assert_eq!(digests(&hidden).len(), EVENTS - 1, "what differs still does");
    assert!(daemon.stop().await.success());

    let kept = sent(&collecting, EVENTS).await;
    assert_eq!(
        (kept.len(), digests(&kept).len()),
        (EVENTS, EVENTS - 1),
        "what differs in what is dropped, too"
    );
    assert!(digests(&kept).is_disjoint(&made_of), "{kept:?}");
    drops.kill();
    let content = keys::content(&RawValue::from_string(item().to_string()).unwrap());
    assert!(in_files(&home, &content.0) && !in_files(&other, &content.0), "a mark of the log item");
    for digest in &made_of {
        assert!(!in_files(&other, digest.as_bytes()), "{digest}");
    }
}
