//! A server that wants to be shown a certificate: with one, without one, with a wrong one.

use super::stage::{NAME, Stage};
use crate::harness::certificates::Authority;
use crate::harness::cometd::Kind;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// Whom the server trusts, who vouches for the server, and the key that says so.
struct Authorities {
    own: Authority,
    clients: Authority,
    ca: String,
}

impl Authorities {
    fn of(stage: &Stage) -> Authorities {
        let (own, clients) = (Authority::new("our own"), Authority::new("the clients'"));
        let ca = stage.file("ca", &own.pem());
        Authorities { own, clients, ca }
    }
}

async fn a_certificate_opens(version: &'static SupportedProtocolVersion, kind: Kind) {
    let stage = Stage::on(kind).await;
    let with = Authorities::of(&stage);
    let front = stage.guarded(&with.own.server(&[NAME]), &with.clients, version).await;
    let shown = with.clients.client();
    let certificate = stage.secret("client_certificate", &shown.pem());
    stage.configure(&front.url(), &format!("{}{certificate}", with.ca));
    let key = shown.key_pem().lines().nth(1).unwrap().to_owned();
    assert!(!stage.works(&[&key]).await.is_empty());
    assert!(front.agreed() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_certificate_is_shown_to_a_server_that_demands_one() {
    a_certificate_opens(&TLS13, Kind::Java).await;
    a_certificate_opens(&TLS12, Kind::Simulator).await;
}

/// `shown` is the line of `client_certificate`, if any.
async fn is_refused(version: &'static SupportedProtocolVersion, foreign: bool, words: &[&str]) {
    let stage = Stage::on(Kind::Simulator).await;
    let with = Authorities::of(&stage);
    let front = stage.guarded(&with.own.server(&[NAME]), &with.clients, version).await;
    let certificate = match foreign {
        true => stage.secret("client_certificate", &Authority::new("another").client().pem()),
        false => String::new(),
    };
    stage.configure(&front.url(), &format!("{}{certificate}", with.ca));
    stage.fails(words, &[]).await;
    assert_eq!(front.agreed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_it_is_said_that_the_server_demands_one() {
    for version in [&TLS12, &TLS13] {
        is_refused(version, false, &["demands a client certificate (", "): set client_certificate"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_server_does_not_trust_is_said_to_be_refused() {
    for version in [&TLS12, &TLS13] {
        is_refused(version, true, &["refuses the client certificate (", "): check client_certificate"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_certificate_with_its_key_is_refused_at_the_start() {
    let stage = Stage::on(Kind::Simulator).await;
    let authority = Authority::new("the clients'");
    let (one, other) = (authority.client(), authority.client());
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (text, words) in [
        ("not PEM at all\n".to_owned(), "expected a certificate and its key in PEM"),
        (one.certificate_pem(), "expected a certificate and its key in PEM"),
        (one.key_pem(), "expected a certificate and its key in PEM"),
        (one.certificate_pem() + encrypted, "without a passphrase"),
        (one.certificate_pem() + &other.key_pem(), "the key is not that of the certificate"),
        (one.certificate_pem() + no_key, "the key can not be used"),
        (
            format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{}", one.key_pem()),
            "is no certificate",
        ),
    ] {
        let certificate = stage.secret("client_certificate", &text);
        stage.configure("https://gws.example.com", &certificate);
        stage.refused(&["site main: client_certificate: ", "client_certificate.secret", words]);
    }
}
