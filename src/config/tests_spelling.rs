//! Mistakes in spelling and types: the whole answer, as the operator sees it.

use super::tests::{SINK, SITE, refused};

#[test]
fn an_unknown_key_gets_a_suggestion() {
    let text = r#"[journal]
keep_deliverd = "24h"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:1: journal.keep_deliverd: unknown key
    2 | keep_deliverd = "…"
      | ^^^^^^^^^^^^^
      allowed: keep_dead_letters, keep_delivered, keep_gaps, max_dead_letters, reserve
      did you mean keep_delivered?

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn an_unknown_key_without_a_near_one_gets_the_list() {
    let text = r#"[log]
zebra = true
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:1: log.zebra: unknown key
    2 | zebra = …
      | ^^^^^
      allowed: format, level

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn an_unknown_key_in_a_nested_table_is_found() {
    let text = r#"[site.main.roster]
file = "DIR/agents.csv"
fiel = "x"
[site.main]
base_url = "https://gws.example.com"
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:3:1: site.main.roster.fiel: unknown key
    3 | fiel = "…"
      | ^^^^
      allowed: file, max_removed_percent, passwords, watch
      did you mean file?

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    let text = r#"stop_grace = 25
state_dir = true
[journal]
max_dead_letters = "many"
[site.main]
allow_plaintext = "yes"
subscribe = "services"
base_url = "https://gws.example.com"
[site.main.roster]
file = "DIR/agents.csv"
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:1:14: stop_grace: expected a duration such as "30s": a whole number and ms, s, m, h or d, found a number
    1 | stop_grace = 25
      |              ^^

DIR/c.toml:2:13: state_dir: expected a text in quotes, found true or false
    2 | state_dir = true
      |             ^^^^

DIR/c.toml:4:20: journal.max_dead_letters: expected a whole number from 0 to 4294967295, without quotes, found a text
    4 | max_dead_letters = "many"
      |                    ^^^^^^

DIR/c.toml:6:19: site.main.allow_plaintext: expected true or false, without quotes, found a text
    6 | allow_plaintext = "yes"
      |                   ^^^^^

DIR/c.toml:7:13: site.main.subscribe: expected a list such as ["a", "b"], found a text
    7 | subscribe = "services"
      |             ^^^^^^^^^^

5 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn numbers_out_of_range_are_of_the_wrong_type() {
    let text = r#"[journal]
max_dead_letters = -1
[site.main]
requests_per_second = 1.5
logins_per_second = 4294967296
base_url = "https://gws.example.com"
[site.main.roster]
file = "DIR/agents.csv"
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:2:20: journal.max_dead_letters: expected a whole number from 0 to 4294967295, without quotes
    2 | max_dead_letters = -1
      |                    ^^

DIR/c.toml:4:23: site.main.requests_per_second: expected a whole number from 0 to 4294967295, without quotes, found a number with a fraction
    4 | requests_per_second = 1.5
      |                       ^^^

DIR/c.toml:5:21: site.main.logins_per_second: expected a whole number from 0 to 4294967295, without quotes
    5 | logins_per_second = 4294967296
      |                     ^^^^^^^^^^

3 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_bad_duration_is_shown_with_an_example() {
    let text = r#"stop_grace = "25 seconds"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:1:14: stop_grace: expected a duration such as "30s": a whole number and ms, s, m, h or d, found "25 seconds"
    1 | stop_grace = "25 seconds"
      |              ^^^^^^^^^^^^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_bad_size_is_shown_with_an_example() {
    let text = r#"[journal]
reserve = "16MB"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:11: journal.reserve: expected a size such as "64KiB": a whole number and B, KiB, MiB, GiB or TiB, found "16MB"
    2 | reserve = "16MB"
      |           ^^^^^^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_word_that_is_not_allowed_gets_the_list() {
    let text = r#"[log]
level = "inof"
format = "xml"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:9: log.level: "inof" is not one of the words allowed
    2 | level = "inof"
      |         ^^^^^^
      allowed: error, warn, info, debug, trace
      did you mean info?

DIR/c.toml:3:10: log.format: "xml" is not one of the words allowed
    3 | format = "xml"
      |          ^^^^^
      allowed: text, json

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn names_are_plain() {
    let text = r#"[site.Main]
base_url = "https://gws.example.com"
[sink.stdout."my sink"]
privacy = "full"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:1:7: site.Main: a name is at most 64 of the characters a-z, 0-9, "-" and "_"
    1 | [site.Main]
      |       ^^^^

DIR/c.toml:3:14: sink.stdout."my sink": a name is at most 64 of the characters a-z, 0-9, "-" and "_"
    3 | [sink.stdout."my sink"]
      |              ^^^^^^^^^

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn the_kind_stands_in_the_tables_name() {
    let text = r#"[sink.events]
type = "kafka"
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:1:7: sink.events: unknown key
    1 | [sink.events]
      |       ^^^^^^
      allowed: kafka, stdout, webhook

1 problem in the configuration; nothing was started"#,
    );
}
