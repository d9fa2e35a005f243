//! What a sink may see of an event: everything, or what an allow-list by class names (`base::classes`).
//!
//! With every preset but `full`, and with any rule, a field that the table does not know, the data of a type that it
//! does not know, `raw` and `notification` do not leave; what an event carries along of its interaction leaves as far as
//! the sink asked for it (`context`). Attributes hold ids and closed words, and agents' keys: these are hashed wherever
//! pseudonyms are, in `agent`, `observedby`, `subject`, `partitionkey` and `id` alike, so that order, joins and identity
//! hold. An `id` that is made of content would tell it to whoever tries: it is hashed wherever anything is hidden. It stays as
//! it is where it is made of an interaction and an index, or of chance.
//! Deliberately absent: masking inside of texts.

mod context;
mod hide;
mod map;
mod plan;
#[cfg(test)]
mod tests;

use crate::base::classes::Class;
use crate::base::envelope::Event;
use crate::outbound::settings::{Action, Policy, Preset, SinkConfig};
use aws_lc_rs::hmac;
pub use context::{leaving, notes};
use hide::Hider;
use plan::Plan;
use secrecy::ExposeSecret;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The fewest characters of a `privacy_key`: with fewer, whoever knows the numbers could try all keys.
pub const MIN_KEY: usize = 16;

/// A sink's policy, ready for events.
pub struct Mask {
    /// Nothing where all may leave.
    hidden: Option<Hidden>,
    raw: bool,
    /// Paths of values that it gets of an interaction.
    context: Vec<String>,
}

struct Hidden {
    plan: Plan,
    hider: Hider,
    /// Whether agents' keys in attributes are hashed.
    agents: bool,
}

impl Mask {
    /// Reads the key, where the policy hashes anything. `secret` is the journal's own.
    pub async fn new(config: &SinkConfig, secret: &[u8; 32]) -> Result<Mask, String> {
        let policy = &config.privacy;
        let context = config.context.clone();
        if policy.is_whole() {
            return Ok(Mask { hidden: None, raw: config.raw, context });
        }
        let key = match &policy.key {
            Some(place) if policy.hashes() => {
                let secret = place.read(None).await.map_err(|error| format!("privacy_key: {error}"))?;
                if secret.expose_secret().chars().count() < MIN_KEY {
                    return Err(format!("privacy_key: shorter than {MIN_KEY} characters"));
                }
                Some(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()))
            }
            _ if policy.hashes() => return Err("privacy_key is not set".to_owned()),
            _ => None,
        };
        Ok(Mask { context, ..Mask::of(policy, key, secret) })
    }

    /// For a sink that nobody configures any more.
    pub fn without_content(secret: &[u8; 32]) -> Mask {
        Mask::of(&Policy::preset(Preset::NoContent), None, secret)
    }

    fn of(policy: &Policy, key: Option<hmac::Key>, secret: &[u8; 32]) -> Mask {
        let agents = policy.action(Class::Pseudonym) != Action::Keep;
        let hider = Hider::new(key, secret, agents);
        Mask {
            hidden: Some(Hidden { plan: Plan::new(policy), hider, agents }),
            raw: false,
            context: Vec::new(),
        }
    }

    /// The event as the sink may see it. Where nothing is to be taken away it is the same event, at no cost.
    pub fn apply(&self, event: &Arc<Event>) -> Arc<Event> {
        let Some(hidden) = &self.hidden else { return self.chosen(event) };
        let mut left = hidden.left_of(event);
        left.context = hidden.context(event, &self.context);
        Arc::new(left)
    }

    /// What the sink asked for, where all of it may leave.
    fn chosen(&self, event: &Arc<Event>) -> Arc<Event> {
        let context = context::view(event, &self.context, |_, json| Some(json.into()), |id| id);
        let other = context.as_deref().map(RawValue::get) != event.context.as_deref().map(RawValue::get);
        let drops = !self.raw && (event.raw.is_some() || event.rest.is_some());
        match (drops, other) {
            (false, false) => Arc::clone(event),
            (false, true) => Arc::new(Event { context, ..Event::clone(event) }),
            (true, _) => Arc::new(Event { context, ..without_raw(event, event.data.clone()) }),
        }
    }

    /// An event's `id` and `subject` where only they are known: the list of dead letters.
    pub fn names(&self, id: &str, subject: &str) -> (String, String) {
        match &self.hidden {
            Some(hidden) if hidden.agents => (hidden.hider.id(id), hidden.subject(subject, None)),
            Some(hidden) => (hidden.hider.id(id), subject.to_owned()),
            None => (id.to_owned(), subject.to_owned()),
        }
    }
}

impl Hidden {
    fn left_of(&self, event: &Event) -> Event {
        let data = self.plan.left_of(&event.kind, event.data.get(), &self.hider);
        let data = RawValue::from_string(data).unwrap_or_else(|_| RawValue::NULL.to_owned());
        let mut left = without_raw(event, data);
        left.id = self.hider.id(&event.id);
        left.baseid = event.baseid.as_deref().map(|id| self.hider.id(id));
        left.referenceid = event.referenceid.as_deref().map(|id| self.hider.reference(id));
        if self.agents {
            let agent = event.agent.as_deref();
            left.subject = self.subject(&event.subject, agent);
            left.agent = agent.map(|agent| self.hider.hash(agent));
            left.observedby = event.observedby.as_deref().map(|agent| self.hider.hash(agent));
            // The unit of order is an interaction, or an agent.
            if event.interaction.is_none()
                && let Some(agent) = agent
                && let Some(realm) = event.partitionkey.strip_suffix(agent)
            {
                left.partitionkey = format!("{realm}{}", self.hider.hash(agent));
            }
        }
        left
    }

    /// Each value as it would be left in the state that it stood in; ids as they are for this sink.
    fn context(&self, event: &Event, wanted: &[String]) -> Option<Box<RawValue>> {
        let kind = context::state_of(&event.medium);
        context::view(
            event,
            wanted,
            |path, json| self.plan.left_at(&kind, path, json, &self.hider).map(Cow::Owned),
            |id| self.hider.id(&id).into(),
        )
    }

    /// `agent/<agent>`, `agent/<agent>/<device or channel>`, `session/<agent>`.
    fn subject(&self, subject: &str, agent: Option<&str>) -> String {
        let Some((word @ ("agent" | "session"), rest)) = subject.split_once('/') else {
            return subject.to_owned();
        };
        let known = agent.and_then(|agent| Some((agent, rest.strip_prefix(agent)?)));
        let (agent, below) = match known {
            Some((agent, "")) => (agent, None),
            Some((agent, below)) => (agent, below.strip_prefix('/')),
            None => rest.split_once('/').map_or((rest, None), |(agent, below)| (agent, Some(below))),
        };
        let below = below.map(|below| format!("/{}", self.hider.hash(below))).unwrap_or_default();
        format!("{word}/{}{below}", self.hider.hash(agent))
    }
}

/// A copy with other data; what stands beside it, which may be large, is never copied.
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
        correlationid: event.correlationid.clone(),
        revision: event.revision,
        baseid: event.baseid.clone(),
        partitionkey: event.partitionkey.clone(),
        recordedtime: event.recordedtime.clone(),
        origin: event.origin,
        data,
        raw: None,
        rest: None,
        context: None,
        late: event.late,
    }
}
