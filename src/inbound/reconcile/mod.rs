//! Continuity lost: an interval without coverage as events in the stream, and what REST can repair of it.
//!
//! `run` reads an agent's state and publishes what differs: `desk` sends the requests, `lists` and `paging` say
//! what an answer is worth, `interactions` what differs and what was recovered, `events` tells of it, `lost` of what nobody will read.
//! Deliberately absent: when a gap opens (the session machine knows), and when to read.

mod desk;
mod events;
#[cfg(test)]
mod examples;
pub(in crate::inbound) mod fetch;
mod interactions;
pub(in crate::inbound) mod lists;
mod lost;
mod paging;
mod run;
#[cfg(test)]
mod tests;

pub use events::{abandoned, closed, count, faded, opened};
pub use lost::{Lost, give_up, lost_hole};
pub use run::{Finding, Occasion, Reader, reconcile};

use crate::base::data::{Certainty, GapData};
use crate::base::digest::Digest;
use crate::base::envelope::{Event, Origin, event, medium, partition_key, schema_urn};
use crate::base::time::{Millis, rfc3339};
use crate::inbound::normalise::Candidate;
use crate::inbound::settings::SiteConfig;
use crate::journal::{Gap, Journal};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// `cometbridge.session.gap_opened.v1` or, where it has an end, `.gap_closed.v1`. `last` is the last event in the
/// journal now.
pub fn gap(site: &SiteConfig, agent: &str, now: Millis, gap: &Gap, journal: &Journal) -> Candidate {
    let (word, kind) = match gap.to {
        None => (event::GAP_OPENED, "cometbridge.session.gap_opened.v1"),
        Some(_) => (event::GAP_CLOSED, "cometbridge.session.gap_closed.v1"),
    };
    let data = GapData {
        agent: agent.to_owned(),
        gapid: gap.id.clone(),
        from: gap.from.map(rfc3339),
        to: gap.to.map(rfc3339),
        cause: gap.cause.clone(),
        certainty: certainty(gap),
        first_sequence: journal.sequence_text(gap.first),
        last_sequence: gap.to.map(|_| journal.sequence_text(journal.head().borrow().last)),
    };
    of_bridge(site, agent, now, kind, word, &format!("session.{word}"), &data)
}

fn certainty(gap: &Gap) -> Certainty {
    if gap.certainty == "possible" { Certainty::Possible } else { Certainty::Certain }
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
    Candidate::of_bridge(event, content)
}
