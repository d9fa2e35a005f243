//! Rosters with faults: refused by line at the start, and without any effect while running.

use super::stage::{HEAD, Stage, line, text};
use crate::harness::cometd::Kind;
use crate::harness::daemon::Daemon;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;

const RELOADED: &str = "cometbridge_config_last_reload_success";

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_file_is_named_by_line_and_changes_nothing() {
    let mut stage = Stage::start(Kind::Simulator, 4, "watch = \"200ms\"\n").await;
    let user = |number: usize, name: &str, group: &str| {
        line(number, &(name.to_owned(), String::new(), group.to_owned()))
    };
    let twice = format!("{HEAD}{}{}", user(0, "user-000", ""), user(1, "USER-000", ""));
    let group = format!("{HEAD}{}{}", user(0, "user-000", ""), user(1, "user-001", "staff"));
    let column = text(&stage.lines).replace("group", "team");
    let faults = [
        (twice, "agents.csv:3: the user name of agent \"1002\" stands in an earlier line already"),
        (group, "agents.csv:3: group \"staff\" is none of site main's (vip)"),
        (column, "agents.csv:1: unknown column \"team\"; allowed: agent, username"),
    ];
    for (roster, fault) in &faults {
        stage.write(roster);
        eventually("the log says why", LIMIT, || async { stage.home.log().contains(fault).then_some(()) })
            .await;
        let said = stage.told(&["roster", "status"]).await;
        assert!(
            said.contains("the file is not in force, it has faults:\n  ") && said.contains(fault),
            "{said}"
        );
        assert!(said.starts_with("site main: 4 agents in force since"), "{said}");
        stage.daemon.until(RELOADED, LIMIT, |n| n == 0.0).await;
        let (_, html) = stage.daemon.get("/").await.unwrap();
        assert!(html.contains("roster main") && html.contains("the file has faults (1)"), "{html}");
        let (code, _, stderr) = stage.ask(&["roster", "accept"]).await;
        assert!(code == 1 && stderr.contains("no change of the roster is held"), "{stderr}");
    }
    stage.write(&text(&stage.lines));
    stage.daemon.until(RELOADED, LIMIT, |n| n == 1.0).await;
    assert_eq!(stage.counts(["handshakes", "disconnects", "liveSessions"]).await, [4, 0, 4]);
    assert!(stage.home.log_lines(&["roster: the one in force stays"]).len() == faults.len(), "each once");

    // The same faults at a start: refused before anybody is logged in.
    let Stage { home, daemon, server, lines, .. } = stage;
    assert!(daemon.stop().await.success());
    for (roster, fault) in &faults {
        home.write("agents.csv", roster);
        for command in ["run", "check"] {
            let (code, _, stderr) = Daemon::asked(&home, &[command]).await;
            assert!(code == 78 && stderr.contains(fault), "{command}: {code} {stderr}");
        }
    }
    assert_eq!(server.stats().await["logins"], 4);
    home.log_is_clean(&lines.into_iter().map(|(user, ..)| user).collect::<Vec<_>>());
}
