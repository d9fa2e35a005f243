//! Sinks that fail, one beside others that work: nobody else is harmed, and nothing is lost unsaid.

mod black_hole;
mod content;
mod dead_letters;
mod erase;
mod groups;
mod kafka_down;
mod kafka_idempotent;
mod kafka_rebuild;
mod lag;
mod parking;
mod parking_share;
mod redrive;
mod redrive_many;
mod routing;
mod start_at;
mod stdout_closed;
mod stdout_slow;
mod webhook_answers;
