//! The events of the bridge that tell of a gap, of an interaction that ended unseen, and of a silent session.
//!
//! Deliberately absent: when each is due.

use super::{certainty, gap, of_bridge};
use crate::base::data::{EndedUnseenData, GapPhase, InteractionGapData, Recovered, SilentData};
use crate::base::digest::Digest;
use crate::base::envelope::{Event, Origin, event, gws_type, id_segment, medium, partition_key, schema_urn};
use crate::base::media::with_gaps;
use crate::base::metrics::Metrics;
use crate::base::time::{Millis, rfc3339};
use crate::inbound::dedup::Hole;
use crate::inbound::normalise::{Candidate, Identity, Key, Says, Shadow, Sight, keys};
use crate::inbound::settings::SiteConfig;
use crate::journal::{Gap, Journal, Known};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// How long an interaction that REST does not list counts as open without any news, where a gap opens.
const FADES: Millis = 24 * 60 * 60 * 1000;

/// What is published when a gap opens: the session's own event, then one for each interaction that is known to be
/// open, in its own order. To be stored in one step with the gap, before anything of the time after it.
pub fn opened(
    site: &SiteConfig,
    agent: &str,
    now: Millis,
    of: &Gap,
    known: &[Known],
    journal: &Journal,
) -> Vec<Candidate> {
    let mut out = vec![gap(site, agent, now, of, journal)];
    let open = known.iter().filter(|row| row.open);
    out.extend(open.filter_map(|row| {
        let medium = medium_of(row)?;
        let touched = Touched { medium, id: &row.id, last_before: row.last_index, first_after: None };
        Some(interaction_gap(site, agent, now, of, &touched, None))
    }));
    out
}

/// Of the interactions that REST does not list, those that may long be over: nothing new was told of them for a day when
/// the gap opened. They are touched by this gap, and by no later one until something is told of them.
pub fn faded(of: &Gap, known: &[Known]) -> Vec<(&'static str, String)> {
    let old = known.iter().filter(|row| row.open && of.opened.saturating_sub(row.at) > FADES);
    old.filter_map(|row| Some((unlisted(row)?, row.id.clone()))).collect()
}

/// What is published when a session is covered again. The interactions' own events follow from the reading.
pub fn closed(site: &SiteConfig, agent: &str, now: Millis, of: &Gap, journal: &Journal) -> Vec<Candidate> {
    vec![gap(site, agent, now, of, journal)]
}

/// What is published of the interactions that a gap touched where nobody will read them any more: each was open when
/// the gap opened, or changed since. `of` has its end.
pub fn abandoned(site: &SiteConfig, agent: &str, now: Millis, of: &Gap, known: &[Known]) -> Vec<Candidate> {
    let touched = known.iter().filter(|row| row.open || row.at >= of.opened);
    let closed = touched.filter_map(|row| {
        let medium = medium_of(row)?;
        let touched = Touched { medium, id: &row.id, last_before: row.last_index, first_after: None };
        Some(interaction_gap(site, agent, now, of, &touched, Some(Recovered::No)))
    });
    closed.collect()
}

/// What is published of a hole that can not be filled: the last index before it and the first after it are known.
/// A server may leave out what an agent must not see, so that it is not certain that something was lost.
pub(super) fn unfilled(
    site: &SiteConfig,
    agent: &str,
    now: Millis,
    hole: &Hole,
    recovered: Recovered,
) -> Option<Candidate> {
    let Hole { medium, interaction, from, to } = hole;
    let medium = conversation(medium)?;
    let parts = [site.realm.as_str(), medium, interaction, &from.to_string(), &to.to_string()];
    let of = Gap {
        id: format!("hole-{}", Digest::of(parts.map(id_segment).join("/").as_bytes()).hex()),
        session: String::new(),
        from: None,
        opened: now,
        to: None,
        cause: "hole".to_owned(),
        certainty: "possible".to_owned(),
        first: 0,
    };
    let (last_before, first_after) = (Some(from.saturating_sub(1)), Some(to.saturating_add(1)));
    let touched = Touched { medium, id: interaction, last_before, first_after };
    Some(interaction_gap(site, agent, now, &of, &touched, Some(recovered)))
}

/// The medium of a row, where it is an interaction's.
pub(super) fn medium_of(row: &Known) -> Option<&'static str> {
    with_gaps(&row.kind)
}

/// The medium of a row, where it is an interaction's of which REST has no list that is read.
pub(super) fn unlisted(row: &Known) -> Option<&'static str> {
    medium_of(row).filter(|medium| conversation(medium).is_none())
}

/// The word of a conversation medium.
pub(super) fn conversation(word: &str) -> Option<&'static str> {
    medium::CONVERSATIONS.iter().copied().find(|medium| *medium == word)
}

/// An interaction that a gap touched.
pub(super) struct Touched<'a> {
    pub(super) medium: &'static str,
    pub(super) id: &'a str,
    pub(super) last_before: Option<i64>,
    pub(super) first_after: Option<i64>,
}

/// `genesys.gws.<medium>.gap.v1`: closed where `recovered` is given, else opened.
pub(super) fn interaction_gap(
    site: &SiteConfig,
    agent: &str,
    now: Millis,
    of: &Gap,
    touched: &Touched<'_>,
    recovered: Option<Recovered>,
) -> Candidate {
    let (phase, word) = match recovered {
        None => (GapPhase::Opened, "opened"),
        Some(_) => (GapPhase::Closed, "closed"),
    };
    let data = InteractionGapData {
        interaction_id: touched.id.to_owned(),
        agent: agent.to_owned(),
        gapid: of.id.clone(),
        phase,
        cause: of.cause.clone(),
        certainty: certainty(of),
        from: of.from.map(rfc3339),
        to: of.to.map(rfc3339).filter(|_| recovered.is_some()),
        last_index_before: touched.last_before,
        first_index_after: touched.first_after,
        recovered,
    };
    let candidate = of_interaction(site, agent, now, (touched.medium, touched.id, event::GAP), &data);
    if of.id.is_empty() {
        return candidate;
    }
    // The same however often it is said: a reading that was broken off is done again.
    let parts =
        [site.realm.as_str(), "agent", agent, touched.medium, touched.id, event::GAP, of.id.as_str(), word];
    let digest_id = parts.map(id_segment).join("/");
    let candidate = match recovered {
        None => candidate,
        // What was said last before a crash may be said again: it is kept once.
        Some(_) => {
            let resource = Digest::of(digest_id.as_bytes());
            Candidate { dedup: Key::State { resource }, content: resource, ..candidate }
        }
    };
    Candidate { identity: Identity::Content { digest_id }, ..candidate }
}

/// Counts ends of gaps under interactions.
pub fn count(metrics: &Metrics, site: &str, recovered: Recovered, ends: usize) {
    let counter = &metrics.interaction_gaps_total;
    counter.with_label_values(&[site, recovered_word(recovered)]).inc_by(ends as u64);
}

/// As it stands in events and labels.
fn recovered_word(recovered: Recovered) -> &'static str {
    match recovered {
        Recovered::Yes => "yes",
        Recovered::Partly => "partly",
        Recovered::No => "no",
    }
}

/// `genesys.gws.<medium>.ended_unseen.v1`; it is decided against what is known when it is stored.
pub(super) fn ended_unseen(site: &SiteConfig, agent: &str, now: Millis, row: &Known) -> Option<Candidate> {
    let medium = medium_of(row)?;
    let data = EndedUnseenData {
        interaction_id: row.id.clone(),
        agent: agent.to_owned(),
        last_state: Shadow::parse(&row.shadow).state().map(str::to_owned),
        last_index: row.last_index,
    };
    let candidate = of_interaction(site, agent, now, (medium, &row.id, event::ENDED_UNSEEN), &data);
    Some(Candidate {
        resource: Some(keys::resource(&site.realm, agent, medium, &row.id)),
        sight: Some(Sight { kind: medium, id: row.id.clone(), says: Says::Ended }),
        ..candidate
    })
}

/// `cometbridge.session.silent.v1`.
pub(super) fn silent(
    site: &SiteConfig,
    agent: &str,
    now: Millis,
    heard: Option<Millis>,
    differing: BTreeMap<String, u64>,
) -> Candidate {
    let data = SilentData { agent: agent.to_owned(), since: heard.map(rfc3339), differing };
    of_bridge(site, agent, now, "cometbridge.session.silent.v1", event::SILENT, "session.silent", &data)
}

/// An event of the bridge in an interaction's own order; `about` is medium, id and event.
fn of_interaction(
    site: &SiteConfig,
    agent: &str,
    now: Millis,
    (medium, id, word): (&'static str, &str, &'static str),
    data: &impl Serialize,
) -> Candidate {
    let data = to_raw_value(data).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let content = Digest::of(data.get().as_bytes());
    let event = Event {
        source: format!("/gws/{}", site.realm),
        kind: gws_type(medium, word).into(),
        subject: format!("{medium}/{id}"),
        time: rfc3339(now),
        dataschema: schema_urn(&format!("{medium}.{word}")).into(),
        site: site.name.clone(),
        medium: medium.into(),
        event: word.into(),
        interaction: Some(id.to_owned()),
        agent: Some(agent.to_owned()),
        partitionkey: partition_key(&site.realm, id),
        origin: Origin::Bridge,
        ..Event::bare(data)
    };
    Candidate::of_bridge(event, content)
}
