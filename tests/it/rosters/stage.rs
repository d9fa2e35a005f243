//! A server, a daemon with a token, a roster that a test rewrites, and a receiver for what the bridge says.

use crate::harness::cometd::{Cometd, Kind, Like};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::LIMIT;
use crate::harness::sinks::{BRIDGE, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::fmt::Write as _;

pub struct Stage {
    pub server: Cometd,
    pub home: Home,
    pub daemon: Daemon,
    pub bridge: Receiver,
    /// Of each agent: its user name, its own password's file and its group; the key is `1001` and so on.
    pub lines: Vec<(String, String, String)>,
}

/// Users beyond those of the first roster.
const SPARE: usize = 3;

impl Stage {
    /// All of the first agents are connected. `keys` are of the roster's table, e.g. `watch = "1h"`.
    pub async fn start(kind: Kind, agents: usize, keys: &str) -> Stage {
        let mut stage = Stage::unconnected(kind, agents, keys).await;
        stage.daemon.connected(agents).await;
        stage
    }

    pub async fn unconnected(kind: Kind, agents: usize, keys: &str) -> Stage {
        let users = workload::users(agents + SPARE);
        let server = Cometd::start_like(kind, &Like::default(), &users).await;
        let bridge = Receiver::start().await;
        let mut home = Home::new();
        home.token = Some("a-token-of-this-test");
        home.write_roster(&users);
        let lines = users.iter().map(|user| (user.clone(), String::new(), String::new()));
        let lines: Vec<_> = lines.take(agents).collect();
        write(&home, &text(&lines));
        let vip = "[site.main.group.vip]\nheaders = { \"X-Node\" = \"2\" }\n";
        home.write_config(&server.url, &format!("{keys}{vip}{}", webhook("watch", &bridge.url, BRIDGE)));
        let daemon = run(&home, &[]);
        Stage { server, home, daemon, bridge, lines }
    }

    /// Kills the daemon, replaces the roster where one is given, and starts it again.
    pub fn killed_and_back(self, roster: Option<&str>, more: &[&str]) -> Stage {
        let Stage { server, home, daemon, bridge, lines } = self;
        daemon.kill();
        if let Some(text) = roster {
            write(&home, text);
        }
        let daemon = run(&home, more);
        Stage { server, home, daemon, bridge, lines }
    }

    /// A user that is in no line yet.
    pub fn spare(&self, number: usize) -> (String, String, String) {
        (format!("user-{:03}", self.lines.len() + number), String::new(), String::new())
    }

    pub fn write(&self, text: &str) {
        write(&self.home, text);
    }

    /// A roster of these agents, by number from 0.
    pub fn roster(&self, agents: impl IntoIterator<Item = usize>) -> String {
        let mut out = HEAD.to_owned();
        for agent in agents {
            out.push_str(&line(agent, &self.lines[agent]));
        }
        out
    }

    pub async fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        Daemon::asked(&self.home, arguments).await
    }

    /// What a command says that ends well.
    pub async fn told(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.ask(arguments).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
        stdout
    }

    /// Counters of the server, by name.
    pub async fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let stats = self.server.stats().await;
        names.map(|name| stats[name].as_u64().unwrap_or_else(|| panic!("{name} in {stats}")))
    }

    pub async fn counted<const N: usize>(&self, names: [&str; N], wanted: [u64; N]) {
        eventually(&format!("{names:?} are {wanted:?}"), LIMIT, || async {
            (self.counts(names).await == wanted).then_some(())
        })
        .await;
    }

    /// Agents of which a gap was opened.
    pub fn gaps(&self) -> Vec<String> {
        let opened = |event: &Value| event["event"] == "gap_opened";
        let events = self.bridge.events();
        let mut agents: Vec<String> = events
            .iter()
            .filter(|event| opened(event))
            .map(|e| e["agent"].as_str().unwrap().to_owned())
            .collect();
        agents.sort();
        agents
    }

    /// Stops it; nobody's name is in the log.
    pub async fn end(self) {
        let users: Vec<String> = self.lines.iter().map(|(user, ..)| user.clone()).collect();
        assert!(self.daemon.stop().await.success());
        self.home.log_is_clean(&users);
    }
}

fn run(home: &Home, more: &[&str]) -> Daemon {
    home.start_with(&[&["--set", "site.main.max_backoff=1s"], more].concat())
}

pub const HEAD: &str = "agent,username,password_file,group\n";

pub fn line(number: usize, (user, password, group): &(String, String, String)) -> String {
    format!("{},{user},{password},{group}\n", 1001 + number)
}

pub fn text(lines: &[(String, String, String)]) -> String {
    let mut out = HEAD.to_owned();
    for (number, one) in lines.iter().enumerate() {
        let _ = write!(out, "{}", line(number, one));
    }
    out
}

/// As careful people replace a file: never half of it is to be seen.
fn write(home: &Home, text: &str) {
    let new = home.write("agents.csv.new", text);
    std::fs::rename(new, home.path("agents.csv")).unwrap();
}
