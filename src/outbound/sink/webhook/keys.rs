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
    state: Mutex<State>,
    /// Off in tests, whose keys come from no file.
    reread: bool,
}

struct State {
    current: Arc<Current>,
    read: Instant,
    /// What was wrong when they were last read; it is said once.
    wrong: Option<String>,
}

impl State {
    fn new(current: Current) -> Mutex<State> {
        Mutex::new(State { current: Arc::new(current), read: Instant::now(), wrong: None })
    }
}

impl Keys {
    pub async fn load(config: &WebhookConfig) -> Result<Keys, String> {
        let state = State::new(read(config).await?);
        Ok(Keys { config: config.clone(), state, reread: true })
    }

    #[cfg(test)]
    pub fn fixed(config: &WebhookConfig, secrets: &[&str]) -> Keys {
        let signing = secrets.iter().map(|secret| sign::key(secret).unwrap()).collect();
        let state = State::new(Current { signing, headers: HeaderMap::new() });
        Keys { config: config.clone(), state, reread: false }
    }

    /// The secrets as they are now. One that can not be read any more stays in use, and that is said: signing
    /// with the last known secret is what a receiver in rotation accepts.
    pub async fn current(&self) -> Arc<Current> {
        let mut state = self.state.lock().await;
        if self.reread && state.read.elapsed() >= REREAD {
            let wrong = match read(&self.config).await {
                Ok(fresh) => {
                    state.current = Arc::new(fresh);
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = wrong.as_ref().filter(|_| wrong != state.wrong) {
                let receiver = link::host(&self.config.url);
                tracing::warn!(receiver, "webhook goes on with the secrets it has: {error}");
            }
            (state.read, state.wrong) = (Instant::now(), wrong);
        }
        Arc::clone(&state.current)
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

#[cfg(test)]
mod tests {
    use super::super::tests::{OLD, config};
    use super::*;
    use crate::base::secret::SecretRef;

    #[tokio::test(start_paused = true)]
    async fn secrets_are_read_again_while_they_are_used_and_the_last_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
            SecretRef::File(path)
        };
        let config = WebhookConfig {
            secrets: vec![place("secret", OLD)],
            auth: Some(Auth::Bearer(place("token", "one"))),
            headers: vec![("X-Key".into(), HeaderSource::Secret(place("key", "1")))],
            ..config("http://127.0.0.1/".parse().unwrap())
        };
        let keys = Keys::load(&config).await.unwrap();
        let shown = async || {
            let headers = keys.current().await.headers.clone();
            ["authorization", "x-key"].map(|name| headers[name].to_str().unwrap().to_owned())
        };
        assert_eq!(shown().await, ["Bearer one", "1"]);
        place("token", "two");
        place("key", "2");
        assert_eq!(shown().await, ["Bearer one", "1"], "not at each request");
        tokio::time::advance(REREAD).await;
        assert_eq!(shown().await, ["Bearer two", "2"]);
        std::fs::remove_file(dir.path().join("secret")).unwrap();
        place("token", "three");
        tokio::time::advance(REREAD).await;
        assert_eq!(shown().await, ["Bearer two", "2"], "all of them, or none");
        assert_eq!(keys.current().await.signing.len(), 1);
    }
}
