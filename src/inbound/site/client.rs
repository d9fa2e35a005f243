//! The HTTP client of a site, and the headers that its settings name.
//!
//! One client for all sessions: a client of its own costs 130 KiB and 2 ms. Deliberately absent: cookies.

use crate::base::link::{self, innermost};
use crate::base::secret::SecretRef;
use crate::inbound::session::transport::Pin;
use crate::inbound::settings::{GroupConfig, HeaderValue as HeaderSource, SiteConfig};
use crate::inbound::site::Error;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

pub async fn client(config: &SiteConfig) -> Result<reqwest::Client, Error> {
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
        // Theirs alone: who names an authority does not want to trust all others, too.
        builder = builder.tls_certs_only(link::authorities(path).map_err(|reason| fault("ca", reason))?);
    }
    if let Some(reference) = &config.client_certificate {
        let pem = secret(&config.name, reference).await?;
        let identity = link::identity(&pem).map_err(|reason| format!("{reference}: {reason}"));
        builder = builder.identity(identity.map_err(|reason| fault("client_certificate", reason))?);
    }
    if let Some(url) = &config.proxy {
        builder = builder.proxy(proxy(config, url).await?);
    }
    builder.build().map_err(|error| {
        // Without ca the system's certificates are needed.
        let hint =
            if config.ca.is_none() { " (ca is not set, so those of the system are needed)" } else { "" };
        fault("base_url", format!("the HTTP client can not be built: {}{hint}", innermost(&error)))
    })
}

async fn secret(site: &str, reference: &SecretRef) -> Result<SecretString, Error> {
    reference.read(None).await.map_err(|source| Error::Secret { site: site.to_owned(), source })
}

async fn proxy(config: &SiteConfig, url: &Url) -> Result<reqwest::Proxy, Error> {
    let password = match &config.proxy_password {
        Some(reference) => Some(secret(&config.name, reference).await?),
        None => None,
    };
    link::proxy(url, password.as_ref()).map_err(|reason| Error::Setting {
        site: config.name.clone(),
        key: "proxy",
        reason,
    })
}

/// Static headers, of the site or of a group; secrets are read now.
pub async fn headers(site: &str, list: &[(String, HeaderSource)]) -> Result<HeaderMap, Error> {
    let fault = |reason: String| Error::Setting { site: site.to_owned(), key: "headers", reason };
    let mut out = HeaderMap::new();
    for (name, source) in list {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| fault(format!("{name}: not a header name")))?;
        let value = match source {
            HeaderSource::Plain(text) => HeaderValue::from_str(text),
            HeaderSource::Secret(reference) => {
                let secret = secret(site, reference).await?;
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

/// What a group's agents are sent with.
pub async fn pin(site: &str, group: &GroupConfig) -> Result<Pin, Error> {
    let cookies = group.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(Pin { base: group.base_url.clone(), headers: headers(site, &group.headers).await?, cookies })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::site::Site;
    use crate::inbound::site::tests::config;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn a_pin_takes_the_lines_url_before_the_groups() {
        let group = GroupConfig {
            base_url: Some("https://node1.example.com".parse().unwrap()),
            headers: vec![("X-Node".into(), HeaderSource::Plain("1".into()))],
            cookies: vec![("SERVERID".into(), "s1".into())],
        };
        let groups = BTreeMap::from([("one".into(), group.clone())]);
        let site = Site::new(SiteConfig { groups, ..config() }).await.unwrap();
        let pin = site.pin(Some("one"), None);
        assert_eq!(pin.base, group.base_url);
        assert_eq!(pin.headers["x-node"], "1");
        assert_eq!(pin.cookies, ["SERVERID=s1"]);
        let own: Url = "https://node2.example.com".parse().unwrap();
        assert_eq!(site.pin(Some("one"), Some(&own)).base, Some(own));
        let none = site.pin(Some("other"), None);
        assert!(none.base.is_none() && none.headers.is_empty() && none.cookies.is_empty());
    }
}
