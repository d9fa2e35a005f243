//! What is read over REST: gaps of interactions repaired and closed, holes filled, silent sessions found.
//!
//! The server is the simulator, whose REST says what the test sets, whatever was notified.

mod authors;
mod gaps;
mod holes;
mod medium;
mod restart;
mod rosters;
mod silent;
mod since;
mod stage;
