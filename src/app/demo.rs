//! `cometbridge demo`: a simulated contact centre, the bridge as it is, envelopes on stdout.
//!
//! Nothing here is a short cut: it writes a configuration file and a roster into a temporary directory and
//! starts the same service as `run`. Deliberately absent: anything that outlives it.

use crate::app::cli::{Configured, Demo};
use crate::app::run::settings;
use crate::app::service::{self, Service};
use crate::app::stop::{Signals, stop};
use crate::app::{Fault, telemetry};
use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::simulator::{self, Options, Script, demo_users};
use anyhow::Context;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the running summary is printed.
const SUMMARY: Duration = Duration::from_secs(5);

/// A directory of our own, gone at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // In a temporary place: what can not be removed is the system's to clean.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub async fn demo(arguments: Demo) -> Result<(), Fault> {
    let scratch = Scratch(std::env::temp_dir().join(format!("cometbridge-demo-{}", uuid::Uuid::now_v7())));
    fs::DirBuilder::new().mode(0o700).create(&scratch.0).context("a temporary directory")?;
    let mut signals = Signals::new().context("signals")?;
    let simulator = simulator::start(Options {
        users: demo_users(),
        script: Some(Script::DEMO),
        roster_dir: Some(scratch.0.clone()),
        ..Options::default()
    })
    .await?;
    let config = write_config(&scratch.0, &simulator.url())?;
    let settings = settings(&Configured { config: Some(config), set: Vec::new() })?;
    // The one sink's end is the demo's own, and `… | head` no fault.
    telemetry::start_without(&settings.log, "cometbridge::outbound");
    let mut service = service::start(settings, &[]).await?;
    say(&format!(
        "cometbridge demo: three simulated agents on {}, envelopes on stdout, admin at http://{}/ ; Ctrl-C ends it",
        simulator.url(),
        service.admin_address
    ));
    let ended = watch(&mut service, &mut signals, arguments.seconds).await;
    let (metrics, started) = (service.metrics.clone(), Instant::now());
    let sessions = Metrics::total(&metrics.sessions, Some("connected"));
    stop(service).await;
    simulator.stop().await;
    tracing::debug!(milliseconds = started.elapsed().as_millis(), "stopped");
    say(&format!("cometbridge demo: ended; {}", totals(sessions, &metrics)));
    ended.map_or(Ok(()), |error| Err(Fault::Failed(error)))
}

/// Prints the summary until the end: a signal, the time, a reader that has gone, or a fault.
async fn watch(service: &mut Service, signals: &mut Signals, seconds: Option<u64>) -> Option<anyhow::Error> {
    let metrics = service.metrics.clone();
    let health = service.health.clone();
    let end = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let summary = async {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + SUMMARY, SUMMARY);
        loop {
            ticks.tick().await;
            let sessions = Metrics::total(&metrics.sessions, Some("connected"));
            say(&format!("cometbridge demo: {}", totals(sessions, &metrics)));
        }
    };
    tokio::select! {
        error = service.supervise() => Some(error),
        _ = signals.next() => None,
        () = end => None,
        () = reader_gone(&health) => None,
        () = summary => None,
    }
}

/// Resolves when whoever read standard output has closed it (`… | head`).
async fn reader_gone(health: &Health) {
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if let Some(Status::Degraded(why)) = health.parts().get("sink console")
            && why.starts_with("ended")
        {
            return;
        }
    }
}

/// Sessions up, events, duplicates dropped: what the demo is there to show.
fn totals(sessions: f64, metrics: &Metrics) -> String {
    format!(
        "{sessions} sessions up, {} notifications received, {} events, {} duplicates dropped",
        Metrics::total(&metrics.messages_received_total, None),
        Metrics::total(&metrics.events_total, None),
        Metrics::total(&metrics.duplicates_total, None),
    )
}

fn write_config(dir: &Path, url: &str) -> Result<PathBuf, Fault> {
    let text = format!(
        "state_dir = {state}\nstop_grace = \"5s\"\n\
         [log]\nlevel = \"warn\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [site.demo]\nbase_url = {url}\n\
         [site.demo.roster]\nfile = {roster}\npasswords = {{ file = {passwords} }}\n\
         [sink.stdout.console]\nprivacy = \"full\"\nmode = \"lines\"\n",
        state = quoted(&dir.join("state")),
        url = serde_json::Value::from(url),
        roster = quoted(&dir.join("agents.csv")),
        passwords = quoted(&dir.join("passwords.csv")),
    );
    let path = dir.join("cometbridge.toml");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .context("the demo's configuration")?;
    file.write_all(text.as_bytes()).context("the demo's configuration")?;
    Ok(path)
}

fn quoted(path: &Path) -> String {
    // A JSON string is a TOML basic string as well.
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

fn say(line: &str) {
    // Somebody who closed standard error does not want to read it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
