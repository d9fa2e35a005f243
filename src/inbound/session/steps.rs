//! Where the session's machine can stand, and what follows a wait or a commit.
//!
//! Deliberately absent: how it gets from one to the next (`machine`, `opening`, `recovery`, `stall`, `resume`).

use crate::inbound::session::bayeux::{Hold, Numbered};
use crate::inbound::session::stall::Storing;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    New,
    /// Cookies and secret of a saved session are being put in place.
    Restoring,
    Login {
        then_resume: bool,
    },
    Refused,
    Leaving,
    Handshake {
        id: String,
    },
    /// Ids of the messages with their channels: those asked for, and those to hear no more of.
    Subscribe {
        ids: Vec<Numbered>,
        gone: Vec<Numbered>,
    },
    Connect {
        id: String,
    },
    /// A batch is on its way to disk.
    Storing(Storing),
    Waiting {
        next: Next,
    },
    Ended,
}

/// What follows a wait or a commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    Login {
        fresh: bool,
        then_resume: bool,
    },
    /// From the login, and not at once.
    LoginAfter(Duration),
    Handshake,
    Subscribe,
    /// The server refused every subscription: all are asked for again, after a wait.
    SubscribeAgain,
    /// `after` the given wait.
    Connect {
        after: Duration,
        hold: Hold,
    },
    /// The reply held no answer to the connect.
    Unanswered,
    /// The server refused the connect; the error's code, where it gave one.
    Refused(Option<u16>),
    /// Nothing: the farewell is said.
    Gone,
}
