//! `tests/CONFORMANCE.md` against the sources: it names only tests that exist, and leaves no rule without an answer.

use crate::harness::root;
use std::collections::BTreeSet;
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
            assert!(pure.contains(name), "{at}: there is no test {name} below src");
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
