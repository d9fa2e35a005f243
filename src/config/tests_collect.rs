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
fn a_word_that_means_nothing_is_named_with_all_that_do() {
    refused(
        &with(r#"["contnt"]"#),
        r#"
DIR/c.toml:10:9: site.main.collect.drop[0]: "contnt" is neither a class nor a field that an event can be without
   10 | drop = ["contnt"]
      |         ^^^^^^^^
      allowed: identity, contact, content, business, infrastructure, data.ani, data.applicationId, data.callingList, data.campaignName, data.comment, data.customFields, data.dnis, data.errorMessage, data.extensions, data.message.from.nickname, data.message.noticeText, data.message.text, data.message.url, data.participants.digits, data.participants.e164Number, data.participants.formattedPhoneNumber, data.participants.nickname, data.participants.phoneNumber, data.phone, data.phoneNumber, data.userData, data.userId, data.userState.displayName, data.userState.reason, data.workbinUserId
      did you mean content?

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn what_identifies_and_orders_an_event_can_not_be_left_out() {
    let home = Home::new();
    for word in [
        "pseudonym",
        "plain",
        "data.agent",
        "data.state",
        "data.userData.",
        "message.text",
        "data.differing.chat",
    ] {
        let found = home.load(&with(&format!("[{word:?}]")), &[], &[]).unwrap_err().to_string();
        assert!(found.contains("is neither a class nor a field"), "{word}: {found}");
    }
}
