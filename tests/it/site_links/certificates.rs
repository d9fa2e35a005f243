//! The server's certificate: whose word is taken for it, and what is said where nobody's is.

use super::stage::{NAME, Stage};
use crate::harness::certificates::{Authority, Issued, self_signed};
use crate::harness::cometd::Kind;

/// The certificate is refused with these words, and no request is made over the connection.
async fn refused(stage: &Stage, shown: &Issued, keys: &str, words: &[&str]) {
    let front = stage.front(shown).await;
    stage.configure(&front.url(), keys);
    let message = stage.fails(words, &[]).await;
    assert!(message.starts_with(&format!("{}: can not connect: ", front.url())), "{message}");
    assert!(front.accepted() > 0);
    assert_eq!(front.agreed(), 0, "no handshake was completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_companys_own_authority_is_trusted_with_ca() {
    let stage = Stage::on(Kind::Java).await;
    let own = Authority::new("our own");
    let front = stage.front(&own.server(&[NAME])).await;
    stage.configure(&front.url(), &stage.file("ca", &own.pem()));
    assert!(!stage.works(&[]).await.is_empty());
    assert!(front.agreed() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ca_the_authorities_of_the_machine_are_trusted() {
    let stage = Stage::on(Kind::Simulator).await;
    let front = stage.front(&stage.everybody.server(&[NAME])).await;
    stage.configure(&front.url(), "");
    assert!(!stage.works(&[]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_unknown_authority_is_told_nothing() {
    let stage = Stage::on(Kind::Simulator).await;
    let shown = Authority::new("our own").server(&[NAME]);
    let words =
        ["the server's certificate is not trusted", "no authority that this machine knows", "set ca to"];
    refused(&stage, &shown, "", &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_ca_the_authorities_of_the_machine_are_trusted_no_more() {
    let stage = Stage::on(Kind::Simulator).await;
    let shown = stage.everybody.server(&[NAME]);
    let ca = stage.file("ca", &Authority::new("our own").pem());
    refused(&stage, &shown, &ca, &["the server's certificate is not trusted", "no authority in ca"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused_and_its_names_are_told() {
    let stage = Stage::on(Kind::Simulator).await;
    let own = Authority::new("our own");
    let shown = own.server(&["gws.example.com", "10.0.0.1"]);
    let words = ["certificate is for another name (gws.example.com, 10.0.0.1)", "set base_url to"];
    refused(&stage, &shown, &stage.file("ca", &own.pem()), &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_and_one_that_is_an_authority_are_refused_by_name() {
    let stage = Stage::on(Kind::Simulator).await;
    let own = Authority::new("our own");
    let ca = stage.file("ca", &own.pem());
    let words = ["the server's certificate has expired", "clock"];
    refused(&stage, &own.expired(&[NAME]), &ca, &words).await;

    let stage = Stage::on(Kind::Simulator).await;
    let shown = self_signed(&[NAME]);
    let ca = stage.file("ca", &shown.certificate_pem());
    refused(&stage, &shown, &ca, &["the server's certificate is that of an authority (CA:TRUE)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn https_at_a_port_of_plain_http_is_told_so() {
    let stage = Stage::on(Kind::Simulator).await;
    stage.configure(&stage.server.url.replace("http://", "https://"), "");
    stage.fails(&["no TLS", "check base_url"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_that_are_none_are_refused_at_the_start() {
    let stage = Stage::on(Kind::Simulator).await;
    // PEM, but no certificate in it.
    let ca = stage.file("ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    stage.configure("https://gws.example.com", &ca);
    stage.refused(&["site main: ca: ", "ca.pem", "is no certificate"]);
}
