//! HTTP for probes and people: liveness, readiness, metrics, a status page and a small JSON API.
//!
//! `/livez` and `/readyz` never need the token; all else needs it once one is set; what acts needs it always.
//! Everything it tells comes from outside, through [`State`]: this room knows no session, sink or journal.
//! Deliberately absent: TLS (a proxy's work), cookies, scripts, anything personal.

mod auth;
mod completeness;
mod erase;
mod fleet;
mod letters;
mod page;
mod routes;
mod schemas;
mod server;
mod status;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fleet;

pub use server::Limits;
pub use status::{JournalStatus, SinkStatus, SiteStatus, Status};

use crate::base::health::Health;
use crate::base::metrics::Metrics;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where to listen, and who may ask.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Beyond loopback it must be set.
    pub token: Option<SecretString>,
    pub limits: Limits,
}

/// What only the rest of the service can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The oldest first.
    DeadLetters { letters: Letters, limit: usize },
    /// How many there are, by sink and reason.
    CountLetters { letters: Letters },
    /// One with its event, as its sink may see it.
    ShowLetter { number: u64 },
    /// Sessions, in order of site and agent.
    Agents {
        site: Option<String>,
        standing: Option<String>,
        /// `<site>/<agent>`: those after it.
        after: Option<String>,
        limit: usize,
    },
    /// One agent with its timeline, by its roster key; `site` where several rosters have it.
    Agent { agent: String, site: Option<String> },
    /// How a site's roster is.
    Roster { site: String },
    /// What another roster would change; `csv` is its content.
    RosterDiff { site: String, csv: Vec<u8> },
    /// Acting: looks at the roster's file now.
    RosterReload { site: String },
    /// Acting: lets a held change through; where `change` is said, only that one.
    RosterAccept { site: String, change: Option<String> },
    /// Acting: no login at the site until it is resumed.
    Pause { site: String, reason: String },
    /// Acting: ends a pause.
    Resume { site: String },
    /// Acting: tries a refused agent again.
    Retry { agent: String, site: Option<String> },
    /// Every agent of the site whose login was refused.
    RetryAll { site: String },
    /// How complete the logs of the interactions of a day are (UTC, `2026-11-22`).
    Completeness { day: String, site: Option<String>, after: i64, limit: usize },
    /// What became of the event with this id.
    Explain { id: String },
    /// Acting: gives dead letters back to their sinks' lanes.
    Redrive { letters: Letters },
    /// Acting: forgets dead letters.
    Purge { letters: Letters },
    /// Acting: removes what belongs to somebody or something.
    Erase { erase: Erase },
    /// What was erased when; without what was meant.
    Erased,
}

/// Which dead letters are meant, and how: all that fit everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Letters {
    pub sink: Option<String>,
    pub agent: Option<String>,
    pub interaction: Option<String>,
    pub r#type: Option<String>,
    pub reason: Option<String>,
    pub id: Option<String>,
    /// RFC 3339, or how long ago (`36h`): by the last failure.
    pub since: Option<String>,
    pub until: Option<String>,
    pub limit: Option<usize>,
    /// Redrive: so many a second at most.
    pub rate: Option<u32>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// All of them are meant where nothing else is said.
    pub all: bool,
}

/// What is to be erased: one of the first three. It comes in a body, as an address is often logged.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Erase {
    pub interaction: Option<String>,
    pub agent: Option<String>,
    /// `path=value`.
    pub field: Option<String>,
    /// Only say what would be removed.
    pub dry_run: bool,
}

impl std::fmt::Debug for Erase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Erase")
    }
}

/// Why a question has no answer; the text is shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400
    Invalid(String),
    /// 404
    NotFound(String),
    /// 503
    Unavailable(String),
}

/// Answers a question; given by `app`. What it gives is sent as it is: nothing secret or personal belongs there.
pub type Answer =
    Arc<dyn Fn(Question) -> BoxFuture<'static, Result<serde_json::Value, Refusal>> + Send + Sync>;

/// What the answers are made of; cheap to clone.
#[derive(Clone)]
pub struct State {
    pub metrics: Metrics,
    pub health: Health,
    pub answer: Answer,
    /// How the service is now; quick, it is called for each request.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("admin::State")
    }
}

/// Why the admin server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "admin.listen: {address} is in use by another program, perhaps another cometbridge; end that one, or set \
         admin.listen to a free address"
    )]
    InUse { address: SocketAddr },
    #[error(
        "admin.listen: can not listen on {address}: {source}; choose an address of this machine and a port from 1024 on"
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(
        "admin.listen: {address} can be reached from other machines; set admin.token = {{ file = … }}, or listen on 127.0.0.1"
    )]
    Open { address: SocketAddr },
    #[error("admin.token is empty; put at least 16 characters into its place")]
    EmptyToken,
}

/// Binds and serves until `stop` is cancelled; then answers what is under way and ends, within
/// `limits.grace`. The address says which port was taken where the configured one is 0.
pub async fn serve(
    config: Config,
    state: State,
    stop: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), Error> {
    let address = config.listen;
    match &config.token {
        Some(token) if token.expose_secret().is_empty() => return Err(Error::EmptyToken),
        None if !address.ip().is_loopback() => return Err(Error::Open { address }),
        _ => {}
    }
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, source },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let router = routes::router(state, auth::Auth::new(config.token));
    Ok((bound, tokio::spawn(server::run(listener, router, config.limits, stop))))
}

/// Session states and how many sessions are in each.
pub type States = BTreeMap<String, u64>;
