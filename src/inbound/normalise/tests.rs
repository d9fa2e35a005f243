//! The golden corpus (`tests/fixtures/normalise/`) and properties that hold whatever a server sends.
//!
//! `UPDATE=1` rewrites the expected half of every fixture; read the difference before you commit it.

use super::*;
use crate::base::encode::structured;
use crate::base::examples::{self, ASSIGNED, NOW as RECEIVED, RECORDED, SEQUENCE, validate};
use crate::base::schema;
use crate::inbound::settings::Scope;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

mod contract;
mod hostile;
mod whole;

#[derive(Deserialize)]
struct Fixture {
    name: String,
    site: Box<RawValue>,
    agent: String,
    channel: String,
    data: Box<RawValue>,
    #[serde(default)]
    decided_by: Vec<String>,
    #[serde(default)]
    expected: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    realm: String,
    time_zone: String,
    scope: String,
    typing_text: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            realm: "main".into(),
            time_zone: "UTC".into(),
            scope: "interaction".into(),
            typing_text: false,
        }
    }
}

fn site(options: &Options) -> SiteConfig {
    SiteConfig {
        realm: options.realm.clone(),
        time_zone: jiff::tz::TimeZone::get(&options.time_zone).unwrap(),
        scope: match options.scope.as_str() {
            "agent" => Scope::Agent,
            _ => Scope::Interaction,
        },
        typing_text: options.typing_text,
        ..crate::inbound::settings::testing::site()
    }
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn run(options: &Options, channel: &str, data: &RawValue) -> Vec<Candidate> {
    let site = site(options);
    normalise(
        &Context { site: &site, agent: "1001", users: &Users::default(), received: RECEIVED },
        channel,
        data,
    )
}

/// The envelope of a candidate as a sink would send it at first sight.
fn envelope(candidate: &Candidate) -> String {
    // Through the journal's form, so that what a sink gets is tested.
    let kept = serde_json::to_string(&candidate.event).unwrap();
    let mut event: Event = serde_json::from_str(&kept).unwrap();
    event.id = match &candidate.identity {
        Identity::Assigned => ASSIGNED.to_owned(),
        other => event_id(other, 1),
    };
    event.recordedtime = RECORDED.to_owned();
    String::from_utf8(structured(&event, SEQUENCE).unwrap()).unwrap()
}

fn decided_by(candidate: &Candidate) -> String {
    let key = match &candidate.dedup {
        Key::LogItem { index, .. } => format!("log item {index}"),
        Key::Reference { .. } => "reference".to_owned(),
        Key::State { .. } => "state".to_owned(),
        Key::None => "none".to_owned(),
    };
    let resource = if candidate.resource.is_some() { ", updates a state" } else { "" };
    format!("{key}{resource}")
}

fn fixtures() -> Vec<(PathBuf, Fixture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/normalise");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let fixture =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, fixture)
        })
        .collect()
}

fn rewrite(path: &Path, fixture: &Fixture, decided_by: &[String], expected: &[String]) {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let text = format!(
        "{{\n  \"name\": {},\n  \"site\": {},\n  \"agent\": {},\n  \"channel\": {},\n  \"data\": {},\n  \
         \"decided_by\": [\n    {}\n  ],\n  \"expected\": [\n    {}\n  ]\n}}\n",
        quoted(&fixture.name),
        fixture.site.get(),
        quoted(&fixture.agent),
        quoted(&fixture.channel),
        fixture.data.get(),
        decided_by.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",\n    "),
        expected.join(",\n    "),
    );
    // Renamed into place, as other tests read the folder at the same time.
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

#[test]
fn the_golden_corpus_stays_byte_equal_and_validates() {
    for (path, fixture) in fixtures() {
        let options: Options = serde_json::from_str(fixture.site.get()).unwrap();
        let site = site(&options);
        let cx = Context { site: &site, agent: &fixture.agent, users: &Users::default(), received: RECEIVED };
        let candidates = normalise(&cx, &fixture.channel, &fixture.data);
        let found: Vec<String> = candidates.iter().map(envelope).collect();
        let decided: Vec<String> = candidates.iter().map(decided_by).collect();
        for text in &found {
            validate(&fixture.name, text);
        }
        if std::env::var_os("UPDATE").is_some() {
            rewrite(&path, &fixture, &decided, &found);
            continue;
        }
        let expected: Vec<&str> = fixture.expected.iter().map(|one| one.get()).collect();
        assert_eq!(found, expected, "{}", path.display());
        assert_eq!(decided, fixture.decided_by, "{}", path.display());
    }
}

fn one(channel: &str, data: &str) -> Candidate {
    let mut all = run(&Options::default(), channel, &json(data));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

const STATUS: &str = r#"{"messageType":"ChatStateChangeMessage","notificationType":"StatusChange","chat":{"id":"c1","state":"Chatting","uri":"http://a/chats/c1"}}"#;

#[test]
fn the_same_state_from_two_nodes_and_two_spellings_of_the_channel_is_one_content_and_resource() {
    let a = one("/v2/me/chat", STATUS);
    let b = one("/v2/me/chats", &STATUS.replace("http://a", "http://b"));
    assert_eq!(a.content, b.content);
    assert_eq!(a.dedup, b.dedup);
    assert!(matches!(a.dedup, Key::State { resource } if Some(resource) == a.resource));
    assert_ne!(a.content, one("/v2/me/chats", &STATUS.replace("Chatting", "Completed")).content);
}

#[test]
fn a_reference_decides_before_the_state_and_counts_per_channel_types_and_resource() {
    let with = |text: &str| text.replacen('{', r#"{"referenceId":17,"#, 1);
    let a = one("/v2/me/chats", &with(STATUS));
    assert!(matches!(a.dedup, Key::Reference { .. }));
    assert_eq!(a.event.referenceid.as_deref(), Some("17"));
    assert!(a.resource.is_some());
    assert_eq!(a.dedup, one("/v2/me/chat", &with(STATUS)).dedup);
    for (from, to) in [("c1", "c2"), ("StatusChange", "PropertiesUpdated"), (":17,", ":18,")] {
        assert_ne!(a.dedup, one("/v2/me/chats", &with(STATUS).replace(from, to)).dedup, "{from}");
    }
    assert_ne!(a.dedup, one("/v2/me/other", &with(STATUS)).dedup);
    let unknown = one("/v2/me/x", r#"{"messageType":"StrangeMessage","referenceId":"abc"}"#);
    assert!(matches!(unknown.dedup, Key::Reference { .. }));
}

#[test]
fn scope_decides_whether_two_agents_copies_share_a_key_and_an_id() {
    let data = json(
        r#"{"messageType":"MessageLogUpdated","chatUri":"/chats/c1","messages":[{"index":1,"type":"Text"}]}"#,
    );
    let copy = |scope: &str, agent: &str| {
        let site = site(&Options { scope: scope.into(), ..Options::default() });
        normalise(
            &Context { site: &site, agent, users: &Users::default(), received: RECEIVED },
            "/v2/me/chats",
            &data,
        )
        .remove(0)
    };
    let (a, b) = (copy("interaction", "1001"), copy("interaction", "1002"));
    assert_eq!((&a.dedup, &a.identity), (&b.dedup, &b.identity));
    assert_eq!(a.event.agent, None);
    let (a, b) = (copy("agent", "1001"), copy("agent", "1002"));
    assert_ne!(a.dedup, b.dedup);
    assert_eq!(a.identity, Identity::LogItem { base: "main/agent/1001/chat/c1/messages/1".into() });
    assert_eq!(b.event.agent.as_deref(), Some("1002"));
}

#[test]
fn typed_text_is_nowhere_and_does_not_change_the_content() {
    let item = |text: &str| {
        format!(
            r#"{{"messageType":"MessageLogUpdated","chatUri":"/chats/c1","messages":[{{"index":1,"type":"TypingStarted","text":"{text}"}}]}}"#
        )
    };
    let a = one("/v2/me/chats", &item("secret one"));
    let b = one("/v2/me/chats", &item("secret two"));
    assert_eq!(a.content, b.content);
    assert!(!envelope(&a).contains("secret"));
    let nowhere = one("/v2/me/x", &item("secret").replace("chatUri", "x").replace("MessageLog", "Strange"));
    assert_eq!(nowhere.event.medium, "unknown");
    assert!(!envelope(&nowhere).contains("secret"));
    let kept =
        run(&Options { typing_text: true, ..Options::default() }, "/v2/me/chats", &json(&item("secret")));
    assert!(envelope(&kept[0]).contains(r#""text":"secret""#));
}

#[test]
fn a_dated_notification_has_the_same_id_each_time_and_another_with_other_content() {
    let dated = |text: &str| {
        text.replacen(
            '{',
            r#"{"metrics":{"eventProcessing":{"serverGenerationTimestamp":1769554688150,"n":1}},"#,
            1,
        )
    };
    let a = one("/v2/me/chats", &dated(STATUS));
    assert_eq!(a.event.time, "2026-01-27T22:58:08.150Z");
    assert_eq!(a.identity, one("/v2/me/chat", &dated(STATUS).replace("\"n\":1", "\"n\":2")).identity);
    assert_ne!(a.identity, one("/v2/me/chats", &dated(STATUS).replace("Chatting", "Completed")).identity);
    assert_ne!(a.identity, one("/v2/me/chats", &dated(STATUS).replace("88150", "88151")).identity);
    assert!(event_id(&a.identity, 1).starts_with("main/chat/c1/status_change/"));
    assert_eq!(one("/v2/me/chats", STATUS).identity, Identity::Assigned);
}

#[test]
fn an_unknown_change_of_a_known_resource_still_updates_its_state() {
    let unknown = one("/v2/me/chats", &STATUS.replace("StatusChange", "Novelty"));
    assert_eq!(unknown.event.kind, "genesys.gws.unknown.v1");
    assert_eq!(unknown.dedup, Key::None);
    assert_eq!(unknown.resource, one("/v2/me/chats", STATUS).resource);
}

#[test]
fn the_date_of_receipt_is_written_as_an_items_stamp_and_stays_where_it_can_not_be_read() {
    let berlin = Options { time_zone: "Europe/Berlin".into(), ..Options::default() };
    for (came, left) in [
        (r#""2014-01-02T14:23:18.000-0800""#, Some("2014-01-02T14:23:18.000-08:00")),
        (r#""2014-07-09 11:58:12""#, Some("2014-07-09T11:58:12.000+02:00")),
        (r#""2014-01-09T11:58:12Z""#, Some("2014-01-09T11:58:12.000Z")),
        (r#""last Monday""#, Some("last Monday")),
        ("null", None),
        (r#"{"a":1}"#, None),
    ] {
        let with = format!(r#""receivedDate":{came},"id":"#);
        let found = run(&berlin, "/v2/me/chats", &json(&STATUS.replace(r#""id":"#, &with)));
        let event: Value = serde_json::from_str(&envelope(&found[0])).unwrap();
        assert_eq!(event["data"]["receivedDate"].as_str(), left, "{came}");
    }
}

#[test]
fn an_error_that_names_no_interaction_is_the_agents_with_its_code_and_text() {
    let of = |channel: &str, data: &str| {
        let one = one(channel, data);
        let data: Value = serde_json::from_str(one.event.data.get()).unwrap();
        (one, data)
    };
    let bare = r#"{"messageType":"ChatStateChangeMessage","notificationType":"Error","errorMessage":"boom","errorCode":12}"#;
    let told = serde_json::json!({"topic": "/v2/me/chats", "errorCode": "12", "errorMessage": "boom"});
    let inside = bare.replace(
        r#","errorMessage":"boom","errorCode":12}"#,
        r#","chat":{"errorMessage":"boom","errorCode":12}}"#,
    );
    for text in [bare, &bare.replace("Error\"", "ERROR\""), &inside] {
        let (error, data) = of("/v2/me/chats", text);
        assert_eq!((&*error.event.kind, &data), ("genesys.gws.agent.error.v1", &told), "{text}");
        assert_eq!((&error.dedup, error.resource), (&Key::None, None));
        assert_eq!((error.event.interaction, error.event.agent.as_deref()), (None, Some("1001")));
    }
    // Other changes say nothing without their resource, and calls have no errors of this kind.
    let calls = bare.replace("Chat", "Call");
    for (channel, text) in
        [("/v2/me/chats", bare.replace("Error\"", "StatusChange\"")), ("/v2/me/calls", calls)]
    {
        assert_eq!(of(channel, &text).0.event.medium, "unknown", "{text}");
    }
}
