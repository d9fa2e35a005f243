//! Mistakes in sinks: the whole answer, as the operator sees it.

use super::tests::{Home, SITE, refused};
use crate::outbound::settings::{SinkConfig, Start};

#[test]
fn a_sinks_name_is_used_once() {
    let text = r#"[sink.stdout.events]
privacy = "full"
[sink.kafka.events]
privacy = "full"
brokers = ["k:9092"]
topic = "t"
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:1:14: sink.stdout.events: the name events is taken by sink.kafka.events: a sink's name is used once
    1 | [sink.stdout.events]
      |              ^^^^^^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn an_unknown_placeholder_gets_the_list() {
    let text = r#"[sink.kafka.events]
privacy = "full"
brokers = ["k:9092"]
topic = "gws.{sit}"
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:4:9: sink.kafka.events.topic: {sit} is no placeholder
    4 | topic = "gws.{sit}"
      |         ^^^^^^^^^^^
      allowed: {site}, {medium}, {class}
      did you mean {site}?

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_topic_is_spelled_as_kafka_wants_it() {
    let text = r#"[sink.kafka.events]
privacy = "full"
brokers = ["k:9092", "kafka"]
topic = "gws events {site"
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:3:22: sink.kafka.events.brokers[1]: "kafka" is not a broker
    3 | brokers = ["k:9092", "kafka"]
      |                      ^^^^^^^
      allowed: "host:port"

DIR/c.toml:4:9: sink.kafka.events.topic: "gws events {site" is not a topic
    4 | topic = "gws events {site"
      |         ^^^^^^^^^^^^^^^^^^
      allowed: 1 to 200 of the characters a-z, A-Z, 0-9, ".", "_" and "-", and the placeholders {site}, {medium}, {class}

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn privacy_is_stated_by_every_sink() {
    let text = r#"[sink.stdout.console]
raw = true
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:1:14: sink.stdout.console.privacy: privacy is missing: every sink states what may leave through it
    1 | [sink.stdout.console]
      |              ^^^^^^^
      allowed: full, no-content, pseudonymous, minimal

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn an_unknown_medium_or_event_gets_the_list() {
    let text = r#"[sink.stdout.console]
privacy = "full"
match = { medium = ["chat", "telegram"], event = ["mesage"] }
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:3:29: sink.stdout.console.match.medium[1]: "telegram" is no medium
    3 | match = { medium = ["chat", "telegram"], event = ["mesage"] }
      |                             ^^^^^^^^^^
      allowed: facebooksession, chat, smssession, call, email, facebook, tweet, workitem, openmedia, imsession, workbin, outbound, user, service, agent, bridge, unknown

DIR/c.toml:3:51: sink.stdout.console.match.event[0]: "mesage" is no event
    3 | match = { medium = ["chat", "telegram"], event = ["mesage"] }
      |                                                   ^^^^^^^^
      allowed: status_change, participants_updated, properties_updated, error, attached_data_changed, recording_state_change, saved, attachment_added, attachment_removed, operation_response, log_update, subscription_change, action, record, user_event, password_changed, password_error, message, state_change, unknown, gap_opened, gap_closed, gap, ended_unseen, transcript, silent, sink_lost, item_rejected
      did you mean message?

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn words_of_closed_lists_are_known() {
    let text = r#"[sink.stdout.console]
privacy = "full"
match = { site = ["mian"], class = ["contents"], visibility = ["Anybody"] }
except = { event = ["gaps"] }
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:3:19: sink.stdout.console.match.site[0]: "mian" is no site
    3 | match = { site = ["mian"], class = ["contents"], visibility = ["Anybody"] }
      |                   ^^^^^^
      allowed: main, bridge
      did you mean main?

DIR/c.toml:3:37: sink.stdout.console.match.class[0]: "contents" is no class
    3 | match = { site = ["mian"], class = ["contents"], visibility = ["Anybody"] }
      |                                     ^^^^^^^^^^
      allowed: content, lifecycle, agent-state, bridge
      did you mean content?

DIR/c.toml:4:21: sink.stdout.console.except.event[0]: "gaps" is no event
    4 | except = { event = ["gaps"] }
      |                     ^^^^^^
      allowed: status_change, participants_updated, properties_updated, error, attached_data_changed, recording_state_change, saved, attachment_added, attachment_removed, operation_response, log_update, subscription_change, action, record, user_event, password_changed, password_error, message, state_change, unknown, gap_opened, gap_closed, gap, ended_unseen, transcript, silent, sink_lost, item_rejected
      did you mean gap?

3 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn log_items_are_matched_by_agent_only_where_they_belong_to_one() {
    let sink = |lists: &str| format!("[sink.stdout.console]\nprivacy = \"full\"\n{lists}\n{SITE}");
    let refusal = |list: &str, line: &str, mark: &str| {
        format!(
            r#"
DIR/c.toml:3:{mark}: sink.stdout.console.{list}.agent: log items of the site main belong to no agent, as what two agents see of a conversation is one event there
    3 | {line}
      | {}^^^^^^^^
      allowed: agents with dedup_scope = "agent" in [site.main], or without log items, as with medium = ["agent"] or class = ["lifecycle"] beside it

1 problem in the configuration; nothing was started"#,
            " ".repeat(mark.parse::<usize>().unwrap() - 1)
        )
    };
    let line = r#"match = { agent = ["1001"] }"#;
    refused(&sink(line), &refusal("match", line, "19"));
    let line = r#"except = { agent = ["1001"], medium = ["chat"] }"#;
    refused(&sink(line), &refusal("except", line, "20"));

    let home = Home::new();
    for lists in [
        r#"match = { agent = ["1001"], class = ["agent-state", "lifecycle"] }"#,
        r#"match = { agent = ["1001"], medium = ["agent"] }"#,
        "match = { agent = [\"1001\"] }\nexcept = { event = [\"message\"] }",
        "match = { medium = [\"agent\"] }\nexcept = { agent = [\"1001\"] }",
        r#"except = { agent = ["1001"], class = ["lifecycle"] }"#,
    ] {
        home.load(&sink(lists), &[], &[]).unwrap();
    }
    let scope = ["site.main.dedup_scope=agent"];
    let settings = home.load(&sink(r#"match = { agent = ["1001"] }"#), &[], &scope).unwrap();
    assert_eq!(settings.sinks[0].matching.agent, ["1001"]);
}

#[test]
fn groups_are_tables_of_the_sites_that_a_list_names_and_stand_in_no_shared_log_item() {
    let text = r#"[sink.stdout.console]
privacy = "full"
match = { class = ["agent-state"], group = ["nort"] }
[sink.stdout.other]
privacy = "full"
match = { medium = ["agent"], site = ["bridge"], group = ["north"] }
[sink.stdout.third]
privacy = "full"
match = { group = ["north"] }
"#;
    let north = "[site.main.group.north]\n";
    refused(
        &format!("{text}{SITE}{north}"),
        r#"
DIR/c.toml:3:45: sink.stdout.console.match.group[0]: "nort" is no group of a site
    3 | match = { class = ["agent-state"], group = ["nort"] }
      |                                             ^^^^^^
      allowed: north
      did you mean north?

DIR/c.toml:6:59: sink.stdout.other.match.group[0]: "north" is no group of a site
    6 | match = { medium = ["agent"], site = ["bridge"], group = ["north"] }
      |                                                           ^^^^^^^
      allowed: names of tables [site.NAME.group.GROUP]; there is none here

DIR/c.toml:9:19: sink.stdout.third.match.group: log items of the site main belong to no group, as what two agents see of a conversation is one event there
    9 | match = { group = ["north"] }
      |                   ^^^^^^^^^
      allowed: groups with dedup_scope = "agent" in [site.main], or without log items, as with medium = ["agent"] or class = ["lifecycle"] beside it

3 problems in the configuration; nothing was started"#,
    );
    let third = "[sink.stdout.third]\nprivacy = \"full\"\nexcept = { group = [\"north\"] }\n";
    let scope = ["site.main.dedup_scope=agent"];
    let settings = Home::new().load(&format!("{third}{SITE}{north}"), &[], &scope).unwrap();
    assert_eq!(settings.sinks[0].except.group, ["north"]);
}

#[test]
fn a_sink_begins_at_a_word_or_at_a_time_that_has_passed() {
    let sink =
        |start: &str| format!("[sink.stdout.console]\nprivacy = \"full\"\nstart = \"{start}\"\n{SITE}");
    refused(
        &sink("lates"),
        r#"
DIR/c.toml:3:9: sink.stdout.console.start: "lates" is no place to begin at
    3 | start = "lates"
      |         ^^^^^^^
      allowed: latest, earliest, or a time with its offset such as "2026-11-22T07:00:00Z"
      did you mean latest?

1 problem in the configuration; nothing was started"#,
    );
    refused(
        &sink("9999-01-01T00:00:00Z"),
        r#"
DIR/c.toml:3:9: sink.stdout.console.start: "9999-01-01T00:00:00Z" is yet to come: a sink begins with what was recorded already, or with "latest"
    3 | start = "9999-01-01T00:00:00Z"
      |         ^^^^^^^^^^^^^^^^^^^^^^

1 problem in the configuration; nothing was started"#,
    );
    let home = Home::new();
    for (text, start) in [
        ("earliest", Start::Earliest),
        ("2014-01-02T14:23:20.126-08:00", Start::Time(1_388_701_400_126)),
        ("2014-01-02T22:23:20.126Z", Start::Time(1_388_701_400_126)),
    ] {
        assert_eq!(home.load(&sink(text), &[], &[]).unwrap().sinks[0].start, start);
    }
    // Without an offset nobody knows which hour is meant.
    assert!(home.load(&sink("2014-01-02T22:23:20"), &[], &[]).is_err());
}

#[test]
fn webhooks_alone_take_public_log_items_unless_told() {
    let home = Home::new();
    let text = r#"[sink.webhook.crm]
url = "https://crm.example.com/"
privacy = "full"
unsigned = true
match = { medium = ["chat"] }
[sink.stdout.console]
privacy = "full"
"#;
    let sinks = |set: &[&str]| home.load(&format!("{text}{SITE}"), &[], set).unwrap().sinks;
    let found = sinks(&[]);
    let of = |name: &str| found.iter().find(|sink| sink.name == name).unwrap().matching.visibility.clone();
    assert_eq!((of("crm"), of("console")), (vec!["All".to_owned()], Vec::new()));
    let noted = |sinks: &[SinkConfig]| sinks.iter().flat_map(crate::outbound::notes).collect::<Vec<_>>();
    assert!(matches!(&noted(&found)[..], [note] if note.starts_with("match.visibility: log items")));
    assert!(noted(&sinks(&["sink.webhook.crm.match.event=[\"status_change\"]"])).is_empty());
    let found = sinks(&["sink.webhook.crm.match.visibility=[]"]);
    assert!(noted(&found).is_empty());
    assert!(found.iter().all(|sink| sink.matching.visibility.is_empty()));
}

#[test]
fn librdkafkas_own_keys_are_refused_with_what_to_use() {
    let text = r#"[sink.kafka.events]
privacy = "full"
brokers = ["k:9092"]
topic = "t"
[sink.kafka.events.librdkafka]
"bootstrap.servers" = "k:9092"
"acks" = "1"
"linger.ms" = "5"
"message.timeout.ms" = 5
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:6:23: sink.kafka.events.librdkafka."bootstrap.servers": bootstrap.servers is set by the sink itself: use the sink's key brokers
    6 | "bootstrap.servers" = "…"
      |                       ^^^

DIR/c.toml:7:10: sink.kafka.events.librdkafka.acks: acks is set by the sink itself: it is always all: an event counts as delivered only then
    7 | "acks" = "…"
      |          ^^^

DIR/c.toml:9:24: sink.kafka.events.librdkafka."message.timeout.ms": expected a text in quotes, or a reference to a secret, found a number
    9 | "message.timeout.ms" = …
      |                        ^
      allowed: "…", { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

3 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn keys_and_headers_have_placeholders_and_tokens_a_table() {
    let text = r#"[sink.kafka.events]
privacy = "full"
brokers = ["k:9092"]
topic = "t"
key = "{agnt}"
headers = { "ce_id" = "x", "x-a" = "{agent" }
oauth2 = { token_url = "http://login.example/token", client_id = "c" }
[sink.kafka.events.librdkafka]
"sasl.mechanism" = "SCRAM-SHA-512"
"sasl.oauthbearer.client.id" = "c"
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:5:7: sink.kafka.events.key: {agnt} is no placeholder
    5 | key = "{agnt}"
      |       ^^^^^^^^
      allowed: {partitionkey}, {interaction}, {agent}, {site}, {medium}, {event}, {class}
      did you mean {agent}?

DIR/c.toml:6:23: sink.kafka.events.headers.ce_id: ce_id is set by the sink itself, from the event
    6 | headers = { "ce_id" = "…", "x-a" = "…" }
      |                       ^^^

DIR/c.toml:6:36: sink.kafka.events.headers.x-a: a brace is not closed, or not opened
    6 | headers = { "ce_id" = "x", "x-a" = "{agent" }
      |                                    ^^^^^^^^
      allowed: {partitionkey}, {interaction}, {agent}, {site}, {medium}, {event}, {class}

DIR/c.toml:7:10: sink.kafka.events.oauth2.client_secret: client_secret is missing: a reference to the client's secret
    7 | oauth2 = { token_url = "…", client_id = "…" }
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:7:24: sink.kafka.events.oauth2.token_url: the client's secret is sent there: only https, or http on this machine
    7 | oauth2 = { token_url = "…", client_id = "…" }
      |                        ^^^
      allowed: https://host/path

DIR/c.toml:9:20: sink.kafka.events.librdkafka."sasl.mechanism": the table oauth2 sets it: take one of the two out
    9 | "sasl.mechanism" = "…"
      |                    ^^^

DIR/c.toml:10:32: sink.kafka.events.librdkafka."sasl.oauthbearer.client.id": sasl.oauthbearer.client.id is set by the sink itself: use the sink's table oauth2
   10 | "sasl.oauthbearer.client.id" = "…"
      |                                ^^^

7 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_webhook_is_signed_or_says_that_it_is_not() {
    let text = r#"[sink.webhook.a]
privacy = "full"
url = "https://a.example"
secrets = []
[sink.webhook.b]
privacy = "full"
url = "https://b.example"
secrets = [{ file = "DIR/secret" }]
unsigned = true
[sink.webhook.c]
privacy = "full"
unsigned = true
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:4:11: sink.webhook.a.secrets: at least one secret is needed to sign with; without signatures set sink.webhook.a.unsigned = true
    4 | secrets = []
      |           ^^

DIR/c.toml:9:12: sink.webhook.b.unsigned: unsigned, and yet there are secrets: drop one of the two
    9 | unsigned = true
      |            ^^^^

DIR/c.toml:10:15: sink.webhook.c.url: url is missing: where events are posted to, e.g. "https://crm.example.com/hooks"
   10 | [sink.webhook.c]
      |               ^

3 problems in the configuration; nothing was started"#,
    );
}
