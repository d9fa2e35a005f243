//! OAuth2 client credentials: one token for all requests, fetched anew shortly before it ends or when it is refused.
//!
//! One request for a token at a time; who waited for one that failed is not tried, and asks no second time.
//! Deliberately absent: the exchange itself (`outbound::oauth`), and the token in any message.

use super::answer;
use crate::base::link::{self, Way};
use crate::base::secret;
use crate::outbound::oauth;
use crate::outbound::settings::OAuth2;
use crate::outbound::sink::Cause;
use http::header::HeaderValue;
use reqwest::Client;
use secrecy::ExposeSecret;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A token is renewed this long before its end, or at four fifths of its time.
const BEFORE: Duration = Duration::from_secs(60);
/// A token that never worked is asked for anew only after this: another one would hardly do better.
const UNPROVEN: Duration = Duration::from_secs(60);
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
        let way = Way {
            party: "the token endpoint",
            key: "token_url",
            ca: self.ca,
            client_certificate: self.client_certificate,
            proxy: self.proxy.as_ref(),
        };
        let answer = oauth::request(&self.config, &self.client, &secret).send().await.map_err(|error| {
            let cause = answer::unsent(&error, url, &way);
            failed(format!("the token endpoint ({}): {}", cause.reason, cause.detail))
        })?;
        let granted = oauth::granted(answer).await;
        let granted = granted.map_err(|why| failed(format!("{} {why}", link::host(url))))?;
        let header = Zeroizing::new(format!("Bearer {}", granted.text.expose_secret()));
        let header = HeaderValue::from_str(&header);
        let mut header = header.map_err(|_| failed("the token does not fit into a header".to_owned()))?;
        header.set_sensitive(true);
        Ok((header, granted.life))
    }
}
