//! A disk that fills up under the journal, on a small tmpfs of its own. Needs the right to mount one.

use super::Stage;
use super::seen::{Seen, from_stdout};
use crate::harness::cometd::Kind;
use crate::harness::daemon::Daemon;
use crate::harness::eventually;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// What every journal here is configured with.
const JOURNAL: &str = "[journal]\nreserve = \"2MiB\"\n";
/// The server gives a session up after six seconds, less than a stall lasts: only signs of life keep it.
const IMPATIENT: &[&str] = &["--max-interval", "6000"];
const WINDOW: &[&str] = &["--set", "site.main.server_window=6s", "--set", "site.main.ask_window=0s"];

/// A tmpfs of 24 MiB, unmounted at the end of the test however it ends.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> SmallDisk {
        fs::create_dir(at).unwrap();
        let tried = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m,mode=0700", "cometbridge-test"])
            .arg(at)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tried.stderr);
        assert!(
            tried.status.success(),
            "this test mounts a small tmpfs and needs root or CAP_SYS_ADMIN for it; mount said: {said}"
        );
        SmallDisk(at.to_owned())
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = File::options().append(true).create(true).open(self.ballast()).unwrap();
        for size in [65_536, 4_096] {
            while ballast.write_all(&vec![0u8; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn set_up(kind: Kind, ack: &str) -> (Stage, SmallDisk, Daemon) {
    let arguments = [IMPATIENT, &["--ack", ack]].concat();
    let stage = Stage::on(kind, 10, &arguments, JOURNAL).await;
    let disk = SmallDisk::mount(&stage.home.state_dir());
    let mut daemon = stage.home.start_with(WINDOW);
    daemon.connected(stage.agents).await;
    stage.story.listened(1);
    (stage, disk, daemon)
}

/// Tells rounds until the journal has no room left, and none to make. The webhook refuses, so that nothing more may
/// be trimmed.
async fn stall(stage: &Stage, disk: &SmallDisk, daemon: &mut Daemon) {
    for _ in 0..20 {
        stage.story.round().await;
    }
    stage.receiver.answer(503);
    for round in 0.. {
        assert!(round < 2_000, "the disk is full, and the journal still writes");
        disk.fill();
        stage.story.round().await;
        if lasts(disk, daemon).await {
            break;
        }
    }
    eventually("readyz names the storage", LIMIT, || async {
        let (status, said) = daemon.get("/readyz").await?;
        (status == 503 && said.contains("storage stalled")).then_some(())
    })
    .await;
}

/// Whether the journal is stalled and stays so: what was delivered before may be trimmed in a stall, and end it.
async fn lasts(disk: &SmallDisk, daemon: &mut Daemon) -> bool {
    let seconds = "cometbridge_journal_stall_seconds_total";
    let before = daemon.metric(seconds).await;
    while daemon.metric("cometbridge_journal_stalled").await == 1.0 {
        disk.fill();
        if daemon.metric(seconds).await >= before + 3.0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Waits until the journal has been stalled for some seconds more.
async fn stalled_on(daemon: &mut Daemon, seconds: f64) {
    let counter = "cometbridge_journal_stall_seconds_total";
    let before = daemon.metric(counter).await;
    daemon.until(counter, LIMIT, |now| now >= before + seconds).await;
    assert_eq!(daemon.metric("cometbridge_journal_stalled").await, 1.0);
}

/// What is acknowledged once what was on its way at the stall has arrived; then nothing more is.
async fn acknowledged_in_the_stall(stage: &Stage, disk: &SmallDisk, daemon: &mut Daemon) -> HashSet<String> {
    stalled_on(daemon, 1.0).await;
    let before = stage.server.acked().await;
    for _ in 0..5 {
        stage.story.round().await;
        disk.fill();
    }
    stalled_on(daemon, 8.0).await;
    assert_eq!(stage.server.acked().await, before, "nothing is acknowledged without room to keep it");
    before
}

/// A start on the full disk: refused where the reserve can not be made, else stalled as soon as the room that
/// opening the journal gave back is used; and no acknowledgement then.
async fn starts_stalled_or_not_at_all(stage: &Stage, disk: &SmallDisk) {
    let mut daemon = stage.home.start();
    let began = std::time::Instant::now();
    let refused = loop {
        assert!(began.elapsed() < LIMIT, "neither refused nor stalled: {}", stage.home.log());
        if let Some(ended) = daemon.has_ended() {
            assert_eq!(ended.code(), Some(1), "{}", stage.home.log());
            assert!(stage.home.log().contains("no room"), "{}", stage.home.log());
            break true;
        }
        disk.fill();
        if lasts(disk, &mut daemon).await {
            let before = stage.server.acked().await;
            stalled_on(&mut daemon, 1.0).await;
            assert_eq!(stage.server.acked().await, before);
            break false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("a start on the full disk was {}", if refused { "refused" } else { "stalled" });
    daemon.kill();
}

/// Waits until everything told is acknowledged and the webhook has it.
async fn caught_up(stage: &Stage) {
    let story = &stage.story;
    eventually("everything told is acknowledged", LIMIT, || async {
        let acked = stage.server.acked().await;
        let last = story.states().into_iter().rfind(|state| state.window.is_some()).unwrap();
        let messages = story.messages();
        (acked.contains(&last.tag) && messages.keys().all(|tag| acked.contains(tag))).then_some(())
    })
    .await;
}

/// Waits until the webhook has all messages, and all states that were told since `from`.
async fn delivered(stage: &Stage, from: u64) {
    let wanted = stage.story.message_ids();
    let states: Vec<_> =
        stage.story.states().into_iter().filter(|state| state.window >= Some(from)).collect();
    eventually("the webhook has everything", LIMIT, || async {
        let seen = Seen::take("webhook", stage.webhook_events());
        let all = states.iter().all(|state| seen.has(state)) && stage.webhook_ids().is_superset(&wanted);
        all.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_acknowledgements_and_room_starts_them_again_in_the_same_sessions() {
    for (kind, ack) in
        [(Kind::Java, "true"), (Kind::Node, "true"), (Kind::Java, "false"), (Kind::Node, "false")]
    {
        println!("{kind:?}, ack {ack}");
        a_stall_that_ends(kind, ack).await;
    }
}

async fn a_stall_that_ends(kind: Kind, ack: &str) {
    let (stage, disk, mut daemon) = set_up(kind, ack).await;
    let story = &stage.story;
    stall(&stage, &disk, &mut daemon).await;
    acknowledged_in_the_stall(&stage, &disk, &mut daemon).await;
    daemon.until("cometbridge_sessions{site=\"main\",state=\"stalled\"}", LIMIT, |n| n > 0.0).await;

    disk.free();
    stage.receiver.answer(200);
    daemon.until("cometbridge_journal_stalled", LIMIT, |n| n == 0.0).await;
    story.round().await;
    if ack == "true" {
        caught_up(&stage).await;
    }
    delivered(&stage, 1).await;
    let stats = stage.server.stats().await;
    assert_eq!(stats["handshakes"], stage.agents, "no session was lost: {stats}");
    eventually("ready again", LIMIT, || async { (daemon.get("/readyz").await?.0 == 200).then_some(()) })
        .await;
    let acked = stage.server.acked().await;
    assert!(daemon.stop().await.success());
    let seen =
        [Seen::take("webhook", stage.webhook_events()), Seen::take("stdout", from_stdout(&stage.home))];
    for each in &seen {
        each.holds_acknowledged(story, &acked);
        each.holds_the_logs(story);
        assert_eq!(each.has_no_holes(story, |_| true), 0);
        assert_eq!(each.repeats, 0, "once each");
        each.agrees_with(&seen[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_a_full_disk_loses_nothing_acknowledged() {
    let (stage, disk, mut daemon) = set_up(Kind::Java, "true").await;
    let story = &stage.story;
    stall(&stage, &disk, &mut daemon).await;
    acknowledged_in_the_stall(&stage, &disk, &mut daemon).await;
    story.silence();
    daemon.kill();
    disk.fill();
    starts_stalled_or_not_at_all(&stage, &disk).await;

    disk.free();
    stage.receiver.answer(200);
    let mut daemon = stage.home.start();
    daemon.connected(stage.agents).await;
    story.listened(2);
    story.resend_all("after the kill").await;
    delivered(&stage, 2).await;
    let acked = stage.server.acked().await;
    assert!(daemon.stop().await.success());
    let seen =
        [Seen::take("webhook", stage.webhook_events()), Seen::take("stdout", from_stdout(&stage.home))];
    for each in &seen {
        each.holds_acknowledged(story, &acked);
        each.holds_the_logs(story);
        each.has_no_holes(story, |window| window == 2);
        each.agrees_with(&seen[0]);
    }
}
