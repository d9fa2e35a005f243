//! How a session opens: login, handshake, subscriptions.
//!
//! Deliberately absent: the connect loop (see `machine`) and the way back after failures (see `recovery`).

use crate::base::data::Certainty;
use crate::inbound::session::bayeux::{Ack, Hold, Meta, Numbered, Request};
use crate::inbound::session::machine::{DEFAULT_TIMEOUT, Machine};
use crate::inbound::session::protocol::{Action, FailureKind, LoginFailure, Moment, Note, Phase};
use crate::inbound::session::replies::{failure, is_reply, session_unknown, told, told_to_handshake};
use crate::inbound::session::steps::{Next, Step};
use std::time::Duration;

impl Machine {
    pub(super) fn login(&mut self, fresh: bool, then_resume: bool, out: &mut Vec<Action>) {
        self.step = Step::Login { then_resume };
        out.push(Action::Report(Phase::Login));
        out.push(Action::Login { fresh });
    }

    pub(super) fn logged_in(&mut self, then_resume: bool, out: &mut Vec<Action>) {
        self.logins_failed = 0;
        if then_resume && self.client_id.is_some() {
            // The Bayeux session may have outlived the HTTP session: ask it before giving its queue up.
            return self.connect(Hold::None, out);
        }
        if self.client_id.is_some() {
            // A session taken over was only to change its subscriptions: what waits for it is given up with it.
            self.open_gap("session-unknown", Certainty::Certain, out);
        }
        self.handshake(out);
    }

    pub(super) fn login_failed(
        &mut self,
        at: Moment,
        failure: LoginFailure,
        then_resume: bool,
        out: &mut Vec<Action>,
    ) {
        match failure {
            LoginFailure::Refused(reason)
            | LoginFailure::Stale(reason)
            | LoginFailure::Unusable(reason)
            | LoginFailure::OtherUser(reason) => {
                out.push(Action::Say(Note::LoginRefused(reason)));
                self.give_up_resuming(out);
                // Nobody listens for this agent until it is let in again.
                self.open_gap("refused", Certainty::Certain, out);
                self.client_id = None;
                out.push(Action::Report(Phase::Refused));
                self.step = Step::Refused;
                out.push(Action::AwaitPardon);
            }
            LoginFailure::Passing(failure) => {
                self.logins_failed += 1;
                let fresh = self.logins_failed > 1;
                self.back_off(at, "login", &failure, Next::Login { fresh, then_resume }, out);
            }
        }
    }

    pub(super) fn handshake(&mut self, out: &mut Vec<Action>) {
        // A new session knows nothing of the old one's batches or advice.
        self.client_id = None;
        self.ack = None;
        self.granted = false;
        (self.channels, self.asked_twice) = (Vec::new(), false);
        self.interval = Duration::ZERO;
        self.timeout = DEFAULT_TIMEOUT;
        let id = self.next_id();
        self.step = Step::Handshake { id: id.clone() };
        out.push(Action::Report(Phase::Handshake));
        out.push(Action::Send { request: Request::Handshake { id }, timeout: self.rules.network_delay });
    }

    pub(super) fn handshake_replied(
        &mut self,
        at: Moment,
        id: &str,
        metas: &[Meta],
        data: usize,
        out: &mut Vec<Action>,
    ) {
        let Some(reply) = metas.iter().find(|meta| is_reply(meta, "/meta/handshake", id)) else {
            out.push(Action::Say(Note::HandshakeFailed));
            let failure = failure(FailureKind::Http, "the reply held no answer to the handshake");
            return self.back_off(at, "handshake", &failure, Next::Handshake, out);
        };
        self.advise(reply.advice.as_ref());
        if !reply.successful || reply.client_id.is_none() {
            out.push(Action::Say(Note::HandshakeFailed));
            let text = format!(
                "the server refused the handshake: {}",
                reply.error.as_deref().map_or_else(|| "it gave no reason".to_owned(), told)
            );
            // Whatever the advice: the way back is through the login, with a growing wait.
            let next = Next::Login { fresh: true, then_resume: false };
            return self.back_off(at, "handshake", &failure(FailureKind::Http, &text), next, out);
        }
        if !reply.connection_types.is_empty() && !reply.connection_types.iter().any(|t| t == "long-polling") {
            out.push(Action::Say(Note::HandshakeFailed));
            let text =
                "the server offers no long polling: check notifications_path, and what stands in between";
            // It will offer the same a moment later.
            self.failures = self.failures.max(15);
            let next = Next::Login { fresh: true, then_resume: false };
            return self.back_off(at, "handshake", &failure(FailureKind::Http, text), next, out);
        }
        self.client_id.clone_from(&reply.client_id);
        self.answered = Some(at.now);
        let (acks, first) = match reply.ack {
            Ack::None => (false, None),
            Ack::Enabled => (true, Some(0)),
            Ack::Batch(batch) => (true, Some(batch)),
        };
        self.crowded = 0;
        out.push(Action::Say(Note::HandshakeOk { ack: acks }));
        self.store_then(at, data, first, Next::Subscribe, out);
    }

    /// Channels of the configuration that the session has not subscribed to.
    pub(super) fn missing(&self) -> impl Iterator<Item = &String> {
        self.rules.channels.iter().filter(|channel| !self.channels.contains(channel))
    }

    /// Channels that an earlier process subscribed to, and that are not configured any more.
    pub(super) fn unwanted(&self) -> impl Iterator<Item = &String> {
        self.channels.iter().filter(|channel| !self.rules.channels.contains(channel))
    }

    /// Whether the session has subscribed to what is configured now.
    pub fn subscribed_to_all(&self) -> bool {
        self.missing().next().is_none() && self.unwanted().next().is_none()
    }

    pub(super) fn subscribe(&mut self, out: &mut Vec<Action>) {
        let (missing, unwanted): (Vec<String>, Vec<String>) =
            (self.missing().cloned().collect(), self.unwanted().cloned().collect());
        let mut numbered = |channels: Vec<String>| -> Vec<Numbered> {
            channels.into_iter().map(|channel| (self.next_id(), channel)).collect()
        };
        let (ids, gone) = (numbered(missing), numbered(unwanted));
        let client_id = self.client_id.clone().unwrap_or_default();
        self.step = Step::Subscribe { ids: ids.clone(), gone: gone.clone() };
        out.push(Action::Report(Phase::Subscribe));
        out.push(Action::Send {
            request: Request::Subscribe { client_id, channels: ids, gone },
            timeout: self.rules.network_delay,
        });
    }

    pub(super) fn subscribe_replied(
        &mut self,
        at: Moment,
        (ids, gone): (&[Numbered], &[Numbered]),
        metas: &[Meta],
        data: usize,
        out: &mut Vec<Action>,
    ) {
        let reply_to = |meta: &str, id: &str| metas.iter().find(|reply| is_reply(reply, meta, id));
        if ids.iter().any(|(id, _)| reply_to("/meta/subscribe", id).is_some_and(session_gone)) {
            return self.lost(at, data, "session-unknown", Certainty::Certain, out);
        }
        if !gone.iter().all(|(id, _)| reply_to("/meta/unsubscribe", id).is_some_and(|reply| reply.successful))
        {
            // What is not to be read any more is not read: a new session subscribes to the rest alone.
            return self.lost(at, data, "restart", Certainty::Certain, out);
        }
        self.channels.retain(|channel| !gone.iter().any(|(_, gone)| gone == channel));
        let (mut refused, mut passing) = (Vec::new(), false);
        for (id, channel) in ids {
            let reply = reply_to("/meta/subscribe", id);
            if reply.is_some_and(|reply| reply.successful) {
                self.channels.push(channel.clone());
                continue;
            }
            let error = reply.and_then(|reply| reply.error.clone());
            passing |= error.as_deref().is_none_or(failed_in_passing);
            refused.push((channel, error));
        }
        if passing && !std::mem::replace(&mut self.asked_twice, true) {
            return self.store_then(at, data, None, Next::Subscribe, out);
        }
        for (channel, error) in refused {
            let error =
                error.map_or_else(|| "no answer to the subscription".to_owned(), |error| told(&error));
            out.push(Action::Say(Note::SubscriptionRefused { channel: channel.clone(), error }));
        }
        self.asked_twice = false;
        if self.channels.is_empty() {
            return self.store_then(at, data, None, Next::SubscribeAgain, out);
        }
        // What is refused is not asked for again in this session.
        self.channels.clone_from(&self.rules.channels);
        self.subscribed = Some(at.now);
        // Of an agent never held before, nothing is missing until now.
        self.covered = self.covered.or(Some(at.now));
        out.push(Action::Say(Note::Subscribed));
        self.store_then(at, data, None, Next::Connect { after: Duration::ZERO, hold: Hold::None }, out);
    }
}

fn session_gone(reply: &Meta) -> bool {
    session_unknown(reply) || told_to_handshake(reply)
}

/// Not denied: the server could not do it now (`403::subscribe_failed`, or an error of its own).
fn failed_in_passing(error: &str) -> bool {
    error.starts_with('5') || error.contains("subscribe_failed")
}
