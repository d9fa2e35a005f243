//! A newcomer's path: consumers made from the README and the schemas alone, in Python and in Node, with public SDKs, read
//! agent states and chat transcripts from a real Kafka in both modes, and tell what does not fit its schema.
//!
//! Deliberately absent: order and repeats, which the data path's tests look at, and webhooks (`webhooks::consumers`).

use crate::harness::cometd::{Cometd, Kind, Publish};
use crate::harness::daemon::{Home, command};
use crate::harness::kafka::{Kafka, Record};
use crate::harness::scene::LIMIT;
use crate::harness::{peers_cache, root, sinks, workload};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const STATE: &str = "agent.state_change";
const TRANSCRIPT: &str = "chat.transcript";
/// A sink of each mode, and the consumers.
const MODES: [&str; 2] = ["binary", "structured"];
const CONSUMERS: [Consumer; 2] = [Consumer::Python, Consumer::Node];
const STATES: usize = 3;
/// With eight messages, which the consumers leave to others, and two transcripts.
const EVENTS: usize = STATES + 8 + 2;

#[derive(Clone, Copy, Debug)]
enum Consumer {
    Python,
    Node,
}

impl Consumer {
    fn command(self) -> tokio::process::Command {
        let there = |path: PathBuf| {
            assert!(path.exists(), "the peers are not set up: run tests/peers/setup.sh");
            path
        };
        let (program, script) = match self {
            Consumer::Python => {
                let program = there(peers_cache().join("consumer-python/bin/python"));
                (program, "tests/peers/consumer-python/read_events.py")
            }
            Consumer::Node => ("node".into(), "tests/peers/consumer-node/read_events.js"),
        };
        let mut command = tokio::process::Command::new(program);
        if let Consumer::Node = self {
            command.env("CONSUMER_NODE_MODULES", there(peers_cache().join("consumer-node")));
        }
        command.arg(root().join(script)).kill_on_drop(true);
        command
    }

    /// Reads so many records of a sink's topics as a group of its own: the exit code, and what was printed.
    async fn read(
        self,
        brokers: &str,
        mode: &str,
        schemas: &Path,
        group: &str,
        records: usize,
    ) -> (i32, Vec<Value>) {
        let mut command = self.command();
        command.args(["--brokers", brokers, "--group", &format!("{group}-{self:?}-{mode}")]);
        for class in ["agent-state", "content"] {
            command.args(["--topic", &topic(mode, class)]);
        }
        command.arg("--schemas").arg(schemas).args(["--records", &records.to_string()]);
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{self:?} has not read {records} records")).unwrap();
        let (text, error) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        // A client that tried a connection twice says so here.
        println!("{self:?} said: {error}");
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code().unwrap(), lines)
    }
}

fn topic(mode: &str, class: &str) -> String {
    format!("newcomer-{mode}.{class}")
}

fn told(user: &str, channel: &str, data: Value) -> Publish {
    Publish { user: user.to_owned(), channel: channel.to_owned(), data, tag: String::new() }
}

fn device(user: &str, state: Value) -> Publish {
    let data =
        json!({"messageType": "DeviceStateChangeMessage", "devices": [{"id": "dev-1", "userState": state}]});
    told(user, "/v2/me/devices", data)
}

fn chat(user: &str, id: &str, state: &str) -> Publish {
    let data = json!({"messageType": "ChatStateChangeMessage", "notificationType": "StatusChange",
        "chat": {"id": id, "state": state, "participants": []}});
    told(user, "/v2/me/chats", data)
}

/// Name and kind.
type Who = (&'static str, &'static str);
const PAT: Who = ("Pat", "Customer");
const ANN: Who = ("Ann", "Agent");
/// An item of a log: who, its kind, its text.
type Said = (Who, &'static str, Option<&'static str>);

fn log(user: &str, id: &str, said: &[Said]) -> Publish {
    let item = |(at, ((name, kind), what, text)): (usize, &Said)| {
        let mut item = json!({"index": at + 1, "type": what, "visibility": "All",
            "from": {"nickname": name, "type": kind, "participantId": format!("p-{name}")},
            "timestamp": format!("2026-11-22T07:00:{at:02}.000+0000")});
        if let Some(text) = text {
            item["text"] = json!(text);
        }
        item
    };
    let items: Vec<Value> = said.iter().enumerate().map(item).collect();
    let data = json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages",
        "chatUri": format!("http://localhost/api/v2/chats/{id}"), "messages": items});
    told(user, "/v2/me/chats", data)
}

/// States of two agents, a chat that is over, and one whose customer stays.
fn story(users: &[String]) -> Vec<Publish> {
    let (first, second) = (users[0].as_str(), users[1].as_str());
    let channels = json!({"messageType": "ChannelStateChangeMessageV2",
        "channels": [{"channel": "chat", "userState": {"state": "Ready"}}]});
    let joins = [(PAT, "ParticipantJoined", None), (ANN, "ParticipantJoined", None)];
    let words = [(PAT, "Text", Some("Where is it?")), (ANN, "Text", Some("On its way — äöü \u{1F600}"))];
    let leaves = [(PAT, "ParticipantLeft", None), (ANN, "ParticipantLeft", None)];
    vec![
        device(first, json!({"state": "Ready"})),
        device(first, json!({"state": "NotReady", "reason": "Lunch", "displayName": "At lunch"})),
        told(second, "/v2/me/channels", channels),
        chat(first, "0000Done", "Invited"),
        chat(first, "0000Done", "Chatting"),
        log(first, "0000Done", &[joins.as_slice(), &words, &leaves[..1]].concat()),
        chat(first, "0000Done", "Completed"),
        chat(second, "0000Stays", "Invited"),
        chat(second, "0000Stays", "Chatting"),
        log(second, "0000Stays", &[joins.as_slice(), &leaves[1..]].concat()),
        chat(second, "0000Stays", "Completed"),
    ]
}

/// What a consumer prints of the story, in any order, without ids and times.
fn expected() -> Vec<Value> {
    let state = |agent: &str, of: (&str, &str), state: &str, reason: Option<&str>| {
        let mut line = json!({"event": "agent state", "agent": agent, "channel": null, "device": null,
            "state": state, "reason": reason});
        line[of.0] = json!(of.1);
        line
    };
    let said = |from: &str, kind: &str, text: Option<&str>| json!({"from": from, "kind": kind, "text": text});
    let transcript = |id: &str, complete: &str, reasons: &[&str], messages: Vec<Value>| {
        json!({"event": "chat transcript", "conversation": id, "revision": 1, "complete": complete,
            "reasons": reasons, "messages": messages})
    };
    let (joined, left) = ("ParticipantJoined", "ParticipantLeft");
    let whole = vec![
        said("Pat", joined, None),
        said("Ann", joined, None),
        said("Pat", "Text", Some("Where is it?")),
        said("Ann", "Text", Some("On its way — äöü \u{1F600}")),
        said("Pat", left, None),
    ];
    let stays = vec![said("Pat", joined, None), said("Ann", joined, None), said("Ann", left, None)];
    sorted(vec![
        state("1001", ("device", "dev-1"), "Ready", None),
        state("1001", ("device", "dev-1"), "NotReady", Some("Lunch")),
        state("1002", ("channel", "chat"), "Ready", None),
        transcript("0000Done", "true", &[], whole),
        transcript("0000Stays", "unknown", &["customer-remains", "others-remain"], stays),
    ])
}

fn sorted(mut lines: Vec<Value>) -> Vec<Value> {
    lines.sort_by_key(Value::to_string);
    lines
}

/// Lines without id and time, which each must have; problems apart.
fn split(lines: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let (problems, mut fine): (Vec<Value>, Vec<Value>) =
        lines.into_iter().partition(|line| line.get("problem").is_some());
    for line in &mut fine {
        let members = line.as_object_mut().unwrap();
        let (id, time) = (members.remove("id").unwrap(), members.remove("time").unwrap());
        assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{line}");
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}: {time}");
    }
    (sorted(fine), problems)
}

/// What `cometbridge schema NAME` prints, in files.
fn schemas(home: &Home) -> PathBuf {
    let folder = home.path("schemas");
    std::fs::create_dir(&folder).unwrap();
    for name in [STATE, TRANSCRIPT] {
        let (code, text, error) = command(&["schema", name]);
        assert_eq!(code, 0, "{error}");
        std::fs::write(folder.join(format!("{name}.json")), text).unwrap();
    }
    folder
}

/// Puts copies of real records into the topics of a sink, each with one member of a wrong type, and one that is no event.
async fn spoil(broker: &Kafka, mode: &str) -> usize {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", broker.brokers()).create().unwrap();
    let mut records = Vec::new();
    for (class, count) in [("agent-state", STATES), ("content", EVENTS - STATES)] {
        records.extend(broker.read(&topic(mode, class), count, Duration::from_secs(5)).await);
    }
    // A word where an object belongs; a boolean where one is expected easily.
    for (name, class, member, wrong) in [
        (STATE, "agent-state", "userState", json!("Ready")),
        (TRANSCRIPT, "content", "complete", json!(true)),
    ] {
        let mut record = records.iter().find(|record| is_of(record, name)).unwrap().clone();
        let mut value: Value = serde_json::from_str(&record.value).unwrap();
        let id = json!(format!("spoilt-{name}"));
        if mode == "binary" {
            value[member] = wrong;
            record.headers["ce_id"] = id;
        } else {
            value["data"][member] = wrong;
            value["id"] = id;
        }
        record.value = value.to_string();
        send(&producer, &topic(mode, class), &record).await;
    }
    let nothing = Record { partition: 0, key: "k".to_owned(), headers: json!({}), value: "hello".to_owned() };
    send(&producer, &topic(mode, "content"), &nothing).await;
    EVENTS + 3
}

fn is_of(record: &Record, name: &str) -> bool {
    let urn = format!("urn:cometbridge:schema:{name}:1");
    record.headers["ce_dataschema"] == json!(urn) || record.value.contains(&urn)
}

async fn send(producer: &FutureProducer, topic: &str, record: &Record) {
    let mut headers = OwnedHeaders::new();
    for (name, value) in record.headers.as_object().unwrap() {
        headers = headers.insert(Header { key: name, value: value.as_str() });
    }
    let record = FutureRecord::to(topic).key(&record.key).payload(&record.value).headers(headers);
    producer.send(record, LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_in_python_and_node_read_states_and_transcripts_and_find_what_breaks_a_schema() {
    let (server, broker) = (Cometd::start(Kind::Java, &["--max-interval", "60000"]), Kafka::shared().await);
    let (home, users) = (Home::new(), workload::users(2));
    home.write_roster(&users);
    let sink = |mode: &str| {
        let more = format!(
            "mode = \"{mode}\"\ntranscripts = true\n\
             match = {{ medium = [\"agent\", \"chat\"], event = [\"state_change\", \"message\", \"transcript\"] }}\n"
        );
        sinks::kafka(mode, &broker.brokers(), &topic(mode, "{class}"), &more)
    };
    let all: String = MODES.map(sink).concat();
    home.write_config(&server.url, &format!("{all}[transcript]\nquiet = \"500ms\"\n"));
    let mut daemon = home.start();
    daemon.connected(users.len()).await;
    for one in story(&users) {
        assert_eq!(server.publish(std::slice::from_ref(&one)).await, [1], "{}", one.data);
    }
    for mode in MODES {
        let series = format!("cometbridge_sink_delivered_total{{kind=\"kafka\",sink=\"{mode}\"}}");
        daemon.until(&series, LIMIT, |n| n >= EVENTS as f64).await;
    }
    let (schemas, expected) = (schemas(&home), expected());
    for mode in MODES {
        for consumer in CONSUMERS {
            let (code, lines) = consumer.read(&broker.brokers(), mode, &schemas, "fine", EVENTS).await;
            assert_eq!((code, split(lines)), (0, (expected.clone(), Vec::new())), "{consumer:?}, {mode}");
        }
        let records = spoil(&broker, mode).await;
        for consumer in CONSUMERS {
            let (code, lines) = consumer.read(&broker.brokers(), mode, &schemas, "spoilt", records).await;
            let (fine, problems) = split(lines);
            assert_eq!((code, fine), (1, expected.clone()), "{consumer:?}, {mode}");
            let about = |id: &str, words: &str| {
                problems.iter().any(|line| {
                    line["id"].as_str().unwrap_or_default() == id
                        && line["problem"].as_str().unwrap().contains(words)
                })
            };
            assert_eq!(problems.len(), 3, "{consumer:?}, {mode}: {problems:?}");
            assert!(about(&format!("spoilt-{STATE}"), "userState"), "{problems:?}");
            assert!(about(&format!("spoilt-{TRANSCRIPT}"), "complete"), "{problems:?}");
            assert!(about("", "no CloudEvent"), "{problems:?}");
        }
    }
    assert!(daemon.stop().await.success());
}
