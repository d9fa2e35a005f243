//! The typed payloads of `data`, one type per event. The JSON Schemas are generated from these types.
//!
//! Field names follow GWS (docs: CometD notification pages); what GWS sends beyond them stays in `raw`.
//! Every field that the sender may leave out is optional. A minor release only adds optional fields.

mod media;
mod transcript;

pub use media::{
    CallData, CallParticipant, ErrorData, OutboundRecordData, PasswordData, ServiceStateData, UserEventData,
    WorkbinActionData, WorkbinSubscriptionData,
};

pub use transcript::{
    Complete, Indices, Reason, TranscriptAgent, TranscriptData, TranscriptGap, TranscriptItem,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `genesys.gws.<medium>.message.v1`: one item of a conversation's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageData {
    pub interaction_id: String,
    pub message: Message,
}

/// One log item. `kind` is GWS's `type` (`Text`, `ParticipantJoined`, `TypingStarted`, …: an open list).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// RFC 3339 with the sender's offset, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Participant>,
}

/// Who wrote an item, or who takes part. `kind` is GWS's `type` (`Customer`, `Agent`, …: an open list).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// The roster's key, where GWS says which of its users this is, and that user is held at the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// An interaction's state: of conversations, emails, public posts, tweets, workitems, open media and instant messages,
/// whatever the event (`status_change`, `properties_updated`, `saved`, …).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InteractionData {
    pub interaction_id: String,
    /// As GWS wrote it: `StatusChange`, `PropertiesUpdated`, `EmailSaved`, `Error`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Vec<Participant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Of a chat; an open list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_type: Option<String>,
    /// RFC 3339 with the sender's offset (the site's where there was none), milliseconds; as it came where it can not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_date: Option<String>,
    /// Of an email, as are the four that follow. Its body is not taken over; it stands in `raw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cc: Option<Vec<String>>,
    /// All that the email has, also where one was added or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
    /// Of an `error`, where GWS says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Attached data: business keys and values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Map<String, Value>>,
    /// Keys of `userData` that came, changed or went since this agent's session was told of it before. Absent where none
    /// did, and where nobody knows: nothing was heard of it since the bridge began, or for long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data_changes: Option<BTreeMap<String, KeyChange>>,
}

/// A file that came or leaves with an email.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What became of a key of attached data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyChange {
    Added,
    /// It has another value.
    Changed,
    Removed,
}

/// Where an interaction stands for one agent, by its `state`: absent where that means none of them, or is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// The agent is asked to take it.
    Offered,
    /// The agent has it.
    Accepted,
    /// It is over for this agent: finished, refused, or taken away. It may go on with another.
    Ended,
}

/// `genesys.gws.agent.state_change.v1`: one device or one channel of one agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStateData {
    /// The device's id, where the state is a device's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The channel's name, where the state is a media channel's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_state: Option<UserState>,
    /// `On` or `Off`, as GWS wrote it (`doNotDisturb` of a device, `dndState` of a channel).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_not_disturb: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Of a device, as are the four that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e164_number: Option<String>,
    /// `Private`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telephony_network: Option<String>,
    /// The media it is for: `voice`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// RFC 3339, UTC, milliseconds: the `time` of the notification that was the first to show this state (`id`, `state`,
    /// `workMode` and `reason` of `userState`, and `doNotDisturb`) after another one. Absent where nobody can know: the
    /// device or channel was seen for the first time, a gap of the session lies between, or the state was read over REST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// An agent's state on a device or channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `genesys.gws.unknown.v1`: a notification, or an item of one, that is not understood; its JSON is in `raw`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnknownData {
    /// The CometD channel it came on.
    pub topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_type: Option<String>,
    /// Why it is not typed, in words.
    pub reason: String,
}

/// How sure it is that something was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    Certain,
    Possible,
}

/// `cometbridge.session.gap_opened.v1` and `.gap_closed.v1`: an interval in which one agent's notifications were not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapData {
    pub agent: String,
    /// The same in `gap_opened`, `gap_closed` and in the `gap` of each interaction it touched.
    pub gapid: String,
    /// RFC 3339: the last moment known to be covered; absent where none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// RFC 3339: the first moment covered again; only in `gap_closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `session-unknown`, `restart`, `reply-lost`, `journal-shortened`, … (a closed list, see the README).
    pub cause: String,
    pub certainty: Certainty,
    /// The last event in the journal when the gap opened, as in `sequence`.
    pub first_sequence: String,
    /// The last event in the journal when the gap closed; only in `gap_closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<String>,
}

/// `genesys.gws.<medium>.gap.v1`: a gap of one agent's session, in the order of an interaction that it touched.
/// Once when it opens, and once when what could be had was read again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InteractionGapData {
    pub interaction_id: String,
    pub agent: String,
    pub gapid: String,
    pub phase: GapPhase,
    pub cause: String,
    pub certainty: Certainty,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The highest index of the log that was known before; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_index_before: Option<i64>,
    /// The lowest index of the log known after it; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index_after: Option<i64>,
    /// Only where `phase` is `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}

/// Where a gap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GapPhase {
    Opened,
    Closed,
}

/// How much of an interaction's log and state could be read again after a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Recovered {
    /// The state, and the log from the last index known before.
    Yes,
    /// The state or a part of the log.
    Partly,
    No,
}

/// `genesys.gws.<medium>.ended_unseen.v1`: an interaction that was open for this agent is no longer in a list
/// that the server answered properly; how it ended was not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedUnseenData {
    pub interaction_id: String,
    pub agent: String,
    /// The last state seen, as GWS wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_index: Option<i64>,
}

/// `cometbridge.session.silent.v1`: REST shows changes that this session was never told of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SilentData {
    pub agent: String,
    /// RFC 3339: since when no notification came; absent where none ever came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// How many resources differed, by kind (`chat`, `device`, …).
    pub differing: std::collections::BTreeMap<String, u64>,
}

/// `cometbridge.sink.lost.v1`: a sink that lagged beyond its limit was moved on over these events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinkLostData {
    pub sink: String,
    pub first_sequence: String,
    pub last_sequence: String,
    pub count: u64,
    pub bytes: u64,
    /// `max_lag.bytes` or `max_lag.age`.
    pub limit: String,
}

/// `cometbridge.item.rejected.v1`: an item that could not be kept; its size and digest say which it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemRejectedData {
    pub agent: String,
    pub topic: String,
    pub bytes: u64,
    pub sha256: String,
    pub reason: String,
}
