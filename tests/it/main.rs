//! The one integration binary: the built daemon against real servers and real receivers.
//!
//! `harness` starts and ends processes; every other module is a question asked from outside.

mod data_path;
mod harness;
mod tidy;
