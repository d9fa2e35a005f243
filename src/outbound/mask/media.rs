//! The allow-lists of calls, records, workbins, errors, passwords and services: states, ids and closed words.
//!
//! Numbers to call, names of campaigns and people, and everything worded freely do not leave. Deliberately absent:
//! interactions' states (beside this, in `mask`).

use super::{nothing, reduce};
use crate::base::data::{
    CallData, ErrorData, InteractionData, OutboundRecordData, PasswordData, ServiceStateData, UserEventData,
    WorkbinActionData, WorkbinSubscriptionData,
};
use crate::base::envelope::{Event, event, medium};
use serde_json::value::RawValue;

/// What is no interaction's state.
pub(super) fn reduced(event: &Event) -> Box<RawValue> {
    match (event.medium.as_ref(), event.event.as_ref()) {
        (medium::AGENT, event::ERROR) | (medium::TWEET, event::OPERATION_RESPONSE) => {
            reduce(event, |data: ErrorData| ErrorData {
                error_code: number(data.error_code),
                ..ErrorData::default()
            })
        }
        (medium::AGENT, event::USER_EVENT) => {
            reduce(event, |data: UserEventData| UserEventData { user_data: None, ..data })
        }
        (medium::WORKBIN, event::SUBSCRIPTION_CHANGE) => reduce(event, |data: WorkbinSubscriptionData| {
            WorkbinSubscriptionData { workbin_user_id: None, ..data }
        }),
        (medium::WORKBIN, event::ACTION) => reduce(event, |data: WorkbinActionData| data),
        (medium::OUTBOUND, event::RECORD) => reduce(event, record),
        (medium::USER, event::PASSWORD_CHANGED | event::PASSWORD_ERROR) => reduce(event, password),
        (medium::SERVICE, event::STATE_CHANGE) => reduce(event, |data: ServiceStateData| data),
        _ => nothing(),
    }
}

pub(super) fn call(data: CallData) -> CallData {
    CallData {
        interaction_id: data.interaction_id,
        notification_type: data.notification_type,
        state: data.state,
        call_uuid: data.call_uuid,
        conn_id: data.conn_id,
        call_type: data.call_type,
        capabilities: data.capabilities,
        duration: data.duration,
        mute: data.mute,
        supervisor_listening_in: data.supervisor_listening_in,
        monitored_user_muted: data.monitored_user_muted,
        monitoring: data.monitoring,
        recording_state: data.recording_state,
        ..CallData::default()
    }
}

/// The code of an interaction's error, where it is one.
pub(super) fn error_code(data: &InteractionData) -> Option<String> {
    number(data.error_code.clone())
}

fn record(data: OutboundRecordData) -> OutboundRecordData {
    OutboundRecordData {
        notification_type: data.notification_type,
        record_handle: data.record_handle,
        record_id: data.record_id,
        state: data.state,
        ..OutboundRecordData::default()
    }
}

fn password(data: PasswordData) -> PasswordData {
    PasswordData {
        notification_type: data.notification_type,
        error_code: number(data.error_code),
        ..PasswordData::default()
    }
}

/// A code is a number: anything else could say anything.
fn number(code: Option<String>) -> Option<String> {
    code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{masked, with};
    use rstest::rstest;
    use serde_json::{Value, json};

    /// Every text that must not leave holds the word "secret"; `masked` looks for it in the whole envelope.
    #[rstest]
    #[case("call", "status_change",
        json!({"interactionId": "i", "notificationType": "StatusChange", "state": "Held", "callUuid": "u", "connId": "c",
            "callType": "Inbound", "ani": "secret", "dnis": "secret", "phoneNumber": "secret", "duration": "2",
            "capabilities": ["Answer"], "participants": [{"phoneNumber": "secret", "digits": "secret"}],
            "mute": "Off", "monitoring": false, "recordingState": "Stopped", "userData": {"secret": "secret"},
            "extensions": {"secret": 1}}),
        json!({"interactionId": "i", "notificationType": "StatusChange", "state": "Held", "callUuid": "u", "connId": "c",
            "callType": "Inbound", "capabilities": ["Answer"], "duration": "2", "mute": "Off", "monitoring": false,
            "recordingState": "Stopped"}))]
    #[case("email", "saved",
        json!({"interactionId": "i", "state": "Accepted", "comment": "secret", "userData": {"a": "secret"}}),
        json!({"interactionId": "i", "state": "Accepted"}))]
    #[case("workitem", "error",
        json!({"interactionId": "i", "errorCode": "17", "errorMessage": "secret"}),
        json!({"interactionId": "i", "errorCode": "17"}))]
    #[case("imsession", "log_update", json!({"interactionId": "i"}), json!({"interactionId": "i"}))]
    #[case("agent", "error", json!({"errorCode": "secret", "errorMessage": "secret"}), json!({}))]
    #[case("tweet", "operation_response",
        json!({"errorCode": "3", "errorMessage": "secret"}), json!({"errorCode": "3"}))]
    #[case("agent", "user_event",
        json!({"deviceId": "d", "userData": {"GSW_secret": "secret"}}), json!({"deviceId": "d"}))]
    #[case("workbin", "subscription_change",
        json!({"workbinId": "w", "stateResource": "Subscribed", "workbinUserId": "secret"}),
        json!({"workbinId": "w", "stateResource": "Subscribed"}))]
    #[case("workbin", "action",
        json!({"workbinId": "w", "action": "ItemAdded", "itemMedium": "email", "interactionId": "i"}),
        json!({"workbinId": "w", "action": "ItemAdded", "itemMedium": "email", "interactionId": "i"}))]
    #[case("outbound", "record",
        json!({"notificationType": "StatusChanged", "recordHandle": "5", "recordId": "7", "state": "ReadyToCall",
            "phone": "secret", "campaignName": "secret", "callingList": "secret", "applicationId": "secret",
            "customFields": {"secret": "secret"}}),
        json!({"notificationType": "StatusChanged", "recordHandle": "5", "recordId": "7", "state": "ReadyToCall"}))]
    #[case("user", "password_error",
        json!({"notificationType": "PasswordChangeError", "userId": "secret", "errorCode": "2",
            "errorMessage": "secret"}),
        json!({"notificationType": "PasswordChangeError", "errorCode": "2"}))]
    #[case("service", "state_change",
        json!({"serviceName": "VOICE", "serviceState": "UNAVAILABLE", "more": "secret"}),
        json!({"serviceName": "VOICE", "serviceState": "UNAVAILABLE"}))]
    #[case("call", "message", json!({"interactionId": "secret"}), json!({}))]
    #[case("workbin", "status_change", json!({"interactionId": "secret"}), json!({}))]
    fn only_what_is_named_leaves(
        #[case] medium: &'static str,
        #[case] word: &'static str,
        #[case] data: Value,
        #[case] left: Value,
    ) {
        assert_eq!(masked(&with(medium, word, &data)), left);
    }
}
