//! Changes of the roster touch the agents they name, and nobody else.

use super::stage::{Stage, text};
use crate::harness::cometd::Kind;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;

/// What each change of sessions shows at the server.
const COUNTS: [&str; 4] = ["logins", "handshakes", "disconnects", "liveSessions"];

#[tokio::test(flavor = "multi_thread")]
async fn only_the_agents_that_a_change_names_are_touched() {
    let mut stage = Stage::start(Kind::Java, 12, "watch = \"200ms\"\n").await;
    assert_eq!(stage.counts(COUNTS).await, [12, 12, 0, 12]);

    let more = stage.spare(0);
    stage.lines.push(more);
    stage.write(&text(&stage.lines));
    stage.daemon.connected(13).await;
    stage.counted(COUNTS, [13, 13, 0, 13]).await;

    // 1002 has had a gap: it is not to come back as its past.
    stage.server.drop_session("user-001").await;
    stage.counted(COUNTS, [13, 14, 0, 13]).await;
    eventually("the gap is told", LIMIT, || async { (stage.gaps() == ["1002"]).then_some(()) }).await;
    stage.write(&stage.roster((0..13).filter(|n| *n != 1)));
    stage.counted(COUNTS, [13, 14, 1, 12]).await;
    stage.home.logged(&["held no longer", "agent=\"1002\""]).await;
    eventually("nothing is known of 1002", LIMIT, || async {
        let (code, _, stderr) = stage.ask(&["agents", "1002"]).await;
        (code == 1 && stderr.contains("agent 1002 is not held here")).then_some(())
    })
    .await;

    stage.write(&text(&stage.lines));
    stage.counted(COUNTS, [14, 15, 1, 13]).await;
    stage.daemon.connected(13).await;
    assert_eq!(stage.gaps(), ["1002"], "nobody listened by intent: that is no gap");

    // Another group, and another place for the same password: one agent each begins anew.
    stage.lines[2].2 = "vip".to_owned();
    stage.write(&text(&stage.lines));
    stage.counted(COUNTS, [15, 16, 2, 13]).await;
    let own = stage.home.write("own.password", &format!("pw-{}\n", stage.lines[3].0));
    stage.lines[3].1 = own.display().to_string();
    stage.write(&text(&stage.lines));
    stage.counted(COUNTS, [16, 17, 3, 13]).await;
    stage.daemon.connected(13).await;
    let one = stage.told(&["agents", "1003"]).await;
    assert!(one.contains("group              vip"), "{one}");

    for (kind, times) in [("added", 2.0), ("removed", 1.0), ("changed", 2.0)] {
        let name = format!("cometbridge_roster_changes_total{{kind=\"{kind}\"");
        assert_eq!(stage.daemon.metric(&name).await, times, "{kind}");
    }
    let others = |agents: Vec<String>| {
        agents.into_iter().filter(|a| !["1002", "1003", "1004"].contains(&&**a)).count()
    };
    assert_eq!(others(stage.gaps()), 0, "nobody else has missed anything");
    assert_eq!(stage.counts(["refusedLogins", "foreignPosts"]).await, [0, 0]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_and_a_call_apply_the_file_at_once() {
    let mut stage = Stage::start(Kind::Simulator, 3, "watch = \"1h\"\n").await;
    let more = stage.spare(0);
    stage.lines.push(more);
    stage.write(&text(&stage.lines));
    stage.daemon.signal("HUP");
    stage.daemon.connected(4).await;
    stage.home.logged(&["SIGHUP: the rosters are read again"]).await;
    let more = stage.spare(0);
    stage.lines.push(more);
    stage.write(&text(&stage.lines));
    let said = stage.told(&["roster", "reload"]).await;
    assert!(
        said.starts_with("1 added, 0 removed, 0 changed\n  + 1005\nsite main: 5 agents in force"),
        "{said}"
    );
    stage.daemon.connected(5).await;
    let said = stage.told(&["roster", "reload", "--json"]).await;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["change"]["added_count"], &said["agents"]), (&0.into(), &5.into()));
    stage.end().await;
}
