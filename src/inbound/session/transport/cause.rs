//! Why no answer or no reply came, in words an operator can act on: what broke, whose it is, and which key to look at.
//!
//! Never a query, a user name or a secret. Deliberately absent: what a reply says.

use super::Answer;
use super::tls::{self, Party, fault};
use crate::base::retry::retry_after;
use crate::inbound::session::protocol::{Failure, FailureKind};
use crate::inbound::settings::SiteConfig;
use http::{HeaderMap, header};
use std::error::Error;
use std::time::Duration;
use url::Url;

/// `https://gws.example.com` of a URL: what may stand in a message.
pub fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The failure in words, the host first.
pub fn broken(error: &reqwest::Error, url: &Url, config: &SiteConfig) -> Failure {
    let what = if error.is_connect() { "can not connect" } else { "the connection broke" };
    let text = format!("{}: {what}: {}", host(url), cause(error, url, config));
    Failure { kind: kind(error), text, retry_after: None }
}

/// An answer of who stands before the server and lets nobody through whom it does not know.
pub fn sent_away(answer: &Answer, url: &Url, config: &SiteConfig) -> Option<String> {
    let why = match (answer.status.as_u16(), &config.proxy) {
        (407, Some(proxy)) => unwelcome(proxy),
        (407, None) => "a proxy on the way demands a login (HTTP 407): set proxy".to_owned(),
        // nginx's, who completes the handshake first.
        (400, _) if String::from_utf8_lossy(&answer.body).contains("SSL certificate") => {
            tls::unshown("the server", "HTTP 400", config)
        }
        _ => return None,
    };
    Some(format!("{}: {why}", host(url)))
}

/// What broke, as far as it makes a difference.
pub fn kind(error: &reqwest::Error) -> FailureKind {
    match tunnel(error).as_deref() {
        Some(UNWELCOME) => FailureKind::ProxyRefused,
        _ => FailureKind::Network,
    }
}

/// What the HTTP client says of a 407 to `CONNECT`.
const UNWELCOME: &str = "proxy authorization required";

/// The HTTP client keeps the type of this one to itself.
fn tunnel(error: &reqwest::Error) -> Option<String> {
    chain(error).find_map(|one| one.to_string().strip_prefix("tunnel error: ").map(str::to_owned))
}

fn cause(error: &reqwest::Error, url: &Url, config: &SiteConfig) -> String {
    let tunnel = tunnel(error);
    let tls = chain(error).find_map(fault);
    match &config.proxy {
        // Before there is a way through the proxy, all faults are the proxy's; plain requests go to nobody else.
        Some(proxy) if tunnel.is_some() || (url.scheme() == "http" && error.is_connect()) => {
            let party = Party { name: format!("the proxy {}", host(proxy)), key: "proxy" };
            match (tls, tunnel.as_deref()) {
                (Some(tls), _) => tls::words(&party, tls, config),
                (None, Some(UNWELCOME)) => unwelcome(proxy),
                (None, None | Some("failed to create underlying connection")) => {
                    format!("{} can not be reached: {}; check proxy", party.name, innermost(error))
                }
                (None, Some(why)) => barred(&party, why, url),
            }
        }
        proxy => {
            let party = Party { name: "the server".to_owned(), key: "base_url" };
            match (tls, proxy) {
                (Some(tls), _) => tls::words(&party, tls, config),
                (None, None) if url.scheme() == "https" && chain(error).any(unasked) => {
                    let ended = "the server ended the connection before it was asked anything; perhaps";
                    format!("{ended} {}", tls::unshown("it", "it gave no reason", config))
                }
                (None, Some(proxy)) => format!("{} (through the proxy {})", innermost(error), host(proxy)),
                (None, None) => innermost(error),
            }
        }
    }
}

fn unwelcome(proxy: &Url) -> String {
    let place = host(proxy);
    match proxy.username().is_empty() {
        true => format!(
            "the proxy {place} demands a login (HTTP 407): put a user name into proxy and set proxy_password"
        ),
        false => format!(
            "the proxy {place} refuses its user name and password (HTTP 407): check proxy and proxy_password"
        ),
    }
}

fn barred(party: &Party, why: &str, url: &Url) -> String {
    let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let why = if why == "unsuccessful" { "it refused CONNECT" } else { why };
    format!("{} opens no way to {name}:{port} ({why}): have whoever runs it allow that", party.name)
}

/// Whether the request never left: the connection was new, and had ended.
fn unasked(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
}

/// The error and what is behind it, outermost first.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |one| {
        let one: &'a (dyn Error + 'static) = *one;
        match one.downcast_ref::<std::io::Error>() {
            // Its own source would leave out what it wraps.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => one.source(),
        }
    })
}

/// The last in the chain: the outer ones repeat the URL.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

pub fn network(text: String) -> Failure {
    Failure { kind: FailureKind::Network, text, retry_after: None }
}

pub fn silent(url: &Url, timeout: Duration) -> Failure {
    let text = format!("{}: no answer within {} s", host(url), timeout.as_secs());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::SecretRef;
    use crate::inbound::settings::testing::site;
    use http::{HeaderMap, StatusCode};

    #[test]
    fn who_stands_before_the_server_and_sends_us_away_is_told_from_the_server() {
        let page = "<h1>400 Bad Request</h1><center>No required SSL certificate was sent</center>";
        let certificate = || Some(SecretRef::Env("CLIENT".into()));
        let proxy = |url: &str| Some(url.parse().unwrap());
        let shown = SiteConfig { client_certificate: certificate(), ..site() };
        let named = SiteConfig { proxy: proxy("http://ann@proxy.example.com:3128"), ..site() };
        let nameless = SiteConfig { proxy: proxy("http://proxy.example.com:3128"), ..site() };
        for (status, body, config, words) in [
            (407, "", &site(), "a proxy on the way demands a login (HTTP 407): set proxy"),
            (407, "", &named, "the proxy http://proxy.example.com:3128 refuses its user name and password"),
            (407, "", &nameless, "the proxy http://proxy.example.com:3128 demands a login"),
            (
                400,
                page,
                &site(),
                "the server demands a client certificate (HTTP 400): set client_certificate",
            ),
            (400, page, &shown, "the server refuses the client certificate (HTTP 400): check client_cert"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, headers: HeaderMap::new(), body: body.into() };
            let url = "https://gws.example.com/api/v2/me".parse().unwrap();
            let said = sent_away(&answer, &url, config).unwrap();
            assert!(said.starts_with(&format!("https://gws.example.com: {words}")), "{said}");
            assert!(!said.contains("ann@"), "{said}");
            let of_gws = Answer { status: StatusCode::BAD_REQUEST, body: b"{}".to_vec(), ..answer };
            assert_eq!(sent_away(&of_gws, &url, config), None);
        }
    }

    #[test]
    fn the_names_of_a_certificate_are_told_up_to_a_few() {
        let presented: Vec<String> = (1..=7).map(|n| format!("DnsName(\"n{n}.example.com\")")).collect();
        let fault = |presented: &[String]| {
            let expected = rustls::pki_types::ServerName::try_from("gws").unwrap();
            let fault =
                rustls::CertificateError::NotValidForNameContext { expected, presented: presented.into() };
            let party = Party { name: "the server".to_owned(), key: "base_url" };
            tls::words(&party, &rustls::Error::InvalidCertificate(fault), &site())
        };
        let names = "n1.example.com, n2.example.com, n3.example.com, n4.example.com, n5.example.com, 2 more";
        assert!(fault(&presented).contains(&format!("for another name ({names}): set base_url")));
        assert!(fault(&[]).contains("for another name (none)"));
    }

    #[test]
    fn an_alert_about_certificates_is_about_ours() {
        let party = Party { name: "the server".to_owned(), key: "base_url" };
        let shown = SiteConfig { client_certificate: Some(SecretRef::Env("CLIENT".into())), ..site() };
        let bare = site();
        let said = |alert, config| tls::words(&party, &rustls::Error::AlertReceived(alert), config);
        use rustls::AlertDescription::{CertificateRequired, HandshakeFailure, ProtocolVersion, UnknownCA};
        assert!(said(CertificateRequired, &bare).contains("demands a client certificate"));
        assert!(said(UnknownCA, &shown).contains("refuses the client certificate (UnknownCA)"));
        assert!(said(HandshakeFailure, &bare).contains("client_certificate"));
        assert!(!said(HandshakeFailure, &shown).contains("client_certificate"));
        assert_eq!(said(ProtocolVersion, &shown), "the server breaks off TLS (ProtocolVersion)");
    }
}
