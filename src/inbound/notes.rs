//! What the machine says, as log lines, metrics and gaps.
//!
//! A trouble that goes on is logged at its first time and then at each doubling, so that an outage of a whole
//! site is seen and not drowned in. Deliberately absent: deciding anything.

use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::session::protocol::{FailureKind, Note, certainty_word};
use crate::journal::Gap;

pub fn say(session: &Session, note: &Note, now: Millis) {
    let site = session.site.config.name.as_str();
    let agent = session.agent.key.as_str();
    let metrics = &session.metrics;
    match note {
        Note::LoginRefused(reason) => {
            tracing::error!(site, agent, "login refused, not tried again: {reason}");
        }
        Note::Trouble { step, text, attempt } => {
            if attempt.is_power_of_two() {
                tracing::warn!(site, agent, attempt, "{step} failed, trying again: {text}");
            }
        }
        Note::Recovered { attempts } => tracing::info!(site, agent, attempts, "works again"),
        Note::HandshakeOk { ack } => {
            metrics.session_handshakes_total.with_label_values(&[site, "ok"]).inc();
            session.view.set_ack(*ack);
            if !ack {
                tracing::warn!(
                    site,
                    agent,
                    "the server has no ack extension: a reply lost on the way can not come again; each such moment is published as a possible gap"
                );
            }
        }
        Note::HandshakeFailed => {
            metrics.session_handshakes_total.with_label_values(&[site, "failed"]).inc();
        }
        Note::ConnectOk => {
            metrics.connects_total.with_label_values(&[site, "ok"]).inc();
            session.view.good(now);
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
    }
}

/// The gap to publish, where the note is about one.
pub fn gap_of(note: &Note, now: Millis) -> Option<Gap> {
    let (from, to, cause, certainty) = match *note {
        Note::GapOpened { from, cause, certainty } => (from, None, cause, certainty),
        Note::GapClosed { from, cause, certainty } => (from, Some(now), cause, certainty),
        _ => return None,
    };
    let certainty = certainty_word(certainty).to_owned();
    let (id, session) = (String::new(), String::new());
    Some(Gap { id, session, from, opened: now, to, cause: cause.to_owned(), certainty, first: 0 })
}

pub fn login(session: &Session, result: &str) {
    session.metrics.session_logins_total.with_label_values(&[&session.site.config.name, result]).inc();
}

pub fn connect_failed(session: &Session, kind: FailureKind) {
    let result = if kind == FailureKind::Timeout { "timeout" } else { "failed" };
    session.metrics.connects_total.with_label_values(&[session.site.config.name.as_str(), result]).inc();
}
