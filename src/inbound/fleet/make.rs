//! From rosters to sessions: at start for all, later for the agents that a change or a fault of ours names.
//!
//! Deliberately absent: spawning, and when a session is to begin or to leave (`app`).

use super::{Door, Fleet, Member, View};
use crate::base::metrics::Metrics;
use crate::base::seal::Sealer;
use crate::base::time::{Clock, Millis};
use crate::inbound::Session;
use crate::inbound::accounts::Accounts;
use crate::inbound::checkpoint::{self, Past};
use crate::inbound::dedup::Intake;
use crate::inbound::quarantine::Quarantine;
use crate::inbound::roster::{self, Agent, Begun};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::{self, Site};
use crate::journal::{self, Checkpoint, Gap, Journal};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Why the fleet can not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Site(#[from] site::Error),
    #[error("site {site}: {source}")]
    Roster { site: String, source: roster::Error },
    #[error("what is known of the accounts can not be read: {0}")]
    Accounts(#[from] journal::Error),
    #[error("--only names agents that stand in no roster: {0}")]
    Only(String),
}

/// What every session is given.
pub struct Common {
    pub intake: Intake,
    pub journal: Journal,
    pub clock: Clock,
    pub metrics: Metrics,
    /// What earlier processes noted of their sessions.
    pub checkpoints: Vec<Checkpoint>,
    /// The gaps that were open when they ended.
    pub gaps: Vec<Gap>,
    /// Seals the keys of sessions on disk.
    pub sealer: Option<Arc<Sealer>>,
    pub quarantine: Arc<Quarantine>,
    /// The journal has lost its end.
    pub shortened: bool,
}

/// Everything that a start needs.
pub struct Prepared {
    pub fleet: Fleet,
    pub maker: Maker,
    /// The rosters in force, one a site, in the order of [`Fleet::doors`].
    pub rosters: Vec<Begun>,
}

/// What earlier processes left of agents that stand in no roster now.
pub struct Left {
    /// How many were held when they ended.
    pub agents: usize,
    /// Site and agent of those with a gap that nobody will close, or a hole that nobody will read.
    pub open: Vec<(String, String)>,
}

/// Makes sessions. Holds a part of the intake: it has to be dropped before the intake can end.
pub struct Maker {
    pub fleet: Fleet,
    pub(super) intake: Intake,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    /// By session name; taken out by the session that begins with it.
    checkpoints: Mutex<HashMap<String, Checkpoint>>,
    gaps: Mutex<HashMap<String, Gap>>,
    sealer: Option<Arc<Sealer>>,
    quarantine: Arc<Quarantine>,
    shortened: AtomicBool,
    /// Sessions whose keys could not be opened.
    locked: AtomicUsize,
}

/// Reads rosters and makes what sessions need; `only` names the agents to take (empty means all).
pub async fn prepare(
    sites: &[SiteConfig],
    only: &[String],
    state_dir: &Path,
    common: Common,
) -> Result<Prepared, Error> {
    let Common { intake, journal, clock, metrics, checkpoints, gaps, sealer, quarantine, shortened } = common;
    let (mut doors, mut rosters) = (Vec::new(), Vec::new());
    let mut missing: HashSet<&str> = only.iter().map(String::as_str).collect();
    for config in sites {
        let begun = roster::begin(config, only, state_dir, clock.now())
            .map_err(|source| Error::Roster { site: config.name.clone(), source })?;
        for agent in begun.watch.agents() {
            missing.remove(agent.key.as_str());
        }
        doors.push(door(config, &journal, &clock, &metrics).await?);
        rosters.push(begun);
    }
    if !missing.is_empty() {
        let mut names: Vec<&str> = missing.into_iter().collect();
        names.sort_unstable();
        return Err(Error::Only(names.join(", ")));
    }
    let fleet = Fleet { doors: Arc::new(doors), metrics: metrics.clone() };
    let maker = Maker {
        fleet: fleet.clone(),
        intake,
        journal,
        clock,
        metrics,
        checkpoints: Mutex::new(by_name(checkpoints)),
        gaps: Mutex::new(gaps.into_iter().map(|gap| (gap.session.clone(), gap)).collect()),
        sealer,
        quarantine,
        shortened: AtomicBool::new(shortened),
        locked: AtomicUsize::new(0),
    };
    Ok(Prepared { fleet, maker, rosters })
}

async fn door(
    config: &SiteConfig,
    journal: &Journal,
    clock: &Clock,
    metrics: &Metrics,
) -> Result<Door, Error> {
    let site = Arc::new(Site::new(config.clone()).await?.counted(metrics));
    let accounts = Accounts::load(config, journal, clock, metrics).await?;
    let name = Arc::from(config.name.as_str());
    Ok(Door { name, site, accounts, members: Mutex::new(BTreeMap::new()) })
}

impl Maker {
    /// A session for an agent, which is seen in the fleet from now on. `None` where there is no such site.
    pub fn session(&self, site: &str, agent: Agent, leave: CancellationToken) -> Option<Session> {
        let door = self.fleet.door(site)?;
        let view = Arc::new(View::new(&door.name, self.metrics.clone(), self.clock.clone()));
        let member = Member { view: view.clone(), group: agent.group.as_deref().map(Box::from) };
        door.accounts.held(&agent.key, true);
        let earlier = door.members().insert(agent.key.clone(), member);
        let name = checkpoint::session_name(site, &agent.key);
        let found = self.checkpoints().remove(&name);
        // Where nothing is stored of an earlier session, what was seen of it says how far it came.
        let seen = earlier.and_then(|member| member.view.seen().good);
        Some(Session {
            past: Box::new(self.past(&name, found.as_ref(), seen)),
            sealer: self.sealer.clone(),
            quarantine: Arc::clone(&self.quarantine),
            site: door.site.clone(),
            agent,
            intake: self.intake.clone(),
            journal: self.journal.clone(),
            accounts: door.accounts.clone(),
            view,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            leave,
        })
    }

    /// What is known of a session before it begins.
    fn past(&self, name: &str, found: Option<&Checkpoint>, seen: Option<Millis>) -> Past {
        let read = |found| checkpoint::read(found, self.sealer.as_deref());
        let mut past = found.map(read).unwrap_or_default();
        self.locked.fetch_add(usize::from(past.locked), Ordering::Relaxed);
        past.before.covered = past.before.covered.or(seen);
        past.before.shortened = self.shortened.load(Ordering::Relaxed);
        past.gap = self.gaps().remove(name);
        past.before.gap = past.gap.as_ref().map(checkpoint::open_gap);
        past
    }

    /// Reads what the journal knows of an agent's session now, for the session made next.
    pub async fn recall(&self, site: &str, agent: &str) -> Result<(), journal::Error> {
        let name = checkpoint::session_name(site, agent);
        if let Some(found) = self.journal.checkpoint(&name).await? {
            self.checkpoints().insert(name.clone(), found);
        }
        if let Some(gap) = self.journal.gaps(Some(&name), true, 1).await?.pop() {
            self.gaps().insert(name, gap);
        }
        Ok(())
    }

    /// All sessions of the start are made: what was noted of others is let go.
    pub fn started(&self) -> Left {
        self.shortened.store(false, Ordering::Relaxed);
        let agents = self.locked.swap(0, Ordering::Relaxed);
        if agents > 0 {
            tracing::warn!(
                agents,
                "their sessions were sealed with another state_key, or there is none now: they begin anew, with a gap"
            );
        }
        let (checkpoints, gaps) =
            (std::mem::take(&mut *self.checkpoints()), std::mem::take(&mut *self.gaps()));
        let mut open: BTreeSet<(String, String)> = BTreeSet::new();
        for door in self.fleet.doors() {
            let of = |session: &str| session.strip_prefix(&*door.name)?.strip_prefix('/').map(str::to_owned);
            let unread = |point: &&Checkpoint| {
                let past = checkpoint::read(point, None);
                !past.unread.is_empty() || !past.holes.is_empty()
            };
            let unread = checkpoints.values().filter(unread).map(|point| &point.session);
            let agents = gaps.keys().chain(unread).filter_map(|session| of(session));
            open.extend(agents.map(|agent| (door.name.to_string(), agent)));
            let refused = door.accounts.all_refused().into_iter().map(|(agent, ..)| agent);
            let absent = refused.filter(|agent| door.seen(agent).is_none());
            absent.for_each(|agent| door.accounts.held(&agent, false));
        }
        Left { agents: checkpoints.len(), open: open.into_iter().collect() }
    }

    fn gaps(&self) -> MutexGuard<'_, HashMap<String, Gap>> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checkpoints(&self) -> MutexGuard<'_, HashMap<String, Checkpoint>> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_name(checkpoints: Vec<Checkpoint>) -> HashMap<String, Checkpoint> {
    checkpoints.into_iter().map(|checkpoint| (checkpoint.session.clone(), checkpoint)).collect()
}
