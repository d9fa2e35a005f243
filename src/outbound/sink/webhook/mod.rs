//! The webhook sink: events as structured or batched CloudEvents, signed as Standard Webhooks says.
//!
//! `client` makes the HTTP client and `guard` resolves for it, `body` what is posted, `keys` and `oauth` what shows
//! who we are, `sign` the signatures, `pace` when it may leave, `answer` what an answer means, `shown` a request for
//! people. Success is 2xx and
//! nothing else; a redirect is never followed. Deliberately absent: retries, and an answer's text in any message, as
//! it may repeat what was sent; its beginning is handed to the lane for the dead letter alone.

mod answer;
mod body;
mod client;
mod guard;
mod keys;
mod oauth;
mod pace;
mod shown;
mod sign;

pub use answer::REASONS;

use super::{Cause, Delivery, Outcome, Shape, closed};
use crate::base::retry::Backoff;
use crate::outbound::settings::{Auth, WebhookConfig, WebhookMode};
use answer::Judge;
use body::Parcel;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use keys::Keys;
use oauth::{Bearer, Missing, Tokens};
use pace::Pace;
use reqwest::Client;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Headers that are another at each try.
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

pub struct WebhookSink {
    config: WebhookConfig,
    client: Client,
    keys: Keys,
    tokens: Option<Tokens>,
    pace: Pace,
    backoff: Backoff,
    slots: Semaphore,
    closed: AtomicBool,
}

impl WebhookSink {
    /// Reads secrets and certificates and makes the client; calls nobody. Pauses of the whole receiver grow by the
    /// lane's `backoff`.
    pub async fn build(config: &WebhookConfig, backoff: Backoff) -> Result<WebhookSink, String> {
        let keys = Keys::load(config).await?;
        WebhookSink::with_keys(config, backoff, keys).await
    }

    async fn with_keys(config: &WebhookConfig, backoff: Backoff, keys: Keys) -> Result<WebhookSink, String> {
        let client = client::build(config).await?;
        let tokens = match &config.auth {
            Some(Auth::OAuth2(oauth2)) => Some(Tokens::new(oauth2, client.clone(), config.way())),
            _ => None,
        };
        Ok(WebhookSink {
            client,
            keys,
            tokens,
            pace: Pace::new(config.rate, backoff, config.max_retry_after),
            backoff,
            slots: Semaphore::new(config.concurrency.clamp(1, 1024)),
            config: config.clone(),
            closed: AtomicBool::new(false),
        })
    }

    /// One request a call: its events are settled as soon as its answer is there.
    pub fn shape(&self) -> Shape {
        let calls = self.config.concurrency.clamp(1, 1024);
        let items = match self.config.mode {
            WebhookMode::Structured => 1,
            WebhookMode::Batch => self.config.batch.events.max(1),
        };
        let all_at_once = u64::try_from(calls).unwrap_or(1).saturating_mul(self.config.batch.bytes);
        Shape {
            calls,
            items,
            keys: items,
            per_key: items,
            window_events: calls.saturating_mul(items).min(8_192).max(items).max(2_048),
            window_bytes: if items > 1 { all_at_once.clamp(8 << 20, 64 << 20) } else { 8 << 20 },
            max_retry_after: self.config.max_retry_after,
            frozen: self.config.mode == WebhookMode::Batch,
            parks: true,
            exact: false,
        }
    }

    pub async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        if self.closed.load(Ordering::SeqCst) {
            return closed(batch);
        }
        match self.config.mode {
            WebhookMode::Structured => self.deliver_singly(batch).await,
            WebhookMode::Batch => self.deliver_together(batch).await,
        }
    }

    /// Distinct keys go at the same time, each key's events one after the other.
    async fn deliver_singly(&self, batch: &[Delivery]) -> Vec<Outcome> {
        if let [only] = batch {
            return vec![self.deliver_one(only).await];
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
            let outcome = self.deliver_one(delivery).await;
            let over = matches!(outcome, Outcome::Done | Outcome::Reject { .. });
            outcomes.push((nth, outcome));
            if !over {
                break;
            }
        }
        outcomes
    }

    async fn deliver_one(&self, delivery: &Delivery) -> Outcome {
        match body::single(delivery) {
            Ok(parcel) => self.post(parcel).await,
            Err(outcome) => outcome,
        }
    }

    /// The first events that fit, in one request and with one outcome; the same events make the same request.
    async fn deliver_together(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let (parcel, outcomes) = body::batch(batch, self.config.batch);
        let shared = match parcel {
            Some(parcel) => self.post(parcel).await,
            None => Outcome::Held,
        };
        outcomes.into_iter().map(|own| own.unwrap_or_else(|| shared.clone())).collect()
    }

    async fn post(&self, parcel: Parcel) -> Outcome {
        let Ok(_slot) = self.slots.acquire().await else { return Outcome::Held };
        if let Err(after) = self.pace.turn().await {
            return Outcome::Later { after };
        }
        let sent = Instant::now();
        let bearer = match self.bearer(sent).await {
            Ok(bearer) => bearer,
            Err(outcome) => return outcome,
        };
        let several = parcel.events > 1;
        let Ok(headers) = self.headers(&parcel, bearer.as_ref()).await else {
            let cause = Cause::new("not-encodable", "its id does not fit into a header");
            return Outcome::Reject { cause };
        };
        let request = self.client.post(self.config.url.clone()).headers(headers).body(parcel.bytes);
        let (url, way) = (&self.config.url, self.config.way());
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Outcome::Retry { cause: answer::unsent(&error, url, &way), after: None };
            }
        };
        let status = response.status();
        let judge = Judge { refusals: &self.config.refusals, several, url, way };
        let outcome = judge.judge(response).await;
        match answer::slows(&outcome, status) {
            Some(asked) => self.pace.slow(sent, asked),
            None => self.pace.fine(sent),
        }
        if let (Some(tokens), Some(bearer)) = (&self.tokens, bearer) {
            tokens.judged(bearer.number, status == StatusCode::UNAUTHORIZED);
        }
        outcome
    }

    /// The token, where there is one to show.
    async fn bearer(&self, sent: Instant) -> Result<Option<Bearer>, Outcome> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        match tokens.bearer().await {
            Ok(bearer) => Ok(Some(bearer)),
            Err(Missing::Asked(cause)) => {
                // Without a token nothing can be posted: all wait, and the endpoint is not asked by each of them.
                self.pace.slow(sent, None);
                Err(Outcome::Retry { cause, after: None })
            }
            Err(Missing::NotTried) => {
                Err(Outcome::Later { after: self.pace.left().max(self.backoff.initial) })
            }
        }
    }

    /// The time is this attempt's, the id is the same at each.
    async fn headers(
        &self,
        parcel: &Parcel,
        bearer: Option<&Bearer>,
    ) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
        let keys = self.keys.current().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut headers = keys.headers.clone();
        if !keys.signing.is_empty() {
            let signature = sign::header(&keys.signing, &parcel.id, now, &parcel.bytes);
            headers.insert(SIGNATURE, HeaderValue::from_str(&signature)?);
        }
        headers.insert("webhook-id", HeaderValue::from_str(&parcel.id)?);
        headers.insert(TIMESTAMP, HeaderValue::from(now));
        headers.insert(CONTENT_TYPE, parcel.content_type.clone());
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, bearer.header.clone());
        }
        Ok(headers)
    }

    /// Whether the receiver can be reached at all: any HTTP answer to `OPTIONS` will do. A token must be had.
    pub async fn probe(&self) -> Result<(), Cause> {
        let mut headers = self.keys.current().await.headers.clone();
        if let Some(tokens) = &self.tokens {
            match tokens.bearer().await {
                Ok(bearer) => headers.insert(AUTHORIZATION, bearer.header),
                Err(Missing::Asked(cause)) => return Err(cause),
                Err(Missing::NotTried) => return Err(Cause::new("token", "a request for a token failed")),
            };
        }
        let url = &self.config.url;
        match self.client.request(http::Method::OPTIONS, url.clone()).headers(headers).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(answer::unsent(&error, url, &self.config.way())),
        }
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.slots.close();
    }
}

#[cfg(test)]
pub(super) mod tests;
