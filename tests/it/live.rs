//! The commands that run on: `demo`, `simulate`, `run --only`, and `check` beside a running daemon.
//!
//! Deliberately absent: wall-clock asserts; how long the demo took to its first envelope is printed.

use crate::cli::good_home;
use crate::harness::daemon::{BINARY, Home, command};
use crate::harness::{eventually, http};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// A process of ours that is ended at the latest with the test; stderr stands in a file.
pub struct Running {
    child: Child,
    pub stdout: BufReader<ChildStdout>,
    pub dir: tempfile::TempDir,
}

impl Running {
    pub fn start(arguments: &[&str]) -> Running {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let stderr = std::fs::File::create(dir.path().join("stderr")).unwrap();
        let mut child = Command::new(BINARY)
            .args(arguments)
            .env("TMPDIR", dir.path().join("tmp"))
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, stdout, dir }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "stdout ended: {}", self.stderr());
        line
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// What the process keeps in its temporary directory.
    fn scratch(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("tmp")).unwrap().count()
    }

    pub fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the envelope is what `cometbridge schema` promises of its type.
fn validate(line: &str) -> String {
    let envelope: Value = serde_json::from_str(line).unwrap();
    let name = envelope["dataschema"].as_str().unwrap();
    let (code, schema, stderr) = command(&["schema", name]);
    assert_eq!(code, 0, "{stderr}");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    if let Err(error) = jsonschema::validate(&schema, &envelope) {
        panic!("{name}: {error}\n{line}");
    }
    name.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_envelopes_a_summary_and_its_admin_page_and_ends_at_ctrl_c() {
    let start = Instant::now();
    let mut demo = Running::start(&["demo"]);
    let first = demo.line();
    println!("demo: first envelope after {:.1} s", start.elapsed().as_secs_f64());
    let mut schemas = std::collections::BTreeSet::from([validate(&first)]);
    while schemas.len() < 3 {
        let line = demo.line();
        schemas.insert(validate(&line));
    }
    assert_eq!(demo.scratch(), 1, "state, roster and passwords stand in one directory");
    let said = demo.stderr();
    let admin = said.split("admin at ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let page = http().get(&admin).send().await.unwrap();
    assert!(page.status().is_success());
    assert!(page.text().await.unwrap().contains("cometbridge"));
    let metrics = http().get(format!("{admin}metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("cometbridge_sessions{site=\"demo\",state=\"connected\"} 3"), "{metrics}");
    // Somebody reads on, as a terminal would; the summary comes by itself.
    let mut rest = std::mem::replace(&mut demo.stdout, BufReader::new(demo_nothing()));
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        rest.read_to_string(&mut text).unwrap();
        text
    });
    let stderr = demo.dir.path().join("stderr");
    eventually("the summary shows a repeat that was dropped", LIMIT, || {
        let said = std::fs::read_to_string(&stderr).unwrap();
        let seen = said.lines().any(|line| {
            line.contains("3 sessions up")
                && line.contains(" events, ")
                && !line.contains(", 0 duplicates dropped")
        });
        async move { seen.then_some(()) }
    })
    .await;
    demo.interrupt();
    assert_eq!(demo.ended().await.code(), Some(0));
    assert!(reader.join().unwrap().lines().all(|line| line.starts_with('{')), "only envelopes on stdout");
    let said = demo.stderr();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("cometbridge demo: ended; 3 sessions up, "), "{said}");
    assert_eq!(demo.scratch(), 0, "the temporary directory is removed");
}

fn demo_nothing() -> ChildStdout {
    Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_by_itself_after_the_seconds_it_was_given() {
    let mut demo = Running::start(&["demo", "--seconds", "2"]);
    let mut text = String::new();
    demo.stdout.read_to_string(&mut text).unwrap();
    assert_eq!(demo.ended().await.code(), Some(0));
    assert!(demo.stderr().contains("cometbridge demo: ended; "), "{}", demo.stderr());
    assert_eq!(demo.scratch(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_quietly_when_its_reader_goes() {
    let mut demo = Running::start(&["demo"]);
    for _ in 0..3 {
        demo.line();
    }
    demo.stdout = BufReader::new(demo_nothing());
    assert_eq!(demo.ended().await.code(), Some(0));
    let said = demo.stderr();
    for word in ["ERROR", "WARN", "panic", "Broken pipe"] {
        assert!(!said.contains(word), "{said}");
    }
    assert!(said.lines().last().unwrap().starts_with("cometbridge demo: ended; "), "{said}");
    assert_eq!(demo.scratch(), 0);
}

/// A simulator as a process of its own, its roster beside it.
pub fn simulator(dir: &Path, agents: usize, rate: u32) -> (Running, String) {
    let (agents, rate) = (agents.to_string(), rate.to_string());
    let arguments = ["simulate", "--agents", &agents, "--rate", &rate, "--roster-dir", dir.to_str().unwrap()];
    let mut running = Running::start(&arguments);
    let line = running.line();
    let url = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (running, url)
}

/// A home whose site is a simulator with events on the way.
pub fn simulated(agents: usize, rate: u32, more: &str) -> (Running, Home) {
    let home = Home::new();
    let (simulator, url) = simulator(home.dir.path(), agents, rate);
    home.write_config(&url, more);
    (simulator, home)
}

const STDOUT: &str = "[sink.stdout.console]\nprivacy = \"full\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_says_ready_serves_the_written_roster_and_ends_at_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut simulator, url) = simulator(dir.path(), 2, 0);
    let roster = std::fs::read_to_string(dir.path().join("agents.csv")).unwrap();
    assert_eq!(roster, "agent,username\n1,agent-1\n2,agent-2\n");
    let me = |user: &'static str, password: &'static str| {
        http().get(format!("{url}/api/v2/me")).basic_auth(user, Some(password)).send()
    };
    let answer: Value =
        serde_json::from_str(&me("agent-2", "simulated").await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!((&answer["statusCode"], &answer["user"]["userName"]), (&0.into(), &"agent-2".into()));
    assert!(!me("agent-2", "wrong").await.unwrap().status().is_success());
    simulator.interrupt();
    assert_eq!(simulator.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_simulators_load_tells_is_what_its_rest_shows() {
    let (_simulator, home) = simulated(4, 8, STDOUT);
    let mut daemon = home.start_with(&["--set", "site.main.reconcile_every=2s"]);
    daemon.connected(4).await;
    daemon.until("cometbridge_session_readings_total", LIMIT, |n| n >= 16.0).await;
    for alarm in ["cometbridge_sessions_silent", "cometbridge_session_gaps_total"] {
        assert_eq!(daemon.metric(alarm).await, 0.0, "{alarm}");
    }
    assert!(home.log_lines(&["it is silent"]).is_empty(), "{}", home.log());
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_agents_that_were_named_are_held() {
    let (_simulator, home) = simulated(3, 0, STDOUT);
    let mut daemon = home.start_with(&["--only", "2"]);
    daemon.connected(1).await;
    let (_, status) = daemon.get("/api/v1/status").await.unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["sites"][0]["agents"], 1);
    assert_eq!(status["sites"][0]["sessions"], serde_json::json!({"connected": 1}));
    assert!(daemon.stop().await.success());

    let config = home.config();
    let (code, _, stderr) = command(&["run", "--config", config.to_str().unwrap(), "--only", "2,nobody"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("--only names agents that stand in no roster: nobody"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_is_a_note_to_check_and_a_refusal_to_another_run() {
    let home = good_home(STDOUT);
    let daemon = home.start();
    eventually("the admin server answers", LIMIT, || daemon.get("/livez")).await;
    let config = home.config();
    let (code, stdout, stderr) = command(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let note = format!("note: a daemon is running on this state_dir (pid {})", daemon.pid());
    assert!(stdout.contains(&note), "{stdout}");
    let (code, _, stderr) = command(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(stderr.contains(&format!("held by another cometbridge (pid {})", daemon.pid())), "{stderr}");
    assert!(daemon.stop().await.success());
}
