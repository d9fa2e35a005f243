//! The shape of `match` and `except`: which events a sink takes.
//!
//! Deliberately absent: what a word means.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Match {
    pub site: Vec<String>,
    pub medium: Vec<String>,
    pub event: Vec<String>,
    pub class: Vec<String>,
    pub visibility: Vec<String>,
    pub authorkind: Vec<String>,
    pub state: Vec<String>,
    pub agent: Vec<String>,
    pub group: Vec<String>,
}
