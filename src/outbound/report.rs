//! What a lane says of itself: metrics, health, and log lines that do not flood.
//!
//! A failure is logged at once, then at most once a minute with the number in between, then its end; a sink that
//! fails and works in turns does not get more lines for that.
//! Deliberately absent: any decision.

use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::journal::{Failure, Lag};
use crate::outbound::sink::Cause;
use prometheus::{Histogram, IntCounter, IntGauge};
use std::time::Duration;
use tokio::time::Instant;

/// A failure this soon after a success is one key's, not the sink's.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// How often a lasting failure is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

pub struct Report {
    sink: String,
    metrics: Metrics,
    /// What moves with each call, looked up once.
    up: IntGauge,
    seconds: Histogram,
    delivered: IntCounter,
    health: Health,
    /// What `health` was told last.
    told: Option<Status>,
    failing: Option<Failing>,
    last_good: Option<Instant>,
    failures: Voice,
    letters: Voice,
    /// Nothing more may be parked.
    full: bool,
}

struct Failing {
    since: Instant,
    /// Whether a line told of it; only then its end is told, too.
    said: bool,
}

/// Lets a few lines a minute through and counts the others.
struct Voice {
    burst: u32,
    minute: Option<Instant>,
    spoken: u32,
    unsaid: u64,
}

impl Voice {
    fn new(burst: u32) -> Voice {
        Voice { burst, minute: None, spoken: 0, unsaid: 0 }
    }

    /// Whether to speak now, and of how many untold ones before.
    fn speak(&mut self, now: Instant) -> Option<u64> {
        if self.minute.is_none_or(|began| now.duration_since(began) >= LOG_EVERY) {
            (self.minute, self.spoken) = (Some(now), 0);
        }
        if self.spoken >= self.burst {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        self.spoken += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Report {
    pub fn new(sink: &str, kind: &'static str, metrics: Metrics, health: Health) -> Report {
        let mut report = Report {
            sink: sink.to_owned(),
            up: metrics.sink_up.with_label_values(&[sink]),
            seconds: metrics.sink_delivery_seconds.with_label_values(&[sink]),
            delivered: metrics.sink_delivered_total.with_label_values(&[sink, kind]),
            metrics,
            health,
            told: None,
            failing: None,
            last_good: None,
            failures: Voice::new(1),
            letters: Voice::new(10),
            full: false,
        };
        report.status(Status::Starting);
        report.up.set(0);
        report
    }

    /// The sink is built; whether it delivers is not known yet.
    pub fn built(&mut self) {
        if self.failing.is_none() {
            self.up.set(1);
            self.status(Status::Ok);
        }
    }

    /// Something got through; `waiting` events that failed before are still to be tried again.
    pub fn got_through(&mut self, waiting: usize) {
        self.up.set(1);
        self.last_good = Some(Instant::now());
        if waiting > 0 {
            self.status(Status::Degraded(format!("{waiting} events failed and will be tried again")));
            return;
        }
        if let Some(failing) = self.failing.take()
            && failing.said
        {
            let seconds = failing.since.elapsed().as_secs();
            tracing::info!(sink = self.sink, "all that failed is delivered or put aside, after {seconds} s");
        }
        self.status(Status::Ok);
    }

    pub fn delivered(&self, events: u64, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        self.delivered.inc_by(events);
    }

    pub fn filtered(&self, events: u64) {
        self.metrics.sink_filtered_total.with_label_values(&[&self.sink]).inc_by(events);
    }

    pub fn retry(&self, cause: &Cause) {
        self.metrics.sink_retries_total.with_label_values(&[&self.sink, cause.reason]).inc();
    }

    /// A delivery failed. While others get through the sink counts as up.
    pub fn failed(&mut self, cause: &Cause) {
        if self.last_good.is_none_or(|at| at.elapsed() > GOOD_FOR) {
            self.failing(cause);
        } else {
            self.log_failure(cause);
        }
    }

    /// The sink is built anew: what was on its way may arrive twice.
    pub fn rebuilds(&mut self, cause: &Cause) {
        self.metrics.sink_rebuilds_total.with_label_values(&[&self.sink]).inc();
        self.failing(cause);
    }

    /// The sink as a whole does not work.
    pub fn failing(&mut self, cause: &Cause) {
        self.up.set(0);
        self.status(Status::Degraded(cause.to_string()));
        self.log_failure(cause);
    }

    fn log_failure(&mut self, cause: &Cause) {
        let now = Instant::now();
        let failing = self.failing.get_or_insert(Failing { since: now, said: false });
        let Some(unsaid) = self.failures.speak(now) else { return };
        failing.said = true;
        let seconds = now.duration_since(failing.since).as_secs();
        tracing::warn!(
            sink = self.sink,
            reason = cause.reason,
            failing_for_seconds = seconds,
            failures_not_logged = unsaid,
            "delivery fails, will be tried again: {}",
            cause.detail
        );
    }

    /// Each is listed by `dead-letters list`; the log names the first ones of a minute, by sequence: an id may tell content.
    pub fn dead_letter(&mut self, failure: &Failure, sequence: &str, attempts: u32) {
        self.metrics.sink_dead_letters_total.with_label_values(&[&self.sink, &failure.reason]).inc();
        let Some(unsaid) = self.letters.speak(Instant::now()) else { return };
        tracing::warn!(
            sink = self.sink,
            reason = failure.reason,
            attempts,
            sequence,
            dead_letters_not_logged = unsaid,
            "event put aside as a dead letter: {}",
            failure.detail
        );
    }

    /// The lane delivers no more; the daemon goes on.
    pub fn ended(&mut self, why: &str) {
        self.up.set(0);
        self.metrics.sink_ended.with_label_values(&[&self.sink]).set(1);
        self.status(Status::Degraded(format!("ended: {why}")));
        tracing::error!(
            sink = self.sink,
            "sink has ended and takes no more events until the next start: {why}"
        );
    }

    pub fn stopped(&self, unsettled: u64) {
        self.up.set(0);
        tracing::info!(
            sink = self.sink,
            unsettled,
            "lane has stopped; what is unsettled follows at the next start"
        );
    }

    pub fn lag(&self, lag: &Lag, age: Duration) {
        let labels = [self.sink.as_str()];
        self.metrics.sink_lag_events.with_label_values(&labels).set(signed(lag.events));
        self.metrics.sink_lag_bytes.with_label_values(&labels).set(signed(lag.bytes));
        self.metrics.sink_lag_seconds.with_label_values(&labels).set(age.as_secs_f64());
    }

    /// What failing keys have beside the position; `full` while no more of it fits.
    pub fn parked(&mut self, keys: u64, events: u64, bytes: u64, full: bool) {
        let labels = [self.sink.as_str()];
        self.metrics.sink_parked_keys.with_label_values(&labels).set(signed(keys));
        self.metrics.sink_parked_events.with_label_values(&labels).set(signed(events));
        self.metrics.sink_parked_bytes.with_label_values(&labels).set(signed(bytes));
        if full && !self.full {
            tracing::error!(
                sink = self.sink,
                keys,
                events,
                bytes,
                "failing keys have reached the limit of what may be parked (park): nothing more is read until there is room"
            );
        }
        self.full = full;
        if full {
            self.status(Status::Degraded(format!(
                "{events} events of {keys} failing keys are parked, as many as may be (park): nothing more is read"
            )));
        }
    }

    /// Whether the destination as a whole is given up for now.
    pub fn circuit(&self, open: bool, cause: Option<&Cause>) {
        self.metrics.sink_circuit_open.with_label_values(&[&self.sink]).set(i64::from(open));
        match cause {
            Some(cause) => tracing::warn!(
                sink = self.sink,
                reason = cause.reason,
                "the destination fails as a whole: one delivery at a time tries whether it is back: {}",
                cause.detail
            ),
            None => tracing::info!(sink = self.sink, "the destination is back"),
        }
    }

    pub fn lost(&self, count: u64, first: &str, last: &str, limit: &str) {
        self.metrics.sink_lost_total.with_label_values(&[&self.sink]).inc_by(count);
        tracing::error!(
            sink = self.sink,
            count,
            first,
            last,
            "sink lagged beyond {limit} and was moved on; these events will not reach it"
        );
    }

    pub fn intake(&self, paused: bool, limit: &str) {
        if paused {
            tracing::error!(
                sink = self.sink,
                "sink lags beyond {limit}: sessions acknowledge nothing until it has caught up"
            );
        } else {
            tracing::info!(sink = self.sink, "sink has caught up: sessions may acknowledge again");
        }
    }

    fn status(&mut self, status: Status) {
        if self.told.as_ref() != Some(&status) {
            self.health.set(&format!("sink {}", self.sink), status.clone());
            self.told = Some(status);
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_says_a_few_things_a_minute_and_counts_the_rest() {
        let (mut voice, start) = (Voice::new(2), Instant::now());
        let said: Vec<_> = [0, 1, 2, 59, 60, 61, 62, 130]
            .into_iter()
            .map(|second| voice.speak(start + Duration::from_secs(second)))
            .collect();
        assert_eq!(said, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
    }

    #[test]
    fn a_failing_sink_is_down_and_degraded_until_it_delivers() {
        let (metrics, health) = (Metrics::new().unwrap(), Health::default());
        let mut report = Report::new("crm", "webhook", metrics.clone(), health.clone());
        let up = || metrics.sink_up.with_label_values(&["crm"]).get();
        report.built();
        assert_eq!((up(), health.parts().get("sink crm").cloned()), (1, Some(Status::Ok)));
        report.failing(&Cause::new("timeout", "no answer"));
        assert_eq!(up(), 0);
        assert_eq!(health.parts().get("sink crm"), Some(&Status::Degraded("timeout: no answer".to_owned())));
        report.got_through(0);
        assert_eq!((up(), health.parts().get("sink crm").cloned()), (1, Some(Status::Ok)));
        report.failed(&Cause::new("timeout", "no answer"));
        assert_eq!(up(), 1, "one failure right after a success is a key's own");
    }
}
