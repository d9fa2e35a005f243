//! What is known of one interaction for its transcript: each event of it changes it a little.
//!
//! It is stored after each reading of the journal, so it holds ids and words, no personal text, and every list in it
//! has a limit. Pure. Deliberately absent: the items' texts (the journal keeps them), and what it all means
//! (`verdict`).

use super::spans::Spans;
use crate::base::data::{
    Complete, GapPhase, InteractionData, InteractionGapData, MessageData, Reason, TranscriptGap,
};
use crate::base::envelope::{Event, Origin, event, medium};
use crate::journal::Sequence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Agents, participants and gaps of one interaction; more than any real one has.
const MAX_ENTRIES: usize = 256;

/// How large a transcript may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub items: u64,
    pub bytes: u64,
}

/// One interaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    pub site: String,
    pub source: String,
    pub medium: String,
    pub partitionkey: String,
    /// Its first event.
    pub first: Sequence,
    pub agents: Vec<Agent>,
    /// By participant id.
    pub parties: BTreeMap<String, Party>,
    /// An item does not say who joined, left or wrote.
    pub unclear: bool,
    pub indices: Spans,
    /// The item of the lowest index is somebody who joins.
    pub lowest: Option<(i64, bool)>,
    /// Items without an index.
    pub unindexed: u64,
    pub gaps: Vec<TranscriptGap>,
    /// Items kept, and their bytes; those beyond the limits.
    pub items: u64,
    pub bytes: u64,
    pub left_out: u64,
    /// A list is full.
    pub overflown: bool,
    /// Of an index a second content was seen.
    pub changed: bool,
    /// A transcript was made before, and what it was made of is gone.
    pub earlier: bool,
    /// What the last transcript held, and how it was judged.
    pub digest: String,
    pub judged: Option<(Complete, Vec<Reason>)>,
}

/// A held agent's view of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    pub agent: String,
    pub site: String,
    pub state: Option<String>,
    /// It was asked to take part,
    pub invited: bool,
    /// and did: it was told that it takes part. Any other word may stand between the two.
    pub joined: bool,
    pub out: Option<Out>,
}

/// How an agent's part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Out {
    /// A notification said so.
    Told,
    /// It was found out later.
    Found,
}

/// Who writes in the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Party {
    pub customer: bool,
    /// The item of the log that says last whether it is there.
    pub at: i64,
    pub left: bool,
}

/// The key of an event's interaction, where it belongs to one that has a log.
pub fn key(of: &Event) -> Option<String> {
    let conversation = medium::CONVERSATIONS.contains(&of.medium.as_ref()) && of.event != event::TRANSCRIPT;
    let interaction = of.interaction.as_deref().filter(|_| conversation)?;
    Some(format!("{}/{}/{interaction}", of.source, of.medium))
}

impl Record {
    pub fn begin(sequence: Sequence, of: &Event) -> Record {
        Record {
            source: of.source.clone(),
            medium: of.medium.to_string(),
            partitionkey: of.partitionkey.clone(),
            first: sequence,
            ..Record::default()
        }
    }

    /// Takes an event in. True where it is a log item to be kept.
    pub fn take(&mut self, of: &Event, bytes: u64, limits: Limits) -> bool {
        self.site.clone_from(&of.site);
        match of.event.as_ref() {
            event::MESSAGE => return self.item(of, bytes, limits),
            event::STATUS_CHANGE | event::PARTICIPANTS_UPDATED | event::PROPERTIES_UPDATED => self.state(of),
            event::ENDED_UNSEEN => {
                if let Some(agent) = self.agent(of, of.agent.as_deref()) {
                    agent.out = Some(Out::Found);
                }
            }
            event::GAP => self.gap(of),
            _ => {}
        }
        false
    }

    /// Nobody of the roster is in it any more.
    pub fn is_over(&self) -> bool {
        !self.agents.is_empty() && self.agents.iter().all(|agent| agent.out.is_some())
    }

    fn agent(&mut self, of: &Event, name: Option<&str>) -> Option<&mut Agent> {
        let name = name?;
        let found = self.agents.iter().position(|one| one.agent == name && one.site == of.site);
        let at = match found {
            Some(at) => at,
            None if self.agents.len() >= MAX_ENTRIES => {
                self.overflown = true;
                return None;
            }
            None => {
                let (agent, site) = (name.to_owned(), of.site.clone());
                self.agents.push(Agent { agent, site, ..Agent::default() });
                self.agents.len() - 1
            }
        };
        self.agents.get_mut(at)
    }

    fn state(&mut self, of: &Event) {
        let said: Option<InteractionData> = serde_json::from_str(of.data.get()).ok();
        let Some(agent) = self.agent(of, of.agent.as_deref()) else { return };
        let Some(state) = said.and_then(|said| said.state) else { return };
        let is = |word: &str| state.eq_ignore_ascii_case(word);
        if is("completed") || is("revoked") {
            // What was told stays told: a later reading only repeats it.
            let told = of.origin == Origin::Notification || agent.out == Some(Out::Told);
            agent.out = Some(if told { Out::Told } else { Out::Found });
        } else {
            agent.out = None;
            agent.invited |= is("invited");
            agent.joined |= agent.invited && is("chatting");
        }
        agent.state = Some(state);
    }

    fn gap(&mut self, of: &Event) {
        let Ok(gap) = serde_json::from_str::<InteractionGapData>(of.data.get()) else { return };
        self.agent(of, Some(&gap.agent));
        let InteractionGapData { gapid, agent, cause, certainty, from, to, recovered, .. } = gap;
        // An opened gap that is said again leaves the end of it.
        let known = self.gaps.iter().position(|one| one.gapid == gapid && one.agent == agent);
        let ended = known.and_then(|at| self.gaps.get(at)).is_some_and(|one| one.recovered.is_some());
        if gap.phase == GapPhase::Opened && ended {
            return;
        }
        let gap = TranscriptGap { gapid, agent, cause, certainty, from, to, recovered };
        let full = self.gaps.len() >= MAX_ENTRIES;
        match known.and_then(|at| self.gaps.get_mut(at)) {
            Some(one) => *one = gap,
            None if full => self.overflown = true,
            None => self.gaps.push(gap),
        }
    }

    fn item(&mut self, of: &Event, bytes: u64, limits: Limits) -> bool {
        self.agent(of, of.observedby.as_deref());
        let Ok(MessageData { message, .. }) = serde_json::from_str(of.data.get()) else {
            self.unclear = true;
            return false;
        };
        let kind = message.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
        let joins = ["participantjoined", "participantrejoined"].contains(&kind.as_str());
        let leaves = kind == "participantleft";
        match message.index {
            Some(index) => {
                self.overflown |= !self.indices.add(index);
                if self.lowest.is_none_or(|(lowest, _)| index <= lowest) {
                    self.lowest = Some((index, joins));
                }
            }
            None => self.unindexed = self.unindexed.saturating_add(1),
        }
        match message.from {
            Some(from) => {
                let index = message.index.unwrap_or(i64::MAX);
                self.party(from.participant_id, from.kind.as_deref(), index, leaves);
            }
            // A notice of the system is from nobody.
            None => self.unclear |= joins || leaves,
        }
        // A changed item takes the place of its first content, and may be another item under an index used again.
        let new = of.revision.is_none();
        self.changed |= !new;
        if new && (self.items >= limits.items || self.bytes.saturating_add(bytes) > limits.bytes) {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        self.items = self.items.saturating_add(u64::from(new));
        self.bytes = self.bytes.saturating_add(bytes);
        true
    }

    /// Whoever writes is there; an item of an earlier index that comes late changes nothing of it.
    fn party(&mut self, id: Option<String>, kind: Option<&str>, index: i64, leaves: bool) {
        let (Some(id), Some(kind)) = (id, kind) else {
            self.unclear = true;
            return;
        };
        if !self.parties.contains_key(&id) && self.parties.len() >= MAX_ENTRIES {
            self.overflown = true;
            return;
        }
        let customer = kind.eq_ignore_ascii_case("customer");
        let party = self.parties.entry(id).or_insert(Party { customer, at: i64::MIN, left: false });
        self.unclear |= party.customer != customer;
        if index >= party.at {
            (party.at, party.left) = (index, leaves);
        }
    }
}
