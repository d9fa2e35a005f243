//! What an operator sees for a mistake in the configuration: the whole answer of the built binary, letter by letter.
//!
//! Every mistake is made to one good configuration. Deliberately absent: the many more that the tests of
//! `src/config` go through without a process.

mod mistakes;

use crate::harness::daemon::BINARY;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const GOOD: &str = r#"state_dir = "state"
[site.main]
base_url = "https://gws.example.com"
[site.main.roster]
file = "agents.csv"
passwords = { file = "passwords.csv" }
[sink.stdout.console]
privacy = "full"
"#;

/// A directory as an operator has it; the program is started in it.
struct Here(tempfile::TempDir);

impl Here {
    fn new() -> Here {
        let here = Here(tempfile::tempdir().unwrap());
        here.put("agents.csv", "agent,username\n1001,anna\n", 0o600);
        here.put("passwords.csv", "anna,hunter2\n", 0o600);
        here.put("wide", "anna,hunter2\n", 0o644);
        here.put("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0o600);
        here
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, text: &str, mode: u32) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What the command says of the configuration on stderr; it must be refused with 78 and print nothing else.
    fn refused(&self, command: &str, more: &[&str], environment: &[(&str, &str)]) -> String {
        let output = Command::new(BINARY)
            .current_dir(self.path())
            .args([command, "--config", "c.toml"])
            .args(more)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(output.stdout.is_empty());
        assert!(!self.path().join("state").exists(), "nothing is made for a configuration that is refused");
        let said = said.strip_prefix("cometbridge: ").unwrap_or_else(|| panic!("{said}"));
        format!("\n{}", said.trim_end())
    }
}

fn with(from: &str, to: &str) -> String {
    if from.is_empty() {
        return format!("{GOOD}{to}");
    }
    assert!(GOOD.contains(from), "{from} is not in the good configuration");
    GOOD.replacen(from, to, 1)
}

#[test]
fn every_mistake_is_answered_with_its_place_its_key_and_what_is_allowed() {
    let mut wrong = Vec::new();
    for (name, from, to, expected) in mistakes::MISTAKES {
        let here = Here::new();
        here.put("c.toml", &with(from, to), 0o644);
        let found = here.refused("check", &[], &[]);
        let expected = format!("{expected}\n\n1 problem in the configuration; nothing was started");
        if found != expected {
            wrong.push(format!("{name}: found:{found}\n\nexpected:{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_good_configuration_is_good() {
    let here = Here::new();
    here.put("c.toml", GOOD, 0o644);
    let arguments = ["check", "--config", "c.toml"];
    let output = Command::new(BINARY).current_dir(here.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_variable_of_the_environment_with_a_wrong_value() {
    let here = Here::new();
    here.put("c.toml", GOOD, 0o644);
    let expected = r#"
COMETBRIDGE__ADMIN__LISTEN (environment): admin.listen: "everywhere" is not an address and a port such as "127.0.0.1:9464"

1 problem in the configuration; nothing was started"#;
    assert_eq!(here.refused("check", &[], &[("COMETBRIDGE__ADMIN__LISTEN", "everywhere")]), expected);
}

#[test]
fn a_set_of_an_unknown_key() {
    let here = Here::new();
    here.put("c.toml", GOOD, 0o644);
    let expected = r#"
--set: log.levle: unknown key
      allowed: format, level
      did you mean level?

1 problem in the configuration; nothing was started"#;
    assert_eq!(here.refused("check", &["--set", "log.levle=debug"], &[]), expected);
}

#[test]
fn a_fault_of_conf_d_is_named_by_its_own_file() {
    let here = Here::new();
    here.put("c.toml", GOOD, 0o644);
    here.put("conf.d/50-site.toml", "[journal]\nmax_dead_letters = -1\n", 0o644);
    let expected = r#"
conf.d/50-site.toml:2:20: journal.max_dead_letters: expected a whole number from 0 to 4294967295, without quotes
    2 | max_dead_letters = -1
      |                    ^^

1 problem in the configuration; nothing was started"#;
    assert_eq!(here.refused("check", &[], &[]), expected);
}

#[test]
fn faults_of_two_files_are_all_told_at_once() {
    let here = Here::new();
    here.put("c.toml", &GOOD.replacen(r#""full""#, r#""all""#, 1).replacen("https://", "ftp://", 1), 0o644);
    here.put("conf.d/50-site.toml", "[log]\nlevel = \"loud\"\n[sit.main]\nrealm = \"x\"\n", 0o644);
    let expected = r#"
c.toml:3:12: site.main.base_url: only http and https are spoken here
    3 | base_url = "ftp://gws.example.com"
      |            ^^^^^^^^^^^^^^^^^^^^^^^

c.toml:8:11: sink.stdout.console.privacy: "all" is not one of the words allowed
    8 | privacy = "all"
      |           ^^^^^
      allowed: full, no-content, pseudonymous, minimal

conf.d/50-site.toml:2:9: log.level: "loud" is not one of the words allowed
    2 | level = "loud"
      |         ^^^^^^
      allowed: error, warn, info, debug, trace

conf.d/50-site.toml:3:2: sit: unknown key
    3 | [sit.main]
      |  ^^^
      allowed: admin, dedup, journal, log, privacy_key, sink, site, state_dir, state_key, stop_grace, transcript
      did you mean site?

4 problems in the configuration; nothing was started"#;
    assert_eq!(here.refused("check", &[], &[]), expected);
}

#[test]
fn run_refuses_as_check_does() {
    let here = Here::new();
    here.put("c.toml", &GOOD.replacen("state_dir", "state_dri", 1), 0o644);
    let expected = r#"
c.toml:1:1: state_dri: unknown key
    1 | state_dri = "…"
      | ^^^^^^^^^
      allowed: admin, dedup, journal, log, privacy_key, sink, site, state_dir, state_key, stop_grace, transcript
      did you mean state_dir?

1 problem in the configuration; nothing was started"#;
    assert_eq!(here.refused("run", &[], &[]), expected);
}
