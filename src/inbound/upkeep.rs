//! What a session does beside its poll: it keeps the HTTP session alive and reads the agent's state over REST.
//!
//! One request at a time, only while the session is logged in, each admitted by the site. Deliberately absent: the
//! poll itself, and what a reading makes of its answers (see `reconcile`).

use crate::base::retry::Backoff;
use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::dedup::Hole;
use crate::inbound::notes;
use crate::inbound::reconcile::{Finding, Occasion, Reader, reconcile};
use crate::inbound::session::login::{ME, judge};
use crate::inbound::session::protocol::LoginFailure;
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Errand;
use crate::journal::{Gap, Known};
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Readings that wait; beyond them the oldest hole is let go, else the oldest gap.
const MAX_WANTED: usize = 64;

/// The upkeep of one session.
pub struct Upkeep {
    on: bool,
    /// The last poll was answered well and no gap is open: only then is a difference a sign of silence.
    hears: bool,
    running: Option<BoxFuture<'static, Done>>,
    /// The reading that runs; it is wanted again where it comes to nothing.
    reading: Option<Wanted>,
    wanted: VecDeque<Wanted>,
    keep_alive_at: Instant,
    routine_at: Option<Instant>,
    /// When the present Bayeux session began, and when its last notification came.
    since: Millis,
    heard: Option<Millis>,
}

/// A reading to be made, not before a time.
struct Wanted {
    occasion: Occasion,
    tries: u32,
    after: Instant,
}

impl Wanted {
    /// Whether it closes what a gap left open: until it is done, a difference is no sign of silence.
    fn repairs(&self) -> bool {
        matches!(self.occasion, Occasion::NewSession { .. } | Occasion::Continued { .. })
    }

    fn routine(&self) -> bool {
        matches!(self.occasion, Occasion::Routine { .. })
    }

    /// The first reading of an agent; with a gap it is the gap that counts.
    fn first(&self) -> bool {
        matches!(self.occasion, Occasion::NewSession { gap: None, .. })
    }

    /// The gap it closes, and what was known when that opened.
    fn gap(&self) -> Option<(&Gap, &[Known])> {
        match &self.occasion {
            Occasion::NewSession { gap, before } => gap.as_ref().map(|gap| (gap, before.as_slice())),
            Occasion::Continued { gap, before } => Some((gap, before.as_slice())),
            Occasion::Routine { .. } | Occasion::Hole(_) => None,
        }
    }

    fn hole(&self) -> Option<&Hole> {
        match &self.occasion {
            Occasion::Hole(hole) => Some(hole),
            _ => None,
        }
    }
}

/// How long a reading that came to nothing waits for its next try.
const AGAIN: Backoff = Backoff { initial: Duration::from_secs(5), max: Duration::from_secs(600) };

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
        // What an earlier session closed or passed over, and could not read again any more.
        let unread = session.past.unread.iter().cloned();
        let unread = unread.map(|(gap, before)| Occasion::Continued { gap, before });
        let unseen = Occasion::NewSession { gap: None, before: Vec::new() };
        let holes = session.past.holes.iter().cloned().map(Occasion::Hole);
        let unread = unread.chain(session.past.unseen.then_some(unseen)).chain(holes);
        let unread = unread.map(|occasion| Wanted { occasion, tries: 0, after: now });
        Upkeep {
            on: false,
            hears: false,
            running: None,
            reading: None,
            wanted: unread.collect(),
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

    /// No login: whatever runs is given up, and wanted still, but for a comparison.
    pub fn pause(&mut self) {
        self.on = false;
        self.running = None;
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
        self.wanted.retain(|wanted| !wanted.first());
        self.hears = false;
        self.since = now;
        self.heard = None;
    }

    /// Gaps whose interactions were not read again yet.
    pub fn unread(&self) -> impl Iterator<Item = (&Gap, &[Known])> {
        self.wanted.iter().chain(&self.reading).filter_map(Wanted::gap)
    }

    /// Holes in logs that were not read yet, oldest first.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.reading.iter().chain(&self.wanted).filter_map(Wanted::hole)
    }

    /// The agent was never read since its session began.
    pub fn unseen(&self) -> bool {
        self.wanted.iter().chain(&self.reading).any(Wanted::first)
    }

    pub fn heard(&mut self, now: Millis) {
        self.heard = Some(now);
    }

    /// Another request showed that the HTTP session lives.
    fn alive(&mut self, session: &Session) {
        self.keep_alive_at = Instant::now() + jittered(session.site.config.keep_alive);
    }

    pub fn want(&mut self, occasion: Occasion) {
        self.queue(Wanted { occasion, tries: 0, after: Instant::now() });
    }

    /// What repairs a gap goes before what fills a hole, an older gap before a later one.
    fn queue(&mut self, wanted: Wanted) {
        if self.wanted.len() >= MAX_WANTED {
            let hole = self.wanted.iter().position(|known| !known.repairs());
            self.wanted.remove(hole.unwrap_or_default());
        }
        let hole = self.wanted.iter().position(|known| wanted.repairs() && !known.repairs());
        self.wanted.insert(hole.unwrap_or(self.wanted.len()), wanted);
    }

    /// Puts the reading that was under way back where it is still wanted.
    fn keep(&mut self, still: impl Fn(&Wanted) -> bool) {
        if let Some(wanted) = self.reading.take().filter(still) {
            self.queue(wanted);
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
        let repairs = self.wanted.iter().any(Wanted::repairs);
        let routine_at = self.routine_at.filter(|_| self.hears && !repairs);
        let next = self.wanted.iter().map(|wanted| wanted.after).min();
        let at = [Some(self.keep_alive_at), routine_at, next].into_iter().flatten().min();
        tokio::time::sleep_until(at.unwrap_or(self.keep_alive_at)).await;
        let now = Instant::now();
        let wanted = self.wanted.iter().position(|wanted| wanted.after <= now);
        if let Some(wanted) = wanted.and_then(|place| self.wanted.remove(place)) {
            return self.read(session, transport, epoch, wanted);
        }
        if routine_at.is_some_and(|at| at <= now) {
            self.routine_at = Some(now + jittered(session.site.config.reconcile_every));
            let occasion = Occasion::Routine { since: self.since, heard: self.heard };
            return self.read(session, transport, epoch, Wanted { occasion, tries: 0, after: now });
        }
        self.alive(session);
        let (site, transport) = (Arc::clone(&session.site), Arc::clone(transport));
        let username = session.agent.username.clone();
        Box::pin(async move {
            site.admit_at(Errand::KeepAlive, &transport.base()).await;
            let answer = transport.get(ME, site.config.network_delay).await;
            Done::Kept(match answer.map(|answer| judge(&answer, &username)) {
                Ok(Ok(())) => Kept::Well,
                Ok(Err(LoginFailure::Passing(_))) | Err(_) => Kept::Unanswered,
                Ok(Err(_)) => Kept::LoggedOut,
            })
        })
    }

    fn read(
        &mut self,
        session: &Session,
        transport: &Arc<Transport>,
        epoch: u64,
        wanted: Wanted,
    ) -> BoxFuture<'static, Done> {
        let (reader, occasion) = (reader(session, transport, epoch), wanted.occasion.clone());
        self.reading = Some(wanted);
        Box::pin(async move { Done::Read(reconcile(&reader, occasion).await) })
    }

    fn finished(&mut self, session: &Session, done: Done) -> Event {
        let site = session.site.config.name.as_str();
        if let Done::Kept(kept) = &done {
            let result = match kept {
                Kept::Well => "ok",
                Kept::Unanswered => "failed",
                Kept::LoggedOut => "logged-out",
            };
            session.metrics.session_keepalives_total.with_label_values(&[site, result]).inc();
        }
        match done {
            Done::Kept(Kept::Well) => Event::Nothing,
            Done::Kept(Kept::Unanswered) => {
                // Soon again: the HTTP session may have little time left.
                self.keep_alive_at = Instant::now() + jittered(session.site.config.keep_alive / 4);
                Event::Nothing
            }
            Done::Kept(Kept::LoggedOut) => {
                notes::logged_out(session);
                Event::LoggedOut
            }
            Done::Read(finding) => self.found(session, &finding),
        }
    }

    /// What a reading came to; one that came to nothing is wanted again.
    fn found(&mut self, session: &Session, finding: &Finding) -> Event {
        let site = session.site.config.name.as_str();
        let result = match finding {
            Finding::Agrees { .. } => "agrees",
            Finding::Repaired { .. } => "repaired",
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

fn reader(session: &Session, transport: &Arc<Transport>, epoch: u64) -> Reader {
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

/// Between three quarters of the time and all of it: never later than told, and not all at once.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.75 + fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests;
