//! Payloads of what is no conversation: calls, outbound records, workbins, errors, passwords, services.
//!
//! Names as in `data`: GWS's own. Deliberately absent: emails, posts, tweets, workitems, open media and instant
//! messages, which have the shape of a conversation's state ([`super::InteractionData`]).

use super::{KeyChange, Lifecycle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `genesys.gws.call.{status_change,participants_updated,attached_data_changed,recording_state_change}.v1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallData {
    /// The call's `id`: its `callUuid` in newer releases, its `connId` in old ones.
    pub interaction_id: String,
    /// As GWS wrote it: `StatusChange`, `ParticipantsUpdated`, `AttachedDataChanged`, `CallRecordingStateChange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_type: Option<String>,
    /// `Ringing`, `Dialing`, `Established`, `Held`, `Released`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_type: Option<String>,
    /// The call that this one came from, where GWS names it (`parentCallUri`, as a consult call has).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_interaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnis: Option<String>,
    /// The agent's own number, which stands beside the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Vec<CallParticipant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// `On` or `Off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor_listening_in: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitored_user_muted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_state: Option<String>,
    /// Attached data: business keys and values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Map<String, Value>>,
    /// Keys of `userData` that came, changed or went since this agent's session was told of it before. Absent where none
    /// did, and where nobody knows: nothing was heard of it since the bridge began, or for long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data_changes: Option<BTreeMap<String, KeyChange>>,
    /// What the switch adds; it stands beside the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Map<String, Value>>,
}

/// Who takes part in a call. Old releases send a text alone, which is taken as `phoneNumber`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallParticipant {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted_phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e164_number: Option<String>,
}

/// `genesys.gws.agent.error.v1` (`ErrorMessage`, and an `Error` that does not name its interaction) and
/// `genesys.gws.tweet.operation_response.v1`: what an operation came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// Of an `agent.error`: the CometD channel it came on, which says what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// `genesys.gws.agent.user_event.v1`: attached data that came with no call, such as an answer of the dialler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEventData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// `GSW_…` and other keys with their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Map<String, Value>>,
}

/// `genesys.gws.user.{password_changed,password_error}.v1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordData {
    /// As GWS wrote it: `PasswordChangeSuccessful`, `PasswordChangeError`.
    pub notification_type: String,
    /// Whose password, where a supervisor is told of another's; absent where it is the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// `genesys.gws.workbin.subscription_change.v1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkbinSubscriptionData {
    pub workbin_id: String,
    /// `Subscribed`, `Unsubscribed`, `RequestFailed`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workbin_user_id: Option<String>,
    /// Of `RequestFailed`, where GWS says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// `genesys.gws.workbin.action.v1`: something was put into a workbin, or taken out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkbinActionData {
    pub workbin_id: String,
    /// `ItemAdded`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The medium of the interaction, by the name of the member it stands in (`emailStateResourceV2`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_medium: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction_id: Option<String>,
}

/// `genesys.gws.outbound.record.v1`: a record of a calling list, or an answer about records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboundRecordData {
    /// As GWS wrote it: `StatusChanged`, `RecordProcessedAcknowledge`, `ChainedRecordsDataEnd`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_handle: Option<String>,
    /// The record's `id`, which not every record has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<String>,
    /// `ReadyToCall`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calling_list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_fields: Option<Map<String, Value>>,
}

/// `genesys.gws.service.state_change.v1`: a service of GWS. GWS does not document the message: what else it says stands
/// in `raw`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStateData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_state: Option<String>,
}
