//! All that the simulator remembers, behind one lock: sessions, logins, faults, counters, resources.
//!
//! The lock is never held across an await. Deliberately absent: HTTP and the order of a Bayeux exchange.

use super::exchange::Asker;
use super::faults::Faults;
use super::ledger::{Destroyed, Label, Ledger};
use super::login::Logins;
use super::options::{Options, User};
use super::peaks::{Maxima, Peaks};
use super::queue::{Message, Queue};
use super::session::Session;
use super::world::World;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The names of acknowledged messages kept; beyond it the oldest go.
const MAX_ACKED: usize = 1_000_000;
/// Resources kept for one user.
const MAX_RESOURCES: usize = 1_000;

/// Counters since the start; the last two say how it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub me_requests: u64,
    pub logins: u64,
    pub refused_logins: u64,
    /// POST, PUT or DELETE outside CometD: a passive client never sends one.
    pub foreign_posts: u64,
    pub unauthenticated: u64,
    pub csrf_refused: u64,
    pub handshakes: u64,
    pub connects: u64,
    /// Connects that overtook one that was still held.
    pub duplicate_connects: u64,
    pub subscribes: u64,
    pub unsubscribes: u64,
    pub disconnects: u64,
    pub client_publishes: u64,
    pub denied_subscribes: u64,
    pub sessions_added: u64,
    pub sessions_expired: u64,
    pub sessions_removed: u64,
    pub published: u64,
    pub delivered: u64,
    pub acked: u64,
    pub faults: u64,
    /// Of the scenario, because too many waited already.
    pub faults_refused: u64,
    pub max_held: u64,
    pub live_sessions: u64,
    pub held: u64,
    /// Sessions on each node.
    pub sessions_by_node: Vec<u64>,
    #[serde(flatten)]
    pub maxima: Maxima,
}

/// The sessions of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserSessions {
    pub sessions: usize,
    pub channels: BTreeSet<String>,
    pub held: usize,
}

/// Shared by all requests.
#[derive(Debug)]
pub struct Hub {
    pub options: Options,
    /// Places in `options.users` by username.
    places: HashMap<String, usize>,
    /// Whose turn it is among the nodes.
    turn: AtomicUsize,
    /// Grows with each restart; milliseconds until it listens again.
    pub restarts: watch::Sender<(u64, u32)>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub struct State {
    pub sessions: HashMap<String, Session>,
    by_user: HashMap<String, Vec<String>>,
    /// Connects held now, by browser cookie: CometD holds one for each.
    held: HashMap<String, usize>,
    pub logins: Logins,
    pub faults: Faults,
    pub stats: Stats,
    pub ledger: Ledger,
    pub peaks: Peaks,
    pub world: Option<World>,
    /// The day stands still.
    pub paused: bool,
    /// Nothing of the day is to come.
    pub day_over: bool,
    nodes: usize,
    acked: VecDeque<Arc<str>>,
    resources: HashMap<String, BTreeMap<String, Box<RawValue>>>,
}

impl Hub {
    pub fn new(options: Options) -> Hub {
        let places = options.users.iter().enumerate().map(|(at, user)| (user.username.clone(), at)).collect();
        let mut ledger = Ledger::new(options.published_limit);
        let at = now();
        for user in &options.users {
            ledger.covered(&user.username, false, at);
        }
        let state = State {
            sessions: HashMap::new(),
            by_user: HashMap::new(),
            held: HashMap::new(),
            logins: Logins::default(),
            faults: Faults::default(),
            stats: Stats::default(),
            ledger,
            peaks: Peaks::default(),
            world: None,
            paused: false,
            day_over: false,
            nodes: options.nodes.max(1),
            acked: VecDeque::new(),
            resources: HashMap::new(),
        };
        let restarts = watch::Sender::new((0, 0));
        Hub { options, places, turn: AtomicUsize::new(0), restarts, state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn user(&self, name: &str) -> Option<&User> {
        self.options.users.get(*self.places.get(name)?)
    }

    /// The node a request goes to: the cookie's where the balancer honours it, else the next in turn.
    pub fn node(&self, state: &State, cookie: Option<usize>) -> usize {
        let sticky = self.options.sticky && !state.faults.switches.not_sticky;
        match cookie.filter(|_| sticky) {
            Some(node) => node,
            None => self.turn.fetch_add(1, Ordering::Relaxed) % state.nodes,
        }
    }

    /// Drops the sessions whose time has run out.
    pub fn sweep(&self) {
        let mut state = self.state();
        let gone: Vec<String> =
            state.sessions.iter().filter(|(_, s)| s.expired()).map(|(id, _)| id.clone()).collect();
        for id in gone {
            state.remove(&id, "expired");
            state.stats.sessions_expired += 1;
        }
    }
}

/// Unix milliseconds.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl State {
    pub fn add(&mut self, id: String, session: Session) {
        self.by_user.entry(session.user.clone()).or_default().push(id.clone());
        self.sessions.insert(id, session);
        self.stats.sessions_added += 1;
    }

    /// Takes a session away with its queue; a connect it holds wakes up and finds it gone.
    pub fn remove(&mut self, id: &str, cause: &'static str) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        if let Some(ids) = self.by_user.get_mut(&session.user) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_user.remove(&session.user);
            }
        }
        session.wake();
        let (sent, unsent) = session.queue.remains();
        let user = self.ledger.name(&session.user);
        let ack = session.queue.ack();
        self.ledger.destroyed(Destroyed { at: now(), user, cause, ack, sent, unsent });
        self.cover(&session.user);
        Some(session)
    }

    /// To be called whenever a session of the user came, went, or changed its subscriptions.
    pub fn cover(&mut self, user: &str) {
        let subscribed =
            |id: &String| self.sessions.get(id).is_some_and(|session| !session.channels.is_empty());
        let covered = self.by_user.get(user).into_iter().flatten().any(subscribed);
        self.ledger.covered(user, covered, now());
    }

    pub fn sessions_of(&self, user: &str) -> usize {
        self.by_user.get(user).map_or(0, Vec::len)
    }

    /// The ids of the user's sessions.
    pub fn ids_of(&self, user: &str) -> Vec<String> {
        self.by_user.get(user).cloned().unwrap_or_default()
    }

    pub fn drop_sessions(&mut self, user: &str, cause: &'static str) -> usize {
        let ids = self.ids_of(user);
        for id in &ids {
            self.remove(id, cause);
            self.stats.sessions_removed += 1;
        }
        ids.len()
    }

    /// The session, if it is the user's, lives on this node, and the cookie is the one it is tied to.
    pub fn session(&mut self, id: Option<&str>, asker: Asker<'_>) -> Option<&mut Session> {
        let session = self.sessions.get_mut(id?)?;
        let fits = session.user == asker.user
            && session.node == asker.node
            && Some(session.browser.as_str()) == asker.browser;
        fits.then_some(session)
    }

    /// Queues a message for the user's sessions that want the channel; to how many it went.
    pub fn publish(&mut self, user: &str, channel: &str, data: &RawValue, label: Label) -> usize {
        self.stats.published += 1;
        let tag = label.tag.clone();
        let number = self.ledger.published(now(), user, channel, label);
        let Ok(name) = serde_json::to_string(channel) else { return 0 };
        let json = format!("{{\"channel\":{name},\"data\":{}}}", data.get()).into();
        let message = Message { json, tag, number };
        let mut delivered = 0;
        let mut overflown = Vec::new();
        for id in self.by_user.get(user).into_iter().flatten() {
            if let Some(session) = self.sessions.get_mut(id).filter(|session| session.wants(channel)) {
                if session.deliver(message.clone()) {
                    delivered += 1;
                } else {
                    overflown.push(id.clone());
                }
            }
        }
        for id in overflown {
            self.remove(&id, "overflow");
            self.stats.sessions_removed += 1;
        }
        self.stats.delivered += delivered as u64;
        self.ledger.delivered(number, delivered);
        delivered
    }

    pub fn acknowledged(&mut self, messages: Vec<Message>) {
        self.stats.acked += messages.len() as u64;
        for message in &messages {
            self.ledger.acked(message.number);
        }
        self.acked.extend(messages.into_iter().filter_map(|message| message.tag));
        let over = self.acked.len().saturating_sub(MAX_ACKED);
        self.acked.drain(..over);
    }

    /// Writes down the faults that have struck since the last call.
    pub fn note_struck(&mut self) {
        let at = now();
        for (name, user) in std::mem::take(&mut self.faults.fresh) {
            self.ledger.struck(at, name, user);
        }
    }

    pub fn acked(&self) -> Vec<String> {
        self.acked.iter().map(|tag| tag.to_string()).collect()
    }

    /// Whether a connect of this browser is held already.
    pub fn browser_is_held(&self, browser: &str) -> bool {
        self.held.contains_key(browser)
    }

    pub fn hold(&mut self, browser: &str) {
        *self.held.entry(browser.to_owned()).or_default() += 1;
        self.stats.held += 1;
        self.stats.max_held = self.stats.max_held.max(self.stats.held);
    }

    pub fn unhold(&mut self, browser: &str) {
        self.stats.held = self.stats.held.saturating_sub(1);
        if let Some(count) = self.held.get_mut(browser) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(browser);
            }
        }
    }

    pub fn stats(&self) -> Stats {
        let mut sessions_by_node = vec![0; self.nodes];
        for session in self.sessions.values() {
            if let Some(count) = sessions_by_node.get_mut(session.node) {
                *count += 1;
            }
        }
        Stats {
            live_sessions: self.sessions.len() as u64,
            faults: self.faults.struck,
            sessions_by_node,
            maxima: self.peaks.maxima(),
            ..self.stats.clone()
        }
    }

    pub fn sessions_by_user(&self) -> BTreeMap<String, UserSessions> {
        let mut users: BTreeMap<String, UserSessions> = BTreeMap::new();
        for session in self.sessions.values() {
            let user = users.entry(session.user.clone()).or_default();
            user.sessions += 1;
            user.held += usize::from(session.held.is_some());
            user.channels.extend(session.channels.iter().cloned());
        }
        users
    }

    /// What `GET /api/v2/me/{path}` shows the user; `false` where there are too many.
    pub fn set_resource(&mut self, user: &str, path: &str, value: Box<RawValue>) -> bool {
        let resources = self.resources.entry(user.to_owned()).or_default();
        if resources.len() >= MAX_RESOURCES && !resources.contains_key(path) {
            return false;
        }
        resources.insert(path.to_owned(), value);
        true
    }

    pub fn forget_resource(&mut self, user: &str, path: &str) {
        if let Some(resources) = self.resources.get_mut(user) {
            resources.remove(path);
        }
    }

    pub fn resource(&self, user: &str, path: &str) -> Option<Box<RawValue>> {
        self.resources.get(user)?.get(path).cloned()
    }

    /// A queue for a new session.
    pub fn queue(&self, wants_ack: bool, options: &Options) -> Queue {
        Queue::new(wants_ack && options.ack && !self.faults.switches.no_ack, options.max_queue)
    }
}

/// 128 random bits as text.
pub fn random_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}
