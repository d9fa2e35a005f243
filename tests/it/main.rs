//! The one integration binary: the built daemon against real servers and real receivers.
//!
//! `harness` starts and ends processes; every other module is a question asked from outside.

// A failed test or benchmark says so by a panic; the rules against it are for the product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::too_many_lines)]

mod at_rest;
mod campaign;
mod cli;
mod config_errors;
mod conformance;
mod consumers;
mod context;
mod corpus;
mod crash;
mod data_path;
mod exactly_once;
mod first_steps;
mod fleet;
mod harness;
mod kafka_access;
mod keep_alive;
mod kept_schemas;
mod live;
mod operations;
mod pilot;
mod privacy;
mod readings;
mod rosters;
mod session_faults;
mod sink_faults;
mod site_links;
mod tape;
mod tidy;
mod webhooks;
