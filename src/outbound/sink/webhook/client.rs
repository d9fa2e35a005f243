//! The HTTP client of a webhook: no redirects, no retries of its own, no proxy but the configured one.
//!
//! Deliberately absent: proxy settings from the environment, which would send events where no file says so.

use crate::outbound::settings::WebhookConfig;
use reqwest::{Certificate, Client, Proxy, redirect, retry};
use std::path::Path;
use std::time::Duration;
use url::{Host, Url};

/// Shorter than what servers and balancers commonly keep an idle connection for.
const IDLE: Duration = Duration::from_secs(50);
/// A file of certificates is never larger.
const MAX_CA_BYTES: u64 = 4 << 20;

pub async fn build(config: &WebhookConfig) -> Result<Client, String> {
    check_url(&config.url, config.allow_plaintext)?;
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
    if config.url.scheme() == "https" {
        builder = builder.https_only(true);
    }
    if let Some(path) = &config.ca {
        builder = builder.tls_certs_only(certificates(path).await?);
    }
    if let Some(proxy) = &config.proxy {
        // The error would repeat the URL, which may hold a password.
        builder = builder.proxy(Proxy::all(proxy.clone()).map_err(|_| "proxy: not a usable URL".to_owned())?);
    }
    builder.build().map_err(|error| {
        format!(
            "the HTTP client can not be made: {} (without ca the system's certificates are needed)",
            root(&error)
        )
    })
}

fn check_url(url: &Url, allow_plaintext: bool) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url: holds a user or password; put it into headers, as a secret by reference".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if allow_plaintext || is_loopback(url) => Ok(()),
        "http" => {
            Err("url: http:// beyond loopback sends events in the clear; use https://, or set allow_plaintext = true".to_owned())
        }
        _ => Err("url: must begin with https:// (or http://)".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let at = |reason: String| format!("ca {}: {reason}", path.display());
    let size = tokio::fs::metadata(path).await.map_err(|error| at(error.to_string()))?.len();
    if size > MAX_CA_BYTES {
        return Err(at(format!("{size} bytes is no file of certificates")));
    }
    let pem = tokio::fs::read(path).await.map_err(|error| at(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(at("no certificate in it; PEM is expected".to_owned())),
        Err(_) => Err(at("not readable as PEM certificates".to_owned())),
    }
}

/// The innermost error's text: the outer ones repeat the URL.
pub fn root(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, allow: bool) -> Result<(), String> {
        check_url(&Url::parse(url).unwrap(), allow)
    }

    #[test]
    fn plain_http_leaves_the_machine_only_where_allowed() {
        assert!(check("http://127.0.0.1:1/x", false).is_ok() && check("http://[::1]/x", false).is_ok());
        assert!(check("http://crm.example.com/x", false).unwrap_err().contains("allow_plaintext"));
        assert!(check("http://crm.example.com/x", true).is_ok());
        assert!(check("https://crm.example.com/x", false).is_ok());
        assert!(check("ftp://crm.example.com/x", true).is_err());
    }

    #[test]
    fn credentials_in_the_url_are_refused_without_repeating_them() {
        let error = check("https://ann:hunter2@crm.example.com/x", true).unwrap_err();
        assert!(!error.contains("ann") && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "nothing").unwrap();
        let error = certificates(file.path()).await.unwrap_err();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
        assert!(certificates(Path::new("/does/not/exist")).await.is_err());
    }
}
