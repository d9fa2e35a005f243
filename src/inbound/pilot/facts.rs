//! What is known of one agent at a moment: a few words for each device, channel and open conversation.
//!
//! Taken from what REST shows (see `look`) and from notifications, through the same normalising, so that both say it
//! alike. Deliberately absent: texts, names, numbers: nothing personal is kept.

use crate::base::data::{AgentStateData, InteractionData};
use crate::base::digest::Digest;
use crate::base::envelope::{event, medium};
use crate::inbound::normalise::Candidate;
use std::collections::BTreeMap;

/// By a digest of what it is about: the kind, and the state in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<Digest, (String, String)>);

impl Facts {
    /// Takes over what one event says.
    pub fn take(&mut self, candidate: &Candidate) {
        let event = &candidate.event;
        let (kind, words) = if event.medium == medium::AGENT && event.event == event::STATE_CHANGE {
            let Ok(data) = serde_json::from_str::<AgentStateData>(event.data.get()) else { return };
            let kind = data.channel.clone().map_or("device".to_owned(), |name| format!("channel {name}"));
            (kind, agent_words(&data))
        } else if medium::CONVERSATIONS.contains(&event.medium.as_ref()) {
            let Ok(data) = serde_json::from_str::<InteractionData>(event.data.get()) else { return };
            let Some(state) = data.state else { return };
            (event.medium.to_string(), word(&state))
        } else {
            return;
        };
        self.0.insert(Digest::of(event.subject.as_bytes()), (word(&kind), words));
    }

    /// The state of devices and channels, for people.
    pub fn states(&self) -> Vec<String> {
        let agent = |kind: &str| kind == "device" || kind.starts_with("channel");
        let of = self.0.values().filter(|(kind, _)| agent(kind));
        let mut states: Vec<String> = of.map(|(kind, words)| format!("{kind}: {words}")).collect();
        states.sort();
        states
    }

    /// Whether every device and channel is logged out.
    pub fn logged_out(&self) -> bool {
        let states = self.states();
        !states.is_empty() && states.iter().all(|state| state.contains("LoggedOut"))
    }

    /// What is otherwise here than there. What stands only there has ended, or is not listed; and what is over is
    /// over, in whichever word.
    pub fn beyond(&self, told: &Facts) -> Facts {
        let other = |(key, (_, words)): &(&Digest, &(String, String))| match told.0.get(*key) {
            None => true,
            Some((_, told)) => told != words && !(over(told) && over(words)),
        };
        Facts(self.0.iter().filter(other).map(|(key, fact)| (*key, fact.clone())).collect())
    }

    /// What both say, in the same words.
    pub fn shared(&self, other: &Facts) -> Facts {
        let both = self.0.iter().filter(|(key, fact)| other.0.get(*key) == Some(*fact));
        Facts(both.map(|(key, fact)| (*key, fact.clone())).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are of each kind.
    pub fn kinds(&self) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        for (kind, _) in self.0.values() {
            *out.entry(kind.clone()).or_default() += 1;
        }
        out
    }

    /// Lays newer facts over these.
    pub fn merge(&mut self, newer: &Facts) {
        self.0.extend(newer.0.clone());
    }
}

/// The last states of a conversation.
fn over(words: &str) -> bool {
    ["completed", "revoked"].iter().any(|end| end.eq_ignore_ascii_case(words))
}

fn agent_words(data: &AgentStateData) -> String {
    let user = data.user_state.as_ref();
    let parts = [
        user.and_then(|user| user.state.clone()),
        user.and_then(|user| user.work_mode.clone()),
        data.device_state.as_ref().map(|state| format!("device {state}")),
        data.do_not_disturb.as_ref().map(|state| format!("do not disturb {state}")),
    ];
    let words: Vec<String> = parts.into_iter().flatten().map(|part| word(&part)).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join(", ") }
}

/// A word of the server's, cut and cleaned: it stands on a sheet that is passed around.
pub(super) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || " -_,".contains(*c)).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Facts {
        /// Of what, of which kind, in which words.
        pub(in crate::inbound::pilot) fn of(of: &[(&str, &str, &str)]) -> Facts {
            let fact = |(key, kind, words): &(&str, &str, &str)| {
                (Digest::of(key.as_bytes()), ((*kind).to_owned(), (*words).to_owned()))
            };
            Facts(of.iter().map(fact).collect())
        }
    }

    fn facts(of: &[(&str, &str, &str)]) -> Facts {
        Facts::of(of)
    }

    #[test]
    fn what_rest_shows_and_nobody_told_is_a_difference() {
        let told = facts(&[("a", "chat", "Invited"), ("d", "device", "Ready")]);
        let rest =
            facts(&[("a", "chat", "Chatting"), ("b", "smssession", "Invited"), ("d", "device", "Ready")]);
        let kinds = [("chat".to_owned(), 1), ("smssession".to_owned(), 1)];
        assert_eq!(rest.beyond(&told).kinds(), kinds.into());
    }

    #[test]
    fn a_conversation_that_ended_and_is_listed_no_more_is_none() {
        let told = facts(&[("a", "chat", "Completed"), ("b", "chat", "Revoked")]);
        assert!(facts(&[]).beyond(&told).is_empty());
        assert!(facts(&[("b", "chat", "Completed")]).beyond(&told).is_empty(), "over is over");
        assert_eq!(facts(&[("b", "chat", "Chatting")]).beyond(&told).kinds().len(), 1);
    }

    #[test]
    fn shared_is_what_both_say_in_the_same_words() {
        let (one, other) = (
            facts(&[("a", "chat", "X"), ("b", "chat", "Y")]),
            facts(&[("a", "chat", "X"), ("b", "chat", "Z")]),
        );
        assert_eq!(one.shared(&other), facts(&[("a", "chat", "X")]));
    }

    #[test]
    fn only_an_agent_with_nothing_but_logged_out_states_is_logged_out() {
        assert!(!facts(&[]).logged_out(), "nothing is known");
        assert!(facts(&[("d", "device", "LoggedOut")]).logged_out());
        assert!(!facts(&[("d", "device", "LoggedOut"), ("c", "channel chat", "Ready")]).logged_out());
        assert!(!facts(&[("a", "chat", "Chatting")]).logged_out(), "a conversation is no state of the agent");
    }

    #[test]
    fn a_word_of_the_servers_is_cut_and_cleaned() {
        assert_eq!(word("Not|Ready\n<b>ä"), "NotReadyb");
        assert_eq!(word(&"x".repeat(500)).len(), 60);
    }
}
