//! The sessions' tasks: one an agent, each with a token of its own to leave by, all with one to stop by.
//!
//! A session that dies of a fault of ours begins again after a wait; one that ends by itself has said why. An agent
//! that is removed is parted with once its session has left, by the same task's name: never beside a session of it.
//! What is in a task is given from outside. Deliberately absent: CometD, and which agents there are (see `rosters`).

use crate::base::health::{Health, Status};
use crate::base::retry::Backoff;
use crate::inbound::roster::Agent;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Site and roster key.
pub type Name = (String, String);

/// How a task begins.
pub struct Begin {
    pub site: String,
    /// The roster's key.
    pub agent: String,
    pub leave: CancellationToken,
    /// To wait so long first: after a fault of ours.
    pub after: Duration,
    pub what: What,
}

/// What a task is for.
#[derive(Clone)]
pub enum What {
    /// A session of the service's start: what is stored of all of them is at hand.
    First(Agent),
    /// A session that begins later, with what is stored of it then.
    Hold(Agent),
    /// The agent was removed: what it left open is closed, the rest forgotten.
    Part,
    /// The agent stood in no roster at the start: what it left open is closed.
    Close,
}

impl What {
    fn holds(&self) -> bool {
        matches!(self, What::First(_) | What::Hold(_))
    }
}

/// What a task does, from beginning to end.
pub type Work = Box<dyn Fn(Begin) -> BoxFuture<'static, ()> + Send>;

/// Waits after faults of ours.
const AGAIN: Backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(300) };
/// A session that lived so long starts its count of faults anew.
const LONG_LIFE: Duration = Duration::from_secs(600);
/// The part of the service's health.
const PART: &str = "sessions";

pub struct Crew {
    work: Work,
    health: Health,
    tasks: JoinSet<()>,
    by_task: HashMap<Id, Name>,
    members: HashMap<Name, Member>,
    /// Faults of ours since the start.
    faults: u64,
}

struct Member {
    what: What,
    leave: CancellationToken,
    began: Instant,
    faults: u32,
    /// What is to follow when it has ended.
    next: Next,
}

enum Next {
    /// It is to be held.
    Stay,
    /// It leaves for good.
    Gone,
    /// It begins anew so.
    Again(Agent),
}

impl Crew {
    pub fn new(work: Work, health: Health) -> Crew {
        let (tasks, by_task, members) = Default::default();
        Crew { work, health, tasks, by_task, members, faults: 0 }
    }

    /// Sessions under way.
    pub fn len(&self) -> usize {
        self.members.values().filter(|member| member.what.holds()).count()
    }

    /// Begins a session of the service's start.
    pub fn first(&mut self, site: &str, agent: Agent) {
        self.begin((site.to_owned(), agent.key.clone()), What::First(agent), 0, Duration::ZERO);
    }

    /// Begins a session; where there is a task of that name, it leaves first and begins anew with this line.
    pub fn add(&mut self, site: &str, agent: Agent) {
        let name = (site.to_owned(), agent.key.clone());
        match self.members.get_mut(&name) {
            Some(member) => {
                member.next = Next::Again(agent);
                member.leave.cancel();
            }
            None => self.begin(name, What::Hold(agent), 0, Duration::ZERO),
        }
    }

    /// Tells a session to leave, and parts with its agent when it has; at once where there is none.
    pub fn remove(&mut self, site: &str, agent: &str) {
        let name = (site.to_owned(), agent.to_owned());
        match self.members.get_mut(&name) {
            Some(member) => {
                member.next = Next::Gone;
                member.leave.cancel();
            }
            None => self.begin(name, What::Part, 0, Duration::ZERO),
        }
    }

    /// Closes what an agent left open that stands in no roster at the start.
    pub fn close(&mut self, site: &str, agent: &str) {
        self.begin((site.to_owned(), agent.to_owned()), What::Close, 0, Duration::ZERO);
    }

    fn begin(&mut self, name: Name, what: What, faults: u32, after: Duration) {
        let leave = CancellationToken::new();
        let (site, agent) = name.clone();
        let begin = Begin { site, agent, leave: leave.clone(), after, what: what.clone() };
        let task = self.tasks.spawn((self.work)(begin));
        self.by_task.insert(task.id(), name.clone());
        let next = if matches!(what, What::Part) { Next::Gone } else { Next::Stay };
        self.members.insert(name, Member { what, leave, began: Instant::now(), faults, next });
    }

    /// Waits until a task has ended, and does what follows from it; the name where an agent was parted with.
    /// `None` where there is no task. Cancel-safe.
    pub async fn next(&mut self) -> Option<Option<Name>> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.ended(ended.map(|(id, ())| id)))
    }

    fn ended(&mut self, ended: Result<Id, JoinError>) -> Option<Name> {
        let (id, fault) = match ended {
            Ok(id) => (id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let name = self.by_task.remove(&id)?;
        let member = self.members.remove(&name)?;
        match member.next {
            Next::Again(agent) => self.begin(name, What::Hold(agent), 0, Duration::ZERO),
            Next::Gone if !matches!(member.what, What::Part) => {
                self.begin(name, What::Part, 0, Duration::ZERO);
            }
            _ if fault => self.again(name, member),
            Next::Gone => return Some(name),
            // It has said why it ended by itself; a later change of its line begins it anew.
            Next::Stay => {}
        }
        None
    }

    /// After a fault of ours: the agent must not stay unheard, and a fault that comes back must not spin.
    fn again(&mut self, name: Name, member: Member) {
        let long = member.began.elapsed() >= LONG_LIFE;
        let faults = if long { 1 } else { member.faults.saturating_add(1) };
        let after = AGAIN.jitter_upward(faults, fastrand::f64());
        self.faults = self.faults.saturating_add(1);
        let seconds = after.as_secs_f64();
        tracing::error!(
            site = name.0,
            agent = name.1,
            faults,
            "a session died of a fault in the bridge; it begins again in {seconds:.1} s. Please report it"
        );
        let text = format!("{} times a session died of a fault in the bridge and began again", self.faults);
        self.health.set(PART, Status::Degraded(text));
        let what = match member.what {
            // What was at hand at the start is old by now.
            What::First(agent) => What::Hold(agent),
            what => what,
        };
        self.begin(name, what, faults, after);
    }

    /// Ends what is left, whatever it is doing.
    pub async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
        self.by_task.clear();
        self.members.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn agent(key: &str, username: &str) -> Agent {
        let (password, group, base_url) = Default::default();
        Agent { key: key.to_owned(), username: username.to_owned(), password, group, base_url }
    }

    /// A crew whose sessions wait to be told to leave; user `ill` dies at once, user `done` ends at once.
    fn crew() -> (Crew, Arc<Mutex<Vec<String>>>, Health) {
        let (log, health) = (Arc::new(Mutex::new(Vec::new())), Health::default());
        let said = log.clone();
        let work = move |begin: Begin| -> BoxFuture<'static, ()> {
            let said = said.clone();
            Box::pin(async move {
                if !begin.after.is_zero() {
                    tokio::time::sleep(begin.after).await;
                }
                let user = match &begin.what {
                    What::First(agent) | What::Hold(agent) => agent.username.as_str(),
                    What::Part => "(parted)",
                    What::Close => "(closed)",
                };
                said.lock().unwrap().push(format!("{}/{}={user}", begin.site, begin.agent));
                match user {
                    "ill" => panic!("a fault of ours, made for the test"),
                    "done" | "(parted)" | "(closed)" => {}
                    _ => begin.leave.cancelled().await,
                }
            })
        };
        (Crew::new(Box::new(work), health.clone()), log, health)
    }

    fn gone(agent: &str) -> Option<Option<Name>> {
        Some(Some(("main".into(), agent.into())))
    }

    #[tokio::test]
    async fn a_removed_agent_leaves_and_is_parted_with_once() {
        let (mut crew, log, _) = crew();
        crew.first("main", agent("1", "ann"));
        crew.add("main", agent("2", "bob"));
        tokio::task::yield_now().await;
        crew.remove("main", "1");
        assert_eq!(crew.next().await, Some(None), "its session has left");
        crew.remove("main", "1");
        assert_eq!(crew.next().await, gone("1"));
        assert_eq!(crew.len(), 1, "the other one is not touched");
        crew.remove("main", "9");
        assert_eq!(crew.next().await, gone("9"), "one without a session too");
        assert_eq!(*log.lock().unwrap(), ["main/1=ann", "main/2=bob", "main/1=(parted)", "main/9=(parted)"]);
    }

    #[tokio::test]
    async fn a_changed_agent_begins_anew_only_after_it_has_left_and_is_not_parted_with() {
        let (mut crew, log, _) = crew();
        crew.add("main", agent("1", "ann"));
        tokio::task::yield_now().await;
        crew.add("main", agent("1", "anna"));
        crew.add("main", agent("1", "annabel"));
        assert_eq!(crew.len(), 1, "never two sessions of one agent");
        assert_eq!(crew.next().await, Some(None));
        tokio::task::yield_now().await;
        assert_eq!(*log.lock().unwrap(), ["main/1=ann", "main/1=annabel"]);
    }

    #[tokio::test]
    async fn an_agent_that_comes_back_while_it_leaves_or_is_parted_with_is_held_again() {
        let (mut crew, log, _) = crew();
        crew.add("main", agent("1", "ann"));
        tokio::task::yield_now().await;
        crew.remove("main", "1");
        crew.add("main", agent("1", "ann"));
        assert_eq!(crew.next().await, Some(None));
        assert_eq!(crew.len(), 1);
        tokio::task::yield_now().await;
        crew.add("main", agent("1", "bob"));
        crew.remove("main", "1");
        assert_eq!(crew.next().await, Some(None));
        crew.add("main", agent("1", "eve"));
        assert_eq!((crew.len(), crew.next().await), (0, Some(None)), "parted with first");
        tokio::task::yield_now().await;
        assert_eq!(*log.lock().unwrap(), ["main/1=ann", "main/1=ann", "main/1=(parted)", "main/1=eve"]);
        crew.remove("main", "1");
        assert_eq!((crew.next().await, crew.next().await), (Some(None), gone("1")));
        assert_eq!(crew.next().await, None);
    }

    #[tokio::test]
    async fn what_an_agent_of_no_roster_left_is_closed_and_it_can_come_back_after_it() {
        let (mut crew, log, _) = crew();
        crew.close("main", "1");
        assert_eq!(crew.len(), 0, "that is no session");
        crew.add("main", agent("1", "ann"));
        assert_eq!(crew.next().await, Some(None));
        tokio::task::yield_now().await;
        assert_eq!((crew.len(), log.lock().unwrap().join(" ")), (1, "main/1=(closed) main/1=ann".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_died_of_our_fault_begins_again_after_longer_and_longer_waits() {
        let (mut crew, log, health) = crew();
        let start = Instant::now();
        crew.add("main", agent("1", "ill"));
        for _ in 0..5 {
            assert_eq!(crew.next().await, Some(None));
        }
        assert_eq!(log.lock().unwrap().len(), 5);
        assert!(start.elapsed() >= Duration::from_secs(1 + 2 + 4 + 8), "{:?}", start.elapsed());
        assert!(
            matches!(health.parts().get("sessions"), Some(Status::Degraded(text)) if text.starts_with("5 times"))
        );
        assert!(health.unready().is_empty(), "the others go on");
        crew.remove("main", "1");
        assert_eq!((crew.next().await, crew.next().await), (Some(None), gone("1")));
    }

    #[tokio::test]
    async fn a_session_that_ended_by_itself_is_not_begun_again() {
        let (mut crew, _, health) = crew();
        crew.add("main", agent("1", "done"));
        assert_eq!(crew.next().await, Some(None));
        assert_eq!((crew.next().await, health.parts().len()), (None, 0));
        crew.add("main", agent("1", "ann"));
        assert_eq!(crew.len(), 1, "a change of its line begins it anew");
    }

    #[tokio::test]
    async fn a_shutdown_ends_all() {
        let (mut crew, _, _) = crew();
        crew.add("main", agent("1", "ann"));
        crew.shutdown().await;
        assert_eq!((crew.len(), crew.next().await), (0, None));
    }
}
