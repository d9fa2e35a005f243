//! A server, a recorder of the requests that reach it, and a home beside it.
//!
//! The daemon's machine knows one authority, `everybody`, in place of those that this machine knows. Deliberately
//! absent: the links (see its siblings).

use crate::harness::certificates::{Authority, Issued};
use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::{Daemon, Home, command_with};
use crate::harness::eventually;
use crate::harness::front::Front;
use crate::harness::proxy::{Passed, Proxy};
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{TOLD, stdout};
use crate::harness::workload;
use rustls::version::{TLS12, TLS13};
use std::path::PathBuf;

pub const AGENTS: usize = 2;
/// The name that every front is called by.
pub const NAME: &str = "localhost";

pub struct Stage {
    pub server: Cometd,
    pub recorder: Proxy,
    pub home: Home,
    pub everybody: Authority,
    pub users: Vec<String>,
}

impl Stage {
    pub async fn on(kind: Kind) -> Stage {
        Stage::of(kind, &workload::users(AGENTS)).await
    }

    pub async fn of(kind: Kind, users: &[String]) -> Stage {
        let server = Cometd::start_like(kind, &Like::default(), users).await;
        let (recorder, home) = (Proxy::before(server.port()).await, Home::new());
        home.write_roster(users);
        let everybody = Authority::new("everybody's");
        home.write("system.pem", &everybody.pem());
        Stage { server, recorder, home, everybody, users: users.to_vec() }
    }

    fn recorder_port(&self) -> u16 {
        self.recorder.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// TLS before the recorder.
    pub async fn front(&self, shown: &Issued) -> Front {
        Front::before(self.recorder_port(), shown.served(None, &[&TLS12, &TLS13])).await
    }

    /// The same, for those alone who show what `clients` issued.
    pub async fn guarded(
        &self,
        shown: &Issued,
        clients: &Authority,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Front {
        Front::before(self.recorder_port(), shown.served(Some(clients), &[version])).await
    }

    /// A key whose value is a file with this text.
    pub fn file(&self, key: &str, text: &str) -> String {
        format!("{key} = \"{}\"\n", self.home.write(&format!("{key}.pem"), text).display())
    }

    /// A key whose value is a secret that stands in a file.
    pub fn secret(&self, key: &str, text: &str) -> String {
        format!("{key} = {{ file = \"{}\" }}\n", self.home.write(&format!("{key}.secret"), text).display())
    }

    /// `keys` are lines of the site.
    pub fn configure(&self, url: &str, keys: &str) {
        self.home.write_config(url, &stdout("console", TOLD));
        let text = std::fs::read_to_string(self.home.config()).unwrap();
        self.home
            .write("cometbridge.toml", &text.replacen("[site.main]\n", &format!("[site.main]\n{keys}"), 1));
    }

    /// It tells all it can: libraries speak of what they send, too.
    pub fn start(&self) -> Daemon {
        let system = ("SSL_CERT_FILE", self.home.path("system.pem"));
        self.home.start_under(&[system, ("COMETBRIDGE__LOG__LEVEL", "trace".into())])
    }

    /// Exit code, stdout and stderr of a command.
    pub fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        let (config, system) = (self.home.config(), self.home.path("system.pem"));
        let all = [arguments, &["--config", config.to_str().unwrap()]].concat();
        command_with(&all, &[("SSL_CERT_FILE", system.to_str().unwrap())])
    }

    /// All agents connect, and what is published arrives; what reached the server meanwhile.
    pub async fn works(self, secrets: &[&str]) -> Vec<Passed> {
        let mut daemon = self.start();
        daemon.connected(self.users.len()).await;
        let Stage { server, recorder, home, users, .. } = self;
        let mut scene = Scene::around(server, home, daemon, &users, 10);
        scene.publish(10).await;
        let events = scene.expected.events();
        scene.delivered("stdout", "console", events).await;
        scene.complete("console", &scene.stdout_events());
        let home = scene.end().await;
        nothing_secret(&home, secrets);
        recorder.passed()
    }

    /// The link does not work: the log says so of each agent with these words, `/readyz` says why, the pilot's sheet
    /// too; nothing reaches the server, and nothing else is wrong.
    pub async fn fails(&self, words: &[&str], secrets: &[&str]) -> String {
        let daemon = self.start();
        let mut message = String::new();
        for agent in 1001..1001 + AGENTS {
            let agent = format!("agent=\"{agent}\"");
            message =
                self.home.logged(&[&["WARN", "login failed, trying again: ", &agent], words].concat()).await;
        }
        let message = message.split("trying again: ").nth(1).unwrap();
        let message = message.split(" site=\"main\"").next().unwrap().to_owned();
        let said = |text: &str| words.iter().all(|word| text.contains(word));
        let unready = format!("site main: none of {AGENTS} agents is connected, 0 refused: login failed: ");
        eventually(&format!("/readyz says: {unready}{message}"), LIMIT, || async {
            let (status, text) = daemon.get("/readyz").await?;
            (status == 503 && text.lines().any(|line| line.starts_with(&unready) && said(line))).then_some(())
        })
        .await;
        let alarms = |line: &&String| line.contains(" WARN ") || line.contains(" ERROR ");
        for line in self.home.stderr.lock().unwrap().iter().filter(alarms) {
            let others = ["the host fails again and again", "a proxy on the way refuses us"];
            let other_alarm = others.iter().any(|words| line.contains(words));
            assert!(said(line) || other_alarm, "another message: {line}");
        }
        for agent in 1001..1001 + AGENTS {
            let agent = format!("agent=\"{agent}\"");
            let first = self.home.log_lines(&[&["WARN", agent.as_str(), "attempt=1"], words].concat());
            assert_eq!(first.len(), 1, "one message:\n{}", self.home.log());
        }
        assert!(daemon.stop().await.success());
        self.home.log_is_clean(&self.users);
        nothing_secret(&self.home, secrets);
        self.the_pilot_says(words, secrets);
        assert!(self.recorder.passed().is_empty(), "nothing may reach the server");
        message
    }

    fn the_pilot_says(&self, words: &[&str], secrets: &[&str]) {
        let sheet: PathBuf = self.home.path("sheet.md");
        let out = sheet.to_str().unwrap();
        let arguments = ["pilot", "--site", "main", "--agent", "1001", "--for", "1s", "--out", out];
        let (code, stdout, stderr) = self.command(&arguments);
        let said = stdout + &stderr + &std::fs::read_to_string(sheet).unwrap();
        assert_eq!(code, 1, "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} is not in\n{said}");
        assert!(!secrets.iter().any(|secret| said.contains(secret)), "{said}");
    }

    /// `check` and `run` refuse to start with these words.
    pub fn refused(&self, words: &[&str]) {
        for command in ["check", "run"] {
            let (code, stdout, stderr) = self.command(&[command]);
            assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
            assert!(words.iter().all(|word| stderr.contains(word)), "{words:?}: {stderr}");
            let lines = stderr.lines().filter(|line| line.contains("site main: ")).count();
            assert_eq!(lines, 1, "one message: {stderr}");
            assert!(!stderr.contains("PRIVATE KEY"), "{stderr}");
        }
    }
}

/// Neither the log nor the events hold one of these, nor a password of an agent.
fn nothing_secret(home: &Home, secrets: &[&str]) {
    let log = home.log();
    for secret in secrets.iter().chain(&["pw-", "Basic "]) {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}
