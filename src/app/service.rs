//! The running daemon: everything wired together, and what a dead part means.
//!
//! Deliberately absent: how a part does its work.

use crate::admin;
use crate::app::Fault;
use crate::app::status::{self, StatusSource};
use crate::app::systemd;
use crate::base::health::{Health, Status};
use crate::base::metrics::{Metrics, SessionWords};
use crate::base::seal::Sealer;
use crate::base::time::Clock;
use crate::config::Settings;
use crate::inbound::dedup::{self, Ended, Intake};
use crate::inbound::fleet::{self, Common, Fleet};
use crate::inbound::session::protocol::{GAPS, LOST, Phase};
use crate::inbound::{Session, hold};
use crate::journal::{Journal, StartAt, State};
use crate::outbound::fanout::{self, Lanes};
use crate::outbound::settings::Start;
use crate::outbound::sink::reasons;
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How often counts are taken, readiness is judged and the watchdog is fed.
const TICK: Duration = Duration::from_secs(1);

/// Everything that runs, and the means to stop it in order.
pub struct Service {
    pub settings: Settings,
    pub metrics: Metrics,
    pub health: Health,
    pub admin_address: SocketAddr,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) fleet: Fleet,
    pub(super) lanes: Lanes,
    pub(super) sessions: JoinSet<String>,
    pub(super) dedup: Ended,
    /// Kept so that the dedup thread outlives a fleet whose every login is refused.
    pub(super) intake: Intake,
    pub(super) admin: JoinHandle<()>,
    pub(super) stop_sessions: CancellationToken,
    pub(super) stop_lanes: CancellationToken,
    pub(super) stop_admin: CancellationToken,
    /// What systemd was told last.
    pub(super) status_line: String,
}

/// Starts every part, sinks first, so that nothing is received before it can be kept.
pub async fn start(settings: Settings, only: &[String]) -> Result<Service, Fault> {
    let metrics = Metrics::new().context("metrics")?;
    metrics.config_last_reload_success.set(1);
    zero(&settings, &metrics);
    let (health, clock) = (Health::default(), Clock::system());
    health.set("journal", Status::Starting);
    let opened = Journal::open(settings.journal.clone(), clock.clone(), metrics.clone(), health.clone());
    let (journal, recovery) = opened?;
    if let Some(what) = &recovery.shortened {
        tracing::error!(
            "the journal is shorter than it was: {what}; going on as told, events may have been lost"
        );
    }
    let sinks: Vec<(String, StartAt)> =
        settings.sinks.iter().map(|sink| (sink.name.clone(), start_at(sink.start))).collect();
    journal.register_sinks(&sinks).await?;
    let stop_lanes = CancellationToken::new();
    let lanes = fanout::start(
        settings.sinks.clone(),
        journal.clone(),
        recovery.birth,
        metrics.clone(),
        health.clone(),
        stop_lanes.clone(),
    );
    let (intake, dedup) =
        dedup::start(&journal, clock.clone(), metrics.clone(), health.clone(), lanes.intake_paused())?;
    let checkpoints = journal.checkpoints().await?;
    let shortened = recovery.shortened.is_some();
    let common = Common {
        intake: &intake,
        journal: &journal,
        clock: &clock,
        metrics: &metrics,
        checkpoints,
        gaps: journal.gaps(None, true, usize::MAX).await?,
        sealer: sealer(&settings).await?,
        state_dir: settings.journal.state_dir.as_path().into(),
        shortened,
    };
    let prepared = fleet::prepare(&settings.sites, only, common).await;
    let (fleet, sessions) = prepared.map_err(|error| Fault::Configuration(error.to_string()))?;
    let stop_admin = CancellationToken::new();
    let source = StatusSource::new(&settings, &journal, &fleet, &clock, &metrics, &health);
    let (admin_address, admin) = serve_admin(&settings, source, &stop_admin).await?;
    health.set("journal", Status::Ok);
    let stop_sessions = CancellationToken::new();
    let agents = sessions.len();
    let sessions = spawn(sessions, &stop_sessions);
    tracing::info!(agents, sinks = settings.sinks.len(), admin = %admin_address, last_sequence = recovery.last, "started");
    Ok(Service {
        settings,
        metrics,
        health,
        admin_address,
        clock,
        journal,
        fleet,
        lanes,
        sessions,
        dedup,
        intake,
        admin,
        stop_sessions,
        stop_lanes,
        stop_admin,
        status_line: String::new(),
    })
}

/// What seals the keys of sessions on disk, where it is configured.
async fn sealer(_settings: &Settings) -> Result<Option<Arc<Sealer>>, Fault> {
    Ok(None)
}

/// What can be counted is shown from the first scrape on.
fn zero(settings: &Settings, metrics: &Metrics) {
    metrics.zero_journal();
    let states = Phase::ALL.map(Phase::as_str);
    for site in &settings.sites {
        metrics.zero_site(&site.name, SessionWords { states: &states, lost: LOST, gaps: GAPS });
    }
    for sink in &settings.sinks {
        metrics.zero_sink(&sink.name, sink.target.kind(), reasons(&sink.target));
    }
}

fn start_at(start: Start) -> StartAt {
    match start {
        Start::Latest => StartAt::Latest,
        Start::Earliest => StartAt::Earliest,
    }
}

async fn serve_admin(
    settings: &Settings,
    source: StatusSource,
    stop: &CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), Fault> {
    let token = match &settings.admin.token {
        None => None,
        Some(reference) => Some(
            reference
                .read(None)
                .await
                .map_err(|error| Fault::Configuration(format!("admin.token: {error}")))?,
        ),
    };
    let config = admin::Config { listen: settings.admin.listen, token, limits: admin::Limits::default() };
    let served = admin::serve(config, source.into_state(), stop.clone()).await?;
    Ok(served)
}

/// One task a session; each gives its agent's key when it ends.
fn spawn(sessions: Vec<Session>, stop: &CancellationToken) -> JoinSet<String> {
    let mut set = JoinSet::new();
    for session in sessions {
        let stop = stop.clone();
        let agent = session.agent.key.clone();
        set.spawn(async move {
            Box::pin(hold(session, stop)).await;
            agent
        });
    }
    set
}

impl Service {
    /// Watches over the parts until one of them is dead beyond repair; the error says which. Cancel-safe.
    pub async fn supervise(&mut self) -> anyhow::Error {
        let mut state = self.journal.state();
        let mut ticks = tokio::time::interval(TICK);
        systemd::ready("starting sessions");
        loop {
            tokio::select! {
                ended = &mut self.dedup => return match ended {
                    Ok(Err(error)) => anyhow::Error::new(error).context("the marks can not be read"),
                    _ => anyhow::anyhow!("the dedup thread has ended by itself"),
                },
                changed = state.changed() => {
                    let now = state.borrow_and_update().clone();
                    if let Some(fatal) = self.journal_is(&now, changed.is_err()) {
                        return fatal;
                    }
                }
                Some(ended) = self.sessions.join_next() => self.session_ended(ended),
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn journal_is(&self, state: &State, gone: bool) -> Option<anyhow::Error> {
        match state {
            State::Failed(why) => Some(anyhow::anyhow!(
                "the journal has failed: {why}; nothing more is acknowledged. Mend the disk, then start again"
            )),
            _ if gone => Some(anyhow::anyhow!("the journal's thread has ended by itself")),
            State::Stalled { reason, .. } => {
                let text = format!("storage stalled: {reason}; nothing is acknowledged until there is room");
                self.health.set("journal", Status::Down(text));
                None
            }
            State::Ok => {
                self.health.set("journal", Status::Ok);
                None
            }
        }
    }

    /// A refused login ends its session, and only that; a fault of ours is said loudly.
    fn session_ended(&self, ended: Result<String, tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(
                "a session died of a fault in the bridge; please report it, and restart to bring the agent back"
            );
            self.health
                .set("sessions", Status::Degraded("a session died of a fault in the bridge".to_owned()));
        }
    }

    fn tick(&mut self) {
        let numbers = self.fleet.numbers(self.clock.now());
        for (site, numbers) in &numbers {
            self.health.set(&format!("site {site}"), status::of_site(numbers));
        }
        let line = status::line(&numbers);
        if line != self.status_line {
            systemd::status(&line);
            self.status_line = line;
        }
        if self.health.stuck().is_empty() {
            systemd::alive();
        }
    }
}
