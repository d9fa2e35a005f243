//! One sink's lane: read → route → mask → deliver → retry, dead-letter or settle. The ONLY retry loop.
//!
//! The lane holds a bounded window of events (`window`), has several calls out over distinct keys, and settles
//! the contiguous prefix. A key that fails while others get through is parked in the journal (`aside`), so that the
//! position does not wait for it; where everything fails, the `breaker` lets one probe at a time through and the
//! position waits. Waits are timers inside one `select`, so a stop is heard at once. After a crash what was
//! delivered above the position is delivered again under the same id.
//! Deliberately absent: knowledge of any kind of sink.

mod aside;
mod breaker;
mod dispatch;
mod fill;
mod keep;
mod land;
mod park;
mod place;
mod wait;

use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::journal::{Error, Head, Pending, Sequence, Settle};
use crate::outbound::lag::Intake;
use crate::outbound::mask::Mask;
use crate::outbound::report::Report;
use crate::outbound::settings::{SinkConfig, Start};
use crate::outbound::sink::{BuildError, Cause, Delivery, NoPlace, Outcome, Sink};
use crate::outbound::source::Source;
use crate::outbound::window::Window;
pub use place::{TOPIC, position_note};

use aside::Aside;
use breaker::Breaker;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use wait::{Reading, at, more, settled, within};

/// How often lag and trouble are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Calls that are out this long without any coming back mean that the sink does not work.
const SILENT: Duration = Duration::from_secs(5);
/// What calls get to come back before a sink is built anew.
const DRAIN: Duration = Duration::from_secs(10);
/// Wait for what a sink still has on its way when it is closed.
const CLOSE: Duration = Duration::from_secs(5);
/// Parked events and dead letters not stored yet; above this (the journal stalls) nothing more is read.
const MAX_UNSTORED: usize = 1_000;

/// What every lane shares.
#[derive(Clone)]
pub struct Wiring {
    pub birth: i64,
    /// The journal's name.
    pub journal: Arc<str>,
    pub clock: Clock,
    pub metrics: Metrics,
    pub health: Health,
    /// Finish what is in hand.
    pub stop: CancellationToken,
    /// The grace is over.
    pub abort: CancellationToken,
    pub intake: Intake,
}

/// Where the lane's sink comes from.
pub enum Maker {
    /// From the settings.
    Settings,
    #[cfg(test)]
    Scripted(Arc<crate::outbound::testing::Script>),
}

impl Maker {
    /// `secret` is the journal's own.
    async fn build(
        &self,
        config: &SinkConfig,
        journal: &str,
        secret: &[u8; 32],
    ) -> Result<(Mask, Sink), BuildError> {
        let mask = Mask::new(config, secret).await;
        let mask = mask.map_err(|reason| BuildError { sink: config.name.clone(), reason })?;
        let sink = match self {
            Maker::Settings => Sink::build(config, journal).await?,
            #[cfg(test)]
            Maker::Scripted(script) => Sink::Scripted(script.sink()),
        };
        Ok((mask, sink))
    }
}

/// One lane before and while it runs.
pub struct Lane<S> {
    config: SinkConfig,
    maker: Maker,
    mask: Mask,
    source: S,
    wiring: Wiring,
    report: Report,
    head: watch::Receiver<Head>,
    window: Window,
    /// A read that is out.
    reading: Option<Reading>,
    /// The last read got nowhere.
    stuck: bool,
    /// The position last asked to be stored.
    settled: Option<Sequence>,
    settling: Option<Pending<()>>,
    last_settle: Instant,
    /// When a position that moved is to be stored.
    settle_due: Option<Instant>,
    /// Parked events that are over with the settle that is out.
    settling_gone: Vec<Sequence>,
    /// What goes with the next settle.
    next: Settle,
    aside: Aside,
    /// Dead letters were taken up: there may be more.
    more_letters: bool,
    breaker: Breaker,
    /// Beyond the position, and put aside before the last stop.
    skip: HashSet<Sequence>,
    /// Whether a failing key may be parked.
    parks: bool,
    /// Nothing more is read, as what is parked has reached its limit with these figures.
    crowded: Option<(u64, u64, u64)>,
    last_good: Option<Instant>,
    /// The destination's own position: the stored one follows it.
    committed: Option<Sequence>,
    /// When it was last told to move over what it does not want.
    last_empty: Option<Instant>,
    /// Whether the journal notes that the destination keeps the position.
    noted: bool,
    /// Times in a row that another has taken the destination's place for us.
    fenced: u32,
    /// Times the sink was built since something last got through.
    builds: u32,
}

/// A call that came back.
struct Landed {
    batch: Vec<Delivery>,
    outcomes: Vec<Outcome>,
    took: Duration,
}

/// Each is a task of its own, so that encoding and signing are not the lane's time; they end with the lane.
type Calls = JoinSet<Landed>;

/// Why serving with one sink ended.
#[derive(Debug)]
enum End {
    Stopped,
    /// Build the sink anew and go on.
    Rebuild(Cause),
    /// The lane was moved on beyond what the sink may still hold.
    Released,
    /// The destination wants no more.
    Disabled(Cause),
}

/// Why a lane can not go on.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the journal can not be read or written: {0}")]
    Journal(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Journal(error.to_string())
    }
}

impl<S: Source> Lane<S> {
    pub fn new(config: SinkConfig, maker: Maker, source: S, wiring: Wiring) -> Lane<S> {
        let (metrics, health) = (wiring.metrics.clone(), wiring.health.clone());
        Lane {
            report: Report::new(&config.name, config.target.kind(), metrics, health),
            head: source.head(),
            window: Window::new(0, 1, 1),
            reading: None,
            stuck: false,
            settled: None,
            settling: None,
            last_settle: Instant::now(),
            settle_due: None,
            settling_gone: Vec::new(),
            next: Settle { sink: config.name.clone(), ..Settle::default() },
            aside: Aside::new(config.park),
            more_letters: false,
            breaker: Breaker::new(config.retry.backoff),
            skip: HashSet::new(),
            parks: false,
            crowded: None,
            last_good: None,
            committed: None,
            last_empty: None,
            noted: false,
            fenced: 0,
            builds: 0,
            config,
            maker,
            // Nothing is read before the sink is built, and this with it.
            mask: Mask::without_content(&source.secret()),
            source,
            wiring,
        }
    }

    /// Runs until stopped. A sink that has ended leaves its lane watching the lag alone, so that it neither pins
    /// the journal for ever nor loses anything unnamed.
    pub async fn run(mut self) {
        match self.live().await {
            Ok(None) => self.report.stopped(self.window.len() as u64),
            Ok(Some(cause)) => self.ended(&cause.to_string()).await,
            Err(fault) => self.ended(&fault.to_string()).await,
        }
    }

    /// The limits hold all the same, as long as the journal does.
    async fn ended(mut self, why: &str) {
        self.report.ended(why);
        if let Err(fault) = self.watch_only().await {
            self.report.ended(&fault.to_string());
        }
    }

    /// Serves, builds anew, serves: until stopped (none) or until the sink wants no more.
    async fn live(&mut self) -> Result<Option<Cause>, Fault> {
        self.resume().await?;
        loop {
            let Some(sink) = self.build().await? else { return self.last_settle().await.map(|()| None) };
            let sink = Arc::new(sink);
            match self.take_place(&sink).await? {
                Ok(()) => {}
                Err(none) => {
                    sink.close(Duration::ZERO).await;
                    match none {
                        NoPlace::Undecided(cause) => return Ok(Some(cause)),
                        NoPlace::Away(cause) if !self.wiring.stop.is_cancelled() => {
                            self.report.failing(&cause)
                        }
                        NoPlace::Away(_) => {}
                    }
                    continue;
                }
            }
            let end = self.serve(&sink).await;
            self.window.recall();
            if matches!(end, Ok(End::Stopped)) {
                self.park_rest();
            }
            let grace = if matches!(end, Ok(End::Stopped)) { CLOSE } else { Duration::ZERO };
            tokio::select! {
                () = sink.close(grace) => {}
                () = self.wiring.abort.cancelled() => {}
            }
            match end? {
                End::Stopped => return self.last_settle().await.map(|()| None),
                End::Rebuild(cause) if self.keeps_being_fenced(&cause) => {
                    return self.last_settle().await.map(|()| Some(cause));
                }
                End::Rebuild(cause) => self.report.rebuilds(&cause),
                End::Released => self.builds = 0,
                End::Disabled(cause) => return self.last_settle().await.map(|()| Some(cause)),
            }
        }
    }

    /// Finds the position to go on from; a sink the journal does not know is entered at once.
    async fn resume(&mut self) -> Result<(), Fault> {
        self.settled = self.source.position(&self.config.name).await?;
        let position = match (self.settled, self.config.start) {
            // A journal that was shortened may end before the position; what it writes next is new.
            (Some(stored), _) => stored.min(self.head.borrow().last),
            (None, Start::Latest) => self.head.borrow().last,
            // The journal was told of every sink, and when each begins, before any lane: nothing may be passed over.
            (None, Start::Earliest | Start::Time(_)) => 0,
        };
        self.window = Window::new(position, 1, 1);
        let parked = self.source.parked_keys(&self.config.name).await?;
        self.aside.found(parked, self.wiring.clock.now(), Instant::now());
        self.skip = self.source.aside_after(&self.config.name, position).await?.into_iter().collect();
        self.settle_now();
        tracing::info!(sink = self.config.name, position, "lane starts after this sequence");
        Ok(())
    }

    /// Builds the sink, with waits between tries; none where the stop came first.
    async fn build(&mut self) -> Result<Option<Sink>, Fault> {
        loop {
            let mut due = Instant::now();
            if self.builds > 0 {
                due += self.config.retry.backoff.jitter_upward(self.builds, fastrand::f64());
            }
            while Instant::now() < due {
                tokio::select! {
                    () = self.wiring.stop.cancelled() => return Ok(None),
                    () = sleep_until(due.min(Instant::now() + TICK)) => { self.tick().await?; }
                }
            }
            if self.wiring.stop.is_cancelled() {
                return Ok(None);
            }
            self.builds = self.builds.saturating_add(1);
            match self.maker.build(&self.config, &self.wiring.journal, &self.source.secret()).await {
                Ok((mask, sink)) => {
                    self.mask = mask;
                    let shape = sink.shape();
                    self.window.limit(shape.window_events, shape.window_bytes);
                    self.parks = shape.parks;
                    self.report.built();
                    return Ok(Some(sink));
                }
                Err(error) => self.report.failing(&Cause::new("build", error.reason)),
            }
        }
    }

    async fn serve(&mut self, sink: &Arc<Sink>) -> Result<End, Fault> {
        let shape = sink.shape();
        let mut calls = Calls::new();
        let mut ticker = interval_at(Instant::now() + TICK, TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leaving: Option<(End, Instant)> = None;
        let mut progress = Instant::now();
        loop {
            self.settle();
            let stopping = self.wiring.stop.is_cancelled();
            let serves = leaving.is_none();
            let reads = serves && !stopping;
            if reads {
                self.read_ahead();
                self.load(&shape, calls.len()).await?;
            }
            if serves {
                if calls.is_empty() {
                    progress = Instant::now();
                }
                self.dispatch(sink, &shape, &mut calls);
                if stopping && calls.is_empty() {
                    return Ok(End::Stopped);
                }
            }
            if calls.is_empty()
                && let Some((end, _)) = leaving
            {
                return Ok(end);
            }
            let due = self.next_due(&shape, calls.len()).filter(|_| reads);
            let deadline = leaving.as_ref().map(|(_, deadline)| *deadline);
            tokio::select! {
                biased;
                () = self.wiring.abort.cancelled() => return Ok(End::Stopped),
                () = self.wiring.stop.cancelled(), if !stopping => {}
                () = at(deadline), if deadline.is_some() => calls.shutdown().await,
                _ = ticker.tick() => {
                    self.stuck = false;
                    if self.tick().await? {
                        return Ok(End::Released);
                    }
                    self.look_for_trouble(sink, &calls, progress);
                }
                done = settled(&mut self.settling), if self.settling.is_some() => {
                    done?;
                    self.stored();
                }
                () = at(due), if due.is_some() => self.window.wake(Instant::now()),
                () = at(self.settle_due), if self.settle_due.is_some() => {}
                Some(first) = calls.join_next(), if !calls.is_empty() => {
                    progress = Instant::now();
                    self.moved(sink.committed()).await?;
                    let end = self.land_all(first, &mut calls, &shape);
                    leaving = leaving.or(end.map(|end| (end, progress + DRAIN)));
                }
                read = more(&mut self.reading, &mut self.head), if reads => self.take_in(read?),
            }
        }
    }

    fn look_for_trouble(&mut self, sink: &Sink, calls: &Calls, progress: Instant) {
        let silent = progress.elapsed();
        if calls.is_empty() || silent < SILENT {
            return;
        }
        let cause = sink.trouble().unwrap_or_else(|| {
            Cause::new("silent", format!("no delivery confirmed for {} s", silent.as_secs()))
        });
        self.report.failing(&cause);
    }
}
