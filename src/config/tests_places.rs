//! Where faults are reported at: broken files, several layers, several faults at once.

use super::tests::{Home, SINK, SITE, refused, refused_in, refused_with};

#[test]
fn a_syntax_error_is_placed() {
    let text = r#"state_dir = "/var/lib
[log]
level = info
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:1:22: invalid basic string, expected `"`
    1 | state_dir = "/var/lib
      |                      ^

DIR/c.toml:3:9: invalid float, expected `inf`
    3 | level = info
      |         ^^^^

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_duplicate_key_is_placed() {
    let text = r#"[log]
level = "info"
level = "warn"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:3:1: log.level: duplicate key
    3 | level = "warn"
      | ^^^^^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_wrong_value_of_the_environment_names_the_variable() {
    let text = r#"[log]
level = "info"
"#;
    refused_with(
        &format!("{text}{SITE}{SINK}"),
        &[
            ("COMETBRIDGE__LOG__LEVEL", "loud"),
            ("COMETBRIDGE__STOP_GRACE", "25"),
            ("COMETBRIDGE__SITE__MAIN__ALLOW_PLAINTEXT", "yes"),
            ("COMETBRIDGE__SITE__MAIN__BASE_ULR", "https://x"),
        ],
        &[],
        r#"
COMETBRIDGE__LOG__LEVEL (environment): log.level: "loud" is not one of the words allowed
      allowed: error, warn, info, debug, trace

COMETBRIDGE__SITE__MAIN__ALLOW_PLAINTEXT (environment): site.main.allow_plaintext: expected true or false

COMETBRIDGE__SITE__MAIN__BASE_ULR (environment): site.main.base_ulr: unknown key
      allowed: allow_plaintext, append_message_type, ask_window, base_url, basic_on_polls, ca, client_certificate, collect, compression, connect_timeout, dedup_scope, group, headers, keep_alive, logins_per_second, max_backoff, max_disturbed, max_handshakes, max_message, max_reply, network_delay, notifications_path, password_charset, proxy, proxy_password, realm, reconcile_every, requests_per_second, roster, server_window, settle_after_outage, stall_hold, subscribe, time_zone
      did you mean base_url?

COMETBRIDGE__STOP_GRACE (environment): stop_grace: expected a duration such as "30s": a whole number and ms, s, m, h or d, found "25"

4 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_set_of_an_unknown_key_is_refused() {
    refused_with(
        &format!("{SITE}{SINK}"),
        &[],
        &[r#"log.lvel=info"#, r#"nonsense"#, r#"journal.reserve=1"#, r#"site.main.headers.x-token=hunter2"#],
        r#"
--set: log.lvel: unknown key
      allowed: format, level
      did you mean level?

--set: is not of the form key.path=value; quote a key that holds a dot: a."b.c"=value

--set: journal.reserve: expected a size such as "64KiB": a whole number and B, KiB, MiB, GiB or TiB, found "1"

--set: site.main.headers.x-token: a confidential header is given by reference
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

4 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_fault_of_a_drop_in_is_named_by_its_own_file() {
    let text = r#"[log]
level = "info"
"#;
    let home = Home::new();
    home.put(
        "conf.d/10-log.toml",
        r#"# a comment
[log]
level = "loud"
"#,
        0o644,
    );
    refused_in(
        &home,
        &format!("{text}{SITE}{SINK}"),
        &[],
        &[],
        r#"
DIR/conf.d/10-log.toml:3:9: log.level: "loud" is not one of the words allowed
    3 | level = "loud"
      |         ^^^^^^
      allowed: error, warn, info, debug, trace

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_drop_in_that_is_no_toml_is_named() {
    let text = r#"[log]
levl = "info"
"#;
    let home = Home::new();
    home.put(
        "conf.d/10-log.toml",
        r#"[log
"#,
        0o644,
    );
    refused_in(
        &home,
        &format!("{text}{SITE}{SINK}"),
        &[],
        &[],
        r#"
DIR/c.toml:2:1: log.levl: unknown key
    2 | levl = "…"
      | ^^^^
      allowed: format, level
      did you mean level?

DIR/conf.d/10-log.toml:1:5: unclosed table, expected `]`
    1 | [log
      |     ^

2 problems in the configuration; nothing was started"#,
    );
}

const ALL_AT_ONCE: &str = r#"
DIR/c.toml:1:14: stop_grace: expected a duration such as "30s": a whole number and ms, s, m, h or d, found "1x"
    1 | stop_grace = "1x"
      |              ^^^^

DIR/c.toml:3:10: admin.listen: beyond loopback callers have to show a token
    3 | listen = "0.0.0.0:9464"
      |          ^^^^^^^^^^^^^^
      allowed: a loopback address such as "127.0.0.1:9464", or admin.token = { file = "…" }

DIR/c.toml:4:13: sink.kafka.events.privacy: privacy is missing: every sink states what may leave through it
    4 | [sink.kafka.events]
      |             ^^^^^^
      allowed: full, no-content, pseudonymous, minimal

DIR/c.toml:5:11: sink.kafka.events.brokers: at least one broker is needed, e.g. ["kafka-1.example.com:9093"]
    5 | brokers = []
      |           ^^

DIR/c.toml:6:9: sink.kafka.events.topic: {tenant} is no placeholder
    6 | topic = "{tenant}"
      |         ^^^^^^^^^^
      allowed: {site}, {medium}, {class}

DIR/c.toml:8:1: sink.stdout.console.privcy: unknown key
    8 | privcy = "…"
      | ^^^^^^
      allowed: context, except, match, max_lag, mode, park, privacy, privacy_rules, raw, retry, start, transcripts, userdata
      did you mean privacy?

DIR/conf.d/10-site.toml:2:13: site.main.time_zone: "Europe/Berln" is not a time zone this machine knows
    2 | time_zone = "Europe/Berln"
      |             ^^^^^^^^^^^^^^
      allowed: "UTC" or an IANA name such as "Europe/Berlin"
      did you mean Europe/Berlin?

DIR/conf.d/10-site.toml:3:9: site.main.realm: "a/b" can not stand in event ids
    3 | realm = "a/b"
      |         ^^^^^
      allowed: 1 to 64 of the characters a-z, A-Z, 0-9, "-" and "_"

DIR/conf.d/10-site.toml:4:15: sink.webhook.console: the name console is taken by sink.stdout.console: a sink's name is used once
    4 | [sink.webhook.console]
      |               ^^^^^^^

DIR/conf.d/10-site.toml:4:15: sink.webhook.console.privacy: privacy is missing: every sink states what may leave through it
    4 | [sink.webhook.console]
      |               ^^^^^^^
      allowed: full, no-content, pseudonymous, minimal

DIR/conf.d/10-site.toml:4:15: sink.webhook.console.secrets: at least one secret is needed to sign with; without signatures set sink.webhook.console.unsigned = true
    4 | [sink.webhook.console]
      |               ^^^^^^^

DIR/conf.d/10-site.toml:5:7: sink.webhook.console.url: plain http beyond this machine shows everything to everybody on the way: use https, or set sink.webhook.console.allow_plaintext = true
    5 | url = "http://crm.example.com"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^

COMETBRIDGE__DEDUP__WINDOW (environment): dedup.window: 0s is out of bounds
      allowed: "1m" to "365d"

--set: sink.stdout.console.raw: expected true or false

14 problems in the configuration; nothing was started"#;

#[test]
fn faults_of_two_files_and_the_environment_come_together() {
    let text = r#"stop_grace = "1x"
[admin]
listen = "0.0.0.0:9464"
[sink.kafka.events]
brokers = []
topic = "{tenant}"
[sink.stdout.console]
privcy = "full"
"#;
    let home = Home::new();
    home.put(
        "conf.d/10-site.toml",
        r#"[site.main]
time_zone = "Europe/Berln"
realm = "a/b"
[sink.webhook.console]
url = "http://crm.example.com"
"#,
        0o644,
    );
    refused_in(
        &home,
        &format!("{text}{SITE}"),
        &[("COMETBRIDGE__DEDUP__WINDOW", "0s")],
        &[r#"sink.stdout.console.raw=maybe"#],
        ALL_AT_ONCE,
    );
}
