//! `tests/CONFORMANCE.md` against the sources: it names only tests that exist, and leaves no rule without an answer.

use crate::harness::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

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

/// Every test below a folder, with the peers that its cases name; none where it says so in its body alone.
fn tests(folder: &str) -> BTreeMap<String, BTreeSet<&'static str>> {
    const PEERS: [(&str, &str); 3] =
        [("Kind::Java", "Java"), ("Kind::Node", "Node"), ("Kind::Simulator", "simulator")];
    let mut found = BTreeMap::new();
    let files = walkdir::WalkDir::new(root().join(folder)).into_iter().map(Result::unwrap);
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(file.path()).unwrap();
        let (mut test, mut peers) = (false, BTreeSet::new());
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                test |= ["#[test]", "#[tokio::test", "#[rstest"].iter().any(|mark| line.starts_with(mark));
                peers.extend(PEERS.iter().filter(|(kind, _)| line.contains(kind)).map(|(_, peer)| *peer));
                continue;
            }
            if let Some((_, rest)) = line.split_once("fn ").filter(|_| test) {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.insert(rest[..end].to_owned(), std::mem::take(&mut peers));
            }
            if !line.starts_with("//") {
                (test, peers) = (false, BTreeSet::new());
            }
        }
    }
    found
}

#[test]
fn the_conformance_table_names_tests_that_exist_and_every_rule_has_a_test_or_a_reason() {
    let rows = rows();
    assert!(rows.len() >= 100, "{} rows", rows.len());
    let (pure, real) = (tests("src"), tests("tests/it"));
    for row in &rows {
        let at = format!("tests/CONFORMANCE.md:{} ({})", row.line, row.rule);
        for name in &row.pure {
            assert!(pure.contains_key(name), "{at}: there is no test {name} below src");
        }
        for name in &row.real {
            assert!(real.contains_key(name), "{at}: there is no test {name} below tests/it");
        }
        assert_eq!(row.real.is_empty(), row.peers == "–", "{at}: a test needs a peer, a peer a test");
        for peer in row.peers.split(", ") {
            assert!(["Java", "Node", "simulator", "–"].contains(&peer), "{at}: the peer {peer}");
        }
        let shown: Vec<&BTreeSet<&str>> = row.real.iter().filter_map(|name| real.get(name)).collect();
        if !shown.is_empty() && shown.iter().all(|peers| !peers.is_empty()) {
            let shown: BTreeSet<&str> = shown.into_iter().flatten().copied().collect();
            let named: BTreeSet<&str> = row.peers.split(", ").collect();
            assert!(named.is_subset(&shown), "{at}: its tests run on {shown:?}, it names {named:?}");
        }
        // A rule that is shown on one side only says why.
        let both = !row.pure.is_empty() && !row.real.is_empty();
        assert!(both || !row.note.is_empty(), "{at}: neither two tests nor a reason");
    }
    let rules: BTreeSet<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    assert_eq!(rules.len(), rows.len(), "a rule stands in the table twice");
}
