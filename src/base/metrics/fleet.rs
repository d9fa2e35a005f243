//! The metrics of sites as a whole and of what the fleet of sessions knows of itself: the second part of the one
//! list that begins in `metrics.rs`.
//!
//! Deliberately absent: the rest of the list; its parent hands these fields on as its own.

use super::unknown::Words;
use super::{Registered, SinkFamilies, counters, float_gauges, gauges};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

/// Fields are named as the metrics are, without the prefix.
pub struct FleetFamilies {
    kafka: SinkFamilies,
    pub(super) unknown_words: Words,
    pub unknown_events_total: IntCounterVec,
    pub site_requests_total: IntCounterVec,
    pub site_logins_per_second: GaugeVec,
    pub site_breaker_open: IntGaugeVec,
    pub site_paused: IntGaugeVec,
    pub site_failovers_total: IntCounterVec,
    pub site_nodes: IntGaugeVec,
    pub site_node_share: GaugeVec,
    pub session_standing: IntGaugeVec,
    pub session_readings_total: IntCounterVec,
    pub session_keepalives_total: IntCounterVec,
    pub sessions_silent: IntGaugeVec,
    pub sessions_stalled: IntGaugeVec,
    pub sessions_resumed_total: IntCounterVec,
    pub replies_quarantined_total: IntCounterVec,
    pub interaction_gaps_total: IntCounterVec,
    pub accounts_refused: IntGaugeVec,
    pub roster_held: IntGaugeVec,
    pub roster_changes_total: IntCounterVec,
}

pub(super) const ERRANDS: &[&str] = &["login", "open", "poll", "keep-alive", "read"];
pub(super) const PAUSES: &[&str] = &["operator", "disturbed", "directory"];
pub(super) const STANDINGS: &[&str] =
    &["live", "quiet", "silent", "unverified", "refused", "stalled", "down"];
pub(super) const READINGS: &[&str] = &["agrees", "repaired", "partly", "silent", "unread"];
pub(super) const KEEP_ALIVES: &[&str] = &["ok", "failed", "logged-out"];
pub(super) const RESUMED: &[&str] = &["resumed", "unknown", "too-old"];
pub(super) const RECOVERED: &[&str] = &["yes", "partly", "no"];
pub(super) const CHANGES: &[&str] = &["added", "removed", "changed"];

impl std::ops::Deref for FleetFamilies {
    type Target = SinkFamilies;
    fn deref(&self) -> &SinkFamilies {
        &self.kafka
    }
}

impl FleetFamilies {
    #[expect(clippy::too_many_lines, reason = "one entry a metric: the list is the point")]
    pub(super) fn new(r: Registry, kafka: SinkFamilies) -> Registered<FleetFamilies> {
        Ok(FleetFamilies {
            kafka,
            unknown_words: Words::default(),
            unknown_events_total: counters(
                &r,
                "unknown_events_total",
                "Events of unknown meaning by the messageType they came with, where it is a name like GWS's own (32 at most); other, none",
                &["site", "messagetype"],
            )?,
            site_requests_total: counters(
                &r,
                "site_requests_total",
                "Requests sent, by errand: login, open, keep-alive, read; poll: only those that were not held and brought no news",
                &["site", "errand"],
            )?,
            site_logins_per_second: float_gauges(
                &r,
                "site_logins_per_second",
                "The pace of logins in force: halved while the site is overloaded, up to the configured one",
                &["site"],
            )?,
            site_breaker_open: gauges(
                &r,
                "site_breaker_open",
                "Hosts of the site that are left alone for now because they failed again and again",
                &["site"],
            )?,
            site_paused: gauges(
                &r,
                "site_paused",
                "1 while nobody may log in, by reason: operator, disturbed, directory",
                &["site", "reason"],
            )?,
            site_failovers_total: counters(
                &r,
                "site_failovers_total",
                "Moves of new logins to another base URL, there or back",
                &["site"],
            )?,
            site_nodes: gauges(&r, "site_nodes", "Nodes that the site's sessions stand on", &["site"])?,
            site_node_share: float_gauges(
                &r,
                "site_node_share",
                "Share of the sessions that stands on the busiest node, 0 to 1",
                &["site"],
            )?,
            session_standing: gauges(
                &r,
                "session_standing",
                "Agents by what is known of their hearing: live, quiet, silent, unverified, refused, stalled, down",
                &["site", "standing"],
            )?,
            session_readings_total: counters(
                &r,
                "session_readings_total",
                "Readings of state over REST by result: agrees, repaired, partly, silent, unread",
                &["site", "result"],
            )?,
            session_keepalives_total: counters(
                &r,
                "session_keepalives_total",
                "Requests that keep HTTP sessions alive by result: ok, failed, logged-out",
                &["site", "result"],
            )?,
            sessions_silent: gauges(
                &r,
                "sessions_silent",
                "Sessions that REST showed to miss notifications without any fault seen",
                &["site"],
            )?,
            sessions_stalled: gauges(
                &r,
                "sessions_stalled",
                "Sessions kept alive while they wait for storage",
                &["site"],
            )?,
            sessions_resumed_total: counters(
                &r,
                "sessions_resumed_total",
                "Sessions of an earlier process taken up by result: resumed, unknown, too-old",
                &["site", "result"],
            )?,
            replies_quarantined_total: counters(
                &r,
                "replies_quarantined_total",
                "Replies that could not be read and were put aside, one for each agent and request until its session works",
                &["site"],
            )?,
            interaction_gaps_total: counters(
                &r,
                "interaction_gaps_total",
                "Gaps of single interactions by whether REST gave back what was missed: yes, partly, no",
                &["site", "recovered"],
            )?,
            accounts_refused: gauges(
                &r,
                "accounts_refused",
                "Accounts of agents held whose secret was refused and is not tried again",
                &["site"],
            )?,
            roster_held: gauges(
                &r,
                "roster_held",
                "1 while a change of the roster waits to be accepted",
                &["site"],
            )?,
            roster_changes_total: counters(
                &r,
                "roster_changes_total",
                "Agents that a change of the roster touched: added, removed, changed",
                &["site", "kind"],
            )?,
        })
    }

    /// Every series that a site can have.
    pub(super) fn zero(&self, site: &str) {
        for (family, words) in [
            (&self.site_requests_total, ERRANDS),
            (&self.session_readings_total, READINGS),
            (&self.session_keepalives_total, KEEP_ALIVES),
            (&self.sessions_resumed_total, RESUMED),
            (&self.interaction_gaps_total, RECOVERED),
            (&self.roster_changes_total, CHANGES),
        ] {
            for word in words {
                family.with_label_values(&[site, *word]);
            }
        }
        for (family, words) in [(&self.site_paused, PAUSES), (&self.session_standing, STANDINGS)] {
            for word in words {
                family.with_label_values(&[site, *word]);
            }
        }
        for family in [
            &self.site_breaker_open,
            &self.site_nodes,
            &self.sessions_silent,
            &self.sessions_stalled,
            &self.accounts_refused,
            &self.roster_held,
        ] {
            family.with_label_values(&[site]);
        }
        self.site_failovers_total.with_label_values(&[site]);
        self.replies_quarantined_total.with_label_values(&[site]);
        self.site_logins_per_second.with_label_values(&[site]);
        self.site_node_share.with_label_values(&[site]);
    }
}
