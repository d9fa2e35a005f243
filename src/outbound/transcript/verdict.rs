//! Whether all of an interaction's log is there. Never wrong in the direction of `true`: every doubt has a reason.
//!
//! The log is proven whole at its start (index 1 is somebody who joins), in its middle (no index lacks, and none had
//! two contents) and at its end: each held agent was told that its part is over, no gap is left unread, the customers
//! have left, and nobody else can have stayed or come. For the last the held agents that accepted an invitation must be
//! as many as there are others in the log (each of them is one of these then), and one of them must have been in it to
//! the end: told `Completed`, without leaving in the log. A log that all have left does not show that it is over: somebody who
//! is not held may have been asked before, and come later; a log that goes on after its only agent left is the one that
//! we have of a real server. Who looks on without having been invited does not count: it need not show in the log.
//!
//! Assumed, as GWS's documents say neither: what is completed for an agent who is still in it, after its customers have
//! left, is over for all (invitations end with it); and who leaves it, or passes it on, gets that told as an item
//! `ParticipantLeft` of its own.
//! Pure. Deliberately absent: names and users; nothing in a log says for sure which agent of the roster wrote an item.

use super::record::{Agent, Out, Record};
use crate::base::data::{Certainty, Complete, Reason, Recovered};

/// What is known from outside the interaction: since its first event something else made its log doubtful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// A row of the journal was damaged.
    pub damaged: bool,
    /// Of an agent that saw it something was not understood.
    pub not_understood: bool,
}

/// The verdict, and what speaks against `true`.
pub fn judge(record: &Record, doubts: Doubts) -> (Complete, Vec<Reason>) {
    let mut reasons = Vec::new();
    let mut say = |reason, holds: bool| {
        if holds {
            reasons.push(reason);
        }
    };
    let open = |certainty| {
        let bad = |gap: &&crate::base::data::TranscriptGap| {
            // A hole is told by the indices, whatever became of reading it.
            gap.certainty == certainty && gap.recovered != Some(Recovered::Yes) && gap.cause != "hole"
        };
        record.gaps.iter().find(bad).is_some()
    };
    say(Reason::IndicesMissing, !record.indices.missing(1).is_empty());
    say(Reason::GapCertain, open(Certainty::Certain));
    say(Reason::Cut, record.left_out > 0 || record.overflown);
    say(Reason::JournalDamaged, doubts.damaged);
    say(Reason::GapPossible, open(Certainty::Possible));
    say(Reason::NoItems, record.indices.lowest().is_none());
    say(Reason::StartNotSeen, record.lowest.is_some_and(|(lowest, joins)| lowest != 1 || !joins));
    say(Reason::NotEnded, !record.is_over());
    say(Reason::EndNotSeen, record.agents.iter().any(|agent| agent.out == Some(Out::Found)));
    say(Reason::CustomerRemains, record.parties.values().any(|party| party.customer && !party.left));
    say(Reason::OthersRemain, others_may_remain(record));
    say(Reason::ParticipantUnclear, record.unclear);
    say(Reason::ItemWithoutIndex, record.unindexed > 0);
    say(Reason::NotUnderstood, doubts.not_understood);
    say(Reason::ItemChanged, record.changed);
    say(Reason::EarlierRemoved, record.earlier);
    let complete = match reasons.as_slice() {
        [] => Complete::True,
        [first, ..] if first.is_certain() => Complete::False,
        _ => Complete::Unknown,
    };
    (complete, reasons)
}

fn others_may_remain(record: &Record) -> bool {
    let others = || record.parties.values().filter(|party| !party.customer);
    let held = || record.agents.iter().filter(|agent: &&Agent| agent.joined);
    let told =
        |agent: &Agent| agent.state.as_ref().is_some_and(|state| state.eq_ignore_ascii_case("completed"));
    let completed = others().any(|party| !party.left) && held().all(told);
    others().count() != held().count() || !completed
}
