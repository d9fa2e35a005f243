//! The command line of `data-sheet`.

use super::Configured;
use clap::Args;

pub const EXAMPLES: &str =
    "Example:\n  cometbridge data-sheet --config /etc/cometbridge/cometbridge.toml --json";

#[derive(Args)]
pub struct DataSheet {
    #[command(flatten)]
    pub configured: Configured,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}
