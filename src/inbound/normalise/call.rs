//! What a call's state says beyond what every interaction's does: numbers, ids, recording, monitoring.
//!
//! Deliberately absent: which keys of the attached data changed (`AttachedDataChanged` does not say), and whether a
//! state is news.

use super::conversation::{WithFree, last_segment};
use super::fields::{Fields, each, fit, raw, word};
use super::lifecycle;
use super::notice::Notice;
use crate::base::data::{CallData, CallParticipant};
use crate::base::envelope::medium;
use serde_json::value::RawValue;

pub(super) fn data_of(notice: &Notice<'_>, id: &str, call: &Fields<'_>) -> Box<RawValue> {
    let state = call.word("state");
    let data = CallData {
        interaction_id: id.to_owned(),
        notification_type: notice.notification_type.clone(),
        lifecycle: state.as_deref().and_then(|state| lifecycle::of(medium::CALL, state)),
        state,
        call_uuid: call.word("callUuid"),
        conn_id: call.word("connId"),
        call_type: call.word("callType"),
        parent_interaction_id: parent_of(call),
        ani: call.word("ani"),
        dnis: call.word("dnis"),
        phone_number: notice.fields.word("phoneNumber"),
        participants: call.get("participants").and_then(|list| each(list, participant)),
        capabilities: call.texts("capabilities"),
        duration: call.word("duration"),
        mute: call.word("mute"),
        supervisor_listening_in: call.flag("supervisorListeningIn"),
        monitored_user_muted: call.flag("monitoredUserMuted"),
        monitoring: call.flag("monitoring"),
        recording_state: call.word("recordingState"),
        user_data: None,
        user_data_changes: None,
        extensions: None,
    };
    raw(&WithFree {
        data,
        user_data: call.free("userData"),
        extensions: notice.fields.free("extensions"),
        ..WithFree::default()
    })
}

/// The call that this one came from; Genesys's own sample client knows the parent of a consult call so.
pub(super) fn parent_of(call: &Fields<'_>) -> Option<String> {
    fit(call.text("parentCallUri").as_deref().and_then(last_segment))
}

/// An object, or a text in old releases.
fn participant(json: &RawValue) -> Option<CallParticipant> {
    match Fields::of(json) {
        Some(fields) => Some(CallParticipant {
            phone_number: fields.word("phoneNumber"),
            formatted_phone_number: fields.text("formattedPhoneNumber"),
            digits: fields.word("digits"),
            e164_number: fields.word("e164Number"),
        }),
        None => word(json)
            .map(|number| CallParticipant { phone_number: Some(number), ..CallParticipant::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"parentCallUri":"http://h/api/v2/me/calls/C0"}"#, Some("C0"))]
    #[case(r#"{"parentCallUri":"http://h/api/v2/me/calls/null"}"#, None)]
    #[case(r#"{"parentCallUri":"http://h/api/v2/me/calls/"}"#, None)]
    #[case(r#"{"parentCallUri":null,"uri":"http://h/api/v2/me/calls/C1"}"#, None)]
    fn a_call_has_the_parent_that_its_notification_names(#[case] json: &str, #[case] parent: Option<&str>) {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        assert_eq!(parent_of(&Fields::of(&json).unwrap()).as_deref(), parent);
    }
}
