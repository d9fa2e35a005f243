//! What stands in the compiled-in file, what the layers give, what is printed; and the tools of the other tests.

use super::keys::{Kind, keys};
use super::*;
use crate::inbound::settings::Scope;
use crate::outbound::settings::{OnLimit, Target};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A site and a sink without fault.
pub(super) const SITE: &str = r#"
[site.main]
base_url = "https://gws.example.com"
[site.main.roster]
file = "DIR/agents.csv"
"#;
pub(super) const SINK: &str = r#"
[sink.stdout.console]
privacy = "full"
"#;

/// A directory with a roster, secrets and a certificate; `DIR` in texts stands for it.
pub(super) struct Home(tempfile::TempDir);

impl Home {
    pub(super) fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.put("agents.csv", "agent,username\n1001,anna\n", 0o600);
        home.put("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0o600);
        home.put("wide", "hunter2\n", 0o644);
        home.put("bundle", "anna,hunter2\n", 0o600);
        home
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn directory(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    pub(super) fn put(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("DIR", self.directory())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn load(&self, text: &str, env: &[(&str, &str)], set: &[&str]) -> Result<Settings, Problems> {
        load(&self.sources(text, env, set))
    }

    pub(super) fn sources(&self, text: &str, env: &[(&str, &str)], set: &[&str]) -> Sources {
        self.put("c.toml", text, 0o644);
        let owned =
            |(name, value): &(&str, &str)| ((*name).to_owned(), value.replace("DIR", self.directory()));
        Sources {
            file: Some(self.path("c.toml")),
            environment: env.iter().map(owned).collect(),
            overrides: set.iter().map(|set| set.replace("DIR", self.directory())).collect(),
        }
    }

    fn problems(&self, text: &str, env: &[(&str, &str)], set: &[&str]) -> String {
        let found = self.load(text, env, set).expect_err("a configuration with a fault was taken");
        let found = found.to_string().replace(self.directory(), "DIR");
        // How wide a directory's name is depends on the machine, and with it the mark under it.
        let mut lines: Vec<String> = found.lines().map(str::to_owned).collect();
        for at in 1..lines.len() {
            if lines[at].starts_with("      | ") && lines[at - 1].contains("DIR") {
                let mark = lines[at].find('^').unwrap();
                lines[at].truncate(mark + 1);
            }
        }
        lines.join("\n")
    }
}

/// The whole answer to a configuration with faults.
#[track_caller]
pub(super) fn refused(text: &str, expected: &str) {
    refused_with(text, &[], &[], expected);
}

#[track_caller]
pub(super) fn refused_with(text: &str, env: &[(&str, &str)], set: &[&str], expected: &str) {
    refused_in(&Home::new(), text, env, set, expected);
}

#[track_caller]
pub(super) fn refused_in(home: &Home, text: &str, env: &[(&str, &str)], set: &[&str], expected: &str) {
    let found = home.problems(text, env, set);
    assert!(found == expected.trim_start_matches('\n'), "found:\n{found}\n\nexpected:\n{expected}");
}

fn good() -> (Home, Settings) {
    let home = Home::new();
    let settings = home.load(&format!("{SITE}{SINK}"), &[], &[]).unwrap();
    (home, settings)
}

/// Every key of a kind, as a path with `NAME` for free names.
fn every_key(kind: &Kind, path: &str, out: &mut Vec<String>) {
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match kind {
        Kind::Table(keys) => keys.iter().for_each(|(key, kind)| every_key(kind, &under(key), out)),
        Kind::Named(kind) => every_key(kind, &under("NAME"), out),
        _ => out.push(path.to_owned()),
    }
}

/// The compiled-in file with its commented-out keys put in force.
fn with_examples() -> String {
    let is_key = |rest: &str| {
        let key = rest.split(" = ").next().unwrap_or_default();
        rest.contains(" = ")
            && key.chars().all(|at| at.is_ascii_lowercase() || at.is_ascii_digit() || at == '_')
    };
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    DEFAULTS.lines().map(line).collect()
}

#[test]
fn every_key_of_the_file_exists_in_code_and_back() {
    let root = tree::parse(&with_examples()).unwrap();
    let mut keys_of_code = Vec::new();
    every_key(&keys(), "", &mut keys_of_code);
    let mut keys_of_file = Vec::new();
    fn collect(node: &tree::Node, kind: Option<&Kind>, path: &str, out: &mut Vec<String>) {
        match (&node.value, kind) {
            (tree::Value::Table(table), None | Some(Kind::Table(_) | Kind::Named(_))) => {
                for (key, node) in table {
                    let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    collect(node, kind.and_then(|kind| kind.under(key)), &at, out);
                }
            }
            _ => out.push(path.to_owned()),
        }
    }
    collect(&root, Some(&keys()), "", &mut keys_of_file);
    keys_of_code.sort();
    keys_of_file.sort();
    assert_eq!(keys_of_file, keys_of_code);
}

#[test]
fn every_value_of_the_file_is_of_its_keys_kind() {
    let text = with_examples().replace("NAME", "name");
    let root = tree::parse(&text).unwrap();
    let layer = layers::Layer { origin: layers::Origin::File("defaults".into()), text, root };
    let mut found = Findings::default();
    walk::check(&keys(), 0, &layer, &mut found);
    assert_eq!(Problems::new(Purpose::Act, found, &[layer]).list(), []);
}

#[test]
fn defaults_hold_where_nothing_is_said() {
    let (home, settings) = good();
    assert_eq!(settings.stop_grace, Duration::from_secs(25));
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(settings.log, LogSettings { format: LogFormat::Text, level: tracing::Level::INFO });
    assert_eq!(settings.journal.state_dir, PathBuf::from("/var/lib/cometbridge"));
    assert_eq!(settings.journal.dedup_window, Duration::from_secs(30 * 86_400));
    assert_eq!(settings.journal.reserve_bytes, 16 << 20);
    let site = &settings.sites[0];
    assert_eq!((site.name.as_str(), site.realm.as_str(), site.scope), ("main", "main", Scope::Interaction));
    assert_eq!((site.requests_per_second, site.logins_per_second), (15, 5));
    assert_eq!(site.roster.file, home.path("agents.csv"));
    assert_eq!(
        site.channels,
        [
            "/v2/me/facebooksession",
            "/v2/me/facebooksessions",
            "/v2/me/chats",
            "/v2/me/smssession",
            "/v2/me/smssessions",
            "/v2/me/devices",
            "/v2/me/channels",
            "/v2/me",
            "/notifications/services"
        ]
    );
    let sink = &settings.sinks[0];
    assert!(!sink.raw && matches!(sink.target, Target::Stdout(_)));
    assert_eq!(sink.max_lag.bytes, 8 << 30);
}

#[test]
fn a_later_layer_wins_key_by_key() {
    let home = Home::new();
    home.put("conf.d/10-a.toml", "stop_grace = \"2s\"\n[log]\nlevel = \"warn\"\n", 0o644);
    home.put("conf.d/20-b.toml", "stop_grace = \"3s\"\n[sink.stdout.console.max_lag]\nage = \"1h\"\n", 0o644);
    home.put("conf.d/.hidden.toml", "nonsense", 0o644);
    home.put("conf.d/README", "nonsense", 0o644);
    let text = format!("stop_grace = \"1s\"\n[log]\nlevel = \"error\"\nformat = \"json\"\n{SITE}{SINK}");
    let env = [
        ("COMETBRIDGE__STOP_GRACE", "4s"),
        ("COMETBRIDGE__SITE__MAIN__REALM", "0012345"),
        ("COMETBRIDGE__SITE__MAIN__REQUESTS_PER_SECOND", "30"),
        ("COMETBRIDGE__SITE__MAIN__APPEND_MESSAGE_TYPE", "false"),
        ("COMETBRIDGE__SITE__MAIN__SUBSCRIBE", "/v2/me/chats, services"),
        ("COMETBRIDGE_CONFIG", "not ours"),
        ("HOME", "/root"),
    ];
    let set =
        ["stop_grace=5s", "sink.stdout.console.match.medium=[\"chat\"]", "sink.stdout.console.raw=true"];
    let settings = home.load(&text, &env, &set).unwrap();
    assert_eq!(settings.stop_grace, Duration::from_secs(5));
    assert_eq!(settings.log, LogSettings { format: LogFormat::Json, level: tracing::Level::WARN });
    let (site, sink) = (&settings.sites[0], &settings.sinks[0]);
    assert_eq!(
        (site.realm.as_str(), site.requests_per_second, site.append_message_type),
        ("0012345", 30, false)
    );
    assert_eq!(site.channels, ["/v2/me/chats", "/notifications/services"]);
    assert_eq!((sink.matching.medium.as_slice(), sink.raw), (&["chat".to_owned()][..], true));
    // The rest of an inline table stays as it was.
    assert_eq!((sink.max_lag.age, sink.max_lag.bytes), (Duration::from_secs(3600), 8 << 30));
    assert_eq!(sink.max_lag.on_limit, OnLimit::Release);
}

#[test]
fn a_reference_is_replaced_whole_by_a_later_layer() {
    let home = Home::new();
    let text = format!("[admin]\ntoken = {{ exec = [\"x\"], timeout = \"1s\" }}\n{SITE}{SINK}");
    let token = |env: &[(&str, &str)], set: &[&str]| home.load(&text, env, set).unwrap().admin.token.unwrap();
    let file = SecretRef::File(home.path("secret"));
    assert_eq!(token(&[("COMETBRIDGE__ADMIN__TOKEN__FILE", "DIR/secret")], &[]), file);
    assert_eq!(token(&[], &["admin.token={ file = \"DIR/secret\" }"]), file);
    assert_eq!(
        token(&[("COMETBRIDGE__ADMIN__TOKEN", "{ env = \"T\" }"), ("T", "x")], &[]),
        SecretRef::Env("T".into())
    );
}

#[test]
fn a_configuration_may_come_from_the_environment_alone() {
    let home = Home::new();
    let roster = home.path("agents.csv").to_str().unwrap().to_owned();
    let environment = BTreeMap::from(
        [
            ("COMETBRIDGE__SITE__MAIN__BASE_URL", "https://gws.example.com"),
            ("COMETBRIDGE__SITE__MAIN__ROSTER__FILE", roster.as_str()),
            ("COMETBRIDGE__SINK__STDOUT__CONSOLE__PRIVACY", "no-content"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let settings = load(&Sources { environment, ..Sources::default() }).unwrap();
    assert_eq!(settings.sinks[0].name, "console");
}

#[test]
fn what_is_printed_has_every_key_and_loads_to_the_same() {
    let home = Home::new();
    let text = super::tests_examples::PRODUCTION.replace("/etc/cometbridge", "DIR");
    super::tests_examples::furnish(&home);
    let settings = home.load(&text, &[], &[]).unwrap();
    let printed = print_config(&settings);
    let again = home.load(&printed, &[], &[]).unwrap();
    assert_eq!(print_config(&again), printed);
    let shown = |settings: &Settings| {
        let Settings {
            journal,
            state_key,
            log,
            admin,
            stop_grace,
            sites,
            sinks,
            transcript,
            secrets,
            effective: _,
        } = settings;
        format!(
            "{journal:?} {state_key:?} {log:?} {admin:?} {stop_grace:?} {sites:?} {sinks:?} {transcript:?} {secrets:?}"
        )
    };
    assert_eq!(shown(&again), shown(&settings));
    assert!(!printed.contains("hunter2") && !printed.contains("whsec"), "{printed}");
    for key in ["state_dir = ", "# ca is not set", "[sink.kafka.events.librdkafka]", "token = { file = \""] {
        assert!(printed.contains(key), "{key} is missing in\n{printed}");
    }
}

#[test]
fn debug_output_of_settings_holds_no_secret() {
    let home = Home::new();
    super::tests_examples::furnish(&home);
    let settings = home.load(&super::tests_examples::PRODUCTION.replace("/etc/cometbridge", "DIR"), &[], &[]);
    let debug = format!("{:?}", settings.unwrap());
    assert!(!debug.contains("hunter2") && !debug.contains("whsec"), "{debug}");
}

proptest::proptest! {
    #[test]
    fn any_text_gives_settings_or_problems(text in "[a-z._\\[\\]={}\"0-9 \n]{0,80}") {
        let home = Home::new();
        if let Err(problems) = home.load(&format!("{text}{SITE}{SINK}"), &[], &[]) {
            proptest::prop_assert!(!problems.list().is_empty());
        }
    }
}
