//! What `no-content` leaves of calls, records, workbins, errors, passwords and services.

use super::{masked, with};
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
        "recordingState": "Stopped", "participants": [{}]}))]
#[case("email", "saved",
    json!({"interactionId": "i", "state": "Accepted", "comment": "secret", "userData": {"a": "secret"}}),
    json!({"interactionId": "i", "state": "Accepted"}))]
#[case("workitem", "error",
    json!({"interactionId": "i", "errorCode": "17", "errorMessage": "secret"}),
    json!({"interactionId": "i", "errorCode": "17"}))]
#[case("imsession", "log_update", json!({"interactionId": "i"}), json!({"interactionId": "i"}))]
#[case("agent", "error",
    json!({"topic": "/v2/me/devices", "errorCode": "56", "errorMessage": "secret"}),
    json!({"topic": "/v2/me/devices", "errorCode": "56"}))]
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
#[case("workbin", "unheard_of", json!({"interactionId": "secret"}), json!({}))]
fn only_what_is_named_leaves(
    #[case] medium: &'static str,
    #[case] word: &'static str,
    #[case] data: Value,
    #[case] left: Value,
) {
    assert_eq!(masked(&with(medium, word, &data)), left);
}
