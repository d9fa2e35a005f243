//! The shapes of what may leave through a sink: the preset, and the rules beside it.
//!
//! Deliberately absent: what a word means.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Privacy {
    Full,
    NoContent,
    Pseudonymous,
    Minimal,
}

/// Of a class or of a field, never of both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    pub class: Option<String>,
    pub path: Option<String>,
    pub action: Option<Action>,
    pub length: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Action {
    Keep,
    Drop,
    Mask,
    Hash,
    Truncate,
}
