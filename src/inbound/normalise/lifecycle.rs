//! Where an interaction stands for one agent, by the states that GWS's media have: offered, accepted, ended.
//!
//! A table and nothing else: the state alone decides, not what was seen before, so the same notification always says
//! the same. A state that stands in no row says nothing; `data.state` is there all the same. Deliberately absent:
//! whether the interaction goes on with somebody else after it has ended for this agent.

use crate::base::data::Lifecycle::{self, Accepted, Ended, Offered};
use crate::base::envelope::medium;

/// States, each with what it means.
type States<T> = &'static [(&'static str, T)];

/// What media have in common, each state with what it means.
///
/// Left out, because they mean none of the three:
/// * `Dialing` of a call and `Composing` of a tweet: the agent began it, so that it was never offered, and nobody has
///   taken it yet.
/// * `InWorkbin` of a workitem: put aside, to be taken up by this agent or by another.
/// * `Talking` of an instant-message session: the only state that is documented of these, so that it is not known what comes
///   before and after it.
///
/// A call can be `Held` only by the agent who has taken it: it is still accepted.
const TABLE: &[(&[&str], States<Lifecycle>)] = &[
    (
        &[medium::FACEBOOKSESSION, medium::CHAT, medium::SMSSESSION],
        &[("Invited", Offered), ("Chatting", Accepted), ("Completed", Ended), ("Revoked", Ended)],
    ),
    (
        &[medium::CALL],
        &[("Ringing", Offered), ("Established", Accepted), ("Held", Accepted), ("Released", Ended)],
    ),
    (
        &[medium::EMAIL, medium::FACEBOOK, medium::TWEET, medium::WORKITEM, medium::OPENMEDIA],
        &[("Invited", Offered), ("Processing", Accepted), ("Completed", Ended), ("Revoked", Ended)],
    ),
];

/// Whether an interaction in this state is in the agent's hands, where that is known. What ends without a word of it (an
/// instant-message session) is never known to be open.
pub(super) fn open(medium: &str, state: &str) -> Option<bool> {
    let begun = |word: &&str| word.eq_ignore_ascii_case(state);
    match of(medium, state) {
        Some(lifecycle) => Some(lifecycle != Ended),
        None if medium != medium::IMSESSION && BEGUN.iter().any(begun) => Some(true),
        None if ASIDE.eq_ignore_ascii_case(state) => Some(false),
        None => None,
    }
}

/// The agent began it.
const BEGUN: &[&str] = &["Dialing", "Composing"];
/// Put aside, for this agent or another.
const ASIDE: &str = "InWorkbin";

/// What a state of a medium means, in any case, where the table knows it.
pub(super) fn of(medium: &str, state: &str) -> Option<Lifecycle> {
    let (_, states) = TABLE.iter().find(|(media, _)| media.contains(&medium))?;
    states.iter().find(|(word, _)| word.eq_ignore_ascii_case(state)).map(|(_, lifecycle)| *lifecycle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states that descriptions of GWS and its own front ends have, with what is to be said of them.
    const DOCUMENTED: &[(&[&str], States<Option<Lifecycle>>)] = &[
        (
            &["chat", "facebooksession", "smssession"],
            &[
                ("Invited", Some(Offered)),
                ("Chatting", Some(Accepted)),
                ("Completed", Some(Ended)),
                ("Revoked", Some(Ended)),
            ],
        ),
        (
            &["call"],
            &[
                ("Dialing", None),
                ("Ringing", Some(Offered)),
                ("Established", Some(Accepted)),
                ("Held", Some(Accepted)),
                ("Released", Some(Ended)),
            ],
        ),
        (
            &["email", "facebook", "tweet", "workitem", "openmedia"],
            &[
                ("Composing", None),
                ("InWorkbin", None),
                ("Invited", Some(Offered)),
                ("Processing", Some(Accepted)),
                ("Completed", Some(Ended)),
                ("Revoked", Some(Ended)),
            ],
        ),
        (&["imsession"], &[("Talking", None)]),
        // No interaction an agent is offered.
        (&["outbound"], &[("ReadyToCall", None)]),
    ];

    #[test]
    fn every_documented_state_is_in_the_table_or_left_out_and_the_table_has_no_other() {
        for (media, states) in DOCUMENTED {
            for medium in *media {
                for (state, means) in *states {
                    assert_eq!(of(medium, state), *means, "{medium} {state}");
                    assert_eq!(of(medium, &state.to_ascii_uppercase()), *means, "{medium} {state}");
                }
            }
        }
        for (media, states) in TABLE {
            for (medium, (state, _)) in media.iter().flat_map(|one| states.iter().map(move |of| (one, of))) {
                let documented = DOCUMENTED.iter().find(|(of, _)| of.contains(medium)).unwrap().1;
                assert!(documented.iter().any(|(word, _)| word == state), "{medium} {state}");
            }
        }
    }

    #[test]
    fn an_interaction_is_in_the_agents_hands_from_its_first_state_to_its_end_or_until_it_is_put_aside() {
        for (media, states) in DOCUMENTED {
            for (medium, (state, means)) in
                media.iter().flat_map(|one| states.iter().map(move |of| (one, of)))
            {
                let expected = match (*state, means) {
                    ("Dialing" | "Composing", _) | (_, Some(Offered | Accepted)) => Some(true),
                    ("InWorkbin", _) | (_, Some(Ended)) => Some(false),
                    _ => None,
                };
                assert_eq!(open(medium, state), expected, "{medium} {state}");
            }
        }
        assert_eq!(open("call", "of a later release"), None);
    }

    #[test]
    fn a_state_of_another_medium_or_of_none_says_nothing() {
        assert_eq!(of("chat", "Ringing"), None);
        assert_eq!(of("agent", "Ready"), None);
        assert_eq!(of("email", ""), None);
    }
}
