//! The journal: durable events in order, dedup marks, sink positions and dead letters.
//!
//! What enters is committed with a full fsync before anybody is told so; that is the promise everything else
//! stands on. Deliberately absent: any knowledge of CometD, of sinks, or of how an event came to be.
//!
//! `api` says what goes in and out.

mod api;

pub use api::*;
mod stub;
pub use stub::*;
