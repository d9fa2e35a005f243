//! The secrets of a webhook: signing keys, secret headers and `auth`, read again so that rotation needs no restart.
//!
//! Deliberately absent: `Debug` on anything that holds a value, and OAuth2's (see `oauth`).

use super::sign;
use crate::base::link;
use crate::outbound::settings::{Auth, HeaderSource, WebhookConfig};
use aws_lc_rs::hmac;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How old the secrets in use may be.
const REREAD: Duration = Duration::from_secs(15);

/// What one request needs.
pub struct Current {
    /// Empty where the operator said `unsigned = true`.
    pub signing: Vec<hmac::Key>,
    pub headers: HeaderMap,
}

pub struct Keys {
    config: WebhookConfig,
    state: Mutex<(Arc<Current>, Instant)>,
    /// Off in tests, whose keys come from no file.
    reread: bool,
}

impl Keys {
    pub async fn load(config: &WebhookConfig) -> Result<Keys, String> {
        let current = Arc::new(read(config).await?);
        Ok(Keys { config: config.clone(), state: Mutex::new((current, Instant::now())), reread: true })
    }

    #[cfg(test)]
    pub fn fixed(config: &WebhookConfig, secrets: &[&str]) -> Keys {
        let signing = secrets.iter().map(|secret| sign::key(secret).unwrap()).collect();
        let current = Arc::new(Current { signing, headers: HeaderMap::new() });
        Keys { config: config.clone(), state: Mutex::new((current, Instant::now())), reread: false }
    }

    /// The secrets as they are now. One that can not be read any more stays in use, and that is said: signing
    /// with the last known secret is what a receiver in rotation accepts.
    pub async fn current(&self) -> Arc<Current> {
        let mut state = self.state.lock().await;
        if self.reread && state.1.elapsed() >= REREAD {
            match read(&self.config).await {
                Ok(fresh) => state.0 = Arc::new(fresh),
                Err(error) => tracing::warn!("webhook goes on with the secrets it has: {error}"),
            }
            state.1 = Instant::now();
        }
        Arc::clone(&state.0)
    }
}

async fn read(config: &WebhookConfig) -> Result<Current, String> {
    let mut signing = Vec::with_capacity(config.secrets.len());
    for place in &config.secrets {
        let text = place.read(None).await.map_err(|error| format!("secrets: {error}"))?;
        signing
            .push(sign::key(text.expose_secret()).map_err(|reason| format!("secrets: {place}: {reason}"))?);
    }
    let mut headers = HeaderMap::new();
    for (name, source) in &config.headers {
        let header = HeaderName::try_from(name.as_str())
            .map_err(|_| format!("headers: {name:?} can not be the name of a header"))?;
        let unfit = || format!("headers.{name}: the value holds characters that a header can not carry");
        let value = match source {
            HeaderSource::Plain(text) => HeaderValue::try_from(text.as_str()).map_err(|_| unfit())?,
            HeaderSource::Secret(place) => {
                let text = place.read(None).await.map_err(|error| format!("headers.{name}: {error}"))?;
                let mut value = HeaderValue::try_from(text.expose_secret()).map_err(|_| unfit())?;
                value.set_sensitive(true);
                value
            }
        };
        headers.insert(header, value);
    }
    if let Some(value) = authorization(config).await? {
        headers.insert(AUTHORIZATION, value);
    }
    Ok(Current { signing, headers })
}

/// Nothing for OAuth2, whose token is fetched.
async fn authorization(config: &WebhookConfig) -> Result<Option<HeaderValue>, String> {
    let (key, place) = match &config.auth {
        Some(Auth::Bearer(place)) => ("auth.bearer", place),
        Some(Auth::Basic { password, .. }) => ("auth.basic.password", password),
        Some(Auth::OAuth2(_)) | None => return Ok(None),
    };
    let secret = place.read(None).await.map_err(|error| format!("{key}: {error}"))?;
    let unfit = || format!("{key}: {place}: it holds characters that a header can not carry");
    if let Some(Auth::Basic { username, .. }) = &config.auth {
        return link::basic(username, &secret).map(Some).ok_or_else(unfit);
    }
    let text = Zeroizing::new(format!("Bearer {}", secret.expose_secret()));
    let mut value = HeaderValue::try_from(text.as_str()).map_err(|_| unfit())?;
    value.set_sensitive(true);
    Ok(Some(value))
}
