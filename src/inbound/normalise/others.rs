//! Notifications that carry no interaction's state: workbins, outbound records, errors, user events, passwords,
//! services, and the log of an instant-message session.
//!
//! One event each (of a list of services one for each), and each is forwarded: none says what it would repeat.
//! Deliberately absent: the items of an instant-message log (GWS does not document them; they stand in `raw`).

use super::conversation::{WithFree, id_of, last_segment};
use super::fields::{Fields, fit, raw};
use super::message::named_id;
use super::notice::{About, Notice, Place};
use super::{Candidate, Key, failure, keys};
use crate::base::data::{
    ErrorData, InteractionData, OutboundRecordData, PasswordData, ServiceStateData, UserEventData,
    WorkbinActionData, WorkbinSubscriptionData,
};
use crate::base::envelope::{event, id_segment, medium};
use serde_json::value::RawValue;

const PASSWORD_CHANGED: &str = "PasswordChangeSuccessful";
const PASSWORD_ERROR: &str = "PasswordChangeError";
/// Where the server tells of its services; the messages themselves are not documented.
const SERVICES: &str = "/notifications/services";

/// By its `messageType`, in lower case; nothing for another.
pub(super) fn typed(notice: &Notice<'_>, message_type: &str) -> Option<Candidate> {
    Some(match message_type {
        "errormessage" => error(notice),
        "tweetoperationresponse" | "twitteroperationresponse" => {
            of_agent(notice, medium::TWEET, event::OPERATION_RESPONSE, raw(&what_failed(notice)))
        }
        "deviceusereventmessage" => of_agent(notice, medium::AGENT, event::USER_EVENT, user_event(notice)),
        "outboundrecordmessage" => record(notice),
        "workbinsubscriptionstatechangemessage" => workbin(notice, event::SUBSCRIPTION_CHANGE),
        "workbinstatechangemessage" => workbin(notice, event::ACTION),
        "imlogupdatemessage" => im_log(notice),
        _ => return None,
    })
}

/// Without a `messageType` that is known: a password's news by its `notificationType`, a service's by its channel.
pub(super) fn untyped(notice: &Notice<'_>) -> Option<Vec<Candidate>> {
    if notice.message_type.is_none() {
        let is =
            |word: &str| notice.notification_type.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(word));
        if is(PASSWORD_CHANGED) {
            return Some(vec![password(notice, event::PASSWORD_CHANGED)]);
        }
        if is(PASSWORD_ERROR) {
            return Some(vec![password(notice, event::PASSWORD_ERROR)]);
        }
    }
    let of_services = notice.channel.trim().trim_end_matches('/') == SERVICES;
    (of_services && notice.data.get().starts_with('{')).then(|| services(notice))
}

/// An error that names no interaction: an `ErrorMessage`, or an `Error` of a resource that has no id or is not there.
pub(super) fn error(notice: &Notice<'_>) -> Candidate {
    let data = ErrorData { topic: Some(notice.channel.to_owned()), ..what_failed(notice) };
    of_agent(notice, medium::AGENT, event::ERROR, raw(&data))
}

fn what_failed(notice: &Notice<'_>) -> ErrorData {
    let failure = failure::told(&notice.fields);
    ErrorData { topic: None, error_code: failure.code, error_message: failure.text }
}

fn user_event(notice: &Notice<'_>) -> Box<RawValue> {
    let data = UserEventData { device_id: named_id(&notice.fields, keys::DEVICE), user_data: None };
    raw(&WithFree { data, user_data: notice.fields.free("userData"), ..WithFree::default() })
}

fn password(notice: &Notice<'_>, name: &'static str) -> Candidate {
    let fields = &notice.fields;
    let of_uri = || fit(fields.text("userUri").as_deref().and_then(last_segment));
    let data = PasswordData {
        notification_type: notice.notification_type.clone().unwrap_or_default(),
        user_id: fields.id("userId").or_else(of_uri),
        error_code: fields.numeral("errorCode"),
        error_message: fields.text("errorMessage"),
    };
    of_agent(notice, medium::USER, name, raw(&data))
}

/// In the words of the newer API, or as REST lists services.
fn services(notice: &Notice<'_>) -> Vec<Candidate> {
    if notice.fields.get("services").is_none() {
        return vec![service(notice, notice.data, &notice.fields, Place::Whole)];
    }
    notice.each("services", |json, place| {
        service(notice, json, &Fields::of(json).unwrap_or_else(Fields::none), place)
    })
}

fn service(notice: &Notice<'_>, json: &RawValue, fields: &Fields<'_>, place: Place) -> Candidate {
    let data = ServiceStateData {
        message_type: notice.message_type.clone(),
        notification_type: notice.notification_type.clone(),
        service_name: fields.word("serviceName").or_else(|| fields.word("name")),
        service_state: fields.word("serviceState").or_else(|| fields.word("state")),
    };
    if data.service_name.is_none() && data.service_state.is_none() {
        return notice.unknown(json, place, "neither the name nor the state of a service");
    }
    let subject =
        fit(data.service_name.clone()).map_or(medium::SERVICE.to_owned(), |name| format!("service/{name}"));
    part(notice, (json, place), (medium::SERVICE, event::STATE_CHANGE), subject, None, raw(&data))
}

fn record(notice: &Notice<'_>) -> Candidate {
    let record = notice.fields.get("record").and_then(Fields::of).unwrap_or_else(Fields::none);
    let data = OutboundRecordData {
        notification_type: notice.notification_type.clone(),
        record_handle: record.word("recordHandle"),
        record_id: record.word("id"),
        state: record.word("state"),
        phone: record.word("phone"),
        campaign_name: record.word("campaignName"),
        calling_list: record.word("callingList"),
        application_id: record.word("applicationId"),
        custom_fields: None,
    };
    let named = fit(data.record_handle.clone()).or_else(|| id_of(&record));
    let subject = named.map_or(medium::OUTBOUND.to_owned(), |id| format!("outbound/{id}"));
    let data = raw(&WithFree { data, custom_fields: record.free("customFields"), ..WithFree::default() });
    one(notice, (medium::OUTBOUND, event::RECORD), subject, None, data)
}

fn workbin(notice: &Notice<'_>, name: &'static str) -> Candidate {
    let fields = &notice.fields;
    let Some(id) = id_of(fields) else {
        return notice.unknown(notice.data, Place::Whole, "a workbin has no `id`, `path` or `uri`");
    };
    let subject = format!("workbin/{id}");
    if name == event::SUBSCRIPTION_CHANGE {
        let failure = failure::told(fields);
        let data = WorkbinSubscriptionData {
            workbin_id: id,
            state_resource: fields.word("stateResource"),
            workbin_user_id: fields.word("workbinUserId"),
            error_code: failure.code,
            error_message: failure.text,
        };
        return one(notice, (medium::WORKBIN, name), subject, None, raw(&data));
    }
    // `emailStateResourceV2` and the like; several say nothing certain.
    let mut items = fields.ending("StateResourceV2").filter(|(_, json)| json.get() != "null");
    let item = items.next().filter(|_| items.next().is_none());
    let interaction = item.and_then(|(_, json)| id_of(&Fields::of(json)?));
    let data = WorkbinActionData {
        workbin_id: id,
        action: fields.word("action"),
        item_medium: item.and_then(|(stem, _)| keys::medium_of(stem)).map(str::to_owned),
        interaction_id: interaction.clone(),
    };
    one(notice, (medium::WORKBIN, name), subject, interaction, raw(&data))
}

fn im_log(notice: &Notice<'_>) -> Candidate {
    let Some(id) = named_id(&notice.fields, medium::IMSESSION) else {
        return notice.unknown(notice.data, Place::Whole, "no member says which session the log is of");
    };
    let data = InteractionData {
        interaction_id: id.clone(),
        notification_type: notice.notification_type.clone(),
        ..InteractionData::default()
    };
    let subject = format!("imsession/{id}");
    one(notice, (medium::IMSESSION, event::LOG_UPDATE), subject, Some(id), raw(&data))
}

fn of_agent(notice: &Notice<'_>, medium: &'static str, name: &'static str, data: Box<RawValue>) -> Candidate {
    one(notice, (medium, name), format!("agent/{}", notice.cx.agent), None, data)
}

/// In the order of its interaction where it has one, else of the agent.
fn one(
    notice: &Notice<'_>,
    (medium, name): (&'static str, &'static str),
    subject: String,
    interaction: Option<String>,
    data: Box<RawValue>,
) -> Candidate {
    part(notice, (notice.data, Place::Whole), (medium, name), subject, interaction, data)
}

/// The same of an element.
fn part(
    notice: &Notice<'_>,
    (json, place): (&RawValue, Place),
    (medium, name): (&'static str, &'static str),
    subject: String,
    interaction: Option<String>,
    data: Box<RawValue>,
) -> Candidate {
    let agent = notice.cx.agent;
    let order = interaction.as_deref().unwrap_or(agent);
    let dedup = notice.key(&subject, place, Key::None);
    let mut event = notice.event(About { medium, event: name, subject, order }, data, json);
    event.agent = Some(agent.to_owned());
    let content = keys::content(json);
    let stem = match &interaction {
        Some(id) => format!("{medium}/{}/{name}", id_segment(id)),
        None => format!("agent/{}/{medium}/{name}", id_segment(agent)),
    };
    event.interaction = interaction;
    let identity = notice.identity(&stem, content, place);
    Candidate { event, identity, dedup, resource: None, content, sight: None, dated: false, compared: false }
}
