//! What all sessions of one site share: the HTTP client, the static headers, and the pace of requests.
//!
//! Deliberately absent: anything of one agent (cookies, tokens, state).

use crate::base::secret;
use crate::inbound::session::protocol::FailureKind;
use crate::inbound::settings::{HeaderValue as HeaderSource, SiteConfig};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Shared by every session of a site.
pub struct Site {
    pub config: SiteConfig,
    pub client: reqwest::Client,
    pub headers: HeaderMap,
    /// All requests but held polls.
    pub requests: Pace,
    pub logins: Pace,
    nowhere: Url,
}

/// A place among the handshakes under way; given back when dropped.
pub struct Opening;

/// Why a site can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("site {site}: {key}: {reason}")]
    Setting { site: String, key: &'static str, reason: String },
    #[error("site {site}: {source}")]
    Secret { site: String, source: secret::Error },
}

/// What a request is for: decides which budgets it shares. Held polls ask nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// `GET /me` with Basic: the logins' pace within the site's.
    Login,
    /// Handshake, subscription, a connect that is not held, a farewell.
    Open,
    /// A request that keeps an HTTP session or a CometD session alive.
    KeepAlive,
    /// Reading state over REST: at most a fifth of the site's pace.
    Read,
}

/// What came of one exchange, whatever its kind.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The HTTP status, or why there was none.
    pub result: Result<u16, FailureKind>,
    /// Until the answer began.
    pub took: Duration,
    pub retry_after: Option<Duration>,
    /// A poll that the server could hold: its time says nothing.
    pub held: bool,
}

impl Site {
    /// Waits until a request of this kind may leave.
    pub async fn admit(&self, errand: Errand) {
        self.requests.take().await;
        if errand == Errand::Login {
            self.logins.take().await;
        }
    }

    /// Waits for one of the places for opening a session; held until the session stands or has failed.
    pub async fn opening(&self) -> Opening {
        Opening
    }

    /// Told of every exchange with a host.
    pub fn heard(&self, _base: &Url, _heard: Heard) {}

    /// The base URL that a session without a pin is to be opened at now.
    pub fn base(&self) -> Url {
        self.config.base_urls.first().cloned().unwrap_or_else(|| self.nowhere.clone())
    }

    /// Looks from time to time whether a preferred base URL answers again; for a site with several.
    pub async fn probe(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    pub async fn new(config: SiteConfig) -> Result<Site, Error> {
        let client = client(&config).await?;
        let headers = headers(&config).await?;
        let requests = Pace::new(config.requests_per_second);
        let logins = Pace::new(config.logins_per_second);
        let nowhere = Url::parse("http://127.0.0.1:1").map_err(|e| Error::Setting {
            site: config.name.clone(),
            key: "base_url",
            reason: e.to_string(),
        })?;
        Ok(Site { config, client, headers, requests, logins, nowhere })
    }
}

async fn client(config: &SiteConfig) -> Result<reqwest::Client, Error> {
    let fault = |key, reason: String| Error::Setting { site: config.name.clone(), key, reason };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("cometbridge/", env!("CARGO_PKG_VERSION")))
        // Held polls would use up the streams of an HTTP/2 connection.
        .http1_only()
        // A repeated poll is a duplicate connect for the server: nothing is ever sent twice by itself.
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .gzip(config.compression)
        .no_proxy()
        .connect_timeout(config.connect_timeout)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(Duration::from_secs(20));
    if let Some(path) = &config.ca {
        let pem = std::fs::read(path).map_err(|e| fault("ca", format!("{}: {e}", path.display())))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|e| fault("ca", format!("{}: {e}", path.display())))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(reference) = &config.client_certificate {
        let pem = reference
            .read(None)
            .await
            .map_err(|source| Error::Secret { site: config.name.clone(), source })?;
        let identity = reqwest::Identity::from_pem(pem.expose_secret().as_bytes()).map_err(|_| {
            fault("client_certificate", format!("{reference}: expected a PEM certificate and its key"))
        })?;
        builder = builder.identity(identity);
    }
    if let Some(url) = &config.proxy {
        let mut proxy = reqwest::Proxy::all(url.clone()).map_err(|e| fault("proxy", e.to_string()))?;
        if let Some(reference) = &config.proxy_password {
            let password = reference
                .read(None)
                .await
                .map_err(|source| Error::Secret { site: config.name.clone(), source })?;
            proxy = proxy.basic_auth(url.username(), password.expose_secret());
        }
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|e| fault("base_url", format!("the HTTP client can not be built: {e}")))
}

async fn headers(config: &SiteConfig) -> Result<HeaderMap, Error> {
    let fault = |reason: String| Error::Setting { site: config.name.clone(), key: "headers", reason };
    let mut out = HeaderMap::new();
    for (name, source) in &config.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| fault(format!("{name}: not a header name")))?;
        let value = match source {
            HeaderSource::Plain(text) => HeaderValue::from_str(text),
            HeaderSource::Secret(reference) => {
                let secret = reference
                    .read(None)
                    .await
                    .map_err(|source| Error::Secret { site: config.name.clone(), source })?;
                HeaderValue::from_str(secret.expose_secret()).map(|mut value| {
                    value.set_sensitive(true);
                    value
                })
            }
        };
        out.insert(parsed, value.map_err(|_| fault(format!("{name}: the value can not stand in a header")))?);
    }
    Ok(out)
}

/// A steady pace: each taker gets a slot, in order, `1 / per_second` after the one before; a short rest earns
/// a burst of up to one second's worth.
pub struct Pace {
    step: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub fn new(per_second: u32) -> Pace {
        Pace { step: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(None) }
    }

    /// Waits for the next slot. Dropping the future gives no slot back.
    pub async fn take(&self) {
        let slot = {
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let now = Instant::now();
            let earliest = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
            let slot = next.map_or(earliest, |next| next.max(earliest));
            *next = Some(slot + self.step);
            slot
        };
        tokio::time::sleep_until(slot).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takers_pass_at_the_pace_after_the_first_burst() {
        let pace = Pace::new(5);
        let start = Instant::now();
        for _ in 0..16 {
            pace.take().await;
        }
        // Six slots lie within the second before the start, ten follow at 200 ms.
        assert_eq!(start.elapsed().as_millis(), 2_000);
    }
}
