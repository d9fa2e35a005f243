//! Lives too short for a second checkpoint, one after the other, of agents of whom nothing is told: their sessions
//! must not grow too old to be asked for.

use super::Stage;
use std::time::Duration;

/// A session older than ten times the hold time and the window is not asked for: here after some fifteen seconds.
const YOUNG: &[&str] = &["--set", "site.main.server_window=500ms", "--set", "site.main.ask_window=0s"];
/// Together longer than that, each shorter than the time between two checkpoints.
const LIVES: usize = 9;
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn idle_sessions_go_on_over_any_number_of_short_lives() {
    let stage = Stage::set(5, &["--timeout", "1000"], "").await;
    for _ in 0..LIVES {
        let mut daemon = stage.home.start_with(YOUNG);
        daemon.connected(stage.agents).await;
        // Two polls of each: a life of some two seconds.
        let polls = 2.0 * stage.agents as f64;
        daemon.until("cometbridge_connects_total{result=\"ok\",site=\"main\"}", LIMIT, |n| n > polls).await;
        daemon.kill();
    }
    let mut daemon = stage.home.start_with(YOUNG);
    daemon.connected(stage.agents).await;
    let stats = stage.server.stats().await;
    assert_eq!(stats["handshakes"], stage.agents, "one session an agent over all lives: {stats}");
}
