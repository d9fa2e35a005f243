//! Who may have a state directory, and what a start says of a journal that lost its end.

use super::Stage;
use super::gaps::GAPS;
use super::seen::{Seen, from_stdout};
use crate::harness::daemon::{Daemon, Home, SECRET, command_with};
use crate::harness::eventually;
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// `run` that is expected to end by itself: exit code and stderr.
async fn run_to_its_end(home: &Home, more: &[&str]) -> (i32, String) {
    let config = home.config().display().to_string();
    let mut arguments: Vec<String> = ["run", "--config", &config].map(str::to_owned).to_vec();
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    let ended = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, _, stderr) = command_with(&arguments, &[("CRM_SECRET", SECRET)]);
        (code, stderr)
    });
    tokio::time::timeout(LIMIT, ended).await.expect("a refused start ends").unwrap()
}

/// Waits until the webhook has every message told so far.
async fn delivered(stage: &Stage) {
    let wanted = stage.story.message_ids();
    eventually("the webhook has every message", LIMIT, || async {
        stage.webhook_ids().is_superset(&wanted).then_some(())
    })
    .await;
}

async fn rounds(stage: &Stage, count: usize) {
    for _ in 0..count {
        stage.story.round().await;
    }
}

async fn started(stage: &Stage, window: u64, more: &[&str]) -> Daemon {
    let mut daemon = stage.home.start_with(more);
    daemon.connected(stage.agents).await;
    stage.story.listened(window);
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on() {
    let stage = Stage::set(4, &[], "").await;
    let mut first = started(&stage, 1, &[]).await;
    let (code, said) = run_to_its_end(&stage.home, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("pid {}", first.pid())), "{said}");
    assert!(said.contains(&stage.home.state_dir().display().to_string()), "{said}");

    rounds(&stage, 20).await;
    delivered(&stage).await;
    first.connected(stage.agents).await;
    assert!(first.stop().await.success());
    // Refused for the lock alone: once it is free, the same command runs.
    started(&stage, 2, &[]).await.kill();
}

/// The database of a daemon that was stopped, whole in one file.
fn copy_of_the_journal(home: &Home) -> Vec<u8> {
    let log = home.state_dir().join("journal.sqlite-wal");
    assert!(fs::metadata(log).map_or(0, |found| found.len()) == 0, "a stop leaves nothing in the log");
    fs::read(home.state_dir().join("journal.sqlite")).unwrap()
}

fn put_back(home: &Home, journal: &[u8]) {
    for beside in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = fs::remove_file(home.state_dir().join(beside));
    }
    fs::write(home.state_dir().join("journal.sqlite"), journal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_journal_is_refused_unless_accepted_and_sequences_do_not_come_twice() {
    let stage = Stage::set(6, &[], "").await;
    let (home, story) = (&stage.home, &stage.story);
    let first = started(&stage, 1, &[]).await;
    rounds(&stage, 20).await;
    delivered(&stage).await;
    assert!(first.stop().await.success());
    let older = copy_of_the_journal(home);

    let second = started(&stage, 2, &[]).await;
    rounds(&stage, 20).await;
    delivered(&stage).await;
    assert!(second.stop().await.success());
    put_back(home, &older);
    let before = Seen::take("webhook", stage.webhook_events());

    let (code, said) = run_to_its_end(home, &[]).await;
    assert_eq!(code, 1, "{said}");
    for words in ["journal.sqlite", "had reached", "may have been lost", "--accept-shortened-journal"] {
        assert!(said.contains(words), "{words:?} in: {said}");
    }
    // Refusing changes nothing: the next start says the same.
    assert_eq!(run_to_its_end(home, &[]).await, (code, said));

    let third = started(&stage, 3, &["--accept-shortened-journal"]).await;
    let told_before = stage.webhook_events().len();
    story.next_generation();
    rounds(&stage, 20).await;
    delivered(&stage).await;
    assert!(third.stop().await.success());
    let fresh = Seen::take("webhook", stage.webhook_events().into_iter().skip(told_before));
    for (id, event) in &fresh.events {
        let sequence = event["sequence"].as_str().unwrap();
        assert!(sequence > before.last.as_str(), "{id} has {sequence}, {} was given out before", before.last);
    }
    // What was accepted once is not asked again.
    started(&stage, 4, &[]).await.kill();
    let all = Seen::take("stdout", from_stdout(home));
    all.holds_the_logs(story);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_loss_is_published_as_a_gap_of_every_agent() {
    let stage = Stage::set(4, &[], GAPS).await;
    let first = started(&stage, 1, &[]).await;
    assert!(first.stop().await.success());
    let older = copy_of_the_journal(&stage.home);
    let second = started(&stage, 2, &[]).await;
    // Chance decides what a round tells: of a few it may be nothing, and then nothing is lost.
    rounds(&stage, 40).await;
    assert!(!stage.story.message_ids().is_empty());
    delivered(&stage).await;
    assert!(second.stop().await.success());
    put_back(&stage.home, &older);

    let third = started(&stage, 3, &["--accept-shortened-journal"]).await;
    let opened = |line: &String| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        (event["event"] == "gap_opened" && event["data"]["cause"] == "journal-shortened")
            .then(|| event["data"]["agent"].as_str().unwrap().to_owned())
    };
    let agents = eventually("a gap of every agent", LIMIT, || async {
        let agents: std::collections::BTreeSet<String> =
            stage.home.stdout_lines().iter().filter_map(opened).collect();
        (agents.len() >= stage.agents).then_some(agents)
    })
    .await;
    assert_eq!(agents.len(), stage.agents);
    drop(third);
}
