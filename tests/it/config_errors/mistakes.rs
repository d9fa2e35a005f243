//! Mistakes that one changed or added line makes, each with the whole answer.
//!
//! Deliberately absent: the line that counts the problems; there is one each time.

/// A mistake: its name, what of the good configuration is replaced (nothing means: added at the end) by what, and the answer.
pub type Mistake = (&'static str, &'static str, &'static str, &'static str);

pub const MISTAKES: &[Mistake] = &[
    (
        "an unknown key gets the nearest name",
        r#"file = "agents.csv""#,
        r#"fiel = "agents.csv""#,
        r#"
c.toml:5:1: site.main.roster.fiel: unknown key
    5 | fiel = "…"
      | ^^^^
      allowed: file, max_removed_percent, passwords, watch
      did you mean file?"#,
    ),
    (
        "a wrong type",
        "",
        r#"[dedup]
window = 30
"#,
        r#"
c.toml:10:10: dedup.window: expected a duration such as "30s": a whole number and ms, s, m, h or d, found a number
   10 | window = 30
      |          ^^"#,
    ),
    (
        "a bad duration",
        "",
        r#"[journal]
keep_delivered = "one day"
"#,
        r#"
c.toml:10:18: journal.keep_delivered: expected a duration such as "30s": a whole number and ms, s, m, h or d, found "one day"
   10 | keep_delivered = "one day"
      |                  ^^^^^^^^^"#,
    ),
    (
        "a bad size",
        "",
        r#"[journal]
reserve = "16 megabytes"
"#,
        r#"
c.toml:10:11: journal.reserve: expected a size such as "64KiB": a whole number and B, KiB, MiB, GiB or TiB, found "16 megabytes"
   10 | reserve = "16 megabytes"
      |           ^^^^^^^^^^^^^^"#,
    ),
    (
        "a site that is missing a secret file",
        r#""passwords.csv""#,
        r#""elsewhere.csv""#,
        r#"
c.toml:6:13: site.main.roster.passwords: the secret's file elsewhere.csv does not exist
    6 | passwords = { file = "elsewhere.csv" }
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "a secret that others can read",
        r#""passwords.csv""#,
        r#""wide""#,
        r#"
c.toml:6:13: site.main.roster.passwords: the secret's file wide can be read or written by others (mode 0644); run: chmod 600 on it
    6 | passwords = { file = "wide" }
      |             ^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "a literal secret is not shown",
        "",
        r#"[sink.webhook.crm]
url = "https://crm.example.com/hook"
privacy = "full"
secrets = ["whsec_hunter2hunter2hunter2"]
"#,
        r#"
c.toml:12:12: sink.webhook.crm.secrets[0]: a secret is never written into the configuration, only where it stands
   12 | secrets = ["…"]
      |            ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }"#,
    ),
    (
        "one name for two sinks",
        "",
        r#"[sink.kafka.console]
brokers = ["127.0.0.1:9092"]
topic = "gws.events"
privacy = "full"
"#,
        r#"
c.toml:7:14: sink.stdout.console: the name console is taken by sink.kafka.console: a sink's name is used once
    7 | [sink.stdout.console]
      |              ^^^^^^^"#,
    ),
    (
        "an unknown placeholder",
        "",
        r#"[sink.kafka.events]
brokers = ["127.0.0.1:9092"]
topic = "gws.{agent}"
privacy = "full"
"#,
        r#"
c.toml:11:9: sink.kafka.events.topic: {agent} is no placeholder
   11 | topic = "gws.{agent}"
      |         ^^^^^^^^^^^^^
      allowed: {site}, {medium}, {class}"#,
    ),
    (
        "a sink without privacy",
        r#"privacy = "full"
"#,
        "",
        r#"
c.toml:7:14: sink.stdout.console.privacy: privacy is missing: every sink states what may leave through it
    7 | [sink.stdout.console]
      |              ^^^^^^^
      allowed: full, no-content, pseudonymous, minimal"#,
    ),
    (
        "admin beyond loopback without a token",
        "",
        r#"[admin]
listen = "0.0.0.0:9464"
"#,
        r#"
c.toml:10:10: admin.listen: beyond loopback callers have to show a token
   10 | listen = "0.0.0.0:9464"
      |          ^^^^^^^^^^^^^^
      allowed: a loopback address such as "127.0.0.1:9464", or admin.token = { file = "…" }"#,
    ),
    (
        "plain http beyond loopback",
        "https://gws",
        "http://gws",
        r#"
c.toml:3:12: site.main.base_url: plain http beyond this machine shows everything to everybody on the way: use https, or set site.main.allow_plaintext = true
    3 | base_url = "http://gws.example.com"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "a bad url",
        "https://gws.example.com",
        "gws.example.com",
        r#"
c.toml:3:12: site.main.base_url: this is not a URL: relative URL without a base
    3 | base_url = "gws.example.com"
      |            ^^^^^^^^^^^^^^^^^
      allowed: https://host/path"#,
    ),
    (
        "an unknown medium in match",
        r#"privacy = "full"
"#,
        r#"privacy = "full"
match = { medium = ["telegram"] }
"#,
        r#"
c.toml:9:21: sink.stdout.console.match.medium[0]: "telegram" is no medium
    9 | match = { medium = ["telegram"] }
      |                     ^^^^^^^^^^
      allowed: facebooksession, chat, smssession, call, email, facebook, tweet, workitem, openmedia, imsession, workbin, outbound, user, service, agent, bridge, unknown"#,
    ),
    (
        "toml that can not be read",
        r#"[site.main]
"#,
        r#"[site.main
"#,
        r#"
c.toml:2:11: unclosed table, expected `]`
    2 | [site.main
      |           ^"#,
    ),
    (
        "a key that stands twice",
        "",
        r#"privacy = "no-content"
"#,
        r#"
c.toml:9:1: sink.stdout.console.privacy: duplicate key
    9 | privacy = "no-content"
      | ^^^^^^^"#,
    ),
    (
        "a property that the kafka sink owns",
        "",
        r#"[sink.kafka.events]
brokers = ["127.0.0.1:9092"]
topic = "gws.events"
privacy = "full"
librdkafka = { "enable.idempotence" = "false" }
"#,
        r#"
c.toml:13:39: sink.kafka.events.librdkafka."enable.idempotence": enable.idempotence is set by the sink itself: it is always true: retries would reorder or repeat events otherwise
   13 | librdkafka = { "enable.idempotence" = "…" }
      |                                       ^^^"#,
    ),
    (
        "an unknown time zone",
        r#"gws.example.com"
"#,
        r#"gws.example.com"
time_zone = "Europe/Berlim"
"#,
        r#"
c.toml:4:13: site.main.time_zone: "Europe/Berlim" is not a time zone this machine knows
    4 | time_zone = "Europe/Berlim"
      |             ^^^^^^^^^^^^^^^
      allowed: "UTC" or an IANA name such as "Europe/Berlin"
      did you mean Europe/Berlin?"#,
    ),
    (
        "no sink at all",
        r#"[sink.stdout.console]
privacy = "full"
"#,
        "",
        r#"
c.toml:1:1: sink: there is no sink: add a table [sink.kafka.NAME], [sink.webhook.NAME] or [sink.stdout.NAME]"#,
    ),
    (
        "no site at all",
        r#"[site.main]
base_url = "https://gws.example.com"
[site.main.roster]
file = "agents.csv"
passwords = { file = "passwords.csv" }
"#,
        "",
        r#"
c.toml:1:1: site: there is no site: add a table [site.NAME] with base_url, and [site.NAME.roster]"#,
    ),
    (
        "matching by what does not exist",
        r#"privacy = "full"
"#,
        r#"privacy = "full"
match = { queue = ["north"] }
"#,
        r#"
c.toml:9:11: sink.stdout.console.match.queue: unknown key
    9 | match = { queue = ["…"] }
      |           ^^^^^
      allowed: agent, authorkind, class, event, group, medium, site, state, visibility"#,
    ),
];
