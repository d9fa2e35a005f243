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
/// Of an attribute's header.
const PREFIX: &str = "ce_";
/// Headers of most records, about.
const USUAL: usize = 24;

/// One record but for its key, topic and value.
pub struct Encoded {
    pub headers: OwnedHeaders,
    /// Bytes on the wire without the key, rather too many than too few.
    pub size: usize,
}

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

    /// `value` is a place to work in, used again for each record of a call; afterwards it holds this one's value.
    pub fn encode(&self, delivery: &Delivery, value: &mut Vec<u8>) -> Result<Encoded, Outcome> {
        value.clear();
        let (event, sequence) = (&delivery.event, &delivery.sequence_text);
        let mut headers = Headers::new();
        let written = match self.mode {
            KafkaMode::Structured => {
                headers.put("content-type", "application/cloudevents+json");
                encode::put_structured(event, sequence, value)
            }
            KafkaMode::Binary => {
                headers.put("content-type", "application/json");
                let mut prefixed = String::from(PREFIX);
                encode::attributes(event, sequence, |name, text| {
                    prefixed.truncate(PREFIX.len());
                    prefixed.push_str(name);
                    headers.put(&prefixed, text);
                });
                encode::put_data(event, value)
            }
        };
        written.map_err(|_| Outcome::Reject { cause: not_encodable() })?;
        for (name, template) in &self.headers {
            if let Some(text) = template.fill(event) {
                headers.put(name, &text);
            }
        }
        let Headers { list, bytes } = headers;
        Ok(Encoded { size: value.len() + bytes + OVERHEAD, headers: list.unwrap_or_default() })
    }
}

/// Headers as they are gathered. librdkafka's list is handed from hand to hand, as each addition takes it.
struct Headers {
    list: Option<OwnedHeaders>,
    bytes: usize,
}

impl Headers {
    fn new() -> Headers {
        Headers { list: Some(OwnedHeaders::new_with_capacity(USUAL)), bytes: 0 }
    }

    fn put(&mut self, key: &str, value: &str) {
        self.bytes += key.len() + value.len() + 10;
        self.list = self.list.take().map(|list| list.insert(Header { key, value: Some(value) }));
    }
}

fn said(at: &str, fault: &Fault) -> String {
    match fault {
        Fault::Empty => format!("{at}: a text is expected"),
        Fault::Brace => format!("{at}: a brace is not closed, or not opened"),
        Fault::Unknown(name) => format!("{at}: {name} is no placeholder"),
    }
}
