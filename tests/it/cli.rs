//! The commands as a person at a shell meets them: help, mistakes in arguments, `check`, `print-config`, `schema`.
//!
//! Deliberately absent: `demo`, `simulate` and `run` (see `live`), and mistakes in the configuration (see
//! `config_errors`).

use crate::harness::daemon::{Home, SECRET, command, command_with};
use crate::harness::free_port;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const STDOUT: &str = "[sink.stdout.console]\nprivacy = \"full\"\n";

/// A home whose configuration `check` finds good; the site's server is not there, which does not matter.
pub fn good_home(more: &str) -> Home {
    let home = Home::new();
    home.write_roster(&["anna".to_owned(), "bert".to_owned()]);
    home.write_config("http://127.0.0.1:9", more);
    home
}

fn check(home: &Home) -> (i32, String, String) {
    let (code, stdout, stderr) = command(&["check", "--config", home.config().to_str().unwrap()]);
    let here = home.dir.path().to_str().unwrap();
    (code, stdout.replace(here, "DIR"), stderr.replace(here, "DIR"))
}

/// `check` must refuse, and say exactly this.
#[track_caller]
fn refused(home: &Home, expected: &[&str]) {
    let (code, stdout, stderr) = check(home);
    assert_eq!(code, 78, "{stderr}");
    assert_eq!(stdout, "", "nothing is called good");
    let said = stderr.strip_prefix("cometbridge: ").unwrap().trim_end();
    for line in expected {
        assert!(said.contains(line), "not said: {line}\nsaid:\n{said}");
    }
}

fn chmod(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn check_calls_a_good_configuration_good_and_leaves_nothing_behind() {
    let home = good_home(STDOUT);
    let (code, stdout, stderr) = check(&home);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<&str> = stdout.lines().collect();
    let [site, sink, sample, good] = lines.as_slice() else { panic!("{stdout}") };
    assert_eq!(
        (*site, *sink),
        ("site main: 2 agents, 9 channels", "sink console: stdout, ready to be tried")
    );
    assert_eq!(*good, "the configuration is good");
    let sample = sample.strip_prefix("  an invented event as it would leave: ").unwrap();
    let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    assert_eq!(sample["data"]["message"]["text"], "This text is invented.");
    assert!(!home.state_dir().exists());
}

#[test]
fn check_shows_an_event_that_the_sink_takes_or_says_that_it_has_none() {
    for (lists, shown) in [
        ("match = { medium = [\"call\"] }", "\"type\":\"genesys.gws.call.status_change.v1\""),
        ("match = { medium = [\"email\", \"outbound\"] }", "\"type\":\"genesys.gws.email.status_change.v1\""),
        (
            "transcripts = true\nmatch = { event = [\"transcript\"] }",
            "\"type\":\"genesys.gws.facebooksession.transcript.v1\"",
        ),
        (
            "match = { state = [\"Undocumented\"] }",
            "  no invented event to show: match and except take none of",
        ),
    ] {
        let (code, stdout, stderr) = check(&good_home(&format!("{STDOUT}{lists}\n")));
        assert_eq!((code, stderr.as_str()), (0, ""), "{lists}");
        assert!(stdout.contains(shown), "{lists}: {stdout}");
    }
}

#[test]
fn check_shows_a_record_and_a_request_with_all_that_leaves_beside_the_event() {
    let home = good_home(
        "[sink.kafka.events]\nbrokers = [\"127.0.0.1:9\"]\ntopic = \"gws.{class}\"\nprivacy = \"no-content\"\n\
         headers = { x-team = \"crm\" }\n\
         [sink.webhook.crm]\nurl = \"https://crm.example.com/secretpath\"\nprivacy = \"no-content\"\n\
         secrets = [{ env = \"CRM_SECRET\" }]\n",
    );
    let config = home.config();
    let arguments = ["check", "--config", config.to_str().unwrap()];
    let (code, stdout, stderr) = command_with(&arguments, &[("CRM_SECRET", SECRET)]);
    assert_eq!(code, 0, "{stderr}");
    for said in [
        "leave:\n    topic: gws.content\n    key: main/0000SAMPLE01\n    header content-type: application/json\n",
        "\n    header ce_type: genesys.gws.chat.message.v1\n",
        "\n    header x-team: crm\n    value: {\"interactionId\":\"0000SAMPLE01\",",
        "leave:\n    header content-type: application/cloudevents+json\n    header webhook-id: main/chat/0000SAMPLE01/messages/5\n\
         \x20   header webhook-signature: (by each secret, of id, time and body)\n    header webhook-timestamp: (",
        "\n    body: {\"specversion\":\"1.0\",",
    ] {
        assert!(stdout.contains(said), "not said: {said}\n{stdout}");
    }
    for hidden in ["secretpath", SECRET, "Sample Person", "invented."] {
        assert!(!stdout.contains(hidden), "{hidden}: {stdout}");
    }
}

#[test]
fn check_finds_a_missing_roster_and_a_missing_bundle_together() {
    let home = good_home(STDOUT);
    fs::remove_file(home.path("agents.csv")).unwrap();
    fs::remove_file(home.path("passwords.csv")).unwrap();
    refused(
        &home,
        &["agents.csv can not be read", "passwords.csv does not exist", "2 problems in the configuration"],
    );
}

#[test]
fn check_names_bad_lines_of_the_roster_by_their_number() {
    let home = good_home(STDOUT);
    home.write("agents.csv", "agent,username\n1001,anna\n1001,bert\n1003\n,dora\n");
    refused(
        &home,
        &[
            "DIR/agents.csv:3: agent \"1001\" stands in an earlier line already",
            "DIR/agents.csv:4: 1 fields, the first line names 2 columns",
            "DIR/agents.csv:5: the field agent is empty",
        ],
    );
}

#[test]
fn check_names_the_agent_whose_password_is_not_there_but_not_the_user() {
    let home = good_home(STDOUT);
    home.write("passwords.csv", "username,password\nbert,pw-bert\n");
    refused(&home, &["agent \"1001\"", "has no line for the user name"]);
    assert!(!check(&home).2.contains("anna"), "a user name is personal");
}

#[test]
fn check_finds_a_secret_that_can_not_be_read() {
    let home = good_home(
        "[sink.webhook.crm]\nurl = \"https://crm.example.com/\"\nprivacy = \"full\"\n\
         secrets = [{ exec = [\"/bin/false\"] }]\n",
    );
    refused(&home, &["sink.webhook.crm.secrets[0]: ", "/bin/false"]);
}

#[test]
fn check_finds_a_state_dir_that_is_too_wide_or_has_no_place() {
    let home = good_home(STDOUT);
    fs::create_dir(home.state_dir()).unwrap();
    chmod(&home.state_dir(), 0o755);
    refused(&home, &["state_dir: DIR/state", "mode 0755 lets others in", "chmod 0700 'DIR/state'"]);
    let text = fs::read_to_string(home.config()).unwrap().replace("/state\"", "/no/such/state\"");
    home.write("cometbridge.toml", &text);
    refused(&home, &["state_dir: DIR/no/such/state", "can not be made", "mode 0700"]);
}

#[test]
fn check_finds_an_admin_port_in_use() {
    let home = good_home(STDOUT);
    let _taken = std::net::TcpListener::bind(("127.0.0.1", home.admin_port)).unwrap();
    refused(&home, &[&format!("admin.listen: 127.0.0.1:{} is in use by another program", home.admin_port)]);
}

#[test]
fn check_finds_authorities_that_are_none() {
    let home = good_home(STDOUT);
    home.write("ca.pem", "not a certificate\n");
    let ca = format!("[site.main]\nca = \"{}\"\n", home.path("ca.pem").display());
    let text = fs::read_to_string(home.config()).unwrap().replace("[site.main]\n", &ca);
    home.write("cometbridge.toml", &text);
    refused(&home, &["site.main.ca: DIR/ca.pem holds no certificate in PEM"]);
}

#[test]
fn check_finds_a_property_that_librdkafka_does_not_know_or_take() {
    for (property, said) in
        [("\"linger.mss\" = \"5\"", "linger.mss"), ("\"compression.type\" = \"zip\"", "compression.type")]
    {
        let home = good_home(&format!(
            "[sink.kafka.events]\nbrokers = [\"127.0.0.1:9\"]\ntopic = \"gws.events\"\nprivacy = \"full\"\n\
             librdkafka = {{ {property} }}\n"
        ));
        refused(&home, &["sink.kafka.events", said, "1 problem"]);
    }
}

#[test]
fn the_effective_configuration_shows_no_secret_and_loads_again_to_the_same() {
    let home = good_home(
        "[sink.webhook.crm]\nurl = \"https://crm.example.com/\"\nprivacy = \"full\"\nsecrets = [{ env = \"CRM_SECRET\" }]\n\
         match = { medium = [\"chat\"] }\n",
    );
    let environment =
        [("CRM_SECRET", "whsec_UExBTlRFRFBMQU5URURQTEFOVEVE"), ("COMETBRIDGE__LOG__LEVEL", "debug")];
    let print = |environment: &[(&str, &str)]| {
        let (code, stdout, stderr) =
            command_with(&["print-config", "--config", home.config().to_str().unwrap()], environment);
        assert_eq!((code, stderr.as_str()), (0, ""));
        stdout
    };
    let first = print(&environment);
    assert!(first.contains("level = \"debug\"") && first.contains("{ env = \"CRM_SECRET\" }"), "{first}");
    assert!(!first.contains("UExBTlRFRF") && !first.contains("pw-anna"), "{first}");
    home.write("cometbridge.toml", &first);
    assert_eq!(print(&environment[..1]), first);
}

#[test]
fn every_schema_that_is_listed_is_printed() {
    let (code, names, _) = command(&["schema"]);
    assert_eq!(code, 0);
    let names: BTreeSet<&str> = names.lines().collect();
    assert!(names.contains("chat.message") && names.len() > 15, "{names:?}");
    for name in &names {
        let (code, text, _) = command(&["schema", name]);
        assert_eq!(code, 0);
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "one line break at the end");
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
    }
    let (code, stdout, stderr) = command(&["schema", "chat.massage"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("cometbridge: no schema \"chat.massage\"; there are: "), "{stderr}");
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let (code, help, _) = command(&["--help"]);
    assert_eq!(code, 0);
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let mut commands: Vec<Vec<&str>> =
        listed.lines().filter_map(|line| line.split_whitespace().next()).map(|name| vec![name]).collect();
    commands.retain(|name| !["help", "dead-letters", "roster"].contains(&name[0]));
    commands.push(vec!["dead-letters", "list"]);
    commands.extend(["diff", "status", "reload", "accept"].map(|command| vec!["roster", command]));
    assert!(commands.len() >= 7, "{commands:?}");
    for mut arguments in commands {
        arguments.push("--help");
        let (code, help, _) = command(&arguments);
        assert_eq!(code, 0);
        let example = format!("Example:\n  cometbridge {}", arguments[0]);
        assert!(help.contains(&example), "{arguments:?}:\n{help}");
    }
}

#[test]
fn arguments_that_do_not_exist_give_one_message_and_no_other() {
    for (arguments, said) in [
        (&["rnu"][..], "unrecognized subcommand 'rnu'"),
        (&["run", "--confg", "x"], "unexpected argument '--confg' found"),
        (&["demo", "--seconds", "soon"], "invalid value 'soon' for '--seconds <SECONDS>'"),
        (&["simulate", "--rate", "-1"], "invalid value '-1' for '--rate <RATE>': expected a number from 0"),
        (&["simulate", "--rate", "nan"], "invalid value 'nan' for '--rate <RATE>': expected a number from 0"),
        (&["simulate", "--agents", "0"], "invalid value '0' for '--agents <AGENTS>'"),
    ] {
        let (code, stdout, stderr) = command(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.starts_with(&format!("error: {said}")), "{arguments:?}: {stderr}");
        assert_eq!(stderr.matches("error").count(), 1, "{stderr}");
    }
    let (code, _, stderr) = command(&["run"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("no --config FILE was given"), "{stderr}");
}

#[test]
fn a_sink_that_does_not_exist_is_refused_by_name() {
    let home = good_home(STDOUT);
    let config = home.config();
    let arguments = ["dead-letters", "list", "--config", config.to_str().unwrap(), "--sink", "crm"];
    let (code, _, stderr) = command(&arguments);
    assert_eq!((code, stderr.as_str()), (1, "cometbridge: --sink crm: no such sink; there are: console\n"));
}

#[test]
fn who_looks_for_what_was_put_aside_or_erased_makes_no_state_directory() {
    let home = good_home(&format!("{STDOUT}transcripts = true\n"));
    let config = home.config();
    let looks: [&[&str]; 5] = [
        &["erase", "--list"],
        &["erase", "--interaction", "x", "--dry-run"],
        &["dead-letters", "list"],
        &["dead-letters", "show", "1"],
        &["completeness", "--day", "2026-11-22"],
    ];
    let said = |look: &[&str]| {
        let (code, stdout, stderr) = command(&[look, &["--config", config.to_str().unwrap()]].concat());
        assert_eq!((code, stdout.as_str()), (1, ""), "{look:?}: {stderr}");
        stderr
    };
    for look in looks {
        let stderr = said(look);
        assert!(stderr.contains("state: can not be looked at: No such file"), "{look:?}: {stderr}");
        assert!(!home.state_dir().exists(), "{look:?}");
    }
    fs::create_dir(home.state_dir()).unwrap();
    chmod(&home.state_dir(), 0o700);
    let stderr = said(looks[0]);
    assert!(stderr.contains("state: holds no journal"), "{stderr}");
    assert_eq!(fs::read_dir(home.state_dir()).unwrap().count(), 0);
}

#[test]
fn an_override_reaches_the_configuration_and_a_bad_one_does_not() {
    let home = good_home(STDOUT);
    let port = free_port();
    let set = format!("admin.listen=127.0.0.1:{port}");
    let config = home.config();
    let (code, stdout, _) = command(&["print-config", "--config", config.to_str().unwrap(), "--set", &set]);
    assert_eq!(code, 0);
    assert!(stdout.contains(&format!("listen = \"127.0.0.1:{port}\"")), "{stdout}");
    let (code, _, stderr) =
        command(&["print-config", "--config", config.to_str().unwrap(), "--set", "admin.listen"]);
    assert_eq!(code, 78, "{stderr}");
}

#[test]
fn the_data_sheet_says_what_is_read_how_long_it_is_kept_and_where_it_goes() {
    let home = good_home(
        "[sink.stdout.console]\nprivacy = \"no-content\"\nuserdata = [\"ContactId\"]\n\
         privacy_rules = [{ path = \"data.message.text\", action = \"truncate\", length = 20 }]\n\
         [sink.webhook.crm]\nurl = \"https://crm.example.com/secretpath\"\nprivacy = \"full\"\nunsigned = true\n",
    );
    let config = home.config();
    let sheet = |more: &[&str]| {
        let fixed = ["data-sheet", "--config", config.to_str().unwrap()];
        let (code, out, err) = command(&fixed.into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(!out.contains("secretpath"), "a path may hold a secret: {out}");
        out
    };
    let text = sheet(&[]);
    for said in [
        "  site main, from 127.0.0.1\n    topics: /v2/me/facebooksession, ",
        "    text of typing notices: dropped before anything is written\n",
        "    but not out of replies that can not be read: they are kept whole in state_dir/quarantine (below)\n",
        "How long it is kept, in state_dir/journal.sqlite where no other place is named\n",
        "  1d: events, with all that was received and is not dropped (above), after every sink has them [journal.keep_delivered]\n",
        "cookies, client id and CSRF token, not encrypted, as no state_key is set [state_key]\n",
        "  while the agent is in the roster; of a refused one until another works: keyed digests of the secret that logged in",
        "user names, groups, and where secrets stand, no secret, in state_dir/rosters [no setting]\n",
        "what is dropped (above) may stand in them, in state_dir/quarantine [no setting]\n",
        "  30d: digests of what was received, without text, to tell what comes again [dedup.window]\n",
        "  sink console (stdout) to standard output: privacy no-content\n    business drop, contact drop, content drop,",
        "    but data.message.text truncate to 20\n    keys of attached data that leave: ContactId\n",
        "  sink crm (webhook) to crm.example.com: privacy full\n",
    ] {
        assert!(text.contains(said), "not said: {said}\n{text}");
    }
    let dropped = sheet(&["--set", "site.main.collect.drop=[\"content\",\"data.userData.Account\"]"]);
    let said = "    dropped, too: content, data.userData.Account, and the sender's own JSON\n";
    assert!(dropped.contains(said) && !text.contains("dropped, too"), "{dropped}");
    let json: serde_json::Value = serde_json::from_str(&sheet(&["--json"])).unwrap();
    assert_eq!(json["goes"][0]["classes"]["identity"], "drop");
    assert_eq!(json["goes"][1]["classes"]["identity"], "keep");
    assert!(json["read"][0]["topics"].as_array().unwrap().len() > 5);
    let kept = json["kept"].as_array().unwrap();
    assert!(kept.iter().any(|kept| kept["setting"] == "journal.keep_gaps"));
    for place in ["state_dir/journal.sqlite", "state_dir/rosters", "state_dir/quarantine"] {
        assert!(kept.iter().any(|kept| kept["place"] == place), "{place}: {json}");
    }
}
