//! A site's groups (how agents are pinned to a node), and what keeps its sessions alive → settings.
//!
//! Deliberately absent: which agent is in which group (that is the roster's to say).

use super::http::Header;
use super::site::OWN_HEADERS;
use super::{Check, HOUR, MILLI};
use crate::config::raw;
use crate::config::tree::Path;
use crate::inbound::settings::{GroupConfig, HeaderValue};
use std::collections::BTreeMap;
use std::time::Duration;

/// Cookies that the server gives each session: a fixed one would mix sessions up.
const OWN_COOKIES: [&str; 2] = ["jsessionid", "bayeux_browser"];
/// GWS ends an HTTP session after 30 minutes; a request must come well before.
const LONGEST_REST: Duration = Duration::from_secs(25 * 60);

impl Check<'_> {
    pub(super) fn groups(&mut self, site: &Path, raw: &raw::Site) -> BTreeMap<String, GroupConfig> {
        let mut groups = BTreeMap::new();
        for (name, group) in &raw.group {
            let at = site.key("group").key(name);
            let base = at.key("base_url");
            let base_url =
                group.base_url.as_ref().and_then(|text| self.url(site, &base, text, raw.allow_plaintext));
            if base_url.as_ref().is_some_and(|url| url.query().is_some()) {
                self.fault(&base, "a base URL has no ?query: paths are appended to it");
            }
            let headers = site_headers(self.headers(&at.key("headers"), &group.headers, &OWN_HEADERS));
            let cookies = self.cookies(&at.key("cookies"), &group.cookies);
            groups.insert(name.clone(), GroupConfig { base_url, headers, cookies });
        }
        groups
    }

    fn cookies(&mut self, at: &Path, raw: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let mut cookies = Vec::new();
        for (name, value) in raw {
            let at = at.key(name);
            // The characters of a cookie's name are those of a header's name.
            let fault = if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                "this is not a cookie's name"
            } else if OWN_COOKIES.contains(&name.to_ascii_lowercase().as_str()) {
                "the server gives this cookie to each session; a fixed one would mix sessions up"
            } else if value.is_empty() || !value.bytes().all(in_cookie) {
                "the value holds what a cookie can not carry (blanks, quotes, commas, semicolons, backslashes)"
            } else {
                cookies.push((name.clone(), value.clone()));
                continue;
            };
            self.fault(&at, fault).hidden();
        }
        cookies
    }

    /// How often a session's HTTP session is used at least.
    pub(super) fn keep_alive(&mut self, site: &Path, raw: &raw::Site) -> Duration {
        let (at, written) = (site.key("keep_alive"), raw.keep_alive);
        if written.0 > LONGEST_REST {
            let what = format!("{written} is too long: GWS ends an HTTP session after 30 minutes of rest");
            self.fault(&at, what).allowed(["\"100ms\" to \"25m\""]);
            return written.0;
        }
        self.span(&at, written, 100 * MILLI, LONGEST_REST)
    }

    /// How often REST is asked; zero means never.
    pub(super) fn reconcile_every(&mut self, site: &Path, raw: &raw::Site) -> Duration {
        let (at, written) = (site.key("reconcile_every"), raw.reconcile_every);
        let least = if written.0.is_zero() { Duration::ZERO } else { 1_000 * MILLI };
        self.span(&at, written, least, 24 * HOUR)
    }
}

pub(super) fn site_headers(checked: Vec<(String, Header)>) -> Vec<(String, HeaderValue)> {
    let of = |(name, value)| match value {
        Header::Plain(text) => (name, HeaderValue::Plain(text)),
        Header::Secret(place) => (name, HeaderValue::Secret(place)),
    };
    checked.into_iter().map(of).collect()
}

/// The octets of a cookie's value (RFC 6265).
fn in_cookie(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'"' | b',' | b';' | b'\\')
}
