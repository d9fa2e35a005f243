//! Series from the first scrape on, at zero: a counter that first shows itself at 1 hides its own beginning from
//! `increase()`, and a panel over nothing says "no data" where it means "none".
//!
//! Deliberately absent: the words that only other rooms know (states, reasons); they hand them in.

use super::Metrics;
use crate::base::data::Complete;
use crate::base::envelope::{event, medium};
use crate::base::media::events_of;

/// The closed sets of labels of a site's sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionWords<'a> {
    pub states: &'a [&'a str],
    /// Why sessions are lost.
    pub lost: &'a [&'a str],
    /// Causes of gaps, each with its certainty.
    pub gaps: &'a [(&'a str, &'a str)],
}

const LOGINS: &[&str] = &["ok", "refused", "other-user", "failed"];
const HANDSHAKES: &[&str] = &["ok", "failed"];
const CONNECTS: &[&str] = &["ok", "failed", "timeout"];
/// The rules that drop a repeat.
const RULES: &[&str] = &["log-item", "reference", "state", "redelivery", "snapshot"];
/// Why the journal lets a dead letter go.
const DROPPED: &[&str] = &["limit", "retention"];
impl Metrics {
    /// Every series of the journal, and of what is made from it, that has labels.
    pub fn zero_journal(&self) {
        for reason in DROPPED {
            self.dead_letters_dropped_total.with_label_values(&[*reason]);
        }
        for complete in Complete::ALL {
            self.transcripts_total.with_label_values(&[complete.as_str()]);
        }
    }

    /// Every series that a site can have.
    pub fn zero_site(&self, site: &str, words: SessionWords<'_>) {
        self.fleet.zero(site);
        self.zero_unknown(site);
        for state in words.states {
            self.sessions.with_label_values(&[site, *state]);
        }
        self.sessions_without_ack.with_label_values(&[site]);
        self.session_silence_seconds.with_label_values(&[site]);
        for (family, results) in [
            (&self.session_logins_total, LOGINS),
            (&self.session_handshakes_total, HANDSHAKES),
            (&self.connects_total, CONNECTS),
            (&self.session_lost_total, words.lost),
            (&self.duplicates_total, RULES),
        ] {
            for result in results {
                family.with_label_values(&[site, *result]);
            }
        }
        for (cause, certainty) in words.gaps {
            self.session_gaps_total.with_label_values(&[site, *cause, *certainty]);
        }
        for family in [
            &self.subscriptions_refused_total,
            &self.messages_received_total,
            &self.messages_malformed_total,
            &self.revisions_total,
            &self.items_rejected_total,
        ] {
            family.with_label_values(&[site]);
        }
        for medium in medium::ALL {
            // A sink's loss is of no site.
            for event in events_of(medium).iter().filter(|event| **event != event::SINK_LOST) {
                self.events_total.with_label_values(&[site, *medium, *event]);
            }
        }
    }

    /// Every series that a sink can have; `reasons` are those its deliveries can fail for.
    pub fn zero_sink(&self, sink: &str, kind: &str, reasons: &[&str]) {
        self.sink_delivered_total.with_label_values(&[sink, kind]);
        self.sink_filtered_total.with_label_values(&[sink]);
        self.sink_lost_total.with_label_values(&[sink]);
        for reason in reasons {
            self.sink_retries_total.with_label_values(&[sink, *reason]);
            self.sink_dead_letters_total.with_label_values(&[sink, *reason]);
        }
        self.sink_lag_events.with_label_values(&[sink]);
        self.sink_lag_bytes.with_label_values(&[sink]);
        self.sink_lag_seconds.with_label_values(&[sink]);
        self.sink_up.with_label_values(&[sink]);
        self.sink_rebuilds_total.with_label_values(&[sink]);
        self.sink_circuit_open.with_label_values(&[sink]);
        self.sink_parked_keys.with_label_values(&[sink]);
        self.sink_parked_events.with_label_values(&[sink]);
        self.sink_parked_bytes.with_label_values(&[sink]);
        self.sink_ended.with_label_values(&[sink]);
        self.sink_delivery_seconds.with_label_values(&[sink]);
        if kind == "kafka" {
            self.zero_kafka(sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_all_of_them_every_family_has_a_series() {
        let metrics = Metrics::new().unwrap();
        let words = SessionWords { states: &["connected"], lost: &["x"], gaps: &[("x", "certain")] };
        metrics.zero_site("main", words);
        metrics.zero_sink("events", "kafka", &["timeout"]);
        metrics.zero_journal();
        let text = metrics.render();
        let declared = include_str!("../metrics.rs").split("pub build_info").nth(1).unwrap();
        let second = include_str!("fleet.rs").split("pub struct FleetFamilies").nth(1).unwrap();
        let third = include_str!("sinks.rs").split("pub struct SinkFamilies").nth(1).unwrap();
        let fields = [declared, second, third].map(|text| text.split("\n}").next().unwrap());
        let fields = fields.iter().flat_map(|text| text.lines()).skip(1);
        for name in fields.filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next()) {
            assert!(text.contains(&format!("# HELP cometbridge_{name} ")), "{name} has no series");
        }
    }
}
