//! The metrics of what sinks put aside and of Kafka's clients, from librdkafka's statistics: the third part of the
//! one list that begins in `metrics.rs`.
//!
//! Deliberately absent: brokers and topics as labels; a sink's series are summed or the worst of them.

use super::{Registered, counters, float_gauges, gauges};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

/// Fields are named as the metrics are, without the prefix.
pub struct SinkFamilies {
    pub sink_circuit_open: IntGaugeVec,
    pub sink_rebuilds_total: IntCounterVec,
    pub sink_parked_keys: IntGaugeVec,
    pub sink_parked_events: IntGaugeVec,
    pub sink_parked_bytes: IntGaugeVec,
    pub kafka_queue_messages: IntGaugeVec,
    pub kafka_queue_bytes: IntGaugeVec,
    pub kafka_brokers_up: IntGaugeVec,
    pub kafka_round_trip_seconds: GaugeVec,
    pub kafka_throttle_seconds: GaugeVec,
    pub kafka_requests_total: IntCounterVec,
    pub kafka_request_errors_total: IntCounterVec,
    pub kafka_request_retries_total: IntCounterVec,
    pub kafka_request_timeouts_total: IntCounterVec,
    pub kafka_disconnects_total: IntCounterVec,
    pub kafka_tokens_total: IntCounterVec,
}

const TOKENS: &[&str] = &["ok", "failed"];

impl SinkFamilies {
    #[expect(clippy::too_many_lines, reason = "one entry a metric: the list is the point")]
    pub(super) fn new(r: Registry) -> Registered<SinkFamilies> {
        Ok(SinkFamilies {
            sink_circuit_open: gauges(
                &r,
                "sink_circuit_open",
                "1 while the destination fails as a whole and is probed by one delivery at a time",
                &["sink"],
            )?,
            sink_rebuilds_total: counters(
                &r,
                "sink_rebuilds_total",
                "Times the sink's client was built anew; deliveries under way may then come twice",
                &["sink"],
            )?,
            sink_parked_keys: gauges(
                &r,
                "sink_parked_keys",
                "Keys that fail while others get through",
                &["sink"],
            )?,
            sink_parked_events: gauges(
                &r,
                "sink_parked_events",
                "Events that wait for their failing key, beside the position",
                &["sink"],
            )?,
            sink_parked_bytes: gauges(&r, "sink_parked_bytes", "Bytes of parked events", &["sink"])?,
            kafka_queue_messages: gauges(
                &r,
                "kafka_queue_messages",
                "Records that the Kafka client holds: waiting or on their way",
                &["sink"],
            )?,
            kafka_queue_bytes: gauges(
                &r,
                "kafka_queue_bytes",
                "Bytes of the records that the Kafka client holds",
                &["sink"],
            )?,
            kafka_brokers_up: gauges(
                &r,
                "kafka_brokers_up",
                "Brokers that the client is connected and logged in to",
                &["sink"],
            )?,
            kafka_round_trip_seconds: float_gauges(
                &r,
                "kafka_round_trip_seconds",
                "Mean round trip of the last 5 s to the slowest broker",
                &["sink"],
            )?,
            kafka_throttle_seconds: float_gauges(
                &r,
                "kafka_throttle_seconds",
                "Mean time that the brokers made the client wait by quota in the last 5 s, of the worst broker",
                &["sink"],
            )?,
            kafka_requests_total: counters(
                &r,
                "kafka_requests_total",
                "Requests sent to brokers",
                &["sink"],
            )?,
            kafka_request_errors_total: counters(
                &r,
                "kafka_request_errors_total",
                "Requests that could not be sent",
                &["sink"],
            )?,
            kafka_request_retries_total: counters(
                &r,
                "kafka_request_retries_total",
                "Requests sent again by the client itself",
                &["sink"],
            )?,
            kafka_request_timeouts_total: counters(
                &r,
                "kafka_request_timeouts_total",
                "Requests that no broker answered in time",
                &["sink"],
            )?,
            kafka_disconnects_total: counters(
                &r,
                "kafka_disconnects_total",
                "Connections to brokers that ended",
                &["sink"],
            )?,
            kafka_tokens_total: counters(
                &r,
                "kafka_tokens_total",
                "Tokens asked for by result: ok, failed",
                &["sink", "result"],
            )?,
        })
    }

    pub(super) fn zero_kafka(&self, sink: &str) {
        for family in [&self.kafka_queue_messages, &self.kafka_queue_bytes, &self.kafka_brokers_up] {
            family.with_label_values(&[sink]);
        }
        for family in [&self.kafka_round_trip_seconds, &self.kafka_throttle_seconds] {
            family.with_label_values(&[sink]);
        }
        for family in [
            &self.kafka_requests_total,
            &self.kafka_request_errors_total,
            &self.kafka_request_retries_total,
            &self.kafka_request_timeouts_total,
            &self.kafka_disconnects_total,
        ] {
            family.with_label_values(&[sink]);
        }
        for result in TOKENS {
            self.kafka_tokens_total.with_label_values(&[sink, *result]);
        }
    }
}
