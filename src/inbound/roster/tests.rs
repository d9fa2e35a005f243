//! Rosters good and faulty, what differs between two, and what a change while running leads to.

use super::*;
use crate::inbound::settings::{GroupConfig, testing};
use proptest::prelude::*;
use std::fmt::Write;

fn site(bundle: bool) -> SiteConfig {
    let mut site = testing::site();
    site.roster.passwords = bundle.then(|| SecretRef::Env("BUNDLE".into()));
    site.groups.insert("north".into(), GroupConfig::default());
    site
}

fn read(text: &str, bundle: bool) -> Result<Vec<Agent>, Error> {
    parse(text.as_bytes(), Path::new("agents.csv"), &site(bundle))
}

fn messages(text: &str, bundle: bool) -> String {
    read(text, bundle).unwrap_err().to_string()
}

#[test]
fn agents_are_read_with_all_that_a_line_says() {
    let text = "agent,username,password_env,group,base_url,exclude\n1001,ann, PW_ANN,north,,no\n\
                1002,bob,PW_BOB,,https://gws-2.example.com/a,\n1003,cid,,,,YES\n";
    let agents = read(text, false).unwrap();
    assert_eq!(agents.len(), 2, "an excluded agent is not held, and needs no password");
    assert_eq!(agents[0].password, Some(SecretRef::Env("PW_ANN".into())));
    assert_eq!((agents[0].group.as_deref(), &agents[0].base_url), (Some("north"), &None));
    assert_eq!(agents[1].base_url.as_ref().unwrap().as_str(), "https://gws-2.example.com/a");
    assert!(!format!("{agents:?}").contains("ann"), "a user name is personal");
}

#[test]
fn that_a_line_is_excluded_is_told_from_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut site = site(true);
    site.roster.file = dir.path().join("agents.csv");
    std::fs::write(&site.roster.file, "agent,username,exclude\n1,ann,\n2,bob,yes\n").unwrap();
    assert_eq!(["1", "2", "3"].map(|key| excludes(&site, key)), [false, true, false]);
}

#[test]
fn every_faulty_line_is_named_and_no_user_name_is() {
    let text = "agent,username\n1001,ann\n1001,bob\n1003,ANN\n,x\n1004\n1005,a:b\n";
    assert_eq!(
        messages(text, true),
        "agents.csv:3: agent \"1001\" stands in an earlier line already\n\
         agents.csv:4: the user name of agent \"1003\" stands in an earlier line already\n\
         agents.csv:5: the field agent is empty\n\
         agents.csv:6: 1 fields, the first line names 2 columns\n\
         agents.csv:7: username: no colon and no control character (HTTP Basic allows neither)"
    );
}

#[test]
fn an_excluded_line_still_may_not_repeat_a_user_name() {
    let text = "agent,username,exclude\n1,ann,true\n2,ANN,\n";
    assert_eq!(
        messages(text, true),
        "agents.csv:3: the user name of agent \"2\" stands in an earlier line already"
    );
}

#[test]
fn groups_urls_and_exclusions_that_can_not_be_meant_are_refused_by_line() {
    let text = "agent,username,group,base_url,exclude\n1,a,south,,\n2,b,,gws.example.com,\n3,c,,http://gws.example.com,\n\
                4,d,,https://u:secretword@h/,\n5,e,,https://h/?q=1,\n6,f,,ftp://h/,\n7,g,,,maybe\n8,h,,http://127.0.0.1:1/,\n";
    assert_eq!(
        messages(text, true),
        "agents.csv:2: group \"south\" is none of site main's (north)\n\
         agents.csv:3: base_url: not a URL: relative URL without a base\n\
         agents.csv:4: base_url: plain http beyond this machine: use https, or set site.main.allow_plaintext = true\n\
         agents.csv:5: base_url: user name and password do not belong into a URL\n\
         agents.csv:6: base_url: no ?query and no #fragment: paths are appended to it\n\
         agents.csv:7: base_url: only http and https are spoken here\n\
         agents.csv:8: exclude: expected true, false, yes or no"
    );
}

#[test]
fn unknown_columns_missing_columns_and_missing_passwords_are_refused() {
    assert!(messages("agent,user\n", true).contains("agents.csv:1: unknown column \"user\"; allowed: agent"));
    assert!(messages("agent\n", true).contains("the column \"username\" is missing"));
    assert!(messages("agent,agent,username\n", true).contains("the column \"agent\" stands twice"));
    assert!(messages("agent,username\n1,ann\n", false).contains("agents.csv:2: no password"));
    assert!(read("agent,username\n", true).unwrap().is_empty(), "a change can take all away");
}

#[test]
fn a_line_of_spaces_is_passed_over_like_an_empty_one() {
    let text = "agent,username\n1,ann\n   \n\n\t \n2,bob\n ";
    assert_eq!(read(text, true).unwrap().len(), 2);
    assert_eq!(
        messages("agent,username\n  \n1\n", true),
        "agents.csv:3: 1 fields, the first line names 2 columns"
    );
}

#[test]
fn what_is_no_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), dir.path()] {
        assert!(content(path).unwrap_err().to_string().ends_with(": is not a plain file"));
    }
}

#[test]
fn a_user_name_has_a_limit() {
    let of = |length: usize| format!("agent,username\n1,{}\n", "ä".repeat(length));
    assert_eq!(read(&of(256), true).unwrap().len(), 1);
    assert_eq!(messages(&of(257), true), "agents.csv:2: username: at most 256 characters");
}

#[test]
fn a_text_in_another_encoding_is_called_that() {
    let utf16 = |bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}agent,username\n1,ann\n").encode_utf16().flat_map(bytes).collect()
    };
    let texts = [
        utf16(u16::to_le_bytes, "\u{feff}"),
        utf16(u16::to_be_bytes, "\u{feff}"),
        utf16(u16::to_le_bytes, ""),
        b"\x1f\x8b\x08\x00".to_vec(),
    ];
    for text in texts {
        let error = parse(&text, Path::new("agents.csv"), &site(true)).unwrap_err();
        assert_eq!(error.to_string(), "agents.csv:1: not a text in UTF-8; save it as CSV in UTF-8");
    }
    assert_eq!(read("\u{feff}agent,username\n1,ann\n", true).unwrap().len(), 1, "a mark of UTF-8 is none");
}

#[test]
fn of_very_many_faults_the_rest_is_only_counted() {
    let mut text = "agent,username\n".to_owned();
    for _ in 0..1_000 {
        let _ = writeln!(text, ",x");
    }
    let Error(faults) = read(&text, true).unwrap_err();
    assert_eq!(faults.len(), 101);
    assert_eq!(faults.last().unwrap(), "agents.csv: and 900 more lines with a fault");
}

fn roster(lines: &[(&str, &str)]) -> String {
    lines
        .iter()
        .fold("agent,username,group\n".to_owned(), |text, (key, rest)| format!("{text}{key},{rest}\n"))
}

#[test]
fn a_difference_names_the_agents_it_touches_and_no_others() {
    let of = |lines: &[(&str, &str)]| read(&roster(lines), true).unwrap();
    let old = of(&[("1", "ann,"), ("2", "bob,"), ("3", "cid,"), ("4", "dan,")]);
    let new = of(&[("5", "eve,"), ("4", "dan,"), ("2", "bobby,"), ("3", "cid,north")]);
    let change = diff(&old, &new);
    assert_eq!(
        (change.added.as_slice(), change.removed.as_slice(), change.changed.as_slice()),
        (&["5".to_owned()][..], &["1".to_owned()][..], &["2".to_owned(), "3".to_owned()][..])
    );
    assert_eq!(change.to_string(), "1 added, 1 removed, 2 changed");
    assert!(diff(&old, &old).is_empty());
}

#[test]
fn more_than_the_share_or_all_is_too_much() {
    let removes = |removed: usize, agents: usize, percent| {
        let removed = (0..removed).map(|n| n.to_string()).collect();
        Change { removed, ..Change::default() }.removes_too_much(agents, percent)
    };
    assert!(!removes(0, 10, 0));
    assert!(!removes(1, 10, 10) && removes(2, 10, 10) && removes(1, 9, 10));
    assert!(removes(1, 1, 100), "all of them is always too much");
    assert!(removes(1, 1_000, 0) && !removes(999, 1_000, 100));
}

fn watch(lines: &[(&str, &str)]) -> Watch {
    Watch::new(site(true), Vec::new(), read(&roster(lines), true).unwrap(), 0)
}

const TWO: [(&str, &str); 2] = [("1", "ann,"), ("2", "bob,")];

#[test]
fn a_good_change_is_in_force_at_once_and_the_same_content_says_nothing() {
    let mut watch = watch(&TWO);
    let bytes = || Ok(roster(&[("1", "ann,"), ("2", "bob,north"), ("3", "cid,")]).into_bytes());
    assert_eq!(watch.look(Ok(roster(&TWO).into_bytes()), 1), Looked::Same);
    let Looked::Changed(change) = watch.look(bytes(), 2) else { panic!("not taken") };
    assert_eq!((change.added, change.changed), (vec!["3".to_owned()], vec!["2".to_owned()]));
    assert_eq!(watch.look(bytes(), 3), Looked::Same);
    assert_eq!((watch.agents().len(), watch.status().since.as_str()), (3, "1970-01-01T00:00:00.002Z"));
}

#[test]
fn a_faulty_file_is_said_once_and_the_old_roster_stays() {
    let mut watch = watch(&TWO);
    let faulty = || Ok(b"agent,username\n1\n".to_vec());
    assert!(matches!(watch.look(faulty(), 1), Looked::Faulty(_)));
    assert_eq!(watch.look(faulty(), 2), Looked::Same);
    assert_eq!((watch.agents().len(), watch.status().faults.len()), (2, 1));
    let gone = || Err(Error(vec!["agents.csv: not there".to_owned()]));
    assert!(matches!(watch.look(gone(), 3), Looked::Faulty(_)));
    assert_eq!(watch.look(gone(), 4), Looked::Same);
    assert_eq!(watch.look(Ok(roster(&TWO).into_bytes()), 5), Looked::Mended);
    assert_eq!(watch.look(Ok(roster(&TWO).into_bytes()), 6), Looked::Same);
    assert_eq!(watch.status().faults, Vec::<String>::new(), "mended");
}

#[test]
fn a_change_that_removes_too_much_waits_as_a_whole_until_accepted() {
    let mut watch = watch(&TWO);
    let fewer = || Ok(roster(&[("1", "ann,north"), ("3", "cid,")]).into_bytes());
    assert!(matches!(watch.look(fewer(), 1), Looked::Held(_)));
    assert_eq!(watch.look(fewer(), 2), Looked::Same);
    let held = watch.status().held.unwrap();
    assert_eq!(
        (held.since.as_str(), held.change.removed.as_slice()),
        ("1970-01-01T00:00:00.001Z", &["2".to_owned()][..])
    );
    assert_eq!(watch.agents(), read(&roster(&TWO), true).unwrap(), "nothing of it is in force");
    let change = watch.accept(None, 3).unwrap();
    assert_eq!((change.added.len(), change.removed.len(), change.changed.len()), (1, 1, 1));
    assert_eq!((watch.agents().len(), watch.status().held), (2, None));
    assert!(watch.accept(None, 4).unwrap_err().contains("no change of the roster is held"));
    assert_eq!(watch.look(fewer(), 5), Looked::Same);
}

#[test]
fn a_held_change_is_forgotten_when_the_file_is_put_right() {
    let mut watch = watch(&TWO);
    assert!(matches!(watch.look(Ok(roster(&TWO[..1]).into_bytes()), 1), Looked::Held(_)));
    assert_eq!(watch.look(Ok(roster(&TWO).into_bytes()), 2), Looked::Mended);
    assert!(watch.accept(None, 3).is_err());
}

/// Between the status and the wish somebody wrote another file: nothing is let through that nobody has seen.
#[test]
fn only_the_change_that_was_shown_is_let_through_and_nobody_left_needs_its_name() {
    let mut watch = watch(&[("1", "ann,"), ("2", "bob,"), ("3", "cid,")]);
    assert!(matches!(watch.look(Ok(roster(&TWO[..1]).into_bytes()), 1), Looked::Held(_)));
    let shown = watch.status().held.unwrap().change.id();
    assert!(matches!(watch.look(Ok(roster(&[]).into_bytes()), 2), Looked::Held(_)));
    let held = watch.status().held.unwrap().change;
    assert!(held.id() != shown && held.id().len() == 8);
    let said = watch.accept(Some(&shown), 3).unwrap_err();
    assert!(said.contains(&shown) && said.contains(&held.id()) && said.contains("3 removed"), "{said}");
    let said = watch.accept(None, 3).unwrap_err();
    let command = format!("cometbridge roster accept --site main --change {}", held.id());
    assert!(said.contains("removes everybody") && said.ends_with(&command), "{said}");
    assert_eq!((watch.agents().len(), watch.status().held.is_some()), (3, true));
    assert_eq!(watch.accept(Some(&held.id()), 4).unwrap(), held);
    assert_eq!(watch.agents().len(), 0);
}

#[test]
fn a_change_has_the_same_name_for_whoever_works_it_out() {
    let of = |added: &[&str], removed: &[&str]| {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        Change { added: keys(added), removed: keys(removed), changed: Vec::new() }.id()
    };
    assert_eq!(of(&["1"], &["2"]), of(&["1"], &["2"]));
    assert!(of(&["1"], &["2"]) != of(&["2"], &["1"]) && of(&["12"], &[]) != of(&["1", "2"], &[]));
}

#[test]
fn agents_beyond_only_are_neither_added_nor_missed() {
    let agents = read(&roster(&TWO), true).unwrap();
    let mut watch = Watch::new(site(true), vec!["1".to_owned()], agents, 0);
    assert_eq!(watch.agents().len(), 1);
    assert_eq!(watch.look(Ok(roster(&[("1", "ann,"), ("9", "zoe,")]).into_bytes()), 1), Looked::Same);
    assert!(matches!(watch.look(Ok(roster(&[("1", "ann,north")]).into_bytes()), 2), Looked::Changed(_)));
    assert_eq!(watch.unkept(), None, "the whole file is not in force");
}

#[test]
fn what_came_into_force_is_to_be_kept_until_it_is_on_disk_and_nothing_else_is() {
    let mut watch = watch(&TWO);
    assert!(matches!(watch.look(Ok(roster(&TWO[..1]).into_bytes()), 1), Looked::Held(_)));
    assert_eq!(watch.unkept(), None, "it waits");
    watch.accept(None, 2).unwrap();
    assert_eq!(*watch.unkept().unwrap(), *roster(&TWO[..1]).as_bytes());
    watch.kept(Err("no room".to_owned()));
    assert_eq!(watch.status().unkept.as_deref(), Some("no room"));
    assert!(matches!(watch.look(Ok(roster(&TWO).into_bytes()), 3), Looked::Changed(_)));
    assert_eq!(*watch.unkept().unwrap(), *roster(&TWO).as_bytes());
    watch.kept(Ok(()));
    assert_eq!((watch.unkept(), watch.status().unkept), (None, None));
}

#[test]
fn a_comparison_changes_nothing() {
    let watch = watch(&TWO);
    assert_eq!(watch.compare(read(&roster(&TWO[..1]), true).unwrap()).removed, ["2"]);
    assert_eq!(watch.agents().len(), 2);
}

proptest! {
    #[test]
    fn any_bytes_give_agents_or_faults(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut text = b"agent,username,group,base_url,exclude\n".to_vec();
        text.extend(&bytes);
        for input in [bytes, text] {
            match parse(&input, Path::new("agents.csv"), &site(true)) {
                Ok(agents) => prop_assert!(agents.iter().all(|agent| !agent.key.is_empty())),
                Err(Error(faults)) => prop_assert!(!faults.is_empty()),
            }
        }
    }

    #[test]
    fn a_difference_leads_from_the_old_roster_to_the_new(
        old in proptest::collection::btree_map(0u8..12, 0u8..3, 1..12),
        new in proptest::collection::btree_map(0u8..12, 0u8..3, 1..12),
    ) {
        let agents = |map: &std::collections::BTreeMap<u8, u8>| -> Vec<Agent> {
            let of = |(key, user): (&u8, &u8)| Agent {
                key: key.to_string(),
                username: format!("{key}-{user}"),
                password: None,
                group: None,
                base_url: None,
            };
            map.iter().map(of).collect()
        };
        let change = diff(&agents(&old), &agents(&new));
        let mut result = old.clone();
        for key in change.removed.iter().chain(&change.changed) {
            prop_assert!(result.remove(&key.parse().unwrap()).is_some());
        }
        for key in change.added.iter().chain(&change.changed) {
            let key = key.parse().unwrap();
            prop_assert!(result.insert(key, new[&key]).is_none());
        }
        prop_assert_eq!(result, new);
    }
}
