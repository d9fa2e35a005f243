//! Groups, the key of the state directory, and how often a session is looked after.

use super::tests::{Home, SINK, SITE, refused};
use crate::base::secret::SecretRef;
use crate::inbound::settings::HeaderValue;
use std::time::Duration;

#[test]
fn a_group_is_taken_over_with_all_that_pins_it() {
    let home = Home::new();
    let text = format!(
        "{SITE}[site.main.group.north]\nbase_url = \"https://gws-2.example.com/a\"\n\
         headers = {{ \"X-Node\" = \"2\", \"X-Token\" = {{ file = \"DIR/secret\" }} }}\ncookies = {{ ROUTEID = \".2\" }}\n\
         [site.main.group.plain]\n{SINK}"
    );
    let settings = home.load(&text, &[], &[]).unwrap();
    let groups = &settings.sites[0].groups;
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["north", "plain"]);
    let north = &groups["north"];
    assert_eq!(north.base_url.as_ref().unwrap().as_str(), "https://gws-2.example.com/a");
    assert_eq!(north.cookies, [("ROUTEID".to_owned(), ".2".to_owned())]);
    let [(node, HeaderValue::Plain(plain)), (token, HeaderValue::Secret(place))] = north.headers.as_slice()
    else {
        panic!("{:?}", north.headers);
    };
    assert_eq!((node.as_str(), plain.as_str(), token.as_str()), ("X-Node", "2", "X-Token"));
    assert_eq!(place, &SecretRef::File(home.path("secret")));
    assert!(groups["plain"].base_url.is_none());
}

#[test]
fn a_header_that_every_login_would_overwrite_is_refused() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
roster = { file = "DIR/agents.csv" }
headers = { Authorization = { file = "DIR/secret" }, Accept = "*/*" }
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:4:29: site.main.headers.Authorization: authorization is set by cometbridge itself
    4 | headers = { Authorization = { file = "DIR/secret" }, Accept = "…" }
      |                             ^

DIR/c.toml:4:75: site.main.headers.Accept: accept is set by cometbridge itself
    4 | headers = { Authorization = { file = "DIR/secret" }, Accept = "…" }
      |                                                                           ^

2 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn what_can_not_pin_a_group_is_refused() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
roster = { file = "DIR/agents.csv" }
[site.main.group.north]
base_url = "http://gws.example.com"
headers = { Cookie = "a=b", "X-Token" = "abc" }
cookies = { JSESSIONID = "x", "a b" = "x", ROUTE = "a;b" }
[site.main.group.south]
base_url = "https://gws.example.com?x=1"
node = 1
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:5:12: site.main.group.north.base_url: plain http beyond this machine shows everything to everybody on the way: use https, or set site.main.allow_plaintext = true
    5 | base_url = "http://gws.example.com"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^

DIR/c.toml:6:22: site.main.group.north.headers.Cookie: cookie is set by cometbridge itself
    6 | headers = { Cookie = "…", "X-Token" = "…" }
      |                      ^^^

DIR/c.toml:6:41: site.main.group.north.headers.X-Token: a confidential header is given by reference
    6 | headers = { Cookie = "…", "X-Token" = "…" }
      |                                       ^^^
      allowed: { file = "…" }, { env = "…" }, { credential = "…" }, { exec = ["…"], timeout = "10s" }

DIR/c.toml:7:26: site.main.group.north.cookies.JSESSIONID: the server gives this cookie to each session; a fixed one would mix sessions up
    7 | cookies = { JSESSIONID = "…", "a b" = "…", ROUTE = "…" }
      |                          ^^^

DIR/c.toml:7:39: site.main.group.north.cookies."a b": this is not a cookie's name
    7 | cookies = { JSESSIONID = "…", "a b" = "…", ROUTE = "…" }
      |                                       ^^^

DIR/c.toml:7:52: site.main.group.north.cookies.ROUTE: the value holds what a cookie can not carry (blanks, quotes, commas, semicolons, backslashes)
    7 | cookies = { JSESSIONID = "…", "a b" = "…", ROUTE = "…" }
      |                                                    ^^^

DIR/c.toml:9:12: site.main.group.south.base_url: a base URL has no ?query: paths are appended to it
    9 | base_url = "…"
      |            ^^^

DIR/c.toml:10:1: site.main.group.south.node: unknown key
   10 | node = …
      | ^^^^
      allowed: base_url, cookies, headers

8 problems in the configuration; nothing was started"#,
    );
}

#[test]
fn a_session_is_looked_after_before_the_server_forgets_it() {
    let text = r#"[site.main]
base_url = "https://gws.example.com"
keep_alive = "26m"
reconcile_every = "500ms"
[site.main.roster]
file = "DIR/agents.csv"
watch = "10ms"
max_removed_percent = 101
"#;
    refused(
        &format!("{text}{SINK}"),
        r#"
DIR/c.toml:3:14: site.main.keep_alive: 26m is too long: GWS ends an HTTP session after 30 minutes of rest
    3 | keep_alive = "26m"
      |              ^^^^^
      allowed: "100ms" to "25m"

DIR/c.toml:4:19: site.main.reconcile_every: 500ms is out of bounds
    4 | reconcile_every = "500ms"
      |                   ^^^^^^^
      allowed: "1s" to "1d"

DIR/c.toml:7:9: site.main.roster.watch: 10ms is out of bounds
    7 | watch = "10ms"
      |         ^^^^^^
      allowed: "100ms" to "1h"

DIR/c.toml:8:23: site.main.roster.max_removed_percent: 101 is out of bounds
    8 | max_removed_percent = 101
      |                       ^^^
      allowed: 0 to 100

4 problems in the configuration; nothing was started"#,
    );
    let settings =
        Home::new().load(&format!("{SITE}{SINK}"), &[], &["site.main.reconcile_every=0s"]).unwrap();
    assert_eq!(settings.sites[0].reconcile_every, Duration::ZERO, "zero means never");
}

#[test]
fn the_state_key_is_a_reference_and_one_of_the_secrets() {
    let home = Home::new();
    let settings =
        home.load(&format!("state_key = {{ file = \"DIR/secret\" }}\n{SITE}{SINK}"), &[], &[]).unwrap();
    assert_eq!(settings.state_key, Some(SecretRef::File(home.path("secret"))));
    assert!(settings.secrets.iter().any(|(path, _)| path == "state_key"));
    let faults =
        home.load(&format!("state_key = {{ file = \"DIR/wide\" }}\n{SITE}{SINK}"), &[], &[]).unwrap_err();
    assert!(faults.to_string().contains("state_key: the secret's file"), "{faults}");
}
