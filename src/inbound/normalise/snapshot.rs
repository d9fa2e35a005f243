//! What REST shows of an agent, as candidates of origin `snapshot`: the same events that notifications give.
//!
//! A reading is no notification: what can not be read of it is passed over, because the next reading shows it
//! again. Deliberately absent: HTTP, and whether a value is news.

use super::fields::Fields;
use super::notice::{Notice, Place};
use super::sealed::sealed;
use super::{Candidate, Context, Identity, Key, agent, conversation, keys, message, typing};
use crate::base::envelope::Origin;
use serde_json::value::RawValue;

/// A device of `user.devices`; nothing for what has no id.
pub fn device(cx: &Context<'_>, json: &RawValue) -> Option<Candidate> {
    let notice = Notice::read(cx, "/v2/me/devices", json);
    agent::device(&notice, json, Place::Whole).ok().map(|candidate| of_state(cx, candidate))
}

/// A media channel of `user.channels`; nothing for what has no name.
pub fn channel(cx: &Context<'_>, json: &RawValue) -> Option<Candidate> {
    let notice = Notice::read(cx, "/v2/me/channels", json);
    agent::channel(&notice, json, Place::Whole).ok().map(|candidate| of_state(cx, candidate))
}

/// A conversation of a medium's list; nothing for what has no id.
pub fn conversation(cx: &Context<'_>, medium: &'static str, json: &RawValue) -> Option<Candidate> {
    let stripped = if cx.site.typing_text { None } else { typing::without_text(json) };
    let json = stripped.as_deref().unwrap_or(json);
    let resource = Fields::of(json)?;
    let id = conversation::id_of(&resource)?;
    let notice = Notice::read(cx, medium, json);
    Some(of_state(cx, conversation::as_read(&notice, medium, &id, &resource)))
}

/// An item of a conversation's log; nothing for what has no index, as it could not be told from a repeat.
pub fn item(cx: &Context<'_>, medium: &'static str, interaction: &str, json: &RawValue) -> Option<Candidate> {
    let stripped = if cx.site.typing_text { None } else { typing::without_text(json) };
    let json = stripped.as_deref().unwrap_or(json);
    let notice = Notice::read(cx, medium, json);
    let of = message::Conversation { medium, id: interaction.to_owned() };
    let mut candidate = sealed(message::item(&notice, &of, json, Place::Whole), cx.site);
    candidate.event.origin = Origin::Snapshot;
    matches!(candidate.dedup, Key::LogItem { .. }).then_some(candidate)
}

/// The last state that a notification is compared with is then a reading's: it equals none, so the next
/// notification goes out whatever it says.
fn of_state(cx: &Context<'_>, candidate: Candidate) -> Candidate {
    let candidate = sealed(candidate, cx.site);
    let content = keys::joined(&["snapshot", &candidate.content.hex()]);
    let mut event = candidate.event;
    event.origin = Origin::Snapshot;
    Candidate { event, content, identity: Identity::Assigned, ..candidate }
}
