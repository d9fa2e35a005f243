//! Mistakes in webhooks: the whole answer, as the operator sees it; and what a table without fault becomes.

use super::tests::{Home, SITE, refused};
use crate::outbound::settings::{Auth, Rate, Refusal, Target, WebhookConfig, WebhookMode};
use std::time::Duration;

const HOOK: &str = r#"[sink.webhook.crm]
url = "https://192.0.2.7/hooks"
privacy = "full"
secrets = [{ file = "DIR/secret" }]
"#;

fn refused_with_lines(lines: &str, expected: &str) {
    refused(&format!("{HOOK}{lines}{SITE}"), expected);
}

fn good(lines: &str) -> WebhookConfig {
    let home = Home::new();
    let settings = home.load(&format!("{HOOK}{lines}{SITE}"), &[], &[]).unwrap();
    match settings.sinks.into_iter().next().unwrap().target {
        Target::Webhook(webhook) => webhook,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_about_a_receiver_can_be_set() {
    let webhook = good(
        r#"mode = "batch"
batch = { events = 7 }
rate = "90/m"
on_4xx = "dead-letter"
on_status = { 404 = "retry" }
allow_networks = ["192.0.2.0/24", "::1"]
auth = { oauth2 = { token_url = "https://192.0.2.8/t", client_id = "b", client_secret = { file = "DIR/secret" }, scopes = ["x"], client_auth = "body" } }
"#,
    );
    assert_eq!((webhook.mode, webhook.batch.events, webhook.batch.bytes), (WebhookMode::Batch, 7, 512 << 10));
    assert_eq!(webhook.rate, Some(Rate { requests: 90, per: Duration::from_secs(60) }));
    assert_eq!(webhook.refusals.of(404), Refusal::Retry);
    assert_eq!(webhook.refusals.of(422), Refusal::DeadLetter);
    assert_eq!(webhook.allow_networks.len(), 2);
    assert!(matches!(webhook.auth, Some(Auth::OAuth2(oauth2)) if oauth2.in_body && oauth2.scopes == ["x"]));
    let plain = good("");
    assert_eq!(
        (plain.mode, plain.rate, plain.refusals.of(400)),
        (WebhookMode::Structured, None, Refusal::Retry)
    );
    assert!(plain.auth.is_none() && plain.allow_networks.is_empty());
}

#[test]
fn how_fast_and_how_much_is_spelled_in_one_way() {
    refused_with_lines(
        r#"rate = "50 per second"
batch = { events = 0 }
on_status = { 500 = "retry", "40x" = "retry", 429 = "dead-letter", 404 = "drop" }
"#,
        r#"
DIR/c.toml:5:8: sink.webhook.crm.rate: "50 per second" is not a rate
    5 | rate = "50 per second"
      |        ^^^^^^^^^^^^^^^
      allowed: 1 to 100000 requests per s, m or h, such as "50/s" or "600/m"

DIR/c.toml:6:20: sink.webhook.crm.batch.events: 0 is out of bounds
    6 | batch = { events = 0 }
      |                    ^
      allowed: 1 to 1000

DIR/c.toml:7:21: sink.webhook.crm.on_status.500: "500" is not a status that this can be set for
    7 | on_status = { 500 = "retry", "40x" = "retry", 429 = "dead-letter", 404 = "drop" }
      |                     ^^^^^^^
      allowed: "400" to "499"

DIR/c.toml:7:38: sink.webhook.crm.on_status.40x: "40x" is not a status that this can be set for
    7 | on_status = { 500 = "retry", "40x" = "retry", 429 = "dead-letter", 404 = "drop" }
      |                                      ^^^^^^^
      allowed: "400" to "499"

DIR/c.toml:7:53: sink.webhook.crm.on_status.429: what 429 means is fixed: the receiver asks for another try, later
    7 | on_status = { 500 = "retry", "40x" = "retry", 429 = "dead-letter", 404 = "drop" }
      |                                                     ^^^^^^^^^^^^^

DIR/c.toml:7:74: sink.webhook.crm.on_status.404: "drop" is not one of the words allowed
    7 | on_status = { 500 = "retry", "40x" = "retry", 429 = "dead-letter", 404 = "drop" }
      |                                                                          ^^^^^^
      allowed: retry, dead-letter

6 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn who_we_are_is_said_once_and_whole() {
    refused_with_lines(
        r#"auth = { bearer = { file = "DIR/secret" }, basic = { username = "b", password = { file = "DIR/secret" } } }
"#,
        r#"
DIR/c.toml:5:8: sink.webhook.crm.auth: auth names more than one way to show who we are
    5 | auth = { bearer = { file = "DIR/secret" }, basic = { username = "…", password = { file = "DIR/secret" } } }
      |        ^
      allowed: one of bearer, basic and oauth2

1 problem in the configuration; nothing was started"#,
    );
    refused_with_lines(
        r#"auth = { basic = { username = "a:b" } }
headers = { Authorization = { file = "DIR/secret" } }
"#,
        r#"
DIR/c.toml:5:18: sink.webhook.crm.auth.basic.password: password is missing
    5 | auth = { basic = { username = "a:b" } }
      |                  ^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:5:31: sink.webhook.crm.auth.basic.username: Basic can not carry a user name with a colon
    5 | auth = { basic = { username = "a:b" } }
      |                               ^^^^^

DIR/c.toml:6:29: sink.webhook.crm.headers.Authorization: auth sets this header: drop one of the two
    6 | headers = { Authorization = { file = "DIR/secret" } }
      |                             ^

3 problems in the configuration; nothing was started"#,
    );
    refused_with_lines(
        r#"auth = { oauth2 = { token_url = "http://login.example.com/t", scopes = ["a b"], client_secret = { file = "DIR/secret" } } }
"#,
        r#"
DIR/c.toml:5:19: sink.webhook.crm.auth.oauth2.client_id: client_id is missing
    5 | auth = { oauth2 = { token_url = "…", scopes = ["…"], client_secret = { file = "DIR/secret" } } }
      |                   ^

DIR/c.toml:5:33: sink.webhook.crm.auth.oauth2.token_url: plain http beyond this machine shows everything to everybody on the way: use https, or set sink.webhook.crm.allow_plaintext = true
    5 | auth = { oauth2 = { token_url = "…", scopes = ["…"], client_secret = { file = "DIR/secret" } } }
      |                                 ^

DIR/c.toml:5:73: sink.webhook.crm.auth.oauth2.scopes[0]: "a b" is not one scope: no blanks, quotes or backslashes
    5 | auth = { oauth2 = { token_url = "…", scopes = ["…"], client_secret = { file = "DIR/secret" } } }
      |                                                ^

3 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_table_in_which_nothing_stands_is_none() {
    assert!(good("auth = { basic = {}, oauth2 = { scopes = [] } }\n").auth.is_none());
}

#[test]
fn where_a_receiver_may_be_is_a_list_of_networks_without_a_proxy() {
    refused_with_lines(
        r#"allow_networks = ["10.0.0.0/8", "10.1.2.3/8", "intern"]
proxy = "http://bridge@proxy:3128"
client_certificate = { file = "DIR/wide" }
"#,
        r#"
DIR/c.toml:5:18: sink.webhook.crm.allow_networks: with a proxy it is the proxy that finds the receiver's address: nothing could be checked here; have the proxy allow it, and drop one of the two
    5 | allow_networks = ["10.0.0.0/8", "10.1.2.3/8", "intern"]
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:5:33: sink.webhook.crm.allow_networks[1]: "10.1.2.3/8" has bits beyond its prefix; the network is 10.0.0.0/8
    5 | allow_networks = ["10.0.0.0/8", "10.1.2.3/8", "intern"]
      |                                 ^^^^^^^^^^^^
      allowed: a network such as "10.0.0.0/8" or "fd00::/8", or an address such as "192.0.2.7"

DIR/c.toml:5:47: sink.webhook.crm.allow_networks[2]: "intern" is not a network
    5 | allow_networks = ["10.0.0.0/8", "10.1.2.3/8", "intern"]
      |                                               ^^^^^^^^
      allowed: a network such as "10.0.0.0/8" or "fd00::/8", or an address such as "192.0.2.7"

DIR/c.toml:7:22: sink.webhook.crm.client_certificate: the secret's file DIR/wide can be read or written by others (mode 0644); run: chmod 600 on it
    7 | client_certificate = { file = "DIR/wide" }
      |                      ^

4 problems in the configuration; nothing was started"#,
    );
    refused_with_lines(
        r#"allow_networks = ["10.0.0.0/8"]
proxy_password = { file = "DIR/secret" }
"#,
        r#"
DIR/c.toml:2:7: sink.webhook.crm.url: 192.0.2.7 is in none of the networks of sink.webhook.crm.allow_networks
    2 | url = "https://192.0.2.7/hooks"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:6:18: sink.webhook.crm.proxy_password: goes with a user name in proxy: http://USER@host:port
    6 | proxy_password = { file = "DIR/secret" }
      |                  ^

2 problems in the configuration; nothing was started"#,
    );
}
