//! A tape: each notification to its agent, at its time.
//!
//! Deliberately absent: REST. A tape holds none, so the lists stay empty.

use super::all_listen;
use crate::base::tape::Tape;
use crate::simulator::hub::Hub;
use crate::simulator::ledger::Label;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long the tape waits for its agents to be subscribed before it begins without them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays it once, from when all its agents listen.
pub async fn play(hub: Arc<Hub>, tape: Arc<Tape>) {
    let waited = tokio::time::timeout(PATIENCE, all_listen(&hub, tape.label.agents)).await;
    if waited.is_err() {
        tracing::warn!("not all agents of the tape listen after {} s; it begins", PATIENCE.as_secs());
    }
    let began = Instant::now();
    for line in &tape.lines {
        let at = Duration::from_millis(line.at).div_f64(hub.options.tape_speed);
        sleep_until(began + at).await;
        let user = line.agent.checked_sub(1).and_then(|place| hub.options.users.get(place));
        if let Some(user) = user {
            hub.state().publish(&user.username, &line.channel, &line.data, Label::default());
        }
    }
    hub.state().day_over = true;
    tracing::info!(notifications = tape.lines.len(), "the tape is at its end");
}
