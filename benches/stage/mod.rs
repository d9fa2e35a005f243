//! What the benchmarks of sessions share: the simulator and the daemon as processes of their own, and what Linux
//! says of a process.
//!
//! Deliberately absent: what is measured, and the raw loop (see `raw`).

use super::raw;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_cometbridge");

/// Ends its process when it goes.
pub struct Running {
    child: Child,
    /// Kept open: who prints into a closed pipe fails.
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts it and waits for its first line.
    fn with_line(command: &mut Command) -> (Running, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        (Running { child, _stdout: Some(stdout) }, line.trim().to_owned())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub resident_kib: f64,
    pub files: f64,
}

/// A simulator with so many agents, whose roster stands in `dir`; its URL.
pub fn simulator(dir: &Path, agents: usize, hold_ms: u64) -> (Running, String) {
    let (running, line) = Running::with_line(
        Command::new(BINARY)
            .args(["simulate", "--rate", "0", "--timeout", &hold_ms.to_string()])
            .args(["--agents", &agents.to_string(), "--roster-dir"])
            .arg(dir),
    );
    let url = line.strip_prefix("READY ").expect("the simulator is ready").to_owned();
    (running, url)
}

/// A daemon over the first `agents` of the roster, when all are connected; its admin port. `site` are lines of the
/// site's settings.
pub fn daemon(dir: &Path, url: &str, agents: usize, site: &str) -> (Running, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let all = fs::read_to_string(dir.join("agents.csv")).unwrap();
    let some: String = all.lines().take(agents + 1).map(|line| format!("{line}\n")).collect();
    fs::write(dir.join(format!("some-{port}.csv")), some).unwrap();
    let text = format!(
        "state_dir = \"{dir}/state-{port}\"\n[log]\nlevel = \"error\"\n[admin]\nlisten = \"127.0.0.1:{port}\"\n\
         [site.main]\nbase_url = \"{url}\"\n{site}\n\
         [site.main.roster]\nfile = \"{dir}/some-{port}.csv\"\npasswords = {{ file = \"{dir}/passwords.csv\" }}\n\
         [sink.stdout.console]\nprivacy = \"full\"\n",
        dir = dir.display(),
    );
    let config = dir.join(format!("config-{port}.toml"));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&config).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let child =
        Command::new(BINARY).arg("run").arg("--config").arg(&config).stdout(Stdio::null()).spawn().unwrap();
    let running = Running { child, _stdout: None };
    connected(port, agents);
    (running, port)
}

/// Waits until so many sessions are connected.
pub fn connected(port: u16, agents: usize) {
    let wanted = format!("cometbridge_sessions{{site=\"main\",state=\"connected\"}} {agents}\n");
    wait("the daemon's sessions are connected", || {
        raw::get(port, "/metrics").is_some_and(|text| text.contains(&wanted))
    });
}

/// The raw loop, when all its sessions hold a connect.
pub fn raw_loop(url: &str, agents: usize) -> Running {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (running, line) = Running::with_line(command.args(["--raw", url, &agents.to_string()]));
    assert_eq!(line, "READY");
    running
}

/// Files a process has open beside its connections, at most.
const OTHER_FILES: usize = 40;

/// Measures once the numbers of two looks agree and only one connection a session is left: start-up work is over.
pub fn settled(running: &Running, sessions: usize) -> Held {
    let mut before = held(running);
    let mut seen = before;
    wait("memory settles", || {
        std::thread::sleep(Duration::from_millis(500));
        seen = held(running);
        // A poll that ends now and then moves a few pages.
        let near = 64.0_f64.max(before.resident_kib * 0.001);
        let same = (seen.resident_kib - before.resident_kib).abs() < near && seen.files == before.files;
        before = seen;
        same && seen.files <= (sessions + OTHER_FILES) as f64
    });
    seen
}

fn held(running: &Running) -> Held {
    let pid = running.pid();
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    Held { resident_kib: pages * 4.0, files: files as f64 }
}

pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}

pub fn wait(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
