//! A stand-in GWS server: logins, CometD long polling with the ack extension, REST, a contact centre with agents
//! at work, faults on demand, and the truth beside it all.
//!
//! For the demo, for faults no real server can be made to show, and for users' own CI. It imports `base` alone
//! and has wire types of its own, so that a client's mistake is not mirrored by the server. Deliberately absent:
//! TLS, WebSocket, operations on interactions (counted and refused).
//!
//! A request goes `server` → `http` → (`login` | `rest` | `exchange` → `connect`), all on one `hub`; `control`,
//! `oracle` and [`Handle`] steer and question the same hub from outside. What happens by itself: `day` plays a
//! [`Scenario`] on the `world` (or `script`, without one: the demo, load, or a tape), and `strike` does its faults.
//!
//! # Steering: `/simulator/…`
//!
//! Whoever reaches the port may steer. Polls that are held or bring news are the only requests that the maxima do not
//! count.
//!
//! | Route | Body or query | Answer |
//! |---|---|---|
//! | `POST faults` | a [`Fault`] or a list: `{"fault":"cut","user":"agent-1","after":10}` | `{"hit":[n,…]}`: sessions, logins or messages struck at once |
//! | `POST publish` | `[{user, channel, data, tag?}]` | `{"delivered":[sessions,…]}` |
//! | `POST resources` | `{user, path, value}`: shown at `GET /api/v2/me/{path}` before the world's own | `{}` |
//! | `POST pause` | `{"paused":true}`: the day and its faults stand still, so that states can be compared | `{"paused":true}` |
//! | `POST reset-peaks` | | `{}` |
//! | `POST drop`, `expire`, `login` | `{user}`, `{user, mode}` | as the faults of these names |
//! | `GET stats` | | [`Stats`]: counters, and the [`Maxima`] |
//! | `GET sessions`, `acked` | | live sessions by user; tags in order of acknowledgement |
//!
//! # The truth for an oracle
//!
//! All times are Unix milliseconds. Lists have numbers from 1; `after=N` gives what follows, `limit=N` at most
//! so many (50,000 unless fewer). `forgotten` counts what fell off the front of a bounded list: above zero, the
//! truth is no longer whole.
//!
//! `GET truth?user=&after=&limit=` (here `after` skips users): the state now, as REST shows it; of one moment
//! for all users only while the day is paused.
//! ```text
//! {"at":0, "paused":true, "dayOver":false, "users":{"agent-1":{"agent":"1", "devices":[…], "channels":[…],
//!   "open":[{"medium":"chat", "id":"…", "state":"Chatting", "changes":2, "log":[{"index":1,"type":"Text","text":"…","…":"…"}]}]}}}
//! ```
//! `GET ended?after=&limit=`: conversations that are over, with their last log.
//! ```text
//! {"forgotten":0, "conversations":[{"medium":"chat", "id":"…", "agents":["agent-1"], "at":0, "log":[…]}]}
//! ```
//! `GET published?after=&limit=`: every notification in order, each to one user. `deliveredTo`: sessions whose
//! queue it went into; `sent`: replies that carried it and that no fault damaged; `acked`: sessions that
//! acknowledged it. `indices`: first and last log index of a `MessageLogUpdated`. `says`: the state a change
//! carries: state, `userData.Revision` and number of participants of a conversation; an agent's states, with commas. What was acked and is missing
//! downstream is *acknowledged and lost*.
//! ```text
//! {"forgotten":0, "rows":[{"n":1, "at":0, "user":"agent-1", "channel":"/v2/me/chats", "messageType":"MessageLogUpdated",
//!   "notificationType":"NewMessages", "conversation":"…", "indices":[1,4], "deliveredTo":1, "sent":1, "acked":1, "tag":"…", "says":"Chatting 0 2"}]}
//! ```
//! `GET losses?user=`: where a true loss can lie. `uncovered`: times without a subscribed session (`to` missing
//! while it lasts). `queues`: sessions that ended, with the published numbers still in their queue, `sent` in a
//! reply already or not; cause `expired`, `dropped`, `restart`, `disconnect`, `overflow`, `advice none`.
//! `replies`: replies that a fault kept from arriving whole; with `ack` false their messages are gone.
//! ```text
//! {"forgotten":0, "uncovered":[{"user":"agent-1","from":0,"to":9}],
//!  "queues":[{"at":0,"user":"agent-1","cause":"expired","ack":true,"sent":[3],"unsent":[4]}],
//!  "replies":[{"at":0,"user":"agent-1","fault":"cut","ack":false,"messages":[5]}]}
//! ```
//! `GET struck?after=&limit=`: faults that have struck. `GET logins`: attempts by account.
//! ```text
//! {"faults":[{"n":1,"at":0,"fault":"cut","user":"agent-1"}]}
//! {"users":{"agent-1":{"attempts":1,"refused":0,"maxRefusedInARow":0,"locked":false}}}
//! ```

mod connect;
mod control;
mod damage;
mod day;
mod exchange;
mod faults;
mod http;
mod hub;
mod ledger;
mod login;
mod options;
mod oracle;
mod peaks;
mod queue;
mod rest;
mod roster;
mod scenario;
mod script;
mod server;
mod session;
mod strike;
mod wire;
mod world;

#[cfg(test)]
mod tests;

pub use faults::{Coming, CookieLoss, Fault, LoginMode, On};
pub use hub::{Stats, UserSessions};
pub use ledger::{Damaged, Destroyed, Published, Struck, Uncovered};
pub use options::{Options, Script, User, demo_users, numbered_users};
pub use peaks::Maxima;
pub use roster::{RosterFiles, passwords_csv, roster_csv, write_roster};
pub use scenario::{Error as ScenarioError, Scenario};

use hub::Hub;
use ledger::Label;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use world::World;

/// How often expired sessions are looked for, at most; CometD's own sweep period.
const SWEEP: Duration = Duration::from_millis(997);

/// Why a simulator could not start, or would not do as told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the simulator can not listen on {address}: {source}; choose another address, or end what uses it"
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the roster files can not be written into {}: {source}", dir.display())]
    Roster { dir: std::path::PathBuf, source: std::io::Error },
    #[error("the simulator can not run so: {0}")]
    Options(&'static str),
    #[error("the fault is refused: {0}")]
    Fault(String),
}

/// A running simulator; dropping it ends it.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    hub: Arc<Hub>,
    tasks: JoinSet<()>,
}

/// Starts a simulator and serves at once.
pub async fn start(options: Options) -> Result<Handle, Error> {
    check(&options)?;
    if let Some(dir) = &options.roster_dir {
        write_roster(dir, &options.users).map_err(|source| Error::Roster { dir: dir.clone(), source })?;
    }
    let failed = |source| Error::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "the simulator can be reached from other machines, and anybody there can steer it");
    }
    tracing::info!(%address, users = options.users.len(), ack = options.ack, "the simulator serves");
    let hub = Arc::new(Hub::new(options));
    let router = axum::Router::new()
        .merge(http::router())
        .nest("/simulator", control::router().merge(oracle::router()))
        .nest("/control", control::router())
        .fallback(http::nothing)
        .with_state(Arc::clone(&hub));
    let mut tasks = JoinSet::new();
    tasks.spawn(server::run(listener, router, Arc::clone(&hub)));
    tasks.spawn(sweep(Arc::clone(&hub)));
    if let Some(scenario) = hub.options.scenario.clone() {
        let keep = scenario.server.ended_limit;
        let world = World::new(&format!("http://{address}"), &hub.options.users, scenario.seed, keep);
        hub.state().world = Some(world);
        tasks.spawn(day::run(Arc::clone(&hub), scenario));
    } else if let Some(tape) = hub.options.tape.clone() {
        tasks.spawn(script::play(Arc::clone(&hub), tape));
    } else if let Some(script) = hub.options.script {
        tasks.spawn(script::run(Arc::clone(&hub), script, format!("http://{address}")));
    }
    Ok(Handle { address, hub, tasks })
}

fn check(options: &Options) -> Result<(), Error> {
    let mut names = HashSet::new();
    if !options.users.iter().all(|user| names.insert(&user.username)) {
        return Err(Error::Options("two users have the same username"));
    }
    if options.users.iter().any(|user| user.username.contains(':')) {
        return Err(Error::Options("a username holds a colon, which Basic can not carry"));
    }
    if options.max_interval.is_zero() {
        return Err(Error::Options("max_interval is zero: every session would expire at once"));
    }
    match options.script {
        Some(Script::Demo { .. }) if options.users.len() < 3 => {
            Err(Error::Options("the demo's script needs three users"))
        }
        Some(Script::Load { .. }) if options.users.is_empty() => {
            Err(Error::Options("load needs at least one user"))
        }
        _ if options.tape_speed.is_nan() || options.tape_speed <= 0.0 => {
            Err(Error::Options("a tape is played at a speed above zero"))
        }
        Some(Script::Load { per_second }) if !(0.0..=100_000.0).contains(&per_second) => {
            Err(Error::Options("load is a number from 0 to 100000 a second"))
        }
        _ => Ok(()),
    }
}

async fn sweep(hub: Arc<Hub>) {
    let period = SWEEP.min(hub.options.max_interval / 2).max(Duration::from_millis(1));
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        hub.sweep();
    }
}

impl Handle {
    /// `http://127.0.0.1:4711`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Publishes to the user's sessions that subscribed the channel; to how many it went.
    pub fn publish(&self, user: &str, channel: &str, data: &RawValue) -> usize {
        self.hub.state().publish(user, channel, data, Label::default())
    }

    /// As `publish`; `acked` will name the tag once for each session that acknowledged the message.
    pub fn publish_tagged(&self, user: &str, channel: &str, data: &RawValue, tag: &str) -> usize {
        let label = Label { tag: Some(tag.into()), ..Label::default() };
        self.hub.state().publish(user, channel, data, label)
    }

    /// The tags of acknowledged messages, in the order of acknowledgement.
    pub fn acked(&self) -> Vec<String> {
        self.hub.state().acked()
    }

    /// The live sessions by username.
    pub fn sessions(&self) -> BTreeMap<String, UserSessions> {
        self.hub.state().sessions_by_user()
    }

    pub fn stats(&self) -> Stats {
        self.hub.state().stats()
    }

    /// Arms a fault, or does it at once; how many sessions it hit already.
    pub fn fault(&self, fault: Fault) -> Result<usize, Error> {
        self.hub.fault(fault).map_err(Error::Fault)
    }

    /// Sets what `GET /api/v2/me/{path}` shows the user, e.g. `facebooksessions`; `false` where there are too many.
    pub fn set_resource(&self, user: &str, path: &str, value: Box<RawValue>) -> bool {
        self.hub.state().set_resource(user, path, value)
    }

    /// Ends everything at once: open connections are closed without a word, as when a server dies.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
