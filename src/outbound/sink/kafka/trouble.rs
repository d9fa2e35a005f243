//! What is wrong between us and the brokers, from librdkafka's events: one word, and what to do about it.
//!
//! Texts of OpenSSL and librdkafka are recognised by fixed parts and then said in our own words: as they come, they
//! may name a user. Deliberately absent: what becomes of a record (`cause`).

use super::super::Cause;
use super::cause::{self, NOT_A_PRODUCER};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::time::Duration;
use tokio::time::Instant;

/// librdkafka repeats a lasting error every 30 s; an older one no longer stands above a vaguer one.
const STANDS: Duration = Duration::from_secs(60);

/// How the client is set up, as far as it matters for what to advise.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// In upper case; none where the login is not by SASL.
    pub mechanism: Option<String>,
    pub certificate: bool,
}

/// The trouble that stands.
#[derive(Debug)]
pub struct Trouble {
    pub cause: Cause,
    rank: u8,
    at: Instant,
}

impl Trouble {
    pub fn new(code: Code, text: &str, access: &Access) -> Trouble {
        let cause = read(code, text, access);
        let rank = match cause.reason {
            "tls" | "authentication" | "token" | "not-authorized" | "fenced" | "fatal" => 3,
            "resolve" => 2,
            _ if code == Code::AllBrokersDown => 0,
            _ => 1,
        };
        Trouble { cause, rank, at: Instant::now() }
    }

    /// One that is known better than librdkafka knows it.
    pub fn of(cause: Cause) -> Trouble {
        Trouble { cause, rank: 3, at: Instant::now() }
    }

    /// Nothing but somebody's hand mends it.
    pub fn is_definite(&self) -> bool {
        self.rank == 3
    }

    /// Keeps the one that says more: "all brokers are down" follows each refused login.
    pub fn replaces(&self, old: Option<&Trouble>) -> bool {
        old.is_none_or(|old| self.rank >= old.rank || old.at.elapsed() > STANDS)
    }
}

fn read(code: Code, text: &str, access: &Access) -> Cause {
    let at = place(text);
    let has = |part: &str| text.contains(part);
    if code == Code::Fatal {
        return fatal(text);
    }
    // What is refused is known from an event of its own; the log repeats it under another code.
    if code == Code::BrokerTransportFailure
        && (has("SASL authentication error") || has("mechanism handshake"))
    {
        return read(Code::Authentication, text, access);
    }
    if let Some((reason, detail)) = encryption(text, access) {
        return Cause::new(reason, format!("{at}{detail}"));
    }
    let detail = match code {
        Code::SSL => "the TLS handshake fails: check security.protocol and the ssl.* properties".to_owned(),
        Code::Authentication if has("mechanism handshake failed") => {
            let offered = text.rsplit("supported mechanisms:").next().map(mechanisms).unwrap_or_default();
            format!("the broker does not offer {}, but {offered}: set sasl.mechanism", login(access))
        }
        Code::Authentication => refused(access),
        Code::Resolve => {
            "the broker's name is not found: check brokers, and the brokers' advertised.listeners".to_owned()
        }
        Code::BrokerTransportFailure if has("onnection refused") => "nobody listens there".to_owned(),
        Code::BrokerTransportFailure if hangs_up(text) => {
            "the broker hangs up: it may speak TLS only; check security.protocol and the port in brokers"
                .to_owned()
        }
        Code::BrokerTransportFailure if has("might require SASL") => {
            "the broker hangs up: it may want a login; check security.protocol and sasl.mechanism".to_owned()
        }
        Code::BrokerTransportFailure => "the connection fails".to_owned(),
        Code::AllBrokersDown => "no broker can be reached".to_owned(),
        code => code.to_string(),
    };
    Cause::new(cause::reason(code), format!("{at}{detail}"))
}

/// In the clear, before anything was said: so does a port that speaks TLS, and a broker that is going down.
fn hangs_up(text: &str) -> bool {
    let at_first =
        text.contains("Disconnected") && text.contains("APIVERSION_QUERY") && !text.contains("ssl://");
    at_first || text.contains("SSL listener?") || text.contains("Invalid response size")
}

/// What ended the producer.
fn fatal(text: &str) -> Cause {
    if text.contains("Cluster authorization failed") {
        return Cause::new("not-authorized", NOT_A_PRODUCER);
    }
    if text.contains("fenced") {
        return Cause::new("fenced", "another producer has taken this one's place");
    }
    Cause::new("fatal", "the producer's state no longer fits the brokers'; a new one takes over")
}

/// TLS, wherever it shows: a broker's alert comes on a connection that seems to stand.
fn encryption(text: &str, access: &Access) -> Option<(&'static str, String)> {
    let has = |part: &str| text.contains(part);
    let client = if access.certificate {
        "it refuses the client certificate: check ssl.certificate.location and ssl.key.location"
    } else {
        "it demands a client certificate: set ssl.certificate.location and ssl.key.location"
    };
    let detail = if has("certificate verify failed") || has("could not be verified") {
        "the broker's certificate is not accepted: ssl.ca.location must name the authority that issued it, and the certificate must be for the name in brokers, and in date"
    } else if has("alert certificate required")
        || has("alert bad certificate")
        || has("alert unknown ca")
        || has("alert certificate unknown")
        || has("alert unsupported certificate")
        || has("alert certificate expired")
    {
        client
    } else if has("alert handshake failure") {
        "the broker breaks the TLS handshake off: it may demand a client certificate (ssl.certificate.location, ssl.key.location), or share no cipher with us"
    } else if has("wrong version number") || has("PLAINTEXT broker listener") || has("packet length too long")
    {
        "there is no TLS at this port: check security.protocol and the port in brokers"
    } else {
        return None;
    };
    Some(("tls", detail.to_owned()))
}

fn login(access: &Access) -> &str {
    access.mechanism.as_deref().unwrap_or("SASL")
}

fn refused(access: &Access) -> String {
    match login(access) {
        "OAUTHBEARER" => {
            "the broker refuses the token: check the scope and what the broker wants to find in it".to_owned()
        }
        "GSSAPI" => {
            "the broker refuses the Kerberos login: check sasl.kerberos.principal and sasl.kerberos.keytab"
                .to_owned()
        }
        other => format!("the broker refuses the login by {other}: check sasl.username and sasl.password"),
    }
}

/// `ssl://kafka-1:9093/bootstrap: …`: the broker's address, with a colon behind it.
fn place(text: &str) -> String {
    let known = ["ssl://", "sasl_ssl://", "sasl_plaintext://", "plaintext://"];
    let lower = text.to_ascii_lowercase();
    let start = known.iter().find(|start| lower.starts_with(**start)).map_or(0, |start| start.len());
    let rest = text.get(start..).unwrap_or_default();
    let address = rest.split(['/', ' ']).next().unwrap_or_default().trim_end_matches(':');
    let port = address.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
    let numbered = !port.is_empty() && port.bytes().all(|at| at.is_ascii_digit());
    if numbered { format!("{address}: ") } else { String::new() }
}

/// Names of mechanisms and nothing else.
fn mechanisms(text: &str) -> String {
    let named = |word: &&str| {
        word.len() > 2 && word.bytes().all(|at| at.is_ascii_uppercase() || at.is_ascii_digit() || at == b'-')
    };
    let words: Vec<&str> = text.split([',', ' ', '(', ')']).filter(named).take(8).collect();
    if words.is_empty() { "others".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: Code, text: &str) -> Cause {
        let access = Access { mechanism: Some("SCRAM-SHA-512".to_owned()), certificate: false };
        read(code, text, &access)
    }

    #[test]
    fn texts_of_the_library_are_said_in_our_own_words_with_the_broker_and_the_key_to_set() {
        let text = "sasl_ssl://kafka-1:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured (after 5ms in state SSL_HANDSHAKE)";
        let cause = said(Code::SSL, text);
        assert_eq!(cause.reason, "tls");
        assert!(
            cause.detail.starts_with("kafka-1:9093: ") && cause.detail.contains("ssl.ca.location"),
            "{cause}"
        );
        let text = "ssl://k:1/1: Receive failed: ssl/record/rec_layer_s3.c:1605:error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116";
        assert!(said(Code::BrokerTransportFailure, text).detail.contains("demands a client certificate"));
        let text = "sasl_ssl://k:1/1: SASL authentication error: Authentication failed for user=ann due to invalid credentials";
        let cause = said(Code::Authentication, text);
        assert!(cause.detail.contains("SCRAM-SHA-512") && !cause.detail.contains("ann"), "{cause}");
        let text = "k:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 1ms in state APIVERSION_QUERY)";
        assert!(
            said(Code::BrokerTransportFailure, text)
                .detail
                .starts_with("k:1: the broker hangs up: it may speak TLS only")
        );
        let text = "sasl_ssl://k:1/1: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN,SCRAM-SHA-256";
        assert!(said(Code::Authentication, text).detail.contains("but PLAIN, SCRAM-SHA-256:"));
    }

    #[test]
    fn a_refusal_stands_above_the_news_that_no_broker_is_left() {
        let access = Access::default();
        let refused = Trouble::new(Code::Authentication, "k:1/1: refused", &access);
        let down = Trouble::new(Code::AllBrokersDown, "1/1 brokers are down", &access);
        assert!(!down.replaces(Some(&refused)) && refused.replaces(Some(&down)) && down.replaces(None));
    }
}
