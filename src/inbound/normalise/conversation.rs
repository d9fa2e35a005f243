//! State changes of an interaction, as one agent sees it: conversations, calls, emails, posts, workitems and the like.
//!
//! They share one shape: a notification type, and the interaction under its medium's name. What is special to a call is
//! in `call`, the log of a conversation in `message`. Deliberately absent: whether a state is news.

use super::fields::{Fields, each, fit, items, raw};
use super::keys::{self, medium_of};
use super::notice::{About, Notice, Place};
use super::{Candidate, Key, Says, Shadow, Sight, call, failure, lifecycle, others, sight};
use crate::base::data::{Attachment, InteractionData, Participant};
use crate::base::envelope::{event, id_segment, medium};
use crate::base::media::events_of;
use crate::base::stamps;
use crate::base::words::is_no_id;
use serde::Serialize;
use serde_json::value::RawValue;

/// The event of a notification type, in any case, where the medium has it.
fn event_of(medium: &str, notification_type: &str) -> Option<&'static str> {
    let folded = notification_type.to_ascii_lowercase();
    let name = match folded.as_str() {
        "statuschange" => event::STATUS_CHANGE,
        "participantsupdated" => event::PARTICIPANTS_UPDATED,
        "propertiesupdated" => event::PROPERTIES_UPDATED,
        "attacheddatachanged" => event::ATTACHED_DATA_CHANGED,
        "callrecordingstatechange" => event::RECORDING_STATE_CHANGE,
        "attachmentadded" => event::ATTACHMENT_ADDED,
        "attachmentremoved" => event::ATTACHMENT_REMOVED,
        "error" => event::ERROR,
        // `EmailSaved`, `FacebookSaved`, `TweetSaved`.
        other if other.strip_suffix("saved").and_then(medium_of) == Some(medium) => event::SAVED,
        _ => return None,
    };
    events_of(medium).contains(&name).then_some(name)
}

/// `<Medium>StateChangeMessage`: one event.
pub(super) fn state_change(notice: &Notice<'_>, medium: &'static str) -> Candidate {
    let name = notice.notification_type.as_deref().and_then(|word| event_of(medium, word));
    let found = resource_of(notice, medium);
    let id = found.as_ref().and_then(id_of);
    let (Some(resource), Some(id)) = (&found, id) else {
        // What failed is told all the same, in the agent's order.
        if name == Some(event::ERROR) {
            return others::error(notice);
        }
        let reason = match found {
            None => "no resource of the message type's medium",
            Some(_) => "the resource has no `id`, `path` or `uri`",
        };
        return notice.unknown(notice.data, Place::Whole, reason);
    };
    let state = keys::resource(&notice.cx.site.realm, notice.cx.agent, medium, &id);
    let Some(name) = name else {
        let reason = match notice.notification_type {
            Some(_) => "this `notificationType` is not known",
            None => "no `notificationType`",
        };
        // Its state is remembered all the same: a return to the state before it is then no repeat.
        let unknown = notice.unknown(notice.data, Place::Whole, reason);
        return Candidate { resource: Some(state), sight: sight_of(medium, &id, resource), ..unknown };
    };
    made(notice, medium, &id, resource, name)
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
    let data = match medium {
        medium::CALL => call::data_of(notice, id, resource),
        _ => data_of(notice, medium, id, resource, name),
    };
    let mut event = notice.event(about, data, notice.data);
    event.interaction = Some(id.to_owned());
    event.correlationid = if medium == medium::CALL { call::parent_of(resource) } else { None };
    event.agent = Some(notice.cx.agent.to_owned());
    let content = keys::content(notice.data);
    let left_out = notice.cx.site.left_out.as_ref();
    let compared = left_out.is_none_or(|out| out.keeps(&event.kind, "userDataChanges", "{\"k\":\"\"}"));
    let otherwise = if name == event::ERROR { Key::None } else { Key::State { resource: state } };
    Candidate {
        event,
        identity: notice.identity(&format!("{medium}/{}/{name}", id_segment(id)), content, Place::Whole),
        dedup: notice.key(&subject, Place::Whole, otherwise),
        resource: Some(state),
        content,
        sight: sight_of(medium, id, resource),
        dated: false,
        compared,
    }
}

/// Only what REST lists is compared with it; of the others it is known whether they are open, as a gap touches those.
fn sight_of(medium: &'static str, id: &str, resource: &Fields<'_>) -> Option<Sight> {
    if medium::CONVERSATIONS.contains(&medium) {
        return Some(sight::conversation(medium, id, resource));
    }
    let open = lifecycle::open(medium, &resource.word("state")?)?;
    Some(Sight {
        kind: medium,
        id: id.to_owned(),
        says: Says::State { open: Some(open), shadow: Shadow::default() },
    })
}

/// The resource stands under the medium's name in any spelling, as an object or as a list of just one.
fn resource_of<'a>(notice: &Notice<'a>, medium: &str) -> Option<Fields<'a>> {
    let mut names = vec![medium.to_owned(), format!("{medium}s")];
    if medium == medium::TWEET {
        names.push("twitter".to_owned());
    }
    let found = names.iter().find_map(|name| notice.fields.get(name))?;
    match items(found)?.as_slice() {
        [one] => Fields::of(one),
        _ => None,
    }
}

/// The id of a resource: `id`, else the last segment of `path`, else of `uri`.
pub(super) fn id_of(fields: &Fields<'_>) -> Option<String> {
    let segment = |name| fit(fields.text(name).as_deref().and_then(last_segment));
    fields.id("id").or_else(|| segment("path")).or_else(|| segment("uri"))
}

/// Collections of what is no interaction.
const COLLECTIONS: &[&str] = &["devices", "workbins", "users"];

/// The last segment of a path or URI, where it can be an id: not the host, not the collection's name, and not the `null` of
/// what has none yet.
pub(super) fn last_segment(location: &str) -> Option<String> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => location,
    };
    let path = path.split(['?', '#']).next()?.trim().trim_end_matches('/');
    let last = path.rsplit('/').next()?.trim();
    let is_collection = medium_of(last).is_some() || COLLECTIONS.contains(&last);
    (!last.is_empty() && !is_collection && !is_no_id(last)).then(|| last.to_owned())
}

/// Typed data with what is the site's own, taken over without re-encoding its numbers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WithFree<D> {
    #[serde(flatten)]
    pub(super) data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extensions: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_fields: Option<Box<RawValue>>,
}

impl<D: Default> Default for WithFree<D> {
    fn default() -> WithFree<D> {
        WithFree { data: D::default(), user_data: None, extensions: None, custom_fields: None }
    }
}

fn data_of(notice: &Notice<'_>, medium: &str, id: &str, resource: &Fields<'_>, name: &str) -> Box<RawValue> {
    let state = resource.word("state");
    let failure = match name {
        event::ERROR => failure::told(&notice.fields),
        _ => failure::near(&notice.fields, resource),
    };
    let nothing = Fields::none();
    let email = if medium == medium::EMAIL { resource } else { &nothing };
    let data = InteractionData {
        interaction_id: id.to_owned(),
        notification_type: notice.notification_type.clone(),
        lifecycle: state.as_deref().and_then(|state| lifecycle::of(medium, state)),
        state,
        capabilities: resource.texts("capabilities"),
        participants: resource
            .get("participants")
            .and_then(|list| each(list, |one| Some(somebody(notice, &Fields::of(one)?)))),
        comment: resource.text("comment"),
        chat_type: resource.word("chatType").filter(|_| medium == medium::CHAT),
        received_date: resource.text("receivedDate").map(|text| dated(notice, text)),
        subject: email.text("subject"),
        from: email.text("from"),
        to: email.texts("to"),
        cc: email.texts("cc"),
        attachments: email.get("attachments").and_then(|list| each(list, attachment)),
        error_code: failure.code,
        error_message: failure.text,
        user_data: None,
        user_data_changes: None,
    };
    raw(&WithFree { data, user_data: resource.free("userData"), ..WithFree::default() })
}

fn attachment(json: &RawValue) -> Option<Attachment> {
    let fields = Fields::of(json)?;
    Some(Attachment { id: fields.id("id"), name: fields.text("name") })
}

/// A stamp as those of a log's items are written; one that can not be read stays as it came.
fn dated(notice: &Notice<'_>, text: String) -> String {
    stamps::parse(&text, &notice.cx.site.time_zone).map_or(text, |stamp| stamp.local)
}

/// Who wrote an item, or who takes part, and which agent that is.
pub(super) fn somebody(notice: &Notice<'_>, fields: &Fields<'_>) -> Participant {
    let agent = user_id(fields).and_then(|id| notice.cx.users.agent(&id));
    Participant { agent, ..participant(fields) }
}

/// The user that a participant is, where its `path` or `uri` is that of a user (`/users/<id>`): an agent's is.
fn user_id(fields: &Fields<'_>) -> Option<String> {
    ["path", "uri"].into_iter().find_map(|name| {
        let location = fields.text(name)?;
        let (before, id) = location.trim().trim_end_matches('/').rsplit_once('/')?;
        (before.rsplit('/').next() == Some("users")).then(|| id.to_owned())
    })
}

/// What both forms of a participant say.
pub(super) fn participant(fields: &Fields<'_>) -> Participant {
    Participant {
        kind: fields.word("type"),
        nickname: fields.text("nickname"),
        participant_id: fields.word("participantId"),
        visibility: fields.word("visibility"),
        agent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"path":"/users/5e10"}"#, Some("5e10"))]
    #[case(r#"{"uri":"http: //192.168.83.25: 8090/api/v2/users/5e10","id":"0073"}"#, Some("5e10"))]
    #[case(r#"{"path":"/chats/5e10","uri":"http://h/api/v2/users/5e10/"}"#, Some("5e10"))]
    #[case(r#"{"participantId":"5e10","nickname":"/users/5e10","id":"5e10"}"#, None)]
    #[case(r#"{"path":"/users/","uri":"users"}"#, None)]
    #[case(r#"{"path":"/superusers/5e10"}"#, None)]
    fn a_participant_is_the_user_that_its_path_names(#[case] json: &str, #[case] id: Option<&str>) {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        assert_eq!(user_id(&Fields::of(&json).unwrap()).as_deref(), id);
    }

    #[rstest]
    #[case("http://localhost:8080/api/v2/facebooksessions/0000Na9B26EF002X", Some("0000Na9B26EF002X"))]
    #[case("/chats/0001 ", Some("0001"))]
    #[case("0001", Some("0001"))]
    #[case("https://h/chats/0001/?x=/y#z", Some("0001"))]
    #[case("http://localhost:8080", None)]
    #[case("/chats/", None)]
    #[case("http://localhost:8080/api/v2/me/calls/null", None)]
    #[case("/calls/undefined/", None)]
    #[case("/devices", None)]
    #[case("", None)]
    fn the_last_segment_is_the_id_where_it_can_be_one(#[case] location: &str, #[case] id: Option<&str>) {
        assert_eq!(last_segment(location).as_deref(), id);
    }
}
