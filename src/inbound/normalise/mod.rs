//! A raw notification to events: pure, no I/O, no clock; whatever comes, nothing of it is dropped.
//!
//! A file per medium family (`conversation`, what a `call` adds to it, its log `message`, `agent`, `others`); what none of
//! them understands goes on as `genesys.gws.unknown.v1` with its JSON. All that is ever left out is typed text (`typing`),
//! and what a site says not to collect (`notice`, and `sealed` for digests of it).
//! `snapshot` makes the same of what REST shows. Deliberately absent: what has been seen before (`dedup` decides by
//! [`Candidate`]), and reading over REST.

mod agent;
mod call;
mod conversation;
mod failure;
pub(in crate::inbound) mod fields;
mod identity;
pub mod keys;
mod kinds;
mod lifecycle;
mod message;
mod notice;
mod others;
mod sealed;
pub mod sight;
pub mod snapshot;
#[cfg(test)]
pub(in crate::inbound) mod tests;
mod typing;

pub use identity::{Identity, base_id, event_id};
pub use kinds::Kinds;
pub use sight::{Says, Shadow, Sight};

use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::time::Millis;
use crate::inbound::settings::SiteConfig;
use crate::inbound::users::Users;
pub use notice::message_type;
use notice::{Notice, Place};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Where and when a notification came.
pub struct Context<'a> {
    pub site: &'a SiteConfig,
    /// The roster's opaque key.
    pub agent: &'a str,
    /// Of the site, who is held.
    pub users: &'a Users,
    pub received: Millis,
}

/// One event that may be new; `dedup` decides.
#[derive(Clone)]
pub struct Candidate {
    /// Complete but for `id`, `recordedtime`, `revision` and `baseid`.
    pub event: Event,
    pub identity: Identity,
    pub dedup: Key,
    /// The resource this is a notification of, whatever `dedup` says: when the event is forwarded, the
    /// resource's last state becomes `content`, so that a return to an earlier state is no repeat.
    pub resource: Option<Digest>,
    /// Of the log item, or of the notification's whole `data` (of an element: the element's).
    pub content: Digest,
    /// What it lets see of its resource, on the fields that REST shows too; absent where it is about none.
    pub sight: Option<Sight>,
    /// Its data may say since when the state that it shows stands: `dedup` knows.
    pub dated: bool,
    /// Its data may say which keys of attached data changed: `dedup` knows that, too.
    pub compared: bool,
}

impl Candidate {
    /// An event of the bridge's own making: there is no other like it.
    pub fn of_bridge(event: Event, content: Digest) -> Candidate {
        Candidate {
            event,
            identity: Identity::Assigned,
            dedup: Key::None,
            resource: None,
            content,
            sight: None,
            dated: false,
            compared: false,
        }
    }
}

/// The row of the dedup table (design section 4) that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A log item with an integer index; `conversation` holds realm, medium and interaction (and agent, by scope).
    LogItem { conversation: Digest, index: i64 },
    /// A notification with a `referenceId`: agent, channel, types, resource and the reference.
    Reference { key: Digest },
    /// A notification that carries a resource's whole state.
    State { resource: Digest },
    /// Always forwarded.
    None,
}

/// The events of one notification, in its own order; at least one. `data` is the Bayeux message's `data`.
pub fn normalise(cx: &Context<'_>, channel: &str, data: &RawValue) -> Vec<Candidate> {
    let made = read(cx, channel, data);
    if cx.site.left_out.is_none() {
        return made;
    }
    made.into_iter().map(|candidate| sealed::sealed(candidate, cx.site)).collect()
}

fn read(cx: &Context<'_>, channel: &str, data: &RawValue) -> Vec<Candidate> {
    let stripped = if cx.site.typing_text { None } else { typing::without_text(data) };
    let notice = Notice::new(cx, channel, stripped.as_deref().unwrap_or(data));
    let message_type = notice.message_type.as_deref().map(str::to_ascii_lowercase);
    if let Some(one) = message_type.as_deref().and_then(|kind| others::typed(&notice, kind)) {
        return vec![one];
    }
    match message_type.as_deref() {
        Some("messagelogupdated") => message::log(&notice),
        Some("devicestatechangemessage") => agent::devices(&notice),
        Some("channelstatechangemessagev2" | "channelstatechangemessage") => agent::channels(&notice),
        // The documented sample of channel states has no messageType.
        None if keys::tail(channel) == "channels" && notice.fields.get("channels").is_some() => {
            agent::channels(&notice)
        }
        None if keys::tail(channel) == "devices" && notice.fields.get("devices").is_some() => {
            agent::devices(&notice)
        }
        Some(other) => match other.strip_suffix("statechangemessage").and_then(keys::medium_of) {
            Some(medium) => vec![conversation::state_change(&notice, medium)],
            None => others::untyped(&notice)
                .unwrap_or_else(|| unknown(&notice, "this `messageType` is not known")),
        },
        None if !data.get().starts_with('{') => unknown(&notice, "`data` is no JSON object"),
        None => others::untyped(&notice).unwrap_or_else(|| unknown(&notice, "no `messageType`")),
    }
}

fn unknown(notice: &Notice<'_>, reason: &str) -> Vec<Candidate> {
    vec![notice.unknown(notice.data, Place::Whole, reason)]
}

/// What may be kept of a notification's data: without typed text, unless the site's settings want it.
pub fn kept<'a>(site: &SiteConfig, data: &'a RawValue) -> Cow<'a, RawValue> {
    let stripped = if site.typing_text { None } else { typing::without_text(data) };
    stripped.map_or(Cow::Borrowed(data), Cow::Owned)
}

/// The notification as one event of unknown meaning, where `reason` forbids to look at it closer.
pub fn whole(cx: &Context<'_>, channel: &str, data: &RawValue, reason: &str) -> Candidate {
    let stripped = if cx.site.typing_text { None } else { typing::without_text(data) };
    let data = stripped.as_deref().unwrap_or(data);
    sealed::sealed(Notice::new(cx, channel, data).unknown(data, Place::Whole, reason), cx.site)
}
