//! The shapes of a webhook's table.
//!
//! Deliberately absent: what a value means.

use super::{Match, MaxLag, Park, Privacy, Retry, Rule, Secret, TextOrSecret};
use crate::config::units::{Duration, Size};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Webhook {
    pub privacy: Option<Privacy>,
    #[serde(default)]
    pub privacy_rules: Vec<Rule>,
    #[serde(default)]
    pub userdata: Vec<String>,
    #[serde(rename = "match")]
    pub matching: Match,
    pub except: Match,
    pub raw: bool,
    pub context: Vec<String>,
    pub transcripts: bool,
    pub start: String,
    pub max_lag: MaxLag,
    pub retry: Retry,
    pub park: Park,
    pub url: Option<String>,
    pub allow_plaintext: bool,
    #[serde(default)]
    pub secrets: Vec<Secret>,
    pub unsigned: bool,
    pub mode: WebhookMode,
    pub batch: BatchLimits,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub concurrency: u32,
    pub rate: Option<String>,
    pub max_retry_after: Duration,
    pub on_4xx: Refusal,
    #[serde(default)]
    pub on_status: BTreeMap<String, Refusal>,
    pub ca: Option<String>,
    pub client_certificate: Option<Secret>,
    pub proxy: Option<String>,
    pub proxy_password: Option<Secret>,
    pub allow_networks: Vec<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, TextOrSecret>,
    pub auth: Option<Auth>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum WebhookMode {
    Structured,
    Batch,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct BatchLimits {
    pub events: u32,
    pub bytes: Size,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Refusal {
    Retry,
    DeadLetter,
}

/// At most one of the three; a table in which nothing stands is none, so that a printed configuration can be read again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Auth {
    pub bearer: Option<Secret>,
    pub basic: Option<Basic>,
    pub oauth2: Option<OAuth2>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Basic {
    pub username: Option<String>,
    pub password: Option<Secret>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OAuth2 {
    pub token_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub scopes: Vec<String>,
    pub audience: Option<String>,
    pub client_auth: Option<ClientAuth>,
}

impl Auth {
    /// How many are given.
    pub(in crate::config) fn ways(&self) -> usize {
        let basic = self.basic.as_ref().is_some_and(Basic::is_given);
        let oauth2 = self.oauth2.as_ref().is_some_and(OAuth2::is_given);
        [self.bearer.is_some(), basic, oauth2].into_iter().filter(|given| *given).count()
    }
}

impl Basic {
    pub(in crate::config) fn is_given(&self) -> bool {
        self.username.is_some() || self.password.is_some()
    }
}

impl OAuth2 {
    pub(in crate::config) fn is_given(&self) -> bool {
        let OAuth2 { token_url, client_id, client_secret, scopes, audience, client_auth } = self;
        let texts = [token_url, client_id, audience].into_iter().any(Option::is_some);
        texts || client_secret.is_some() || client_auth.is_some() || !scopes.is_empty()
    }
}

/// Where id and secret stand in a request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ClientAuth {
    Header,
    Body,
}
