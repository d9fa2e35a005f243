//! One agent's session: the wire, the pure machine, the login and the HTTP underneath.

pub mod bayeux;
pub mod login;
pub mod machine;
mod opening;
pub mod pending;
pub mod protocol;
mod recovery;
mod replies;
mod resume;
mod stall;
mod steps;
#[cfg(test)]
mod tests;
pub mod transport;
