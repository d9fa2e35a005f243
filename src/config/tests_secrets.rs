//! Mistakes with secrets and files: the whole answer, which must not repeat a secret.

use super::tests::{Home, SINK, SITE, refused, refused_with};

#[test]
fn a_literal_secret_is_refused_and_not_repeated() {
    let text = r#"[admin]
token = "hunter2" # hunter2
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:9: admin.token: a secret is never written into the configuration, only where it stands
    2 | token = "…"
      |         ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_literal_secret_of_the_environment_is_not_repeated() {
    refused_with(
        &format!("{SITE}{SINK}"),
        &[("COMETBRIDGE__ADMIN__TOKEN", "hunter2")],
        &[],
        r#"
COMETBRIDGE__ADMIN__TOKEN (environment): admin.token: a secret is never written into the configuration, only where it stands
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_reference_names_one_place() {
    let text = r#"[admin]
token = { env = "T", file = "DIR/secret" }
[sink.webhook.a]
privacy = "full"
url = "https://a.example"
secrets = [
  {}, { fil = "/x" }, { env = "" },
  { timeout = "1s", file = "DIR/secret" },
  "hunter2",
]
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:2:9: admin.token: a reference names exactly one place
    2 | token = { env = "T", file = "DIR/secret" }
      |         ^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:7:3: sink.webhook.a.secrets[0]: a reference names exactly one place
    7 |   {}, { fil = "…" }, { env = "" },
      |   ^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:7:7: sink.webhook.a.secrets[1]: a reference names exactly one place
    7 |   {}, { fil = "…" }, { env = "" },
      |       ^^^^^^^^^^^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:7:9: sink.webhook.a.secrets[1].fil: unknown key
    7 |   {}, { fil = "…" }, { env = "" },
      |         ^^^
      allowed: credential, env, exec, file, timeout
      did you mean file?

DIR/c.toml:7:23: sink.webhook.a.secrets[2]: the reference is empty
    7 |   {}, { fil = "…" }, { env = "" },
      |                      ^^^^^^^^^^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:8:3: sink.webhook.a.secrets[3]: only a command has a timeout
    8 |   { timeout = "…", file = "DIR/secret" },
      |   ^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:9:3: sink.webhook.a.secrets[4]: a secret is never written into the configuration, only where it stands
    9 |   "…",
      |   ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

7 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_missing_secret_file_is_named() {
    let text = r#"[admin]
token = { file = "DIR/none" }
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:9: admin.token: the secret's file DIR/none does not exist
    2 | token = { file = "DIR/none" }
      |         ^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_secret_file_open_to_others_is_refused() {
    let text = r#"[admin]
token = { file = "DIR/wide" }
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:9: admin.token: the secret's file DIR/wide can be read or written by others (mode 0644); run: chmod 600 on it
    2 | token = { file = "DIR/wide" }
      |         ^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_missing_variable_for_a_secret_is_named() {
    let text = r#"[admin]
token = { env = "ADMIN_TOKEN" }
"#;
    refused(
        &format!("{text}{SITE}{SINK}"),
        r#"
DIR/c.toml:2:9: admin.token: the environment variable ADMIN_TOKEN is not set
    2 | token = { env = "ADMIN_TOKEN" }
      |         ^^^^^^^^^^^^^^^^^^^^^^^

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn a_credential_is_looked_for_where_systemd_put_it() {
    let text = r#"[admin]
token = { credential = "../x" }
[site.main]
base_url = "https://gws.example.com"
client_certificate = { credential = "client" }
roster = { file = "DIR/agents.csv" }
"#;
    refused_with(
        &format!("{text}{SINK}"),
        &[("CREDENTIALS_DIRECTORY", "DIR")],
        &[],
        r#"
DIR/c.toml:2:9: admin.token: a credential's name is one plain file name, without a slash
    2 | token = { credential = "../x" }
      |         ^^^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:5:22: site.main.client_certificate: the credential client does not exist; see LoadCredential= of the unit
    5 | client_certificate = { credential = "client" }
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_command_knows_a_user_only_in_a_roster() {
    let text = r#"[admin]
token = { exec = ["get", "{username}"] }
[site.main]
base_url = "https://gws.example.com"
roster = { passwords = { exec = ["get"] }, file = "DIR/agents.csv" }
[sink.webhook.a]
privacy = "full"
url = "https://a.example"
secrets = [{ exec = ["get"], timeout = "1h" }]
"#;
    refused(
        text,
        r#"
DIR/c.toml:2:9: admin.token: {username} is known only in a roster's passwords
    2 | token = { exec = ["…", "…"] }
      |         ^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:5:24: site.main.roster.passwords: the command must hold {username}: it is called for each user
    5 | roster = { passwords = { exec = ["…"] }, file = "DIR/agents.csv" }
      |                        ^

DIR/c.toml:9:12: sink.webhook.a.secrets[0]: timeout is "1ms" to "5m"
    9 | secrets = [{ exec = ["…"], timeout = "…" }]
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

3 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_kafka_password_in_the_clear_is_refused() {
    let text = r#"[sink.kafka.events]
privacy = "full"
brokers = ["k:9092"]
topic = "t"
librdkafka = { "sasl.password" = "hunter2", "ssl.key.pem" = "hunter2" }
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:5:34: sink.kafka.events.librdkafka."sasl.password": sasl.password is a secret: it is given by reference
    5 | librdkafka = { "sasl.password" = "…", "ssl.key.pem" = "…" }
      |                                  ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:5:61: sink.kafka.events.librdkafka."ssl.key.pem": ssl.key.pem is a secret: it is given by reference
    5 | librdkafka = { "sasl.password" = "…", "ssl.key.pem" = "…" }
      |                                                       ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_proxys_password_is_a_reference() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
proxy = "http://anna:hunter2@proxy:3128"
roster = { file = "DIR/agents.csv" }
[site.b]
base_url = "https://gws.example.com"
proxy = "http://proxy:3128"
proxy_password = { file = "DIR/secret" }
roster = { file = "DIR/agents.csv" }
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:3:9: site.main.proxy: a password does not belong into a URL: it ends up in logs
    3 | proxy = "…"
      |         ^^^
      allowed: http://host:port, https://host:port

DIR/c.toml:8:18: site.b.proxy_password: goes with a user name in proxy: http://USER@host:port
    8 | proxy_password = { file = "DIR/secret" }
      |                  ^

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn bad_urls_are_refused_and_no_password_repeated() {
    let text = r#"[site.main]
base_url = ["gws.example.com", "https://anna:hunter2@gws.example.com", "https://gws.example.com/?token=hunter2", "ftp://x", "https://x#y"]
proxy = "anna:hunter2@proxy:3128"
roster = { file = "DIR/agents.csv" }
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:2:13: site.main.base_url[0]: this is not a URL: relative URL without a base
    2 | base_url = ["gws.example.com", "…", "…", "ftp://x", "https://x#y"]
      |             ^^^^^^^^^^^^^^^^^
      allowed: https://host/path

DIR/c.toml:2:32: site.main.base_url[1]: user name and password do not belong into a URL: they end up in logs
    2 | base_url = ["gws.example.com", "…", "…", "ftp://x", "https://x#y"]
      |                                ^^^

DIR/c.toml:2:72: site.main.base_url[2]: a base URL has no ?query: paths are appended to it
    2 | base_url = ["gws.example.com", "…", "…", "ftp://x", "https://x#y"]
      |                                     ^^^

DIR/c.toml:2:114: site.main.base_url[3]: only http and https are spoken here
    2 | base_url = ["gws.example.com", "…", "…", "ftp://x", "https://x#y"]
      |                                          ^^^^^^^^^

DIR/c.toml:2:125: site.main.base_url[4]: a URL to be called has no #fragment
    2 | base_url = ["gws.example.com", "…", "…", "ftp://x", "https://x#y"]
      |                                                     ^^^^^^^^^^^^^

DIR/c.toml:3:9: site.main.proxy: a proxy is reached by http or https
    3 | proxy = "…"
      |         ^^^
      allowed: http://host:port, https://host:port

6 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn headers_carry_what_headers_can() {
    let text = r#"[sink.webhook.crm]
privacy = "full"
unsigned = true
url = "https://crm.example.com"
[sink.webhook.crm.headers]
Authorization = "Bearer hunter2"
"X Y" = "z"
Host = "x"
X-A = "a\nb"
X-B = "b"
x-b = "c"
X-N = 5
"#;
    refused(
        &format!("{text}{SITE}"),
        r#"
DIR/c.toml:6:17: sink.webhook.crm.headers.Authorization: a confidential header is given by reference
    6 | Authorization = "…"
      |                 ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:7:9: sink.webhook.crm.headers."X Y": this is not a header's name
    7 | "X Y" = "…"
      |         ^^^

DIR/c.toml:8:8: sink.webhook.crm.headers.Host: host is set by cometbridge itself
    8 | Host = "…"
      |        ^^^

DIR/c.toml:9:7: sink.webhook.crm.headers.X-A: the value holds what a header can not carry
    9 | X-A = "…"
      |       ^^^

DIR/c.toml:11:7: sink.webhook.crm.headers.x-b: the header stands twice: names do not differ by case
   11 | x-b = "…"
      |       ^^^

DIR/c.toml:12:7: sink.webhook.crm.headers.X-N: expected a text in quotes, or a reference to a secret, found a number
   12 | X-N = …
      |       ^
      allowed: "…", { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

6 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn files_are_looked_at() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
ca = "DIR/agents.csv"
roster = { file = "DIR/none.csv" }
[sink.webhook.a]
privacy = "full"
url = "https://a.example"
unsigned = true
ca = "DIR/none.pem"
"#;
    refused(
        text,
        r#"
DIR/c.toml:3:6: site.main.ca: DIR/agents.csv holds no certificate in PEM (-----BEGIN CERTIFICATE-----)
    3 | ca = "DIR/agents.csv"
      |      ^

DIR/c.toml:4:19: site.main.roster.file: DIR/none.csv can not be read: No such file or directory (os error 2)
    4 | roster = { file = "DIR/none.csv" }
      |                   ^

DIR/c.toml:9:6: sink.webhook.a.ca: DIR/none.pem can not be read: No such file or directory (os error 2)
    9 | ca = "DIR/none.pem"
      |      ^

3 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_secret_in_any_wrong_place_is_not_repeated() {
    let home = Home::new();
    let lines = [
        "admin.token = hunter2",
        "admin.token = \"hunter2",
        "admin = { token = 'hunter2', tokn = 'hunter2' }",
        "pasword = \"hunter2\"",
        "sink.webhook.x.secrets = [\"hunter2\", { exec = [\"get\", \"hunter2\"] }]",
        "sink.webhook.x.headers = { X-Api-Key = \"hunter2\" }",
        "sink.webhook.x.url = \"http://u:hunter2@h:x\"",
        "sink.kafka.x.librdkafka = { \"sasl.password\" = \"hunter2\", \"acks\" = \"hunter2\" }",
        "site.x.roster.passwords = \"hunter2\"",
        "site.x.proxy = \"http://u:hunter2@h\"",
        "site.x.proxy_password = \"\"\"\nhunter2\n\"\"\"",
    ];
    for line in lines {
        let problems = home.load(&format!("{line}\n"), &[], &[]).unwrap_err();
        let shown = format!("{problems} {problems:?}");
        assert!(!shown.contains("hunter2"), "{line}: {shown}");
    }
}
