//! The running daemon as a command beside it reaches it: over its admin port, with address and token from the
//! configuration.
//!
//! Deliberately absent: what is asked.

use crate::app::Fault;
use crate::config::Settings;
use anyhow::{Context, anyhow};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

/// A little more than the daemon takes at most.
const PATIENCE: Duration = Duration::from_secs(40);

pub struct Remote {
    client: Client,
    address: SocketAddr,
    token: Option<SecretString>,
}

/// Why there is no answer.
pub enum NoAnswer {
    /// Nobody listens there.
    NoDaemon(anyhow::Error),
    Other(anyhow::Error),
}

impl From<NoAnswer> for Fault {
    fn from(no: NoAnswer) -> Fault {
        match no {
            NoAnswer::NoDaemon(error) | NoAnswer::Other(error) => Fault::Failed(error),
        }
    }
}

impl Remote {
    pub async fn new(settings: &Settings) -> Result<Remote, Fault> {
        let token = match &settings.admin.token {
            None => None,
            Some(place) => Some(place.read(None).await.map_err(|error| anyhow!("admin.token: {error}"))?),
        };
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Remote { client, address: settings.admin.listen, token })
    }

    /// Segments are escaped; pairs without a value are left out.
    pub async fn get(&self, path: &[&str], query: &[(&str, Option<&str>)]) -> Result<Value, NoAnswer> {
        let url = self.url(path, query).map_err(NoAnswer::Other)?;
        self.ask(self.client.request(Method::GET, url)).await
    }

    pub async fn post(
        &self,
        path: &[&str],
        query: &[(&str, Option<&str>)],
        body: Vec<u8>,
    ) -> Result<Value, NoAnswer> {
        let url = self.url(path, query).map_err(NoAnswer::Other)?;
        self.ask(self.client.request(Method::POST, url).body(body)).await
    }

    fn url(&self, path: &[&str], query: &[(&str, Option<&str>)]) -> anyhow::Result<Url> {
        let mut address = self.address;
        // A daemon that listens everywhere is reached on this machine.
        if address.ip().is_unspecified() {
            let here: std::net::IpAddr =
                if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(here);
        }
        let mut url = Url::parse(&format!("http://{address}/api/v1")).context("admin.listen")?;
        url.path_segments_mut().map_err(|()| anyhow!("admin.listen"))?.extend(path);
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url)
    }

    async fn ask(&self, mut request: RequestBuilder) -> Result<Value, NoAnswer> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let address = self.address;
        let reply = request.send().await.map_err(|error| {
            let error = error.without_url();
            if error.is_connect() {
                NoAnswer::NoDaemon(anyhow!(
                    "no daemon answers at admin.listen = {address}: start one (cometbridge run --config FILE), or give \
                     this command the configuration of the one that runs"
                ))
            } else {
                NoAnswer::Other(anyhow!("the running daemon at {address} does not answer: {error}"))
            }
        })?;
        let status = reply.status();
        let text = reply.text().await.map_err(|error| NoAnswer::Other(error.without_url().into()))?;
        if !status.is_success() {
            let said: Option<Value> = serde_json::from_str(&text).ok();
            let said = said.as_ref().and_then(|said| said.get("error")?.as_str());
            let said = said.unwrap_or(text.trim());
            return Err(NoAnswer::Other(anyhow!(
                "the running daemon refuses (HTTP {}): {said}",
                status.as_u16()
            )));
        }
        serde_json::from_str(&text).context("the running daemon's answer").map_err(NoAnswer::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(address: &str, path: &[&str], query: &[(&str, Option<&str>)]) -> String {
        let remote = Remote { client: Client::new(), address: address.parse().unwrap(), token: None };
        remote.url(path, query).unwrap().to_string()
    }

    #[test]
    fn whatever_a_key_holds_it_stays_one_segment() {
        assert_eq!(
            url("127.0.0.1:1", &["agents", "a/b?ü", "retry"], &[("site", Some("m&n")), ("x", None)]),
            "http://127.0.0.1:1/api/v1/agents/a%2Fb%3F%C3%BC/retry?site=m%26n"
        );
    }

    #[test]
    fn a_daemon_that_listens_everywhere_is_reached_here() {
        assert_eq!(url("0.0.0.0:9", &["agents"], &[]), "http://127.0.0.1:9/api/v1/agents");
        assert_eq!(url("[::]:9", &["agents"], &[]), "http://[::1]:9/api/v1/agents");
    }
}
