//! A change that takes many agents away waits for a person; what a file would change can be asked before.

use super::stage::{Stage, text};
use crate::harness::cometd::Kind;
use crate::harness::daemon::Daemon;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_removes_many_is_held_until_it_is_accepted() {
    let mut stage = Stage::start(Kind::Java, 10, "watch = \"200ms\"\n").await;
    stage.write(&stage.roster(2..10));
    stage.daemon.until("cometbridge_roster_held", LIMIT, |n| n == 1.0).await;
    stage
        .home
        .logged(&["ERROR", "a change is held: 0 added, 2 removed, 0 changed", "accept --site main --change "])
        .await;
    let (_, html) = stage.daemon.get("/").await.unwrap();
    assert!(html.contains("a change waits since") && html.contains("0 added, 2 removed"), "{html}");
    let said = stage.told(&["roster", "status", "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["agents"], &said["held"]["change"]["removed"]), (&json!(10), &json!(["1001", "1002"])));
    assert_eq!(stage.counts(["handshakes", "disconnects", "liveSessions"]).await, [10, 0, 10]);

    // The file as it was takes the wish back.
    stage.write(&text(&stage.lines));
    stage.daemon.until("cometbridge_roster_held", LIMIT, |n| n == 0.0).await;
    stage.home.logged(&["INFO", "roster: the file says what is in force again"]).await;
    let (code, _, stderr) = stage.ask(&["roster", "accept"]).await;
    assert!(code == 1 && stderr.contains("site main: no change of the roster is held"), "{stderr}");

    stage.write(&stage.roster(2..10));
    stage.daemon.until("cometbridge_roster_held", LIMIT, |n| n == 1.0).await;
    let wrong = stage.home.write("wrong.token", "another-token");
    let wrong = format!("admin.token={{file=\"{}\"}}", wrong.display());
    let (code, _, stderr) = stage.ask(&["roster", "accept", "--set", &wrong]).await;
    assert!(code == 1 && stderr.contains("refuses (HTTP 401)") && stderr.contains("admin.token"), "{stderr}");
    let said = stage.told(&["roster", "accept", "--site", "main"]).await;
    assert!(
        said.starts_with("0 added, 2 removed, 0 changed\n  - 1001\n  - 1002\nsite main: 8 agents"),
        "{said}"
    );
    stage.counted(["handshakes", "disconnects", "liveSessions"], [10, 2, 8]).await;
    stage.daemon.until("cometbridge_roster_held", LIMIT, |n| n == 0.0).await;
    assert_eq!(stage.gaps(), Vec::<String>::new());
    stage.end().await;
}

/// An emptied file is the likeliest mistake of all.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_removes_everybody_is_held_too_and_nothing_to_start_with() {
    let mut stage = Stage::start(Kind::Simulator, 3, "watch = \"200ms\"\n").await;
    stage.write(super::stage::HEAD);
    stage.daemon.until("cometbridge_roster_held", LIMIT, |n| n == 1.0).await;
    let said = stage.told(&["roster", "status"]).await;
    assert!(
        said.starts_with("site main: 3 agents in force") && said.contains("0 added, 3 removed"),
        "{said}"
    );
    assert_eq!(stage.counts(["handshakes", "disconnects", "liveSessions"]).await, [3, 0, 3]);
    let held =
        |said: &str| said.split_once("--change ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let all = held(&said);
    let (code, _, stderr) = stage.ask(&["roster", "accept"]).await;
    assert!(code == 1 && stderr.contains("removes everybody") && held(&stderr) == all, "{stderr}");
    // What was shown is not what is held by now.
    stage.write(&stage.roster([0]));
    eventually("two of three are held", LIMIT, || async {
        stage.told(&["roster", "status"]).await.contains("0 added, 2 removed").then_some(())
    })
    .await;
    let (code, _, stderr) = stage.ask(&["roster", "accept", "--change", &all]).await;
    assert!(
        code == 1 && stderr.contains(&format!("the change {all} is not the one that is held")),
        "{stderr}"
    );
    assert!(stderr.contains("0 added, 2 removed") && held(&stderr) != all, "{stderr}");
    assert_eq!(stage.counts(["handshakes", "disconnects", "liveSessions"]).await, [3, 0, 3]);
    stage.write(super::stage::HEAD);
    eventually("all are held", LIMIT, || async {
        stage.told(&["roster", "status"]).await.contains("0 added, 3 removed").then_some(())
    })
    .await;
    let said = stage.told(&["roster", "accept", "--change", &all]).await;
    assert!(said.contains("site main: 0 agents in force"), "{said}");
    stage.counted(["disconnects", "liveSessions"], [3, 0]).await;
    let Stage { home, daemon, .. } = stage;
    assert!(daemon.stop().await.success());
    for command in ["run", "check"] {
        let (code, _, stderr) = Daemon::asked(&home, &[command]).await;
        assert!(
            code == 78 && stderr.contains("no agent in it that is to be held"),
            "{command}: {code} {stderr}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_would_change_is_told_with_and_without_a_daemon() {
    let stage = Stage::start(Kind::Simulator, 3, "watch = \"1h\"\n").await;
    let mut changed = stage.lines.clone();
    changed.remove(0);
    changed[0].2 = "vip".to_owned();
    let mut roster = stage.roster([]);
    for (number, one) in [(1, &changed[0]), (2, &changed[1]), (8, &stage.spare(0))] {
        roster.push_str(&super::stage::line(number, one));
    }
    let file = stage.home.write("new.csv", &roster).display().to_string();
    let change = "1 added, 1 removed, 1 changed\n  + 1009\n  - 1001\n  ~ 1002\n\
        more than 10% (max_removed_percent) or all would go: such a change is held, over a restart too, until cometbridge \
        roster accept --site main --change ";
    let said = stage.told(&["roster", "diff", &file]).await;
    assert!(said.starts_with(&format!("compared with the running daemon's roster:\n{change}")), "{said}");
    let id = said.trim_end().rsplit(' ').next().unwrap().to_owned();
    let wrong = stage.home.write("wrong.csv", "agent,username\n1001,ann,more\n").display().to_string();
    let (code, _, stderr) = stage.ask(&["roster", "diff", &wrong]).await;
    assert!(code == 78 && stderr.contains("wrong.csv:2: 3 fields"), "{code} {stderr}");
    assert_eq!(stage.counts(["handshakes", "disconnects"]).await, [3, 0], "a question changes nothing");

    let Stage { home, daemon, .. } = stage;
    assert!(daemon.stop().await.success());
    let (code, said, _) = Daemon::asked(&home, &["roster", "diff", &file]).await;
    let with = "compared with the roster that was in force (no daemon answers):\n";
    assert_eq!((code, said), (0, format!("{with}{change}{id}\n")));
    let (_, said, _) = Daemon::asked(&home, &["roster", "diff", &file, "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["changed"], &said["added_count"], &said["id"]),
        (&json!(["1002"]), &json!(1), &json!(id))
    );
    let (code, _, stderr) = Daemon::asked(&home, &["roster", "status"]).await;
    assert!(code == 1 && stderr.contains("no daemon answers at admin.listen = 127.0.0.1:"), "{stderr}");
}

/// A wrong secret is tried once; put right in its file and asked for, it is tried at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_put_right_after_a_refusal_is_tried_when_an_operator_asks() {
    let mut stage = Stage::start(Kind::Java, 2, "watch = \"200ms\"\n").await;
    let mut more = stage.spare(0);
    let own = stage.home.write("own.password", "wrong\n");
    more.1 = own.display().to_string();
    stage.lines.push(more.clone());
    stage.write(&text(&stage.lines));
    stage.daemon.until("cometbridge_sessions{site=\"main\",state=\"refused\"}", LIMIT, |n| n == 1.0).await;
    stage.told(&["retry", "1003"]).await;
    stage.counted(["refusedLogins", "logins"], [2, 2]).await;
    eventually("it is refused again", LIMIT, || async {
        stage.told(&["agents", "--standing", "refused"]).await.contains("1003").then_some(())
    })
    .await;
    stage.home.write("own.password", &format!("pw-{}\n", more.0));
    let said = stage.told(&["retry", "1003", "--site", "main"]).await;
    assert_eq!(said, "site main, agent 1003: it is tried again\n");
    stage.daemon.connected(3).await;
    assert_eq!(stage.counts(["refusedLogins", "logins", "handshakes"]).await, [2, 3, 3]);
    let said = stage.told(&["retry", "1001"]).await;
    assert!(said.starts_with("site main, agent 1001: its login is not refused (it stands "), "{said}");
    let (code, _, stderr) = stage.ask(&["retry", "9999"]).await;
    assert!(code == 1 && stderr.contains("agent 9999 is not held here"), "{stderr}");
    stage.end().await;
}
