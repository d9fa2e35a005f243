//! A record and its items → the transcript as an event.
//!
//! Pure. Deliberately absent: when (see the task), and the judgement (see `verdict`).

use super::record::Record;
use crate::base::data::{
    Complete, MessageData, Participant, Reason, TranscriptAgent, TranscriptData, TranscriptItem,
};
use crate::base::digest::Digest;
use crate::base::envelope::{Event, Origin, event, gws_type, id_segment, schema_urn};
use crate::base::time::{Millis, rfc3339};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashSet;

/// A transcript, and what tells it from the one before.
pub struct Made {
    pub event: Event,
    pub digest: String,
}

/// The items of a log in the order of their index.
pub fn items(events: Vec<Event>) -> Vec<TranscriptItem> {
    let mut items: Vec<TranscriptItem> = events.into_iter().filter_map(item).collect();
    // Stable: what has the same index, and what has none, stays as it was recorded.
    items.sort_by_key(|item| item.message.index.unwrap_or(i64::MAX));
    // With dedup_scope = "agent" two agents' copies are events of their own; equal ones are one item here.
    items.dedup_by(|later, first| later.message.index.is_some() && later.message == first.message);
    items
}

/// Whether an index has two contents.
pub fn differ(items: &[TranscriptItem]) -> bool {
    let index = |item: &TranscriptItem| item.message.index;
    items
        .iter()
        .zip(items.iter().skip(1))
        .any(|(one, next)| index(one).is_some() && index(one) == index(next))
}

/// The transcript of this revision, from 1.
pub fn make(
    record: &Record,
    interaction: &str,
    items: Vec<TranscriptItem>,
    (complete, reasons): (Complete, Vec<Reason>),
    now: Millis,
    revision: u32,
) -> Made {
    let data = payload(record, interaction, items, complete, reasons);
    let data = to_raw_value(&data).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let digest = Digest::of(data.get().as_bytes()).hex();
    let realm = record.source.strip_prefix("/gws/").unwrap_or(&record.source);
    let medium = record.medium.as_str();
    let base = format!("{}/{medium}/{}/{}", id_segment(realm), id_segment(interaction), event::TRANSCRIPT);
    let later = revision > 1;
    let event = Event {
        id: if later { format!("{base};revision={revision}") } else { base.clone() },
        source: record.source.clone(),
        kind: gws_type(medium, event::TRANSCRIPT).into(),
        subject: format!("{medium}/{interaction}"),
        time: rfc3339(now),
        dataschema: schema_urn(&format!("{medium}.{}", event::TRANSCRIPT)).into(),
        site: record.site.clone(),
        medium: medium.to_owned().into(),
        event: event::TRANSCRIPT.into(),
        interaction: Some(interaction.to_owned()),
        revision: later.then_some(revision),
        baseid: later.then_some(base),
        partitionkey: record.partitionkey.clone(),
        origin: Origin::Bridge,
        ..Event::bare(data)
    };
    Made { event, digest }
}

fn payload(
    record: &Record,
    interaction: &str,
    items: Vec<TranscriptItem>,
    complete: Complete,
    reasons: Vec<Reason>,
) -> TranscriptData {
    TranscriptData {
        interaction_id: interaction.to_owned(),
        complete,
        reasons,
        first_index: record.indices.lowest(),
        last_index: record.indices.highest(),
        missing: record.indices.missing(1),
        gaps: record.gaps.clone(),
        agents: record
            .agents
            .iter()
            .map(|one| TranscriptAgent { agent: one.agent.clone(), last_state: one.state.clone() })
            .collect(),
        participants: participants(&items),
        items,
        left_out: Some(record.left_out).filter(|count| *count > 0),
    }
}

fn item(event: Event) -> Option<TranscriptItem> {
    let MessageData { message, .. } = serde_json::from_str(event.data.get()).ok()?;
    Some(TranscriptItem { event_id: event.id, observed_by: event.observedby, message })
}

fn participants(items: &[TranscriptItem]) -> Vec<Participant> {
    let mut seen = HashSet::new();
    let from = items.iter().filter_map(|item| item.message.from.as_ref());
    from.filter(|one| one.participant_id.as_ref().is_some_and(|id| seen.insert(id.clone())))
        .cloned()
        .collect()
}
