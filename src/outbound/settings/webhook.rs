//! The checked settings of a webhook.
//!
//! Deliberately absent: defaults, which stand in `config/cometbridge.toml`.

use crate::base::link::Way;
use crate::base::secret::SecretRef;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

#[derive(Clone, Debug)]
pub struct WebhookConfig {
    pub url: Url,
    /// Standard Webhooks secrets (`whsec_…` or plain base64); every one signs, so receivers can rotate. Empty
    /// only where the operator said `unsigned = true`.
    pub secrets: Vec<SecretRef>,
    pub mode: WebhookMode,
    pub batch: BatchLimits,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub concurrency: usize,
    pub rate: Option<Rate>,
    /// Upper bound for what a receiver's `Retry-After` may ask for.
    pub max_retry_after: Duration,
    pub refusals: Refusals,
    pub ca: Option<PathBuf>,
    /// PEM with certificate and key.
    pub client_certificate: Option<SecretRef>,
    pub proxy: Option<Url>,
    pub proxy_password: Option<SecretRef>,
    /// Where the receiver may be, after its name is resolved; empty for anywhere.
    pub allow_networks: Vec<IpNet>,
    pub headers: Vec<(String, HeaderSource)>,
    pub auth: Option<Auth>,
}

impl WebhookConfig {
    /// How the way to the receiver is set, for the words when it breaks.
    pub fn way(&self) -> Way<'_> {
        Way {
            party: "the receiver",
            key: "url",
            ca: self.ca.is_some(),
            client_certificate: self.client_certificate.is_some(),
            proxy: self.proxy.as_ref(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookMode {
    /// One event a request.
    Structured,
    /// A JSON list of events a request.
    Batch,
}

/// What one request of a batch may hold; one event always fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    pub events: usize,
    pub bytes: u64,
}

/// At most so many requests in any such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub requests: u32,
    pub per: Duration,
}

/// What becomes of an event that is answered with a 4xx, where no status of a fixed meaning says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    pub others: Refusal,
    pub statuses: BTreeMap<u16, Refusal>,
}

impl Refusals {
    pub fn of(&self, status: u16) -> Refusal {
        self.statuses.get(&status).copied().unwrap_or(self.others)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The receiver may be repaired: again, by the schedule.
    Retry,
    /// A dead letter at once.
    DeadLetter,
}

/// A header's value: plain, or a secret by reference.
#[derive(Clone, Debug)]
pub enum HeaderSource {
    Plain(String),
    Secret(SecretRef),
}

/// What `Authorization` holds.
#[derive(Clone, Debug)]
pub enum Auth {
    Bearer(SecretRef),
    Basic { username: String, password: SecretRef },
    OAuth2(OAuth2),
}

/// Client credentials (RFC 6749, section 4.4).
#[derive(Clone, Debug)]
pub struct OAuth2 {
    pub token_url: Url,
    pub client_id: String,
    pub client_secret: SecretRef,
    pub scopes: Vec<String>,
    pub audience: Option<String>,
    /// Whether id and secret stand in the request's body and not in a header.
    pub in_body: bool,
}
