//! What librdkafka counts of itself, as metrics of the sink.
//!
//! Its counters begin anew with each client, ours go on. Deliberately absent: series of a topic or a partition.

use crate::outbound::settings::Figures;
use serde::Deserialize;
use std::collections::HashMap;

/// The part of librdkafka's statistics that is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Statistics {
    msg_cnt: i64,
    msg_size: i64,
    brokers: HashMap<String, Broker>,
    eos: Idempotence,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Broker {
    nodeid: i64,
    source: String,
    state: String,
    tx: u64,
    txerrs: u64,
    txretries: u64,
    req_timeouts: u64,
    disconnects: u64,
    rtt: Window,
    throttle: Window,
}

/// Over the last interval.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Window {
    avg: f64,
    cnt: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Idempotence {
    idemp_state: String,
}

/// Sums over all brokers that only grow while a client lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    requests: u64,
    errors: u64,
    retries: u64,
    timeouts: u64,
    disconnects: u64,
}

impl Statistics {
    pub fn parse(json: &[u8]) -> Option<Statistics> {
        serde_json::from_slice(json).ok()
    }

    /// Whether the brokers gave the producer its number, which they give only to who may write.
    pub fn may_produce(&self) -> bool {
        self.eos.idemp_state == "Assigned"
    }

    /// Whether the client knows no broker that it could connect to; there is one from the start, and a logical one
    /// (a coordinator) leads nowhere by itself.
    pub fn knows_no_broker(&self) -> bool {
        self.brokers.values().all(|broker| broker.source == "logical")
    }

    fn sums(&self) -> Sums {
        self.brokers.values().fold(Sums::default(), |sums, broker| Sums {
            requests: sums.requests.saturating_add(broker.tx),
            errors: sums.errors.saturating_add(broker.txerrs),
            retries: sums.retries.saturating_add(broker.txretries),
            timeouts: sums.timeouts.saturating_add(broker.req_timeouts),
            disconnects: sums.disconnects.saturating_add(broker.disconnects),
        })
    }

    /// The longest of the brokers' means; microseconds become seconds.
    fn longest(&self, window: impl Fn(&Broker) -> (f64, u64)) -> f64 {
        let means = self.brokers.values().map(window).filter(|(_, count)| *count > 0);
        means.map(|(mean, _)| mean).fold(0.0, f64::max)
    }

    /// Writes the figures down; `before` are the sums of the last time. Gives those of now.
    pub fn note(&self, figures: &Figures, before: Sums) -> Sums {
        let (metrics, labels) = (&figures.metrics, [figures.sink.as_str()]);
        let up = self.brokers.values().filter(|broker| broker.nodeid >= 0 && broker.state == "UP").count();
        metrics.kafka_queue_messages.with_label_values(&labels).set(self.msg_cnt);
        metrics.kafka_queue_bytes.with_label_values(&labels).set(self.msg_size);
        metrics.kafka_brokers_up.with_label_values(&labels).set(i64::try_from(up).unwrap_or(i64::MAX));
        let rtt = self.longest(|broker| (broker.rtt.avg / 1e6, broker.rtt.cnt));
        metrics.kafka_round_trip_seconds.with_label_values(&labels).set(rtt);
        let throttled = self.longest(|broker| (broker.throttle.avg / 1e3, broker.throttle.cnt));
        metrics.kafka_throttle_seconds.with_label_values(&labels).set(throttled);
        let now = self.sums();
        for (family, now, before) in [
            (&metrics.kafka_requests_total, now.requests, before.requests),
            (&metrics.kafka_request_errors_total, now.errors, before.errors),
            (&metrics.kafka_request_retries_total, now.retries, before.retries),
            (&metrics.kafka_request_timeouts_total, now.timeouts, before.timeouts),
            (&metrics.kafka_disconnects_total, now.disconnects, before.disconnects),
        ] {
            // A broker that left the cluster takes its part of the sum with it.
            family.with_label_values(&labels).inc_by(now.saturating_sub(before));
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::metrics::Metrics;

    const TEXT: &str = r#"{"msg_cnt":7,"msg_size":700,"type":"producer","brokers":{
        "k:1/bootstrap":{"nodeid":-1,"state":"UP","tx":2,"rtt":{"avg":9000000,"cnt":0}},
        "k:1/1":{"nodeid":1,"state":"UP","tx":40,"txerrs":1,"txretries":2,"req_timeouts":3,"disconnects":4,
            "rtt":{"avg":2500,"p99":9000,"cnt":12},"throttle":{"avg":150,"cnt":1}},
        "k:2/2":{"nodeid":2,"state":"CONNECT","tx":0}},
        "eos":{"idemp_state":"Assigned","producer_id":1000}}"#;

    #[test]
    fn a_client_without_a_broker_to_connect_to_is_known_by_it() {
        let known = |brokers: &str| {
            Statistics::parse(format!(r#"{{"brokers":{{{brokers}}}}}"#).as_bytes()).unwrap().knows_no_broker()
        };
        assert!(known(""));
        assert!(known(r#""TxnCoordinator":{"nodeid":-1,"source":"logical","state":"INIT"}"#));
        for source in ["configured", "learned"] {
            assert!(!known(&format!(r#""k:1":{{"nodeid":1,"source":"{source}","state":"INIT"}}"#)));
        }
    }

    #[test]
    fn figures_become_metrics_and_counters_outlive_the_client() {
        let metrics = Metrics::new().unwrap();
        let figures = Figures { sink: "events".to_owned(), metrics: metrics.clone() };
        let statistics = Statistics::parse(TEXT.as_bytes()).unwrap();
        assert!(statistics.may_produce());
        let once = statistics.note(&figures, Sums::default());
        assert_eq!(statistics.note(&figures, once), once, "nothing new");
        statistics.note(&figures, Sums::default());
        let text = metrics.render();
        for line in [
            "cometbridge_kafka_queue_messages{sink=\"events\"} 7",
            "cometbridge_kafka_queue_bytes{sink=\"events\"} 700",
            "cometbridge_kafka_brokers_up{sink=\"events\"} 1",
            "cometbridge_kafka_round_trip_seconds{sink=\"events\"} 0.0025",
            "cometbridge_kafka_throttle_seconds{sink=\"events\"} 0.15",
            "cometbridge_kafka_requests_total{sink=\"events\"} 84",
            "cometbridge_kafka_disconnects_total{sink=\"events\"} 8",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
