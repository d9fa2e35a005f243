//! The CloudEvents Kafka binding: an event as key, headers and value.
//!
//! Deliberately absent: the topic.

use super::super::{Delivery, Outcome, not_encodable};
use super::template::{Fault, Template};
use crate::base::encode;
use crate::base::envelope::Event;
use crate::outbound::settings::{KafkaConfig, KafkaMode};
use rdkafka::message::{Header, OwnedHeaders};
use std::borrow::Cow;

/// What Kafka adds to a record at most, beyond key, value and headers.
const OVERHEAD: usize = 128;

/// Headers and value.
pub type Encoded = (Vec<(String, String)>, Vec<u8>);

/// How events become records.
pub struct Form {
    mode: KafkaMode,
    key: Template,
    headers: Vec<(String, Template)>,
}

impl Form {
    pub fn new(config: &KafkaConfig) -> Result<Form, String> {
        let template = |at: String, text: &str| Template::parse(text).map_err(|fault| said(&at, &fault));
        let mut headers = Vec::new();
        for (name, text) in &config.headers {
            headers.push((name.clone(), template(format!("headers.{name}"), text)?));
        }
        Ok(Form { mode: config.mode, key: template("key".to_owned(), &config.key)?, headers })
    }

    /// The record's key: an event that lacks what the template wants has its partition key.
    pub fn key<'a>(&self, event: &'a Event) -> Cow<'a, str> {
        self.key.fill(event).unwrap_or(Cow::Borrowed(&event.partitionkey))
    }

    pub fn encode(&self, delivery: &Delivery) -> Result<Encoded, Outcome> {
        let (event, sequence) = (&delivery.event, &delivery.sequence_text);
        let content_type = |text: &str| ("content-type".to_owned(), text.to_owned());
        let encoded = match self.mode {
            KafkaMode::Structured => encode::structured(event, sequence)
                .map(|value| (vec![content_type("application/cloudevents+json")], value)),
            KafkaMode::Binary => encode::data(event).map(|value| {
                let mut headers = vec![content_type("application/json")];
                let attributes = encode::attributes(event, sequence);
                headers.extend(attributes.into_iter().map(|(name, text)| (format!("ce_{name}"), text)));
                (headers, value)
            }),
        };
        let (mut headers, value) = encoded.map_err(|_| Outcome::Reject { cause: not_encodable() })?;
        for (name, template) in &self.headers {
            headers.extend(template.fill(event).map(|text| (name.clone(), text.into_owned())));
        }
        Ok((headers, value))
    }
}

fn said(at: &str, fault: &Fault) -> String {
    match fault {
        Fault::Empty => format!("{at}: a text is expected"),
        Fault::Brace => format!("{at}: a brace is not closed, or not opened"),
        Fault::Unknown(name) => format!("{at}: {name} is no placeholder"),
    }
}

/// Bytes on the wire, rather too many than too few.
pub fn size(key: &str, headers: &[(String, String)], value: &[u8]) -> usize {
    let headers: usize = headers.iter().map(|(name, text)| name.len() + text.len() + 10).sum();
    key.len() + value.len() + headers + OVERHEAD
}

pub fn headers(list: &[(String, String)]) -> OwnedHeaders {
    let start = OwnedHeaders::new_with_capacity(list.len());
    list.iter().fold(start, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
