//! Requests on their way: the turn of the site's budget that each of them takes, and what an answer says of it.
//!
//! Deliberately absent: the budget itself and why some polls need a turn (see `site::asking`), signs of life while storage
//! is stalled (see `storing`).

use crate::inbound::carry::{Cut, Held};
use crate::inbound::session::bayeux::{Hold, Request};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Failure, FailureKind, Input};
use crate::inbound::session::transport::Transport;
use crate::inbound::site::{Answered, Errand, Opening, Site};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// See [`Held::unhurried`].
const SHORT_POLL: Duration = Duration::from_secs(1);
/// What was answered sooner was not held, or half of the hold where that is less.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A request that left.
struct Sent {
    answer: Result<Vec<u8>, Failure>,
    opening: Option<Opening>,
    /// The turn of a poll that asked, where it was not given back.
    turn: Option<Instant>,
    /// How long the answer took; `None` where nothing left.
    took: Option<Duration>,
}

impl Held {
    pub(super) async fn send(&mut self, machine: &Machine, request: Request, timeout: Duration) -> Input {
        let opens = matches!(request, Request::Handshake { .. });
        if opens {
            self.upkeep.pause();
            self.opening = None;
        }
        let connect = matches!(request, Request::Connect { .. });
        if std::mem::take(&mut self.logged_out) && connect {
            return Cut::LoggedOut.into();
        }
        let (request, timeout) = self.unhurried(request, timeout);
        let errand = match request {
            Request::Connect { hold: Hold::Server, .. } if !self.asks => None,
            Request::Connect { hold: Hold::Server | Hold::Of(_), .. } => Some(Errand::Poll),
            _ => Some(Errand::Open),
        };
        let polls = errand != Some(Errand::Open);
        let (site, transport) = (Arc::clone(&self.session.site), Arc::clone(&self.transport));
        let work = async move {
            let opening = if opens { Some(site.opening().await) } else { None };
            if errand == Some(Errand::Poll) {
                // Boxed: a session at rest is not to carry the room for it.
                return Box::pin(ask(&site, &transport, &request, timeout)).await;
            }
            if errand.is_some() && turn(&site, &transport, Errand::Open).await.is_none() {
                return Sent { answer: Err(left()), opening, turn: None, took: None };
            }
            let began = Instant::now();
            let answer = transport.post(&request, timeout).await;
            Sent { answer, opening, turn: None, took: Some(began.elapsed()) }
        };
        let sent = match self.beside(machine, work).await {
            Ok(sent) => sent,
            Err(cut) => return cut.into(),
        };
        if sent.opening.is_some() {
            self.opening = sent.opening;
        }
        let input = self.answered(sent.answer, connect);
        if let Some(took) = sent.took.filter(|_| polls) {
            self.judge(&input, self.at_once(took, timeout), errand.is_some(), sent.turn);
        }
        input
    }

    /// Whether a poll that was given up after `timeout` was answered before it can have been held.
    pub(super) fn at_once(&self, took: Duration, timeout: Duration) -> bool {
        let hold = timeout.saturating_sub(self.session.site.config.network_delay);
        took < AT_ONCE.min(hold / 2)
    }

    /// What an answer says of a poll: whether it was held, and so whether the next one has to ask.
    pub(super) fn judge(&mut self, input: &Input, at_once: bool, asked: bool, turn: Option<Instant>) {
        let (lives, news) = match input {
            Input::Replied { metas, data } => {
                (metas.iter().any(|meta| meta.channel == "/meta/connect" && meta.successful), *data > 0)
            }
            _ => (false, false),
        };
        let answered = match input {
            Input::Failed(failure) if unanswered(failure.kind) => Answered::Not,
            _ if lives && (news || !at_once) => Answered::Held,
            // Slow to say that it does not know the session: that was no hold.
            _ if asked || at_once => Answered::InVain,
            _ => Answered::Held,
        };
        // Whatever comes after a failure takes a turn anyway.
        self.asks = lives && answered == Answered::InVain;
        if asked || answered == Answered::InVain {
            self.session.site.answered(&self.transport.base(), turn, answered);
        }
    }

    /// After an outage thousands of sessions ask at once whether they live: where no turn is to be had soon, one asks by a
    /// poll that is held for a moment, as that gives its turn back where the session lives.
    fn unhurried(&self, request: Request, timeout: Duration) -> (Request, Duration) {
        match request {
            Request::Connect { id, client_id, ack, hold: Hold::None, window }
                if self.session.site.crowded() =>
            {
                let hold = Hold::Of(SHORT_POLL);
                (Request::Connect { id, client_id, ack, hold, window }, timeout + SHORT_POLL)
            }
            other => (other, timeout),
        }
    }

    /// Told to leave already, so nothing but a stop cuts it short.
    pub(super) async fn farewell(&mut self, request: Request, timeout: Duration) -> Input {
        self.upkeep.pause();
        let (site, transport) = (Arc::clone(&self.session.site), Arc::clone(&self.transport));
        let work = async move {
            site.admit_at(Errand::Open, &transport.base()).await;
            transport.post(&request, timeout).await
        };
        tokio::select! {
            answer = tokio::time::timeout(timeout, work) => match answer {
                Ok(answer) => self.answered(answer, false),
                Err(_) => Input::Timer,
            },
            () = self.stop.cancelled() => Input::Stop,
        }
    }
}

/// Nobody answered, or a proxy before the server did.
fn unanswered(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Network | FailureKind::Timeout | FailureKind::ProxyRefused)
}

/// A poll whose session may be gone.
async fn ask(site: &Site, transport: &Transport, request: &Request, timeout: Duration) -> Sent {
    let mut taken = turn(site, transport, Errand::Poll).await;
    if taken.is_none() {
        return Sent { answer: Err(left()), opening: None, turn: None, took: None };
    }
    let began = Instant::now();
    let poll = transport.ask(request, timeout);
    let answer = site.asking(&transport.base(), &mut taken, poll).await;
    Sent { answer, opening: None, turn: taken, took: Some(began.elapsed()) }
}

/// `None` where the session's host is gone and another one is in use.
async fn turn(site: &Site, transport: &Transport, errand: Errand) -> Option<Instant> {
    let base = transport.base();
    match transport.pinned() {
        true => Some(site.admit_at(errand, &base).await),
        false => site.admit_standing(errand, &base).await,
    }
}

/// The session's host is gone and the site uses another: its login there is worth nothing now.
fn left() -> Failure {
    let text = "the host is gone; the session is opened anew at another base URL".to_owned();
    Failure { kind: FailureKind::Unauthorized, text, retry_after: None }
}
