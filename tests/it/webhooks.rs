//! Webhooks as receivers see them: every answer, every way in, and third parties' own libraries as judges.

mod answers;
mod consumers;
mod judges;
mod server;
mod signatures;
mod ways;
