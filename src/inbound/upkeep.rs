//! What a session does beside its poll: it keeps the HTTP session alive and reads the agent's state over REST.
//!
//! One reading at a time, only while the session is logged in, each of its requests admitted by the site; what will
//! never be read is told. Deliberately absent: the poll itself, and what a reading makes of its answers (see
//! `reconcile`).

use crate::base::retry::Backoff;
use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::dedup::Hole;
use crate::inbound::notes;
use crate::inbound::presence::Presence;
use crate::inbound::reconcile::{Finding, Occasion, Reader, give_up, reconcile};
use crate::inbound::session::login::{ME, judge};
use crate::inbound::session::protocol::LoginFailure;
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Errand;
use crate::journal::{Gap, Known};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wanted::{Queue, Wanted};

mod wanted;

/// How often the log with a hole in it is asked for, which takes some hours; then nobody reads it any more.
const MAX_TRIES: u32 = 24;

/// The upkeep of one session.
pub struct Upkeep {
    on: bool,
    /// The last poll was answered well and no gap is open: only then is a difference a sign of silence.
    hears: bool,
    running: Option<BoxFuture<'static, Finding>>,
    /// The reading that runs; it is wanted again where it comes to nothing.
    reading: Option<Wanted>,
    queue: Queue,
    /// Telling what will not be read: of so many.
    telling: Option<BoxFuture<'static, usize>>,
    keep_alive_at: Instant,
    keeping: Option<BoxFuture<'static, Kept>>,
    routine_at: Option<Instant>,
    /// When the present Bayeux session began, and when its last notification came.
    since: Millis,
    heard: Option<Millis>,
    /// Where the agent is logged in, as far as notifications told and readings showed.
    pub(super) presence: Arc<Presence>,
}

/// How long a reading that came to nothing waits for its next try.
const AGAIN: Backoff = Backoff { initial: Duration::from_secs(5), max: Duration::from_secs(600) };

enum Done {
    Told(usize),
    Kept(Kept),
    Read(Finding),
}

/// How a keep-alive went.
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
        // What an earlier session closed or passed over, and could not read again any more.
        let unread = session.past.unread.iter().cloned();
        let unread = unread.map(|(gap, before)| Occasion::Continued { gap, before });
        let unseen = Occasion::NewSession { gap: None, before: Vec::new() };
        let holes = session.past.holes.iter().cloned().map(Occasion::Hole);
        let unread = unread.chain(session.past.unseen.then_some(unseen)).chain(holes);
        let mut queue = Queue::default();
        unread.for_each(|occasion| queue.add(Wanted::new(occasion)));
        Upkeep {
            on: false,
            hears: false,
            running: None,
            reading: None,
            queue,
            telling: None,
            keep_alive_at: now + jittered(config.keep_alive),
            keeping: None,
            routine_at: (!routine.is_zero()).then(|| now + routine.mul_f64(fastrand::f64())),
            since: session.clock.now(),
            heard: None,
            presence: Arc::default(),
        }
    }

    /// The session is logged in and polls.
    pub fn resume(&mut self) {
        self.on = true;
    }

    /// No login: whatever runs is given up, and wanted still, but for a comparison.
    pub fn pause(&mut self) {
        self.on = false;
        (self.running, self.keeping) = (None, None);
        self.keep(|wanted| !wanted.routine());
    }

    /// The poll was answered well, or was not; then a comparison under way would take for silence what the poll
    /// could not bring.
    pub fn hears(&mut self, well: bool) {
        self.hears = well;
        if !well && self.reading.as_ref().is_some_and(Wanted::routine) {
            (self.running, self.reading) = (None, None);
        }
    }

    /// A new Bayeux session, with a reading of its own to come. What earlier ones left open is still to be read:
    /// the reading of a gap begins where the log was when it opened, beyond any hole before.
    pub fn begin(&mut self, now: Millis) {
        self.queue.wanted.retain(|wanted| !wanted.first());
        self.hears = false;
        self.since = now;
        self.heard = None;
    }

    /// Gaps whose interactions were not read again yet.
    pub fn unread(&self) -> impl Iterator<Item = (&Gap, &[Known])> {
        self.queue.wanted.iter().chain(&self.reading).filter_map(Wanted::gap).chain(self.queue.lost_gaps())
    }

    /// Holes in logs that were not read yet, oldest first.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        let lost = self.queue.lost_holes();
        lost.chain(self.reading.iter().chain(&self.queue.wanted).filter_map(Wanted::hole))
    }

    /// The agent was never read since its session began.
    pub fn unseen(&self) -> bool {
        self.queue.wanted.iter().chain(&self.reading).any(Wanted::first)
    }

    pub fn heard(&mut self, now: Millis) {
        self.heard = Some(now);
    }

    /// Another request showed that the HTTP session lives.
    fn alive(&mut self, session: &Session) {
        self.keep_alive_at = Instant::now() + jittered(session.site.config.keep_alive);
    }

    pub fn want(&mut self, occasion: Occasion) {
        self.queue.add(Wanted::new(occasion));
    }

    /// Puts the reading that was under way back where it is still wanted.
    fn keep(&mut self, still: impl Fn(&Wanted) -> bool) {
        if let Some(wanted) = self.reading.take().filter(still) {
            self.queue.add(wanted);
        }
    }

    /// The next thing that ends. Cancel-safe: what runs goes on with the next call.
    pub async fn next(&mut self, session: &Session, transport: &Arc<Transport>, epoch: u64) -> Event {
        self.tell(session, transport, epoch);
        if !self.on {
            let told = ended(&mut self.telling).await;
            return self.told(told);
        }
        let due = self.begin_due(session, transport, epoch);
        let done = tokio::select! {
            biased;
            told = ended(&mut self.telling) => Done::Told(told),
            kept = ended(&mut self.keeping) => Done::Kept(kept),
            finding = ended(&mut self.running) => Done::Read(finding),
            () = until(due) => return Event::Nothing,
        };
        match done {
            Done::Told(told) => self.told(told),
            Done::Kept(kept) => self.kept(session, kept),
            Done::Read(finding) => self.found(session, &finding),
        }
    }

    /// Begins what is due; says when the next thing is. What keeps the HTTP session alive waits for no reading.
    fn begin_due(&mut self, session: &Session, transport: &Arc<Transport>, epoch: u64) -> Option<Instant> {
        let now = Instant::now();
        if self.keeping.is_none() && self.keep_alive_at <= now {
            self.alive(session);
            self.keeping = Some(Box::pin(keep_alive(session, transport)));
        }
        let keep_alive = self.keeping.is_none().then_some(self.keep_alive_at);
        if self.running.is_some() {
            return keep_alive;
        }
        let repairs = self.queue.wanted.iter().any(Wanted::repairs);
        let routine_at = self.routine_at.filter(|_| self.hears && !repairs);
        if let Some(wanted) = self.queue.due(now) {
            self.read(session, transport, epoch, wanted);
            return keep_alive;
        }
        if routine_at.is_some_and(|at| at <= now) {
            self.routine_at = Some(now + jittered(session.site.config.reconcile_every));
            let occasion = Occasion::Routine { since: self.since, heard: self.heard };
            self.read(session, transport, epoch, Wanted::new(occasion));
            return keep_alive;
        }
        let next = self.queue.wanted.iter().map(|wanted| wanted.after).min();
        [keep_alive, routine_at, next].into_iter().flatten().min()
    }

    fn read(&mut self, session: &Session, transport: &Arc<Transport>, epoch: u64, wanted: Wanted) {
        let (reader, occasion) = (self.reader(session, transport, epoch), wanted.occasion.clone());
        self.reading = Some(wanted);
        self.running = Some(Box::pin(async move { reconcile(&reader, occasion).await }));
    }

    /// Begins to tell what will not be read. It needs the journal alone.
    fn tell(&mut self, session: &Session, transport: &Arc<Transport>, epoch: u64) {
        if self.telling.is_some() || self.queue.lost.is_empty() {
            return;
        }
        let (reader, lost) = (self.reader(session, transport, epoch), self.queue.lost.clone());
        self.telling = Some(Box::pin(async move {
            match give_up(&reader, &lost).await {
                Ok(()) => lost.len(),
                Err(error) => {
                    tracing::error!(
                        agent = reader.agent,
                        "what is not recovered could not be published: {error}"
                    );
                    tokio::time::sleep(AGAIN.initial).await;
                    0
                }
            }
        }));
    }

    fn reader(&self, session: &Session, transport: &Arc<Transport>, epoch: u64) -> Reader {
        Reader {
            site: Arc::clone(&session.site),
            site_name: session.site.config.name.as_str().into(),
            agent: session.agent.key.clone(),
            group: session.agent.group.clone(),
            username: session.agent.username.clone(),
            transport: Arc::clone(transport),
            intake: session.intake.clone(),
            journal: session.journal.clone(),
            view: Arc::clone(&session.view),
            accounts: Arc::clone(&session.accounts),
            presence: Arc::clone(&self.presence),
            clock: session.clock.clone(),
            metrics: session.metrics.clone(),
            epoch,
        }
    }

    fn told(&mut self, told: usize) -> Event {
        self.queue.lost.drain(..told.min(self.queue.lost.len()));
        Event::Nothing
    }

    fn kept(&mut self, session: &Session, kept: Kept) -> Event {
        let site = session.site.config.name.as_str();
        let result = match kept {
            Kept::Well => "ok",
            Kept::Unanswered => "failed",
            Kept::LoggedOut => "logged-out",
        };
        session.metrics.session_keepalives_total.with_label_values(&[site, result]).inc();
        match kept {
            Kept::Well => Event::Nothing,
            Kept::Unanswered => {
                // Soon again: the HTTP session may have little time left.
                self.keep_alive_at = Instant::now() + jittered(session.site.config.keep_alive / 4);
                Event::Nothing
            }
            Kept::LoggedOut => {
                notes::logged_out(session);
                Event::LoggedOut
            }
        }
    }

    /// What a reading came to; one that came to nothing is wanted again.
    fn found(&mut self, session: &Session, finding: &Finding) -> Event {
        let site = session.site.config.name.as_str();
        let result = match finding {
            Finding::Agrees { .. } => "agrees",
            Finding::Repaired { .. } => "repaired",
            Finding::Partly { .. } => "partly",
            Finding::Silent { .. } => "silent",
            Finding::Unread(_) | Finding::LoggedOut => "unread",
        };
        session.metrics.session_readings_total.with_label_values(&[site, result]).inc();
        // The log of one conversation says nothing of how the session stands.
        if self.reading.as_ref().is_none_or(|wanted| wanted.hole().is_none()) {
            session.view.read(session.clock.now(), finding);
        }
        match finding {
            Finding::LoggedOut => {
                self.keep(|wanted| !wanted.routine());
                notes::logged_out(session);
                Event::LoggedOut
            }
            Finding::Unread(why) => {
                let tries = self.reading.as_ref().map_or(0, |wanted| wanted.tries).saturating_add(1);
                notes::unread(session, tries, why);
                let after = Instant::now() + AGAIN.jitter_upward(tries, fastrand::f64());
                if let Some(wanted) = &mut self.reading {
                    (wanted.tries, wanted.after) = (tries, after);
                }
                if tries >= MAX_TRIES
                    && let Some(hole) = self.reading.take_if(|wanted| wanted.hole().is_some())
                {
                    self.queue.let_go(hole);
                }
                self.keep(|wanted| !wanted.routine());
                Event::Nothing
            }
            _ => {
                self.reading = None;
                self.alive(session);
                Event::Nothing
            }
        }
    }
}

/// A request that shows whether the HTTP session lives, and lets it live on.
fn keep_alive(session: &Session, transport: &Arc<Transport>) -> impl Future<Output = Kept> + Send + 'static {
    let (site, transport) = (Arc::clone(&session.site), Arc::clone(transport));
    let (accounts, agent) = (Arc::clone(&session.accounts), session.agent.key.clone());
    let username = session.agent.username.clone();
    async move {
        site.admit_at(Errand::KeepAlive, &transport.base()).await;
        let answer = transport.get(ME, site.config.network_delay).await;
        match answer.map(|answer| judge(&answer, &username)) {
            Ok(Ok(_)) => Kept::Well,
            Ok(Err(LoginFailure::Passing(_))) | Err(_) => Kept::Unanswered,
            Ok(Err(LoginFailure::Stale(reason))) => {
                // Marked without a try: the login that follows is not made.
                transport.withhold();
                accounts.stale(&agent, &reason).await;
                Kept::LoggedOut
            }
            Ok(Err(_)) => Kept::LoggedOut,
        }
    }
}

/// The end of what runs in a place, which is empty then. Cancel-safe.
async fn ended<T>(place: &mut Option<BoxFuture<'static, T>>) -> T {
    match place {
        Some(running) => {
            let done = running.await;
            *place = None;
            done
        }
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Between three quarters of the time and all of it: never later than told, and not all at once.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.75 + fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests;
