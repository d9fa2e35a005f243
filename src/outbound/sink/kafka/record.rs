//! The CloudEvents Kafka binding: an event as headers and value.
//!
//! Deliberately absent: key and topic, which are the sink's.

use super::super::{Delivery, Outcome, not_encodable};
use crate::base::encode;
use crate::outbound::settings::KafkaMode;
use rdkafka::message::{Header, OwnedHeaders};

/// What Kafka adds to a record at most, beyond key, value and headers.
const OVERHEAD: usize = 128;

/// Headers and value.
pub type Encoded = (Vec<(String, String)>, Vec<u8>);

/// Encodes for the mode.
pub fn encode(delivery: &Delivery, mode: KafkaMode) -> Result<Encoded, Outcome> {
    let (event, sequence) = (&delivery.event, &delivery.sequence_text);
    let content_type = |text: &str| ("content-type".to_owned(), text.to_owned());
    let encoded = match mode {
        KafkaMode::Structured => encode::structured(event, sequence)
            .map(|value| (vec![content_type("application/cloudevents+json")], value)),
        KafkaMode::Binary => encode::data(event).map(|value| {
            let mut headers = vec![content_type("application/json")];
            let attributes = encode::attributes(event, sequence);
            headers.extend(attributes.into_iter().map(|(name, text)| (format!("ce_{name}"), text)));
            (headers, value)
        }),
    };
    encoded.map_err(|_| Outcome::Reject { cause: not_encodable() })
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
