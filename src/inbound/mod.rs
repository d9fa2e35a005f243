//! CometD in: one session per agent, from login to the committed batch.
//!
//! Deliberately absent: any knowledge of sinks.

pub mod roster;
pub mod session;
pub mod settings;
pub mod site;
