//! The command line of `dead-letters`.

use super::Configured;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum DeadLetters {
    /// List them, the oldest first.
    #[command(
        after_help = "Example:\n  cometbridge dead-letters list --config FILE --sink crm --since 24h --limit 20 --json"
    )]
    List(ListDeadLetters),
    /// One with the event as its sink would get it, and the beginning of the last answer. Needs
    /// admin.token where a daemon runs, as it shows what stands in an event.
    #[command(after_help = "Example:\n  cometbridge dead-letters show 17 --config FILE")]
    Show(ShowLetter),
    /// Deliver them again, under the same ids; they come after later events and are flagged late. Needs admin.token
    /// where a daemon runs.
    #[command(
        after_help = "Example:\n  cometbridge dead-letters redrive --config FILE --sink crm --reason http-4xx --rate 50 --dry-run"
    )]
    Redrive(ActOnLetters),
    /// Remove them for good. Needs admin.token where a daemon runs.
    #[command(
        after_help = "Example:\n  cometbridge dead-letters purge --config FILE --sink crm --until 2026-01-31T00:00:00Z"
    )]
    Purge(ActOnLetters),
}

/// Which dead letters; all that fit everything that is said.
#[derive(Args, Clone)]
pub struct Which {
    #[arg(long)]
    pub sink: Option<String>,
    /// The agent's key in the roster: whose the event is, or who observed it.
    #[arg(long)]
    pub agent: Option<String>,
    #[arg(long)]
    pub interaction: Option<String>,
    /// The event's type, e.g. genesys.gws.chat.message.v1.
    #[arg(long)]
    pub r#type: Option<String>,
    /// Why the last try failed, e.g. http-4xx.
    #[arg(long)]
    pub reason: Option<String>,
    /// The event's id, as it is listed or as it stands in the journal.
    #[arg(long)]
    pub id: Option<String>,
    /// Failed last at or after this time (RFC 3339), or so long ago (36h).
    #[arg(long)]
    pub since: Option<String>,
    /// Failed last before this time, or longer ago.
    #[arg(long)]
    pub until: Option<String>,
}

#[derive(Args)]
pub struct ShowLetter {
    /// Its number in the list.
    pub number: u64,
    #[command(flatten)]
    pub configured: Configured,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct ActOnLetters {
    #[command(flatten)]
    pub configured: Configured,
    #[command(flatten)]
    pub which: Which,
    /// All dead letters of all sinks, where nothing else is said.
    #[arg(long)]
    pub all: bool,
    /// Redrive: at most so many a second.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// Only say how many there are, by sink and reason.
    #[arg(long)]
    pub dry_run: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct ListDeadLetters {
    #[command(flatten)]
    pub configured: Configured,
    #[command(flatten)]
    pub which: Which,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}
