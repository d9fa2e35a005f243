//! The webhook sink: one event a POST, structured CloudEvents, signed as Standard Webhooks says.
//!
//! `client` makes the HTTP client, `sign` the signatures, `answer` what an answer means. Success is 2xx and
//! nothing else; a redirect is never followed. Deliberately absent: retries, and reading more of an answer than
//! is needed to use the connection again; its text is neither kept nor logged, as it may repeat what was sent.

mod answer;
mod client;
mod keys;
mod sign;

pub use answer::REASONS;

use super::{Cause, Delivery, Outcome, Shape, closed, not_encodable};
use crate::base::encode;
use crate::outbound::settings::WebhookConfig;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::{CONTENT_TYPE, HeaderValue};
use keys::Keys;
use reqwest::Client;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use url::Url;

const STRUCTURED: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

pub struct WebhookSink {
    client: Client,
    url: Url,
    keys: Keys,
    concurrency: usize,
    slots: Semaphore,
    max_retry_after: Duration,
    closed: AtomicBool,
}

impl WebhookSink {
    /// Reads secrets and certificates and makes the client; calls nobody.
    pub async fn build(config: &WebhookConfig) -> Result<WebhookSink, String> {
        let keys = Keys::load(config).await?;
        WebhookSink::with_keys(config, keys).await
    }

    async fn with_keys(config: &WebhookConfig, keys: Keys) -> Result<WebhookSink, String> {
        let concurrency = config.concurrency.clamp(1, 1024);
        Ok(WebhookSink {
            client: client::build(config).await?,
            url: config.url.clone(),
            keys,
            concurrency,
            slots: Semaphore::new(concurrency),
            max_retry_after: config.max_retry_after,
            closed: AtomicBool::new(false),
        })
    }

    /// One event a call: each is settled as soon as its answer is there.
    pub fn shape(&self) -> Shape {
        Shape {
            calls: self.concurrency,
            items: 1,
            keys: 1,
            per_key: 1,
            window_events: 512.max(self.concurrency),
            window_bytes: 8 << 20,
            max_retry_after: self.max_retry_after,
            frozen: false,
            parks: true,
            exact: false,
        }
    }

    /// Distinct keys go at the same time, each key's events one after the other.
    pub async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        if self.closed.load(Ordering::SeqCst) {
            return closed(batch);
        }
        let mut by_key: HashMap<&str, Vec<(usize, &Delivery)>> = HashMap::new();
        for (nth, delivery) in batch.iter().enumerate() {
            by_key.entry(delivery.event.partitionkey.as_str()).or_default().push((nth, delivery));
        }
        let mut running: FuturesUnordered<_> =
            by_key.into_values().map(|of_key| self.deliver_key(of_key)).collect();
        let mut outcomes = vec![Outcome::Held; batch.len()];
        while let Some(of_key) = running.next().await {
            for (nth, outcome) in of_key {
                if let Some(slot) = outcomes.get_mut(nth) {
                    *slot = outcome;
                }
            }
        }
        outcomes
    }

    /// One key's events; after one that is not over, the later ones stay `Held`.
    async fn deliver_key(&self, of_key: Vec<(usize, &Delivery)>) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(of_key.len());
        for (nth, delivery) in of_key {
            let outcome = match self.slots.acquire().await {
                Ok(_slot) => self.post(delivery).await,
                Err(_) => Outcome::Held,
            };
            let over = matches!(outcome, Outcome::Done | Outcome::Reject { .. });
            outcomes.push((nth, outcome));
            if !over {
                break;
            }
        }
        outcomes
    }

    async fn post(&self, delivery: &Delivery) -> Outcome {
        let Ok(body) = encode::structured(&delivery.event, &delivery.sequence_text) else {
            return Outcome::Reject { cause: not_encodable() };
        };
        let keys = self.keys.current().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let id = &delivery.event.id;
        let mut headers = keys.headers.clone();
        let signature = (!keys.signing.is_empty()).then(|| sign::header(&keys.signing, id, now, &body));
        let signed = [
            ("webhook-id", Some(id.clone())),
            ("webhook-timestamp", Some(now.to_string())),
            ("webhook-signature", signature),
        ];
        for (name, text) in signed.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            let Ok(value) = HeaderValue::from_str(&text) else {
                let detail = format!("its {name} does not fit into a header");
                return Outcome::Reject { cause: Cause::new("not-encodable", detail) };
            };
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, STRUCTURED);
        match self.client.post(self.url.clone()).headers(headers).body(body).send().await {
            Ok(response) => answer::judge(response).await,
            Err(error) => answer::unsent(&error),
        }
    }

    /// Whether the receiver can be reached at all: any HTTP answer to `OPTIONS` will do.
    pub async fn probe(&self) -> Result<(), Cause> {
        let headers = self.keys.current().await.headers.clone();
        match self.client.request(http::Method::OPTIONS, self.url.clone()).headers(headers).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(answer::cause(&error)),
        }
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.slots.close();
    }
}

#[cfg(test)]
pub(super) mod tests;
