//! What the machine says, as log lines, metrics and gaps.
//!
//! A trouble that goes on is logged at its first time and then at each doubling, and what befalls many agents at once
//! is said of a few of them and then of the site (see `tally`), so that an outage is seen and not drowned in; with
//! `log.level = "debug"` every agent has its lines. Deliberately absent: deciding anything.

pub mod tally;

use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::quarantine::Kept;
use crate::inbound::session::protocol::{FailureKind, Note, certainty_word};
use crate::inbound::site::Site;
use std::io;
use std::sync::Arc;
use tally::{Kind, Told};
use tokio::time::Instant;

pub fn say(session: &Session, note: &Note, now: Millis) {
    let site = session.site.config.name.as_str();
    let agent = session.agent.key.as_str();
    let metrics = &session.metrics;
    match note {
        Note::LoginRefused(reason) => {
            session.view.cause(reason);
            tracing::error!(site, agent, "login refused, not tried again: {reason}");
        }
        Note::Trouble { step, text, attempt } => {
            session.view.cause(&format!("{step} failed: {text}"));
            if attempt.is_power_of_two() && by_name(session, Kind::Trouble) {
                tracing::warn!(site, agent, attempt, "{step} failed, trying again: {text}");
            } else {
                tracing::debug!(site, agent, attempt, "{step} failed, trying again: {text}");
            }
        }
        Note::Recovered { attempts } => match by_name(session, Kind::Recovered) {
            true => tracing::info!(site, agent, attempts, "works again"),
            false => tracing::debug!(site, agent, attempts, "works again"),
        },
        Note::HandshakeOk { ack } => {
            metrics.session_handshakes_total.with_label_values(&[site, "ok"]).inc();
            acknowledges(session, *ack);
        }
        Note::HandshakeFailed => {
            metrics.session_handshakes_total.with_label_values(&[site, "failed"]).inc();
        }
        Note::ConnectOk => {
            metrics.connects_total.with_label_values(&[site, "ok"]).inc();
            session.view.good(now);
            session.view.cause("");
        }
        Note::Stalled { since } => {
            let seconds = (now - since) / 1000;
            // The operator is not to look at the disk where a sink is the reason.
            let why = match session.intake.paused() {
                true => "a sink with on_limit = \"stop-intake\" holds the intake up",
                false => "storage stalled: a batch waits to be written",
            };
            session.view.cause(why);
            const KEPT: &str = "the session is kept alive and nothing is acknowledged";
            match by_name(session, Kind::Stalled) {
                true => tracing::warn!(site, agent, seconds, "{why}; {KEPT}"),
                false => tracing::debug!(site, agent, seconds, "{why}; {KEPT}"),
            }
        }
        other => say_of_session(session, other),
    }
}

/// What it means that the server does not is said once for the site.
fn acknowledges(session: &Session, ack: bool) {
    session.view.set_ack(ack);
    if !ack && session.site.first_without_ack() {
        tracing::warn!(
            site = session.site.config.name,
            "the server has no ack extension: a reply that is lost on the way can not come again, and a restart may lose what was under way; each such moment of any agent is published as a possible gap, and the agent's state is read again over REST"
        );
    }
}

/// What concerns the Bayeux session and how it was opened.
fn say_of_session(session: &Session, note: &Note) {
    let site = session.site.config.name.as_str();
    let agent = session.agent.key.as_str();
    let metrics = &session.metrics;
    let resumed = |result| metrics.sessions_resumed_total.with_label_values(&[site, result]).inc();
    match note {
        Note::Resumed { ack } => {
            resumed("resumed");
            acknowledges(session, *ack);
            tracing::debug!(site, agent, "the session of the process before goes on");
        }
        Note::NotResumed => {
            resumed("unknown");
            gone(session, "the session of the process before is gone; a new one is opened");
        }
        Note::TooOld => {
            resumed("too-old");
            gone(session, "the session of the process before is too old to live; a new one is opened");
        }
        Note::SubscriptionRefused { channel, error } => {
            metrics.subscriptions_refused_total.with_label_values(&[site]).inc();
            if by_name(session, Kind::SubscriptionRefused) {
                tracing::warn!(
                    site,
                    agent,
                    "the server refused to subscribe {channel}: {error}; the other channels go on"
                );
            } else {
                tracing::debug!(site, agent, "the server refused to subscribe {channel}: {error}");
            }
        }
        // It comes with every reply as long as it lasts.
        Note::MultipleClients { times } => {
            const WORDS: &str = "the server sees several CometD clients behind one cookie and slows this one down: another program uses this session, or a proxy mixes cookies";
            match times.is_power_of_two() && by_name(session, Kind::MultipleClients) {
                true => tracing::warn!(site, agent, times, "{WORDS}"),
                false => tracing::debug!(site, agent, times, "{WORDS}"),
            }
        }
        other => say_of_coverage(session, other),
    }
}

/// Sessions lost, gaps opened and closed.
fn say_of_coverage(session: &Session, note: &Note) {
    let site = session.site.config.name.as_str();
    let agent = session.agent.key.as_str();
    let metrics = &session.metrics;
    match note {
        Note::Lost { reason } => {
            metrics.session_lost_total.with_label_values(&[site, *reason]).inc();
            match by_name(session, Kind::Lost) {
                true => tracing::warn!(site, agent, reason, "session lost, handshaking anew"),
                false => tracing::debug!(site, agent, reason, "session lost, handshaking anew"),
            }
        }
        Note::GapOpened { cause, certainty, .. } => {
            let word = certainty_word(*certainty);
            metrics.session_gaps_total.with_label_values(&[site, *cause, word]).inc();
            const WORDS: &str = "a gap opens: notifications may be missed";
            match by_name(session, Kind::GapOpened) {
                true => tracing::warn!(site, agent, cause, certainty = word, "{WORDS}"),
                false => tracing::debug!(site, agent, cause, certainty = word, "{WORDS}"),
            }
        }
        Note::GapClosed { cause, .. } => match by_name(session, Kind::GapClosed) {
            true => tracing::info!(site, agent, cause, "the gap is closed"),
            false => tracing::debug!(site, agent, cause, "the gap is closed"),
        },
        _ => {}
    }
}

fn gone(session: &Session, words: &str) {
    let site = session.site.config.name.as_str();
    let agent = session.agent.key.as_str();
    match by_name(session, Kind::Gone) {
        true => tracing::info!(site, agent, "{words}"),
        false => tracing::debug!(site, agent, "{words}"),
    }
}

/// A reading that came to nothing, `tries` of them in a row.
pub fn unread(session: &Session, tries: u32, why: &str) {
    let agent = session.agent.key.as_str();
    if tries.is_power_of_two() && by_name(session, Kind::Unread) {
        tracing::warn!(agent, tries, "the agent's state could not be read over REST: {why}");
    } else {
        tracing::debug!(agent, tries, "the agent's state could not be read over REST: {why}");
    }
}

/// What became of a reply that was put aside, said of the agent; the same in words for its status.
pub fn put_aside(session: &Session, step: &str, bytes: usize, kept: io::Result<Kept>) -> String {
    let (site, agent) = (session.site.config.name.as_str(), session.agent.key.as_str());
    let count = || session.metrics.replies_quarantined_total.with_label_values(&[site]).inc();
    // Each file is named once in the log: there are few.
    let named = matches!(kept, Ok(Kept::New(_))) || by_name(session, Kind::Unreadable);
    let words = match kept {
        Ok(Kept::New(path) | Kept::Before(path)) => {
            count();
            format!("three replies in a row could not be read, such a one is kept in {}", path.display())
        }
        Ok(Kept::Full) => "three replies in a row could not be read; none is kept, as the quarantine directory is full of younger ones".to_owned(),
        Err(error) => format!("three replies in a row could not be read, and none could be kept: {error}"),
    };
    match named {
        true => tracing::error!(site, agent, bytes, "{step}: {words}; the session begins anew"),
        false => tracing::debug!(site, agent, bytes, "{step}: {words}; the session begins anew"),
    }
    words
}

/// The HTTP session ended by itself.
pub fn logged_out(session: &Session) {
    let agent = session.agent.key.as_str();
    match by_name(session, Kind::LoggedOut) {
        true => tracing::info!(agent, "the HTTP session is no longer logged in; logging in again"),
        false => tracing::debug!(agent, "the HTTP session is no longer logged in; logging in again"),
    }
}

/// Whether this is to be said of the agent by name; what is not is counted, and summed up for the site.
fn by_name(session: &Session, kind: Kind) -> bool {
    let Told::Count { first } = session.site.tally.tell(kind, Instant::now()) else { return true };
    if first {
        tokio::spawn(sum_up(Arc::clone(&session.site), kind));
    }
    false
}

async fn sum_up(site: Arc<Site>, kind: Kind) {
    loop {
        let length = site.tally.stretch(kind);
        tokio::time::sleep(length).await;
        let Some(agents) = site.tally.sum(kind) else { return };
        say_of_many(&site.config.name, kind, agents, length.as_secs());
    }
}

/// `times`: an agent may be among them more than once.
fn say_of_many(site: &str, kind: Kind, times: u64, seconds: u64) {
    const MORE: &str = "many agents at once, these beside those named (log.level \"debug\" names all)";
    match kind {
        Kind::Trouble => tracing::warn!(site, times, seconds, "requests fail and are tried again: {MORE}"),
        Kind::Recovered => tracing::info!(site, times, seconds, "works again: {MORE}"),
        Kind::Lost => tracing::warn!(site, times, seconds, "sessions lost, handshaking anew: {MORE}"),
        Kind::GapOpened => {
            tracing::warn!(site, times, seconds, "gaps open: notifications may be missed: {MORE}");
        }
        Kind::GapClosed => tracing::info!(site, times, seconds, "gaps are closed: {MORE}"),
        Kind::Gone => tracing::info!(site, times, seconds, "sessions of the process before are gone: {MORE}"),
        Kind::Stalled => tracing::warn!(site, times, seconds, "batches wait to be written: {MORE}"),
        Kind::SubscriptionRefused => {
            tracing::warn!(site, times, seconds, "the server refused subscriptions: {MORE}");
        }
        Kind::MultipleClients => {
            tracing::warn!(
                site,
                times,
                seconds,
                "the server sees several CometD clients behind one cookie: {MORE}"
            );
        }
        Kind::Unreadable => {
            tracing::error!(site, times, seconds, "replies could not be read, sessions begin anew: {MORE}");
        }
        Kind::Unread => tracing::warn!(site, times, seconds, "states could not be read over REST: {MORE}"),
        Kind::LoggedOut => {
            tracing::info!(site, times, seconds, "HTTP sessions ended; logging in again: {MORE}");
        }
    }
}

pub fn login(session: &Session, result: &str) {
    session.metrics.session_logins_total.with_label_values(&[&session.site.config.name, result]).inc();
}

pub fn connect_failed(session: &Session, kind: FailureKind) {
    let result = if kind == FailureKind::Timeout { "timeout" } else { "failed" };
    session.metrics.connects_total.with_label_values(&[session.site.config.name.as_str(), result]).inc();
}
