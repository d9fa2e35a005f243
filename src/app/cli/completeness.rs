//! The command line of `completeness`.

use super::Configured;
use clap::Args;

pub const EXAMPLES: &str = "Example:\n  cometbridge completeness --config FILE --day 2026-11-22\n  \
cometbridge completeness --config FILE --day 2026-11-22 --site main --json\n\n\
true: all of its log was seen. false: something is known to be missing. unknown: it can not be told; the reasons say why.";

#[derive(Args)]
pub struct Completeness {
    #[command(flatten)]
    pub configured: Configured,
    /// In UTC: every conversation of which something was recorded on it.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub day: String,
    /// Of this site only.
    #[arg(long)]
    pub site: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}
