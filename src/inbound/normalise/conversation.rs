//! Facebook private messages, chat and SMS: state changes of a conversation, as one agent sees it.
//!
//! The three share one shape. Its log is in `message`. Deliberately absent: whether a state is news.

use super::fields::{Fields, compact, fit, items, raw};
use super::keys::{self, medium_of};
use super::notice::{About, Notice, Place};
use super::{Candidate, Key, sight};
use crate::base::data::{InteractionData, Participant};
use crate::base::envelope::{event, id_segment};
use serde::Serialize;
use serde_json::value::RawValue;

/// Deepest attached data taken into the typed part; deeper data stays in `raw`, where nobody must descend into it.
const MAX_FREE_DEPTH: usize = 64;

/// The event of a notification type, in any case.
fn event_of(notification_type: &str) -> Option<&'static str> {
    match notification_type.to_ascii_lowercase().as_str() {
        "statuschange" => Some(event::STATUS_CHANGE),
        "participantsupdated" => Some(event::PARTICIPANTS_UPDATED),
        "propertiesupdated" => Some(event::PROPERTIES_UPDATED),
        "error" => Some(event::ERROR),
        _ => None,
    }
}

/// `<Medium>StateChangeMessage`: one event.
pub(super) fn state_change(notice: &Notice<'_>, medium: &'static str) -> Candidate {
    let Some(resource) = resource_of(notice, medium) else {
        return notice.unknown(notice.data, Place::Whole, "no resource of the message type's medium");
    };
    let Some(id) = id_of(&resource) else {
        return notice.unknown(notice.data, Place::Whole, "the resource has no `id`, `path` or `uri`");
    };
    let state = keys::resource(&notice.cx.site.realm, notice.cx.agent, medium, &id);
    let Some(name) = notice.notification_type.as_deref().and_then(event_of) else {
        let reason = match notice.notification_type {
            Some(_) => "this `notificationType` is not known",
            None => "no `notificationType`",
        };
        // Its state is remembered all the same: a return to the state before it is then no repeat.
        let unknown = notice.unknown(notice.data, Place::Whole, reason);
        return Candidate {
            resource: Some(state),
            sight: Some(sight::conversation(medium, &id, &resource)),
            ..unknown
        };
    };
    made(notice, medium, &id, &resource, name)
}

/// A conversation as REST lists it: its state.
pub(super) fn as_read(
    notice: &Notice<'_>,
    medium: &'static str,
    id: &str,
    resource: &Fields<'_>,
) -> Candidate {
    made(notice, medium, id, resource, event::STATUS_CHANGE)
}

fn made(
    notice: &Notice<'_>,
    medium: &'static str,
    id: &str,
    resource: &Fields<'_>,
    name: &'static str,
) -> Candidate {
    let state = keys::resource(&notice.cx.site.realm, notice.cx.agent, medium, id);
    let subject = format!("{medium}/{id}");
    let about = About { medium, event: name, subject: subject.clone(), order: id };
    let data = data_of(id, notice.notification_type.clone(), resource);
    let mut event = notice.event(about, data, notice.data);
    event.interaction = Some(id.to_owned());
    event.agent = Some(notice.cx.agent.to_owned());
    let content = keys::content(notice.data);
    let otherwise = if name == event::ERROR { Key::None } else { Key::State { resource: state } };
    Candidate {
        event,
        identity: notice.identity(&format!("{medium}/{}/{name}", id_segment(id)), content, Place::Whole),
        dedup: notice.key(&subject, Place::Whole, otherwise),
        resource: Some(state),
        content,
        sight: Some(sight::conversation(medium, id, resource)),
    }
}

/// The resource stands under the medium's name in any spelling, as an object or as a list of just one.
fn resource_of<'a>(notice: &Notice<'a>, medium: &str) -> Option<Fields<'a>> {
    let found = [medium.to_owned(), format!("{medium}s")].iter().find_map(|name| notice.fields.get(name))?;
    match items(found)?.as_slice() {
        [one] => Fields::of(one),
        _ => None,
    }
}

/// The id of a resource: `id`, else the last segment of `path`, else of `uri`.
pub(super) fn id_of(fields: &Fields<'_>) -> Option<String> {
    let segment = |name| fit(fields.text(name).as_deref().and_then(last_segment));
    fit(fields.word("id")).or_else(|| segment("path")).or_else(|| segment("uri"))
}

/// The last segment of a path or URI, where it can be an id: not the host, not the collection's name.
pub(super) fn last_segment(location: &str) -> Option<String> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => location,
    };
    let path = path.split(['?', '#']).next()?.trim().trim_end_matches('/');
    let last = path.rsplit('/').next()?.trim();
    (!last.is_empty() && medium_of(last).is_none()).then(|| last.to_owned())
}

/// [`InteractionData`] with its last member, the attached data, taken over without re-encoding its numbers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WithUserData {
    #[serde(flatten)]
    data: InteractionData,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<Box<RawValue>>,
}

fn data_of(id: &str, notification_type: Option<String>, resource: &Fields<'_>) -> Box<RawValue> {
    let data = InteractionData {
        interaction_id: id.to_owned(),
        notification_type,
        state: resource.word("state"),
        capabilities: resource.texts("capabilities"),
        participants: resource
            .get("participants")
            .and_then(items)
            .map(|all| all.into_iter().filter_map(Fields::of).map(|fields| participant(&fields)).collect()),
        comment: resource.text("comment"),
        received_date: resource.text("receivedDate"),
        user_data: None,
    };
    let object = |json: &&RawValue| json.get().starts_with('{') && depth_fits(json.get());
    raw(&WithUserData { data, user_data: resource.get("userData").filter(object).map(compact) })
}

/// Who wrote an item, or who takes part.
pub(super) fn participant(fields: &Fields<'_>) -> Participant {
    Participant {
        kind: fields.word("type"),
        nickname: fields.text("nickname"),
        participant_id: fields.word("participantId"),
        visibility: fields.word("visibility"),
    }
}

fn depth_fits(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_FREE_DEPTH {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://localhost:8080/api/v2/facebooksessions/0000Na9B26EF002X", Some("0000Na9B26EF002X"))]
    #[case("/chats/0001 ", Some("0001"))]
    #[case("0001", Some("0001"))]
    #[case("https://h/chats/0001/?x=/y#z", Some("0001"))]
    #[case("http://localhost:8080", None)]
    #[case("/chats/", None)]
    #[case("", None)]
    fn the_last_segment_is_the_id_where_it_can_be_one(#[case] location: &str, #[case] id: Option<&str>) {
        assert_eq!(last_segment(location).as_deref(), id);
    }

    #[test]
    fn attached_data_nested_beyond_reason_is_left_to_raw() {
        assert!(depth_fits(r#"{"a":"[[[{{{\"","b":[{}]}"#));
        assert!(!depth_fits(&format!("{}{}", "[".repeat(65), "]".repeat(65))));
    }
}
