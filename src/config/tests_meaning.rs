//! Mistakes in meaning: the whole answer, as the operator sees it.

use super::tests::{SINK, SITE, refused};

#[test]
fn admin_beyond_loopback_needs_a_token() {
    let text = r#"[admin]
listen = "0.0.0.0:9464"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:10: admin.listen: beyond loopback callers have to show a token
    2 | listen = "0.0.0.0:9464"
      |          ^^^^^^^^^^^^^^
      allowed: a loopback address such as "127.0.0.1:9464", or admin.token = { file = "…" }

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn admin_listens_on_an_address() {
    let text = r#"[admin]
listen = "localhost:9464"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:10: admin.listen: "localhost:9464" is not an address and a port such as "127.0.0.1:9464"
    2 | listen = "localhost:9464"
      |          ^^^^^^^^^^^^^^^^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn plain_http_is_for_this_machine_alone() {
    let text = r#"[site.main]
base_url = ["http://localhost:8080", "http://127.0.0.1", "http://[::1]", "http://gws.example.com"]
roster = { file = "DIR/agents.csv" }
[sink.webhook.crm]
privacy = "full"
unsigned = true
url = "http://localhost.example.com/hook"
"#;
    refused(
        text,
        r#"
DIR/c.toml:2:74: site.main.base_url[3]: plain http beyond this machine shows everything to everybody on the way: use https, or set site.main.allow_plaintext = true
    2 | base_url = ["http://localhost:8080", "http://127.0.0.1", "http://[::1]", "http://gws.example.com"]
      |                                                                          ^^^^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:7:7: sink.webhook.crm.url: plain http beyond this machine shows everything to everybody on the way: use https, or set sink.webhook.crm.allow_plaintext = true
    7 | url = "http://localhost.example.com/hook"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn an_unknown_time_zone_is_refused() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
time_zone = "Europe/Belin"
roster = { file = "DIR/agents.csv" }
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:3:13: site.main.time_zone: "Europe/Belin" is not a time zone this machine knows
    3 | time_zone = "Europe/Belin"
      |             ^^^^^^^^^^^^^^
      allowed: "UTC" or an IANA name such as "Europe/Berlin"
      did you mean Europe/Berlin?

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn limits_that_can_not_be_meant_are_refused() {
    let text = r#"[journal]
max_dead_letters = 0
[dedup]
window = "0s"
[site.main]
base_url = "https://gws.example.com"
requests_per_second = 0
max_message = "32MiB"
connect_timeout = "1d"
roster = { file = "DIR/agents.csv" }
[site.b]
base_url = "https://gws.example.com"
requests_per_second = 2
roster = { file = "DIR/agents.csv" }
[sink.stdout.console]
privacy = "full"
retry = { initial = "10m", max_attempts = 0 }
"#;
    refused(
        text,
        r#"
DIR/c.toml:2:20: journal.max_dead_letters: 0 is out of bounds
    2 | max_dead_letters = 0
      |                    ^
      allowed: 1 to 10000000

DIR/c.toml:4:10: dedup.window: 0s is out of bounds
    4 | window = "0s"
      |          ^^^^
      allowed: "1m" to "365d"

DIR/c.toml:7:23: site.main.requests_per_second: 0 is out of bounds
    7 | requests_per_second = 0
      |                       ^
      allowed: 1 to 10000

DIR/c.toml:8:15: site.main.max_message: max_message (32MiB) is more than max_reply (16MiB): no such message could come
    8 | max_message = "32MiB"
      |               ^^^^^^^

DIR/c.toml:9:19: site.main.connect_timeout: 1d is out of bounds
    9 | connect_timeout = "1d"
      |                   ^^^^
      allowed: "1ms" to "10m"

DIR/c.toml:13:23: site.b.requests_per_second: logins_per_second (5) is more than requests_per_second (2): a login is several requests
   13 | requests_per_second = 2
      |                       ^

DIR/c.toml:17:21: sink.stdout.console.retry.initial: initial (10m) is more than max (5m)
   17 | retry = { initial = "10m", max_attempts = 0 }
      |                     ^^^^^

DIR/c.toml:17:43: sink.stdout.console.retry.max_attempts: 0 is out of bounds
   17 | retry = { initial = "10m", max_attempts = 0 }
      |                                           ^
      allowed: 1 to 1000000

8 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn channels_are_sets_or_channels() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
subscribe = ["conversation", "/meta/connect", "/v2/*/me"]
roster = { file = "DIR/agents.csv" }
[site.b]
base_url = "https://gws.example.com"
subscribe = []
notifications_path = "cometd/"
roster = { file = "DIR/agents.csv" }
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:3:14: site.main.subscribe[0]: "conversation" is neither a set of channels nor a channel such as "/v2/me/*"
    3 | subscribe = ["conversation", "/meta/connect", "/v2/*/me"]
      |              ^^^^^^^^^^^^^^
      allowed: conversations, agent-states, services, calls, emails, social, workitems, im, workbins, outbound, users
      did you mean conversations?

DIR/c.toml:3:30: site.main.subscribe[1]: "/meta/connect" is not a channel: nothing can be subscribed below /meta and /service
    3 | subscribe = ["conversation", "/meta/connect", "/v2/*/me"]
      |                              ^^^^^^^^^^^^^^^

DIR/c.toml:3:47: site.main.subscribe[2]: "/v2/*/me" is not a channel: * and ** stand for whole segments, at the end alone
    3 | subscribe = ["conversation", "/meta/connect", "/v2/*/me"]
      |                                               ^^^^^^^^^^

DIR/c.toml:7:13: site.b.subscribe: the list is empty: nothing would ever come
    7 | subscribe = []
      |             ^^

DIR/c.toml:8:22: site.b.notifications_path: "cometd/" is not a path below base_url
    8 | notifications_path = "cometd/"
      |                      ^^^^^^^^^
      allowed: a path such as "/api/v2/notifications", without ?, # and a slash at the end

5 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn what_has_no_default_is_asked_for() {
    let text = r#"[site.main]
[sink.kafka.k]
[sink.webhook.w]
"#;
    refused(
        text,
        r#"
DIR/c.toml:1:7: site.main.base_url: base_url is missing: where the server is, e.g. "https://gws.example.com"
    1 | [site.main]
      |       ^^^^

DIR/c.toml:1:7: site.main.roster.file: the roster's file is missing: CSV with agent,username, one agent a line
    1 | [site.main]
      |       ^^^^

DIR/c.toml:2:13: sink.kafka.k.brokers: at least one broker is needed, e.g. ["kafka-1.example.com:9093"]
    2 | [sink.kafka.k]
      |             ^

DIR/c.toml:2:13: sink.kafka.k.privacy: privacy is missing: every sink states what may leave through it
    2 | [sink.kafka.k]
      |             ^
      allowed: full, no-content, pseudonymous, minimal

DIR/c.toml:2:13: sink.kafka.k.topic: topic is missing, e.g. "gws.events" or "gws.{medium}.{class}"
    2 | [sink.kafka.k]
      |             ^

DIR/c.toml:3:15: sink.webhook.w.privacy: privacy is missing: every sink states what may leave through it
    3 | [sink.webhook.w]
      |               ^
      allowed: full, no-content, pseudonymous, minimal

DIR/c.toml:3:15: sink.webhook.w.secrets: at least one secret is needed to sign with; without signatures set sink.webhook.w.unsigned = true
    3 | [sink.webhook.w]
      |               ^

DIR/c.toml:3:15: sink.webhook.w.url: url is missing: where events are posted to, e.g. "https://crm.example.com/hooks"
    3 | [sink.webhook.w]
      |               ^

8 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn without_site_and_sink_there_is_nothing_to_do() {
    let text = r#"stop_grace = "1s"
"#;
    refused(
        text,
        r#"
DIR/c.toml:1:1: sink: there is no sink: add a table [sink.kafka.NAME], [sink.webhook.NAME] or [sink.stdout.NAME]

DIR/c.toml:1:1: site: there is no site: add a table [site.NAME] with base_url, and [site.NAME.roster]

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn transcripts_are_asked_for_and_are_whole() {
    let text = r#"[sink.stdout.one]
privacy = "full"
match = { event = ["message", "transcript"] }
[sink.stdout.two]
privacy = "full"
transcripts = true
match = { visibility = ["All"] }
[transcript]
quiet = "2h"
give_up = "1h"
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:3:31: sink.stdout.one.match.event[1]: transcripts go to no sink unless it says so: set transcripts = true beside match
    3 | match = { event = ["message", "transcript"] }
      |                               ^^^^^^^^^^^^

DIR/c.toml:7:24: sink.stdout.two.match.visibility: with transcripts = true, visibility must name nothing: a transcript is whole, whoever its items are from and for
    7 | match = { visibility = ["All"] }
      |                        ^^^^^^^
      allowed: visibility = []

DIR/c.toml:9:9: transcript.quiet: quiet (2h) is more than give_up
    9 | quiet = "2h"
      |         ^^^^

3 problems in the configuration; nothing was started"#,
    );
}
