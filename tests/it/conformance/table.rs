//! `tests/CONFORMANCE.md` against the sources: it names only tests that exist, and leaves no rule without an answer.

use crate::harness::root;
use std::collections::BTreeSet;
use std::fs;

/// Tests of the pure code that the table names ahead of their time. Whoever writes one takes it off here.
const AWAITED: &[&str] = &[
    "a_handshake_without_long_polling_in_common_is_a_failure_that_is_said",
    "a_lower_ack_leaves_only_once_the_window_is_half_gone",
    "a_redirect_that_keeps_the_method_is_followed_and_any_other_is_not",
    "a_reply_beyond_the_limit_is_unreadable_also_where_it_was_compressed",
    "a_resumed_session_that_is_unknown_handshakes_and_its_gap_begins_where_the_earlier_process_ended",
    "a_session_resumed_after_a_restart_asks_with_its_old_ack_and_opens_no_gap",
    "a_session_whose_batch_waits_for_storage_is_kept_alive_by_a_repeated_subscription",
    "a_single_meta_message_has_its_type_in_the_url_unless_told_otherwise",
    "cookies_of_any_answer_are_kept_and_a_comma_in_expires_ends_none",
    "every_connect_asks_for_the_window_and_its_echo_is_no_wait",
    "storage_that_stalls_beyond_the_hold_lets_the_session_go_with_a_gap",
    "the_third_unreadable_body_is_quarantined",
    "two_transports_share_no_cookie",
];

/// What a row of the table says.
struct Row {
    line: usize,
    rule: String,
    pure: Vec<String>,
    real: Vec<String>,
    peers: String,
    note: String,
}

/// Names in backquotes.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/CONFORMANCE.md")).unwrap();
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if cells[0] == "rule" || cells[0].starts_with("---") {
            continue;
        }
        assert_eq!(cells.len(), 5, "line {}: a row has five cells", number + 1);
        rows.push(Row {
            line: number + 1,
            rule: cells[0].to_owned(),
            pure: names(cells[1]),
            real: names(cells[2]),
            peers: cells[3].to_owned(),
            note: cells[4].to_owned(),
        });
    }
    rows
}

/// Every function below a folder.
fn functions(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let files = walkdir::WalkDir::new(root().join(folder)).into_iter().map(Result::unwrap);
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(file.path()).unwrap();
        for (at, _) in text.match_indices("fn ") {
            let rest = &text[at + 3..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.insert(rest[..end].to_owned());
        }
    }
    found
}

#[test]
fn the_conformance_table_names_tests_that_exist_and_every_rule_has_a_test_or_a_reason() {
    let rows = rows();
    assert!(rows.len() >= 100, "{} rows", rows.len());
    let (pure, real) = (functions("src"), functions("tests/it"));
    for row in &rows {
        let at = format!("tests/CONFORMANCE.md:{} ({})", row.line, row.rule);
        for name in &row.pure {
            let awaited = AWAITED.contains(&name.as_str());
            assert!(pure.contains(name) || awaited, "{at}: there is no test {name} below src");
            assert!(!pure.contains(name) || !awaited, "{name} is there: take it off AWAITED");
        }
        for name in &row.real {
            assert!(real.contains(name), "{at}: there is no test {name} below tests/it");
        }
        assert_eq!(row.real.is_empty(), row.peers == "–", "{at}: a test needs a peer, a peer a test");
        for peer in row.peers.split(", ") {
            assert!(["Java", "Node", "simulator", "–"].contains(&peer), "{at}: the peer {peer}");
        }
        // A rule that is shown on one side only says why.
        let both = !row.pure.is_empty() && !row.real.is_empty();
        assert!(both || !row.note.is_empty(), "{at}: neither two tests nor a reason");
    }
    let rules: BTreeSet<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    assert_eq!(rules.len(), rows.len(), "a rule stands in the table twice");
}
