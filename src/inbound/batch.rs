//! From the messages of one reply to a batch: repeats left out, too large ones named, the rest normalised.
//!
//! Deliberately absent: what was seen in earlier batches (that is `dedup`).

use crate::base::data::ItemRejectedData;
use crate::base::digest::Digest;
use crate::base::envelope::event;
use crate::base::time::Millis;
use crate::inbound::Session;
use crate::inbound::normalise::{Candidate, Context, Kinds, normalise, whole};
use crate::inbound::presence::{State, state_of};
use crate::inbound::reconcile::of_bridge;
use crate::inbound::session::bayeux::Message;
use crate::inbound::session::pending::Pending;
use crate::inbound::settings::SiteConfig;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A reply's notifications, ready for the decision.
pub struct Received {
    pub candidates: Vec<Candidate>,
    /// Of every message as it came, repeats included.
    pub digests: Vec<Digest>,
    /// What the notifications were about.
    pub told: Kinds,
    /// What was told of the agent's devices and channels, in order: whether it is logged in there.
    pub states: Vec<State>,
    /// The agent's password was changed.
    pub password_changed: bool,
}

/// Stands for the channel where a message names none.
const NO_CHANNEL: &str = "";
/// Once a reply has made so many events, each further notification makes just one. What bounds the memory of a
/// reply: an event takes some two thousand bytes, and a log item that becomes one can be written in two.
const MAX_EVENTS: usize = 50_000;

pub fn build(session: &Session, messages: Vec<Message>, pending: &Pending, now: Millis) -> Received {
    let site = session.site.config.name.as_str();
    // A line for a reply: it may hold a hundred thousand of them.
    let (mut malformed, mut first) = (0_usize, None);
    let raws: Vec<(String, Box<RawValue>)> = messages
        .into_iter()
        .filter_map(|message| match message {
            Message::Data { channel, data } => Some((channel, data)),
            Message::Malformed { channel, raw, reason } => {
                session.metrics.messages_malformed_total.with_label_values(&[site]).inc();
                malformed += 1;
                first.get_or_insert((reason, raw.get().len()));
                Some((channel.unwrap_or_else(|| NO_CHANNEL.to_owned()), raw))
            }
            Message::Meta(_) => None,
        })
        .collect();
    if let Some((reason, bytes)) = first {
        let agent = session.agent.key.as_str();
        tracing::warn!(
            site,
            agent,
            malformed,
            reason,
            bytes,
            "messages are not well-formed; each is kept as unknown"
        );
    }
    let left_out = session.site.config.left_out.as_ref();
    let digest = |data: &RawValue| {
        let plain = Digest::of(data.get().as_bytes());
        left_out.map_or(plain, |left_out| left_out.digest(plain))
    };
    let digests: Vec<Digest> = raws.iter().map(|(_, data)| digest(data)).collect();
    let repeats = pending.repeats(&digests);
    session.metrics.messages_received_total.with_label_values(&[site]).inc_by(raws.len() as u64);
    session.metrics.duplicates_total.with_label_values(&[site, "redelivery"]).inc_by(repeats as u64);
    let mut candidates = Vec::with_capacity(raws.len());
    let (mut password_changed, mut told) = (false, Kinds::NONE);
    for (channel, data) in raws.into_iter().skip(repeats) {
        if data.get().len() as u64 > session.site.config.max_message_bytes {
            candidates.push(rejected(session, channel, &data, now));
            continue;
        }
        let context = Context {
            site: &session.site.config,
            agent: &session.agent.key,
            users: &session.site.users,
            received: now,
        };
        if candidates.len() < MAX_EVENTS {
            let made = normalise(&context, &channel, &data);
            told = told.and(Kinds::told(&channel, &made));
            candidates.extend(made);
        } else {
            let reason = "the reply makes so many events already that this one is not looked at";
            candidates.push(whole(&context, &channel, &data, reason));
        }
        password_changed |= tells_of_a_new_password(&channel, &data);
    }
    let states = candidates.iter().filter_map(state_of).collect();
    Received { candidates, digests, told, states, password_changed }
}

/// `PasswordChangeSuccessful` of the agent's own user topic; a supervisor's topic tells of others.
fn tells_of_a_new_password(channel: &str, data: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Notice {
        #[serde(rename = "notificationType")]
        notification_type: Option<String>,
    }
    channel == "/v2/me"
        && serde_json::from_str::<Notice>(data.get())
            .ok()
            .and_then(|notice| notice.notification_type)
            .is_some_and(|kind| kind.eq_ignore_ascii_case("PasswordChangeSuccessful"))
}

/// Too large to keep: published as what it was, and then acknowledged like the rest.
fn rejected(session: &Session, channel: String, data: &RawValue, now: Millis) -> Candidate {
    let config = &session.site.config;
    let limit = config.max_message_bytes;
    session.metrics.items_rejected_total.with_label_values(&[config.name.as_str()]).inc();
    tracing::error!(agent = %session.agent.key, bytes = data.get().len(), limit, "a notification is larger than max_message; only its size and digest are kept");
    rejection(config, &session.agent.key, channel, data, now)
}

/// `cometbridge.item.rejected.v1`.
pub(super) fn rejection(
    site: &SiteConfig,
    agent: &str,
    topic: String,
    data: &RawValue,
    now: Millis,
) -> Candidate {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data.get().as_bytes());
    // What is not to be kept may stand in it.
    let hash = match &site.left_out {
        Some(left_out) => left_out.long_digest(hash.as_ref()),
        None => hash.as_ref().to_vec(),
    };
    let payload = ItemRejectedData {
        agent: agent.to_owned(),
        topic,
        bytes: data.get().len() as u64,
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        reason: format!("larger than max_message ({} bytes)", site.max_message_bytes),
    };
    let kind = "cometbridge.item.rejected.v1";
    of_bridge(site, agent, now, kind, event::ITEM_REJECTED, "item.rejected", &payload)
}
