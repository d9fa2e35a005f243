//! What a later process needs to go on with an HTTP session: its cookies and its CSRF token.
//!
//! Deliberately absent: where it is kept, and the secret, which is read anew.

use super::Transport;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

/// What a session needs at the server beside its client id. Secret: it is sealed or kept in a private directory.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedJar {
    base: String,
    cookies: Vec<String>,
    csrf: Option<(String, String)>,
}

impl Transport {
    /// The cookies and the CSRF token, for a later process.
    pub fn save(&self) -> SavedJar {
        let mine = self.mine();
        SavedJar {
            base: mine.base.to_string(),
            cookies: mine.jar.iter_unexpired().map(|cookie| (**cookie).to_string()).collect(),
            csrf: mine
                .csrf
                .as_ref()
                .and_then(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))),
        }
    }

    /// Puts back what an earlier process saved, where it was saved for a base URL that is still configured.
    pub fn restore(&self, saved: &SavedJar) -> bool {
        let Ok(base) = Url::parse(&saved.base) else { return false };
        let known = self.pin.base.as_ref() == Some(&base)
            || (self.pin.base.is_none() && self.site.config.base_urls.contains(&base));
        if !known {
            return false;
        }
        let mut mine = self.mine();
        for cookie in &saved.cookies {
            // One that the jar does not take is asked for anew by the server.
            let _ = mine.jar.parse(cookie, &base);
        }
        mine.csrf = saved.csrf.as_ref().and_then(|(name, value)| {
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        mine.base = base;
        true
    }
}
