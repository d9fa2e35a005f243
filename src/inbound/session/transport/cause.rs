//! Why no answer or no reply came, as the machine takes it. The words for what broke on the way are the same for every
//! kind of way (see `base::link`).
//!
//! Never a query, a user name or a secret. Deliberately absent: what a reply says.

use super::Answer;
use crate::base::link::{describe, host, is_unwelcome};
use crate::base::retry::retry_after;
use crate::inbound::session::protocol::{Failure, FailureKind};
use crate::inbound::settings::SiteConfig;
use http::{HeaderMap, header};
use std::time::Duration;
use url::Url;

/// The failure in words, the host first.
pub fn broken(error: &reqwest::Error, url: &Url, config: &SiteConfig) -> Failure {
    Failure { kind: kind(error), text: describe(error, url, &config.way()), retry_after: None }
}

/// What broke, as far as it makes a difference.
pub fn kind(error: &reqwest::Error) -> FailureKind {
    if is_unwelcome(error) { FailureKind::ProxyRefused } else { FailureKind::Network }
}

pub fn network(text: String) -> Failure {
    Failure { kind: FailureKind::Network, text, retry_after: None }
}

pub fn silent(url: &Url, timeout: Duration) -> Failure {
    let text = format!("{}: no answer within {} s", host(url), timeout.as_secs());
    Failure { kind: FailureKind::Timeout, text, retry_after: None }
}

/// Bytes come all the while, and too few of them.
pub fn trickling(url: &Url, bytes: usize, took: Duration) -> Failure {
    let text = format!("{}: the reply trickles in, {bytes} bytes in {} s", host(url), took.as_secs());
    Failure { kind: FailureKind::Timeout, text, retry_after: None }
}

/// A status that is no reply, in words that say what to look at.
pub fn refused(answer: &Answer, what: &str, url: &Url) -> Failure {
    let status = answer.status;
    let at = format!("{}{}", host(url), url.path());
    let (kind, hint) = match status.as_u16() {
        401 | 403 if String::from_utf8_lossy(&answer.body).to_ascii_uppercase().contains("CSRF") => {
            (FailureKind::Unauthorized, "the server wants another CSRF token; a new one is fetched")
        }
        401 | 403 => (FailureKind::Unauthorized, "the HTTP session is not (or no longer) logged in"),
        404 => (FailureKind::Http, "nothing is there: check base_url and notifications_path"),
        300..=399 => (
            FailureKind::Http,
            "a redirect that is not followed (only 307 and 308 within the same host are): set base_url to the final address",
        ),
        429 => (FailureKind::Http, "too many requests"),
        _ => (FailureKind::Http, "no reply"),
    };
    let retry_after = asked_wait(&answer.headers);
    Failure { kind, text: format!("{what}: {at} answered HTTP {status}: {hint}"), retry_after }
}

/// What the server asks for by `Retry-After`.
pub fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    retry_after(text, jiff::Timestamp::now().as_millisecond())
}
