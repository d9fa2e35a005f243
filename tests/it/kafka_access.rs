//! Apache Kafka that lets in only whom it knows: TLS, logins, rights, tokens; and how what is wrong is said.
//!
//! `stage` has the broker; the others ask.

mod partitions;
mod rights;
mod stage;
mod tokens;
mod topics;
