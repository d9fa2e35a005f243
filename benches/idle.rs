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
mod stage;

use stage::{Held, daemon, load, raw_loop, settled, simulator};

/// How long a connect is held: longer than the measurement, so that sessions are truly idle.
const HOLD_MS: u64 = 120_000;
const SITE: &str = "requests_per_second = 5000\nlogins_per_second = 2000";

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
    let (_simulator, url) = simulator(dir.path(), agents, HOLD_MS);
    let of_daemon = |agents: usize| {
        let (running, _) = daemon(dir.path(), &url, agents, SITE);
        settled(&running, agents)
    };
    let of_raw = |agents: usize| settled(&raw_loop(&url, agents), agents);
    let (daemon_few, daemon_many) = (of_daemon(1), of_daemon(agents));
    let (raw_few, raw_many) = (of_raw(1), of_raw(agents));
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
