//! The running daemon: everything wired together, and what a dead part means.
//!
//! Deliberately absent: how a part does its work.

use crate::admin;
use crate::app::crew::{self, Crew};
use crate::app::rosters::{self, Order, Rosters};
use crate::app::sessions;
use crate::app::status::{self, StatusSource};
use crate::app::{Fault, contexts, systemd};
use crate::base::health::{Health, Status};
use crate::base::metrics::{Metrics, SessionWords};
use crate::base::seal::Sealer;
use crate::base::time::Clock;
use crate::config::{MIN_STATE_KEY, Settings};
use crate::inbound::dedup::{self, Ended, Intake};
use crate::inbound::fleet::{self, Common, Fleet, Maker, Prepared};
use crate::inbound::quarantine::Quarantine;
use crate::inbound::roster::{self, Agent, Begun};
use crate::inbound::session::protocol::{GAPS, LOST, Phase};
use crate::inbound::settings::{SiteConfig, key_digests};
use crate::journal::{self, Journal, Recovery, StartAt, State};
use crate::outbound::fanout::{self, Lanes};
use crate::outbound::settings::{Figures, SinkConfig, Start, Target};
use crate::outbound::sink::reasons;
use crate::outbound::transcript;
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
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
    pub(super) crew: Crew,
    pub(super) maker: Arc<Maker>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) dedup: Ended,
    /// Makes transcripts, where a sink wants some.
    pub(super) transcripts: JoinHandle<Result<(), Arc<journal::Error>>>,
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
    let hangups = rosters::hangups().context("signals")?;
    let sealer = sealer(&settings).await?;
    health.set("journal", Status::Starting);
    let (journal, recovery) = open(&settings, &clock, &metrics, &health).await?;
    let stop_lanes = CancellationToken::new();
    let lanes = fanout::start(
        sinks(&settings, &metrics),
        journal.clone(),
        (recovery.birth, &recovery.uuid),
        metrics.clone(),
        health.clone(),
        stop_lanes.clone(),
    );
    let transcripts = transcripts(&settings, &journal, (&clock, &metrics), &stop_lanes).await?;
    let (contexts, paused) = (contexts::begin(&settings, &journal).await?, lanes.intake_paused());
    let (intake, dedup) =
        dedup::start(&journal, clock.clone(), metrics.clone(), health.clone(), paused, contexts)?;
    let tools = (intake.clone(), clock.clone(), metrics.clone());
    let common = common(&settings, &journal, tools, sealer, recovery.shortened.is_some()).await?;
    let stop_sessions = CancellationToken::new();
    let held = prepare(&settings, only, common, hangups, &health, &stop_sessions).await?;
    let Held { fleet, maker, mut crew, rosters, orders, first } = held;
    let stop_admin = CancellationToken::new();
    let source = StatusSource::new(&settings, &journal, &fleet, rosters, &clock, &metrics, &health);
    let (admin_address, admin) = serve_admin(&settings, source, &stop_admin).await?;
    health.set("journal", Status::Ok);
    // From here on agents are logged in: everything else stands.
    sessions::begin(&mut crew, &maker, first, only.is_empty());
    probe(&fleet, &stop_sessions);
    tracing::info!(agents = crew.len(), sinks = settings.sinks.len(), admin = %admin_address, last_sequence = recovery.last, "started");
    Ok(Service {
        settings,
        metrics,
        health,
        admin_address,
        clock,
        journal,
        fleet,
        lanes,
        crew,
        maker,
        orders,
        dedup,
        transcripts,
        intake,
        admin,
        stop_sessions,
        stop_lanes,
        stop_admin,
        status_line: String::new(),
    })
}

/// The sinks, each knowing where its client's own figures go.
fn sinks(settings: &Settings, metrics: &Metrics) -> Vec<SinkConfig> {
    let mut sinks = settings.sinks.clone();
    for sink in &mut sinks {
        if let Target::Kafka(kafka) = &mut sink.target {
            kafka.figures = Some(Figures { sink: sink.name.clone(), metrics: metrics.clone() });
        }
    }
    sinks
}

fn wants_transcripts(settings: &Settings) -> bool {
    settings.sinks.iter().any(|sink| sink.transcripts)
}

/// The task that makes transcripts; where no sink wants any, what an earlier process kept for them goes.
async fn transcripts(
    settings: &Settings,
    journal: &Journal,
    (clock, metrics): (&Clock, &Metrics),
    stop: &CancellationToken,
) -> Result<JoinHandle<Result<(), Arc<journal::Error>>>, Fault> {
    if !wants_transcripts(settings) {
        transcript::forget(journal).await?;
        let stop = stop.clone();
        return Ok(tokio::spawn(async move {
            stop.cancelled().await;
            Ok(())
        }));
    }
    let maker = transcript::Maker {
        journal: journal.clone(),
        config: settings.transcript,
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    Ok(tokio::spawn(maker.run(stop.clone())))
}

/// What every session is given, and what earlier processes noted.
async fn common(
    settings: &Settings,
    journal: &Journal,
    (intake, clock, metrics): (Intake, Clock, Metrics),
    sealer: Option<Arc<Sealer>>,
    shortened: bool,
) -> Result<Common, Fault> {
    Ok(Common {
        intake,
        journal: journal.clone(),
        clock,
        metrics,
        checkpoints: journal.checkpoints().await?,
        gaps: journal.gaps(None, true, usize::MAX).await?,
        sealer,
        quarantine: Arc::new(Quarantine::of(&settings.journal.state_dir)),
        shortened,
    })
}

/// What seals the keys of sessions on disk, where it is configured.
async fn sealer(settings: &Settings) -> Result<Option<Arc<Sealer>>, Fault> {
    let Some(secret) = state_key(settings).await.map_err(Fault::Configuration)? else { return Ok(None) };
    let sealer = Sealer::new(&secret).map_err(|error| Fault::Configuration(format!("state_key: {error}")))?;
    Ok(Some(Arc::new(sealer)))
}

/// The journal with its sinks; made or mended as far as that can be done.
async fn open(
    settings: &Settings,
    clock: &Clock,
    metrics: &Metrics,
    health: &Health,
) -> Result<(Journal, Recovery), Fault> {
    let opened = Journal::open(settings.journal.clone(), clock.clone(), metrics.clone(), health.clone());
    let (journal, recovery) = opened?;
    key_digests(&settings.sites, &journal.digest_key());
    if let Some(what) = &recovery.shortened {
        tracing::error!(
            "the journal is shorter than it was: {what}; going on as told, events may have been lost"
        );
    }
    let mut sinks: Vec<(String, StartAt)> =
        settings.sinks.iter().map(|sink| (sink.name.clone(), start_at(sink.start))).collect();
    // Read like a sink does: what it has not looked at stays.
    if wants_transcripts(settings) {
        sinks.push((transcript::POSITION.to_owned(), StartAt::Latest));
    }
    journal.register_sinks(&sinks).await?;
    Ok((journal, recovery))
}

/// What holds the sessions.
struct Held {
    fleet: Fleet,
    maker: Arc<Maker>,
    crew: Crew,
    rosters: Rosters,
    orders: mpsc::Receiver<Order>,
    /// The agents of each site at the start.
    first: Vec<(String, Vec<Agent>)>,
}

/// Makes ready a session for each agent of the rosters, and watches these.
async fn prepare(
    settings: &Settings,
    only: &[String],
    common: Common,
    hangups: Signal,
    health: &Health,
    stop: &CancellationToken,
) -> Result<Held, Fault> {
    let tools = (common.clock.clone(), common.metrics.clone(), health.clone());
    let prepared = fleet::prepare(&settings.sites, only, &settings.journal.state_dir, common).await;
    let prepared = prepared.map_err(|error| Fault::Configuration(error.to_string()))?;
    let Prepared { fleet, maker, rosters: begun } = prepared;
    let maker = Arc::new(maker);
    let crew = Crew::new(sessions::work(maker.clone(), stop.clone()), health.clone());
    let of_site = |(site, begun): (&SiteConfig, &Begun)| (site.name.clone(), begun.watch.agents().to_vec());
    let first = settings.sites.iter().zip(&begun).map(of_site).collect();
    let begun = settings.sites.iter().cloned().zip(begun).collect();
    let state_dir = &settings.journal.state_dir;
    let (rosters, orders) = rosters::start(begun, state_dir, hangups, tools, stop.clone());
    let configured = |name: &str| settings.sites.iter().any(|site| site.name == name);
    if only.is_empty()
        && let Err(error) = roster::forget_others(state_dir, configured)
    {
        tracing::warn!(%error, "rosters kept of sites that are configured no longer can not be removed");
    }
    Ok(Held { fleet, maker, crew, rosters, orders, first })
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
        Start::Time(time) => StartAt::Time(time),
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

/// Where a site has several base URLs, somebody looks whether the preferred one is back.
fn probe(fleet: &Fleet, stop: &CancellationToken) {
    for door in fleet.doors().iter().filter(|door| door.site.config.base_urls.len() > 1) {
        let (site, stop) = (door.site.clone(), stop.clone());
        tokio::spawn(async move { site.probe(stop).await });
    }
}

/// The key of what is encrypted in `state_dir`; refused where it could be guessed.
pub async fn state_key(settings: &Settings) -> Result<Option<SecretString>, String> {
    let Some(place) = &settings.state_key else { return Ok(None) };
    let key = place.read(None).await.map_err(|error| format!("state_key: {error}"))?;
    let characters = key.expose_secret().chars().count();
    if characters < MIN_STATE_KEY {
        return Err(format!(
            "state_key: {place}: {characters} characters are too few; put at least {MIN_STATE_KEY} there, e.g. of openssl rand -base64 32"
        ));
    }
    Ok(Some(key))
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
                ended = &mut self.transcripts => return match ended {
                    Ok(Err(error)) => anyhow::Error::new(error).context("transcripts can not be made"),
                    _ => anyhow::anyhow!("the task that makes transcripts has ended by itself"),
                },
                changed = state.changed() => {
                    let now = state.borrow_and_update().clone();
                    if let Some(fatal) = self.journal_is(&now, changed.is_err()) {
                        return fatal;
                    }
                }
                Some(gone) = self.crew.next() => self.gone(gone),
                Some(order) = self.orders.recv() => self.carry_out(order),
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

    fn gone(&self, name: Option<crew::Name>) {
        if let Some((site, agent)) = name {
            tracing::info!(site, agent, "held no longer");
            if let Some(door) = self.fleet.door(&site) {
                door.forget(&agent);
            }
        }
    }

    /// Touches only the agents that the change of a roster names.
    fn carry_out(&mut self, order: Order) {
        let Order { site, agents, change } = order;
        change.removed.iter().for_each(|agent| self.crew.remove(&site, agent));
        agents.into_iter().for_each(|agent| self.crew.add(&site, agent));
    }

    fn tick(&mut self) {
        let numbers = self.fleet.numbers(self.clock.now());
        for (site, numbers) in &numbers {
            if let Some(door) = self.fleet.door(site) {
                let status = status::of_site(numbers, &door.accounts.state());
                self.health.set(&format!("site {site}"), status);
            }
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
