//! Why no answer came, in words an operator can act on: what broke, whose it is, and which key to look at.
//!
//! Never a path, a query, a user name or a secret. Deliberately absent: answers of the other end itself.

use super::tls::{self, Party, fault};
use super::{Way, host};
use http::StatusCode;
use std::error::Error;
use url::Url;

/// The HTTP client's words for a 407.
const UNWELCOME: &str = "proxy authorization required";

/// The error in words, the host first.
pub fn describe(error: &reqwest::Error, url: &Url, way: &Way<'_>) -> String {
    let what = if error.is_connect() { "can not connect" } else { "the connection broke" };
    format!("{}: {what}: {}", host(url), cause(error, url, way))
}

/// An answer of who stands before the server and lets nobody through whom it does not know.
pub fn sent_away(status: StatusCode, body: &[u8], url: &Url, way: &Way<'_>) -> Option<String> {
    let why = match (status.as_u16(), way.proxy) {
        (407, Some(proxy)) => unwelcome(proxy),
        (407, None) => "a proxy on the way demands a login (HTTP 407): set proxy".to_owned(),
        // nginx's, who completes the handshake first.
        (400, _) if String::from_utf8_lossy(body).contains("SSL certificate") => {
            tls::unshown(way.party, "HTTP 400", way)
        }
        _ => return None,
    };
    Some(format!("{}: {why}", host(url)))
}

/// Why the proxy opened no tunnel. The HTTP client keeps the type of this one to itself.
fn tunnel(error: &reqwest::Error) -> Option<String> {
    chain(error).find_map(|one| one.to_string().strip_prefix("tunnel error: ").map(str::to_owned))
}

/// Whether the proxy knows us not (HTTP 407 to `CONNECT`).
pub fn is_unwelcome(error: &reqwest::Error) -> bool {
    tunnel(error).as_deref() == Some(UNWELCOME)
}

fn cause(error: &reqwest::Error, url: &Url, way: &Way<'_>) -> String {
    let tunnel = tunnel(error);
    let tls = chain(error).find_map(fault);
    match way.proxy {
        // Before there is a way through the proxy, all faults are the proxy's; plain requests go to nobody else.
        Some(proxy) if tunnel.is_some() || (url.scheme() == "http" && error.is_connect()) => {
            let party = Party { name: format!("the proxy {}", host(proxy)), key: "proxy" };
            match (tls, tunnel.as_deref()) {
                (Some(tls), _) => tls::words(&party, tls, way),
                (None, Some(UNWELCOME)) => unwelcome(proxy),
                (None, None | Some("failed to create underlying connection")) => {
                    format!("{} can not be reached: {}; check proxy", party.name, innermost(error))
                }
                (None, Some(why)) => barred(&party, why, url),
            }
        }
        proxy => {
            let party = Party { name: way.party.to_owned(), key: way.key };
            match (tls, proxy) {
                (Some(tls), _) => tls::words(&party, tls, way),
                (None, None) if url.scheme() == "https" && chain(error).any(unasked) => {
                    let ended = "ended the connection before it was asked anything; perhaps";
                    format!("{} {ended} {}", way.party, tls::unshown("it", "it gave no reason", way))
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

/// Whether it is the handshake that failed, as far as it can be told.
pub fn is_tls(error: &reqwest::Error, url: &Url) -> bool {
    chain(error).any(|one| fault(one).is_some()) || (url.scheme() == "https" && chain(error).any(unasked))
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

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Way<'_> =
        Way { party: "the server", key: "base_url", ca: false, client_certificate: false, proxy: None };
    const SHOWN: Way<'_> = Way { client_certificate: true, ..BARE };

    #[test]
    fn who_stands_before_the_server_and_sends_us_away_is_told_from_the_server() {
        let page = "<h1>400 Bad Request</h1><center>No required SSL certificate was sent</center>";
        let [named, nameless] = ["http://ann@proxy.example.com:3128", "http://proxy.example.com:3128"]
            .map(|url| url.parse::<Url>().unwrap());
        let named = Way { proxy: Some(&named), ..BARE };
        let nameless = Way { proxy: Some(&nameless), ..BARE };
        for (status, body, way, words) in [
            (407, "", &BARE, "a proxy on the way demands a login (HTTP 407): set proxy"),
            (407, "", &named, "the proxy http://proxy.example.com:3128 refuses its user name and password"),
            (407, "", &nameless, "the proxy http://proxy.example.com:3128 demands a login"),
            (400, page, &BARE, "the server demands a client certificate (HTTP 400): set client_certificate"),
            (400, page, &SHOWN, "the server refuses the client certificate (HTTP 400): check client_cert"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let url = "https://gws.example.com/api/v2/me".parse().unwrap();
            let said = sent_away(status, body.as_bytes(), &url, way).unwrap();
            assert!(said.starts_with(&format!("https://gws.example.com: {words}")), "{said}");
            assert!(!said.contains("ann@"), "{said}");
            assert_eq!(sent_away(StatusCode::BAD_REQUEST, b"{}", &url, way), None);
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
            tls::words(&party, &rustls::Error::InvalidCertificate(fault), &BARE)
        };
        let names = "n1.example.com, n2.example.com, n3.example.com, n4.example.com, n5.example.com, 2 more";
        assert!(fault(&presented).contains(&format!("for another name ({names}): set base_url")));
        assert!(fault(&[]).contains("for another name (none)"));
    }

    #[test]
    fn an_alert_about_certificates_is_about_ours() {
        let party = Party { name: "the server".to_owned(), key: "base_url" };
        let said = |alert, way| tls::words(&party, &rustls::Error::AlertReceived(alert), way);
        use rustls::AlertDescription::{CertificateRequired, HandshakeFailure, ProtocolVersion, UnknownCA};
        assert!(said(CertificateRequired, &BARE).contains("demands a client certificate"));
        assert!(said(UnknownCA, &SHOWN).contains("refuses the client certificate (UnknownCA)"));
        assert!(said(HandshakeFailure, &BARE).contains("client_certificate"));
        assert!(!said(HandshakeFailure, &SHOWN).contains("client_certificate"));
        assert_eq!(said(ProtocolVersion, &SHOWN), "the server breaks off TLS (ProtocolVersion)");
    }
}
