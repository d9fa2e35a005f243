//! The configuration's shapes as they are written, before anything about them is checked.
//!
//! These types are the only list of keys there is: the check for unknown keys, the printed configuration and the
//! JSON Schema are derived from them. Defaults stand in `config/cometbridge.toml`, so a key that has one is no
//! `Option` here. Deliberately absent: what a value means.

mod privacy;
mod select;
mod transcript;
mod webhook;

pub(super) use privacy::{Action, Privacy, Rule};
pub(super) use select::Match;
pub(super) use transcript::Transcript;
pub(super) use webhook::{Auth, ClientAuth, OAuth2, Refusal, Webhook, WebhookMode};

use super::units::{Duration, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub state_dir: String,
    pub state_key: Option<Secret>,
    pub privacy_key: Option<Secret>,
    pub stop_grace: Duration,
    pub log: Log,
    pub admin: Admin,
    pub journal: Journal,
    pub dedup: Dedup,
    pub transcript: Transcript,
    #[serde(default)]
    pub site: BTreeMap<String, Site>,
    #[serde(default)]
    pub sink: Sinks,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub listen: String,
    pub token: Option<Secret>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub keep_delivered: Duration,
    pub reserve: Size,
    pub keep_gaps: Duration,
    pub keep_dead_letters: Duration,
    pub max_dead_letters: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Dedup {
    pub window: Duration,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub base_url: Option<OneOrMore>,
    pub allow_plaintext: bool,
    pub notifications_path: String,
    pub append_message_type: bool,
    pub subscribe: Vec<String>,
    pub realm: Option<String>,
    pub dedup_scope: Scope,
    pub requests_per_second: u32,
    pub logins_per_second: u32,
    pub ca: Option<String>,
    pub client_certificate: Option<Secret>,
    pub proxy: Option<String>,
    pub proxy_password: Option<Secret>,
    #[serde(default)]
    pub headers: BTreeMap<String, TextOrSecret>,
    pub password_charset: Charset,
    pub basic_on_polls: bool,
    pub time_zone: String,
    pub network_delay: Duration,
    pub connect_timeout: Duration,
    pub max_reply: Size,
    pub max_message: Size,
    pub max_backoff: Duration,
    pub compression: bool,
    pub server_window: Duration,
    pub ask_window: Duration,
    pub stall_hold: Duration,
    pub keep_alive: Duration,
    pub reconcile_every: Duration,
    pub max_handshakes: u32,
    pub settle_after_outage: Duration,
    pub max_disturbed: u32,
    #[serde(default)]
    pub group: BTreeMap<String, Group>,
    pub roster: Roster,
    pub collect: Collect,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub base_url: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, TextOrSecret>,
    #[serde(default)]
    pub cookies: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    Interaction,
    Agent,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum Charset {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "iso-8859-1")]
    Latin1,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Roster {
    pub file: Option<String>,
    pub passwords: Option<Secret>,
    pub watch: Duration,
    pub max_removed_percent: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Collect {
    pub typing_text: bool,
    pub drop: Vec<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sinks {
    pub kafka: BTreeMap<String, Kafka>,
    pub webhook: BTreeMap<String, Webhook>,
    pub stdout: BTreeMap<String, Stdout>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kafka {
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
    #[serde(default)]
    pub brokers: Vec<String>,
    pub topic: Option<String>,
    pub key: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub mode: KafkaMode,
    pub delivery: KafkaDelivery,
    pub control_topic: String,
    pub oauth2: Option<Oauth>,
    #[serde(default)]
    pub librdkafka: BTreeMap<String, TextOrSecret>,
}

/// Where id and secret stand in a request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SecretIn {
    Header,
    Body,
}

/// A table in which nothing stands is none, so that a printed configuration can be read again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Oauth {
    pub token_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub scopes: Vec<String>,
    pub audience: Option<String>,
    pub client_auth: Option<SecretIn>,
    pub ca: Option<String>,
}

impl Oauth {
    pub(super) fn is_given(&self) -> bool {
        let Oauth { token_url, client_id, client_secret, scopes, audience, client_auth, ca } = self;
        let texts = [token_url, client_id, audience, ca].into_iter().any(Option::is_some);
        texts || client_secret.is_some() || client_auth.is_some() || !scopes.is_empty()
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stdout {
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
    pub mode: StdoutMode,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StdoutMode {
    Lines,
    Pretty,
    Auto,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MaxLag {
    pub bytes: Size,
    pub age: Duration,
    pub on_limit: OnLimit,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnLimit {
    Release,
    StopIntake,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    pub initial: Duration,
    pub max: Duration,
    pub max_attempts: u32,
    pub max_age: Duration,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Park {
    pub keys: u32,
    pub bytes: Size,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KafkaDelivery {
    Idempotent,
    ExactlyOnce,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KafkaMode {
    Binary,
    Structured,
}

/// A reference to a secret: exactly one of the four places (`timeout` belongs to `exec`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    pub file: Option<String>,
    pub env: Option<String>,
    pub credential: Option<String>,
    pub exec: Option<Vec<String>>,
    pub timeout: Option<Duration>,
}

/// A plain text or a reference to a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrSecret {
    Text(String),
    Secret(Secret),
}

/// One text or a list of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = serde_json::json!({ "type": "string", "minLength": 1 });
        json_schema!({
            "format": "secret", "type": "object", "additionalProperties": false,
            "properties": {
                "file": text, "env": text, "credential": text,
                "exec": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "timeout": { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" },
            },
            "oneOf": [
                { "required": ["file"] }, { "required": ["env"] },
                { "required": ["credential"] }, { "required": ["exec"] },
            ],
        })
    }
}

impl JsonSchema for TextOrSecret {
    fn schema_name() -> Cow<'static, str> {
        "TextOrSecret".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "format": "text-or-secret",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<Secret>()],
        })
    }
}

impl JsonSchema for OneOrMore {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMore".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "format": "one-or-more",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
