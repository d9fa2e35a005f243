//! The stop, in order: sessions stop polling → inbound flushes → lanes finish what is in hand until the grace
//! ends → positions synced. What is not finished by then follows at the next start.
//!
//! No `/meta/disconnect` is sent: a session that is left alone can be found again.

use crate::app::service::Service;
use crate::app::systemd;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};

/// For a step that needs nobody else.
const SOON: Duration = Duration::from_secs(1);
/// How often it is said who is still running.
const REPORT: Duration = Duration::from_secs(5);
/// What the journal may take to write its last positions, beyond the grace.
const CLOSE: Duration = Duration::from_secs(10);

/// SIGTERM (systemd, Kubernetes) and SIGINT (people).
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the next signal to stop, with its name. Cancel-safe.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Stops the service; true if everything finished within the grace.
pub async fn stop(mut service: Service) -> bool {
    let grace = service.settings.stop_grace;
    let deadline = Instant::now() + grace;
    systemd::stopping(grace + CLOSE);
    service.health.stopping();
    service.stop_sessions.cancel();
    let mut clean = sessions_end(&mut service, deadline).await;
    let Service {
        intake,
        dedup,
        transcripts,
        lanes,
        journal,
        stop_lanes,
        stop_admin,
        admin,
        mut crew,
        maker,
        orders,
        ..
    } = service;
    // What is still in hand is not acknowledged: it comes again, or is a gap of the next start.
    crew.shutdown().await;
    drop((crew, maker, orders, intake));
    if timeout_at(deadline, dedup).await.is_err() {
        tracing::warn!("the dedup thread did not finish within stop_grace");
        clean = false;
    }
    stop_lanes.cancel();
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    let late = tokio::select! {
        late = lanes.finished(left) => late,
        () = say_who(|| lanes.running()) => Vec::new(),
    };
    if !late.is_empty() {
        tracing::warn!(
            sinks = late.join(", "),
            "cut off at the end of stop_grace; they go on from their positions at the next start"
        );
        clean = false;
    }
    // A step that is cut off is done again at the next start.
    if !transcripts.is_finished()
        && timeout_at(deadline.max(Instant::now() + SOON), transcripts).await.is_err()
    {
        tracing::warn!("the task that makes transcripts did not finish within stop_grace");
    }
    stop_admin.cancel();
    if tokio::time::timeout(CLOSE, journal.close()).await.is_err() {
        tracing::error!("the journal did not close in time; it recovers at the next start");
        clean = false;
    }
    admin.abort();
    clean
}

async fn sessions_end(service: &mut Service, deadline: Instant) -> bool {
    let mut report = Instant::now() + REPORT;
    loop {
        match timeout_at(deadline.min(report), service.crew.next()).await {
            Ok(None) => return true,
            Ok(Some(_)) => {}
            Err(_) if Instant::now() >= deadline => {
                tracing::warn!(sessions = service.crew.len(), "sessions did not finish within stop_grace");
                return false;
            }
            Err(_) => {
                tracing::info!(
                    sessions = service.crew.len(),
                    "still stopping: sessions with a batch in hand"
                );
                report = Instant::now() + REPORT;
            }
        }
    }
}

/// Says every few seconds who is still running; never ends.
async fn say_who(running: impl Fn() -> Vec<String>) {
    loop {
        tokio::time::sleep(REPORT).await;
        tracing::info!(sinks = running().join(", "), "still stopping: sinks finish what is in hand");
    }
}
