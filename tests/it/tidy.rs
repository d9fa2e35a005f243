//! The house rules (design section 3), held by a test from the first day.

use crate::harness::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that may be longer than 400 lines, each with its reason.
const LONGER_FILES: &[(&str, &str)] = &[];

fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    walkdir::WalkDir::new(root().join(below))
        .into_iter()
        .map(Result::unwrap)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect()
}

fn sources() -> Vec<(String, String)> {
    ["src", "tests", "benches"]
        .iter()
        .flat_map(|dir| files(dir, "rs"))
        .map(|path| (relative(&path), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_file_says_its_role_first() {
    let without: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(without.is_empty(), "no //! at the head of: {without:#?}");
}

#[test]
fn no_file_is_longer_than_400_lines_and_the_median_stays_small() {
    let mut lengths = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        let excused = LONGER_FILES.iter().any(|(excused, _)| *excused == name);
        assert!(lines <= 400 || excused, "{name} has {lines} lines");
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 150, "the median file has {median} lines");
}

#[test]
fn imports_run_one_way() {
    // A room, and what it may import besides itself.
    let allowed: &[(&str, &[&str])] = &[
        ("base", &[]),
        ("journal", &["base"]),
        ("inbound", &["base", "journal"]),
        ("outbound", &["base", "journal"]),
        ("config", &["base", "journal", "inbound", "outbound"]),
        ("admin", &["base", "journal", "inbound", "outbound"]),
        ("simulator", &["base"]),
        ("app", &["base", "journal", "inbound", "outbound", "config", "admin", "simulator"]),
    ];
    for (name, text) in sources() {
        let Some((_, may)) = allowed.iter().find(|(room, _)| name.starts_with(&format!("src/{room}/")))
        else {
            continue;
        };
        let own = name.split('/').nth(1).unwrap();
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for found in line.match_indices("crate::").map(|(at, _)| &line[at + "crate::".len()..]) {
                let rooms: Vec<&str> = match found.strip_prefix('{') {
                    Some(group) => group.split(',').map(|part| word(part.trim())).collect(),
                    None => vec![word(found)],
                };
                for room in rooms.into_iter().filter(|room| allowed.iter().any(|(known, _)| known == room)) {
                    assert!(
                        room == own || may.contains(&room),
                        "{name}:{}: {own} imports {room}",
                        number + 1
                    );
                }
            }
        }
    }
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[test]
fn nothing_is_left_open() {
    for (name, text) in sources().into_iter().filter(|(name, _)| name != "tests/it/tidy.rs") {
        for (number, line) in text.lines().enumerate() {
            for word in ["todo!", "unimplemented!", "FIXME", "#[ignore"] {
                assert!(!line.contains(word), "{name}:{}: {word}", number + 1);
            }
        }
    }
}

#[test]
fn only_the_metrics_module_names_metrics() {
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("src/")) {
        if !name.starts_with("src/base/metrics") && !name.contains("test") {
            let before_tests = text.split("#[cfg(test)]").next().unwrap();
            assert!(!before_tests.contains("\"cometbridge_"), "{name} names a metric");
        }
    }
}

/// Every metric's full name, from the three files that name them.
fn metrics() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("src/base/metrics.rs")).unwrap();
    let registered =
        text.split("let families = Families {").nth(1).unwrap().split("registry: r,").next().unwrap();
    let fleet = fs::read_to_string(root().join("src/base/metrics/fleet.rs")).unwrap();
    let kafka = fs::read_to_string(root().join("src/base/metrics/sinks.rs")).unwrap();
    let registered = format!("{registered}{fleet}{kafka}");
    let compact: String = registered.split_whitespace().collect::<Vec<_>>().join(" ");
    compact
        .split("(&r,")
        .chain(compact.split("( &r,"))
        .skip(1)
        .filter_map(|part| part.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()))
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(|name| format!("cometbridge_{name}"))
        .collect()
}

#[test]
fn every_metric_stands_in_a_dashboard_or_an_alert_and_back() {
    let mut shown = String::new();
    for file in files("deploy/grafana", "json").into_iter().chain(files("deploy/prometheus", "yml")) {
        shown.push_str(&fs::read_to_string(file).unwrap());
    }
    let metrics = metrics();
    assert!(metrics.len() > 30, "{metrics:?}");
    for metric in &metrics {
        assert!(shown.contains(metric.as_str()), "{metric} stands in no dashboard and no alert");
    }
    for (at, _) in shown.match_indices("cometbridge_") {
        let name = word(&shown[at..]);
        let base =
            ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let known = metrics.contains(name) || metrics.contains(base) || name == "cometbridge_";
        assert!(known || shown[at..].starts_with("cometbridge_("), "{name} is shown and does not exist");
    }
}

#[test]
fn the_readme_names_the_commands_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for target in ["demo", "test", "campaign"] {
        assert!(readme.contains(&format!("make {target}")), "README: make {target}");
        assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "Makefile: {target}");
    }
    let (_, help, _) = crate::harness::daemon::command(&["--help"]);
    for (at, _) in readme.match_indices("cometbridge ") {
        let command = readme[at + "cometbridge ".len()..]
            .split(|c: char| !c.is_ascii_lowercase() && c != '-')
            .next()
            .unwrap();
        let in_code = readme[..at].matches('`').count() % 2 == 1;
        if in_code && !command.is_empty() && !command.starts_with('-') {
            assert!(help.contains(command), "README: `cometbridge {command}` does not exist");
        }
    }
}

#[test]
fn the_readme_has_every_cause_of_a_gap_with_its_certainty() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let source = fs::read_to_string(root().join("src/inbound/session/protocol.rs")).unwrap();
    let list = source.split("pub const GAPS").nth(1).unwrap().split("];").next().unwrap();
    let quoted: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let known: BTreeSet<(&str, &str)> = quoted.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    let table = readme.split("| cause | certainty |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut told = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').collect();
        for certainty in cells[2].split('`').skip(1).step_by(2) {
            told.insert((cells[1].trim().trim_matches('`'), certainty));
        }
    }
    assert_eq!(told, known);
}

#[test]
fn the_readme_names_metrics_and_alerts_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let metrics = metrics();
    for (at, _) in readme.match_indices("cometbridge_") {
        let name = word(&readme[at..]);
        assert!(metrics.contains(name), "README: {name} does not exist");
    }
    let alerts = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    for (at, _) in readme.match_indices("`Cometbridge") {
        let name = word(&readme[at + 1..]);
        assert!(alerts.contains(&format!("alert: {name}\n")), "README: there is no alert {name}");
    }
}

#[test]
fn the_rules_that_clippy_and_unit_tests_hold_are_in_force() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in [
        "unwrap_used",
        "expect_used",
        "indexing_slicing",
        "panic",
        "dbg_macro",
        "print_stdout",
        "too_many_lines",
    ] {
        assert!(manifest.contains(&format!("\n{lint} = \"deny\"")), "{lint}");
    }
    assert!(manifest.contains("\nunsafe_code = \"forbid\""));
    let limits = fs::read_to_string(root().join("clippy.toml")).unwrap();
    assert!(limits.contains("too-many-lines-threshold = 60"), "functions of at most 60 lines: {limits}");
    // The keys are private to the room of the configuration; this is the test that compares file and code.
    let config = fs::read_to_string(root().join("src/config/tests.rs")).unwrap();
    assert!(config.contains("fn every_key_of_the_file_exists_in_code_and_back()"));
}

#[test]
fn the_licences_that_the_manifest_names_are_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nlicense = \"MIT OR Apache-2.0\"\n"));
    for (file, words) in [("LICENSE-MIT", "MIT License"), ("LICENSE-APACHE", "Apache License")] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(words), "{file}");
    }
}
