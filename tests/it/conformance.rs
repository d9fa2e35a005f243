//! The subscriber's rules against three servers: CometD's in Java, CometD's in Node, and our own simulator.
//!
//! Each scenario is written once and run for each server, behind a proxy that sees what passes and spoils what it is
//! told to. `tests/CONFORMANCE.md` says which rule is shown where; `table` holds it to that.

mod replies;
mod resume;
mod sessions;
mod stage;
mod table;
mod window;
