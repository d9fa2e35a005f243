//! Resident memory and open files per idle session: the daemon beside a raw loop, against the same simulator
//! in a process of its own.
//!
//! `cargo bench --bench idle` holds 1,000 sessions; `-- --agents N` another number, `--quick` 100. It prints
//! ratios and asserts nothing of time; it fails where a session is not held at all. What the opening left behind
//! (idle connections of the client's pool) is waited for, as it is gone within half a minute. Deliberately absent:
//! TLS and bursts.

// A failed test or benchmark says so by a panic; the rules against it are for the product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::too_many_lines)]

mod raw;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_cometbridge");
/// How long a connect is held: longer than the measurement, so that sessions are truly idle.
const HOLD_MS: &str = "120000";

/// Ends its process when it goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    resident_kib: f64,
    files: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--raw") {
        return raw::run(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let quick = arguments.iter().any(|a| a == "--quick");
    let agents = arguments
        .iter()
        .position(|a| a == "--agents")
        .map_or(if quick { 100 } else { 1_000 }, |at| arguments[at + 1].parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (_simulator, url) = simulator(dir.path(), agents);
    let daemon_few = daemon(dir.path(), &url, 1, 1);
    let daemon_many = daemon(dir.path(), &url, agents, 2);
    let raw_few = raw_loop(&url, 1);
    let raw_many = raw_loop(&url, agents);
    println!("{agents} idle sessions, one process each, load average {}", load());
    let bridge = report("cometbridge", agents, daemon_few, daemon_many);
    let raw = report("raw hyper loop", agents, raw_few, raw_many);
    println!("memory per session, cometbridge / raw: {:.2}", bridge / raw);
}

fn report(name: &str, agents: usize, few: Held, many: Held) -> f64 {
    let more = (agents.max(2) - 1) as f64;
    let (memory, files) = ((many.resident_kib - few.resident_kib) / more, (many.files - few.files) / more);
    println!(
        "{name:>16}: {:.1} MiB in all, {memory:.1} KiB and {files:.2} open files per session",
        many.resident_kib / 1024.0
    );
    memory.max(0.1)
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}

fn simulator(dir: &Path, agents: usize) -> (Running, String) {
    let mut child = Command::new(BINARY)
        .args(["simulate", "--rate", "0", "--timeout", HOLD_MS, "--agents", &agents.to_string()])
        .arg("--roster-dir")
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("READY ").expect("the simulator is ready").to_owned();
    (Running(child), url)
}

/// Starts the daemon over the first `agents` of the roster, waits until all are connected, and measures.
fn daemon(dir: &Path, url: &str, agents: usize, round: u32) -> Held {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let all = fs::read_to_string(dir.join("agents.csv")).unwrap();
    let some: String = all.lines().take(agents + 1).map(|line| format!("{line}\n")).collect();
    fs::write(dir.join("some.csv"), some).unwrap();
    let text = format!(
        "state_dir = \"{dir}/state-{round}\"\n[log]\nlevel = \"warn\"\n[admin]\nlisten = \"127.0.0.1:{port}\"\n\
         [site.main]\nbase_url = \"{url}\"\nrequests_per_second = 5000\nlogins_per_second = 2000\n\
         [site.main.roster]\nfile = \"{dir}/some.csv\"\npasswords = {{ file = \"{dir}/passwords.csv\" }}\n\
         [sink.stdout.console]\nprivacy = \"full\"\n",
        dir = dir.display(),
    );
    let config = dir.join(format!("config-{round}.toml"));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&config).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let child =
        Command::new(BINARY).arg("run").arg("--config").arg(&config).stdout(Stdio::null()).spawn().unwrap();
    let running = Running(child);
    let wanted = format!("cometbridge_sessions{{site=\"main\",state=\"connected\"}} {agents}");
    let connected = || raw::get(port, "/metrics").is_some_and(|text| text.contains(&wanted));
    wait("the daemon's sessions are connected", connected);
    settled(running.0.id(), agents)
}

fn raw_loop(url: &str, agents: usize) -> Held {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--raw", url, &agents.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "READY");
    let running = Running(child);
    settled(running.0.id(), agents)
}

/// Files a process has open beside its connections, at most.
const OTHER_FILES: usize = 40;

/// Measures once the numbers of two looks agree and only one connection a session is left: start-up work is over.
fn settled(pid: u32, sessions: usize) -> Held {
    let mut before = held(pid);
    let mut seen = before;
    wait("memory settles", || {
        seen = held(pid);
        let same = (seen.resident_kib - before.resident_kib).abs() < 64.0 && seen.files == before.files;
        before = seen;
        same && seen.files <= (sessions + OTHER_FILES) as f64
    });
    seen
}

fn held(pid: u32) -> Held {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    Held { resident_kib: pages * 4.0, files: files as f64 }
}

fn wait(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        if ready() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "waited in vain: {what}");
    }
}
