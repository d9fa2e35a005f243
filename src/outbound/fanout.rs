//! One lane per sink. A lane that ends never ends another, nor the daemon.
//!
//! Deliberately absent: what an ended lane means for the process (nothing; it is degraded), and trimming: the
//! journal knows every sink's position and trims below the lowest.

use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::outbound::lag::Intake;
use crate::outbound::lane::{Lane, Maker, Wiring};
use crate::outbound::settings::SinkConfig;
use crate::outbound::source::Source;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The running lanes.
#[derive(Debug)]
pub struct Lanes {
    tracker: TaskTracker,
    abort: CancellationToken,
    intake: Intake,
    running: Running,
}

/// Names of the lanes that have not stopped.
#[derive(Clone, Debug, Default)]
struct Running(Arc<Mutex<BTreeSet<String>>>);

impl Running {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn enter(&self, name: &str) -> Entered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Entered { running: self.clone(), name: name.to_owned() }
    }
}

/// Takes the name off even where the task dies.
struct Entered {
    running: Running,
    name: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// Starts a lane for each sink. The journal is known by its birth, in Unix seconds, and its name. Cancelling `stop` makes the lanes
/// read no more and finish what is in hand; then [`Lanes::finished`] is to be called.
pub fn start<S: Source>(
    sinks: Vec<SinkConfig>,
    source: S,
    (birth, uuid): (i64, &str),
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) -> Lanes {
    let sinks = sinks.into_iter().map(|config| (config, Maker::Settings)).collect();
    start_with(sinks, &source, (birth, uuid), Clock::system(), (metrics, health), &stop)
}

pub(crate) fn start_with<S: Source>(
    sinks: Vec<(SinkConfig, Maker)>,
    source: &S,
    (birth, uuid): (i64, &str),
    clock: Clock,
    (metrics, health): (Metrics, Health),
    stop: &CancellationToken,
) -> Lanes {
    let tracker = TaskTracker::new();
    let abort = CancellationToken::new();
    let intake = Intake::new();
    let running = Running::default();
    let journal: Arc<str> = Arc::from(uuid);
    for (config, maker) in sinks {
        let entered = running.enter(&config.name);
        let wiring = Wiring {
            birth,
            journal: Arc::clone(&journal),
            clock: clock.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
            intake: intake.clone(),
        };
        let (name, health) = (config.name.clone(), health.clone());
        let lane = Lane::new(config, maker, source.clone(), wiring);
        tracker.spawn(async move {
            if tokio::spawn(lane.run()).await.is_err() {
                tracing::error!(sink = name, "lane died of a fault in the bridge; please report it");
                health.set(
                    &format!("sink {name}"),
                    Status::Degraded("ended: a fault in the bridge".to_owned()),
                );
            }
            drop(entered);
        });
    }
    tracker.close();
    Lanes { tracker, abort, intake, running }
}

impl Lanes {
    /// True while a sink with `on_limit = "stop-intake"` lags beyond its limit: acknowledge nothing.
    pub fn intake_paused(&self) -> watch::Receiver<bool> {
        self.intake.watch()
    }

    /// Names of the lanes that still run.
    pub fn running(&self) -> Vec<String> {
        self.running.names()
    }

    /// After `stop`: waits until every lane has finished, at most `grace`; then cuts them off. Gives the names of
    /// those that did not finish in time; what they had not settled follows at the next start.
    pub async fn finished(&self, grace: Duration) -> Vec<String> {
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let late = self.running();
        self.abort.cancel();
        // They hear of it at once, but closing a sink may be slow; the process does not wait for that.
        let _ = tokio::time::timeout(CUT_OFF, self.tracker.wait()).await;
        late
    }
}

/// What a lane that is cut off gets to store its position.
const CUT_OFF: Duration = Duration::from_secs(2);
