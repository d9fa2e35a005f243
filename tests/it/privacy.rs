//! Personal values planted wherever a notification can have some, and looked for in all that leaves.
//!
//! Every preset but `full` through every kind of sink, with transcripts, dead letters, the log at trace level and the metrics;
//! and a pseudonymous tape that is recorded beside it. Each field that has a class must have been planted once.
//! `COMETBRIDGE_CAMPAIGN=1` publishes 10,000 notifications. Deliberately absent: plain fields, whose values leave.

mod ids;
mod planted;

use crate::corpus::SUBSCRIBE;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Home, SECRET, command_with};
use crate::harness::eventually;
use crate::harness::kafka::Kafka;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{kafka, stdout, webhook};
use crate::harness::workload;
use crate::live::Running;
use cometbridge::base::classes::{Class, TABLE, fits};
use planted::{AGENT, NUMBER, PLANTED};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PRESETS: [&str; 3] = ["no-content", "pseudonymous", "minimal"];
const USERS: usize = 4;
/// Planted ones, and one that leaves; and transcripts.
const MORE: &str = "transcripts = true\ncontext = [\"userData.PhoneNumber\", \"comment\", \"state\"]\n";

fn notifications() -> usize {
    if std::env::var_os("COMETBRIDGE_CAMPAIGN").is_some() { 10_000 } else { 300 }
}

/// What must not stand in what a sink with this preset gets.
fn forbidden(preset: &str) -> Vec<&'static str> {
    if preset == "no-content" { vec![PLANTED, NUMBER] } else { vec![PLANTED, NUMBER, AGENT] }
}

fn nothing_of(forbidden: &[&str], place: &str, text: &str) {
    let text = text.to_lowercase();
    for word in forbidden {
        if let Some(at) = text.find(word) {
            let near: String = text[at.saturating_sub(200)..].chars().take(400).collect();
            panic!("{place} let out {word:?}: … {near} …");
        }
    }
}

/// Agents whose keys are looked for, too, a key for hashes, and everything in the log.
fn furnish(users: &[String]) -> Home {
    let mut home = Home::new();
    home.token = Some("a-token-of-this-test");
    home.write_roster(users);
    let roster: String =
        users.iter().enumerate().map(|(number, user)| format!("{AGENT}{number},{user}\n")).collect();
    home.write("agents.csv", &format!("agent,username\n{roster}"));
    let key = home.write("privacy.key", "a key that nobody guesses\n");
    let more = format!(
        "privacy_key = {{ file = \"{}\" }}\n[log]\nlevel = \"trace\"\n[journal]\nmax_dead_letters = 1000000\n\
         [transcript]\nquiet = \"500ms\"\n",
        key.display()
    );
    std::fs::create_dir(home.path("conf.d")).unwrap();
    home.write("conf.d/privacy.toml", &more);
    home
}

/// The output of a command that ends well.
fn said(home: &Home, arguments: &[&str]) -> String {
    let config = home.config();
    let all: Vec<&str> = arguments.iter().copied().chain(["--config", config.to_str().unwrap()]).collect();
    let (code, out, err) = command_with(&all, &[("CRM_SECRET", SECRET)]);
    assert_eq!(code, 0, "{all:?}: {err}");
    out + &err
}

/// `cometbridge record` beside the daemon, of the same agents; once all of them listen.
async fn recorder(server: &Cometd, users: &[String]) -> (Home, Running) {
    let home = furnish(users);
    home.write_config(&server.url, "");
    let (config, out) = (home.config().display().to_string(), tape_of(&home).display().to_string());
    let arguments = ["record", "--config", &config, "--set", SUBSCRIBE, "--site", "main", "--out", &out];
    let running = Running::start(&arguments);
    eventually("the recorder listens beside the daemon", LIMIT, || async {
        let sessions = server.sessions().await;
        let both = |user: &Value| user["sessions"] == 2 && user["held"] == 2;
        let of = sessions["users"].as_object()?;
        (of.len() == users.len() && of.values().all(both)).then_some(())
    })
    .await;
    (home, running)
}

fn tape_of(home: &Home) -> std::path::PathBuf {
    home.path("planted.tape")
}

/// Ends the recorder, and looks at what it wrote.
async fn tape(home: &Home, mut running: Running, published: usize) {
    running.interrupt();
    let (status, log) = (running.ended().await, running.stderr());
    assert!(status.success(), "record: {status} {log}");
    let tape = std::fs::read_to_string(tape_of(home)).unwrap();
    let heard = tape.lines().count() - 1;
    assert!(heard >= published, "{heard} of {published} notifications are on the tape");
    for word in ["ChatStateChangeMessage", "OutboundRecordMessage", "\"messages\""] {
        assert!(tape.contains(word), "the tape lacks {word}");
    }
    nothing_of(&[PLANTED, NUMBER, AGENT], "the tape", &tape);
    nothing_of(&[PLANTED, NUMBER], "the recorder's log", &log);
}

/// The fields with personal data in which nothing planted ever came. Pseudonyms are agents' keys and devices: those
/// are looked for by name.
fn never_planted(events: &[Value]) -> Vec<String> {
    // The first family that fits counts.
    let family_of = |event: &Value| {
        let kind = event["type"].as_str().unwrap();
        TABLE.iter().position(|family| family.types.iter().any(|of| fits(of, kind)))
    };
    let families: Vec<_> = events.iter().map(family_of).collect();
    let mut missing = Vec::new();
    for (nth, family) in TABLE.iter().enumerate() {
        let of: Vec<&Value> = events
            .iter()
            .zip(&families)
            .filter(|(_, of)| **of == Some(nth))
            .map(|(event, _)| event)
            .collect();
        for (path, class) in family.fields {
            let looked_for = ![Class::Plain, Class::Pseudonym].contains(class);
            if looked_for && !of.iter().any(|event| is_planted(&event["data"], path)) {
                missing.push(format!("data.{path} of {:?}, of which {} came", family.types, of.len()));
            }
        }
    }
    missing
}

/// Whether the value at the path, or under the keys of a map (`*`), has something planted in it.
fn is_planted(at: &Value, path: &str) -> bool {
    if path == "*" {
        let text = at.to_string();
        return text.contains(PLANTED) || text.contains(NUMBER);
    }
    if let Value::Array(items) = at {
        return items.iter().any(|item| is_planted(item, path));
    }
    let (name, below) = path.split_once('.').unwrap_or((path, "*"));
    at.get(name).is_some_and(|inner| is_planted(inner, below))
}

/// What was delivered or put aside by a sink.
fn done(kind: &str, sink: &str) -> String {
    match sink.strip_prefix("refused") {
        Some(_) => format!("cometbridge_sink_dead_letters_total{{reason=\"http-4xx\",sink=\"{sink}\"}}"),
        None => format!("cometbridge_sink_delivered_total{{kind=\"{kind}\",sink=\"{sink}\"}}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_leaves_through_no_preset_but_full() {
    let broker = Kafka::shared().await;
    let (full, refused) = (Receiver::start().await, Receiver::start().await);
    refused.answer(400);
    let mut receivers = BTreeMap::new();
    let mut sinks = webhook("full", &full.url, &format!("raw = true\n{MORE}"));
    let mut wanted = Vec::new();
    for preset in PRESETS {
        let privacy = format!("privacy = \"{preset}\"\nraw = true\n{MORE}");
        let receiver = Receiver::start().await;
        sinks += &webhook(&format!("hook-{preset}"), &receiver.url, &privacy);
        sinks += &webhook(
            &format!("refused-{preset}"),
            &refused.url,
            &format!("{privacy}on_4xx = \"dead-letter\"\n"),
        );
        let topic = format!("planted-{preset}");
        let headers =
            "key = \"{agent}\"\nheaders = { \"x-agent\" = \"{agent}\", \"x-of\" = \"{interaction}\" }\n";
        sinks +=
            &kafka(&format!("topic-{preset}"), &broker.brokers(), &topic, &format!("{privacy}{headers}"));
        sinks += &stdout(&format!("out-{preset}"), &privacy);
        wanted.extend(
            [("webhook", "hook"), ("webhook", "refused"), ("kafka", "topic"), ("stdout", "out")]
                .map(|(kind, name)| done(kind, &format!("{name}-{preset}"))),
        );
        receivers.insert(preset, receiver);
    }
    let users = workload::users(USERS);
    let server = Cometd::start(Kind::Java, &[]);
    let mut scene = Scene::on(server, furnish(&users), &users, 0, &sinks, &["--set", SUBSCRIBE]).await;
    let (tape_home, recorder) = recorder(&scene.server, &users).await;
    let all: Vec<_> =
        (0..notifications()).map(|nth| planted::notification(nth, &users[nth % USERS])).collect();
    for batch in all.chunks(100) {
        scene.server.publish(batch).await;
    }
    let chats = planted::chats(all.len());
    let ends = (0..chats).flat_map(|chat| users.iter().map(move |user| planted::completed(chat, user)));
    let ends: Vec<_> = ends.chain(users.iter().map(|user| planted::last(user))).collect();
    scene.server.publish(&ends).await;
    eventually("the last ones and the transcripts come", LIMIT * 4, || async {
        let received = full.received();
        let last = received.iter().filter(|one| one.body.contains(planted::LAST)).count();
        let transcripts = received.iter().filter(|one| one.event["event"] == "transcript").count();
        (last >= USERS && transcripts >= chats).then_some(())
    })
    .await;
    let events = full.count();
    for metric in &wanted {
        scene.daemon.until(metric, LIMIT * 4, |n| n >= events as f64).await;
    }

    tape(&tape_home, recorder, all.len() + ends.len()).await;
    assert_eq!(never_planted(&full.events()), Vec::<String>::new(), "planted::FORMS lacks these");
    let carried = |events: &[Value], path: &str| {
        events.iter().filter(|event| !event["data"]["context"][path].is_null()).count()
    };
    for (path, planted) in [("userData.PhoneNumber", true), ("comment", true), ("state", false)] {
        assert!(carried(&full.events(), path) > notifications() / 16, "{path} is carried along");
        for preset in PRESETS {
            let count = carried(&receivers[preset].events(), path);
            assert_eq!(count == 0, planted, "{preset}: {path} is carried along {count} times");
        }
    }
    let everything: String = full.received().into_iter().map(|one| one.body.to_lowercase()).collect();
    for word in planted::KINDS.iter().chain(&[NUMBER, AGENT]) {
        assert!(everything.contains(word), "the sink with everything lacks {word:?}");
    }
    for preset in PRESETS {
        let forbidden = forbidden(preset);
        for one in receivers[preset].received() {
            nothing_of(&forbidden, preset, &format!("{:?} {}", one.headers, one.body));
        }
        let records = broker.read(&format!("planted-{preset}"), events, Duration::from_secs(10)).await;
        assert!(records.len() >= events, "{preset}: {} of {events} records", records.len());
        for record in &records {
            nothing_of(&forbidden, preset, &format!("{} {} {}", record.key, record.headers, record.value));
        }
        valid_and_distinct(preset, &receivers[preset].events());
        dead_letters(&scene.home, preset, &forbidden);
    }
    println!(
        "{} notifications, {events} events, each to {} sinks: nothing planted was found",
        all.len(),
        wanted.len()
    );
    let lines = scene.home.stdout_lines();
    assert!(lines.len() >= PRESETS.len() * events);
    for line in lines {
        nothing_of(&[PLANTED, NUMBER], "stdout", &line);
    }
    nothing_of(&[PLANTED, NUMBER, AGENT], "metrics", &scene.daemon.metrics().await);
    let home = scene.end().await;
    nothing_of(&[PLANTED, NUMBER], "the log", &home.log());
    assert!(home.log().contains("TRACE"), "the log is at trace level");
}

/// Every event is as its schema says, and no two have one id.
fn valid_and_distinct(preset: &str, events: &[Value]) {
    let mut schemas: BTreeMap<String, jsonschema::Validator> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in events {
        let name = event["dataschema"].as_str().unwrap();
        let schema = schemas.entry(name.to_owned()).or_insert_with(|| {
            let bare = name.strip_prefix("urn:cometbridge:schema:").unwrap().strip_suffix(":1").unwrap();
            let file = crate::harness::root().join(format!("schemas/{bare}.json"));
            jsonschema::validator_for(&serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
                .unwrap()
        });
        let faults: Vec<String> = schema.iter_errors(event).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{preset}: {faults:?} in {event}");
        assert!(ids.insert(event["id"].as_str().unwrap()), "{preset}: two events {}", event["id"]);
    }
    let keys: BTreeSet<&str> = events.iter().filter_map(|event| event["agent"].as_str()).collect();
    assert_eq!(keys.len(), USERS, "{preset}: each agent keeps one key of its own: {keys:?}");
}

/// In the list, and shown one by one; from the running daemon.
fn dead_letters(home: &Home, preset: &str, forbidden: &[&str]) {
    let sink = format!("refused-{preset}");
    let list = said(home, &["dead-letters", "list", "--sink", &sink, "--limit", "1000", "--json"]);
    nothing_of(forbidden, &format!("the list of dead letters of {preset}"), &list);
    let numbers: Vec<u64> = list
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].as_u64().unwrap())
        .collect();
    assert!(numbers.len() > 100);
    for (number, line) in numbers.iter().zip(list.lines()).step_by(numbers.len() / 20) {
        let id = serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        let again = said(home, &["dead-letters", "list", "--sink", &sink, "--id", &id, "--json"]);
        assert_eq!(again.trim_end(), line, "found again by the id that is listed");
        let shown = said(home, &["dead-letters", "show", &number.to_string(), "--json"]);
        nothing_of(forbidden, &format!("a dead letter of {preset}"), &shown);
    }
}
