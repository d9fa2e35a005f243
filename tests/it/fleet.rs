//! A fleet of sessions from outside: the real daemon, and the simulator in a process of its own that counts.
//!
//! Sizes are small in `make test`; `COMETBRIDGE_CAMPAIGN=1` takes the full ones. Deliberately absent: asserts on
//! the wall clock: what is counted decides, and times are printed beside what they should be.

mod brake;
mod budget;
mod clients;
mod directory;
mod disturbed;
mod hosts;
mod passwords;
mod redirects;
mod silence;
pub mod stage;
mod storm;
