//! What a simulator can be told at its start.
//!
//! Deliberately absent: what can be changed while it runs (see `faults`).

use super::scenario::Scenario;
use crate::base::tape::Tape;
use secrecy::SecretString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One account of the simulated contact centre.
#[derive(Clone)]
pub struct User {
    /// The opaque key the roster gives the agent, e.g. `1001`.
    pub agent: String,
    /// The login name; unique among the users.
    pub username: String,
    pub password: SecretString,
}

/// Shows the agent's key only.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// What is published without anybody asking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Script {
    /// One conversation after the other among the first three users, a step each `pace`.
    Demo { pace: Duration },
    /// Chat messages spread evenly over all users, so many each second.
    Load { per_second: f64 },
}

impl Script {
    /// The demo at the speed people can follow.
    pub const DEMO: Script = Script::Demo { pace: Duration::from_millis(700) };
}

/// The simulator's options; `Options::default()` listens on a free port of loopback without any user.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub users: Vec<User>,
    /// Whether the ack extension is there.
    pub ack: bool,
    /// How long a connect without news is held.
    pub timeout: Duration,
    /// How long a session lives between a connect reply and the next connect.
    pub max_interval: Duration,
    /// Whether POST requests need the token that `GET /api/v2/me` hands out.
    pub csrf: bool,
    /// Channels nobody may subscribe to, compared as text.
    pub denied_channels: Vec<String>,
    /// Messages a session may have waiting; one more and the session is dropped, as CometD's `maxQueue` does.
    pub max_queue: usize,
    /// Nodes behind one address; each knows its own logins and sessions only.
    pub nodes: usize,
    /// The balancer honours the node in `JSESSIONID`; else requests go to the nodes in turn.
    pub sticky: bool,
    /// Any node knows the logins of all; the sessions stay where they are.
    pub shared_logins: bool,
    /// `GET /api/v2/me?subresources=*` shows Facebook and SMS sessions too, which is documented of chats only.
    pub sessions_in_me: bool,
    /// Wrong passwords in a row that lock an account.
    pub lock_after: Option<u32>,
    /// Notifications remembered for `GET /simulator/published`.
    pub published_limit: usize,
    /// A busy day with faults; takes the place of `script`.
    pub scenario: Option<Arc<Scenario>>,
    pub script: Option<Script>,
    /// What was recorded, to be played once; takes the place of `script`.
    pub tape: Option<Arc<Tape>>,
    /// How many times as fast as it was recorded.
    pub tape_speed: f64,
    /// Where `agents.csv` and `passwords.csv` for the bridge are written at the start.
    pub roster_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            users: Vec::new(),
            ack: true,
            timeout: Duration::from_secs(20),
            max_interval: Duration::from_secs(10),
            csrf: false,
            denied_channels: Vec::new(),
            max_queue: 50_000,
            nodes: 1,
            sticky: true,
            shared_logins: false,
            sessions_in_me: true,
            lock_after: None,
            published_limit: 200_000,
            scenario: None,
            script: None,
            tape: None,
            tape_speed: 1.0,
            roster_dir: None,
        }
    }
}

/// Agents `1` to `count`, who log in as `agent-1` and so on, all with one password.
pub fn numbered_users(count: usize, password: &SecretString) -> Vec<User> {
    (1..=count)
        .map(|n| User { agent: n.to_string(), username: format!("agent-{n}"), password: password.clone() })
        .collect()
}

/// The three agents of the demo: `1001` to `1003`, with a password each.
pub fn demo_users() -> Vec<User> {
    (1001..=1003)
        .map(|n| User {
            agent: n.to_string(),
            username: format!("agent-{n}"),
            password: SecretString::from(format!("demo-{n}")),
        })
        .collect()
}
