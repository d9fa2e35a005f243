//! User names and passwords outside ASCII: the bytes that reach the server are those of the charset configured.

use super::stage::Stage;
use crate::harness::cometd::Kind;
use crate::harness::proxy::Passed;
use base64::Engine;
use std::collections::BTreeSet;

/// Every `Authorization` that a request came with, decoded.
fn shown(passed: &[Passed]) -> BTreeSet<Vec<u8>> {
    let headers = passed.iter().flat_map(|request| request.header("authorization"));
    let decoded = headers.map(|header| {
        let encoded = header.strip_prefix("Basic ").unwrap();
        base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
    });
    decoded.collect()
}

async fn reach_the_server(keys: &str, encoded: fn(&str) -> Vec<u8>) {
    let users = ["jürgen".to_owned(), "zoë".to_owned()];
    let stage = Stage::of(Kind::Simulator, &users).await;
    stage.configure(&stage.recorder.url, keys);
    let passed = stage.works(&["pw-"]).await;
    let wanted: BTreeSet<Vec<u8>> = users.iter().map(|user| encoded(&format!("{user}:pw-{user}"))).collect();
    assert_eq!(shown(&passed), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_utf_8_unless_told_otherwise() {
    reach_the_server("", |text| text.as_bytes().to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_iso_8859_1_where_the_site_wants_it() {
    let latin = |text: &str| text.chars().map(|one| u8::try_from(one).unwrap()).collect();
    reach_the_server("password_charset = \"iso-8859-1\"\n", latin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_charset_has_no_letters_for_is_not_sent_at_all() {
    let stage = Stage::of(Kind::Simulator, &["anna".to_owned()]).await;
    stage.home.write("passwords.csv", "username,password\nanna,hunter2€\n");
    stage.configure(&stage.recorder.url, "password_charset = \"iso-8859-1\"\n");
    let daemon = stage.start();
    let words = ["ERROR", "agent=\"1001\"", "a character outside iso-8859-1", "password_charset = \"utf-8\""];
    stage.home.logged(&words).await;
    assert!(daemon.stop().await.success());
    stage.home.log_is_clean(&stage.users);
    assert!(!stage.home.log().contains("hunter2"));
    assert!(shown(&stage.recorder.passed()).is_empty());
}
