//! What all sessions of one site share: the HTTP client, the static headers, the budget of requests, and what is
//! known of its hosts.
//!
//! One budget for all requests but held polls (see `asking`); logins and readings have paces of their own within it (see
//! `gate`). A `Retry-After` pauses its host, repeated failures open its breaker: who asks then waits, and is never told
//! no. Of several base URLs the first whose host is there is used by new logins; sessions that stand on a later one stay
//! there until they next log in, since a move would cost each a gap. Deliberately absent: anything of one
//! agent (cookies, tokens, state), and whether an account may log in (see `accounts`).

mod asking;
mod breaker;
mod client;
mod gate;
mod node;
mod pace;
#[cfg(test)]
pub mod tests;

pub use asking::Answered;
pub use node::node_of;

use crate::base::link::host;
use crate::base::metrics::Metrics;
use crate::base::secret;
use crate::inbound::notes::tally::Tally;
use crate::inbound::passwords::Passwords;
use crate::inbound::session::protocol::FailureKind;
use crate::inbound::session::transport::{Pin, asked_wait, kind};
use crate::inbound::settings::SiteConfig;
use crate::inbound::users::Users;
use breaker::{Change, Verdict, verdict};
use gate::{Changed, Gate, To};
use http::HeaderMap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Answers without a login; any node has it.
const VERSION: &str = "/api/v2/diagnostics/version";
/// How often a base URL that is not in use is asked whether it is back; a fifth more or less.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// How often who waits for a host looks whether the site has left it.
const LOOK_ROUND: Duration = Duration::from_secs(1);
/// Nobody is due: only news can change that.
const LONG: Duration = Duration::from_secs(3_600);

/// Shared by every session of a site.
pub struct Site {
    pub config: SiteConfig,
    pub client: reqwest::Client,
    pub headers: HeaderMap,
    groups: HashMap<String, Pin>,
    gate: Mutex<Gate>,
    /// Of those who wait one keeps the time for all.
    seat: tokio::sync::Mutex<()>,
    /// Something may have changed who is next.
    news: Notify,
    handshakes: Arc<Semaphore>,
    metrics: Option<Metrics>,
    /// Where the agents' secrets are read.
    pub passwords: Passwords,
    /// Which of its users are held here.
    pub users: Arc<Users>,
    said_without_ack: AtomicBool,
    /// What befell its agents lately, for the log.
    pub(in crate::inbound) tally: Tally,
    nowhere: Url,
}

/// A place among the handshakes under way; given back when dropped.
pub struct Opening {
    _place: Option<OwnedSemaphorePermit>,
}

/// Why a site can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("site {site}: {key}: {reason}")]
    Setting { site: String, key: &'static str, reason: String },
    #[error("site {site}: {source}")]
    Secret { site: String, source: secret::Error },
}

/// What a request is for: decides which budgets it shares. Polls that will be held ask nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// `GET /me` with Basic: the logins' pace within the site's.
    Login,
    /// Handshake, subscription, a connect that is not held, a farewell.
    Open,
    /// A poll that may be answered at once: its turn is given back where it was held.
    Poll,
    /// A request that keeps an HTTP session or a CometD session alive.
    KeepAlive,
    /// Reading state over REST: at most a fifth of the site's pace.
    Read,
}

/// What came of one exchange, whatever its kind.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The HTTP status, or why there was none.
    pub result: Result<u16, FailureKind>,
    /// Until the answer began; `None` of a poll, whose time says nothing.
    pub took: Option<Duration>,
    pub retry_after: Option<Duration>,
    /// A poll that was to be held: where a host goes, many of them fail at once.
    pub held: bool,
}

impl Errand {
    fn as_str(self) -> &'static str {
        match self {
            Errand::Login => "login",
            Errand::Open => "open",
            Errand::Poll => "poll",
            Errand::KeepAlive => "keep-alive",
            Errand::Read => "read",
        }
    }
}

impl Site {
    /// Reads what the settings refer to (certificates, secret headers).
    pub async fn new(config: SiteConfig) -> Result<Site, Error> {
        let client = client::client(&config).await?;
        let headers = client::headers(&config.name, &config.headers).await?;
        let mut groups = HashMap::new();
        for (name, group) in &config.groups {
            groups.insert(name.clone(), client::pin(&config.name, group).await?);
        }
        let nowhere = Url::parse("http://127.0.0.1:1").map_err(|e| Error::Setting {
            site: config.name.clone(),
            key: "base_url",
            reason: e.to_string(),
        })?;
        let places = usize::try_from(config.max_handshakes.max(1)).unwrap_or(1);
        Ok(Site {
            gate: Mutex::new(Gate::new(&config, Instant::now())),
            client,
            headers,
            groups,
            seat: tokio::sync::Mutex::new(()),
            news: Notify::new(),
            handshakes: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            metrics: None,
            passwords: Passwords::default(),
            users: Arc::default(),
            said_without_ack: AtomicBool::new(false),
            tally: Tally::default(),
            nowhere,
            config,
        })
    }

    /// Counts in these metrics from here on.
    pub fn counted(mut self, metrics: &Metrics) -> Site {
        self.metrics = Some(metrics.clone());
        self.show(&mut self.gate());
        self
    }

    /// Waits until a request of this kind may leave for the host in use. Never refuses; dropping the future gives its
    /// turn to the next.
    pub async fn admit(&self, errand: Errand) {
        self.turn(errand, To::Current).await;
    }

    /// The same for a host that need not be the one in use: a session that is pinned, or stands on a fallback.
    pub async fn admit_at(&self, errand: Errand, base: &Url) -> Instant {
        let to = self.gate().host(base).map_or(To::Anyway, To::Host);
        self.turn(errand, to).await
    }

    /// As `admit_at`, for a session that stands on `base`. `None` where that host is gone and another base URL is in
    /// use: nothing is to be had by waiting, and the session is to log in anew.
    pub async fn admit_standing(&self, errand: Errand, base: &Url) -> Option<Instant> {
        let place = self.config.base_urls.iter().position(|url| url == base);
        let Some(place) = place.filter(|_| self.config.base_urls.len() > 1) else {
            return Some(self.admit_at(errand, base).await);
        };
        // Boxed: a session at rest is not to carry the room for it.
        let mut turn = Box::pin(self.admit_at(errand, base));
        loop {
            if self.gate().left(place) {
                return None;
            }
            tokio::select! {
                biased;
                at = &mut turn => return Some(at),
                () = Box::pin(tokio::time::sleep(LOOK_ROUND)) => {}
            }
        }
    }

    /// When the turn was taken.
    async fn turn(&self, errand: Errand, to: To) -> Instant {
        let mut told = self.gate().enter(errand, to);
        self.pump();
        match told.try_recv() {
            Ok(at) => at,
            // Boxed: a session at rest is not to carry the room for it.
            Err(_) => Box::pin(self.wait(told)).await,
        }
    }

    async fn wait(&self, mut told: oneshot::Receiver<Instant>) -> Instant {
        // Who keeps the time may now have to wake earlier.
        self.news.notify_one();
        let _seat = tokio::select! {
            biased;
            at = &mut told => return at.unwrap_or_else(|_| Instant::now()),
            seat = self.seat.lock() => seat,
        };
        loop {
            let next = self.pump();
            let due = next.unwrap_or_else(|| Instant::now() + LONG);
            tokio::select! {
                biased;
                at = &mut told => return at.unwrap_or_else(|_| Instant::now()),
                () = self.news.notified() => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    /// Lets all go whose time has come; says when the next may.
    fn pump(&self) -> Option<Instant> {
        let (gone, next) = self.gate().pump(Instant::now());
        // A poll counts when it is known that it was none.
        gone.into_iter().filter(|errand| *errand != Errand::Poll).for_each(|errand| self.count(errand));
        next
    }

    fn count(&self, errand: Errand) {
        if let Some(metrics) = &self.metrics {
            let labels = [self.config.name.as_str(), errand.as_str()];
            metrics.site_requests_total.with_label_values(&labels).inc();
        }
    }

    /// Waits for one of the places for opening a session; held until the session stands or has failed.
    pub async fn opening(&self) -> Opening {
        Opening { _place: self.handshakes.clone().acquire_owned().await.ok() }
    }

    /// Whether a connect would wait for its turn for long.
    pub fn crowded(&self) -> bool {
        self.gate().crowded(Instant::now())
    }

    /// True once: what it means that the server has no ack extension is said once for the site.
    pub fn first_without_ack(&self) -> bool {
        !self.said_without_ack.swap(true, Ordering::Relaxed)
    }

    /// Told of every exchange with a host.
    pub fn heard(&self, base: &Url, heard: Heard) {
        let mut gate = self.gate();
        let changed = gate.heard(base, &heard, Instant::now(), fastrand::f64());
        self.show(&mut gate);
        drop(gate);
        if changed != Changed::default() {
            self.say(base, &heard, &changed);
        }
        if !heard.held || changed != Changed::default() {
            self.news.notify_one();
        }
    }

    fn say(&self, base: &Url, heard: &Heard, changed: &Changed) {
        let (site, host) = (self.config.name.as_str(), host(base));
        match changed.host {
            Some(Change::Opened) if verdict(heard) == Verdict::Barred => {
                tracing::warn!(
                    site,
                    host,
                    "a proxy on the way refuses us (HTTP 407): so that no account there is locked it is asked only now and then; check proxy and proxy_password, then restart"
                );
            }
            Some(Change::Opened) => {
                tracing::warn!(
                    site,
                    host,
                    "the host fails again and again: it is tried only now and then until it answers"
                );
            }
            Some(Change::Closed) => tracing::info!(site, host, "the host answers again"),
            None => {}
        }
        if let Some((from, to)) = changed.moved {
            let at = |place: usize| self.config.base_urls.get(place).map(crate::base::link::host);
            let (from, to) = (at(from), at(to));
            tracing::warn!(site, from, to, "new logins use another base URL; sessions stay where they stand");
            if let Some(metrics) = &self.metrics {
                metrics.site_failovers_total.with_label_values(&[site]).inc();
            }
        }
        if let Some(wait) = changed.settling {
            let seconds = wait.as_secs();
            tracing::info!(
                site,
                seconds,
                "the site is back after an outage: logins wait, so that people get in first"
            );
        }
        if changed.paused
            && let Some(wait) = heard.retry_after
        {
            tracing::warn!(site, host, seconds = wait.as_secs(), "the host asked for a pause (Retry-After)");
        }
    }

    fn show(&self, gate: &mut Gate) {
        if let Some(metrics) = &self.metrics {
            let site = self.config.name.as_str();
            metrics.site_logins_per_second.with_label_values(&[site]).set(gate.login_rate(Instant::now()));
            let open = i64::try_from(gate.open_breakers()).unwrap_or(i64::MAX);
            metrics.site_breaker_open.with_label_values(&[site]).set(open);
        }
    }

    /// The base URL that a session without a pin is to be opened at now.
    pub fn base(&self) -> Url {
        let current = self.gate().current();
        self.config.base_urls.get(current).cloned().unwrap_or_else(|| self.nowhere.clone())
    }

    /// What keeps an agent at one node: its group's settings; `base_url` of its roster line goes before the
    /// group's. A group that the settings do not name pins nothing.
    pub fn pin(&self, group: Option<&str>, base_url: Option<&Url>) -> Pin {
        let mut pin = group.and_then(|name| self.groups.get(name)).cloned().unwrap_or_default();
        if base_url.is_some() {
            pin.base = base_url.cloned();
        }
        pin
    }

    /// Asks the base URLs that are not in use and count as gone whether they are back, until told to stop. For a
    /// site with several: without it a preferred one that failed would not be returned to.
    pub async fn probe(&self, stop: CancellationToken) {
        loop {
            let pause = PROBE_EVERY.mul_f64(0.8 + 0.4 * fastrand::f64());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let places = self.gate().to_probe(Instant::now());
            for url in places.into_iter().filter_map(|place| self.config.base_urls.get(place)) {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.ask_version(url) => {}
                }
            }
        }
    }

    async fn ask_version(&self, base: &Url) {
        self.turn(Errand::KeepAlive, To::Anyway).await;
        let mut url = base.clone();
        url.set_path(&format!("{}{VERSION}", base.path().trim_end_matches('/')));
        let started = Instant::now();
        let request = self.client.get(url).headers(self.headers.clone()).send();
        let (result, retry_after) = match tokio::time::timeout(self.config.network_delay, request).await {
            Ok(Ok(answer)) => (Ok(answer.status().as_u16()), asked_wait(answer.headers())),
            Ok(Err(error)) => (Err(kind(&error)), None),
            Err(_) => (Err(FailureKind::Timeout), None),
        };
        self.heard(base, Heard { result, took: Some(started.elapsed()), retry_after, held: false });
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
