//! The payload of a transcript. Deliberately absent: how it is judged (see `outbound::transcript`).

use super::{Certainty, Message, Participant, Recovered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `genesys.gws.<medium>.transcript.v1`: an interaction's log, once all held agents are out of it and nothing came
/// for a while. What comes later gives another one, with `revision` and `baseid`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptData {
    pub interaction_id: String,
    /// A word, not a boolean: compare it with `"true"`. It is `true` only where everything that is needed to be sure
    /// was seen, `false` where something is known to be missing.
    pub complete: Complete,
    /// Why it is not `true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// The lowest and the highest index of the log that were seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_index: Option<i64>,
    /// Indices from 1 to `lastIndex` that were never seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Indices>,
    /// Gaps of the agents' sessions that touched the interaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<TranscriptGap>,
    /// Agents of the roster that saw it.
    pub agents: Vec<TranscriptAgent>,
    /// Who wrote or joined, as first seen in the log.
    pub participants: Vec<Participant>,
    /// In the order of their index; those without one last.
    pub items: Vec<TranscriptItem>,
    /// Items that did not fit (`transcript.max_items`, `transcript.max_bytes`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
}

/// Whether all of a log is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Complete {
    True,
    False,
    Unknown,
}

impl Complete {
    pub const ALL: [Complete; 3] = [Complete::True, Complete::False, Complete::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Complete::True => "true",
            Complete::False => "false",
            Complete::Unknown => "unknown",
        }
    }
}

/// Why a transcript is not known to be complete: the first four make it `false`, the others `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// An index between 1 and the highest was never seen; the server may also leave out what an agent must not see.
    IndicesMissing,
    /// A gap that is certain, and after which the log was not read again whole.
    GapCertain,
    /// It is larger than the limits of a transcript.
    Cut,
    /// A part of the journal was damaged while it lasted.
    JournalDamaged,
    /// A gap that is possible, and after which the log was not read again whole.
    GapPossible,
    /// Not one item of the log was seen.
    NoItems,
    /// The log does not begin with somebody who joins.
    StartNotSeen,
    /// An agent of the roster is not known to be out of it.
    NotEnded,
    /// That it ended for an agent was found out afterwards, not told.
    EndNotSeen,
    /// A customer has not left.
    CustomerRemains,
    /// Somebody else than the agents held here may still have been there when they left, or may have come then: all who
    /// were in the log left it, so that it does not show that it was over.
    OthersRemain,
    /// An item of the log says not who it is from.
    ParticipantUnclear,
    /// An item has no index.
    ItemWithoutIndex,
    /// Something of an agent's notifications was rejected or not understood meanwhile, or its session was silent.
    NotUnderstood,
    /// Of an index a second content was seen: the item was changed, or the index used again. Only the last content is
    /// here (two agents' copies that differ are both); each was an event of its own.
    ItemChanged,
    /// A transcript was made before, and what it was made of is no longer kept: here is only what came since.
    EarlierRemoved,
}

impl Reason {
    /// Whether it is known that something is missing.
    pub fn is_certain(self) -> bool {
        self <= Reason::JournalDamaged
    }
}

/// A span of indices, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Indices {
    pub from: i64,
    pub to: i64,
}

/// A gap of one agent's session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptGap {
    pub gapid: String,
    pub agent: String,
    pub cause: String,
    pub certainty: Certainty,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Absent while the gap is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}

/// An agent of the roster, and the last state of the interaction as that agent saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptAgent {
    pub agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_state: Option<String>,
}

/// One item of the log, in its last revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptItem {
    /// The id of the event it came in.
    pub event_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_by: Option<String>,
    pub message: Message,
}
