//! Leaves that every room may use and that import nothing of ours.
//!
//! Deliberately absent: anything that knows CometD, a sink or the configuration file.

pub mod classes;
pub mod context;
pub mod data;
pub mod digest;
pub mod encode;
pub mod envelope;
#[cfg(test)]
pub mod examples;
pub mod health;
pub mod ids;
pub mod left_out;
pub mod link;
pub mod media;
pub mod metrics;
pub mod retry;
pub mod schema;
pub mod seal;
pub mod secret;
pub mod stamps;
pub mod tape;
pub mod time;
pub mod words;
