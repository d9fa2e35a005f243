//! One notification, its common members read once, and the parts every event made from it shares.
//!
//! Deliberately absent: what a notification means (a file per medium family knows that).

use super::fields::{self, Fields, MAX_ITEMS, fit, integer, raw};
use super::keys::{canonical_channel, content, joined};
use super::{Candidate, Context, Identity, Key};
use crate::base::data::UnknownData;
use crate::base::digest::Digest;
use crate::base::envelope::{
    Event, TimeSource, event, gws_type, id_segment, medium, partition_key, schema_urn,
};
use crate::base::stamps;
use crate::base::time::rfc3339;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The rest of a notification stands in every event made from its items; all copies together are at most so many
/// bytes, and so many times the notification, else it becomes one event of its own: many small items times a large
/// rest is a sender's lever.
const MAX_CONTEXT_BYTES: usize = 8 * 1024 * 1024;
const FREE_CONTEXT_BYTES: usize = 256 * 1024;
const MAX_CONTEXT_TIMES: usize = 16;

/// A notification as it came.
pub(super) struct Notice<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) channel: &'a str,
    pub(super) data: &'a RawValue,
    /// No members where `data` is no object.
    pub(super) fields: Fields<'a>,
    pub(super) message_type: Option<String>,
    pub(super) notification_type: Option<String>,
    pub(super) reference: Option<String>,
    /// Milliseconds and RFC 3339.
    server_time: Option<(i64, String)>,
}

/// Where an event stands among those of its notification.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Whole,
    /// One of several elements, counted from 0.
    Element(usize),
}

/// What an event made from a notification is about.
pub(super) struct About<'s> {
    pub(super) medium: &'static str,
    pub(super) event: &'static str,
    pub(super) subject: String,
    /// The interaction's or the agent's part of the partition key.
    pub(super) order: &'s str,
}

impl<'a> Notice<'a> {
    pub(super) fn new(cx: &'a Context<'a>, channel: &'a str, data: &'a RawValue) -> Notice<'a> {
        let fields = Fields::of(data).unwrap_or_else(Fields::none);
        Notice {
            message_type: fit(fields.word("messageType")),
            notification_type: fit(fields.word("notificationType")),
            reference: fit(fields.word("referenceId")),
            server_time: server_time(&fields),
            cx,
            channel,
            data,
            fields,
        }
    }

    /// What REST shows, looked at as if it had been notified: nothing of a reading is a reference or a date.
    pub(super) fn read(cx: &'a Context<'a>, channel: &'a str, data: &'a RawValue) -> Notice<'a> {
        Notice {
            cx,
            channel,
            data,
            fields: Fields::none(),
            message_type: None,
            notification_type: None,
            reference: None,
            server_time: None,
        }
    }

    /// An event about `about` with the attributes all share; the caller adds the others.
    pub(super) fn event(&self, about: About<'_>, data: Box<RawValue>, raw: &RawValue) -> Event {
        let (time, timesource) = match &self.server_time {
            Some((_, text)) => (text.clone(), TimeSource::Server),
            None => (rfc3339(self.cx.received), TimeSource::Receipt),
        };
        let schema = match about.medium {
            medium::UNKNOWN => schema_urn(medium::UNKNOWN),
            known => schema_urn(&[known, ".", about.event].concat()),
        };
        let kind = gws_type(about.medium, about.event);
        // What is not to be kept would stand in the sender's own JSON once more.
        let (data, raw) = match &self.cx.site.left_out {
            Some(left_out) => (left_out.apply(&kind, &data), None),
            None => (data, Some(raw)),
        };
        Event {
            source: ["/gws/", &self.cx.site.realm].concat(),
            kind: kind.into(),
            subject: about.subject,
            time,
            timesource,
            dataschema: schema.into(),
            site: self.cx.site.name.clone(),
            medium: about.medium.into(),
            event: about.event.into(),
            referenceid: self.reference.clone(),
            partitionkey: partition_key(&self.cx.site.realm, about.order),
            // The journal would read `null` back as nothing; the event is the same from the start.
            raw: raw.filter(|raw| raw.get() != "null").map(RawValue::to_owned),
            ..Event::bare(data)
        }
    }

    /// Row 2 of the dedup table where the notification has a `referenceId`, else `otherwise`.
    pub(super) fn key(&self, resource: &str, place: Place, otherwise: Key) -> Key {
        let Some(reference) = &self.reference else { return otherwise };
        let fold = |word: &Option<String>| word.as_deref().unwrap_or_default().to_ascii_lowercase();
        let key = joined(&[
            "reference",
            &self.cx.site.realm,
            self.cx.agent,
            &canonical_channel(self.channel),
            &fold(&self.message_type),
            &fold(&self.notification_type),
            resource,
            &place.text(),
            reference,
        ]);
        Key::Reference { key }
    }

    /// An id from a digest where the server dated the notification; `stem` is the readable part before it.
    pub(super) fn identity(&self, stem: &str, content: Digest, place: Place) -> Identity {
        let Some((millis, _)) = &self.server_time else { return Identity::Assigned };
        let site = self.cx.site;
        let digest = joined(&[
            "id",
            &site.realm,
            self.cx.agent,
            &canonical_channel(self.channel),
            &content.hex(),
            &millis.to_string(),
            &place.text(),
        ]);
        Identity::Content { digest_id: format!("{}/{stem}/{}", id_segment(&site.realm), digest.hex()) }
    }

    /// What is not understood: the whole notification, or an element of it, for a receiver to make sense of.
    pub(super) fn unknown(&self, json: &RawValue, place: Place, reason: &str) -> Candidate {
        let agent = self.cx.agent;
        let about = About {
            medium: medium::UNKNOWN,
            event: event::UNKNOWN,
            subject: format!("agent/{agent}"),
            order: agent,
        };
        let data = UnknownData {
            topic: self.channel.to_owned(),
            message_type: self.message_type.clone(),
            notification_type: self.notification_type.clone(),
            reason: reason.to_owned(),
        };
        let content = content(json);
        let stem = format!("agent/{}/unknown", id_segment(agent));
        let mut event = self.event(about, raw(&data), json);
        event.agent = Some(agent.to_owned());
        Candidate {
            event,
            identity: self.identity(&stem, content, place),
            dedup: self.key("", place, Key::None),
            resource: None,
            content,
            sight: None,
            dated: false,
            compared: false,
        }
    }

    /// Makes one or more events from each item of the lists called `name`, with the rest of the notification in
    /// their `rest`. No list, or nothing in it, is a notification that is not understood: never nothing.
    pub(super) fn each(&self, name: &str, make: impl Fn(&'a RawValue, Place) -> Candidate) -> Vec<Candidate> {
        // What is short in bytes holds no long list.
        let long = self.data.get().len() > 2 * MAX_ITEMS;
        let length: usize = if long { self.fields.all(name).map(fields::length).sum() } else { 0 };
        if length > MAX_ITEMS {
            let reason = format!("{length} items in `{name}`, and {MAX_ITEMS} at most are looked at");
            return vec![self.unknown(self.data, Place::Whole, &reason)];
        }
        let mut found = Vec::new();
        for list in self.fields.all(name) {
            match fields::items(list) {
                Some(items) => found.extend(items),
                // What is no list is taken as a broken item: a good list beside it still counts.
                None if list.get() != "null" => found.push(list),
                None => {}
            }
        }
        if found.is_empty() {
            return vec![self.unknown(self.data, Place::Whole, &format!("`{name}` is missing or empty"))];
        }
        let rest = self.fields.without(name);
        let most = FREE_CONTEXT_BYTES + self.data.get().len().saturating_mul(MAX_CONTEXT_TIMES);
        let repeats = rest.get().len().saturating_mul(found.len()) <= most.min(MAX_CONTEXT_BYTES);
        let kept = self.cx.site.left_out.is_none();
        let mut out: Vec<Candidate> = Vec::with_capacity(found.len() + 1);
        for (position, item) in found.into_iter().enumerate() {
            let mut candidate = make(item, Place::Element(position));
            if kept && repeats && rest.get() != "{}" {
                candidate.event.rest = Some(rest.clone());
            }
            out.push(candidate);
        }
        if !repeats {
            let reason = format!("the rest of a notification, too large to repeat with each of its `{name}`");
            out.push(self.unknown(&rest, Place::Whole, &reason));
        }
        out
    }
}

impl Place {
    fn text(self) -> String {
        match self {
            Place::Whole => String::new(),
            Place::Element(position) => position.to_string(),
        }
    }
}

/// `metrics.eventProcessing.serverGenerationTimestamp`, where it is a time.
fn server_time(fields: &Fields<'_>) -> Option<(i64, String)> {
    let metrics = Fields::of(fields.get("metrics")?)?;
    let processing = Fields::of(metrics.get("eventProcessing")?)?;
    let millis = integer(processing.get("serverGenerationTimestamp")?)?;
    stamps::server(millis).map(|text| (millis, text))
}

/// Of an event of unknown meaning, as it is kept: what a site does not collect is not counted by its word either.
pub fn message_type(data: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Unknown {
        #[serde(rename = "messageType")]
        message_type: Option<String>,
    }
    serde_json::from_str::<Unknown>(data.get()).ok()?.message_type
}
