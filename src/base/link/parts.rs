//! What a client of ours is built with: the authorities it trusts, the certificate it shows, the proxy it goes through.
//!
//! Each part is tried alone first, so that what is wrong is said of the file it stands in. Deliberately absent:
//! proxies of the environment, which would send where no file says so.

use super::{chain, innermost};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;
use url::Url;
use zeroize::Zeroizing;

/// A client of nothing but one file: what it can not be built for is that file's fault.
fn alone(certificates: Vec<reqwest::Certificate>) -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only(certificates)
}

/// The certificates of a PEM file, to be trusted in place of all others.
pub fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let at = |reason: String| format!("{}: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| at(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| at(innermost(&error)))?;
    match alone(certificates.clone()).build() {
        Ok(_) if certificates.is_empty() => Err(at("no certificate in it; PEM is expected".to_owned())),
        Ok(_) => Ok(certificates),
        Err(error) => Err(at(format!("what stands in it is no certificate: {}", innermost(&error)))),
    }
}

/// A certificate with its key, as it stands in a PEM file.
pub fn identity(pem: &SecretString) -> Result<reqwest::Identity, String> {
    let identity = reqwest::Identity::from_pem(pem.expose_secret().as_bytes())
        .map_err(|_| "expected a certificate and its key in PEM, the key without a passphrase".to_owned())?;
    let Err(error) = alone(Vec::new()).identity(identity.clone()).build() else { return Ok(identity) };
    Err(match chain(&error).find_map(|one| one.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InconsistentKeys(_)) => "the key is not that of the certificate".to_owned(),
        Some(rustls::Error::InvalidCertificate(_)) => "what stands in it is no certificate".to_owned(),
        _ => format!("the key can not be used: {}", innermost(&error)),
    })
}

/// Everything goes through this proxy; its user name stands in the URL. Name and password are sent as they are:
/// within the URL a `%` of the password would be taken for a code.
pub fn proxy(url: &Url, password: Option<&SecretString>) -> Result<reqwest::Proxy, String> {
    let proxy = reqwest::Proxy::all(url.clone()).map_err(|error| innermost(&error))?;
    let Some(password) = password else { return Ok(proxy) };
    let name = percent_encoding::percent_decode_str(url.username()).decode_utf8_lossy();
    let login = basic(&name, password).ok_or("the login can not be sent")?;
    Ok(proxy.custom_http_auth(login))
}

/// `Basic …`, marked as a secret; nothing where it does not fit into a header.
pub fn basic(name: &str, password: &SecretString) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{name}:{}", password.expose_secret()));
    let login = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut login = HeaderValue::from_str(&login).ok()?;
    login.set_sensitive(true);
    Some(login)
}
