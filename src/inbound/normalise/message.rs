//! `MessageLogUpdated`: the log of a conversation, one event per item.
//!
//! An item that cannot be read costs none of its neighbours. Deliberately absent: whether an item is news, and
//! dropping typed text (done before, over the whole notification: `typing`).

use super::conversation::{id_of, last_segment, somebody};
use super::fields::{Fields, fit, integer, raw};
use super::keys::{self, channel_medium};
use super::notice::{About, Notice, Place};
use super::{Candidate, Identity, Key, sight};
use crate::base::data::{Message, MessageData};
use crate::base::envelope::{TimeSource, event, id_segment, medium};
use crate::base::stamps::{self, Stamp};
use crate::inbound::settings::Scope;
use serde_json::value::RawValue;

/// The conversation a log belongs to.
pub(super) struct Conversation {
    pub(super) medium: &'static str,
    pub(super) id: String,
}

/// One event per item of `messages`; one `unknown` where the notification names no conversation.
pub(super) fn log(notice: &Notice<'_>) -> Vec<Candidate> {
    match conversation_of(notice) {
        Ok(conversation) => notice.each("messages", |json, place| item(notice, &conversation, json, place)),
        Err(reason) => vec![notice.unknown(notice.data, Place::Whole, reason)],
    }
}

fn conversation_of(notice: &Notice<'_>) -> Result<Conversation, &'static str> {
    let named: Vec<Conversation> = medium::CONVERSATIONS
        .iter()
        .filter_map(|medium| named_id(&notice.fields, medium).map(|id| Conversation { medium, id }))
        .collect();
    let of_channel = channel_medium(notice.channel).filter(|medium| medium::CONVERSATIONS.contains(medium));
    match named.len() {
        0 => {
            let id = notice.fields.id("interactionId").or_else(|| id_of(&notice.fields));
            match (of_channel, id) {
                (Some(medium), Some(id)) => Ok(Conversation { medium, id }),
                _ => Err("no member says which conversation the log is of"),
            }
        }
        1 => named.into_iter().next().ok_or("no conversation"),
        _ => named
            .into_iter()
            .find(|conversation| Some(conversation.medium) == of_channel)
            .ok_or("members of several media, and the channel does not say which counts"),
    }
}

/// `<medium>Id`, else the last segment of `<medium>Path` (hosts differ, paths do not), else of `<medium>Uri`.
pub(super) fn named_id(fields: &Fields<'_>, medium: &str) -> Option<String> {
    if !fields.any_begins(medium) {
        return None;
    }
    let by = |suffix: &str, read: &dyn Fn(&str) -> Option<String>| {
        [format!("{medium}{suffix}"), format!("{medium}s{suffix}")].iter().find_map(|name| fit(read(name)))
    };
    let segment = |name: &str| fields.text(name).as_deref().and_then(last_segment);
    by("Id", &|name| fields.id(name)).or_else(|| by("Path", &segment)).or_else(|| by("Uri", &segment))
}

pub(super) fn item(notice: &Notice<'_>, of: &Conversation, json: &RawValue, place: Place) -> Candidate {
    let Some(fields) = Fields::of(json) else {
        return notice.unknown(json, place, "an item of `messages` is no object that can be read");
    };
    let (site, agent) = (notice.cx.site, notice.cx.agent);
    let index = fields.get("index").and_then(integer);
    let stamp = stamp_of(&fields, notice);
    let message = message_of(notice, &fields, index, stamp.as_ref());
    let author = message.from.as_ref().and_then(|from| from.kind.clone());
    let visibility = message.visibility.clone();

    let sight = index.map(|index| sight::item(of.medium, &of.id, index, &message, stamp.as_ref()));
    let subject = [of.medium, "/", &of.id].concat();
    let about = About { medium: of.medium, event: event::MESSAGE, subject: subject.clone(), order: &of.id };
    let data = MessageData { interaction_id: of.id.clone(), message };
    let mut event = notice.event(about, raw(&data), json);
    if let Some(stamp) = stamp {
        (event.time, event.timesource) = (stamp.utc, TimeSource::Item);
    }
    event.interaction = Some(of.id.clone());
    event.agent = (site.scope == Scope::Agent).then(|| agent.to_owned());
    event.observedby = Some(agent.to_owned());
    // CloudEvents integers have 32 bits.
    event.messageindex = index.filter(|index| i32::try_from(*index).is_ok());
    event.authorkind = fit(author);
    event.visibility = fit(visibility);

    let content = keys::content(json);
    let (identity, dedup) = match index {
        Some(index) => {
            let base = keys::log_item_id(site, agent, of.medium, &of.id, index);
            let conversation = keys::conversation(site, agent, of.medium, &of.id);
            (Identity::LogItem { base }, Key::LogItem { conversation, index })
        }
        None => {
            let stem = format!("{}/{}/message", of.medium, id_segment(&of.id));
            (notice.identity(&stem, content, place), notice.key(&subject, place, Key::None))
        }
    };
    Candidate { event, identity, dedup, resource: None, content, sight, dated: false, compared: false }
}

/// `timestamp`, else `timestampSeconds` (which says milliseconds in some releases).
fn stamp_of(fields: &Fields<'_>, notice: &Notice<'_>) -> Option<Stamp> {
    let text = fields.text("timestamp").and_then(|text| stamps::parse(&text, &notice.cx.site.time_zone));
    text.or_else(|| {
        let number = fields.numeral("timestampSeconds").or_else(|| fields.numeral("timestamp"))?;
        stamps::from_digits(&number)
    })
}

fn message_of(
    notice: &Notice<'_>,
    fields: &Fields<'_>,
    index: Option<i64>,
    stamp: Option<&Stamp>,
) -> Message {
    Message {
        index,
        kind: fields.word("type"),
        text: fields.text("text"),
        notice_text: fields.text("noticeText"),
        url: fields.text("url"),
        visibility: fields.word("visibility"),
        sent_at: stamp.map(|stamp| stamp.local.clone()),
        from: fields.get("from").and_then(Fields::of).map(|from| somebody(notice, &from)),
    }
}
