//! A refusal outlives the agent's place in the roster.

use super::stage::{Stage, text};
use crate::harness::cometd::Kind;
use crate::harness::eventually;
use crate::harness::scene::LIMIT;

const REFUSED: &str = "cometbridge_sessions{site=\"main\",state=\"refused\"}";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_taken_off_and_added_again_does_not_try_its_refused_secret_once_more() {
    let keys = "watch = \"200ms\"\nmax_removed_percent = 90\n";
    let mut stage = Stage::start(Kind::Simulator, 2, keys).await;
    let mut wrong = stage.spare(0);
    wrong.1 = stage.home.write("own.password", "wrong\n").display().to_string();
    let held = text(&stage.lines);
    stage.lines.push(wrong);
    let all = text(&stage.lines);
    stage.write(&all);
    stage.daemon.until(REFUSED, LIMIT, |n| n == 1.0).await;
    stage.daemon.until("cometbridge_accounts_refused", LIMIT, |n| n == 1.0).await;
    for restart in [false, true] {
        stage.write(&held);
        stage.daemon.until("cometbridge_accounts_refused", LIMIT, |n| n == 0.0).await;
        stage.daemon.until(REFUSED, LIMIT, |n| n == 0.0).await;
        if restart {
            // The second time a process that never saw it is asked to hold it.
            stage = stage.killed_and_back(None, &[]);
            eventually("it is up again", LIMIT, || async { stage.daemon.get("/livez").await.map(drop) })
                .await;
            stage.daemon.connected(2).await;
            assert_eq!(stage.daemon.metric("cometbridge_accounts_refused").await, 0.0, "it is not held");
        }
        stage.write(&all);
        stage.daemon.until(REFUSED, LIMIT, |n| n == 1.0).await;
        stage.daemon.until("cometbridge_accounts_refused", LIMIT, |n| n == 1.0).await;
        assert_eq!(stage.counts(["refusedLogins"]).await, [1], "tried once and never again");
    }
    stage.told(&["retry", "1003"]).await;
    stage.counted(["refusedLogins"], [2]).await;
    stage.end().await;
}
