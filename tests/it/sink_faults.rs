//! Sinks that fail, one beside others that work: nobody else is harmed, and nothing is lost unsaid.

mod content;
mod dead_letters;
mod erase;
mod kafka_down;
mod lag;
mod parking;
mod redrive;
mod stdout_closed;
mod webhook_answers;
