//! A fleet at full size: the storm, memory and processor time per session, a server's restart. The daemon beside a
//! raw loop, against the same simulator in a process of its own.
//!
//! `cargo bench --bench fleet` holds 5,000 sessions, then 10,000 idle ones where descriptors allow; `-- --agents N`
//! another number, `--quick` 200. The daemon's throttle is as high as it goes. It prints ratios beside what is
//! wanted of them and asserts nothing of time; it fails where a session is not held at all. Deliberately absent: TLS,
//! notifications.

// A failed test or benchmark says so by a panic; the rules against it are for the product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::too_many_lines)]

mod raw;
mod stage;

use stage::{Held, Running, connected, daemon, load, raw_loop, settled, simulator, wait};
use std::time::{Duration, Instant};

const SITE: &str = "requests_per_second = 10000\nlogins_per_second = 10000\nmax_handshakes = 256\n\
    settle_after_outage = \"0s\"";

/// What is wanted of memory, of processor time and of the storm, against the raw loop.
const WANTED: [f64; 3] = [2.0, 2.5, 1.5];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--raw") {
        return raw::run(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let quick = arguments.iter().any(|a| a == "--quick");
    let asked = arguments.iter().position(|a| a == "--agents").map(|at| arguments[at + 1].parse().unwrap());
    let (agents, hold_ms, looked) = if quick { (200, 1_000, 3) } else { (5_000, 10_000, 20) };
    fleet(asked.unwrap_or(agents), hold_ms, Duration::from_secs(looked));
    if !quick && asked.is_none() {
        idle(10_000);
    }
}

/// One side of the comparison.
struct Side {
    storm: Duration,
    held: Held,
    few: Held,
    per_poll: Duration,
}

impl Side {
    fn memory(&self, agents: usize) -> f64 {
        ((self.held.resident_kib - self.few.resident_kib) / (agents - 1) as f64).max(0.1)
    }
}

fn fleet(agents: usize, hold_ms: u64, looked: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let (_simulator, url) = simulator(dir.path(), agents, hold_ms);
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    println!("{agents} sessions, polls held for {hold_ms} ms, load average {}", load());

    let few = settled(&raw_loop(&url, 1), 1);
    let begun = Instant::now();
    let running = raw_loop(&url, agents);
    let storm = begun.elapsed();
    let held = settled(&running, agents);
    let raw = Side { storm, held, few, per_poll: per_poll(&running, port, looked) };
    drop(running);
    show("raw hyper loop", agents, &raw);

    let few = settled(&daemon(dir.path(), &url, 1, SITE).0, 1);
    let begun = Instant::now();
    let (running, admin) = daemon(dir.path(), &url, agents, SITE);
    let storm = begun.elapsed();
    let held = settled(&running, agents);
    let bridge = Side { storm, held, few, per_poll: per_poll(&running, port, looked) };
    show("cometbridge", agents, &bridge);
    let ratios = [
        ("T1, memory per session", bridge.memory(agents) / raw.memory(agents)),
        (
            "T5, processor time per idle poll",
            bridge.per_poll.as_secs_f64() / raw.per_poll.as_secs_f64().max(1e-9),
        ),
        ("T6, storm", bridge.storm.as_secs_f64() / raw.storm.as_secs_f64().max(1e-3)),
    ];
    for ((what, ratio), wanted) in ratios.into_iter().zip(WANTED) {
        let word = if ratio <= wanted { "PASS" } else { "over" };
        println!("{what}, cometbridge / raw: {ratio:.2}, wanted {wanted:.1}: {word}");
    }

    let before = number(port, "handshakes");
    let begun = Instant::now();
    let body = r#"{"fault":"restart","millis":500}"#;
    let request = format!(
        "POST /simulator/faults HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    raw::ask(port, &request).expect("the simulator restarts");
    let share = agents as f64 * 0.99;
    wait("99% log in and shake hands again", || number(port, "handshakes") - before >= share);
    connected(admin, agents);
    println!(
        "a restart of the server (0.5 s): all connected again after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

/// Logins a second of those that are only held.
const PACE: usize = 150;

/// How many more sessions one process holds, where the system lets it have their descriptors.
fn idle(agents: usize) {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let allowed: usize = line.split_whitespace().nth(3).and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    // A session that opens has a second connection for reading state, which its pool keeps for 20 s: at an even pace
    // only some have one.
    let needed = agents + PACE * 25 + 500;
    if allowed < needed {
        return println!("{agents} idle sessions: not tried, ulimit -n is {allowed} and {needed} are needed");
    }
    let dir = tempfile::tempdir().unwrap();
    let (_simulator, url) = simulator(dir.path(), agents, 120_000);
    let begun = Instant::now();
    let site = format!("requests_per_second = 5000\nlogins_per_second = {PACE}");
    let (running, _) = daemon(dir.path(), &url, agents, &site);
    let storm = begun.elapsed().as_secs_f64();
    let Held { resident_kib, files } = settled(&running, agents);
    let mib = resident_kib / 1024.0;
    println!(
        "{agents} idle sessions: up after {storm:.1} s at {PACE} logins a second, {mib:.1} MiB in all, {files} open files"
    );
}

/// Processor time of a process by the polls that the simulator answered meanwhile.
fn per_poll(running: &Running, port: u16, looked: Duration) -> Duration {
    let (polls, before) = (number(port, "connects"), cpu(running));
    std::thread::sleep(looked);
    let polls = number(port, "connects") - polls;
    cpu(running).saturating_sub(before).div_f64(polls.max(1.0))
}

/// Processor time of all threads of a process.
fn cpu(running: &Running) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
    let of = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.flatten().map(|task| of(task.path())).sum())
}

/// A counter of the simulator.
fn number(port: u16, name: &str) -> f64 {
    let text = raw::get(port, "/simulator/stats").unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let stats: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    stats[name].as_f64().unwrap_or(0.0)
}

fn show(name: &str, agents: usize, side: &Side) {
    println!(
        "{name:>16}: all up after {:.2} s, {:.1} MiB in all, {:.1} KiB a session, {} open files, {:.0} us a poll",
        side.storm.as_secs_f64(),
        side.held.resident_kib / 1024.0,
        side.memory(agents),
        side.held.files,
        side.per_poll.as_secs_f64() * 1e6,
    );
}
