//! The shape of the table about transcripts.
//!
//! Deliberately absent: what a value means.

use crate::config::units::{Duration, Size};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Transcript {
    pub quiet: Duration,
    pub give_up: Duration,
    pub keep: Duration,
    pub max_items: u32,
    pub max_bytes: Size,
}
