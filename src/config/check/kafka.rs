//! Kafka's part of a sink: brokers, topic, and which of librdkafka's properties may be passed through.
//!
//! Deliberately absent: the names librdkafka knows. It checks them itself when the client is made, before any
//! network, and its list changes with its releases.

use super::Check;
use crate::config::raw::{self, TextOrSecret};
use crate::config::tree::Path;
use crate::outbound::settings::{KafkaConfig, KafkaMode};

/// Properties that the sink sets itself, and what to do instead.
const OWNED: [(&str, &str); 27] = [
    ("bootstrap.servers", "use the sink's key brokers"),
    ("metadata.broker.list", "use the sink's key brokers"),
    ("acks", "it is always all: an event counts as delivered only then"),
    ("request.required.acks", "it is always all: an event counts as delivered only then"),
    ("enable.idempotence", "it is always true: retries would reorder or repeat events otherwise"),
    ("enable.gapless.guarantee", "the lane keeps the order: there is nothing to use instead"),
    ("max.in.flight", "idempotence fixes it"),
    ("max.in.flight.requests.per.connection", "idempotence fixes it"),
    ("message.timeout.ms", "it is always infinite; use the sink's keys retry and max_lag"),
    ("delivery.timeout.ms", "it is always infinite; use the sink's keys retry and max_lag"),
    ("retries", "use the sink's key retry"),
    ("message.send.max.retries", "use the sink's key retry"),
    ("transactional.id", "transactions are not used"),
    ("transaction.timeout.ms", "transactions are not used"),
    ("partitioner", "it is always murmur2_random, as Java's clients have it"),
    ("topic", "use the sink's key topic"),
    ("topics", "use the sink's key topic"),
    ("statistics.interval.ms", "the metrics need it as it is"),
    ("delivery.report.only.error", "the lane needs every report"),
    ("dr_cb", "callbacks can not be set from here"),
    ("dr_msg_cb", "callbacks can not be set from here"),
    ("queue.buffering.max.messages", "the lane bounds what is in flight"),
    ("queue.buffering.max.kbytes", "the lane bounds what is in flight"),
    ("queue.buffering.backpressure.threshold", "the lane bounds what is in flight"),
    ("queuing.strategy", "the lane needs first in, first out"),
    ("plugin.library.paths", "no code is loaded from here"),
    ("log_level", "use log.level"),
];

/// Parts of a property's name that say its value is a secret.
const CONFIDENTIAL: [&str; 6] =
    ["password", "secret", "passphrase", "key.pem", "oauthbearer.config", "private.key"];
/// Names with such a part that hold no secret themselves.
const PLAIN: [&str; 2] = ["location", "file"];

const PLACEHOLDERS: [&str; 3] = ["{site}", "{medium}", "{class}"];

impl Check<'_> {
    pub(super) fn kafka(&mut self, at: &Path, raw: &raw::Kafka) -> Option<KafkaConfig> {
        self.brokers(&at.key("brokers"), &raw.brokers);
        let key = at.key("topic");
        match &raw.topic {
            Some(topic) => self.topic(&key, topic),
            None => self.missing(&key, "topic is missing, e.g. \"gws.events\" or \"gws.{medium}.{class}\""),
        }
        let (mut librdkafka, mut librdkafka_secrets) = (Vec::new(), Vec::new());
        for (name, value) in &raw.librdkafka {
            let at = at.key("librdkafka").key(name);
            if let Some((_, instead)) = OWNED.iter().find(|(owned, _)| owned == name) {
                self.fault(&at, format!("{name} is set by the sink itself: {instead}")).hidden();
                continue;
            }
            match value {
                TextOrSecret::Secret(place) => {
                    let place = self.secret(&at, place, false);
                    librdkafka_secrets.extend(place.map(|place| (name.clone(), place)));
                }
                TextOrSecret::Text(_) if is_confidential(name) => {
                    let what = format!("{name} is a secret: it is given by reference");
                    self.fault(&at, what).hidden().allowed(crate::config::walk::REFERENCES);
                }
                TextOrSecret::Text(text) => librdkafka.push((name.clone(), text.clone())),
            }
        }
        Some(KafkaConfig {
            brokers: raw.brokers.clone(),
            topic: raw.topic.clone()?,
            mode: match raw.mode {
                raw::KafkaMode::Binary => KafkaMode::Binary,
                raw::KafkaMode::Structured => KafkaMode::Structured,
            },
            librdkafka,
            librdkafka_secrets,
        })
    }

    fn brokers(&mut self, at: &Path, brokers: &[String]) {
        if brokers.is_empty() {
            self.missing(at, "at least one broker is needed, e.g. [\"kafka-1.example.com:9093\"]");
        }
        for (index, broker) in brokers.iter().enumerate().filter(|(_, broker)| !is_broker(broker)) {
            self.fault(&at.index(index), format!("{broker:?} is not a broker")).allowed(["\"host:port\""]);
        }
    }

    fn topic(&mut self, at: &Path, topic: &str) {
        let mut plain = String::new();
        let mut rest = topic;
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let Some((name, after)) = after.split_once('}') else { break };
            let written = format!("{{{name}}}");
            if !PLACEHOLDERS.contains(&written.as_str()) {
                let what = format!("{written} is no placeholder");
                self.fault(at, what).one_of(&written, PLACEHOLDERS);
                return;
            }
            plain.push('x');
            rest = after;
        }
        plain.push_str(rest);
        let fits = |at: u8| at.is_ascii_alphanumeric() || matches!(at, b'.' | b'_' | b'-');
        if !(1..=200).contains(&plain.len()) || !plain.bytes().all(fits) || plain == "." || plain == ".." {
            let what = format!("{topic:?} is not a topic");
            let allowed = "1 to 200 of the characters a-z, A-Z, 0-9, \".\", \"_\" and \"-\", and the placeholders {site}, {medium}, {class}";
            self.fault(at, what).allowed([allowed]);
        }
    }
}

fn is_confidential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CONFIDENTIAL.iter().any(|part| name.contains(part)) && !PLAIN.iter().any(|end| name.ends_with(end))
}

fn is_broker(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = |at: u8| at.is_ascii_alphanumeric() || matches!(at, b'.' | b'-' | b'_');
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(plain),
    };
    let digits = port.bytes().all(|at| at.is_ascii_digit());
    host && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_host_and_port() {
        for fine in ["kafka:9092", "10.0.0.1:1", "[::1]:9092", "a.b-c_d:65535"] {
            assert!(is_broker(fine), "{fine}");
        }
        for bad in [
            "",
            "kafka",
            "kafka:",
            ":9092",
            "kafka:0",
            "kafka:65536",
            "SSL://k:1",
            "::1:9092",
            "[x]:1",
            "k:+1",
        ] {
            assert!(!is_broker(bad), "{bad}");
        }
    }

    #[test]
    fn properties_that_hold_secrets_are_known() {
        for name in ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"] {
            assert!(is_confidential(name), "{name}");
        }
        for name in
            ["sasl.username", "ssl.key.location", "ssl.ca.pem", "sasl.oauthbearer.assertion.private.key.file"]
        {
            assert!(!is_confidential(name), "{name}");
        }
    }

    #[test]
    fn what_the_sink_sets_itself_is_refused_with_the_key_to_use_instead() {
        for owned in crate::outbound::sink::kafka::properties::OWNED {
            assert!(
                OWNED.iter().any(|(name, _)| name == owned),
                "{owned} is set by the sink and not refused here"
            );
        }
    }
}
