//! How a session stands: what an operator wants to know instead of phases of a protocol.
//!
//! One pure function over what is known. Deliberately absent: who learns it (`view`), and what is done about it.

use crate::inbound::normalise::Kinds;
use crate::inbound::reconcile::Finding;
use crate::inbound::session::protocol::Phase;

/// In words for people and for the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Connected, and notifications come (or REST agrees and something is open).
    Live,
    /// Connected; nothing came, and REST agrees that there is nothing open.
    Quiet,
    /// Connected, but REST showed changes that the server never told of.
    Silent,
    /// Connected; nothing came, and it was not yet compared with REST, or could not be.
    Unverified,
    /// The login is refused.
    Refused,
    /// Waits for storage: nothing is acknowledged.
    Stalled,
    /// Not connected.
    Down,
}

impl Standing {
    pub const ALL: [Standing; 7] = [
        Standing::Live,
        Standing::Quiet,
        Standing::Silent,
        Standing::Unverified,
        Standing::Refused,
        Standing::Stalled,
        Standing::Down,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Live => "live",
            Standing::Quiet => "quiet",
            Standing::Silent => "silent",
            Standing::Unverified => "unverified",
            Standing::Refused => "refused",
            Standing::Stalled => "stalled",
            Standing::Down => "down",
        }
    }

    pub fn parse(word: &str) -> Option<Standing> {
        Standing::ALL.into_iter().find(|standing| standing.as_str() == word)
    }
}

/// What the last comparison with REST said, in a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compared {
    /// None in this session.
    #[default]
    NotYet,
    NothingOpen,
    SomethingOpen,
    Unread,
    LoggedOut,
}

/// What is known of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub phase: Phase,
    pub stalled: bool,
    /// A notification came in this session.
    pub heard: bool,
    pub compared: Compared,
    /// Of these REST showed what the server never told, and nothing came since.
    pub silent: Kinds,
}

impl Facts {
    pub fn new() -> Facts {
        let (phase, compared) = (Phase::Starting, Compared::NotYet);
        Facts { phase, stalled: false, heard: false, compared, silent: Kinds::NONE }
    }

    /// A new phase. A handshake begins a session of which nothing is proven yet.
    pub fn enter(&mut self, phase: Phase) {
        if phase == Phase::Handshake {
            *self = Facts { stalled: self.stalled, ..Facts::new() };
        }
        if phase == Phase::Login && self.compared == Compared::LoggedOut {
            // After the login it is a finding about an HTTP session that is no more.
            self.compared = Compared::NotYet;
        }
        self.phase = phase;
    }

    /// Notifications prove that the server talks to this session; that it tells again of what it kept silent about,
    /// only those of the same kind.
    pub fn hear(&mut self, told: Kinds) {
        self.heard = true;
        self.silent = self.silent.without(told);
    }

    /// An earlier process found it silent; where a new session has to be opened, that says nothing of it.
    pub fn recall(&mut self, silent: Kinds) {
        self.silent = silent;
    }

    /// A comparison that could not be made takes nothing back of an earlier finding that it is silent.
    pub fn compare(&mut self, finding: &Finding) {
        self.compared = match finding {
            Finding::Agrees { open: 0 } | Finding::Repaired { open: 0, .. } => Compared::NothingOpen,
            Finding::Agrees { .. } | Finding::Repaired { .. } | Finding::Silent { .. } => {
                Compared::SomethingOpen
            }
            Finding::Partly { .. } | Finding::Unread(_) => Compared::Unread,
            Finding::LoggedOut => Compared::LoggedOut,
        };
        if let Finding::Silent { kinds, .. } = finding {
            self.silent = self.silent.and(*kinds);
        }
    }

    /// The decision.
    pub fn standing(&self) -> Standing {
        match self.phase {
            Phase::Refused => Standing::Refused,
            Phase::Stopped => Standing::Down,
            Phase::Stalled => Standing::Stalled,
            _ if self.stalled => Standing::Stalled,
            Phase::Connected => self.connected(),
            Phase::Starting
            | Phase::Resume
            | Phase::Login
            | Phase::Handshake
            | Phase::Subscribe
            | Phase::Backoff => Standing::Down,
        }
    }

    fn connected(&self) -> Standing {
        match self.compared {
            Compared::LoggedOut => Standing::Unverified,
            _ if !self.silent.is_empty() => Standing::Silent,
            _ if self.heard => Standing::Live,
            Compared::SomethingOpen => Standing::Live,
            Compared::NothingOpen => Standing::Quiet,
            Compared::NotYet | Compared::Unread => Standing::Unverified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connected() -> Facts {
        let mut facts = Facts::new();
        for phase in [Phase::Login, Phase::Handshake, Phase::Subscribe, Phase::Connected] {
            assert_eq!(facts.standing(), Standing::Down);
            facts.enter(phase);
        }
        facts
    }

    #[test]
    fn a_connected_session_is_unverified_until_something_came_or_rest_was_asked() {
        let mut facts = connected();
        assert_eq!(facts.standing(), Standing::Unverified);
        facts.compare(&Finding::Unread("HTTP 500".into()));
        assert_eq!(facts.standing(), Standing::Unverified);
        facts.compare(&Finding::Agrees { open: 0 });
        assert_eq!(facts.standing(), Standing::Quiet);
        facts.compare(&Finding::Repaired { events: 2, open: 0 });
        assert_eq!(facts.standing(), Standing::Quiet, "states went out, and nothing is open");
        facts.compare(&Finding::Partly { events: 2, why: "HTTP 503".into() });
        assert_eq!(facts.standing(), Standing::Unverified, "not all of it could be read");
        facts.compare(&Finding::Agrees { open: 2 });
        assert_eq!(facts.standing(), Standing::Live);
        facts.compare(&Finding::LoggedOut);
        assert_eq!(facts.standing(), Standing::Unverified);
        let mut facts = connected();
        facts.hear(Kinds::NONE);
        facts.compare(&Finding::Unread("HTTP 500".into()));
        assert_eq!(facts.standing(), Standing::Live, "what came is proof enough");
    }

    #[test]
    fn a_silent_session_stays_silent_until_something_comes_or_it_begins_anew() {
        let mut facts = connected();
        facts.compare(&silent(&["chat"]));
        facts.compare(&Finding::Agrees { open: 0 });
        facts.compare(&Finding::Unread(String::new()));
        assert_eq!(facts.standing(), Standing::Silent);
        let mut heard = facts;
        heard.hear(Kinds::of(["device", "chat"]));
        assert_eq!(heard.standing(), Standing::Live);
        facts.enter(Phase::Backoff);
        assert_eq!(facts.standing(), Standing::Down);
        facts.enter(Phase::Connected);
        assert_eq!(facts.standing(), Standing::Silent, "the same session again");
        facts.enter(Phase::Handshake);
        facts.enter(Phase::Connected);
        assert_eq!(facts.standing(), Standing::Unverified);
    }

    #[test]
    fn only_news_of_what_it_was_silent_about_end_it() {
        let mut facts = connected();
        facts.compare(&silent(&["chat", "channel"]));
        for other in [&[][..], &["device", "facebooksession"]] {
            facts.hear(Kinds::of(other.iter().copied()));
            assert_eq!(facts.standing(), Standing::Silent, "{other:?}");
        }
        facts.hear(Kinds::of(["channel"]));
        assert_eq!((facts.standing(), facts.silent.words()), (Standing::Silent, vec!["chat"]));
        facts.compare(&silent(&["device"]));
        facts.hear(Kinds::of(["chat"]));
        assert_eq!((facts.standing(), facts.silent.words()), (Standing::Silent, vec!["device"]));
        facts.hear(Kinds::of(["device"]));
        assert_eq!(facts.standing(), Standing::Live);
    }

    #[test]
    fn what_an_earlier_process_found_holds_for_the_session_that_goes_on() {
        let begun = |phases: &[Phase]| {
            let mut facts = Facts::new();
            facts.recall(Kinds::of(["chat"]));
            assert_eq!(facts.standing(), Standing::Down);
            phases.iter().for_each(|phase| facts.enter(*phase));
            facts.standing()
        };
        assert_eq!(begun(&[Phase::Resume, Phase::Connected]), Standing::Silent);
        let anew = [Phase::Resume, Phase::Login, Phase::Handshake, Phase::Subscribe, Phase::Connected];
        assert_eq!(begun(&anew), Standing::Unverified);
    }

    fn silent(kinds: &[&str]) -> Finding {
        Finding::Silent { events: 1, kinds: Kinds::of(kinds.iter().copied()) }
    }

    #[test]
    fn a_stalled_session_is_stalled_whatever_it_heard_but_a_refused_one_is_refused() {
        let mut facts = connected();
        facts.hear(Kinds::NONE);
        facts.stalled = true;
        assert_eq!(facts.standing(), Standing::Stalled);
        facts.enter(Phase::Handshake);
        assert!(facts.stalled, "a new session waits for the same storage");
        facts.enter(Phase::Refused);
        assert_eq!(facts.standing(), Standing::Refused);
    }

    #[test]
    fn that_the_http_session_ended_is_no_news_after_the_next_login() {
        let mut facts = connected();
        facts.compare(&Finding::LoggedOut);
        facts.enter(Phase::Login);
        facts.enter(Phase::Connected);
        assert_eq!(facts.compared, Compared::NotYet, "the same Bayeux session, another HTTP session");
        facts.hear(Kinds::NONE);
        assert_eq!(facts.standing(), Standing::Live);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for standing in Standing::ALL {
            assert_eq!(Standing::parse(standing.as_str()), Some(standing));
        }
        assert_eq!(Standing::parse("Live"), None);
    }

    fn finding() -> impl Strategy<Value = Finding> {
        prop_oneof![
            (0usize..2).prop_map(|open| Finding::Agrees { open }),
            (0usize..2).prop_map(|open| Finding::Repaired { events: 1, open }),
            Just(silent(&["chat"])),
            Just(Finding::Partly { events: 1, why: String::new() }),
            Just(Finding::Unread(String::new())),
            Just(Finding::LoggedOut),
        ]
    }

    proptest! {
        #[test]
        fn only_a_connected_session_counts_as_one_that_works(
            steps in proptest::collection::vec((0usize..10, finding()), 0..20)
        ) {
            let mut facts = Facts::new();
            for (step, finding) in steps {
                match step {
                    8 => facts.hear(Kinds::of(["chat"])),
                    9 => facts.compare(&finding),
                    phase => Phase::ALL.get(phase).into_iter().for_each(|phase| facts.enter(*phase)),
                }
                let works = matches!(facts.standing(), Standing::Live | Standing::Quiet | Standing::Silent);
                prop_assert!(!works || facts.phase == Phase::Connected);
                let refused = facts.standing() == Standing::Refused;
                prop_assert_eq!(refused, facts.phase == Phase::Refused);
            }
        }
    }
}
