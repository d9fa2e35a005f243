//! What stands in the invented events: documented fields with invented values.
//!
//! Deliberately absent: attributes, and texts of real people.

use super::{CONTACT, DEVICE, INTERACTION, SEQUENCE, TIME, json_of};
use crate::base::data::{
    AgentStateData, CallData, CallParticipant, Certainty, Complete, EndedUnseenData, ErrorData, GapData,
    GapPhase, InteractionData, InteractionGapData, ItemRejectedData, Lifecycle, Message, MessageData,
    OutboundRecordData, Participant, PasswordData, Recovered, ServiceStateData, SilentData, SinkLostData,
    TranscriptAgent, TranscriptData, TranscriptItem, UnknownData, UserEventData, UserState,
    WorkbinActionData, WorkbinSubscriptionData,
};
use crate::base::envelope::{event, medium};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

pub(super) const TEXT: &str = "This text is invented.";
pub(super) const WORKBIN: &str = "EmailDrafts";
pub(super) const RECORD: &str = "5";
pub(super) const SERVICE: &str = "VOICE";
const ANI: &str = "+49 30 5550100";
const PHONE: &str = "5005";
const GAP: &str = "019c13f0-0000-7000-8000-000000000003";
const CAUSE: &str = "session-unknown";
const EARLIER: &str = "1769860800-0000000000000000007";
const BEFORE: &str = "2026-01-31T11:59:00.000Z";

/// Visibility and author of log items.
pub(super) const SEEN: &[(&str, &str)] = &[
    ("All", "Customer"),
    ("All", "Agent"),
    ("All", "External"),
    ("Agents", "Agent"),
    ("Supervisors", "Agent"),
];

/// A state, with what it says of an interaction.
pub(super) type State = (&'static str, Option<Lifecycle>);

/// Of what has no state that a sink can be routed by.
const NONE: &[State] = &[("", None)];
const CONVERSATION: &[State] = &[
    ("Chatting", Some(Lifecycle::Accepted)),
    ("Invited", Some(Lifecycle::Offered)),
    ("Completed", Some(Lifecycle::Ended)),
    ("Revoked", Some(Lifecycle::Ended)),
];
const CALL: &[State] = &[
    ("Established", Some(Lifecycle::Accepted)),
    ("Ringing", Some(Lifecycle::Offered)),
    ("Dialing", None),
    ("Held", Some(Lifecycle::Accepted)),
    ("Released", Some(Lifecycle::Ended)),
];
const ITEM: &[State] = &[
    ("Processing", Some(Lifecycle::Accepted)),
    ("Invited", Some(Lifecycle::Offered)),
    ("Completed", Some(Lifecycle::Ended)),
    ("Revoked", Some(Lifecycle::Ended)),
];
const TWEET: &[State] = &[
    ("Processing", Some(Lifecycle::Accepted)),
    ("Invited", Some(Lifecycle::Offered)),
    ("Composing", None),
    ("Completed", Some(Lifecycle::Ended)),
    ("Revoked", Some(Lifecycle::Ended)),
];
const WORKITEM: &[State] = &[
    ("Processing", Some(Lifecycle::Accepted)),
    ("Invited", Some(Lifecycle::Offered)),
    ("InWorkbin", None),
    ("Completed", Some(Lifecycle::Ended)),
    ("Revoked", Some(Lifecycle::Ended)),
];
const PERSON: &[State] = &[("NotReady", None), ("Ready", None), ("LoggedIn", None), ("LoggedOut", None)];

/// The states in which this is told.
pub(super) fn states(of: &str, word: &str) -> &'static [State] {
    match (of, word) {
        (_, event::OPERATION_RESPONSE | event::LOG_UPDATE) => NONE,
        (medium::CHAT | medium::FACEBOOKSESSION | medium::SMSSESSION, _) => CONVERSATION,
        (medium::CALL, _) => CALL,
        (medium::TWEET, _) => TWEET,
        (medium::WORKITEM, _) => WORKITEM,
        (medium::EMAIL | medium::FACEBOOK | medium::OPENMEDIA, _) => ITEM,
        (medium::IMSESSION, _) => &[("Talking", None)],
        (medium::OUTBOUND, _) => &[("ReadyToCall", None)],
        (medium::AGENT, event::STATE_CHANGE) => PERSON,
        _ => NONE,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn person(kind: &str) -> Participant {
    Participant {
        kind: some(kind),
        nickname: some("Sample Person"),
        participant_id: some("009052C5E6D6004A"),
        ..Participant::default()
    }
}

fn text_of(index: i64, visibility: &str, author: &str) -> Message {
    Message {
        index: Some(index),
        kind: some("Text"),
        text: some(TEXT),
        visibility: some(visibility),
        sent_at: some("2026-01-31T13:00:00.000+01:00"),
        from: Some(person(author)),
        ..Message::default()
    }
}

pub(super) fn message(visibility: &str, author: &str) -> Box<RawValue> {
    json_of(&MessageData { interaction_id: INTERACTION.to_owned(), message: text_of(5, visibility, author) })
}

pub(super) fn transcript(agent: &str, item: &str) -> Box<RawValue> {
    json_of(&TranscriptData {
        interaction_id: INTERACTION.to_owned(),
        complete: Complete::True,
        reasons: Vec::new(),
        first_index: Some(1),
        last_index: Some(1),
        missing: Vec::new(),
        gaps: Vec::new(),
        agents: vec![TranscriptAgent { agent: agent.to_owned(), last_state: some("Completed") }],
        participants: vec![person("Customer")],
        items: vec![TranscriptItem {
            event_id: item.to_owned(),
            observed_by: some(agent),
            message: text_of(1, "All", "Customer"),
        }],
        left_out: None,
    })
}

/// `notificationType` as GWS writes it.
fn notification(of: &str, word: &str) -> Option<String> {
    some(match (of, word) {
        (medium::USER, event::PASSWORD_ERROR) => "PasswordChangeError",
        (medium::USER, _) => "PasswordChangeSuccessful",
        (medium::OUTBOUND, _) => "StatusChanged",
        (medium::EMAIL, event::SAVED) => "EmailSaved",
        (medium::FACEBOOK, event::SAVED) => "FacebookSaved",
        (medium::TWEET, event::SAVED) => "TweetSaved",
        (_, event::STATUS_CHANGE) => "StatusChange",
        (_, event::PARTICIPANTS_UPDATED) => "ParticipantsUpdated",
        (_, event::PROPERTIES_UPDATED) => "PropertiesUpdated",
        (_, event::ATTACHED_DATA_CHANGED) => "AttachedDataChanged",
        (_, event::RECORDING_STATE_CHANGE) => "CallRecordingStateChange",
        (_, event::ATTACHMENT_ADDED) => "AttachmentAdded",
        (_, event::ATTACHMENT_REMOVED) => "AttachmentRemoved",
        (_, event::LOG_UPDATE) => "NewMessage",
        (medium::AGENT | medium::WORKBIN | medium::SERVICE | medium::UNKNOWN, _) => return None,
        (_, event::ERROR) => "Error",
        _ => return None,
    })
}

/// `messageType` as GWS writes it.
fn message_type(of: &str, word: &str) -> Option<&'static str> {
    Some(match (of, word) {
        (medium::IMSESSION, event::LOG_UPDATE) => "IMLogUpdateMessage",
        (medium::TWEET, event::OPERATION_RESPONSE) => "TweetOperationResponse",
        (medium::AGENT, event::USER_EVENT) => "DeviceUserEventMessage",
        (medium::AGENT, event::ERROR) => "ErrorMessage",
        (medium::AGENT, _) => "DeviceStateChangeMessage",
        (medium::WORKBIN, event::SUBSCRIPTION_CHANGE) => "WorkbinSubscriptionStateChangeMessage",
        (medium::WORKBIN, _) => "WorkbinStateChangeMessage",
        (medium::FACEBOOKSESSION, _) => "FacebooksessionStateChangeMessage",
        (medium::CHAT, _) => "ChatStateChangeMessage",
        (medium::SMSSESSION, _) => "SMSsessionStateChangeMessage",
        (medium::CALL, _) => "CallStateChangeMessage",
        (medium::EMAIL, _) => "EmailStateChangeMessage",
        (medium::FACEBOOK, _) => "FacebookStateChangeMessage",
        (medium::TWEET, _) => "TweetStateChangeMessage",
        (medium::WORKITEM, _) => "WorkitemStateChangeMessage",
        (medium::OPENMEDIA, _) => "OpenmediaStateChangeMessage",
        (medium::IMSESSION, _) => "IMSessionStateChangeMessage",
        (medium::OUTBOUND, _) => "OutboundRecordMessage",
        (medium::SERVICE, _) => "ServiceStateChanged",
        _ => return None,
    })
}

/// A little of the sender's own JSON.
pub(super) fn raw(of: &str, word: &str) -> Box<RawValue> {
    if (of, word) == (medium::AGENT, event::STATE_CHANGE) {
        return json_of(&json!({"id": DEVICE, "deviceState": "Active", "phoneNumber": ANI}));
    }
    let kinds = [
        ("messageType", message_type(of, word).map(str::to_owned)),
        ("notificationType", notification(of, word)),
    ];
    let members = kinds.into_iter().filter_map(|(name, kind)| Some((name.to_owned(), json!(kind?))));
    json_of(&members.collect::<Map<String, Value>>())
}

fn attached(key: &str, value: &str) -> Option<Map<String, Value>> {
    Some(Map::from_iter([(key.to_owned(), json!(value))]))
}

/// What GWS tells of a medium by an event.
pub(super) fn told(of: &str, word: &str, (state, lifecycle): &State) -> Box<RawValue> {
    match (of, word) {
        (medium::CALL, _) => json_of(&call(word, state, *lifecycle)),
        (medium::AGENT, event::STATE_CHANGE) => json_of(&person_state(state)),
        (medium::AGENT, event::USER_EVENT) => json_of(&UserEventData {
            device_id: some(DEVICE),
            user_data: attached("GSW_RECORD_HANDLE", RECORD),
        }),
        (medium::AGENT, _) | (_, event::OPERATION_RESPONSE) => json_of(&ErrorData {
            error_code: some("56"),
            error_message: some(TEXT),
            topic: some("/v2/me/chats"),
        }),
        (medium::USER, _) => json_of(&PasswordData {
            notification_type: notification(of, word).unwrap_or_default(),
            error_code: (word == event::PASSWORD_ERROR).then(|| "3".to_owned()),
            error_message: (word == event::PASSWORD_ERROR).then(|| TEXT.to_owned()),
            ..PasswordData::default()
        }),
        (medium::WORKBIN, event::ACTION) => json_of(&WorkbinActionData {
            workbin_id: WORKBIN.to_owned(),
            action: some("ItemAdded"),
            item_medium: some(medium::EMAIL),
            interaction_id: some(INTERACTION),
        }),
        (medium::WORKBIN, _) => json_of(&WorkbinSubscriptionData {
            workbin_id: WORKBIN.to_owned(),
            state_resource: some("Subscribed"),
            ..WorkbinSubscriptionData::default()
        }),
        (medium::OUTBOUND, _) => json_of(&OutboundRecordData {
            notification_type: notification(of, word),
            record_handle: some(RECORD),
            state: some(state),
            phone: some(ANI),
            campaign_name: some("Sample Campaign"),
            ..OutboundRecordData::default()
        }),
        (medium::SERVICE, _) => json_of(&ServiceStateData {
            message_type: message_type(of, word).map(str::to_owned),
            service_name: some(SERVICE),
            service_state: some("UNAVAILABLE"),
            ..ServiceStateData::default()
        }),
        (medium::UNKNOWN, _) => json_of(&UnknownData {
            topic: "/v2/me".to_owned(),
            reason: "no `messageType`".to_owned(),
            ..UnknownData::default()
        }),
        _ => json_of(&interaction(of, word, state, *lifecycle)),
    }
}

fn interaction(of: &str, word: &str, state: &str, lifecycle: Option<Lifecycle>) -> InteractionData {
    let bare = InteractionData {
        interaction_id: INTERACTION.to_owned(),
        notification_type: notification(of, word),
        ..InteractionData::default()
    };
    if word == event::LOG_UPDATE {
        return bare;
    }
    let (error, email) = (word == event::ERROR, of == medium::EMAIL);
    InteractionData {
        state: some(state),
        lifecycle,
        participants: medium::CONVERSATIONS.contains(&of).then(|| vec![person("Customer")]),
        subject: email.then(|| TEXT.to_owned()),
        from: email.then(|| "sample.person@example.com".to_owned()),
        error_code: error.then(|| "17".to_owned()),
        error_message: error.then(|| TEXT.to_owned()),
        user_data: attached("ContactId", CONTACT),
        ..bare
    }
}

fn call(word: &str, state: &str, lifecycle: Option<Lifecycle>) -> CallData {
    CallData {
        interaction_id: INTERACTION.to_owned(),
        notification_type: notification(medium::CALL, word),
        state: some(state),
        lifecycle,
        call_uuid: some(INTERACTION),
        conn_id: some("006802C6"),
        call_type: some("Internal"),
        ani: some(ANI),
        dnis: some("1002"),
        phone_number: some(PHONE),
        participants: Some(vec![CallParticipant { phone_number: some(ANI), ..CallParticipant::default() }]),
        duration: some("2"),
        mute: some("Off"),
        recording_state: some("Recording"),
        user_data: attached("ContactId", CONTACT),
        ..CallData::default()
    }
}

fn person_state(state: &str) -> AgentStateData {
    let away = state == "NotReady";
    AgentStateData {
        device_id: some(DEVICE),
        device_state: some("Active"),
        phone_number: some(ANI),
        user_state: Some(UserState {
            display_name: some(if away { "Lunch" } else { state }),
            state: some(state),
            reason: away.then(|| "Lunch".to_owned()),
            ..UserState::default()
        }),
        ..AgentStateData::default()
    }
}

/// What the bridge says itself.
pub(super) fn own(of: &str, word: &str, agent: &str, sink: &str) -> Box<RawValue> {
    let agent = agent.to_owned();
    match (of, word) {
        (_, event::GAP) => json_of(&interaction_gap(agent)),
        (_, event::ENDED_UNSEEN) => json_of(&EndedUnseenData {
            interaction_id: INTERACTION.to_owned(),
            agent,
            last_state: some("Chatting"),
            last_index: Some(5),
        }),
        (_, event::SILENT) => json_of(&SilentData {
            agent,
            since: some(BEFORE),
            differing: [(medium::CHAT.to_owned(), 1)].into(),
        }),
        (_, event::SINK_LOST) => json_of(&SinkLostData {
            sink: sink.to_owned(),
            first_sequence: EARLIER.to_owned(),
            last_sequence: SEQUENCE.to_owned(),
            count: 36,
            bytes: 36_000,
            limit: "max_lag.age".to_owned(),
        }),
        (_, event::ITEM_REJECTED) => json_of(&ItemRejectedData {
            agent,
            topic: "/v2/me/chats".to_owned(),
            bytes: 9_000_000,
            sha256: "0".repeat(64),
            reason: "larger than max_message (1048576 bytes)".to_owned(),
        }),
        _ => json_of(&gap(agent, word == event::GAP_CLOSED)),
    }
}

fn gap(agent: String, ended: bool) -> GapData {
    GapData {
        agent,
        gapid: GAP.to_owned(),
        from: some(BEFORE),
        to: ended.then(|| TIME.to_owned()),
        cause: CAUSE.to_owned(),
        certainty: Certainty::Certain,
        first_sequence: EARLIER.to_owned(),
        last_sequence: ended.then(|| SEQUENCE.to_owned()),
    }
}

fn interaction_gap(agent: String) -> InteractionGapData {
    InteractionGapData {
        interaction_id: INTERACTION.to_owned(),
        agent,
        gapid: GAP.to_owned(),
        phase: GapPhase::Closed,
        cause: CAUSE.to_owned(),
        certainty: Certainty::Certain,
        from: some(BEFORE),
        to: some(TIME),
        last_index_before: Some(5),
        first_index_after: Some(6),
        recovered: Some(Recovered::Yes),
    }
}
