//! What a sink gets of an event's context: the values of its own list, in that order, each as its policy lets it where it
//! came from.
//!
//! Paths leave as the operator wrote them. Deliberately absent: what is known of an interaction (the intake stamps it).

use super::plan::Plan;
use crate::base::context::{self, Member};
use crate::base::encode::Members;
use crate::base::envelope::{Event, event, gws_type, medium};
use crate::outbound::settings::SinkConfig;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `value` gets path and JSON and says what of it leaves, `id` what an id leaves as.
pub(super) fn view<'e>(
    event: &'e Event,
    wanted: &'e [String],
    value: impl Fn(&str, &'e str) -> Option<Cow<'e, str>>,
    id: impl Fn(Cow<'e, str>) -> Cow<'e, str>,
) -> Option<Box<RawValue>> {
    let known: Members<'e> = serde_json::from_str(event.context.as_ref()?.get()).ok()?;
    let members = wanted.iter().filter_map(|path| {
        let (_, json) = known.0.iter().find(|(name, _)| name == path)?;
        // A list would be read as the members in their order.
        let json = Some(json.get()).filter(|json| json.starts_with('{'))?;
        let member: Member<'e> = serde_json::from_str(json).ok()?;
        Some((path.as_str(), value(path, member.value.get())?, id(member.id)))
    });
    context::object(members)
}

/// The type that has the fields of an interaction's state in this medium.
pub(super) fn state_of(medium: &str) -> String {
    gws_type(medium, event::STATUS_CHANGE)
}

/// The sink's paths: those of which a value can leave, and those of which none ever does.
pub fn leaving(config: &SinkConfig) -> (Vec<&String>, Vec<&String>) {
    let policy = &config.privacy;
    let plan = Plan::new(policy);
    let kinds = [medium::CALL, medium::CHAT].map(state_of);
    let leaves = |path: &&String| policy.is_whole() || kinds.iter().any(|kind| plan.leaves(kind, path));
    config.context.iter().partition(leaves)
}

/// Paths of which no value ever leaves.
pub fn notes(config: &SinkConfig) -> Vec<String> {
    let (_, never) = leaving(config);
    let note = |path: &String| {
        format!(
            "context: {path:?} never leaves with this privacy; a rule for data.{path}, or userdata for a key of attached data, lets it"
        )
    };
    never.into_iter().map(note).collect()
}
