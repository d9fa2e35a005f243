//! A simulator in a process of its own, a daemon's home beside it, and what both of them say in numbers.
//!
//! Deliberately absent: the questions (see its siblings).

use crate::harness::daemon::{Daemon, Home, command, sum};
use crate::harness::{eventually, http};
use crate::live::Running;
use serde_json::{Value, json};
use std::time::Duration;

/// How long anything may take; only ever waited for in full by a test that fails.
pub const LIMIT: Duration = Duration::from_secs(120);
/// The token of every daemon here: pauses and pardons ask for one.
const TOKEN: &str = "a-token-of-these-tests";

/// Whether the full sizes are wanted.
pub fn campaign() -> bool {
    std::env::var_os("COMETBRIDGE_CAMPAIGN").is_some()
}

/// What a server may see of a budget. What leaves within it arrives in lumps where a debug build shares its processors
/// with other tests: up to a second of it, as a server that was not asked to count for so long counts it with the next.
/// The campaign has the machine for itself; the pacing to the millisecond is held by the unit tests of `site`.
pub fn within(budget: u64) -> u64 {
    if campaign() { budget } else { 2 * budget }
}

/// A simulator and what is asked of it.
pub struct Server {
    _process: Running,
    pub url: String,
}

impl Server {
    /// With these arguments of `simulate` beyond the roster's place.
    pub fn start(home: &Home, arguments: &[&str]) -> Server {
        let dir = home.dir.path().to_str().unwrap();
        let mut process = Running::start(&[&["simulate", "--roster-dir", dir], arguments].concat());
        let line = process.line();
        let url = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Server { _process: process, url }
    }

    /// So many agents, and nothing happens by itself.
    pub fn quiet(home: &Home, agents: usize) -> Server {
        Server::start(home, &["--agents", &agents.to_string(), "--rate", "0"])
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let reply = http().get(format!("{}/simulator/{path}", self.url)).send().await.unwrap();
        serde_json::from_str(&reply.text().await.unwrap()).unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let request = http().post(format!("{}/simulator/{path}", self.url)).body(body.to_string());
        let reply = request.send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub async fn fault(&self, fault: Value) -> Value {
        self.post("faults", fault).await
    }

    /// One counter or maximum.
    pub async fn stat(&self, name: &str) -> u64 {
        let stats = self.get("stats").await;
        stats[name].as_u64().unwrap_or_else(|| panic!("no {name} in {stats}"))
    }

    pub async fn live(&self) -> usize {
        usize::try_from(self.stat("liveSessions").await).unwrap()
    }

    /// Login attempts by user since the maxima were reset: attempts, refused.
    pub async fn attempts(&self) -> Vec<(String, u64, u64)> {
        let logins = self.get("logins").await;
        let users = logins["users"].as_object().unwrap().clone();
        let number = |user: &Value, name: &str| user[name].as_u64().unwrap();
        users
            .iter()
            .map(|(name, user)| (name.clone(), number(user, "attempts"), number(user, "refused")))
            .collect()
    }

    pub async fn reset_peaks(&self) {
        self.post("reset-peaks", json!({})).await;
    }

    /// The HTTP and CometD sessions of these agents are gone.
    pub async fn expire(&self, agents: impl IntoIterator<Item = usize>) {
        let all: Vec<Value> =
            agents.into_iter().map(|n| json!({"fault": "expire", "user": user(n)})).collect();
        self.fault(all.into()).await;
    }
}

pub fn user(n: usize) -> String {
    format!("agent-{n}")
}

/// Writes the configuration: `base_url` in TOML, lines of the site, tables after it.
pub fn configure(home: &Home, base_url: &str, site: &str, more: &str) {
    let token = home.write("token", TOKEN);
    let text = format!(
        "state_dir = \"{state}\"\nstop_grace = \"20s\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
         token = {{ file = \"{token}\" }}\n[site.main]\nbase_url = {base_url}\n{site}\n\
         [site.main.roster]\nfile = \"{roster}\"\npasswords = {{ file = \"{passwords}\" }}\n\
         [sink.stdout.console]\nprivacy = \"full\"\n{more}",
        state = home.state_dir().display(),
        admin = home.admin_port,
        token = token.display(),
        roster = home.path("agents.csv").display(),
        passwords = home.path("passwords.csv").display(),
    );
    home.write("cometbridge.toml", &text);
}

/// A daemon whose pages want the token.
pub struct Bridge<'a> {
    home: &'a Home,
    pub daemon: Daemon,
}

impl Bridge<'_> {
    pub fn start(home: &Home) -> Bridge<'_> {
        Bridge { home, daemon: home.start() }
    }

    pub async fn page(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.home.admin_port);
        let reply = http().get(url).bearer_auth(TOKEN).send().await.ok()?;
        let status = reply.status().as_u16();
        Some((status, reply.text().await.ok()?))
    }

    /// The sum over all series that begin so; no number at all where nobody answers.
    pub async fn metric(&self, prefix: &str) -> f64 {
        sum(self.page("/metrics").await, prefix)
    }

    pub async fn until(&self, prefix: &str, limit: Duration, satisfied: impl Fn(f64) -> bool) {
        let start = std::time::Instant::now();
        loop {
            let now = self.metric(prefix).await;
            if satisfied(now) {
                return;
            }
            assert!(start.elapsed() < limit, "{prefix} is {now}\n{}", tail(&self.home.log()));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn in_state(&self, state: &str, agents: usize) {
        let limit = if campaign() { 10 * LIMIT } else { LIMIT };
        let prefix = format!("cometbridge_sessions{{site=\"main\",state=\"{state}\"}}");
        self.until(&prefix, limit, |n| n == agents as f64).await;
    }

    pub async fn connected(&self, agents: usize) {
        self.in_state("connected", agents).await;
    }

    /// Waits until the site's pause is on disk: the gauge shows it a moment before.
    pub async fn pause_is_stored(&self) {
        self.home.stored("the pause", "SELECT count(*) FROM note WHERE name = 'pause/main'").await;
    }

    /// What `/api/v1/status` says of the site.
    pub async fn site(&self) -> Value {
        let (_, text) = eventually("the status page", LIMIT, || self.page("/api/v1/status")).await;
        serde_json::from_str::<Value>(&text).unwrap()["sites"][0].clone()
    }

    /// A command that asks this daemon; what it printed.
    pub fn command(&self, arguments: &[&str]) -> String {
        let config = self.home.config();
        let all = [arguments, &["--config", config.to_str().unwrap()]].concat();
        let (code, stdout, stderr) = command(&all);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout
    }
}

/// The end of a log that may be very long.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
