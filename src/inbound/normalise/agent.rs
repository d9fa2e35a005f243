//! Agent states: one event per device, or per media channel, that a notification lists.
//!
//! A list is a snapshot of what stands in it. Deliberately absent: whether a state is news.

use super::conversation::id_of;
use super::fields::{Fields, fit, raw};
use super::keys;
use super::notice::{About, Notice, Place};
use super::{Candidate, Key, sight};
use crate::base::data::{AgentStateData, UserState};
use crate::base::envelope::{event, id_segment, medium};
use serde_json::value::RawValue;

/// `DeviceStateChangeMessage`: `devices[]`, each with an `id`, or an address that ends in it.
pub(super) fn devices(notice: &Notice<'_>) -> Vec<Candidate> {
    notice.each("devices", |json, place| {
        device(notice, json, place).unwrap_or_else(|reason| notice.unknown(json, place, reason))
    })
}

/// `ChannelStateChangeMessageV2`: `channels[]`, each with a `channel` name.
pub(super) fn channels(notice: &Notice<'_>) -> Vec<Candidate> {
    notice.each("channels", |json, place| {
        channel(notice, json, place).unwrap_or_else(|reason| notice.unknown(json, place, reason))
    })
}

pub(super) fn device(notice: &Notice<'_>, json: &RawValue, place: Place) -> Result<Candidate, &'static str> {
    let fields = Fields::of(json).ok_or("a device is no object that can be read")?;
    let id = id_of(&fields).ok_or("a device has no `id`, `path` or `uri`")?;
    let data = AgentStateData {
        device_id: Some(id.clone()),
        device_state: fields.word("deviceState"),
        do_not_disturb: fields.word("doNotDisturb"),
        phone_number: fields.word("phoneNumber"),
        e164_number: fields.word("e164Number"),
        telephony_network: fields.word("telephonyNetwork"),
        channels: fields.texts("channels"),
        description: fields.text("description"),
        dynamic_phone_number: fields.word("dynamicPhoneNumber"),
        ..common(&fields)
    };
    Ok(state(notice, keys::DEVICE, &id, &data, json, place))
}

pub(super) fn channel(notice: &Notice<'_>, json: &RawValue, place: Place) -> Result<Candidate, &'static str> {
    let fields = Fields::of(json).ok_or("a channel is no object that can be read")?;
    let name = fit(fields.word("channel")).ok_or("a channel has no `channel` name")?;
    let data = AgentStateData {
        channel: Some(name.clone()),
        do_not_disturb: fields.word("dndState"),
        ..common(&fields)
    };
    Ok(state(notice, keys::CHANNEL, &name, &data, json, place))
}

fn common(fields: &Fields<'_>) -> AgentStateData {
    let user_state = fields.get("userState").and_then(|json| match Fields::of(json) {
        Some(state) => Some(UserState {
            id: state.word("id"),
            display_name: state.text("displayName"),
            state: state.word("state"),
            work_mode: state.word("workMode"),
            reason: state.word("reason"),
        }),
        None => {
            fields.word("userState").map(|state| UserState { state: Some(state), ..UserState::default() })
        }
    });
    AgentStateData { user_state, capabilities: fields.texts("capabilities"), ..AgentStateData::default() }
}

fn state(
    notice: &Notice<'_>,
    kind: &'static str,
    id: &str,
    data: &AgentStateData,
    json: &RawValue,
    place: Place,
) -> Candidate {
    let (site, agent) = (notice.cx.site, notice.cx.agent);
    let about = About {
        medium: medium::AGENT,
        event: event::STATE_CHANGE,
        subject: format!("agent/{agent}/{id}"),
        order: agent,
    };
    let mut event = notice.event(about, raw(data), json);
    event.agent = Some(agent.to_owned());
    let dated = site.left_out.as_ref().is_none_or(|left_out| left_out.keeps(&event.kind, "since", "\"\""));
    let message_type = notice.message_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let content = keys::joined(&[&message_type, &keys::content(json).hex()]);
    let resource = keys::resource(&site.realm, agent, kind, id);
    let stem = format!("agent/{}/{}/state_change", id_segment(agent), id_segment(id));
    Candidate {
        event,
        identity: notice.identity(&stem, content, place),
        dedup: notice.key(&format!("{kind}/{id}"), Place::Whole, Key::State { resource }),
        resource: Some(resource),
        content,
        sight: Some(sight::agent(kind, id, data)),
        dated,
        compared: false,
    }
}
