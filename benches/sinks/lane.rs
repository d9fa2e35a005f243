//! The daemon over a journal that is full already: one agent that nothing happens to, and one sink.
//!
//! Deliberately absent: how the journal came to be filled in earnest (`tests/it`).

use crate::peers::{Running, cpu, get, wait};
use crate::{Measured, events};
use cometbridge::base::health::Health;
use cometbridge::base::metrics::Metrics;
use cometbridge::base::time::Clock;
use cometbridge::journal::{Append, Config, Journal};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_cometbridge");
/// Events of one commit while the journal is filled.
const COMMIT: usize = 1_000;
/// Between two looks at the daemon's metrics, which cost it time.
const LOOK: Duration = Duration::from_millis(200);

pub struct Bed {
    dir: tempfile::TempDir,
    url: String,
    _simulator: Running,
}

impl Bed {
    /// A journal with so many events, and a contact centre of one agent.
    pub fn fill(count: usize) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let (simulator, line) = Running::with_line(
            Command::new(BINARY)
                .args(["simulate", "--rate", "0", "--agents", "1", "--roster-dir"])
                .arg(dir.path()),
        );
        let url = line.strip_prefix("READY ").expect("the simulator is ready").to_owned();
        let state = dir.path().join("state");
        std::fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(filled(state, count));
        Bed { dir, url, _simulator: simulator }
    }

    /// Delivers the first `count` events through a sink that is new to the journal.
    pub fn run(&self, kind: &str, sink: &str, table: &str, count: usize) -> Measured {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "state_dir = \"{dir}/state\"\n[log]\nlevel = \"error\"\n[admin]\nlisten = \"127.0.0.1:{port}\"\n\
             [site.main]\nbase_url = \"{url}\"\n\
             [site.main.roster]\nfile = \"{dir}/agents.csv\"\npasswords = {{ file = \"{dir}/passwords.csv\" }}\n\
             [sink.{kind}.{sink}]\nprivacy = \"full\"\nstart = \"earliest\"\nmatch = {{ medium = [\"chat\"] }}\n{table}",
            dir = self.dir.path().display(),
            url = self.url,
        );
        let config = self.dir.path().join(format!("{sink}.toml"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&config).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        let mut command = Command::new(BINARY);
        command.arg("run").arg("--config").arg(&config).stdout(Stdio::null());
        // Any key of the right form: nobody looks at the signatures here.
        command.env("BENCH_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let series = format!("cometbridge_sink_delivered_total{{kind=\"{kind}\",sink=\"{sink}\"}} ");
        measured(&Running::spawn(&mut command), port, &series, count)
    }
}

async fn filled(state_dir: PathBuf, count: usize) {
    let config = Config {
        state_dir,
        keep_delivered: Duration::from_secs(86_400),
        keep_gaps: Duration::from_secs(3_600),
        keep_drafts: Duration::from_secs(3_600),
        dedup_window: Duration::from_secs(86_400),
        reserve_bytes: 0,
        keep_dead_letters: Duration::from_secs(86_400),
        max_dead_letters: 10_000,
        accept_shortened: false,
    };
    let opened = Journal::open(config, Clock::system(), Metrics::new().unwrap(), Health::default());
    let (journal, _) = opened.unwrap();
    for from in (0..count).step_by(COMMIT) {
        let events = (from..count.min(from + COMMIT)).map(events::event).collect();
        journal.append(Append { events, ..Append::default() }).await.unwrap().unwrap();
    }
    journal.close().await;
}

/// From the first look that finds something delivered to the one that finds all; from the start where that is one.
fn measured(daemon: &Running, port: u16, series: &str, count: usize) -> Measured {
    let mut first = (0, Instant::now(), Duration::ZERO);
    let mut last = first;
    wait(series, || {
        std::thread::sleep(LOOK);
        let text = get(port, "/metrics").unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.parse::<usize>().ok());
        let Some(delivered) = found.filter(|delivered| *delivered > 0) else { return false };
        last = (delivered, Instant::now(), cpu(daemon.pid()));
        if first.0 == 0 && delivered < count {
            first = last;
        }
        delivered >= count
    });
    let events = (last.0 - first.0) as f64;
    Measured {
        a_second: events / (last.1 - first.1).as_secs_f64().max(1e-3),
        micros_each: (last.2 - first.2).as_secs_f64() * 1e6 / events,
    }
}
