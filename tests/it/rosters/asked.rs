//! What operators ask a running daemon, by command and by page: agents and their timelines, pauses.

use super::stage::{Stage, text};
use crate::harness::cometd::Kind;
use crate::harness::daemon::Daemon;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_with_their_standing_and_one_with_its_timeline() {
    let stage = Stage::start(Kind::Java, 3, "watch = \"1h\"\n").await;
    stage.server.drop_session("user-000").await;
    stage.counted(["handshakes"], [4]).await;
    let one = eventually("the gap is closed", LIMIT, || async {
        let said = stage.told(&["agents", "1001", "--json"]).await;
        let one: Value = serde_json::from_str(&said).unwrap();
        let spans = one["timeline"].as_array().unwrap();
        (spans.len() == 3 && spans.iter().all(|span| span["to"].is_string())).then_some(one)
    })
    .await;
    let spans = &one["timeline"];
    let covered = |at: usize| spans[at]["covered"].as_bool().unwrap();
    assert_eq!([covered(0), covered(1), covered(2)], [true, false, true], "{one}");
    assert_eq!((&spans[1]["cause"], &spans[1]["certainty"]), (&"session-unknown".into(), &"certain".into()));
    assert_eq!((&spans[0]["to"], &spans[2]["from"]), (&spans[1]["from"], &spans[1]["to"]));
    let said = stage.told(&["agents", "1001"]).await;
    assert!(
        said.starts_with("agent 1001 of site main\n")
            && said.contains("  BLIND    session-unknown (certain), gap "),
        "{said}"
    );

    let said = stage.told(&["agents"]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 4 && lines[0].starts_with("STANDING") && lines[3].contains(" 1003 "), "{said}");
    let said = stage.told(&["agents", "--json", "--site", "main"]).await;
    for (number, line) in said.lines().enumerate() {
        let agent: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (agent["agent"].as_str().unwrap(), &agent["phase"]),
            (&*(1001 + number).to_string(), &"connected".into())
        );
        assert_eq!((&agent["ack"], &agent["gap"]), (&true.into(), &Value::Null));
    }
    assert_eq!(stage.told(&["agents", "--standing", "down"]).await, "no agents\n");
    for (arguments, words) in [
        (
            ["agents", "--standing", "deaf"],
            "standing: one of live, quiet, silent, unverified, refused, stalled, down",
        ),
        (["agents", "--site", "nowhere"], "no such site: nowhere; there are: main"),
        (["agents", "--set", "admin.listen=127.0.0.1:1"], "no daemon answers at admin.listen = 127.0.0.1:1"),
    ] {
        let (code, stdout, stderr) = stage.ask(&arguments).await;
        assert!(code == 1 && stdout.is_empty() && stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let wrong = stage.home.write("wrong.token", "another-token");
    let wrong = format!("admin.token={{file=\"{}\"}}", wrong.display());
    let (code, _, stderr) = stage.ask(&["agents", "--set", &wrong]).await;
    assert!(code == 1 && stderr.contains("the running daemon refuses (HTTP 401)"), "{stderr}");
    assert!(!stderr.contains("another-token"), "{stderr}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_logins_are_paused_nobody_logs_in_and_the_page_says_why() {
    let mut stage = Stage::start(Kind::Java, 3, "watch = \"200ms\"\n").await;
    let reason = "works on the <directory>";
    let said = stage.told(&["pause", "--site", "main", "--reason", reason]).await;
    assert!(said.starts_with("site main: no agent logs in until it is resumed"), "{said}");
    let (status, html) = stage.daemon.get("/").await.unwrap();
    assert_eq!(status, 200);
    assert!(html.contains("<td>main</td><td class=\"n\">3</td>"), "{html}");
    assert!(
        html.contains("logins are paused: ") && html.contains("works on the &lt;directory&gt;"),
        "{html}"
    );
    let more = stage.spare(0);
    stage.lines.push(more);
    stage.write(&text(&stage.lines));
    stage.daemon.until("cometbridge_sessions{site=\"main\",state=\"login\"}", LIMIT, |n| n == 1.0).await;
    // The others go on: a session that is lost needs no login.
    stage.server.drop_session("user-001").await;
    stage.counted(["handshakes", "logins"], [4, 3]).await;
    let down = stage.told(&["agents", "--standing", "down"]).await;
    assert!(down.contains(" 1004 "), "{down}");
    let said = stage.told(&["resume", "--site", "main"]).await;
    assert_eq!(said, "site main: agents log in again\n");
    stage.daemon.connected(4).await;
    stage.counted(["handshakes", "logins"], [5, 4]).await;

    // The parts of the page are looked at once a second.
    let (html, status) = eventually("the page shows all at work", LIMIT, || async {
        let (_, html) = stage.daemon.get("/").await?;
        let (_, status) = stage.daemon.get("/api/v1/status").await?;
        let told: Value = serde_json::from_str(&status).unwrap();
        let standings = told["sites"][0]["standings"].as_object().unwrap();
        assert_eq!(standings.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 4);
        let mut seen = standings.iter().filter(|(_, count)| **count != 0);
        let shown = seen.all(|(standing, count)| html.contains(&format!("{count} {standing}")));
        (shown && !html.contains("paused")).then_some((html, status))
    })
    .await;
    let metrics = stage.daemon.metrics().await;
    for (user, ..) in &stage.lines {
        assert!(
            ![&html, &status, &metrics].iter().any(|text| text.contains(user.as_str())),
            "{user} is named"
        );
    }
    let (code, _, stderr) = stage.ask(&["pause", "--site", "nowhere", "--reason", "x"]).await;
    assert!(code == 1 && stderr.contains("no such site: nowhere"), "{stderr}");

    let Stage { home, daemon, .. } = stage;
    assert!(daemon.stop().await.success());
    let (code, _, stderr) = Daemon::asked(&home, &["resume", "--site", "main"]).await;
    assert!(code == 1 && stderr.contains("no daemon answers"), "{stderr}");
}

/// Files and secrets are the daemon's: whoever can not read them can stop the logins all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_asked_whatever_became_of_the_files_that_it_was_started_with() {
    let stage = Stage::start(Kind::Simulator, 2, "watch = \"1h\"\n").await;
    fs::remove_file(stage.home.path("agents.csv")).unwrap();
    fs::set_permissions(stage.home.path("passwords.csv"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, stderr) = stage.ask(&["check"]).await;
    assert!(
        code == 78 && stderr.contains("2 problems in the configuration; nothing was started"),
        "{stderr}"
    );
    for asked in [
        &["pause", "--site", "main", "--reason", "an emergency"][..],
        &["resume", "--site", "main"],
        &["retry", "--site", "main", "--all"],
        &["agents"],
        &["roster", "status"],
        &["dead-letters", "list"],
    ] {
        stage.told(asked).await;
    }
    stage.end().await;
}
