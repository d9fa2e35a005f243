//! `[site.X.collect]`: what a site does not keep, and what is said of words that mean nothing there.

use super::tests::{Home, SINK, SITE, refused};

fn with(list: &str) -> String {
    format!("{SINK}{SITE}[site.main.collect]\ndrop = {list}\n")
}

#[test]
fn classes_and_fields_can_be_left_out_and_nothing_is_by_itself() {
    let home = Home::new();
    let left_out = |text: &str| {
        let settings = home.load(text, &[], &[]).unwrap();
        settings.sites[0].left_out.as_ref().map(|left_out| left_out.words())
    };
    let list =
        r#"["content", "data.userData", "data.userData.Account", "data.phoneNumber", "data.message.text"]"#;
    let words =
        ["content", "data.userData", "data.userData.Account", "data.phoneNumber", "data.message.text"];
    assert_eq!(left_out(&with(list)).unwrap(), words);
    assert!(left_out(&with("[]")).is_none());
    assert!(left_out(&format!("{SINK}{SITE}")).is_none());
}

#[test]
fn a_word_that_means_nothing_is_named_with_those_that_do() {
    refused(
        &with(r#"["contnt"]"#),
        r#"
DIR/c.toml:10:9: site.main.collect.drop[0]: "contnt" is neither a class nor a field
   10 | drop = ["contnt"]
      |         ^^^^^^^^
      allowed: identity, contact, content, business, infrastructure, a field of these such as data.message.text or data.userData.KEY
      did you mean content?

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn what_can_not_be_left_out_is_told_why() {
    let home = Home::new();
    for (word, why) in [
        ("plain", "is no personal data (plain)"),
        ("data.state", "is no personal data (plain)"),
        ("data.participants.kind", "is no personal data (plain)"),
        ("data.differing.chat", "is no personal data (plain)"),
        ("pseudonym", "is an agent under an opaque key (pseudonym)"),
        ("data.agent", "is an agent under an opaque key (pseudonym)"),
        ("data.participants.agent", "is an agent under an opaque key (pseudonym)"),
        ("data.participants", "holds several fields: name those that are to go"),
        ("data.items.message.text", "stands in transcripts alone"),
        ("data.items", "stands in transcripts alone"),
        ("data.userData.", "is neither a class nor a field"),
        ("message.text", "is neither a class nor a field"),
        ("data.nothing", "is neither a class nor a field"),
    ] {
        let found = home.load(&with(&format!("[{word:?}]")), &[], &[]).unwrap_err().to_string();
        assert!(found.contains(&format!("{word:?} {why}")), "{word}: {found}");
        let meant = found.contains("did you mean");
        assert!(why.contains("neither") || !meant, "{word} is a word that there is: {found}");
    }
}
