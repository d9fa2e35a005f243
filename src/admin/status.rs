//! How the service is, as `/api/v1/status` says it and the status page shows it.
//!
//! Deliberately absent: agents, interactions: only configured names and numbers.

use super::States;
use serde::Serialize;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    pub version: String,
    /// RFC 3339.
    pub started: String,
    pub sites: Vec<SiteStatus>,
    pub sinks: Vec<SinkStatus>,
    pub journal: JournalStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SiteStatus {
    pub name: String,
    /// How many sessions are in each state.
    pub sessions: States,
    /// How many sessions stand how: live, quiet, silent, …
    pub standings: States,
    /// Agents that are held.
    pub agents: u64,
    /// Different nodes that answer, and how many sessions the busiest has.
    pub nodes: u64,
    pub busiest_node: u64,
    /// The base URL that sessions without a pin are opened at now.
    pub base_url: String,
    /// Why nobody logs in; empty where people do.
    pub paused: String,
    /// What is wrong with the roster's file, or waits to be accepted; empty where nothing is.
    pub roster: String,
    /// Connected sessions whose server has no ack extension.
    pub without_ack: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SinkStatus {
    pub name: String,
    /// `kafka`, `webhook` or `stdout`.
    pub kind: String,
    /// `up`, `down` or `circuit open`.
    pub state: String,
    pub lag_events: u64,
    pub lag_bytes: u64,
    pub lag_seconds: f64,
    /// Of keys that fail while others get through.
    pub parked_keys: u64,
    pub parked_events: u64,
    pub parked_bytes: u64,
    /// Why it is not well; empty where it is.
    pub detail: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JournalStatus {
    pub state: String,
    pub last_sequence: u64,
    pub events: u64,
    pub bytes: u64,
}
