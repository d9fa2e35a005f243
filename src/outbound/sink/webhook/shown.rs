//! A request as it would be posted, for people.
//!
//! Deliberately absent: the URL, in which a secret may stand, and tokens, for which somebody would have to be asked.

use super::{AUTHORIZATION, Delivery, SIGNATURE, TIMESTAMP, WebhookMode, WebhookSink, body};
use crate::outbound::sink::Shown;

impl WebhookSink {
    /// None where the event can not be encoded.
    pub async fn shown(&self, delivery: &Delivery) -> Option<Shown> {
        let parcel = match self.config.mode {
            WebhookMode::Structured => body::single(delivery).ok(),
            WebhookMode::Batch => body::batch(std::slice::from_ref(delivery), self.config.batch).0,
        }?;
        let headers = self.headers(&parcel, None).await.ok()?;
        let mut beside: Vec<(String, String)> = Vec::with_capacity(headers.len());
        for (name, value) in &headers {
            let text = match (name.as_str(), value.to_str()) {
                (TIMESTAMP, _) => "(the time of each try)",
                (SIGNATURE, _) => "(by each secret, of id, time and body)",
                (_, Ok(text)) if !value.is_sensitive() => text,
                _ => "(a secret)",
            };
            beside.push((format!("header {name}"), text.to_owned()));
        }
        if self.tokens.is_some() {
            beside.push((format!("header {AUTHORIZATION}"), "(a token)".to_owned()));
        }
        beside.sort();
        Some(Shown { beside, body: ("body", parcel.bytes) })
    }
}
