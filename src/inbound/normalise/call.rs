//! What a call's state says beyond what every interaction's does: numbers, ids, recording, monitoring.
//!
//! Deliberately absent: which keys of the attached data changed (`AttachedDataChanged` does not say), and whether a
//! state is news.

use super::conversation::WithFree;
use super::fields::{Fields, each, raw, word};
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
