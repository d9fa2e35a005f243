//! The accounts of one site: which secrets were refused, and whether anybody may log in now.
//!
//! An account is never risked: a refused secret is not tried again until it changes or an operator asks, over restarts
//! and over removal from the roster too. Refusals of many whose same secret worked before are the site's fault (see `fault`): nobody is marked, and
//! one canary at a time finds out when it is over. Logins also stop when an operator says so, or when agents are
//! seen to be logged out by our coming and going (see `brake`). Deliberately absent: HTTP, and the pace of
//! requests (see `site`).

mod book;
mod brake;
mod fault;
mod gate;
mod status;
#[cfg(test)]
mod tests;

pub use book::{Credentials, Memory, Store};
pub use gate::{By, SiteGate};

use crate::base::digest::Digest;
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, rfc3339};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::{Errand, Site};
use crate::journal::{Account, Journal};
use gate::{Pause, State};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use url::Url;

/// How long a refusal of a secret that worked before waits for others of its kind.
const SUSPENSE: Duration = Duration::from_secs(10);
/// Nobody is due: only news can change that.
const LONG: Duration = Duration::from_secs(3_600);

/// Of one site; shared by its sessions.
pub struct Accounts {
    site: String,
    max_disturbed: usize,
    store: Store,
    clock: Clock,
    metrics: Option<Metrics>,
    state: Mutex<State>,
    /// Of those who wait one keeps the time for all.
    seat: tokio::sync::Mutex<()>,
    /// Something may have changed when the next canary goes.
    news: Notify,
    /// A fault was declared, or an operator pardoned somebody.
    verdicts: Notify,
}

/// Whether a login may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    Go,
    /// This secret was refused before; the text says when and what to do.
    Refused(String),
}

/// What came of a login, as far as the account is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// `/me` answered well and named the roster's user.
    Worked,
    /// 401, or 403 with statusCode 20, to a Basic `GET /me`. The text says which.
    Refused(String),
    /// statusCode 8: a new password is demanded.
    Stale(String),
    /// Something else: it says nothing about the secret.
    Other,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    Fine,
    /// The secret counts as refused.
    Refused(String),
    /// A fault of the site, not of this account: ask [`Accounts::leave`] again, which waits.
    SiteFault,
}

impl Default for Accounts {
    /// Remembers nothing beyond this process, and is not counted: for a pilot, and for tests.
    fn default() -> Accounts {
        Accounts::new("", usize::MAX, Store::Memory(Memory::default()), Clock::system(), None)
    }
}

impl Accounts {
    fn new(site: &str, max: usize, store: Store, clock: Clock, metrics: Option<Metrics>) -> Accounts {
        Accounts {
            site: site.to_owned(),
            max_disturbed: max,
            state: Mutex::new(State::new(site, store.key())),
            store,
            clock,
            metrics,
            seat: tokio::sync::Mutex::new(()),
            news: Notify::new(),
            verdicts: Notify::new(),
        }
    }

    /// With what earlier processes noted: marks, a pause, a fault of the directory that was not over.
    pub async fn load(
        site: &SiteConfig,
        journal: &Journal,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Result<Arc<Accounts>, crate::journal::Error> {
        let store = Store::Journal(journal.clone());
        Accounts::load_from(site, store, clock, Some(metrics.clone())).await
    }

    /// The same from any store.
    pub async fn load_from(
        site: &SiteConfig,
        store: Store,
        clock: &Clock,
        metrics: Option<Metrics>,
    ) -> Result<Arc<Accounts>, crate::journal::Error> {
        let max = usize::try_from(site.max_disturbed).unwrap_or(usize::MAX);
        let accounts = Accounts::new(&site.name, max, store, clock.clone(), metrics);
        let stored = accounts.store.accounts().await?;
        let pause = accounts.store.note(&accounts.pause_note()).await?;
        let fault = accounts.store.note(&accounts.fault_note()).await?;
        let mut state = accounts.lock();
        state.book = book::Book::new(&site.name, accounts.store.key(), stored);
        state.pause = pause.map(|text| Pause::parse(&text, clock.now()));
        if fault.is_some() {
            state.declare(clock.now(), Instant::now());
        }
        accounts.show(&state);
        let why = state.status().why();
        drop(state);
        if !why.is_empty() {
            tracing::warn!(site = accounts.site, "as before the restart, logins are paused {why}");
        }
        Ok(Arc::new(accounts))
    }

    /// Waits while the site is paused or its directory is out of order (all but one canary), then says whether
    /// this secret may be tried.
    pub async fn leave(&self, agent: &str, secret: &Credentials) -> Leave {
        loop {
            self.take_over(agent, secret).await;
            let told = {
                let mut state = self.lock();
                let digest = state.book.digest(secret);
                state.seen.insert(agent.to_owned());
                if let Some(text) = refusal(&state, agent, digest) {
                    return Leave::Refused(text);
                }
                if state.open_to(agent) {
                    state.pardoned.remove(agent);
                    return Leave::Go;
                }
                let worked_before = state.book.worked_before(agent, digest);
                state.directory.wait(agent, worked_before, Instant::now())
            };
            // Boxed: a session at rest is not to carry the room for it.
            Box::pin(self.wait(told)).await;
        }
    }

    /// [`Accounts::leave`] and the site's admission of a login, so that what was let go before a fault or a pause
    /// does not leave after it, and nobody leaves without a turn. The request is to follow at once.
    /// `pinned`: the base URL that the agent is tied to, if any.
    pub async fn enter(&self, site: &Site, pinned: Option<&Url>, agent: &str, secret: &Credentials) -> Leave {
        loop {
            if let Leave::Refused(text) = self.leave(agent, secret).await {
                return Leave::Refused(text);
            }
            match pinned {
                Some(base) => drop(site.admit_at(Errand::Login, base).await),
                None => site.admit(Errand::Login).await,
            }
            if self.lock().open_to(agent) {
                return Leave::Go;
            }
        }
    }

    async fn wait(&self, mut told: oneshot::Receiver<()>) {
        self.news.notify_one();
        let _seat = tokio::select! {
            biased;
            _ = &mut told => return,
            seat = self.seat.lock() => seat,
        };
        loop {
            let next = self.lock().probe(Instant::now());
            let due = next.unwrap_or_else(|| Instant::now() + LONG);
            tokio::select! {
                biased;
                _ = &mut told => return,
                () = self.news.notified() => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    /// See [`book::Book::take_over`].
    async fn take_over(&self, agent: &str, secret: &Credentials) {
        let changes = {
            let mut state = self.lock();
            let digest = state.book.digest(secret);
            state.book.take_over(agent, digest)
        };
        if !changes.is_empty() {
            // Boxed: a session at rest is not to carry the room for it.
            Box::pin(self.keep(changes)).await;
        }
    }

    /// Says what came of a login that [`Accounts::leave`] let go. May wait for a moment, to see whether
    /// others fare alike.
    pub async fn tried(&self, agent: &str, secret: &Credentials, tried: Tried) -> Judged {
        let digest = self.lock().book.digest(secret);
        match tried {
            Tried::Worked => {
                self.logged_in(agent, digest).await;
                Judged::Fine
            }
            Tried::Other => {
                self.lock().directory.canary_failed(agent, Instant::now());
                self.news.notify_one();
                Judged::Fine
            }
            Tried::Stale(reason) => {
                // Who is asked for a new password was known to the directory: it works.
                let (account, ended) = {
                    let mut state = self.lock();
                    let ended = state.directory.worked(agent, Instant::now());
                    (state.book.mark(agent, digest, &reason, self.clock.now()), ended)
                };
                self.keep(vec![account]).await;
                if ended {
                    self.fault_is_over().await;
                }
                Judged::Refused(reason)
            }
            Tried::Refused(reason) => self.was_refused(agent, digest, reason).await,
        }
    }

    async fn logged_in(&self, agent: &str, digest: Digest) {
        let (account, ended) = {
            let mut state = self.lock();
            let now = Instant::now();
            state.brake.touched(agent, now);
            let ended = state.directory.worked(agent, now);
            (state.book.worked(agent, digest, self.clock.now()), ended)
        };
        self.keep(account.into_iter().collect()).await;
        if ended {
            self.fault_is_over().await;
        }
    }

    async fn was_refused(&self, agent: &str, digest: Digest, reason: String) -> Judged {
        let (now, at) = (Instant::now(), self.clock.now());
        let (worked_before, declared, changes) = {
            let mut state = self.lock();
            if state.directory.fault() {
                state.directory.refused_in_fault(agent, now);
                self.news.notify_one();
                return Judged::SiteFault;
            }
            let worked_before = state.book.worked_before(agent, digest);
            // Marked before anything is waited for: a session that is stopped meanwhile must not forget it.
            let mark = state.book.mark(agent, digest, &reason, at);
            match state.refused(agent, worked_before, now, at) {
                Some(cleared) => (worked_before, true, cleared),
                None => (worked_before, false, vec![mark]),
            }
        };
        self.keep(changes).await;
        if declared {
            self.fault_began().await;
        } else if worked_before {
            let _ = tokio::time::timeout(SUSPENSE, self.until_cleared(agent, digest)).await;
        }
        match self.lock().book.refusal(agent, digest) {
            Some(_) => Judged::Refused(reason),
            None => Judged::SiteFault,
        }
    }

    async fn until_cleared(&self, agent: &str, digest: Digest) {
        loop {
            let mut news = std::pin::pin!(self.verdicts.notified());
            news.as_mut().enable();
            if self.lock().book.refusal(agent, digest).is_none() {
                return;
            }
            news.await;
        }
    }

    /// A notification said that this agent's password was changed: the secret we have is stale.
    pub async fn password_changed(&self, agent: &str) {
        let reason =
            "the site said that the password was changed; correct the secret: it is then tried by itself";
        self.stale(agent, reason).await;
    }

    /// The secret that logged this agent in is of no use any more: it is marked without a try.
    pub async fn stale(&self, agent: &str, reason: &str) {
        let mark = {
            let mut state = self.lock();
            let worked = state.book.get(agent).and_then(|entry| entry.worked);
            worked.map(|worked| state.book.mark(agent, worked, reason, self.clock.now()))
        };
        if let Some(mark) = mark {
            tracing::warn!(
                site = self.site,
                agent,
                "the secret is not used again until it changes: {reason}"
            );
            self.keep(vec![mark]).await;
        }
    }

    /// Resolves when an operator asks to try a refused agent again.
    pub async fn pardoned(&self, agent: &str) {
        loop {
            let mut news = std::pin::pin!(self.verdicts.notified());
            news.as_mut().enable();
            if self.lock().pardoned.remove(agent) {
                return;
            }
            news.await;
        }
    }

    /// Whether this secret still counts as refused for the agent.
    pub fn refused(&self, agent: &str, secret: &Credentials) -> Option<String> {
        let state = self.lock();
        refusal(&state, agent, state.book.digest(secret))
    }

    /// Whether this secret is the one that logged the agent in last.
    pub fn worked(&self, agent: &str, secret: &Credentials) -> bool {
        let state = self.lock();
        let digest = state.book.digest(secret);
        state.book.worked_before(agent, digest) && state.book.refusal(agent, digest).is_none()
    }

    /// The agent is held from now on, or no longer. A refusal of its secret is remembered all the same.
    pub fn held(&self, agent: &str, held: bool) {
        let mut state = self.lock();
        if !held {
            state.seen.remove(agent);
            state.pardoned.remove(agent);
        }
        if state.book.held(agent, held) {
            self.show(&state);
        }
    }

    /// Our own login, or the end of our own session at the server: what follows it closely may be its doing.
    pub fn touched(&self, agent: &str) {
        self.lock().brake.touched(agent, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes entries down. Where that fails they hold until the process ends.
    async fn keep(&self, accounts: Vec<Account>) {
        for account in accounts {
            if let Err(error) = self.store.set_account(account).await {
                tracing::error!(site = self.site, %error, "what is known of an account could not be written down");
            }
        }
        self.show(&self.lock());
    }
}

fn refusal(state: &State, agent: &str, digest: Digest) -> Option<String> {
    let entry = state.book.refusal(agent, digest)?;
    Some(format!("{} (refused {}; not tried since)", entry.reason, rfc3339(entry.at)))
}
