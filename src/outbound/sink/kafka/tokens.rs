//! Tokens for SASL OAUTHBEARER, for librdkafka, which asks on a thread of its own.
//!
//! The secret is read anew for each token, so that it can be rotated. Deliberately absent: a cache (librdkafka keeps the
//! token, and asks again before it ends).

use crate::outbound::oauth;
use crate::outbound::settings::{OAuth2, OauthConfig};
use secrecy::SecretString;
use std::error::Error as _;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

const CONNECT: Duration = Duration::from_secs(4);
/// For the whole exchange.
const TOTAL: Duration = Duration::from_secs(8);

/// A token and when it ends, in milliseconds of Unix time.
pub struct Token {
    pub text: SecretString,
    pub expires: i64,
}

/// Fetches tokens; can be asked from any thread.
#[derive(Clone)]
pub struct Tokens {
    config: OAuth2,
    http: reqwest::Client,
    runtime: Handle,
}

impl Tokens {
    /// Calls nobody. Within the runtime that fetches are to run on.
    pub fn new(config: &OauthConfig) -> Result<Tokens, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cometbridge/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_idle_timeout(Duration::from_secs(10));
        if let Some(path) = &config.ca {
            let at = |error: &dyn std::fmt::Display| format!("oauth2.ca: {}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| at(&error))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem);
            builder = builder.tls_certs_only(authorities.map_err(|error| at(&innermost(&error)))?);
        }
        let http = builder.build().map_err(|error| format!("oauth2: {}", innermost(&error)))?;
        Ok(Tokens { config: config.client.clone(), http, runtime: Handle::current() })
    }

    pub fn client_id(&self) -> &str {
        &self.config.client_id
    }

    /// Waits for a token, on a thread that is none of the runtime's.
    pub fn get(&self) -> Result<Token, String> {
        let (tell, told) = mpsc::channel();
        let (config, http) = (self.config.clone(), self.http.clone());
        self.runtime.spawn(async move {
            let _ = tell.send(fetch(&config, &http).await);
        });
        let late = || format!("{}: no answer in time", place(&self.config));
        told.recv_timeout(TOTAL + Duration::from_secs(2)).unwrap_or_else(|_| Err(late()))
    }
}

/// One exchange.
async fn fetch(config: &OAuth2, http: &reqwest::Client) -> Result<Token, String> {
    let secret =
        config.client_secret.read(None).await.map_err(|error| format!("oauth2.client_secret: {error}"))?;
    let sent = oauth::request(config, http, &secret).send().await;
    let answer = sent.map_err(|error| format!("{}: {}", place(config), unreached(&error)))?;
    let granted = oauth::granted(answer).await.map_err(|reason| format!("{} {reason}", place(config)))?;
    let end = SystemTime::now() + granted.life;
    let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Token { text: granted.text, expires: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) })
}

fn place(config: &OAuth2) -> String {
    let host = config.token_url.host_str().unwrap_or("?");
    match config.token_url.port() {
        Some(port) => format!("the token endpoint at {host}:{port}"),
        None => format!("the token endpoint at {host}"),
    }
}

fn unreached(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    innermost(error)
}

/// The last link of an error's chain, which says what happened and names no URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut last = error.source();
    while let Some(next) = last.and_then(std::error::Error::source) {
        last = Some(next);
    }
    last.map_or_else(|| "the request could not be made".to_owned(), ToString::to_string)
}
