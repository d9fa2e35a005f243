//! A running daemon whose rosters change, and what its operators ask it: agents, rosters, pauses.

mod asked;
mod changes;
mod faulty;
mod held;
mod refused;
mod restart;
mod stage;
