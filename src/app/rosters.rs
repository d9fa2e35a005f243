//! The rosters while running: each file is looked at every few seconds, on SIGHUP and when an operator asks; what
//! changes is kept for the next start, and goes to the crew as an order.
//!
//! Deliberately absent: what a change is and whether it is let through (`inbound::roster`).

use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::inbound::roster::{self, Agent, Begun, Change, Looked, Watch};
use crate::inbound::settings::SiteConfig;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Between the two readings that must agree before a new content counts: nobody's half-written file is taken.
const SETTLE: Duration = Duration::from_millis(200);
/// Readings of a file that keeps changing, before it is left to the next look.
const READINGS: usize = 10;

/// What is to become of a site's sessions.
pub struct Order {
    pub site: String,
    /// Of the agents added and changed.
    pub agents: Vec<Agent>,
    pub change: Change,
}

enum Wish {
    Reload,
    /// The change that is meant, where it was said.
    Accept(Option<String>),
}

/// What came into force, if anything; or why the wish is not granted.
type Granted = Result<Option<Change>, String>;
type Asked = (Wish, oneshot::Sender<Granted>);

/// The rosters of all sites, for those who ask. Cheap to clone.
#[derive(Clone)]
pub struct Rosters {
    rooms: Arc<BTreeMap<String, Room>>,
}

struct Room {
    site: SiteConfig,
    watch: Mutex<Watch>,
    wishes: mpsc::Sender<Asked>,
}

impl Room {
    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a watching task needs beyond its site.
#[derive(Clone)]
struct Tools {
    rosters: Rosters,
    orders: mpsc::Sender<Order>,
    state_dir: Arc<Path>,
    clock: Clock,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
}

/// Catches SIGHUP from now on: it would end the process otherwise.
pub fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Starts to watch, a task a site and one for SIGHUP. Orders come in the order in which changes came into force.
pub fn start(
    begun: Vec<(SiteConfig, Begun)>,
    state_dir: &Path,
    hangups: Signal,
    (clock, metrics, health): (Clock, Metrics, Health),
    stop: CancellationToken,
) -> (Rosters, mpsc::Receiver<Order>) {
    let (orders, received) = mpsc::channel(1);
    let (mut rooms, mut starts) = (BTreeMap::new(), Vec::new());
    for (site, Begun { mut watch, looked, note }) in begun {
        if let Some(note) = note {
            tracing::warn!(site = site.name, "roster: {note}");
        }
        tell(&site, looked);
        // Before anybody is held by it.
        if let Some(content) = watch.unkept() {
            kept(&site.name, &mut watch, roster::keep(state_dir, &site.name, &content));
        }
        let (wishes, asked) = mpsc::channel(8);
        let room = Room { site: site.clone(), watch: Mutex::new(watch), wishes };
        rooms.insert(site.name.clone(), room);
        starts.push((site, asked));
    }
    let rosters = Rosters { rooms: Arc::new(rooms) };
    let state_dir = state_dir.into();
    let tools = Tools { rosters: rosters.clone(), orders, state_dir, clock, metrics, health, stop };
    for (site, asked) in starts {
        tokio::spawn(tools.clone().watch(site, asked));
    }
    tokio::spawn(reload_on_hangup(rosters.clone(), hangups, tools.stop));
    (rosters, received)
}

async fn reload_on_hangup(rosters: Rosters, mut hangups: Signal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            hangup = hangups.recv() => if hangup.is_none() { return },
        }
        tracing::info!("SIGHUP: the rosters are read again; other settings take effect at a restart");
        for site in rosters.rooms.keys() {
            rosters.reload(site).await;
        }
    }
}

impl Rosters {
    pub fn status(&self, site: &str) -> Option<roster::Status> {
        self.rooms.get(site).map(|room| room.watch().status())
    }

    /// Looks at the file now. What came into force, if anything; the rest says [`Rosters::status`].
    pub async fn reload(&self, site: &str) -> Option<Change> {
        self.wish(site, Wish::Reload).await?.ok()?
    }

    /// Lets a held change through: the one of this id, where one is said. `None` where nobody can be asked.
    pub async fn accept(&self, site: &str, named: Option<String>) -> Option<Result<Change, String>> {
        self.wish(site, Wish::Accept(named)).await?.transpose()
    }

    /// What a content would change.
    pub fn compare(&self, site: &str, content: &[u8]) -> Option<Result<Change, roster::Error>> {
        // Parsing a large roster takes a moment: not under the lock that a status needs.
        let room = self.rooms.get(site)?;
        let parsed = roster::parse(content, Path::new("the given roster"), &room.site);
        Some(parsed.map(|agents| room.watch().compare(agents)))
    }

    async fn wish(&self, site: &str, wish: Wish) -> Option<Granted> {
        let (answer, answered) = oneshot::channel();
        self.rooms.get(site)?.wishes.send((wish, answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Tools {
    async fn watch(self, site: SiteConfig, mut asked: mpsc::Receiver<Asked>) {
        let Some(room) = self.rosters.rooms.get(&site.name) else { return };
        self.show(&site, room);
        let mut ticks = tokio::time::interval(site.roster.watch);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wish = tokio::select! {
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => None,
                Some(wish) = asked.recv() => Some(wish),
            };
            let granted = match &wish {
                Some((Wish::Accept(named), _)) => self.accept(&site, room, named.as_deref()).map(Some),
                _ => Ok(self.look(&site, room).await),
            };
            // Before anybody leaves or comes by it, as a kill may follow at any time.
            self.keep(&site, room).await;
            if let Ok(Some(change)) = &granted {
                self.count(&site.name, change);
                let agents = chosen(room.watch().agents(), change);
                let order = Order { site: site.name.clone(), agents, change: change.clone() };
                // Nobody takes orders any more: the service stops.
                if self.orders.send(order).await.is_err() {
                    return;
                }
            }
            if let Some((_, answer)) = wish {
                // Who asked may have gone.
                let _ = answer.send(granted);
            }
        }
    }

    fn count(&self, site: &str, change: &Change) {
        let changes = &self.metrics.roster_changes_total;
        for (kind, keys) in
            [("added", &change.added), ("removed", &change.removed), ("changed", &change.changed)]
        {
            changes.with_label_values(&[site, kind]).inc_by(keys.len() as u64);
        }
    }

    fn accept(&self, site: &SiteConfig, room: &Room, named: Option<&str>) -> Result<Change, String> {
        let accepted = room.watch().accept(named, self.clock.now());
        match &accepted {
            Ok(change) => tracing::info!(site = site.name, "roster: the held change is accepted: {change}"),
            Err(why) => tracing::warn!(site = site.name, "roster: nothing is accepted: {why}"),
        }
        self.show(site, room);
        accepted
    }

    async fn look(&self, site: &SiteConfig, room: &Room) -> Option<Change> {
        let content = settled(room).await?;
        let looked = room.watch().look(content, self.clock.now());
        let change = tell(site, looked);
        self.show(site, room);
        change
    }

    /// Tries again with each look until it is on disk.
    async fn keep(&self, site: &SiteConfig, room: &Room) {
        let Some(content) = room.watch().unkept() else { return };
        let (state_dir, name) = (self.state_dir.clone(), site.name.clone());
        let keep = move || roster::keep(&state_dir, &name, &content);
        let done = tokio::task::spawn_blocking(keep).await.unwrap_or_else(|error| Err(error.into()));
        kept(&site.name, &mut room.watch(), done);
        self.show(site, room);
    }

    fn show(&self, site: &SiteConfig, room: &Room) {
        let status = room.watch().status();
        let part = format!("roster {}", site.name);
        let held = i64::from(status.held.is_some());
        self.metrics.roster_held.with_label_values(&[&site.name]).set(held);
        if let Some(held) = &status.held {
            let text = format!("a change waits since {} to be accepted: {}", held.since, held.change);
            self.health.set(&part, Status::Degraded(text));
        } else if let Some(first) = status.faults.first() {
            let count = status.faults.len();
            let text =
                format!("the file has faults ({count}), the roster from {} holds: {first}", status.since);
            self.health.set(&part, Status::Degraded(text));
        } else if let Some(error) = &status.unkept {
            let text = format!(
                "the roster in force can not be kept under state_dir, so that a restart compares with an older one: {error}"
            );
            self.health.set(&part, Status::Degraded(text));
        } else {
            self.health.remove(&part);
        }
        let good = self.rosters.rooms.values().all(|room| room.watch().status().faults.is_empty());
        self.metrics.config_last_reload_success.set(i64::from(good));
    }
}

/// Says what became of a content; the change that came into force.
fn tell(site: &SiteConfig, looked: Looked) -> Option<Change> {
    let name = &site.name;
    match looked {
        Looked::Same => None,
        Looked::Mended => {
            tracing::info!(site = name, "roster: the file says what is in force again; nothing changes");
            None
        }
        Looked::Faulty(error) => {
            tracing::error!(site = name, "roster: the one in force stays, as the file has faults:\n{error}");
            None
        }
        Looked::Held(change) => {
            let percent = site.roster.max_removed_percent;
            tracing::error!(
                site = name,
                "roster: a change is held: {change}, more than {percent}% or all; to let it through: {}",
                change.command(name)
            );
            None
        }
        Looked::Changed(change) => {
            tracing::info!(site = name, "roster: {change}");
            Some(change)
        }
    }
}

/// Notes whether the roster in force is on disk; that it is not is said once.
fn kept(site: &str, watch: &mut Watch, done: io::Result<()>) {
    let done = done.map_err(|error| error.to_string());
    if let Err(error) = &done
        && watch.status().unkept.is_none()
    {
        tracing::error!(
            site,
            error,
            "roster: the one in force can not be kept under state_dir; it is tried again"
        );
    }
    watch.kept(done);
}

/// A new content of the file once two readings agree; nothing where it is known already, or keeps changing.
async fn settled(room: &Room) -> Option<Result<Vec<u8>, roster::Error>> {
    let read = || {
        let file = room.site.roster.file.clone();
        tokio::task::spawn_blocking(move || roster::content(&file))
    };
    let mut before = read().await.ok()?;
    for _ in 0..READINGS {
        if room.watch().knows(&before) {
            return None;
        }
        tokio::time::sleep(SETTLE).await;
        let now = read().await.ok()?;
        if now == before {
            return Some(now);
        }
        before = now;
    }
    None
}

/// The agents that a change adds or changes.
fn chosen(agents: &[Agent], change: &Change) -> Vec<Agent> {
    let named =
        |key: &String| change.added.binary_search(key).is_ok() || change.changed.binary_search(key).is_ok();
    agents.iter().filter(|agent| named(&agent.key)).cloned().collect()
}
