//! The command line of `erase`.

use super::Configured;
use clap::Args;

pub const EXAMPLES: &str = "Example:\n  cometbridge erase --config FILE --interaction 0000Na9B26EF002X --dry-run\n  \
cometbridge erase --config FILE --field 'data.raw.userData.ContactId=1234'\n\n\
A path is that of the envelope with raw; a name with a dot in it stands in quotes: data.userData.\"a.b\"=x. The elements of\n\
a list are looked at each. What a sink has been given already is not called back.";

#[derive(Args)]
pub struct Erase {
    #[command(flatten)]
    pub configured: Configured,
    #[command(flatten)]
    pub whom: Whom,
    /// Only say how much would be removed, and how much of it no sink has had yet.
    #[arg(long)]
    pub dry_run: bool,
    #[arg(long)]
    pub json: bool,
}

/// What is meant: one of them.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// By its id.
    #[arg(long, value_name = "ID")]
    pub interaction: Option<String>,
    /// By its key in the roster: its own events, and those it observed.
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// Events in which this stands.
    #[arg(long, value_name = "PATH=VALUE")]
    pub field: Option<String>,
    /// Nothing: say what was erased when.
    #[arg(long, conflicts_with = "dry_run")]
    pub list: bool,
}
