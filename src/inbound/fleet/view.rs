//! One session as it is seen from outside. Kept small: there is one for each of very many sessions.
//!
//! Deliberately absent: any decision of the session itself.

use super::standing::{Compared, Facts, Standing};
use crate::base::metrics::Metrics;
use crate::base::time::{Clock, Millis};
use crate::inbound::normalise::Kinds;
use crate::inbound::reconcile::Finding;
use crate::inbound::session::protocol::Phase;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by the session, which tells it, and by whoever asks.
pub struct View {
    site: Arc<str>,
    metrics: Metrics,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    facts: Facts,
    standing: Standing,
    /// Since when it stands so.
    since: Millis,
    ack: Option<bool>,
    /// Zero: never.
    good: Millis,
    heard: Millis,
    /// When the agent was connected first, by this process or an earlier one.
    connected: Millis,
    node: Option<Box<str>>,
    /// Why it is not connected.
    cause: Box<str>,
    /// What the last comparison said, where that needs words.
    read: Box<str>,
}

/// What a [`View`] shows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub phase: Phase,
    pub standing: Standing,
    pub since: Millis,
    /// Empty where there is nothing to explain.
    pub cause: String,
    pub ack: Option<bool>,
    /// The last good answer to a connect.
    pub good: Option<Millis>,
    /// The last notification.
    pub heard: Option<Millis>,
    /// When it was connected first since the bridge began to hold it.
    pub connected: Option<Millis>,
    pub node: Option<String>,
}

impl View {
    pub fn new(site: &Arc<str>, metrics: Metrics, clock: Clock) -> View {
        metrics.sessions.with_label_values(&[site, Phase::Starting.as_str()]).inc();
        let facts = Facts::new();
        let state = State {
            facts,
            standing: facts.standing(),
            since: clock.now(),
            ack: None,
            good: 0,
            heard: 0,
            connected: 0,
            node: None,
            cause: Box::default(),
            read: Box::default(),
        };
        View { site: site.clone(), metrics, clock, state: Mutex::new(state) }
    }

    pub fn set(&self, phase: Phase) {
        let now = self.clock.now();
        let mut state = self.state();
        self.count(state.facts.phase, -1);
        self.count(phase, 1);
        state.facts.enter(phase);
        if phase == Phase::Connected && state.connected == 0 {
            state.connected = now;
        }
        if phase == Phase::Handshake {
            state.node = None;
        }
        state.judge(now);
    }

    /// Since when an earlier process held the agent.
    pub fn held_since(&self, at: Millis) {
        self.state().connected = at;
    }

    /// When the agent was connected first since the bridge began to hold it.
    pub fn connected(&self) -> Option<Millis> {
        Some(self.state().connected).filter(|at| *at > 0)
    }

    /// What an earlier process found it silent about.
    pub fn recall(&self, silent: Kinds) {
        self.state().facts.recall(silent);
    }

    /// What it is silent about.
    pub fn silent(&self) -> Kinds {
        self.state().facts.silent
    }

    pub fn phase(&self) -> Phase {
        self.state().facts.phase
    }

    pub fn set_ack(&self, ack: bool) {
        self.state().ack = Some(ack);
    }

    /// The server answered a connect well.
    pub fn good(&self, now: Millis) {
        self.state().good = now;
    }

    /// Notifications came, about these kinds.
    pub fn heard(&self, now: Millis, told: Kinds) {
        let mut state = self.state();
        state.heard = now;
        state.facts.hear(told);
        state.judge(now);
    }

    /// A reading over REST ended.
    pub fn read(&self, now: Millis, finding: &Finding) {
        let mut state = self.state();
        state.facts.compare(finding);
        match finding {
            Finding::Unread(text) => state.read = format!("could not be compared with REST: {text}").into(),
            Finding::Partly { why, .. } => {
                state.read = format!("not all could be read over REST: {why}").into();
            }
            Finding::LoggedOut => state.read = "the HTTP session is no longer logged in".into(),
            Finding::Agrees { .. } | Finding::Repaired { .. } | Finding::Silent { .. } => {
                state.read = Box::default();
            }
        }
        state.judge(now);
    }

    /// The session waits for storage, or no longer.
    pub fn stalled(&self, stalled: bool) {
        let now = self.clock.now();
        let mut state = self.state();
        state.facts.stalled = stalled;
        state.judge(now);
    }

    /// The node that answers, as a short hash; what an operator can compare, and nobody can use.
    pub fn node(&self, hash: Option<String>) {
        self.state().node = hash.map(String::into_boxed_str);
    }

    /// Why the session is not connected, in words without personal data; empty where it is.
    pub fn cause(&self, text: &str) {
        let mut state = self.state();
        if *state.cause != *text {
            state.cause = text.into();
        }
    }

    /// What went wrong last, where that is why it is not connected.
    pub fn trouble(&self) -> Option<String> {
        let state = self.state();
        (state.standing == Standing::Down && !state.cause.is_empty()).then(|| state.cause.to_string())
    }

    /// Everything at once.
    pub fn seen(&self) -> Seen {
        let state = self.state();
        let at = |at: Millis| (at > 0).then_some(at);
        Seen {
            phase: state.facts.phase,
            standing: state.standing,
            since: state.since,
            cause: state.why().into_owned(),
            ack: state.ack,
            good: at(state.good),
            heard: at(state.heard),
            connected: at(state.connected),
            node: state.node.as_deref().map(str::to_owned),
        }
    }

    fn count(&self, phase: Phase, by: i64) {
        self.metrics.sessions.with_label_values(&[&*self.site, phase.as_str()]).add(by);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for View {
    /// An agent that is held no longer is counted no longer.
    fn drop(&mut self) {
        self.count(self.phase(), -1);
    }
}

impl State {
    fn judge(&mut self, now: Millis) {
        let standing = self.facts.standing();
        if standing != self.standing {
            self.standing = standing;
            self.since = now;
        }
    }

    fn why(&self) -> Cow<'_, str> {
        let text = match self.standing {
            Standing::Live | Standing::Quiet => "",
            // A sink can be the reason, too.
            Standing::Stalled if !self.cause.is_empty() => &self.cause,
            Standing::Stalled => "waits until events can be stored; nothing is acknowledged",
            // Whatever a later comparison said: this is still the reason.
            Standing::Silent => {
                let kinds = self.facts.silent.words().join(", ");
                return format!("REST showed changes that the server never told of: {kinds}").into();
            }
            Standing::Unverified if self.facts.compared == Compared::NotYet => "not yet compared with REST",
            Standing::Unverified => &self.read,
            Standing::Refused | Standing::Down if !self.cause.is_empty() => &self.cause,
            Standing::Refused => "the login is refused",
            Standing::Down => match self.facts.phase {
                Phase::Backoff => "waits before the next try",
                Phase::Stopped => "ended",
                _ => "opening",
            },
        };
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> (View, Clock, Metrics) {
        let (clock, metrics) = (Clock::manual(1_000), Metrics::new().unwrap());
        (View::new(&Arc::from("main"), metrics.clone(), clock.clone()), clock, metrics)
    }

    #[test]
    fn since_is_when_the_standing_changed_and_not_when_it_was_confirmed() {
        let (view, clock, _) = view();
        clock.set(2_000);
        view.set(Phase::Handshake);
        assert_eq!((view.seen().standing, view.seen().since), (Standing::Down, 1_000));
        view.set(Phase::Connected);
        assert_eq!((view.seen().standing, view.seen().since), (Standing::Unverified, 2_000));
        view.heard(3_000, Kinds::NONE);
        view.heard(4_000, Kinds::NONE);
        let seen = view.seen();
        assert_eq!((seen.standing, seen.since, seen.heard), (Standing::Live, 3_000, Some(4_000)));
        assert_eq!((seen.good, seen.connected, seen.ack), (None, Some(2_000), None));
    }

    #[test]
    fn the_cause_belongs_to_the_standing() {
        let (view, ..) = view();
        assert_eq!(view.seen().cause, "opening");
        view.set(Phase::Backoff);
        assert_eq!(view.trouble(), None);
        view.cause("HTTP 503");
        assert_eq!(view.seen().cause, "HTTP 503");
        view.set(Phase::Login);
        assert_eq!(view.trouble().as_deref(), Some("HTTP 503"), "while it is tried again, too");
        view.set(Phase::Connected);
        assert_eq!(view.trouble(), None);
        assert_eq!(view.seen().cause, "not yet compared with REST");
        view.read(1, &Finding::Unread("HTTP 500".into()));
        assert_eq!(view.seen().cause, "could not be compared with REST: HTTP 500");
        view.read(2, &Finding::Silent { events: 2, kinds: Kinds::of(["device", "chat"]) });
        view.read(3, &Finding::Agrees { open: 1 });
        view.read(3, &Finding::Unread("HTTP 500".into()));
        assert_eq!(view.seen().cause, "REST showed changes that the server never told of: chat, device");
        view.heard(4, Kinds::of(["device"]));
        assert_eq!(view.seen().cause, "REST showed changes that the server never told of: chat");
        view.heard(4, Kinds::of(["chat"]));
        assert_eq!(view.seen().cause, "");
        view.cause("");
        view.stalled(true);
        assert!(view.seen().cause.starts_with("waits until events can be stored"));
        view.cause("a sink holds the intake up");
        assert_eq!(view.seen().cause, "a sink holds the intake up");
        view.cause("");
        view.set(Phase::Refused);
        assert_eq!(view.seen().cause, "the login is refused");
    }

    #[test]
    fn sessions_are_counted_in_one_phase_and_no_longer_when_they_are_gone() {
        let (view, _, metrics) = view();
        let count = |phase: Phase| metrics.sessions.with_label_values(&["main", phase.as_str()]).get();
        view.set(Phase::Connected);
        assert_eq!((count(Phase::Starting), count(Phase::Connected)), (0, 1));
        drop(view);
        assert_eq!(Phase::ALL.map(count), [0; Phase::ALL.len()]);
    }

    #[test]
    fn a_view_stays_small() {
        assert!(std::mem::size_of::<View>() <= 256, "{}", std::mem::size_of::<View>());
    }
}
