//! Kafka's part of a sink: brokers, topic, and which of librdkafka's properties may be passed through.
//!
//! Deliberately absent: the names librdkafka knows. It checks them itself when the client is made, before any
//! network, and its list changes with its releases.

use super::Check;
use crate::base::link::is_loopback;
use crate::config::raw::{self, TextOrSecret};
use crate::config::tree::Path;
use crate::outbound::settings::{KafkaConfig, KafkaMode, OAuth2, OauthConfig};
use crate::outbound::sink::kafka::template::{Fault, PLACEHOLDERS as OF_EVENTS, Template};
use std::collections::BTreeMap;
use url::Url;

const ONE_IN_FLIGHT: &str =
    "it is always 1: brokers may lose the first of several requests to a new partition";

/// Properties that the sink sets itself, and what to do instead.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "use the sink's key brokers"),
    ("metadata.broker.list", "use the sink's key brokers"),
    ("acks", "it is always all: an event counts as delivered only then"),
    ("request.required.acks", "it is always all: an event counts as delivered only then"),
    ("enable.idempotence", "it is always true: retries would reorder or repeat events otherwise"),
    ("enable.gapless.guarantee", "the lane keeps the order: there is nothing to use instead"),
    ("max.in.flight", ONE_IN_FLIGHT),
    ("max.in.flight.requests.per.connection", ONE_IN_FLIGHT),
    ("message.timeout.ms", "it is always infinite; use the sink's keys retry and max_lag"),
    ("delivery.timeout.ms", "it is always infinite; use the sink's keys retry and max_lag"),
    ("retries", "use the sink's key retry"),
    ("message.send.max.retries", "use the sink's key retry"),
    ("transactional.id", "use the sink's key delivery; the id is made of the journal's name and the sink's"),
    ("transaction.timeout.ms", "it is fixed where delivery = \"exactly-once\""),
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
    (
        "enable.sasl.oauthbearer.unsecure.jwt",
        "a token that nobody signed is no login; use the sink's table oauth2",
    ),
];
/// Tokens are fetched by the bridge.
const TOKENS: &str = "sasl.oauthbearer.";

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
            if let Some(instead) = instead_of(name) {
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
        self.template(&at.key("key"), &raw.key);
        let headers = self.own_headers(&at.key("headers"), &raw.headers);
        let given = raw.oauth2.as_ref().filter(|oauth| oauth.is_given());
        let oauth2 = given.and_then(|oauth| self.oauth(&at.key("oauth2"), oauth));
        self.mechanism(&at.key("librdkafka"), &librdkafka, given.is_some());
        Some(KafkaConfig {
            brokers: raw.brokers.clone(),
            topic: raw.topic.clone()?,
            key: raw.key.clone(),
            headers,
            oauth2,
            figures: None,
            mode: match raw.mode {
                raw::KafkaMode::Binary => KafkaMode::Binary,
                raw::KafkaMode::Structured => KafkaMode::Structured,
            },
            control_topic: self.control_topic(at, raw),
            librdkafka,
            librdkafka_secrets,
        })
    }

    /// The topic of positions, where the sink delivers exactly once.
    fn control_topic(&mut self, at: &Path, raw: &raw::Kafka) -> Option<String> {
        let key = at.key("control_topic");
        let name = &raw.control_topic;
        let legal = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_');
        if name.is_empty() || name.len() > 249 || !name.chars().all(legal) {
            let what = format!("{name:?} can not be a topic's name");
            self.fault(&key, what).allowed(["1 to 249 letters, digits, dots, dashes and underscores"]);
        }
        match raw.delivery {
            raw::KafkaDelivery::Idempotent => None,
            raw::KafkaDelivery::ExactlyOnce => Some(name.clone()),
        }
    }

    fn template(&mut self, at: &Path, text: &str) {
        match Template::parse(text) {
            Ok(_) => {}
            Err(Fault::Unknown(name)) => {
                self.fault(at, format!("{name} is no placeholder")).one_of(&name, OF_EVENTS);
            }
            Err(Fault::Brace) => {
                self.fault(at, "a brace is not closed, or not opened").allowed(OF_EVENTS);
            }
            Err(Fault::Empty) => {
                self.fault(at, "a text is expected, with or without placeholders").allowed(OF_EVENTS);
            }
        }
    }

    fn own_headers(&mut self, at: &Path, raw: &BTreeMap<String, String>) -> Vec<(String, String)> {
        for (name, text) in raw {
            let at = at.key(name);
            let lower = name.to_ascii_lowercase();
            if lower == "content-type" || lower.starts_with("ce_") {
                self.fault(&at, format!("{name} is set by the sink itself, from the event")).hidden();
            } else if name.is_empty() || name.len() > 255 || name.contains('\0') {
                self.fault(&at, "a header's name has 1 to 255 bytes").hidden();
            }
            self.template(&at, text);
        }
        raw.iter().map(|(name, text)| (name.clone(), text.clone())).collect()
    }

    fn oauth(&mut self, at: &Path, raw: &raw::Oauth) -> Option<OauthConfig> {
        let key = at.key("token_url");
        let token_url = match &raw.token_url {
            Some(text) => self.token_url(&key, text),
            None => {
                self.missing(&key, "token_url is missing: where tokens are given out, e.g. \"https://login.example.com/oauth2/token\"");
                None
            }
        };
        let key = at.key("client_id");
        if raw.client_id.as_ref().is_none_or(String::is_empty) {
            self.missing(&key, "client_id is missing: the name that the token server knows the bridge by");
        }
        let key = at.key("client_secret");
        let client_secret = match &raw.client_secret {
            Some(place) => self.secret(&key, place, false),
            None => {
                self.missing(&key, "client_secret is missing: a reference to the client's secret");
                None
            }
        };
        for (index, scope) in raw.scopes.iter().enumerate() {
            if scope.is_empty() || !scope.bytes().all(in_scope) {
                let what = format!("{scope:?} is not one scope: no blanks, quotes or backslashes");
                self.fault(&at.key("scopes").index(index), what);
            }
        }
        let ca = self.authorities(&at.key("ca"), raw.ca.as_ref());
        let client = OAuth2 {
            token_url: token_url?,
            client_id: raw.client_id.clone()?,
            client_secret: client_secret?,
            scopes: raw.scopes.clone(),
            audience: raw.audience.clone(),
            in_body: raw.client_auth == Some(raw::SecretIn::Body),
        };
        Some(OauthConfig { client, ca })
    }

    /// The client's secret goes there: never in the clear beyond this machine.
    fn token_url(&mut self, at: &Path, text: &str) -> Option<Url> {
        let fault = match Url::parse(text) {
            Err(error) => format!("this is not a URL: {error}"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "user name and password do not belong into a URL: they end up in logs".to_owned()
            }
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
                return Some(url);
            }
            Ok(_) => "the client's secret is sent there: only https, or http on this machine".to_owned(),
        };
        self.fault(at, fault).allowed(["https://host/path"]);
        None
    }

    /// How the client logs in: tokens need the table `oauth2`, and nothing else goes with it.
    fn mechanism(&mut self, at: &Path, properties: &[(String, String)], oauth: bool) {
        for (name, value) in properties.iter().filter(|(name, _)| name.starts_with("sasl.mechanism")) {
            let tokens = value.eq_ignore_ascii_case("OAUTHBEARER");
            let what = match (tokens, oauth) {
                (_, true) => "the table oauth2 sets it: take one of the two out",
                (true, false) => {
                    "OAUTHBEARER needs the sink's table oauth2, which says where tokens come from and sets this"
                }
                (false, false) => continue,
            };
            self.fault(&at.key(name), what).hidden();
        }
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

/// RFC 6749, section 3.3.
fn in_scope(at: u8) -> bool {
    at.is_ascii_graphic() && !matches!(at, b'"' | b'\\')
}

/// What to use instead of a property that is the sink's own.
fn instead_of(name: &str) -> Option<&'static str> {
    let owned = OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, instead)| *instead);
    owned.or_else(|| name.starts_with(TOKENS).then_some("use the sink's table oauth2"))
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
