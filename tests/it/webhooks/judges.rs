//! What others' libraries say of requests and records: signatures (PyPI, npm, crates), CloudEvents (npm).

use crate::harness::kafka::Record;
use crate::harness::receiver::Attempt;
use crate::harness::{peers_cache, python, root};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

fn said(command: &mut Command, lines: &[Value]) -> (bool, String) {
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut stdin = judge.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = judge.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn line(attempt: &Attempt, secret: &str) -> Value {
    let headers: serde_json::Map<String, Value> = attempt
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    json!({"headers": headers, "body": attempt.body, "secret": secret})
}

fn npm() -> Command {
    let modules = peers_cache().join("receivers-node");
    assert!(modules.join("node_modules").exists(), "the peers are not set up: run tests/peers/setup.sh");
    let mut command = Command::new("node");
    command.env("RECEIVERS_NODE_MODULES", modules).arg(root().join("tests/peers/receivers-node/check.js"));
    command
}

/// Whether the npm and PyPI packages and the crate accept all these requests under one secret. They must agree.
pub fn verify(attempts: &[Attempt], secret: &str) -> bool {
    let lines: Vec<Value> = attempts.iter().map(|attempt| line(attempt, secret)).collect();
    let (pypi, words) =
        said(Command::new(python()).arg(root().join("tests/peers/verify_webhook.py")), &lines);
    assert!(!pypi || words == format!("ok {}", attempts.len()), "{words}");
    let (npm, more) = said(&mut npm(), &lines);
    assert!(!npm || more.lines().count() == attempts.len(), "{more}");
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    let verified = |one: &Attempt| webhook.verify(one.body.as_bytes(), &one.headers).is_ok();
    let crates = attempts.iter().all(verified);
    assert!(pypi == npm && npm == crates, "PyPI: {pypi} ({words}), npm: {npm} ({more}), crate: {crates}");
    pypi
}

fn parsed(lines: &[Value]) -> Vec<Value> {
    let (fine, words) = said(&mut npm(), lines);
    assert!(fine, "{words}");
    let of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["events"].take();
    words.lines().flat_map(|line| of(line).as_array().unwrap().clone()).collect()
}

/// The events that the CloudEvents SDK finds in these requests, whatever the mode.
pub fn events_of_requests(attempts: &[Attempt], secret: &str) -> Vec<Value> {
    parsed(&attempts.iter().map(|attempt| line(attempt, secret)).collect::<Vec<_>>())
}

/// The events that the CloudEvents SDK finds in these records, whatever the mode.
pub fn events_of_records(records: &[Record]) -> Vec<Value> {
    let line = |one: &Record| json!({"key": one.key, "headers": one.headers, "value": one.value});
    parsed(&records.iter().map(line).collect::<Vec<_>>())
}
