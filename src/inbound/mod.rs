//! CometD in: one session per agent, from login to the committed batch.
//!
//! Deliberately absent: any knowledge of sinks.

pub mod normalise;
pub mod settings;
