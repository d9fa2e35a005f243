//! OAuth2 client credentials: one token for all requests, fetched anew shortly before it ends or when it is refused.
//!
//! One request for a token at a time; who waited for one that failed is not tried, and asks no second time.
//! Deliberately absent: every other grant, and the token in any message.

use super::answer;
use crate::base::link::{self, Way};
use crate::base::secret;
use crate::outbound::settings::OAuth2;
use crate::outbound::sink::Cause;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// Largest answer of a token endpoint.
const MAX_ANSWER: usize = 64 << 10;
/// How long a token is used that says nothing of its end.
const UNSAID: Duration = Duration::from_secs(300);
/// A token is renewed this long before its end, or at four fifths of its time.
const BEFORE: Duration = Duration::from_secs(60);
/// A token that never worked is asked for anew only after this: another one would hardly do better.
const UNPROVEN: Duration = Duration::from_secs(60);
/// What an endpoint may say in `error` (RFC 6749, section 5.2); nothing else of its answer is told.
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

pub struct Tokens {
    config: OAuth2,
    client: Client,
    /// How the way is set, in the receiver's own words but for whose it is.
    ca: bool,
    client_certificate: bool,
    proxy: Option<url::Url>,
    state: Mutex<State>,
    /// Whoever fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    fetched: u64,
    failed: Option<Instant>,
}

struct Token {
    header: HeaderValue,
    number: u64,
    from: Instant,
    until: Instant,
    worked: bool,
}

impl State {
    fn bearer(&self) -> Option<Bearer> {
        let token = self.token.as_ref().filter(|token| Instant::now() < token.until)?;
        Some(Bearer { header: token.header.clone(), number: token.number })
    }
}

/// `Authorization` for one request, and which token it holds.
pub struct Bearer {
    pub header: HeaderValue,
    pub number: u64,
}

/// Why there is no token.
pub enum Missing {
    /// The endpoint was asked.
    Asked(Cause),
    /// Another request's question has failed meanwhile.
    NotTried,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    /// A number, in quotes at some servers.
    expires_in: Option<serde_json::Value>,
    error: Option<String>,
}

impl Tokens {
    pub fn new(config: &OAuth2, client: Client, way: Way<'_>) -> Tokens {
        Tokens {
            config: config.clone(),
            client,
            ca: way.ca,
            client_certificate: way.client_certificate,
            proxy: way.proxy.cloned(),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token in use, or a new one.
    pub async fn bearer(&self) -> Result<Bearer, Missing> {
        if let Some(bearer) = self.state().bearer() {
            return Ok(bearer);
        }
        let came = Instant::now();
        let _turn = self.turn.lock().await;
        {
            // Somebody may have fetched one meanwhile, or tried to.
            let state = self.state();
            if let Some(bearer) = state.bearer() {
                return Ok(bearer);
            }
            if state.failed.is_some_and(|at| at >= came) {
                return Err(Missing::NotTried);
            }
        }
        let fetched = self.fetch().await;
        let mut state = self.state();
        match fetched {
            Ok((header, lives)) => {
                state.fetched += 1;
                let (number, from) = (state.fetched, Instant::now());
                let until = from + lives.saturating_sub(BEFORE.min(lives / 5));
                state.token = Some(Token { header: header.clone(), number, from, until, worked: false });
                Ok(Bearer { header, number })
            }
            Err(cause) => {
                state.failed = Some(Instant::now());
                Err(Missing::Asked(cause))
            }
        }
    }

    /// What a receiver made of this token. One that is refused (401) is fetched anew by the next request.
    pub fn judged(&self, number: u64, refused: bool) {
        let mut state = self.state();
        let Some(token) = state.token.as_mut().filter(|token| token.number == number) else { return };
        if !refused {
            token.worked = true;
        } else if token.worked || token.from.elapsed() >= UNPROVEN {
            state.token = None;
        }
    }

    async fn fetch(&self) -> Result<(HeaderValue, Duration), Cause> {
        let failed = |why: String| Cause::new("token", why);
        let secret = self.config.client_secret.read(None).await;
        let secret =
            secret.map_err(|error: secret::Error| failed(format!("auth.oauth2.client_secret: {error}")))?;
        let url = &self.config.token_url;
        let mut request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form(&secret));
        if !self.config.in_body {
            let login = login(&self.config.client_id, &secret)
                .ok_or_else(|| failed("client_id and client_secret do not fit into a header".to_owned()))?;
            request = request.header(AUTHORIZATION, login);
        }
        let way = Way {
            party: "the token endpoint",
            key: "token_url",
            ca: self.ca,
            client_certificate: self.client_certificate,
            proxy: self.proxy.as_ref(),
        };
        match request.send().await {
            Ok(response) => {
                token(response).await.map_err(|why| failed(format!("{}: {why}", link::host(url))))
            }
            Err(error) => {
                let cause = answer::unsent(&error, url, &way);
                Err(failed(format!("the token endpoint ({}): {}", cause.reason, cause.detail)))
            }
        }
    }

    fn form(&self, secret: &SecretString) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.config.scopes.is_empty() {
            form.append_pair("scope", &self.config.scopes.join(" "));
        }
        if let Some(audience) = &self.config.audience {
            form.append_pair("audience", audience);
        }
        if self.config.in_body {
            form.append_pair("client_id", &self.config.client_id);
            form.append_pair("client_secret", secret.expose_secret());
        }
        form.finish()
    }
}

/// Basic with both parts form-encoded first, as the standard has it.
fn login(id: &str, secret: &SecretString) -> Option<HeaderValue> {
    let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = SecretString::from(coded(secret.expose_secret()));
    link::basic(&coded(id), &secret)
}

async fn token(mut response: Response) -> Result<(HeaderValue, Duration), String> {
    let status = response.status().as_u16();
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    while let Some(chunk) = response.chunk().await.map_err(|_| "its answer broke off".to_owned())? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(format!("HTTP {status} with more than 64 KiB: this is no token endpoint"));
        }
        body.extend_from_slice(&chunk);
    }
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    let error = answer.as_ref().and_then(|answer| answer.error.as_deref());
    if let Some(error) = error.and_then(|error| ERRORS.iter().find(|known| **known == error)) {
        return Err(format!("HTTP {status}, {error}: check client_id, client_secret and scopes"));
    }
    let answer = answer.filter(|_| status == 200).ok_or_else(|| format!("HTTP {status} and no token"))?;
    let text = answer.access_token.map(Zeroizing::new).ok_or("HTTP 200 without an access_token")?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("the token is not of the type Bearer, the only one spoken here".to_owned());
    }
    let header = Zeroizing::new(format!("Bearer {}", text.as_str()));
    let mut header = HeaderValue::from_str(&header).map_err(|_| "the token does not fit into a header")?;
    header.set_sensitive(true);
    let lives = answer.expires_in.and_then(|value| match value {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    Ok((header, lives.map_or(UNSAID, |seconds| Duration::from_secs(seconds.min(86_400)))))
}
