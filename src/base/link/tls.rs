//! What went wrong between two ends of TLS, in words: whose fault it is, and which key to set.
//!
//! Read by type where there is one. Deliberately absent: deciding whom to trust, which the TLS library does.

use super::Way;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::error::Error;

/// Names of a certificate that are told.
const MOST_NAMES: usize = 5;

/// The other end.
pub struct Party {
    pub name: String,
    /// The key that names it.
    pub key: &'static str,
}

/// The fault, where this error is one of TLS.
pub fn fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    error.downcast_ref()
}

pub fn words(party: &Party, fault: &TlsError, way: &Way<'_>) -> String {
    let name = &party.name;
    match fault {
        TlsError::InvalidCertificate(fault) => certificate(party, fault, way.ca),
        TlsError::AlertReceived(alert) => alerted(party, *alert, way),
        TlsError::InvalidMessage(_) => {
            format!("what {name} answers is no TLS (a port of plain http?): check {}", party.key)
        }
        other => format!("{name}: TLS fails: {other}"),
    }
}

fn certificate(party: &Party, fault: &CertificateError, own: bool) -> String {
    let (whose, key) = (format!("{}'s certificate", party.name), party.key);
    match fault {
        CertificateError::UnknownIssuer if own => format!(
            "{whose} is not trusted: no authority in ca has signed it; put that of its issuer into the file, or have the server send its whole chain"
        ),
        CertificateError::UnknownIssuer => format!(
            "{whose} is not trusted: no authority that this machine knows has signed it; set ca to the file of its issuer's certificate, or have the server send its whole chain"
        ),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "{whose} is for another name ({}): set {key} to the name in it, or have it issued for this one",
            names(presented)
        ),
        CertificateError::NotValidForName => {
            format!(
                "{whose} is for another name: set {key} to the name in it, or have it issued for this one"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("{whose} has expired: have it renewed (or this machine's clock is wrong)")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("{whose} is not valid yet: wait (or this machine's clock is wrong)")
        }
        CertificateError::Revoked => format!("{whose} was revoked: have a new one issued"),
        // The library behind the library says so, by a type of its own.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
            "{whose} is that of an authority (CA:TRUE), which no server may show: have one issued for the server"
        ),
        other => format!("{whose} can not be accepted: {other}"),
    }
}

/// `DnsName("a")`, `IpAddress(10.0.0.1)`: what stands inside, of the first few.
fn names(presented: &[String]) -> String {
    let inside = |name: &String| {
        let inside = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        inside.trim_end_matches(')').trim_matches('"').to_owned()
    };
    let mut names: Vec<String> = presented.iter().take(MOST_NAMES).map(inside).collect();
    match presented.len().checked_sub(MOST_NAMES) {
        _ if names.is_empty() => names.push("none".to_owned()),
        None | Some(0) => {}
        Some(more) => names.push(format!("{more} more")),
    }
    names.join(", ")
}

/// Who wants to be shown another certificate than ours, and how that was told.
pub fn unshown(name: &str, told: &str, way: &Way<'_>) -> String {
    match way.client_certificate {
        true => format!("{name} refuses the client certificate ({told}): check client_certificate"),
        false => format!("{name} demands a client certificate ({told}): set client_certificate"),
    }
}

fn alerted(party: &Party, alert: AlertDescription, way: &Way<'_>) -> String {
    use AlertDescription as Alert;
    let (name, told) = (&party.name, format!("{alert:?}"));
    match alert {
        Alert::CertificateRequired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => unshown(name, &told, way),
        Alert::HandshakeFailure if !way.client_certificate => format!(
            "{name} breaks off TLS ({told}): it demands a client certificate (set client_certificate), or shares no version or cipher with us"
        ),
        _ => format!("{name} breaks off TLS ({told})"),
    }
}
