//! Continuity lost: an interval without coverage, as events in the stream.
//!
//! Thin for now: the gap of one agent's session opens and closes. Deliberately absent: re-reading the agent's
//! state over REST, and the gap of each interaction.

use crate::base::data::{Certainty, GapData};
use crate::base::digest::Digest;
use crate::base::envelope::{Event, Origin, event, medium, partition_key, schema_urn};
use crate::base::time::{Millis, rfc3339};
use crate::inbound::normalise::{Candidate, Identity, Key};
use crate::inbound::settings::SiteConfig;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// One end of a gap.
pub struct Gap {
    pub from: Option<Millis>,
    /// Set where the gap closes.
    pub to: Option<Millis>,
    pub cause: &'static str,
    pub certainty: Certainty,
}

/// `cometbridge.session.gap_opened.v1` or `.gap_closed.v1`.
pub fn gap(site: &SiteConfig, agent: &str, now: Millis, gap: &Gap) -> Candidate {
    let (word, kind) = match gap.to {
        None => (event::GAP_OPENED, "cometbridge.session.gap_opened.v1"),
        Some(_) => (event::GAP_CLOSED, "cometbridge.session.gap_closed.v1"),
    };
    let data = GapData {
        agent: agent.to_owned(),
        from: gap.from.map(rfc3339),
        to: gap.to.map(rfc3339),
        cause: gap.cause.to_owned(),
        certainty: gap.certainty,
    };
    of_bridge(site, agent, now, kind, word, &format!("session.{word}"), &data)
}

/// An event of the bridge about one agent's session.
pub fn of_bridge(
    site: &SiteConfig,
    agent: &str,
    now: Millis,
    kind: &'static str,
    word: &'static str,
    schema: &str,
    data: &impl Serialize,
) -> Candidate {
    let data = to_raw_value(data).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let content = Digest::of(data.get().as_bytes());
    let event = Event {
        source: format!("/gws/{}", site.realm),
        kind: kind.into(),
        subject: format!("session/{agent}"),
        time: rfc3339(now),
        dataschema: schema_urn(schema).into(),
        site: site.name.clone(),
        medium: medium::BRIDGE.into(),
        event: word.into(),
        agent: Some(agent.to_owned()),
        partitionkey: partition_key(&site.realm, agent),
        origin: Origin::Bridge,
        ..Event::bare(data)
    };
    Candidate { event, identity: Identity::Assigned, dedup: Key::None, resource: None, content }
}
