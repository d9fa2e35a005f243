//! A record as it would be handed to librdkafka, for people.
//!
//! Deliberately absent: the partition, which depends on how many the topic has.

use super::record::Encoded;
use super::{Delivery, KafkaSink};
use crate::outbound::sink::Shown;
use rdkafka::message::Headers;

impl KafkaSink {
    /// None where the event can not be encoded.
    pub fn shown(&self, delivery: &Delivery) -> Option<Shown> {
        let mut value = Vec::new();
        let Encoded { headers, .. } = self.form.encode(delivery, &mut value).ok()?;
        let topic = self.topic.of(&delivery.event).into_owned();
        let key = self.form.key(&delivery.event).into_owned();
        let mut beside = vec![("topic".to_owned(), topic), ("key".to_owned(), key)];
        beside.extend(headers.iter().map(|header| {
            let text = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
            (format!("header {}", header.key), text)
        }));
        Some(Shown { beside, body: ("value", value) })
    }
}
