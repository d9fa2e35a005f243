//! The HTTP client of a webhook: no redirects, no retries of its own, no proxy but the configured one.
//!
//! Token requests use it, too. Deliberately absent: proxy settings from the environment, which would send events
//! where no file says so.

use super::guard::Guard;
use crate::base::link::{self, innermost};
use crate::base::secret::SecretRef;
use crate::outbound::settings::{Auth, WebhookConfig};
use reqwest::{Client, redirect, retry};
use secrecy::SecretString;
use std::time::Duration;

/// Shorter than what servers and balancers commonly keep an idle connection for.
const IDLE: Duration = Duration::from_secs(50);

pub async fn build(config: &WebhookConfig) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("cometbridge/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .timeout(config.timeout)
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(config.concurrency.clamp(1, 1024))
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .gzip(false)
        .no_proxy();
    let plain_token =
        matches!(&config.auth, Some(Auth::OAuth2(oauth2)) if oauth2.token_url.scheme() == "http");
    if config.url.scheme() == "https" && !plain_token {
        builder = builder.https_only(true);
    }
    if let Some(path) = &config.ca {
        // Theirs alone: who names an authority does not want to trust all others, too.
        builder = builder.tls_certs_only(link::authorities(path).map_err(|reason| format!("ca: {reason}"))?);
    }
    if let Some(place) = &config.client_certificate {
        let pem = secret("client_certificate", place).await?;
        let identity = link::identity(&pem).map_err(|why| format!("client_certificate: {place}: {why}"))?;
        builder = builder.identity(identity);
    }
    if let Some(url) = &config.proxy {
        let password = match &config.proxy_password {
            Some(place) => Some(secret("proxy_password", place).await?),
            None => None,
        };
        builder = builder.proxy(link::proxy(url, password.as_ref()).map_err(|why| format!("proxy: {why}"))?);
    }
    if !config.allow_networks.is_empty() {
        builder = builder.dns_resolver(Guard::new(&config.allow_networks));
    }
    builder.build().map_err(|error| {
        let hint =
            if config.ca.is_none() { " (ca is not set, so those of the system are needed)" } else { "" };
        format!("the HTTP client can not be built: {}{hint}", innermost(&error))
    })
}

async fn secret(key: &str, place: &SecretRef) -> Result<SecretString, String> {
    place.read(None).await.map_err(|error| format!("{key}: {error}"))
}
