//! What sites and webhooks share: URLs, proxies, headers.
//!
//! Deliberately absent: dialling any of them.

use super::Check;
use crate::base::link::is_loopback;
use crate::base::secret::SecretRef;
use crate::config::raw;
use crate::config::tree::Path;
use std::collections::{BTreeMap, HashSet};
use url::Url;

/// Parts of a header's name that say its value is confidential.
const CONFIDENTIAL: [&str; 8] =
    ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "credential"];

/// A header as the kinds of settings build theirs.
pub(super) enum Header {
    Plain(String),
    Secret(SecretRef),
}

impl Check<'_> {
    /// An `http` or `https` URL; plain HTTP beyond this machine only where `table` allows it.
    pub(super) fn url(&mut self, table: &Path, at: &Path, text: &str, allow_plaintext: bool) -> Option<Url> {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                self.fault(at, format!("this is not a URL: {error}")).allowed(["https://host/path"]);
                return None;
            }
        };
        let fault = if !matches!(url.scheme(), "http" | "https") {
            Some("only http and https are spoken here".to_owned())
        } else if !url.username().is_empty() || url.password().is_some() {
            Some("user name and password do not belong into a URL: they end up in logs".to_owned())
        } else if url.fragment().is_some() {
            Some("a URL to be called has no #fragment".to_owned())
        } else if url.scheme() == "http" && !allow_plaintext && !is_loopback(&url) {
            let key = table.key("allow_plaintext");
            Some(format!(
                "plain http beyond this machine shows everything to everybody on the way: use https, or set {key} = true"
            ))
        } else {
            None
        };
        match fault {
            None => Some(url),
            Some(fault) => {
                self.fault(at, fault);
                None
            }
        }
    }

    /// `proxy` and `proxy_password` of a table.
    pub(super) fn proxy(
        &mut self,
        table: &Path,
        url: Option<&String>,
        password: Option<&raw::Secret>,
    ) -> (Option<Url>, Option<SecretRef>) {
        let url = self.proxy_url(&table.key("proxy"), url);
        let Some(password) = password else { return (url, None) };
        let at = table.key("proxy_password");
        if url.as_ref().is_none_or(|url| url.username().is_empty()) {
            self.fault(&at, "goes with a user name in proxy: http://USER@host:port");
        }
        (url, self.secret(&at, password, false))
    }

    /// An HTTP proxy. A user name may stand in it, a password not.
    fn proxy_url(&mut self, at: &Path, text: Option<&String>) -> Option<Url> {
        let text = text?;
        let fault = match Url::parse(text) {
            Err(error) => format!("this is not a URL: {error}"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                // The scheme is not repeated: of `user:password@host` it is the user's name.
                "a proxy is reached by http or https".to_owned()
            }
            Ok(url) if url.password().is_some() => {
                "a password does not belong into a URL: it ends up in logs".into()
            }
            Ok(url)
                if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() =>
            {
                "a proxy's URL ends after the port".to_owned()
            }
            Ok(url) => return Some(url),
        };
        self.fault(at, fault).allowed(["http://host:port", "https://host:port"]);
        None
    }

    /// Static headers: valid names, none that the program sets itself, nothing confidential in the clear.
    pub(super) fn headers(
        &mut self,
        at: &Path,
        raw: &BTreeMap<String, raw::TextOrSecret>,
        own: &[&str],
    ) -> Vec<(String, Header)> {
        let mut headers = Vec::new();
        let mut seen = HashSet::new();
        for (name, value) in raw {
            let at = at.key(name);
            let lower = name.to_ascii_lowercase();
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.fault(&at, "this is not a header's name").hidden();
                continue;
            }
            if own.contains(&lower.as_str()) {
                self.fault(&at, format!("{lower} is set by cometbridge itself")).hidden();
                continue;
            }
            if !seen.insert(lower.clone()) {
                self.fault(&at, "the header stands twice: names do not differ by case").hidden();
            }
            match value {
                raw::TextOrSecret::Secret(secret) => {
                    let place = self.secret(&at, secret, false);
                    headers.extend(place.map(|place| (name.clone(), Header::Secret(place))));
                }
                raw::TextOrSecret::Text(_) if CONFIDENTIAL.iter().any(|word| lower.contains(word)) => {
                    let what = "a confidential header is given by reference";
                    self.fault(&at, what).hidden().allowed(crate::config::walk::REFERENCES);
                }
                raw::TextOrSecret::Text(text) if http::HeaderValue::from_str(text).is_err() => {
                    self.fault(&at, "the value holds what a header can not carry").hidden();
                }
                raw::TextOrSecret::Text(text) => headers.push((name.clone(), Header::Plain(text.clone()))),
            }
        }
        headers
    }
}
