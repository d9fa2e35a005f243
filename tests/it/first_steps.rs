//! The commands that the README gives a newcomer who has no GWS, taken out of its text and run in a directory of their own.
//!
//! Ports are the machine's free ones in place of the written ones; all else is as it is written.
//! Deliberately absent: building what they start, and `make demo` (see `live`).

use crate::harness::daemon::BINARY;
use crate::harness::{free_port, root};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const CONFIG: &str = "config/examples/laptop.toml";
const WRITTEN: &str = "127.0.0.1:8090";

/// A process in that directory, ended with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path, arguments: &[String]) -> (Started, BufReader<ChildStdout>) {
    let stderr = fs::File::create(dir.join(format!("{}.log", arguments[0]))).unwrap();
    let mut child = Command::new(BINARY)
        .args(arguments)
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (Started(child), stdout)
}

fn line(from: &mut BufReader<ChildStdout>, dir: &Path, of: &str) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "{of}: {}", fs::read_to_string(dir.join(format!("{of}.log"))).unwrap());
    line
}

/// The arguments of the two commands, as they are written.
fn written() -> [Vec<String>; 2] {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let text = readme.split("Without a GWS at hand").nth(1).unwrap();
    let commands = text.lines().filter_map(|line| line.strip_prefix("    target/release/cometbridge "));
    let commands = commands.take(2).map(|line| line.split_whitespace().map(str::to_owned).collect());
    let commands: Vec<Vec<String>> = commands.collect();
    commands.try_into().unwrap()
}

#[test]
fn the_first_commands_of_the_readme_bring_events_to_the_screen() {
    let [mut simulate, mut run] = written();
    assert_eq!((simulate[0].as_str(), run[0].as_str()), ("simulate", "run"));
    assert!(run.iter().any(|argument| argument == CONFIG), "{run:?}");
    let text = fs::read_to_string(root().join(CONFIG)).unwrap();
    assert!(text.contains(&format!("base_url = \"http://{WRITTEN}\"")), "{text}");

    let clone = tempfile::tempdir().unwrap();
    let config = clone.path().join(CONFIG);
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let server = format!("127.0.0.1:{}", free_port());
    fs::write(&config, text.replace(WRITTEN, &server)).unwrap();
    let listen = simulate.iter_mut().find(|argument| *argument == WRITTEN);
    *listen.expect("the server listens where the configuration looks for it") = server.clone();
    run.extend(["--set".to_owned(), format!("admin.listen=127.0.0.1:{}", free_port())]);

    let (_server, mut said) = start(clone.path(), &simulate);
    assert_eq!(line(&mut said, clone.path(), "simulate"), format!("READY http://{server}\n"));
    let (_bridge, mut events) = start(clone.path(), &run);
    for _ in 0..3 {
        let event = line(&mut events, clone.path(), "run");
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        assert_eq!(event["source"], "/gws/simulator", "{event}");
    }
    // What they leave stands in the list of what is never committed.
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    for left in ["roster", "cometbridge-state"] {
        assert!(clone.path().join(left).is_dir(), "{left}");
        assert!(ignored.lines().any(|line| line == format!("/{left}")), "{left}");
    }
}
