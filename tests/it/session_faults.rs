//! Sessions that fail, one beside others that work: refused, lost, garbled, and the way back.

mod admin_garbage;
mod garbled;
mod lost;
mod refused;
mod sites;
mod unreadable;
