//! All sessions of the service: made from rosters, seen as numbers.
//!
//! Deliberately absent: spawning (only `app` does), and changes of a roster while running.

use crate::base::metrics::Metrics;
use crate::base::time::{Clock, Millis};
use crate::inbound::accounts::Accounts;
use crate::inbound::dedup::Intake;
use crate::inbound::reconcile::Finding;
use crate::inbound::session::protocol::{Before, Phase};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::{self, Site};
use crate::inbound::{Session, batch, roster};
use crate::journal::{Checkpoint, Journal};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One session as it is seen from outside.
pub struct View {
    site: String,
    metrics: Metrics,
    phase: Mutex<Phase>,
    ack: AtomicU8,
    last_good: AtomicI64,
}

const ACK_UNKNOWN: u8 = 0;
const ACK_YES: u8 = 1;
const ACK_NO: u8 = 2;

impl View {
    fn new(site: &str, metrics: Metrics) -> View {
        metrics.sessions.with_label_values(&[site, Phase::Starting.as_str()]).inc();
        View {
            site: site.to_owned(),
            metrics,
            phase: Mutex::new(Phase::Starting),
            ack: AtomicU8::new(ACK_UNKNOWN),
            last_good: AtomicI64::new(0),
        }
    }

    pub fn set(&self, phase: Phase) {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = &self.metrics.sessions;
        sessions.with_label_values(&[self.site.as_str(), current.as_str()]).dec();
        sessions.with_label_values(&[self.site.as_str(), phase.as_str()]).inc();
        *current = phase;
    }

    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_ack(&self, ack: bool) {
        self.ack.store(if ack { ACK_YES } else { ACK_NO }, Ordering::Relaxed);
    }

    /// The server answered a connect well.
    pub fn good(&self, now: Millis) {
        self.last_good.store(now, Ordering::Relaxed);
    }

    /// A notification came.
    pub fn heard(&self, _now: Millis) {}

    /// A reading over REST ended.
    pub fn read(&self, _now: Millis, _finding: &Finding) {}

    /// The session waits for storage, or no longer.
    pub fn stalled(&self, _stalled: bool) {}

    /// The node that answers, as a short hash; what an operator can compare, and nobody can use.
    pub fn node(&self, _hash: Option<String>) {}

    /// Why the session is not connected, in words without personal data; empty where it is.
    pub fn cause(&self, _text: &str) {}
}

/// A site's sessions in numbers.
#[derive(Clone, Debug, Default)]
pub struct SiteNumbers {
    pub agents: usize,
    pub by_phase: BTreeMap<&'static str, usize>,
    pub without_ack: usize,
    /// Longest time since a good connect reply among connected sessions, milliseconds.
    pub silence: Millis,
}

/// The sessions' views, by site.
#[derive(Clone)]
pub struct Fleet {
    views: Arc<Vec<(String, Vec<Arc<View>>)>>,
    metrics: Metrics,
}

/// Why the fleet can not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Site(#[from] site::Error),
    #[error("site {site}: {source}")]
    Roster { site: String, source: roster::Error },
    #[error("--only names agents that stand in no roster: {0}")]
    Only(String),
}

/// What every session is given.
pub struct Common<'a> {
    pub intake: &'a Intake,
    pub journal: &'a Journal,
    pub clock: &'a Clock,
    pub metrics: &'a Metrics,
    /// What earlier processes noted of their sessions.
    pub checkpoints: Vec<Checkpoint>,
    /// The journal has lost its end.
    pub shortened: bool,
}

/// Reads rosters and makes a session for each agent; `only` names the agents to take (empty means all).
pub async fn prepare(
    sites: &[SiteConfig],
    only: &[String],
    common: Common<'_>,
) -> Result<(Fleet, Vec<Session>), Error> {
    let Common { intake, journal, clock, metrics, checkpoints, shortened } = common;
    let covered: HashMap<String, Millis> = checkpoints
        .iter()
        .filter_map(|checkpoint| Some((checkpoint.session.clone(), batch::covered_until(checkpoint)?)))
        .collect();
    let mut sessions = Vec::new();
    let mut views = Vec::new();
    let mut missing: HashSet<&String> = only.iter().collect();
    for config in sites {
        let agents =
            roster::read(config).map_err(|source| Error::Roster { site: config.name.clone(), source })?;
        let site = Arc::new(Site::new(config.clone()).await?);
        let accounts = Arc::new(Accounts::default());
        let mut of_site = Vec::new();
        for agent in agents {
            if !only.is_empty() && !only.contains(&agent.key) {
                continue;
            }
            missing.remove(&agent.key);
            let view = Arc::new(View::new(&config.name, metrics.clone()));
            of_site.push(view.clone());
            let covered = covered.get(&batch::session_name(&config.name, &agent.key)).copied();
            sessions.push(Session {
                before: Before { covered, shortened },
                site: site.clone(),
                agent,
                intake: intake.clone(),
                journal: journal.clone(),
                accounts: accounts.clone(),
                view,
                clock: clock.clone(),
                metrics: metrics.clone(),
            });
        }
        views.push((config.name.clone(), of_site));
    }
    if !missing.is_empty() {
        let mut names: Vec<&str> = missing.into_iter().map(String::as_str).collect();
        names.sort_unstable();
        return Err(Error::Only(names.join(", ")));
    }
    Ok((Fleet { views: Arc::new(views), metrics: metrics.clone() }, sessions))
}

impl Fleet {
    /// Counts all sessions now, and sets the gauges that only a count over all can give.
    pub fn numbers(&self, now: Millis) -> BTreeMap<String, SiteNumbers> {
        let mut out = BTreeMap::new();
        for (site, views) in self.views.iter() {
            let mut numbers = SiteNumbers { agents: views.len(), ..SiteNumbers::default() };
            for view in views {
                let phase = view.phase();
                *numbers.by_phase.entry(phase.as_str()).or_default() += 1;
                let connected = phase == Phase::Connected;
                numbers.without_ack += usize::from(connected && view.ack.load(Ordering::Relaxed) == ACK_NO);
                let last = view.last_good.load(Ordering::Relaxed);
                if connected && last > 0 {
                    numbers.silence = numbers.silence.max(now - last);
                }
            }
            let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            self.metrics
                .sessions_without_ack
                .with_label_values(&[site.as_str()])
                .set(gauge(numbers.without_ack));
            self.metrics
                .session_silence_seconds
                .with_label_values(&[site.as_str()])
                .set(numbers.silence as f64 / 1000.0);
            out.insert(site.clone(), numbers);
        }
        out
    }
}
