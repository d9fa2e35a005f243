//! `cometbridge record`: writes what a site sends to some agents as a tape, for `simulate --tape`.
//!
//! Each agent is held as a pilot holds one: only reads, nothing stored but the tape. Deliberately absent: resuming a
//! tape, and REST answers.

use crate::app::cli::{Record, TapePrivacy};
use crate::app::objections::{Met, objection};
use crate::app::pilot::not_held;
use crate::app::run::sources;
use crate::app::stop::Signals;
use crate::app::{Fault, print, telemetry};
use crate::base::tape::{self, Label, Level, Line, Veil};
use crate::base::time::{Clock, rfc3339};
use crate::config::{self, Settings};
use crate::inbound::pilot::{Heard, Trial, run};
use crate::inbound::roster::{self, Agent};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::Site;
use serde_json::value::{RawValue, to_raw_value};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Each agent is a session of its own, all at once: a tape is a sample, not a contact centre.
const MAX_AGENTS: usize = 200;
/// A tape that has become so large ends there.
const MAX_BYTES: u64 = 1 << 30;

pub async fn record(arguments: Record) -> Result<(), Fault> {
    let mut signals = Signals::new()?;
    let mut sources = sources(&arguments.configured);
    // A configuration without any sink yet is no fault here; this one is never opened.
    sources.overrides.push("sink.stdout.record.privacy=\"no-content\"".to_owned());
    let settings = config::load(&sources).map_err(|problems| Fault::Configuration(problems.to_string()))?;
    telemetry::start(&settings.log);
    let (site, agents) = chosen(&settings, &arguments)?;
    let site = Site::new(site.clone()).await.map_err(|error| Fault::Configuration(error.to_string()))?;
    if let Some(no) = objection(&settings, &site, &agents).await {
        return Err(Fault::Failed(anyhow::anyhow!("agent {}: {}", no.agent, no.why)));
    }
    let recorder = Arc::new(Recorder::new(&arguments, agents.len())?);
    let (site, met) = (Arc::new(site), Met::default());
    let mut trials = JoinSet::new();
    for (agent, number) in agents.into_iter().zip(1..) {
        let heard = Recorder::listener(&recorder, number);
        let (site, length) = (Arc::clone(&site), arguments.length);
        let trial = Trial {
            site,
            agent,
            length,
            aftermath: Some(Duration::ZERO),
            heard: Some(heard),
            refused: Some(met.listener()),
            stop: CancellationToken::new(),
        };
        trials.spawn(async move { (number, run(trial, &Clock::system(), |_| {}).await) });
    }
    let mut deaf = Vec::new();
    loop {
        tokio::select! {
            ended = trials.join_next() => match ended {
                Some(Ok((number, sheet))) => deaf.extend(sheet.login.err().map(|why| format!("agent {number}: {why}"))),
                Some(Err(error)) => deaf.push(format!("a session ended unexpectedly: {error}")),
                None => break,
            },
            _ = signals.next() => break,
            () = recorder.full.cancelled() => break,
        }
    }
    trials.shutdown().await;
    met.note(&settings, &site.config).await;
    let said = recorder.end()?;
    print(&format!("{}: {said}\n", arguments.out.display()))?;
    if deaf.is_empty() {
        return Ok(());
    }
    Err(Fault::Failed(anyhow::anyhow!("not all agents were listened to: {}", deaf.join("; "))))
}

/// The site and its agents, in the roster's order.
fn chosen<'a>(settings: &'a Settings, arguments: &Record) -> Result<(&'a SiteConfig, Vec<Agent>), Fault> {
    let wrong = |what: String| Err(Fault::Configuration(what));
    let Some(site) = settings.sites.iter().find(|site| site.name == arguments.site) else {
        let names: Vec<&str> = settings.sites.iter().map(|site| site.name.as_str()).collect();
        return wrong(format!("--site {:?}: no such site; configured: {}", arguments.site, names.join(", ")));
    };
    if arguments.privacy == TapePrivacy::Full && site.left_out.is_some() {
        return wrong(format!(
            "--privacy full: site.{}.collect.drop keeps personal data from the disk, a full tape would hold it; record a pseudonymous one",
            site.name
        ));
    }
    let mut agents = roster::read(site).map_err(|error| Fault::Configuration(error.to_string()))?;
    let missing = arguments.agent.iter().find(|key| !agents.iter().any(|agent| agent.key == **key));
    if let Some(key) = missing {
        return Err(not_held(site, key));
    }
    agents.retain(|agent| arguments.agent.is_empty() || arguments.agent.contains(&agent.key));
    if agents.is_empty() || agents.len() > MAX_AGENTS {
        return wrong(format!(
            "the roster of site {} has {} agents; a tape is of 1 to {MAX_AGENTS}: name them by --agent",
            site.name,
            agents.len()
        ));
    }
    Ok((site, agents))
}

/// The tape while it is written.
struct Recorder {
    veil: Option<Veil>,
    began: Instant,
    inner: Mutex<Inner>,
    /// Nothing more can be written.
    full: CancellationToken,
}

struct Inner {
    out: BufWriter<File>,
    lines: u64,
    bytes: u64,
    failed: Option<std::io::Error>,
}

impl Recorder {
    fn new(arguments: &Record, agents: usize) -> Result<Recorder, Fault> {
        let level = match arguments.privacy {
            TapePrivacy::Full => None,
            TapePrivacy::Pseudonymous => Some(Level::Pseudonymous),
            TapePrivacy::NoContent => Some(Level::NoContent),
            TapePrivacy::Minimal => Some(Level::Minimal),
        };
        let veil = match level {
            None => None,
            Some(level) => {
                Some(Veil::new(level).ok_or_else(|| anyhow::anyhow!("the system gives no random numbers"))?)
            }
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arguments.out);
        let file = file
            .map_err(|error| Fault::Configuration(format!("--out {}: {error}", arguments.out.display())))?;
        let mut out = BufWriter::new(file);
        tape::write(&mut out, &Label::new(arguments.privacy.word(), rfc3339(Clock::system().now()), agents))?;
        let inner = Mutex::new(Inner { out, lines: 0, bytes: 0, failed: None });
        Ok(Recorder { veil, began: Instant::now(), inner, full: CancellationToken::new() })
    }

    fn listener(recorder: &Arc<Recorder>, agent: usize) -> Heard {
        let recorder = Arc::clone(recorder);
        Arc::new(move |channel, data| recorder.take(agent, channel, data))
    }

    fn take(&self, agent: usize, channel: &str, data: &RawValue) {
        let Some(data) = self.veiled(data) else { return };
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = Line { at, agent, channel: channel.to_owned(), data };
        let mut inner = self.inner();
        if inner.failed.is_some() || inner.bytes > MAX_BYTES {
            return self.full.cancel();
        }
        inner.lines += 1;
        inner.bytes += line.data.get().len() as u64;
        inner.failed = tape::write(&mut inner.out, &line).err();
    }

    fn veiled(&self, data: &RawValue) -> Option<Box<RawValue>> {
        let Some(veil) = &self.veil else { return Some(data.to_owned()) };
        let data = serde_json::from_str(data.get()).ok()?;
        to_raw_value(&veil.over(&data)).ok()
    }

    /// Puts the rest down; says what is on the tape.
    fn end(&self) -> Result<String, Fault> {
        let mut inner = self.inner();
        if let Some(error) = inner.failed.take() {
            return Err(Fault::Failed(anyhow::anyhow!(
                "the tape ends after {} notifications: {error}",
                inner.lines
            )));
        }
        inner.out.flush()?;
        inner.out.get_ref().sync_all()?;
        let limit = if inner.bytes > MAX_BYTES { ", its limit is reached" } else { "" };
        Ok(format!("{} notifications in {} s{limit}", inner.lines, self.began.elapsed().as_secs()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
