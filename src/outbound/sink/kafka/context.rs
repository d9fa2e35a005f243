//! What librdkafka calls back, on the producer's own thread: reports, errors, statistics, the wish for a token.
//!
//! Deliberately absent: what any of it means.

use super::flight::Flight;
use super::statistics::{Statistics, Sums};
use super::tokens::Tokens;
use super::trouble::{Access, Trouble};
use crate::outbound::settings::Figures;
use crate::outbound::sink::Cause;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use secrecy::ExposeSecret;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// librdkafka issue 5301: a cluster that shuts down may answer that it has no brokers; librdkafka then forgets all it
/// knew and, where its threads meet at the wrong moment, never goes back to the configured ones.
const STRANDED: &str = "the client has forgotten its brokers when all were out at once (librdkafka issue 5301); a new one takes over";

pub struct Context {
    pub flight: Arc<Flight>,
    pub access: Access,
    pub tokens: Option<Tokens>,
    pub figures: Option<Figures>,
    /// librdkafka's counters as they were the last time.
    pub sums: Mutex<Sums>,
    /// It knew no broker the last time.
    pub brokerless: AtomicBool,
}

impl ClientContext for Context {
    /// Asked for only where `sasl.mechanism` is OAUTHBEARER.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    /// librdkafka repeats itself for as long as an outage lasts; the lane says it once.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(level = ?level, facility, "librdkafka: {text}");
        // A broker that hangs up is told of in its log alone.
        if facility == "FAIL" {
            let text = text.split_once("]: ").map_or(text, |(_, text)| text);
            let code = RDKafkaErrorCode::BrokerTransportFailure;
            self.flight.trouble_is(Trouble::new(code, text, &self.access));
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Some(statistics) = Statistics::parse(statistics) else { return };
        self.flight.is_let_in(statistics.may_produce());
        // Once is no proof: while it begins anew with the configured brokers it may know none for a moment.
        let none = statistics.knows_no_broker();
        if self.brokerless.swap(none, Ordering::Relaxed) && none {
            self.flight.strand(Cause::new("stranded", STRANDED));
        }
        if let Some(figures) = &self.figures {
            let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
            *sums = statistics.note(figures, *sums);
        }
    }

    fn error(&self, error: KafkaError, text: &str) {
        // The reason for a missing token is known here better than librdkafka tells it back.
        if text.contains("OAUTHBEARER token") {
            return;
        }
        let Some(code) = error.rdkafka_error_code() else { return };
        let trouble = Trouble::new(code, text, &self.access);
        tracing::debug!("librdkafka: {code}: {}", trouble.cause);
        if code == RDKafkaErrorCode::Fatal {
            self.flight.ended(trouble.cause.clone());
        }
        self.flight.trouble_is(trouble);
    }

    /// Reports wait while a token is fetched; a token server that hangs costs seconds, not more.
    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(tokens) = &self.tokens else { return Err("there is no table oauth2".into()) };
        let got = tokens.get();
        if let Some(figures) = &self.figures {
            let result = if got.is_ok() { "ok" } else { "failed" };
            let labels = [figures.sink.as_str(), result];
            figures.metrics.kafka_tokens_total.with_label_values(&labels).inc();
        }
        match got {
            Ok(token) => Ok(OAuthToken {
                token: token.text.expose_secret().to_owned(),
                principal_name: tokens.client_id().to_owned(),
                lifetime_ms: token.expires,
            }),
            Err(reason) => {
                self.flight.trouble_is(Trouble::of(Cause::new("token", reason.clone())));
                Err(reason.into())
            }
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        let report = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        self.flight.report(token, report);
    }
}
