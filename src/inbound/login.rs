//! The login of one session, with its account in mind: no secret is tried that was refused before.
//!
//! Deliberately absent: what an answer of the server means (`session::login`), and who may log in when (`accounts`).

use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::accounts::{Credentials, Judged, Leave, Tried};
use crate::inbound::carry::Held;
use crate::inbound::normalise::Context;
use crate::inbound::notes;
use crate::inbound::presence::{State, recent, state_known, state_of};
use crate::inbound::reconcile::lists;
use crate::inbound::session::login::{authorize, login};
use crate::inbound::session::protocol::{Failure, FailureKind, Input, LoginFailure};
use crate::inbound::session::transport::Transport;
use crate::inbound::site::Errand;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A refused agent's secret is looked at so often, to see whether it was changed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A secret read longer ago than this is read again before it is used.
const STALE_SECRET: Duration = Duration::from_secs(60);

/// The agent's devices and channels, as the vendor's own desktop asks for them.
const STATES: &str = "/api/v2/me?subresources=devices,channels";

/// A login under way may end so long after a stop.
const LAST_WORD: Duration = Duration::from_secs(3);

impl Held {
    /// `covered`: until when the session before would have been told of the agent's states.
    pub(super) async fn login(&mut self, fresh: bool, covered: Option<Millis>) -> Input {
        self.fresh_login = fresh;
        self.epoch += 1;
        self.other_user = false;
        let (stop, leaving) = (self.stop.clone(), self.session.leave.clone());
        let password = tokio::select! {
            password = self.leave() => password,
            () = stop.cancelled() => return Input::Stop,
            () = leaving.cancelled() => return Input::Leave,
        };
        self.useless = None;
        let result = match password {
            // What the server says to this secret has to be noted: a refusal that nobody noted is tried again.
            Ok(password) => {
                let result = tokio::select! {
                    biased;
                    result = self.try_login(&password) => result,
                    () = last_word(&stop) => return Input::Stop,
                };
                if matches!(result, Err(LoginFailure::Unusable(_))) {
                    self.useless = Some(password);
                }
                result
            }
            Err(failure) => Err(failure),
        };
        let word = match &result {
            Ok(()) => "ok",
            Err(LoginFailure::Passing(_)) => "failed",
            Err(LoginFailure::OtherUser(_)) => "other-user",
            Err(_) => "refused",
        };
        notes::login(&self.session, word);
        self.other_user = matches!(result, Err(LoginFailure::OtherUser(_)));
        match result {
            Ok(()) => {
                tokio::select! {
                    () = self.look_before(covered) => {}
                    () = stop.cancelled() => return Input::Stop,
                    () = leaving.cancelled() => return Input::Leave,
                }
                self.upkeep.resume();
                Input::LoggedIn
            }
            Err(failure) => Input::LoginFailed(failure),
        }
    }

    /// How the agent stood before our session begins, so that the first reading can tell whether that threw it out: as
    /// it is known, or, where nothing was told lately, as REST shows it now. One that can not be read is not counted.
    async fn look_before(&mut self, covered: Option<Millis>) {
        let presence = Arc::clone(&self.upkeep.presence);
        presence.forget_old(covered, self.session.clock.now());
        if presence.is_empty() && recent(covered, self.session.clock.now()) {
            let rows = self.known().await;
            presence.shown_out(rows.iter().filter_map(state_known).collect(), true);
        }
        if presence.is_empty() {
            let (states, whole) = states_now(&self.session, &self.transport).await;
            presence.shown_out(states, whole);
        }
    }

    async fn try_login(&mut self, password: &SecretString) -> Result<(), LoginFailure> {
        if self.fresh_login {
            // After the wait: the base URL in use may be another by now.
            self.transport.forget();
        }
        let (site, agent) = (&self.session.site, &self.session.agent);
        let (charset, timeout) = (site.config.password_charset, site.config.network_delay);
        let result = login(&self.transport, agent, password, charset, timeout).await;
        let tried = match &result {
            Ok(_) => Tried::Worked,
            Err(LoginFailure::Refused(reason)) => Tried::Refused(reason.clone()),
            Err(LoginFailure::Stale(reason)) => Tried::Stale(reason.clone()),
            Err(_) => Tried::Other,
        };
        match self.session.accounts.tried(&agent.key, &self.with(password), tried).await {
            Judged::SiteFault => Err(passing(
                "the server refuses many agents whose passwords worked before: taken for a fault of its directory, nobody is marked"
                    .to_owned(),
            )),
            Judged::Fine | Judged::Refused(_) => {
                self.place = result?.map(|id| self.session.site.users.hold(&id, &self.session.agent.key));
                Ok(())
            }
        }
    }

    /// Waits for leave to log in; the secret is read anew where that took its time.
    async fn leave(&mut self) -> Result<SecretString, LoginFailure> {
        loop {
            let password = self.password().await.map_err(passing)?;
            let asked = tokio::time::Instant::now();
            let (site, agent) = (&self.session.site, &self.session.agent);
            let pinned = self.transport.pinned().then(|| self.transport.base());
            let secret = self.with(&password);
            match self.session.accounts.enter(site, pinned.as_ref(), &agent.key, &secret).await {
                Leave::Refused(reason) => return Err(LoginFailure::Refused(reason)),
                Leave::Go if asked.elapsed() < STALE_SECRET => return Ok(password),
                Leave::Go => {
                    // The secret may have changed meanwhile; the turn is given up, and the next one comes soon.
                    if self.password().await.is_ok_and(|now| same(&now, &password)) {
                        return Ok(password);
                    }
                }
            }
        }
    }

    fn with(&self, password: &SecretString) -> Credentials {
        Credentials { username: self.session.agent.username.clone(), password: password.clone() }
    }

    async fn password(&mut self) -> Result<SecretString, String> {
        self.session.site.passwords.read(&self.session.site.config, &self.session.agent).await
    }

    /// Puts cookies and secret of the saved session in place; `false` where they are of no use any more.
    pub(super) async fn restore(&mut self) -> bool {
        let Ok(password) = self.password().await else { return false };
        let (agent, accounts) = (&self.session.agent, Arc::clone(&self.session.accounts));
        // A new secret has to prove itself at the login, where a refusal is told from a lost session.
        if !accounts.worked(&agent.key, &self.with(&password))
            || !self.transport.restore(&self.session.past.jar)
        {
            return false;
        }
        let charset = self.session.site.config.password_charset;
        if authorize(&self.transport, agent, &password, charset).is_err() {
            return false;
        }
        self.epoch += 1;
        let user = self.session.past.user.as_deref();
        self.place = user.map(|id| self.session.site.users.hold(id, &agent.key));
        self.upkeep.resume();
        true
    }

    /// Ends when the agent may be tried again: an operator asked, or the secret changed.
    pub(super) async fn pardon(&mut self) -> Input {
        let accounts = Arc::clone(&self.session.accounts);
        let key = self.session.agent.key.clone();
        loop {
            let again = LOOK_AGAIN.mul_f64(0.75 + fastrand::f64() / 2.0);
            tokio::select! {
                () = accounts.pardoned(&key) => return Input::Pardoned,
                () = tokio::time::sleep(again) => {}
            }
            if let Ok(password) = self.password().await
                && !self.other_user
                && self.useless.as_ref().is_none_or(|useless| !same(useless, &password))
                && accounts.refused(&key, &self.with(&password)).is_none()
            {
                return Input::Pardoned;
            }
        }
    }
}

/// What REST shows of devices and channels, asked for once; and whether that is all of them.
async fn states_now(session: &Session, transport: &Transport) -> (Vec<State>, bool) {
    let (site, agent) = (&session.site, &session.agent);
    site.admit_at(Errand::Open, &transport.base()).await;
    let answer = transport.get(STATES, site.config.network_delay).await;
    let body = answer.ok().and_then(|answer| lists::good(answer.status, &answer.body, STATES, true).ok());
    let Some(me) = body.map(|body| lists::me(&body)).filter(|me| me.is(&agent.username)) else {
        return (Vec::new(), false);
    };
    let cx =
        Context { site: &site.config, agent: &agent.key, users: &site.users, received: session.clock.now() };
    (me.agent_states(&cx).iter().filter_map(state_of).collect(), me.whole())
}

async fn last_word(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_WORD).await;
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

fn passing(text: String) -> LoginFailure {
    LoginFailure::Passing(Failure { kind: FailureKind::Network, text, retry_after: None })
}

#[cfg(test)]
mod tests;
