//! What a start makes of a roster that changed meanwhile: the rule that holds while running, whatever ended the daemon.

use super::stage::{HEAD, Stage, text};
use crate::at_rest::noted;
use crate::harness::cometd::Kind;
use crate::harness::daemon::Daemon;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use std::fs;

const HELD: &str = "cometbridge_roster_held";

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_or_halved_file_is_held_over_restarts_until_it_is_accepted() {
    let mut stage = Stage::start(Kind::Java, 6, "watch = \"200ms\"\n").await;
    noted(&stage.home, 6).await;
    let half = stage.roster(0..3);
    for (file, change) in [(HEAD, "0 added, 6 removed"), (&half, "0 added, 3 removed")] {
        stage = stage.killed_and_back(Some(file), &[]);
        stage.daemon.connected(6).await;
        stage.daemon.until(HELD, LIMIT, |n| n == 1.0).await;
        stage
            .home
            .logged(&["ERROR", "a change is held: ", change, "cometbridge roster accept --site main"])
            .await;
        let said = stage.told(&["roster", "status"]).await;
        assert!(said.starts_with("site main: 6 agents in force since") && said.contains(change), "{said}");
        let (_, html) = stage.daemon.get("/").await.unwrap();
        assert!(html.contains("a change waits since") && html.contains(change), "{html}");
        assert_eq!(
            stage.counts(["handshakes", "disconnects", "liveSessions"]).await,
            [6, 0, 6],
            "the same sessions"
        );
    }
    let said = stage.told(&["roster", "accept"]).await;
    assert!(
        said.starts_with("0 added, 3 removed") && said.contains("site main: 3 agents in force since"),
        "{said}"
    );
    // It is in force for good before anybody has left by it.
    stage = stage.killed_and_back(None, &[]);
    stage.daemon.connected(3).await;
    assert_eq!(stage.daemon.metric(HELD).await, 0.0);
    let agents = stage.told(&["agents"]).await;
    assert!(!agents.contains(" 1004 "), "{agents}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_change_made_while_nothing_ran_is_in_force_at_once() {
    let mut stage = Stage::start(Kind::Simulator, 12, "watch = \"1h\"\n").await;
    let more = stage.spare(0);
    stage.lines.push(more);
    stage.lines[2].2 = "vip".to_owned();
    let changed = stage.roster(1..13);
    stage = stage.killed_and_back(Some(&changed), &[]);
    stage.daemon.connected(12).await;
    stage.home.logged(&["INFO", "roster: 1 added, 1 removed, 1 changed"]).await;
    assert_eq!(stage.daemon.metric(HELD).await, 0.0);
    let agents = stage.told(&["agents"]).await;
    assert!(!agents.contains(" 1001 ") && agents.contains(" 1013 "), "{agents}");
    // That is what the next one is held against: one more of twelve may go, two of the first twelve may not.
    let file = stage.home.write("next.csv", &stage.roster(2..13)).display().to_string();
    stage = stage.killed_and_back(None, &["--set", &format!("site.main.roster.file={file}")]);
    stage.daemon.connected(11).await;
    assert_eq!(stage.daemon.metric(HELD).await, 0.0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_only_some_agents_neither_compares_nor_counts() {
    let mut stage = Stage::start(Kind::Simulator, 4, "watch = \"200ms\"\n").await;
    let one = stage.roster([0]);
    stage = stage.killed_and_back(Some(&one), &["--only", "1001"]);
    stage.daemon.connected(1).await;
    assert_eq!(stage.daemon.metric(HELD).await, 0.0);
    stage = stage.killed_and_back(None, &[]);
    stage.daemon.connected(4).await;
    stage.daemon.until(HELD, LIMIT, |n| n == 1.0).await;
    // Another file is no other rule.
    let other = stage.home.write("other.csv", &stage.roster(0..2)).display().to_string();
    stage = stage.killed_and_back(None, &["--set", &format!("site.main.roster.file={other}")]);
    stage.daemon.connected(4).await;
    stage.daemon.until(HELD, LIMIT, |n| n == 1.0).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_can_be_accepted_before_the_start() {
    let stage = Stage::start(Kind::Simulator, 4, "watch = \"1h\"\n").await;
    let (code, _, stderr) = stage.ask(&["roster", "accept", "--set", "admin.listen=127.0.0.1:1"]).await;
    assert!(
        code == 1 && stderr.contains(&format!("a daemon (pid {}) runs on ", stage.daemon.pid())),
        "{stderr}"
    );
    let half = stage.roster(0..2);
    let Stage { home, daemon, server, bridge, lines } = stage;
    assert!(daemon.stop().await.success());
    home.write("agents.csv", &half);
    let change = "0 added, 2 removed, 0 changed";
    let (code, said, _) = Daemon::asked(&home, &["check"]).await;
    let note = format!(
        "note: site main: a change of the roster is held: {change}, more than 10% or all; the 4 agents"
    );
    assert!(code == 0 && said.contains("site main: 2 agents") && said.contains(&note), "{code} {said}");
    let (code, said, stderr) = Daemon::asked(&home, &["roster", "accept"]).await;
    let told = format!("{change}\n  - 1003\n  - 1004\nsite main: 2 agents in force from the next start on\n");
    assert_eq!((code, said), (0, told), "{stderr}");
    let (code, _, stderr) = Daemon::asked(&home, &["roster", "accept"]).await;
    assert!(
        code == 1 && stderr.contains("no change of the roster is held; the next start takes the file"),
        "{stderr}"
    );
    let mut daemon = home.start();
    daemon.connected(2).await;
    assert_eq!(daemon.metric(HELD).await, 0.0);
    Stage { server, home, daemon, bridge, lines }.end().await;
}

/// The copy is a guard and no source.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_roster_that_was_in_force_the_file_is_taken() {
    let mut stage = Stage::start(Kind::Simulator, 4, "watch = \"1h\"\n").await;
    fs::write(stage.home.state_dir().join("rosters/main"), text(&stage.lines)).unwrap();
    let half = stage.roster(0..2);
    stage = stage.killed_and_back(Some(&half), &[]);
    stage.daemon.connected(2).await;
    stage.home.logged(&["WARN", "rosters/main", "the file is taken without comparing"]).await;
    // A new machine.
    let Stage { server, home, daemon, bridge, lines } = stage;
    assert!(daemon.stop().await.success());
    fs::remove_dir_all(home.state_dir()).unwrap();
    home.write("agents.csv", &text(&lines[..1]));
    let mut daemon = home.start();
    daemon.connected(1).await;
    assert_eq!(daemon.metric(HELD).await, 0.0);
    Stage { server, home, daemon, bridge, lines }.end().await;
}

/// What a daemon that has no place for the copy does: it goes on, says so, and tries again.
#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_can_not_be_kept_is_said_until_it_can() {
    let stage = Stage::start(Kind::Simulator, 12, "watch = \"200ms\"\n").await;
    let kept = stage.home.state_dir().join("rosters");
    let before = fs::read(kept.join("main")).unwrap();
    fs::remove_dir_all(&kept).unwrap();
    fs::write(&kept, "in the way").unwrap();
    stage.write(&stage.roster(1..12));
    stage.home.logged(&["ERROR", "the one in force can not be kept under state_dir"]).await;
    stage.counted(["disconnects", "liveSessions"], [1, 11]).await;
    eventually("the page says so", LIMIT, || async {
        stage.daemon.get("/").await?.1.contains("not kept for a restart").then_some(())
    })
    .await;
    fs::remove_file(&kept).unwrap();
    eventually("it is kept", LIMIT, || async {
        fs::read(kept.join("main")).ok().filter(|bytes| *bytes != before)
    })
    .await;
    eventually("the page says nothing", LIMIT, || async {
        (!stage.daemon.get("/").await?.1.contains("not kept for a restart")).then_some(())
    })
    .await;
    assert_eq!(stage.home.log_lines(&["the one in force can not be kept"]).len(), 1, "once");
    stage.end().await;
}
