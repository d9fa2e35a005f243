//! What the machine says, as log lines, metrics and gaps.
//!
//! A trouble that goes on is logged at its first time and then at each doubling, so that an outage of a whole
//! site is seen and not drowned in. Deliberately absent: deciding anything.

use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::session::protocol::{FailureKind, Note, certainty_word};

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
            if attempt.is_power_of_two() {
                tracing::warn!(site, agent, attempt, "{step} failed, trying again: {text}");
            }
        }
        Note::Recovered { attempts } => tracing::info!(site, agent, attempts, "works again"),
        Note::HandshakeOk { ack } => {
            metrics.session_handshakes_total.with_label_values(&[site, "ok"]).inc();
            session.view.set_ack(*ack);
            if !ack && session.site.first_without_ack() {
                tracing::warn!(
                    site,
                    "the server has no ack extension: a reply that is lost on the way can not come again, and a restart may lose what was under way; each such moment of any agent is published as a possible gap, and the agent's state is read again over REST"
                );
            }
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
            session.view.cause("storage stalled: a batch waits to be written");
            tracing::warn!(
                site,
                agent,
                seconds,
                "storage stalled: a batch waits to be written; the session is kept alive and nothing is acknowledged"
            );
        }
        other => say_of_session(session, other),
    }
}

/// What concerns the Bayeux session and its coverage.
fn say_of_session(session: &Session, note: &Note) {
    let site = session.site.config.name.as_str();
    let agent = session.agent.key.as_str();
    let metrics = &session.metrics;
    match note {
        Note::Resumed(true) => {
            metrics.sessions_resumed_total.with_label_values(&[site, "resumed"]).inc();
            tracing::debug!(site, agent, "the session of the process before goes on");
        }
        Note::Resumed(false) => {
            metrics.sessions_resumed_total.with_label_values(&[site, "unknown"]).inc();
            tracing::info!(site, agent, "the session of the process before is gone; a new one is opened");
        }
        Note::TooOld => {
            metrics.sessions_resumed_total.with_label_values(&[site, "too-old"]).inc();
            tracing::info!(
                site,
                agent,
                "the session of the process before is too old to live; a new one is opened"
            );
        }
        Note::SubscriptionRefused { channel, error } => {
            metrics.subscriptions_refused_total.with_label_values(&[site]).inc();
            tracing::warn!(
                site,
                agent,
                "the server refused to subscribe {channel}: {error}; the other channels go on"
            );
        }
        Note::MultipleClients => {
            tracing::warn!(
                site,
                agent,
                "the server sees several CometD clients behind one cookie and slows this one down: another program uses this session, or a proxy mixes cookies"
            );
        }
        Note::Lost { reason } => {
            metrics.session_lost_total.with_label_values(&[site, *reason]).inc();
            tracing::warn!(site, agent, reason, "session lost, handshaking anew");
        }
        Note::GapOpened { cause, certainty, .. } => {
            let word = certainty_word(*certainty);
            metrics.session_gaps_total.with_label_values(&[site, *cause, word]).inc();
            tracing::warn!(site, agent, cause, certainty = word, "a gap opens: notifications may be missed");
        }
        Note::GapClosed { cause, .. } => tracing::info!(site, agent, cause, "the gap is closed"),
        _ => {}
    }
}

pub fn login(session: &Session, result: &str) {
    session.metrics.session_logins_total.with_label_values(&[&session.site.config.name, result]).inc();
}

pub fn connect_failed(session: &Session, kind: FailureKind) {
    let result = if kind == FailureKind::Timeout { "timeout" } else { "failed" };
    session.metrics.connects_total.with_label_values(&[session.site.config.name.as_str(), result]).inc();
}
