//! Every metric of the service, by name, in one place; other rooms see typed methods only.
//!
//! Labels come from closed sets and configured names (site, sink), never from an agent, an interaction or a URL, and a
//! sender's word is one only as `unknown` bounds it: the number of series does not grow with the fleet. Names are a contract (design section 8).

mod fleet;
mod make;
mod sinks;
mod unknown;
mod zero;

pub use fleet::FleetFamilies;
pub use sinks::SinkFamilies;
pub use zero::SessionWords;

use make::{
    Registered, counter, counters, float_counter, float_gauge, float_gauges, gauge, gauges, histogram,
    histograms,
};
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};
use std::sync::Arc;

/// All metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

/// The families. Fields are named as the metrics are, without the prefix; those of `fleet` are reached the same way.
pub struct Families {
    registry: Registry,
    fleet: FleetFamilies,
    pub build_info: IntGaugeVec,
    pub sessions: IntGaugeVec,
    pub sessions_without_ack: IntGaugeVec,
    pub session_silence_seconds: prometheus::GaugeVec,
    pub session_logins_total: IntCounterVec,
    pub session_handshakes_total: IntCounterVec,
    pub session_lost_total: IntCounterVec,
    pub session_gaps_total: IntCounterVec,
    pub connects_total: IntCounterVec,
    pub subscriptions_refused_total: IntCounterVec,
    pub messages_received_total: IntCounterVec,
    pub messages_malformed_total: IntCounterVec,
    pub events_total: IntCounterVec,
    pub duplicates_total: IntCounterVec,
    pub revisions_total: IntCounterVec,
    pub items_rejected_total: IntCounterVec,
    pub marks_evicted_total: IntCounter,
    pub gaps_expired_total: IntCounter,
    pub journal_commits_total: IntCounter,
    pub journal_commit_seconds: Histogram,
    pub journal_last_sequence: IntGauge,
    pub journal_events: IntGauge,
    pub journal_bytes: IntGauge,
    pub journal_disk_bytes: IntGauge,
    pub journal_stalled: IntGauge,
    pub journal_stall_seconds_total: prometheus::Counter,
    pub journal_trimmed_total: IntCounter,
    pub journal_damaged_total: IntCounter,
    pub sink_delivered_total: IntCounterVec,
    pub sink_filtered_total: IntCounterVec,
    pub sink_retries_total: IntCounterVec,
    pub sink_dead_letters_total: IntCounterVec,
    pub dead_letters_dropped_total: IntCounterVec,
    pub sink_lost_total: IntCounterVec,
    pub sink_lag_events: IntGaugeVec,
    pub sink_lag_bytes: IntGaugeVec,
    pub sink_lag_seconds: prometheus::GaugeVec,
    pub sink_up: IntGaugeVec,
    pub sink_ended: IntGaugeVec,
    pub sink_delivery_seconds: HistogramVec,
    pub transcripts_total: IntCounterVec,
    pub config_last_reload_success: IntGauge,
    pub process_resident_memory_bytes: IntGauge,
    pub process_open_fds: IntGauge,
    pub process_cpu_seconds_total: Gauge,
}

impl std::ops::Deref for Metrics {
    type Target = Families;
    fn deref(&self) -> &Families {
        &self.0
    }
}

/// One flat list for those who count; it stands in three files only because it is long.
impl std::ops::Deref for Families {
    type Target = FleetFamilies;
    fn deref(&self) -> &FleetFamilies {
        &self.fleet
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// All families, registered once. Fails only where a name stands twice, which a test rules out.
    #[expect(clippy::too_many_lines, reason = "one entry a metric: the list is the point")]
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let r = Registry::new();
        let families = Families {
            build_info: gauges(&r, "build_info", "Always 1; the version is a label", &["version"])?,
            sessions: gauges(&r, "sessions", "Agents by the state of their session", &["site", "state"])?,
            sessions_without_ack: gauges(
                &r,
                "sessions_without_ack",
                "Connected sessions whose server has no ack extension",
                &["site"],
            )?,
            session_silence_seconds: float_gauges(
                &r,
                "session_silence_seconds",
                "Longest time since a good connect reply among connected sessions",
                &["site"],
            )?,
            session_logins_total: counters(
                &r,
                "session_logins_total",
                "Logins by result: ok, refused, other-user, failed",
                &["site", "result"],
            )?,
            session_handshakes_total: counters(
                &r,
                "session_handshakes_total",
                "Handshakes by result: ok, failed",
                &["site", "result"],
            )?,
            session_lost_total: counters(
                &r,
                "session_lost_total",
                "Sessions lost, by reason",
                &["site", "reason"],
            )?,
            session_gaps_total: counters(
                &r,
                "session_gaps_total",
                "Gaps published, by cause and certainty",
                &["site", "cause", "certainty"],
            )?,
            connects_total: counters(
                &r,
                "connects_total",
                "Connect exchanges by result: ok, failed, timeout",
                &["site", "result"],
            )?,
            subscriptions_refused_total: counters(
                &r,
                "subscriptions_refused_total",
                "Channels the server refused to subscribe",
                &["site"],
            )?,
            messages_received_total: counters(
                &r,
                "messages_received_total",
                "Notifications received",
                &["site"],
            )?,
            messages_malformed_total: counters(
                &r,
                "messages_malformed_total",
                "Messages or items that did not have the expected shape (kept as unknown)",
                &["site"],
            )?,
            events_total: counters(
                &r,
                "events_total",
                "Events written to the journal",
                &["site", "medium", "event"],
            )?,
            duplicates_total: counters(
                &r,
                "duplicates_total",
                "Notifications or items dropped as repeats, by the rule that decided",
                &["site", "rule"],
            )?,
            revisions_total: counters(
                &r,
                "revisions_total",
                "Log items that came again with other content",
                &["site"],
            )?,
            items_rejected_total: counters(&r, "items_rejected_total", "Items too large to keep", &["site"])?,
            marks_evicted_total: counter(
                &r,
                "marks_evicted_total",
                "Conversations whose dedup marks passed their window",
            )?,
            gaps_expired_total: counter(
                &r,
                "gaps_expired_total",
                "Closed gaps removed from the timeline, past journal.keep_gaps",
            )?,
            journal_commits_total: counter(&r, "journal_commits_total", "Commits with a full fsync")?,
            journal_commit_seconds: histogram(
                &r,
                "journal_commit_seconds",
                "Duration of a commit with its fsync",
            )?,
            journal_last_sequence: gauge(
                &r,
                "journal_last_sequence",
                "Sequence of the last event committed",
            )?,
            journal_events: gauge(&r, "journal_events", "Events whose bodies the journal holds")?,
            journal_bytes: gauge(&r, "journal_bytes", "Bytes of event bodies the journal holds")?,
            journal_disk_bytes: gauge(&r, "journal_disk_bytes", "Bytes of the journal's files on disk")?,
            journal_stalled: gauge(
                &r,
                "journal_stalled",
                "1 while the journal can not write (disk full); nothing is acknowledged meanwhile",
            )?,
            journal_stall_seconds_total: float_counter(
                &r,
                "journal_stall_seconds_total",
                "Time spent unable to write",
            )?,
            journal_trimmed_total: counter(
                &r,
                "journal_trimmed_total",
                "Event bodies removed after delivery",
            )?,
            journal_damaged_total: counter(
                &r,
                "journal_damaged_total",
                "Rows set aside because their checksum did not match",
            )?,
            sink_delivered_total: counters(
                &r,
                "sink_delivered_total",
                "Events delivered",
                &["sink", "kind"],
            )?,
            sink_filtered_total: counters(
                &r,
                "sink_filtered_total",
                "Events that did not match the sink",
                &["sink"],
            )?,
            sink_retries_total: counters(
                &r,
                "sink_retries_total",
                "Deliveries to be tried again, by reason",
                &["sink", "reason"],
            )?,
            sink_dead_letters_total: counters(
                &r,
                "sink_dead_letters_total",
                "Events put aside as dead letters, by reason",
                &["sink", "reason"],
            )?,
            dead_letters_dropped_total: counters(
                &r,
                "dead_letters_dropped_total",
                "Dead letters removed by the journal's limits: retention, limit",
                &["reason"],
            )?,
            sink_lost_total: counters(
                &r,
                "sink_lost_total",
                "Events a sink was moved past because it lagged beyond its limit",
                &["sink"],
            )?,
            sink_lag_events: gauges(
                &r,
                "sink_lag_events",
                "Events committed and not yet settled by the sink",
                &["sink"],
            )?,
            sink_lag_bytes: gauges(
                &r,
                "sink_lag_bytes",
                "Bytes committed and not yet settled by the sink",
                &["sink"],
            )?,
            sink_lag_seconds: float_gauges(
                &r,
                "sink_lag_seconds",
                "Age of the oldest event not yet settled by the sink",
                &["sink"],
            )?,
            sink_up: gauges(
                &r,
                "sink_up",
                "1 while the sink delivers, 0 while it fails or has ended",
                &["sink"],
            )?,
            sink_ended: gauges(
                &r,
                "sink_ended",
                "1 once the sink delivers no more until the next start, e.g. as its receiver is gone",
                &["sink"],
            )?,
            sink_delivery_seconds: histograms(
                &r,
                "sink_delivery_seconds",
                "Duration of one delivery call",
                &["sink"],
            )?,
            transcripts_total: counters(
                &r,
                "transcripts_total",
                "Transcripts made, by whether they are complete: true, false, unknown",
                &["complete"],
            )?,
            config_last_reload_success: gauge(
                &r,
                "config_last_reload_success",
                "1 if the configuration in force was read without fault",
            )?,
            process_resident_memory_bytes: gauge(
                &r,
                "process_resident_memory_bytes",
                "Resident memory of the process",
            )?,
            process_open_fds: gauge(&r, "process_open_fds", "Open file descriptors of the process")?,
            process_cpu_seconds_total: float_gauge(
                &r,
                "process_cpu_seconds_total",
                "User and system time used",
            )?,
            fleet: FleetFamilies::new(r.clone(), SinkFamilies::new(r.clone())?)?,
            registry: r,
        };
        families.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Metrics(Arc::new(families)))
    }

    /// The text exposition format, with the process's own figures read now.
    pub fn render(&self) -> String {
        self.read_process();
        let mut out = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(error) => format!("# metrics could not be written: {error}\n"),
        }
    }

    /// The sum over all series of a family, or over those with a label of this value.
    pub fn total(family: &impl Collector, label: Option<&str>) -> f64 {
        family
            .collect()
            .iter()
            .flat_map(|family| family.get_metric().to_vec())
            .filter(|metric| {
                label.is_none_or(|value| metric.get_label().iter().any(|pair| pair.value() == value))
            })
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }

    fn read_process(&self) {
        let page = 4096;
        if let Ok(statm) = std::fs::read_to_string("/proc/self/statm")
            && let Some(pages) = statm.split(' ').nth(1).and_then(|text| text.parse::<i64>().ok())
        {
            self.process_resident_memory_bytes.set(pages * page);
        }
        if let Ok(dir) = std::fs::read_dir("/proc/self/fd") {
            self.process_open_fds.set(i64::try_from(dir.count()).unwrap_or(i64::MAX));
        }
        if let Ok(stat) = std::fs::read_to_string("/proc/self/stat") {
            // Fields 14 and 15 count clock ticks of 1/100 s; the command's name before them may hold blanks.
            let after = stat.rsplit(')').next().unwrap_or_default();
            let ticks: f64 =
                after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
            self.process_cpu_seconds_total.set(ticks / 100.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_registers_and_renders() {
        let metrics = Metrics::new().unwrap();
        let text = metrics.render();
        assert!(text.contains("cometbridge_build_info{version="), "{text}");
        assert!(text.contains("cometbridge_process_resident_memory_bytes "), "{text}");
    }
}
