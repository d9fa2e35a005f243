//! An invented event as it would leave through a sink: what `check` shows.
//!
//! Deliberately absent: anything that was received.

use super::mask::Mask;
use super::route;
use super::settings::SinkConfig;
use crate::base::encode;
use crate::base::envelope::{Event, Origin, TimeSource, event, gws_type, medium, partition_key, schema_urn};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::sync::Arc;

const INTERACTION: &str = "0000SAMPLE01";
const AGENT: &str = "1001";
const DEVICE: &str = "0b7a6c1e-sample";
const CONTACT: &str = "00031aEZ7QS9004C";
/// The id of the event that the contact came with.
const CHANGED: &str = "019c13f0-0000-7000-8000-000000000001";
const TIME: &str = "2026-01-31T12:00:00.000Z";

/// One line of JSON for the first of a few events that the sink takes; none where it takes no such event.
/// `sites` are names and realms.
pub async fn line(config: &SinkConfig, sites: &[(&str, &str)]) -> Result<Option<String>, String> {
    let mask = Mask::new(config).await?;
    let samples = sites.iter().flat_map(|(site, realm)| samples(site, realm));
    let Some(sample) = samples.into_iter().find(|event| route::wants(config, event)) else { return Ok(None) };
    let left = encode::structured(&mask.apply(&Arc::new(sample)), "1769860800-0000000000000000042");
    Ok(left.ok().and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// A conversation's state, what was said in one, and an agent's state.
fn samples(site: &str, realm: &str) -> [Event; 3] {
    let base = |medium: &'static str, word: &'static str, data: &Value, raw: &Value| Event {
        source: format!("/gws/{realm}"),
        kind: gws_type(medium, word).into(),
        time: TIME.to_owned(),
        timesource: TimeSource::Receipt,
        dataschema: schema_urn(&format!("{medium}.{word}")).into(),
        site: site.to_owned(),
        medium: medium.into(),
        event: word.into(),
        recordedtime: TIME.to_owned(),
        origin: Origin::Notification,
        raw: Some(json_of(raw)),
        ..Event::bare(json_of(data))
    };
    let person =
        json!({"kind": "Customer", "nickname": "Sample Person", "participantId": "009052C5E6D6004A"});
    let said = json!({"interactionId": INTERACTION, "message": {"index": 5, "kind": "Text",
        "text": "This text is invented.", "visibility": "All", "sentAt": "2026-01-31T13:00:00.000+01:00", "from": person}});
    let raw = json!({"index": 5, "type": "Text", "text": "This text is invented."});
    let context = Some(json_of(&json!({"userData.ContactId": {"value": CONTACT, "id": CHANGED}})));
    let item = Event {
        context: context.clone(),
        id: format!("{realm}/chat/{INTERACTION}/messages/5"),
        timesource: TimeSource::Item,
        subject: format!("chat/{INTERACTION}"),
        interaction: Some(INTERACTION.to_owned()),
        observedby: Some(AGENT.to_owned()),
        messageindex: Some(5),
        authorkind: Some("Customer".to_owned()),
        visibility: Some("All".to_owned()),
        partitionkey: partition_key(realm, INTERACTION),
        ..base(medium::CHAT, event::MESSAGE, &said, &raw)
    };
    let state = json!({"interactionId": INTERACTION, "notificationType": "PropertiesUpdated", "state": "Chat",
        "participants": [person], "userData": {"ContactId": CONTACT}});
    let changed = Event {
        id: CHANGED.to_owned(),
        context,
        subject: format!("chat/{INTERACTION}"),
        interaction: Some(INTERACTION.to_owned()),
        agent: Some(AGENT.to_owned()),
        partitionkey: partition_key(realm, INTERACTION),
        ..base(
            medium::CHAT,
            event::PROPERTIES_UPDATED,
            &state,
            &json!({"messageType": "ChatStateChangeMessage"}),
        )
    };
    let ready = json!({"deviceId": DEVICE, "deviceState": "Active", "phoneNumber": "+49 30 5550100",
        "userState": {"displayName": "Lunch", "state": "NotReady", "reason": "Lunch"}});
    let raw = json!({"id": DEVICE, "deviceState": "Active", "phoneNumber": "+49 30 5550100"});
    let agent = Event {
        id: "019c13f0-0000-7000-8000-000000000002".to_owned(),
        subject: format!("agent/{AGENT}/{DEVICE}"),
        agent: Some(AGENT.to_owned()),
        partitionkey: partition_key(realm, AGENT),
        ..base(medium::AGENT, event::STATE_CHANGE, &ready, &raw)
    };
    [item, changed, agent]
}

fn json_of(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::schema;
    use crate::outbound::settings::{Match, Policy, Preset};
    use crate::outbound::testing::config;

    #[test]
    fn samples_are_events_as_the_contract_has_them() {
        for event in samples("main", "main") {
            let bytes = encode::structured(&event, "1769860800-0000000000000000042").unwrap();
            let whole: Value = serde_json::from_slice(&bytes).unwrap();
            let schema = schema::get(whole["dataschema"].as_str().unwrap()).unwrap();
            let schema: Value = serde_json::from_str(&schema).unwrap();
            assert!(jsonschema::is_valid(&schema, &whole), "{whole}");
        }
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
        assert_eq!(line(&sink, &[("main", "main")]).await, Ok(None));
    }
}
