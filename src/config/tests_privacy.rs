//! Mistakes in what may leave: the whole answer, as the operator sees it.

use super::tests::{Home, SITE, refused};
use crate::base::classes::Class;
use crate::base::secret::SecretRef;
use crate::outbound::settings::{Action, Of, Preset, Rule};

#[test]
fn what_may_leave_is_read_as_it_is_written() {
    let home = Home::new();
    let text = r#"privacy_key = { file = "DIR/secret" }
[sink.stdout.console]
privacy = "pseudonymous"
privacy_rules = [{ class = "contact", action = "mask" }, { path = "data.message.text", action = "truncate", length = 20 },
  { path = "data.userData.*", action = "hash" }]
userdata = ["ContactId"]
"#;
    let settings = home.load(&format!("{text}{SITE}"), &[], &[]).unwrap();
    let policy = &settings.sinks[0].privacy;
    assert_eq!(
        (policy.preset, policy.userdata.as_slice()),
        (Preset::Pseudonymous, &["ContactId".to_owned()][..])
    );
    assert_eq!(policy.key, Some(SecretRef::File(home.path("secret"))));
    assert!(settings.secrets.iter().any(|(path, _)| path == "privacy_key"));
    let path = |text: &str| Of::Path(text.to_owned());
    let rules = [
        Rule { of: Of::Class(Class::Contact), action: Action::Mask },
        Rule { of: path("message.text"), action: Action::Truncate(20) },
        Rule { of: path("userData"), action: Action::Hash },
    ];
    assert_eq!(policy.rules, rules);
}

#[test]
fn hashing_needs_a_key() {
    for preset in ["pseudonymous", "minimal"] {
        let mark = "^".repeat(preset.len() + 2);
        refused(
            &format!("[sink.stdout.console]\nprivacy = \"{preset}\"\n{SITE}"),
            &format!(
                r#"
DIR/c.toml:2:11: sink.stdout.console.privacy: values are hashed here, and there is no key for it
    2 | privacy = "{preset}"
      |           {mark}
      allowed: privacy_key = {{ file = "…" }} at the top of the file

1 problem in the configuration; nothing was started"#
            ),
        );
    }
    refused(
        &format!(
            "[sink.stdout.console]\nprivacy = \"no-content\"\nprivacy_rules = [{{ class = \"contact\", action = \"hash\" }}]\n{SITE}"
        ),
        r#"
DIR/c.toml:3:18: sink.stdout.console.privacy_rules[0]: values are hashed here, and there is no key for it
    3 | privacy_rules = [{ class = "contact", action = "hash" }]
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      allowed: privacy_key = { file = "…" } at the top of the file

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn the_key_is_a_reference_that_can_be_read() {
    let home = Home::new();
    let text = format!(
        "privacy_key = {{ file = \"DIR/wide\" }}\n[sink.stdout.console]\nprivacy = \"minimal\"\n{SITE}"
    );
    let faults = home.load(&text, &[], &[]).unwrap_err().to_string();
    assert!(faults.contains("privacy_key: the secret's file"), "{faults}");
    assert!(!faults.contains("there is no key"), "one fault is told once: {faults}");
}

/// One rule that is refused, and what is said of it.
fn wrong_rule(rule: &str, said: &str) {
    let text = format!(
        "privacy_key = {{ file = \"DIR/secret\" }}\n[sink.stdout.console]\nprivacy = \"no-content\"\nprivacy_rules = [{rule}]\n{SITE}"
    );
    let faults = Home::new().load(&text, &[], &[]).unwrap_err().to_string();
    assert!(faults.contains(said), "{rule}:\n{faults}");
    assert!(faults.contains("\n1 problem in"), "{rule}:\n{faults}");
}

#[test]
fn a_rule_says_one_thing_of_one_class_or_field() {
    let at = "sink.stdout.console.privacy_rules[0]";
    for (rule, said) in [
        ("{ action = \"drop\" }", ": a rule is about a class or about a path, one of the two\n"),
        (
            "{ class = \"content\", path = \"data.state\", action = \"drop\" }",
            ": a rule is about a class or about a path",
        ),
        ("{ class = \"content\" }", ": the rule has no action\n"),
        (
            "{ class = \"contents\", action = \"drop\" }",
            ".class: \"contents\" is no class of personal data\n",
        ),
        ("{ class = \"plain\", action = \"drop\" }", ".class: \"plain\" is no class of personal data\n"),
        (
            "{ class = \"content\", action = \"erase\" }",
            ".action: \"erase\" is not one of the words allowed\n",
        ),
        ("{ class = \"content\", action = \"truncate\" }", ": truncate needs a length, in characters\n"),
        ("{ class = \"content\", action = \"truncate\", length = 0 }", ".length: 0 is out of bounds\n"),
        ("{ class = \"content\", action = \"drop\", length = 5 }", ".length: only truncate has a length\n"),
        ("{ class = \"content\", action = \"drop\", lenght = 5 }", ".lenght: unknown key\n"),
        (
            "{ class = \"pseudonym\", action = \"drop\" }",
            ".action: an agent's key is part of ids and partition keys\n",
        ),
        ("{ class = \"business\", action = \"mask\" }", ".action: keys of attached data can be personal too"),
        ("{ path = \"data.userData\", action = \"mask\" }", ".action: its keys can be personal too"),
        (
            "{ path = \"message.text\", action = \"drop\" }",
            ".path: \"message.text\" is no field of any event\n",
        ),
    ] {
        wrong_rule(rule, &format!("{at}{said}"));
    }
    let twice = "{ class = \"content\", action = \"drop\" }, { class = \"content\", action = \"keep\" }";
    wrong_rule(twice, "sink.stdout.console.privacy_rules[1]: an earlier rule is about the same\n");
    wrong_rule("{ path = \"data.message.txt\", action = \"drop\" }", "did you mean data.message.text?");
}

#[test]
fn a_rule_that_a_schema_has_no_place_for_is_refused() {
    let at = "sink.stdout.console.privacy_rules[0].action";
    for (rule, said, allowed) in [
        (
            "{ path = \"data.interactionId\", action = \"drop\" }",
            "the schema of genesys.gws.facebooksession.message.v1 requires data.interactionId: it can not be dropped",
            "keep, mask, hash, truncate",
        ),
        (
            "{ path = \"data.message.index\", action = \"mask\" }",
            "the schema of genesys.gws.facebooksession.message.v1 has no free text at data.message.index: it can not be rewritten",
            "keep, drop",
        ),
        (
            "{ path = \"data.message\", action = \"mask\" }",
            "the schema of genesys.gws.facebooksession.message.v1 has no free text at data.message.index: it can not be rewritten",
            "keep, drop",
        ),
        (
            "{ path = \"data.lifecycle\", action = \"truncate\", length = 3 }",
            "the schema of genesys.gws.facebooksession.status_change.v1 has no free text at data.lifecycle: it can not be rewritten",
            "keep, drop",
        ),
        (
            "{ path = \"data.supervisorListeningIn\", action = \"hash\" }",
            "the schema of genesys.gws.call.status_change.v1 has no free text at data.supervisorListeningIn: it can not be rewritten",
            "keep, drop",
        ),
        (
            "{ path = \"data.gaps\", action = \"drop\" }",
            "the schema of genesys.gws.facebooksession.transcript.v1 requires data.gaps.agent: it can not be dropped",
            "keep",
        ),
        (
            "{ path = \"data.userDataChanges.Phone\", action = \"hash\" }",
            "the schema of genesys.gws.facebooksession.status_change.v1 has no free text at data.userDataChanges.*: it can not be rewritten",
            "keep, drop",
        ),
    ] {
        wrong_rule(rule, &format!("{at}: {said}\n"));
        wrong_rule(rule, &format!("\n      allowed: {allowed}\n"));
    }
    let home = Home::new();
    for rules in [
        "{ path = \"data.message.text\", action = \"drop\" }",
        "{ path = \"data.message\", action = \"mask\" }, { path = \"data.message.index\", action = \"drop\" }",
        "{ path = \"data.capabilities\", action = \"hash\" }, { path = \"data.participants\", action = \"drop\" }",
        "{ path = \"data.userDataChanges\", action = \"hash\" }, { path = \"data.userDataChanges.Phone\", action = \"drop\" }",
        "{ path = \"data.userData.Customer.Phone\", action = \"mask\" }, { path = \"data.extensions.X.Y\", action = \"drop\" }",
    ] {
        let text = format!(
            "privacy_key = {{ file = \"DIR/secret\" }}\n[sink.stdout.console]\nprivacy = \"full\"\nprivacy_rules = [{rules}]\n{SITE}"
        );
        assert!(home.load(&text, &[], &[]).is_ok(), "{rules}");
    }
}

#[test]
fn a_list_of_attached_data_that_says_nothing_is_refused() {
    refused(
        &format!("[sink.stdout.console]\nprivacy = \"full\"\nuserdata = [\"ContactId\"]\n{SITE}"),
        r#"
DIR/c.toml:3:12: sink.stdout.console.userdata: userdata names what may leave, and privacy = "full" without rules lets all leave
    3 | userdata = ["ContactId"]
      |            ^^^^^^^^^^^^^
      allowed: another privacy, or no userdata

1 problem in the configuration; nothing was started"#,
    );
}

#[test]
fn values_that_events_carry_along_are_named_by_their_paths() {
    let home = Home::new();
    let with = |list: &str| format!("[sink.stdout.console]\nprivacy = \"full\"\ncontext = {list}\n{SITE}");
    let load = |list: &str| home.load(&with(list), &[], &[]);
    let settings = load(r#"["userData.ContactId", "userData.a.b", "dnis", "state"]"#).unwrap();
    assert_eq!(settings.sinks[0].context, ["userData.ContactId", "userData.a.b", "dnis", "state"]);
    assert!(load("[]").unwrap().sinks[0].context.is_empty());
    let fields = "ani, callType, callUuid, capabilities, cc, chatType, comment, connId, dnis, duration, errorCode, errorMessage, \
        extensions.KEY, from, lifecycle, monitoredUserMuted, monitoring, mute, notificationType, parentInteractionId, phoneNumber, \
        receivedDate, recordingState, state, subject, supervisorListeningIn, to, userData.KEY";
    refused(
        &with(r#"["state", "data.userData.ContactId", "state"]"#),
        &format!(
            r#"
DIR/c.toml:3:21: sink.stdout.console.context[1]: "data.userData.ContactId" is no single value of an interaction's state
    3 | context = ["state", "data.userData.ContactId", "state"]
      |                     ^^^^^^^^^^^^^^^^^^^^^^^^^
      allowed: {fields}
      did you mean userData.ContactId?

DIR/c.toml:3:48: sink.stdout.console.context[2]: "state" stands here twice
    3 | context = ["state", "data.userData.ContactId", "state"]
      |                                                ^^^^^^^

2 problems in the configuration; nothing was started"#
        ),
    );
    for wrong in ["userData", "userData.", "userData.*", "message.text", "participants.nickname", ""] {
        let found = load(&format!("[{wrong:?}]")).unwrap_err().to_string();
        assert!(found.contains("is no single value"), "{wrong}: {found}");
    }
    let many: Vec<String> = (0..33).map(|n| format!("userData.{n}")).collect();
    let found = load(&format!("{many:?}")).unwrap_err().to_string();
    assert!(found.contains("sink.stdout.console.context: 33 values are too many"), "{found}");
}
