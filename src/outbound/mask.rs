//! What a sink may see of an event: everything, or what an allow-list per type names.
//!
//! `no-content` works on the typed payloads: a field that is not named here does not leave, and a type that is
//! not known here leaves with empty `data`. Attributes hold ids and closed words only, so they stay. Of agents'
//! states `displayName` and `reason` go too: sites word them freely, and a reason can say why a person is away.
//! Deliberately absent: deny-lists, and masking inside of texts.

use crate::base::data::{
    AgentStateData, GapData, InteractionData, Message, MessageData, Participant, TranscriptData, UnknownData,
    UserState,
};
use crate::base::envelope::{Event, event, gws_type, medium};
use crate::outbound::settings::Privacy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// The event as the sink may see it. Where nothing is to be taken away it is the same event, at no cost.
pub fn apply(event: &Arc<Event>, privacy: Privacy, raw: bool) -> Arc<Event> {
    match privacy {
        Privacy::Full if raw || (event.raw.is_none() && event.context.is_none()) => Arc::clone(event),
        Privacy::Full => Arc::new(without_raw(event, event.data.clone())),
        Privacy::NoContent => Arc::new(without_raw(event, allowed(event))),
    }
}

/// A copy with other data; `raw` and `context`, which may be large, are never copied.
fn without_raw(event: &Event, data: Box<RawValue>) -> Event {
    Event {
        id: event.id.clone(),
        source: event.source.clone(),
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        time: event.time.clone(),
        timesource: event.timesource,
        dataschema: event.dataschema.clone(),
        site: event.site.clone(),
        medium: event.medium.clone(),
        event: event.event.clone(),
        interaction: event.interaction.clone(),
        agent: event.agent.clone(),
        group: event.group.clone(),
        observedby: event.observedby.clone(),
        messageindex: event.messageindex,
        authorkind: event.authorkind.clone(),
        visibility: event.visibility.clone(),
        referenceid: event.referenceid.clone(),
        revision: event.revision,
        baseid: event.baseid.clone(),
        partitionkey: event.partitionkey.clone(),
        recordedtime: event.recordedtime.clone(),
        origin: event.origin,
        data,
        raw: None,
        context: None,
        late: event.late,
    }
}

fn allowed(event: &Event) -> Box<RawValue> {
    let kind = event.kind.as_ref();
    if BRIDGE_TYPES.contains(&kind) {
        return event.data.clone();
    }
    // The type decides, not the words beside it: a type of another version has no allow-list yet.
    if kind != gws_type(&event.medium, &event.event) {
        return nothing();
    }
    match (event.medium.as_ref(), event.event.as_ref()) {
        (medium::UNKNOWN, _) => reduce(event, |data: UnknownData| data),
        (medium::AGENT, event::STATE_CHANGE) => reduce(event, agent_state),
        (_, event::GAP_OPENED | event::GAP_CLOSED) => reduce(event, |data: GapData| data),
        (_, event::MESSAGE) => reduce(event, message),
        (_, event::TRANSCRIPT) => reduce(event, transcript),
        (
            _,
            event::STATUS_CHANGE | event::PARTICIPANTS_UPDATED | event::PROPERTIES_UPDATED | event::ERROR,
        ) => reduce(event, interaction),
        _ => nothing(),
    }
}

/// The bridge's own events: made here, of configured names, counts and stamps.
const BRIDGE_TYPES: &[&str] = &[
    "cometbridge.session.gap_opened.v1",
    "cometbridge.session.gap_closed.v1",
    "cometbridge.session.silent.v1",
    "cometbridge.sink.lost.v1",
    "cometbridge.item.rejected.v1",
];

fn reduce<T: DeserializeOwned + Serialize>(event: &Event, keep: impl FnOnce(T) -> T) -> Box<RawValue> {
    serde_json::from_str::<T>(event.data.get())
        .ok()
        .and_then(|data| to_raw_value(&keep(data)).ok())
        .unwrap_or_else(nothing)
}

fn nothing() -> Box<RawValue> {
    to_raw_value(&serde_json::Map::new()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn message(data: MessageData) -> MessageData {
    let Message { index, kind, visibility, sent_at, from, text: _, notice_text: _, url: _ } = data.message;
    let from = from.map(|from| participant(from, false));
    MessageData {
        interaction_id: data.interaction_id,
        message: Message { index, kind, visibility, sent_at, from, ..Message::default() },
    }
}

fn transcript(data: TranscriptData) -> TranscriptData {
    let mut data = data;
    for item in &mut data.items {
        let MessageData { message, .. } = self::message(MessageData {
            interaction_id: String::new(),
            message: std::mem::take(&mut item.message),
        });
        item.message = message;
    }
    data.participants = data.participants.into_iter().map(|one| participant(one, false)).collect();
    data
}

fn participant(from: Participant, with_visibility: bool) -> Participant {
    let Participant { kind, participant_id, visibility, nickname: _ } = from;
    Participant { kind, participant_id, visibility: visibility.filter(|_| with_visibility), nickname: None }
}

fn interaction(data: InteractionData) -> InteractionData {
    InteractionData {
        interaction_id: data.interaction_id,
        notification_type: data.notification_type,
        state: data.state,
        capabilities: data.capabilities,
        participants: data
            .participants
            .map(|list| list.into_iter().map(|one| participant(one, true)).collect()),
        ..InteractionData::default()
    }
}

fn agent_state(data: AgentStateData) -> AgentStateData {
    AgentStateData {
        device_id: data.device_id,
        channel: data.channel,
        device_state: data.device_state,
        user_state: data.user_state.map(|state| UserState {
            id: state.id,
            state: state.state,
            work_mode: state.work_mode,
            ..UserState::default()
        }),
        do_not_disturb: data.do_not_disturb,
        capabilities: data.capabilities,
        ..AgentStateData::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::testing::{event as sample, raw};
    use serde_json::json;

    /// A sample of the given type; every text that must not leave holds the word "secret".
    fn with(medium: &'static str, word: &'static str, data: &serde_json::Value) -> Arc<Event> {
        let mut event = sample("k", 1);
        event.medium = medium.into();
        event.event = word.into();
        event.kind = gws_type(medium, word).into();
        event.data = raw(&data.to_string());
        event.raw = Some(raw(r#"{"text":"secret raw"}"#));
        event.context = Some(raw(r#"{"user":"secret context"}"#));
        Arc::new(event)
    }

    fn masked(event: &Arc<Event>) -> serde_json::Value {
        let masked = apply(event, Privacy::NoContent, true);
        let whole = crate::base::encode::structured(&masked, "1-1").unwrap();
        assert!(!String::from_utf8(whole).unwrap().contains("secret"));
        assert!(masked.raw.is_none() && masked.context.is_none());
        serde_json::from_str(masked.data.get()).unwrap()
    }

    #[test]
    fn a_message_keeps_its_frame_and_loses_its_content() {
        let event = with(
            "chat",
            "message",
            &json!({"interactionId": "i", "message": {"index": 5, "kind": "Text", "text": "secret",
            "noticeText": "secret", "url": "secret", "visibility": "All", "sentAt": "2014-01-02T14:23:20.126Z",
            "from": {"kind": "Customer", "nickname": "secret", "participantId": "p", "visibility": "All"}}}),
        );
        assert_eq!(
            masked(&event),
            json!({"interactionId": "i", "message": {"index": 5, "kind": "Text", "visibility": "All",
            "sentAt": "2014-01-02T14:23:20.126Z", "from": {"kind": "Customer", "participantId": "p"}}})
        );
    }

    #[test]
    fn an_interaction_keeps_state_and_participants_without_names() {
        let data = json!({"interactionId": "i", "notificationType": "StatusChange", "state": "Chat",
            "capabilities": ["SendMessage"], "comment": "secret", "receivedDate": "secret", "userData": {"a": "secret"},
            "participants": [{"kind": "Agent", "nickname": "secret", "participantId": "p", "visibility": "All"}]});
        for word in ["status_change", "participants_updated", "properties_updated", "error"] {
            assert_eq!(
                masked(&with("facebooksession", word, &data)),
                json!({"interactionId": "i", "notificationType": "StatusChange", "state": "Chat",
                "capabilities": ["SendMessage"],
                "participants": [{"kind": "Agent", "participantId": "p", "visibility": "All"}]})
            );
        }
    }

    #[test]
    fn an_agent_state_keeps_states_without_numbers_names_and_reasons() {
        let event = with(
            "agent",
            "state_change",
            &json!({"deviceId": "d", "deviceState": "Active", "phoneNumber": "secret", "doNotDisturb": "Off",
            "userState": {"id": "7", "displayName": "secret", "state": "NotReady", "workMode": "AuxWork", "reason": "secret"},
            "capabilities": ["ready"]}),
        );
        assert_eq!(
            masked(&event),
            json!({"deviceId": "d", "deviceState": "Active", "doNotDisturb": "Off",
            "userState": {"id": "7", "state": "NotReady", "workMode": "AuxWork"}, "capabilities": ["ready"]})
        );
    }

    #[test]
    fn what_is_not_understood_keeps_its_place_and_reason_only() {
        let event = with("unknown", "unknown", &json!({"topic": "/v2/x", "reason": "r", "extra": "secret"}));
        assert_eq!(masked(&event), json!({"topic": "/v2/x", "reason": "r"}));
    }

    #[test]
    fn a_transcript_keeps_the_frames_of_its_items() {
        let message = json!({"index": 5, "kind": "Text", "text": "secret", "url": "secret",
            "from": {"kind": "Customer", "nickname": "secret", "participantId": "p"}});
        let data = json!({"interactionId": "i", "complete": "true", "agents": [{"agent": "1001", "lastState": "Completed"}],
            "participants": [{"kind": "Customer", "nickname": "secret", "participantId": "p"}],
            "items": [{"eventId": "e", "message": message}]});
        assert_eq!(
            masked(&with("chat", "transcript", &data)),
            json!({"interactionId": "i", "complete": "true", "agents": [{"agent": "1001", "lastState": "Completed"}],
                "participants": [{"kind": "Customer", "participantId": "p"}],
                "items": [{"eventId": "e", "message": {"index": 5, "kind": "Text",
                    "from": {"kind": "Customer", "participantId": "p"}}}]})
        );
    }

    #[test]
    fn an_unknown_type_or_odd_data_leaves_empty() {
        let mut event = Event::clone(&with("chat", "message", &json!({"message": {"text": "secret"}})));
        assert_eq!(masked(&Arc::new(event.clone())), json!({}));
        event.kind = "genesys.gws.chat.message.v2".into();
        assert_eq!(masked(&Arc::new(event)), json!({}));
        assert_eq!(masked(&with("chat", "whisper", &json!({"text": "secret"}))), json!({}));
    }

    #[test]
    fn events_of_the_bridge_leave_whole() {
        let mut event = Event::clone(&with("bridge", "sink_lost", &json!({"sink": "crm", "count": 3})));
        event.kind = "cometbridge.sink.lost.v1".into();
        assert_eq!(masked(&Arc::new(event)), json!({"sink": "crm", "count": 3}));
    }

    #[test]
    fn full_with_raw_is_the_very_same_event() {
        let event = with("chat", "message", &json!({"a": "secret"}));
        assert!(Arc::ptr_eq(&event, &apply(&event, Privacy::Full, true)));
        let bare = apply(&event, Privacy::Full, false);
        assert!(bare.raw.is_none() && bare.context.is_none());
        assert_eq!(bare.data.get(), event.data.get());
    }
}
