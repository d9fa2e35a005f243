//! cometbridge: CometD notifications of many agents into Kafka, webhooks and stdout.
//!
//! The data's path is the folder list: `inbound` (session → normalise → dedup) → `journal` → `outbound`
//! (lane → route → mask → sink). `app` starts and stops things, `config` turns text into checked settings,
//! `admin` answers probes and people, `simulator` stands in for a GWS server, `base` holds the leaves.
//!
//! Invariants: a batch is acknowledged upstream only after its commit; `inbound` and `outbound` never import
//! each other; only `app` spawns top-level tasks; only `base::metrics` names metrics.

pub mod base;
pub mod config;
pub mod inbound;
pub mod journal;
pub mod outbound;
