//! The page `schemas/README.md`: what GWS sends and what the bridge tells itself, and which event, example and schema
//! each of it has.
//!
//! `UPDATE=1` writes it anew. Deliberately absent: the bytes of the examples (the golden corpus holds them).

use super::*;
use std::fmt::Write;

/// Topic, `messageType` and `notificationType` of everything that GWS documents; empty where it has none.
const DOCUMENTED: &[(&str, &str, &[&str])] = &[
    ("/v2/me/devices", "DeviceStateChangeMessage", &[""]),
    ("/v2/me/devices", "DeviceUserEventMessage", &[""]),
    ("/v2/me/devices", "ErrorMessage", &[""]),
    ("/v2/me/calls", "ErrorMessage", &[""]),
    (
        "/v2/me/calls",
        "CallStateChangeMessage",
        &["StatusChange", "ParticipantsUpdated", "AttachedDataChanged", "CallRecordingStateChange"],
    ),
    ("/v2/me/facebooksession", "FacebooksessionStateChangeMessage", CONVERSATION),
    ("/v2/me/facebooksession", "MessageLogUpdated", &["NewMessages"]),
    ("/v2/me/chats", "ChatStateChangeMessage", CONVERSATION),
    ("/v2/me/chats", "MessageLogUpdated", &["NewMessages"]),
    ("/v2/me/smssession", "SMSsessionStateChangeMessage", CONVERSATION),
    ("/v2/me/smssession", "MessageLogUpdated", &["NewMessages"]),
    (
        "/v2/me/emails",
        "EmailStateChangeMessage",
        &["StatusChange", "PropertiesUpdated", "EmailSaved", "AttachmentAdded", "AttachmentRemoved", "Error"],
    ),
    (
        "/v2/me/facebook",
        "FacebookStateChangeMessage",
        &["StatusChange", "PropertiesUpdated", "FacebookSaved", "Error"],
    ),
    (
        "/v2/me/twitter",
        "TweetStateChangeMessage",
        &["StatusChange", "PropertiesUpdated", "TweetSaved", "Error"],
    ),
    ("/v2/me/twitter", "TwitterStateChangeMessage", &["StatusChange"]),
    ("/v2/me/twitter", "TweetOperationResponse", &[""]),
    ("/v2/me/workitems", "WorkitemStateChangeMessage", ITEM),
    ("/v2/me/openmedia", "OpenmediaStateChangeMessage", ITEM),
    ("/v2/me/workbins", "WorkbinSubscriptionStateChangeMessage", &[""]),
    ("/v2/me/workbins", "WorkbinStateChangeMessage", &[""]),
    ("/v2/me/channels", "ChannelStateChangeMessageV2", &[""]),
    ("/v2/me/channels", "", &[""]),
    ("/v2/me/im-sessions", "IMSessionStateChangeMessage", &["StatusChange", "AttachedDataChanged"]),
    ("/v2/me/im-sessions", "IMLogUpdateMessage", &["NewMessage"]),
    (
        "/v2/me/outbound",
        "OutboundRecordMessage",
        &["StatusChanged", "RecordProcessedAcknowledge", "ChainedRecordsDataEnd"],
    ),
    ("/v2/me", "", &["PasswordChangeSuccessful", "PasswordChangeError"]),
    ("/v2/users", "", &["PasswordChangeSuccessful", "PasswordChangeError"]),
    ("/notifications/services", "ServiceStateChanged", &[""]),
];
const CONVERSATION: &[&str] = &["StatusChange", "ParticipantsUpdated", "PropertiesUpdated", "Error"];
const ITEM: &[&str] = &["StatusChange", "PropertiesUpdated", "Error"];

const NAMELESS: &str = "genesys.gws.agent.error.v1";

const HEAD: &str = "# Events, examples, schemas

What GWS sends, and what the bridge makes of it. An example is a file of the golden corpus in `tests/fixtures/normalise/`: the
notification as it came (`data`) and the envelopes made of it (`expected`), byte for byte what `normalise` gives and valid against
the schema; `id`, `recordedtime` and `sequence` are the test's own where the journal gives them. Each schema describes the whole
envelope; `cometbridge schema NAME` prints it. A minor release only adds optional members, so take what you do not know as allowed.

This page is written by a test (`UPDATE=1 cargo test --lib contract`) that fails where a documented notification, or a type that the
bridge makes itself, has no example, or a type no schema.

## What GWS sends

A dash stands where the notification has no such member. Case and the plural of names do not count.

| topic | messageType | notificationType | event type | example | schema |
|---|---|---|---|---|---|
";

const ODD: &str = "
## Odd and broken ones

What comes of notifications that leave things out, spell them otherwise, or are not documented. `unknown` has no contract but its own
schema.

| example | what it is | event types |
|---|---|---|
";

const OWN: &str = "
## Made by the bridge

An example is a file in `tests/fixtures/bridge/`: envelopes (`expected`) made from fixed inputs by the code that makes them in the
daemon, byte for byte and valid against the schema; ids that the journal gives, `recordedtime` and `sequence` are the test's own.

| event type | example | schema |
|---|---|---|
";

/// A fixture's file, its words, and the types it gives.
struct Example {
    file: String,
    name: String,
    words: (String, String, String),
    types: BTreeSet<String>,
}

impl Example {
    fn known(&self) -> impl Iterator<Item = &String> {
        self.types.iter().filter(|kind| *kind != "genesys.gws.unknown.v1")
    }
}

fn words(topic: &str, message_type: &str, notification_type: &str) -> (String, String, String) {
    let fold = |text: &str| text.trim().to_ascii_lowercase();
    (keys::canonical_channel(topic), fold(message_type), fold(notification_type))
}

fn examples() -> Vec<Example> {
    let example = |(path, fixture): (PathBuf, Fixture)| {
        let data: Value = serde_json::from_str(fixture.data.get()).unwrap();
        let word = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let kind = |one: &RawValue| {
            let event: Value = serde_json::from_str(one.get()).unwrap();
            event["type"].as_str().unwrap().to_owned()
        };
        Example {
            file: path.file_name().unwrap().to_str().unwrap().to_owned(),
            words: words(&fixture.channel, &word("messageType"), &word("notificationType")),
            types: fixture.expected.iter().map(|one| kind(one)).collect(),
            name: fixture.name,
        }
    };
    fixtures().into_iter().map(example).collect()
}

/// By the type in its title.
fn schema_of(kind: &str) -> &'static str {
    let found = schema::names().into_iter().find(|name| {
        let schema: Value = serde_json::from_str(&schema::get(name).unwrap()).unwrap();
        schema["title"] == kind
    });
    found.unwrap_or_else(|| panic!("{kind} has no schema"))
}

fn link(folder: &str, file: &str) -> String {
    format!("[{}](../tests/fixtures/{folder}/{file})", file.trim_end_matches(".json"))
}

/// Links to the examples of what the bridge makes itself, by type.
fn own_examples() -> BTreeMap<String, Vec<String>> {
    let files = std::fs::read_dir(examples::folder()).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files {
        let example: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let kind = |one: &Value| one["type"].as_str().unwrap().to_owned();
        let kinds: BTreeSet<String> = example["expected"].as_array().unwrap().iter().map(kind).collect();
        for kind in kinds {
            let link = link("bridge", path.file_name().unwrap().to_str().unwrap());
            found.entry(kind).or_default().push(link);
        }
    }
    found
}

fn schema_link(name: &str) -> String {
    format!("[{name}]({name}.json)")
}

#[test]
fn the_page_of_the_contract_is_complete_and_true() {
    let examples = examples();
    let (mut page, mut used, mut seen) = (HEAD.to_owned(), BTreeSet::new(), BTreeSet::new());
    for (topic, message_type, notification_types) in DOCUMENTED {
        for notification_type in *notification_types {
            let wanted = words(topic, message_type, notification_type);
            // An example may hold broken elements beside good ones; an error that names no interaction is odd.
            let odd = |one: &Example| *message_type != "ErrorMessage" && one.types.contains(NAMELESS);
            let typed = |one: &&Example| one.words == wanted && one.known().count() == 1 && !odd(one);
            let of: Vec<&Example> = examples.iter().filter(typed).collect();
            let kinds: BTreeSet<&String> = of.iter().flat_map(|one| one.known()).collect();
            let [kind] = Vec::from_iter(kinds)[..] else {
                panic!("{topic} {message_type} {notification_type}: not one type with an example");
            };
            used.extend(of.iter().map(|one| one.file.as_str()));
            seen.insert(kind.clone());
            let of: Vec<String> = of.iter().map(|one| link("normalise", &one.file)).collect();
            let word = |word: &str| if word.is_empty() { "–".to_owned() } else { format!("`{word}`") };
            let (message, notification) = (word(message_type), word(notification_type));
            let (examples, schema) = (of.join(", "), schema_link(schema_of(kind)));
            writeln!(page, "| `{topic}` | {message} | {notification} | `{kind}` | {examples} | {schema} |")
                .unwrap();
        }
    }
    page.push_str(ODD);
    for one in examples.iter().filter(|one| !used.contains(one.file.as_str())) {
        let kinds: Vec<String> = one.types.iter().map(|kind| format!("`{kind}`")).collect();
        writeln!(page, "| {} | {} | {} |", link("normalise", &one.file), one.name, kinds.join(", ")).unwrap();
    }
    page.push_str(OWN);
    let mut own_examples = own_examples();
    for name in schema::names() {
        let schema: Value = serde_json::from_str(&schema::get(name).unwrap()).unwrap();
        let kind = schema["title"].as_str().unwrap();
        let own = kind.starts_with("cometbridge.")
            || kind.ends_with(".gap.v1")
            || kind.ends_with(".ended_unseen.v1")
            || kind.ends_with(".transcript.v1");
        assert!(
            own || name == "unknown" || seen.contains(kind),
            "{kind}: no documented notification gives it"
        );
        if own {
            let of =
                own_examples.remove(kind).unwrap_or_else(|| panic!("{kind}: no example of the bridge's own"));
            writeln!(page, "| `{kind}` | {} | {} |", of.join(", "), schema_link(name)).unwrap();
        }
    }
    assert!(own_examples.is_empty(), "examples of no type that the bridge makes: {own_examples:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/README.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == page, "schemas/README.md is old: UPDATE=1");
}
