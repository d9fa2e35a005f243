//! OAuth 2.0 access tokens by client credentials (RFC 6749, section 4.4), for sinks.
//!
//! The secret is read anew for each token, so that it can be rotated. Nothing of an answer is repeated but the error
//! words of the RFC. Deliberately absent: refresh tokens (this grant has none) and any cache.

use crate::outbound::settings::OauthConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::error::Error as _;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use url::form_urlencoded::{Serializer, byte_serialize};

const CONNECT: Duration = Duration::from_secs(4);
/// For the whole exchange.
const TOTAL: Duration = Duration::from_secs(8);
const MAX_ANSWER: usize = 64 << 10;
/// Of a token whose life the server does not tell.
const UNTOLD: Duration = Duration::from_secs(300);

/// A token and when it ends, in milliseconds of Unix time.
pub struct Token {
    pub text: SecretString,
    pub expires: i64,
}

/// Fetches tokens; can be asked from any thread.
#[derive(Clone)]
pub struct Tokens {
    config: OauthConfig,
    http: reqwest::Client,
    runtime: Handle,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: Option<String>,
    /// Some servers write a number in quotes.
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    error: String,
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
        Ok(Tokens { config: config.clone(), http, runtime: Handle::current() })
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
async fn fetch(config: &OauthConfig, http: &reqwest::Client) -> Result<Token, String> {
    let secret =
        config.client_secret.read(None).await.map_err(|error| format!("oauth2.client_secret: {error}"))?;
    let mut request = http
        .post(config.token_url.clone())
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::ACCEPT, "application/json")
        .body(form(config, &secret));
    if !config.in_body {
        // The RFC wants both encoded before they go into Basic.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        request = request.basic_auth(encoded(&config.client_id), Some(encoded(secret.expose_secret())));
    }
    let sent = request.send().await;
    let mut answer = sent.map_err(|error| format!("{}: {}", place(config), unreached(&error)))?;
    let status = answer.status().as_u16();
    let mut body = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) =
        answer.chunk().await.map_err(|_| format!("{}: its answer breaks off", place(config)))?
    {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(format!("{}: its answer is longer than 64 KiB", place(config)));
        }
        body.extend_from_slice(&chunk);
    }
    token(status, &body).map_err(|reason| format!("{} {reason}", place(config)))
}

fn form(config: &OauthConfig, secret: &SecretString) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !config.scopes.is_empty() {
        form.append_pair("scope", &config.scopes.join(" "));
    }
    if let Some(audience) = &config.audience {
        form.append_pair("audience", audience);
    }
    if config.in_body {
        form.append_pair("client_id", &config.client_id);
        form.append_pair("client_secret", secret.expose_secret());
    }
    form.finish()
}

fn token(status: u16, body: &[u8]) -> Result<Token, String> {
    let answer = serde_json::from_slice::<Answer>(body);
    if status != 200 {
        let word = answer.map(|answer| answer.error).unwrap_or_default();
        return Err(format!("answers {status}{}", advice(&word)));
    }
    let answer = answer.map_err(|_| "answers 200 without the JSON of a token: check token_url".to_owned())?;
    let text = answer.access_token.ok_or("answers without access_token: check token_url")?;
    let text = SecretString::from(text);
    if text.expose_secret().is_empty() || !text.expose_secret().bytes().all(|at| at.is_ascii_graphic()) {
        return Err("answers with an access_token that can not be sent".to_owned());
    }
    let told = answer.expires_in.as_u64().or_else(|| answer.expires_in.as_str()?.parse().ok());
    let life = told.map_or(UNTOLD, Duration::from_secs);
    let expires = SystemTime::now() + life;
    let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Token { text, expires: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) })
}

/// The RFC's words, and what each asks for; any other is not repeated.
fn advice(word: &str) -> &'static str {
    match word {
        "invalid_client" => " (invalid_client): check client_id and client_secret",
        "unauthorized_client" => " (unauthorized_client): this client may not use client credentials",
        "invalid_scope" => " (invalid_scope): check scopes",
        "invalid_grant" => " (invalid_grant): this client may not have a token",
        "unsupported_grant_type" => " (unsupported_grant_type): it gives no tokens by client credentials",
        "invalid_request" => " (invalid_request): check scopes and token_url",
        _ => ": check token_url, client_id and client_secret",
    }
}

fn place(config: &OauthConfig) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_token_and_its_end_or_a_reason_without_its_words() {
        let good =
            token(200, br#"{"access_token":"abc.def","token_type":"Bearer","expires_in":"60"}"#).unwrap();
        assert_eq!(good.text.expose_secret(), "abc.def");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        assert!(u128::try_from(good.expires).unwrap() > now + 50_000);
        let reason = |status, body: &str| token(status, body.as_bytes()).map(drop).unwrap_err();
        let refused = reason(401, r#"{"error":"invalid_client","error_description":"no client ann"}"#);
        assert!(refused.contains("401 (invalid_client)") && !refused.contains("ann"), "{refused}");
        assert!(reason(500, "<html>ann</html>").starts_with("answers 500:"));
        assert!(reason(200, "{}").contains("without access_token"));
        assert!(reason(200, r#"{"access_token":"a b"}"#).contains("can not be sent"));
    }
}
