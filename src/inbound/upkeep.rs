//! What a session does beside its poll: it keeps the HTTP session alive and reads the agent's state over REST.
//!
//! One request at a time, only while the session is logged in, each admitted by the site. Deliberately absent: the
//! poll itself, and what a reading makes of its answers (see `reconcile`).

use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::reconcile::{Finding, Occasion, Reader, reconcile};
use crate::inbound::session::login::{ME, judge};
use crate::inbound::session::protocol::LoginFailure;
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Errand;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Readings that wait; beyond them the oldest hole is let go, and the next routine reading finds what it hid.
const MAX_WANTED: usize = 64;

/// The upkeep of one session.
pub struct Upkeep {
    on: bool,
    running: Option<BoxFuture<'static, Done>>,
    wanted: VecDeque<Occasion>,
    keep_alive_at: Instant,
    routine_at: Option<Instant>,
    /// When the present Bayeux session began, and when its last notification came.
    since: Millis,
    heard: Option<Millis>,
}

enum Done {
    /// How a keep-alive went.
    Kept(Kept),
    Read(Finding),
}

enum Kept {
    Well,
    LoggedOut,
    /// The answer said nothing about the session.
    Unanswered,
}

/// What the session's loop must know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Something ended that concerns nobody else.
    Nothing,
    /// The HTTP session is no longer logged in.
    LoggedOut,
}

impl Upkeep {
    pub fn new(session: &Session) -> Upkeep {
        let config = &session.site.config;
        let now = Instant::now();
        let routine = config.reconcile_every;
        Upkeep {
            on: false,
            running: None,
            wanted: VecDeque::new(),
            keep_alive_at: now + jittered(config.keep_alive),
            routine_at: (!routine.is_zero()).then(|| now + routine.mul_f64(fastrand::f64())),
            since: session.clock.now(),
            heard: None,
        }
    }

    /// The session is logged in and polls.
    pub fn resume(&mut self) {
        self.on = true;
    }

    /// No login: whatever runs is given up; what was wanted is wanted still.
    pub fn pause(&mut self) {
        self.on = false;
        self.running = None;
    }

    /// A new Bayeux session: readings for the old one are moot.
    pub fn begin(&mut self, now: Millis) {
        self.wanted.clear();
        self.since = now;
        self.heard = None;
    }

    pub fn heard(&mut self, now: Millis) {
        self.heard = Some(now);
    }

    /// Another request showed that the HTTP session lives.
    fn alive(&mut self, session: &Session) {
        self.keep_alive_at = Instant::now() + jittered(session.site.config.keep_alive);
    }

    pub fn want(&mut self, occasion: Occasion) {
        if self.wanted.len() >= MAX_WANTED {
            self.wanted.pop_front();
        }
        match occasion {
            // What repairs a gap goes before what fills a hole.
            Occasion::Hole(_) => self.wanted.push_back(occasion),
            _ => self.wanted.push_front(occasion),
        }
    }

    /// The next thing that ends. Cancel-safe: what runs goes on with the next call.
    pub async fn next(&mut self, session: &Session, transport: &Arc<Transport>, epoch: u64) -> Event {
        if !self.on {
            return std::future::pending().await;
        }
        if self.running.is_none() {
            self.running = Some(self.due(session, transport, epoch).await);
        }
        let Some(running) = &mut self.running else { return Event::Nothing };
        let done = running.await;
        self.running = None;
        self.finished(session, done)
    }

    /// Waits for the next thing to do, and begins it.
    async fn due(
        &mut self,
        session: &Session,
        transport: &Arc<Transport>,
        epoch: u64,
    ) -> BoxFuture<'static, Done> {
        let reader = |heard| reader(session, transport, epoch, heard);
        if let Some(occasion) = self.wanted.pop_front() {
            return read(reader(self.heard), occasion);
        }
        let routine_at = self.routine_at.unwrap_or(self.keep_alive_at + session.site.config.keep_alive);
        tokio::time::sleep_until(self.keep_alive_at.min(routine_at)).await;
        if routine_at <= Instant::now() {
            self.routine_at = Some(Instant::now() + jittered(session.site.config.reconcile_every));
            let occasion = Occasion::Routine { since: self.since, heard: self.heard };
            return read(reader(self.heard), occasion);
        }
        self.alive(session);
        let (site, transport) = (Arc::clone(&session.site), Arc::clone(transport));
        let username = session.agent.username.clone();
        Box::pin(async move {
            site.admit(Errand::KeepAlive).await;
            let answer = transport.get(ME, site.config.network_delay).await;
            Done::Kept(match answer.map(|answer| judge(&answer, &username)) {
                Ok(Ok(())) => Kept::Well,
                Ok(Err(LoginFailure::Passing(_))) | Err(_) => Kept::Unanswered,
                Ok(Err(_)) => Kept::LoggedOut,
            })
        })
    }

    fn finished(&mut self, session: &Session, done: Done) -> Event {
        let agent = session.agent.key.as_str();
        match done {
            Done::Kept(Kept::Well) => Event::Nothing,
            Done::Kept(Kept::Unanswered) => {
                // Soon again: the HTTP session may have little time left.
                self.keep_alive_at = Instant::now() + jittered(session.site.config.keep_alive / 4);
                Event::Nothing
            }
            Done::Kept(Kept::LoggedOut) | Done::Read(Finding::LoggedOut) => {
                tracing::info!(agent, "the HTTP session is no longer logged in; logging in again");
                Event::LoggedOut
            }
            Done::Read(finding) => {
                if let Finding::Unread(why) = &finding {
                    tracing::warn!(agent, "the agent's state could not be read over REST: {why}");
                } else {
                    self.alive(session);
                }
                session.view.read(session.clock.now(), &finding);
                Event::Nothing
            }
        }
    }
}

fn reader(session: &Session, transport: &Arc<Transport>, epoch: u64, _heard: Option<Millis>) -> Reader {
    Reader {
        site: Arc::clone(&session.site),
        site_name: session.site.config.name.as_str().into(),
        agent: session.agent.key.clone(),
        username: session.agent.username.clone(),
        transport: Arc::clone(transport),
        intake: session.intake.clone(),
        journal: session.journal.clone(),
        view: Arc::clone(&session.view),
        clock: session.clock.clone(),
        metrics: session.metrics.clone(),
        epoch,
    }
}

fn read(reader: Reader, occasion: Occasion) -> BoxFuture<'static, Done> {
    Box::pin(async move { Done::Read(reconcile(&reader, occasion).await) })
}

/// Between three quarters of the time and all of it: never later than told, and not all at once.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.75 + fastrand::f64() / 4.0)
}
