//! The way to another end of HTTP: how it is set, the parts of a client that both directions share, and why it broke.
//!
//! Sites and webhooks have the same keys (`ca`, `client_certificate`, `proxy`, …) with the same meaning and the same
//! words when something is wrong. Deliberately absent: a client, whose limits and versions differ by direction.

mod cause;
mod parts;
mod tls;

pub use cause::{chain, describe, innermost, is_tls, is_unwelcome, sent_away};
pub use parts::{authorities, basic, identity, proxy};

use url::{Host, Url};

/// What the words for a failure need to know of how the way is set.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The other end, e.g. `the server`.
    pub party: &'static str,
    /// The key that holds its URL.
    pub key: &'static str,
    /// Whether `ca` is set.
    pub ca: bool,
    pub client_certificate: bool,
    pub proxy: Option<&'a Url>,
}

/// `https://gws.example.com` of a URL: what may stand in a message.
pub fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether a URL names this machine: there, plain HTTP shows nothing to anybody.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
