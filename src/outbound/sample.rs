//! Invented events as a sink may see them: what `check` shows, as they would leave.
//!
//! One of each medium and event that a sink can be routed, and of each state, author and visibility that GWS is known
//! to have; `payload` says what stands in them. Deliberately absent: anything that was received, and the form in which a sink sends it (`sink::Shown`).

mod payload;

use super::mask::Mask;
use super::route;
use super::settings::SinkConfig;
use super::sink::Delivery;
use crate::base::envelope::{Event, Origin, TimeSource, event, gws_type, medium, partition_key, schema_urn};
use crate::base::media::events_of;
use crate::journal::Sequence;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

const INTERACTION: &str = "0000SAMPLE01";
const AGENT: &str = "1001";
const DEVICE: &str = "0b7a6c1e-sample";
const CONTACT: &str = "00031aEZ7QS9004C";
/// The id of the event that the contact came with.
const CHANGED: &str = "019c13f0-0000-7000-8000-000000000001";
const OTHER: &str = "019c13f0-0000-7000-8000-000000000002";
const TIME: &str = "2026-01-31T12:00:00.000Z";
const SEQUENCE: &str = "1769860800-0000000000000000042";
const NUMBER: Sequence = 42;
/// Shown before all others where the sink takes them.
const FIRST: [(&str, &str); 3] = [
    (medium::CHAT, event::MESSAGE),
    (medium::CHAT, event::PROPERTIES_UPDATED),
    (medium::AGENT, event::STATE_CHANGE),
];

/// Whose events they are.
struct Whose<'a> {
    site: &'a str,
    realm: &'a str,
    agent: &'a str,
    group: Option<&'a str>,
    sink: &'a str,
}

/// The first of them that the sink's lists take, as it may see it; none where they take no such event.
/// `sites` are names and realms.
pub async fn delivery(config: &SinkConfig, sites: &[(&str, &str)]) -> Result<Option<Delivery>, String> {
    // There is no journal yet; no id of a sample is made of content.
    let mask = Mask::new(config, &[0; 32]).await?;
    // The keys and groups of a roster are the site's own words: the first that the sink names is one that it takes.
    let agent = config.matching.agent.first().map_or(AGENT, String::as_str);
    let group = config.matching.group.first().map(String::as_str);
    let whose = |&(site, realm)| Whose { site, realm, agent, group, sink: config.name.as_str() };
    let mut samples = sites.iter().map(whose).flat_map(|whose| {
        kinds().flat_map(move |(medium, event)| samples(&whose, medium, event)).collect::<Vec<_>>()
    });
    let sample = samples.find(|event| route::wants(config, event));
    Ok(sample.map(|sample| Delivery {
        sequence: NUMBER,
        sequence_text: SEQUENCE.to_owned(),
        event: mask.apply(&Arc::new(sample)),
        attempt: 1,
        beside: false,
    }))
}

/// Every medium and event there is.
fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all =
        medium::ALL.iter().flat_map(|medium| events_of(medium).iter().map(move |event| (*medium, *event)));
    FIRST.into_iter().chain(all.filter(|kind| !FIRST.contains(kind)))
}

/// The events of one kind, one for each word that a sink can be routed by.
fn samples(whose: &Whose<'_>, medium: &'static str, word: &'static str) -> Vec<Event> {
    match (medium, word) {
        (_, event::MESSAGE) => payload::SEEN.iter().map(|seen| item(whose, medium, *seen)).collect(),
        (_, event::TRANSCRIPT) => vec![transcript(whose, medium)],
        (medium::BRIDGE, _) | (_, event::GAP | event::ENDED_UNSEEN) => vec![own(whose, medium, word)],
        _ => payload::states(medium, word).iter().map(|state| told(whose, medium, word, state)).collect(),
    }
}

/// What all of a kind have, with the place that its order and subject come from: an interaction, else the agent.
fn base(whose: &Whose<'_>, medium: &'static str, word: &'static str, data: Box<RawValue>) -> Event {
    let Whose { site, realm, agent, .. } = whose;
    let event = Event {
        id: OTHER.to_owned(),
        source: format!("/gws/{realm}"),
        kind: gws_type(medium, word).into(),
        subject: format!("agent/{agent}"),
        time: TIME.to_owned(),
        timesource: TimeSource::Receipt,
        dataschema: schema_urn(&format!("{medium}.{word}")).into(),
        site: (*site).to_owned(),
        medium: medium.into(),
        event: word.into(),
        agent: Some((*agent).to_owned()),
        group: whose.group.map(str::to_owned),
        recordedtime: TIME.to_owned(),
        origin: Origin::Notification,
        partitionkey: partition_key(realm, agent),
        ..Event::bare(data)
    };
    let of_interaction = medium::CONVERSATIONS.contains(&medium) || medium::ITEMS.contains(&medium);
    if !of_interaction || word == event::OPERATION_RESPONSE {
        return event;
    }
    let known = json!({"userData.ContactId": {"value": CONTACT, "id": CHANGED}});
    Event {
        subject: format!("{medium}/{INTERACTION}"),
        interaction: Some(INTERACTION.to_owned()),
        partitionkey: partition_key(realm, INTERACTION),
        context: Some(json_of(&known)),
        ..event
    }
}

/// A log item: whoever showed it, it is nobody's.
fn item(whose: &Whose<'_>, medium: &'static str, (visibility, author): (&str, &str)) -> Event {
    let raw = json!({"index": 5, "type": "Text", "text": payload::TEXT});
    Event {
        id: format!("{}/{medium}/{INTERACTION}/messages/5", whose.realm),
        timesource: TimeSource::Item,
        agent: None,
        group: None,
        observedby: Some(whose.agent.to_owned()),
        messageindex: Some(5),
        authorkind: Some(author.to_owned()),
        visibility: Some(visibility.to_owned()),
        raw: Some(json_of(&raw)),
        ..base(whose, medium, event::MESSAGE, payload::message(visibility, author))
    }
}

fn transcript(whose: &Whose<'_>, medium: &'static str) -> Event {
    let id = format!("{}/{medium}/{INTERACTION}", whose.realm);
    let data = payload::transcript(whose.agent, &format!("{id}/messages/1"));
    Event {
        id: format!("{id}/{}", event::TRANSCRIPT),
        agent: None,
        group: None,
        origin: Origin::Bridge,
        context: None,
        ..base(whose, medium, event::TRANSCRIPT, data)
    }
}

/// What the bridge itself has to say.
fn own(whose: &Whose<'_>, medium: &'static str, word: &'static str) -> Event {
    let event = base(whose, medium, word, payload::own(medium, word, whose.agent, whose.sink));
    let event = Event { origin: Origin::Bridge, ..event };
    let (name, sink) = match word {
        event::GAP_OPENED => ("session.gap_opened", false),
        event::GAP_CLOSED => ("session.gap_closed", false),
        event::SILENT => ("session.silent", false),
        event::ITEM_REJECTED => ("item.rejected", false),
        event::SINK_LOST => ("sink.lost", true),
        _ => return event,
    };
    let kind = format!("cometbridge.{name}.v1").into();
    let event = Event { kind, dataschema: schema_urn(name).into(), ..event };
    if !sink {
        return Event { subject: format!("session/{}", whose.agent), ..event };
    }
    Event {
        source: "/bridge".to_owned(),
        site: medium::BRIDGE.to_owned(),
        subject: format!("sink/{}", whose.sink),
        partitionkey: format!("bridge/{}", whose.sink),
        agent: None,
        group: None,
        ..event
    }
}

/// What GWS tells of, in this state.
fn told(whose: &Whose<'_>, medium: &'static str, word: &'static str, state: &payload::State) -> Event {
    let event = base(whose, medium, word, payload::told(medium, word, state));
    let (id, agent) = (if event.context.is_some() { CHANGED } else { OTHER }, whose.agent);
    let event = Event { id: id.to_owned(), raw: Some(payload::raw(medium, word)), ..event };
    match (medium, word) {
        (medium::AGENT, event::STATE_CHANGE) => Event { subject: format!("agent/{agent}/{DEVICE}"), ..event },
        (medium::WORKBIN, event::ACTION) => Event {
            subject: format!("workbin/{}", payload::WORKBIN),
            interaction: Some(INTERACTION.to_owned()),
            partitionkey: partition_key(whose.realm, INTERACTION),
            ..event
        },
        (medium::WORKBIN, _) => Event { subject: format!("workbin/{}", payload::WORKBIN), ..event },
        (medium::OUTBOUND, _) => Event { subject: format!("outbound/{}", payload::RECORD), ..event },
        (medium::SERVICE, _) => Event { subject: format!("service/{}", payload::SERVICE), ..event },
        (medium::UNKNOWN, _) => {
            Event { dataschema: schema_urn("unknown").into(), kind: "genesys.gws.unknown.v1".into(), ..event }
        }
        _ => event,
    }
}

/// Nothing here fails to be written as JSON.
fn json_of(value: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{encode, schema};
    use crate::outbound::settings::{Match, Policy, Preset};
    use crate::outbound::testing::config;
    use serde_json::Value;

    #[test]
    fn samples_are_events_as_the_contract_has_them() {
        let whose = Whose { site: "main", realm: "main", agent: AGENT, group: None, sink: "crm" };
        for event in kinds().flat_map(|(medium, event)| samples(&whose, medium, event)) {
            let bytes = encode::structured(&event, SEQUENCE).unwrap();
            let whole: Value = serde_json::from_slice(&bytes).unwrap();
            let schema = schema::get(whole["dataschema"].as_str().unwrap()).unwrap();
            let schema: Value = serde_json::from_str(&schema).unwrap();
            assert!(jsonschema::is_valid(&schema, &whole), "{whole}");
            let known = &schema["properties"]["data"]["properties"];
            for member in whole["data"].as_object().unwrap().keys() {
                assert!(known.get(member).is_some(), "{}: data.{member}", event.kind);
            }
        }
    }

    async fn line(sink: &SinkConfig, sites: &[(&str, &str)]) -> Result<Option<String>, String> {
        let left = delivery(sink, sites).await?;
        let bytes = left.map(|left| encode::structured(&left.event, &left.sequence_text).unwrap());
        Ok(bytes.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    async fn shown(sink: &SinkConfig) -> Option<Value> {
        let line = line(sink, &[("main", "main")]).await.unwrap();
        line.map(|line| serde_json::from_str(&line).unwrap())
    }

    #[tokio::test]
    async fn every_medium_and_event_that_a_sink_takes_has_a_sample() {
        let mut sink = config("s", 1);
        sink.transcripts = true;
        for (medium, event) in kinds() {
            let words = |word: &str| vec![word.to_owned()];
            sink.matching = Match { medium: words(medium), event: words(event), ..Match::default() };
            let shown = shown(&sink).await.unwrap_or_else(|| panic!("{medium} {event}: no sample"));
            assert_eq!((&shown["medium"], &shown["event"]), (&json!(medium), &json!(event)));
        }
    }

    #[tokio::test]
    async fn a_sample_is_found_by_each_word_that_a_sink_is_routed_by() {
        let mut sink = config("s", 1);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let bare = Match::default;
        sink.matching = Match { medium: words(&["email", "outbound"]), ..bare() };
        assert_eq!(shown(&sink).await.unwrap()["type"], "genesys.gws.email.status_change.v1");
        sink.matching = Match { state: words(&["Ready"]), ..bare() };
        assert_eq!(shown(&sink).await.unwrap()["data"]["userState"]["state"], "Ready");
        sink.matching = Match { visibility: words(&["Supervisors"]), event: words(&["message"]), ..bare() };
        assert_eq!(shown(&sink).await.unwrap()["visibility"], "Supervisors");
        sink.matching = Match { agent: words(&["77"]), group: words(&["north"]), ..bare() };
        assert_eq!(shown(&sink).await.unwrap()["agent"], "77");
        sink.matching = Match { site: words(&["bridge"]), ..bare() };
        assert_eq!(shown(&sink).await.unwrap()["type"], "cometbridge.sink.lost.v1");
        (sink.matching, sink.except) = (bare(), Match { medium: words(&["chat", "agent"]), ..bare() });
        assert_eq!(shown(&sink).await.unwrap()["type"], "genesys.gws.facebooksession.message.v1");
        sink.matching = Match { state: words(&["Undocumented"]), ..bare() };
        assert_eq!(shown(&sink).await, None);
        sink.matching = Match { event: words(&["transcript"]), ..bare() };
        assert_eq!(shown(&sink).await, None, "this sink wants no transcripts");
    }

    #[tokio::test]
    async fn the_sample_is_one_that_the_sink_takes_and_masked() {
        let mut sink = config("s", 1);
        let shown = line(&sink, &[("main", "main")]).await.unwrap().unwrap();
        assert!(shown.contains("This text is invented.") && !shown.contains(CONTACT));
        sink.context = vec!["userData.ContactId".to_owned()];
        assert!(line(&sink, &[("main", "main")]).await.unwrap().unwrap().contains(CONTACT));
        sink.privacy = Policy::preset(Preset::NoContent);
        let shown = line(&sink, &[("main", "main")]).await.unwrap().unwrap();
        assert!(
            shown.contains(INTERACTION)
                && !shown.contains("Sample Person")
                && !shown.contains("invented")
                && !shown.contains(CONTACT)
        );
        sink.matching = Match { medium: vec!["agent".to_owned()], ..Match::default() };
        assert!(line(&sink, &[("main", "main")]).await.unwrap().unwrap().contains("agent/1001"));
        sink.matching = Match { medium: vec!["bridge".to_owned()], ..Match::default() };
        assert!(line(&sink, &[("main", "main")]).await.unwrap().unwrap().contains("gap_opened"));
    }
}
