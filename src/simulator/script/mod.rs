//! What the simulator publishes by itself: the demo's conversation, load, or a tape.
//!
//! Deliberately absent: faults; a script is fair weather.

mod conversation;
mod load;
mod shapes;
mod tape;

pub use shapes::{CHANNELS, DEVICES, FACEBOOK, base36, stamp};
pub use tape::play;

use super::hub::Hub;
use super::ledger::Label;
use super::options::Script;
use conversation::Conversation;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The pause before the first step.
const FIRST: Duration = Duration::from_millis(250);
/// How long the demo waits for its agents to be subscribed before it begins without them.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Runs until it is dropped. `url` is the simulator's own.
pub async fn run(hub: Arc<Hub>, script: Script, url: String) {
    match script {
        Script::Demo { pace } => demo(&hub, pace, &url).await,
        Script::Load { per_second } => load::run(&hub, per_second, &url).await,
    }
}

async fn demo(hub: &Hub, pace: Duration, url: &str) {
    // A conversation that begins before anybody listens would begin in its middle for those who watch.
    let _ = tokio::time::timeout(PATIENCE, all_listen(hub, 3)).await;
    tokio::time::sleep(FIRST).await;
    loop {
        let mut conversation = Conversation::new(url, Timestamp::now());
        for number in 0..Conversation::STEPS {
            apply(hub, conversation.step(number, Timestamp::now()));
            tokio::time::sleep(pace).await;
        }
    }
}

/// Until the first so many users have a subscribed session.
async fn all_listen(hub: &Hub, users: usize) {
    loop {
        let sessions = hub.state().sessions_by_user();
        let listening = |name: &String| sessions.get(name).is_some_and(|user| !user.channels.is_empty());
        if hub.options.users.iter().take(users).all(|user| listening(&user.username)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn apply(hub: &Hub, acts: Vec<conversation::Act>) {
    use conversation::Act;
    let mut state = hub.state();
    for act in acts {
        let user_of = |agent: usize| hub.options.users.get(agent).map(|user| user.username.as_str());
        match act {
            Act::Publish { agent, channel, data } => {
                if let (Some(user), Ok(data)) = (user_of(agent), serde_json::value::to_raw_value(&data)) {
                    state.publish(user, channel, &data, Label::default());
                }
            }
            Act::Show { agent, path, value: Some(value) } => {
                if let (Some(user), Ok(value)) = (user_of(agent), serde_json::value::to_raw_value(&value)) {
                    state.set_resource(user, &path, value);
                }
            }
            Act::Show { agent, path, value: None } => {
                if let Some(user) = user_of(agent) {
                    state.forget_resource(user, &path);
                }
            }
        }
    }
}
