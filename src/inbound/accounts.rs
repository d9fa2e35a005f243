//! The accounts of one site: which secrets were refused, and whether anybody may log in now.
//!
//! An account is never risked: a refused secret is not tried again until it changes or an operator asks.
//! Deliberately absent: HTTP, and the pace of requests (see `site`).

use secrecy::SecretString;

/// Of one site; shared by its sessions.
#[derive(Default)]
pub struct Accounts(());

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

impl Accounts {
    /// Waits while the site is paused or its directory is out of order (all but one canary), then says whether
    /// this secret may be tried.
    pub async fn leave(&self, _agent: &str, _secret: &SecretString) -> Leave {
        Leave::Go
    }

    /// Says what came of a login that [`Accounts::leave`] let go. May wait for a moment, to see whether
    /// others fare alike.
    pub async fn tried(&self, _agent: &str, _secret: &SecretString, tried: Tried) -> Judged {
        match tried {
            Tried::Worked | Tried::Other => Judged::Fine,
            Tried::Refused(reason) | Tried::Stale(reason) => Judged::Refused(reason),
        }
    }

    /// A notification said that this agent's password was changed: the secret we have is stale.
    pub async fn password_changed(&self, _agent: &str) {}

    /// Resolves when an operator asks to try a refused agent again.
    pub async fn pardoned(&self, _agent: &str) {
        std::future::pending::<()>().await;
    }

    /// Whether this secret still counts as refused for the agent.
    pub fn refused(&self, _agent: &str, _secret: &SecretString) -> Option<String> {
        None
    }

    /// Our own login, or the end of our own session at the server: what follows it closely may be its doing.
    pub fn touched(&self, _agent: &str) {}

    /// An agent was seen logged out (a device or channel went to `LoggedOut`).
    pub async fn logged_out(&self, _agent: &str) {}

    /// An operator's stop of all logins at the site; held over restarts until [`Accounts::resume`].
    pub async fn pause(&self, _reason: &str) {}

    /// Ends a pause, an operator's or the brake's.
    pub async fn resume(&self) {}

    /// An operator's wish to try a refused agent again: see [`Accounts::pardoned`].
    pub async fn forgive(&self, _agent: &str) {}

    /// How the site's logins are now.
    pub fn state(&self) -> State {
        State::default()
    }
}

/// How a site's logins are, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Why nobody logs in: an operator's words, or the brake's.
    pub paused: Option<String>,
    /// The directory is out of order: one canary tries, the others wait.
    pub site_fault: bool,
}
