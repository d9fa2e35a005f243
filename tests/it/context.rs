//! What events carry along of their interaction: last known values with the ids of their events, over kills, each sink its
//! own list and what its privacy lets out, and nothing of it after an erasing.

use crate::at_rest::times;
use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::receiver::Receiver;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::webhook;
use crate::harness::{eventually, workload};
use serde_json::{Value, json};

/// What is told here, and nothing of the bridge's own.
const TOLD: &str =
    "match = { medium = [\"chat\"], event = [\"message\", \"status_change\"], visibility = [] }\n";
const CONTACT: &str = "contact-4711";
const NAME: &str = "zq-name";
const ONE: &str = "0000CONTEXT1";
const TWO: &str = "0000CONTEXT2";

struct Stage {
    server: Cometd,
    home: Home,
    users: Vec<String>,
    crm: Receiver,
    plain: Receiver,
    masked: Receiver,
}

impl Stage {
    async fn set() -> Stage {
        let users = workload::users(2);
        let server = Cometd::start(Kind::Java, &["--max-interval", "60000"]);
        let (crm, plain, masked) =
            (Receiver::start().await, Receiver::start().await, Receiver::start().await);
        let mut home = Home::new();
        home.token = Some("a-token-of-some-length");
        home.write_roster(&users);
        let sinks = [
            webhook(
                "crm",
                &crm.url,
                &format!("context = [\"userData.ContactId\", \"userData.Name\"]\n{TOLD}"),
            ),
            webhook("plain", &plain.url, TOLD),
            webhook(
                "masked",
                &masked.url,
                &format!(
                    "privacy = \"no-content\"\nuserdata = [\"ContactId\"]\n\
                     context = [\"state\", \"userData.Name\", \"userData.ContactId\"]\n{TOLD}"
                ),
            ),
        ];
        home.write_config(&server.url, &sinks.concat());
        Stage { server, home, users, crm, plain, masked }
    }

    async fn start(&self) -> Daemon {
        let mut daemon = self.home.start();
        daemon.connected(self.users.len()).await;
        daemon
    }

    async fn tell(&self, user: usize, data: Value) {
        let user = self.users[user].clone();
        let one = Publish { user, channel: "/v2/me/chats".to_owned(), data, tag: String::new() };
        assert_eq!(self.server.publish(&[one]).await, [1]);
    }

    /// The events of all three, as soon as each has so many.
    async fn have(&self, count: usize) {
        for receiver in [&self.crm, &self.plain, &self.masked] {
            eventually(&format!("{count} events have arrived"), LIMIT, || async {
                (told(receiver).len() >= count).then_some(())
            })
            .await;
            assert_eq!(told(receiver).len(), count);
        }
    }
}

fn state(chat: &str, word: &str, user_data: Option<Value>) -> Value {
    let mut chat = json!({"id": chat, "state": word});
    if let Some(user_data) = user_data {
        chat["userData"] = user_data;
    }
    json!({"messageType": "ChatStateChangeMessage", "notificationType": "StatusChange", "chat": chat})
}

fn said(chat: &str, index: u32) -> Value {
    json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages", "chatPath": format!("/chats/{chat}"),
        "messages": [{"index": index, "type": "Text", "text": format!("text {index}"), "visibility": "All",
            "from": {"type": "Customer", "nickname": "n", "participantId": "p"}}]})
}

/// Each event once; after a kill some come again, the same to the byte.
fn told(receiver: &Receiver) -> Vec<Value> {
    receiver.events_once(f64::INFINITY)
}

/// The context of the last event that a receiver got.
fn last(receiver: &Receiver) -> Value {
    told(receiver).last().unwrap()["data"]["context"].clone()
}

fn id_of_last(receiver: &Receiver) -> Value {
    told(receiver).last().unwrap()["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_changed_are_named_to_the_sinks_that_may_have_them_until_nobody_knows() {
    let stage = Stage::set().await;
    let daemon = stage.start().await;
    let said = |receiver: &Receiver| told(receiver).last().unwrap()["data"]["userDataChanges"].clone();
    let data = [json!({"ContactId": CONTACT, "Name": NAME}), json!({"ContactId": "another", "Extra": 1})];
    stage.tell(0, state(ONE, "Chatting", Some(data[0].clone()))).await;
    stage.have(1).await;
    assert_eq!(said(&stage.crm), Value::Null, "nobody knows what was before");
    stage.tell(0, state(ONE, "Chatting", Some(data[1].clone()))).await;
    stage.have(2).await;
    let all = json!({"ContactId": "changed", "Extra": "added", "Name": "removed"});
    assert_eq!((said(&stage.crm), said(&stage.masked)), (all, json!({"ContactId": "changed"})));
    assert!(daemon.stop().await.success());

    let daemon = stage.start().await;
    stage.tell(0, state(ONE, "Chatting", Some(data[0].clone()))).await;
    stage.have(3).await;
    assert_eq!(said(&stage.crm), Value::Null, "it is not known over a start");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_go_along_over_a_kill_to_the_sinks_that_want_and_may_have_them() {
    let stage = Stage::set().await;
    let daemon = stage.start().await;
    stage.tell(0, said(ONE, 1)).await;
    stage.have(1).await;
    assert_eq!(last(&stage.crm), Value::Null, "nothing is known yet");
    stage
        .tell(0, state(ONE, "Chatting", Some(json!({"ContactId": CONTACT, "Name": NAME, "Other": 1}))))
        .await;
    stage.have(2).await;
    let (id, masked_id) = (id_of_last(&stage.crm), id_of_last(&stage.masked));
    let known = |id: &Value| json!({"userData.ContactId": {"value": CONTACT, "id": id}, "userData.Name": {"value": NAME, "id": id}});
    let of_masked = json!({"state": {"value": "Chatting", "id": masked_id}, "userData.ContactId": {"value": CONTACT, "id": masked_id}});
    assert_eq!((last(&stage.crm), last(&stage.masked)), (known(&id), of_masked.clone()));
    stage.tell(1, said(ONE, 2)).await;
    stage.have(3).await;
    assert_eq!((last(&stage.crm), last(&stage.masked)), (known(&id), of_masked.clone()));
    daemon.kill();

    let daemon = stage.start().await;
    stage.tell(1, said(ONE, 3)).await;
    stage.have(4).await;
    assert_eq!((last(&stage.crm), last(&stage.masked)), (known(&id), of_masked));
    stage.tell(0, said(TWO, 1)).await;
    stage.have(5).await;
    assert_eq!(last(&stage.crm), Value::Null, "another interaction");
    // Another state without attached data, then attached data without a name.
    stage.tell(0, state(ONE, "Held", None)).await;
    stage.have(6).await;
    assert_eq!(last(&stage.crm), known(&id));
    stage.tell(0, state(ONE, "Chatting", Some(json!({"ContactId": "another"})))).await;
    stage.have(7).await;
    let id = id_of_last(&stage.crm);
    assert_eq!(last(&stage.crm), json!({"userData.ContactId": {"value": "another", "id": id}}));

    assert!(stage.plain.events().iter().all(|event| event["data"].get("context").is_none()));
    assert!(stage.masked.received().iter().all(|one| !one.body.contains(NAME)));
    assert!(stage.crm.events().iter().all(|event| event["data"].get("notification").is_none()));
    assert!(daemon.stop().await.success());
    stage.home.log_is_clean(&stage.users);
    assert!(!stage.home.log().contains(CONTACT));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_in_no_file_and_goes_along_no_more() {
    let stage = Stage::set().await;
    let daemon = stage.start().await;
    let dir = stage.home.state_dir();
    for (chat, contact) in [(ONE, CONTACT), (TWO, "contact-of-two")] {
        stage.tell(0, state(chat, "Chatting", Some(json!({"ContactId": contact})))).await;
        stage.tell(0, said(chat, 1)).await;
    }
    stage.have(4).await;
    assert!(times(&dir, CONTACT.as_bytes()) >= 3, "an event, a context, a value that is kept");
    let (code, out, err) =
        Daemon::asked(&stage.home, &["erase", "--interaction", ONE, "--dry-run", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let dry: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&dry["events"], &dry["contexts"]), (&json!(2), &json!(1)), "{dry}");
    let (code, out, err) = Daemon::asked(&stage.home, &["erase", "--interaction", ONE]).await;
    assert!(code == 0 && out.contains("1  interactions with values kept for context"), "{out}{err}");
    assert_eq!(times(&dir, CONTACT.as_bytes()), 0, "while it runs");
    stage.tell(0, said(ONE, 2)).await;
    stage.tell(0, said(TWO, 2)).await;
    stage.have(6).await;
    let events = stage.crm.events();
    let of = |chat: &str| {
        events.iter().rfind(|event| event["interaction"] == chat).unwrap()["data"]["context"].clone()
    };
    assert_eq!((of(ONE), &of(TWO)["userData.ContactId"]["value"]), (Value::Null, &json!("contact-of-two")));
    assert_eq!(times(&dir, CONTACT.as_bytes()), 0, "it does not come back from memory");

    // By its value, copies included, without a daemon; and what no sink wants any more.
    assert!(daemon.stop().await.success());
    let by_value = ["erase", "--field", "data.userData.ContactId=contact-of-two", "--json"];
    let (code, out, err) = Daemon::asked(&stage.home, &by_value).await;
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["events"], &report["contexts"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(times(&dir, b"contact-of-two"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_sink_wants_any_more_is_kept_no_more_and_check_says_what_never_leaves() {
    let stage = Stage::set().await;
    let daemon = stage.start().await;
    stage.tell(0, state(ONE, "Chatting", Some(json!({"ContactId": CONTACT, "Name": NAME})))).await;
    stage.have(1).await;
    assert!(daemon.stop().await.success());
    let kept = || {
        let conn = rusqlite::Connection::open(stage.home.state_dir().join("journal.sqlite")).unwrap();
        let mut paths = conn.prepare("SELECT path FROM context ORDER BY path").unwrap();
        let paths = paths.query_map([], |row| row.get::<_, String>(0)).unwrap();
        paths.map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(kept(), ["state", "userData.ContactId", "userData.Name"]);
    let text = std::fs::read_to_string(stage.home.config()).unwrap();
    stage.home.write(
        "cometbridge.toml",
        &text.replace("\"userData.Name\", ", "").replace(", \"userData.Name\"", ""),
    );
    assert!(stage.start().await.stop().await.success());
    assert_eq!(kept(), ["state", "userData.ContactId"]);

    let drop = ["check", "--set", "site.main.collect.drop=[\"identity\"]", "--set"];
    let asks =
        [&drop[..], &["sink.webhook.masked.context=[\"userData.Name\",\"userData.ContactId\"]"]].concat();
    let (code, out, err) = Daemon::asked(&stage.home, &asks).await;
    assert_eq!(code, 0, "{err}");
    for note in [
        "note: sink.webhook.masked: context: \"userData.Name\" never leaves with this privacy",
        "note: sink.webhook.crm: context: \"userData.ContactId\" is not collected at site main",
    ] {
        assert!(out.contains(note), "{note}\n{out}");
    }
    let (_, sheet, _) = Daemon::asked(&stage.home, &["data-sheet"]).await;
    assert!(sheet.contains("carried along by all events of an interaction: userData.ContactId\n"), "{sheet}");
    assert!(sheet.contains(
        "values that events of an interaction carry along, after the last event of each [dedup.window]"
    ));
}
