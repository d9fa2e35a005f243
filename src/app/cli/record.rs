//! The arguments of `record`.

use super::{Configured, span};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

pub const EXAMPLE: &str = "Example:\n  cometbridge record --config FILE --site main --agent 1001,1002 --for 2h --out monday.tape\n  \
cometbridge simulate --tape monday.tape --speed 10 --roster-dir ./roster\n\nA pseudonymous tape holds states, kinds, numbers and times; ids, \
names and texts are marks that mean nothing outside\nof this tape; all else is left out. With --privacy no-content or minimal there are no \
names and texts at all,\nand with no-content ids of interactions are what they are. With --privacy full it holds everything: guard it as you guard the site.";

#[derive(Args)]
pub struct Record {
    #[command(flatten)]
    pub configured: Configured,
    /// The site to listen to.
    #[arg(long)]
    pub site: String,
    /// The roster's keys of the agents; without it all of the roster.
    #[arg(long, value_name = "AGENT,…", value_delimiter = ',')]
    pub agent: Vec<String>,
    /// How long to listen, e.g. 2h.
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = span)]
    pub length: Duration,
    /// Where to write the tape; the file must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What of it the tape holds.
    #[arg(long, value_enum, default_value = "pseudonymous")]
    pub privacy: TapePrivacy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TapePrivacy {
    /// Ids, names and texts are marks.
    Pseudonymous,
    /// Ids of interactions as they are, other ids as marks, no names and texts.
    NoContent,
    /// Ids as marks, no names and texts.
    Minimal,
    /// Everything but typed text.
    Full,
}

impl TapePrivacy {
    pub fn word(self) -> &'static str {
        match self {
            TapePrivacy::Pseudonymous => "pseudonymous",
            TapePrivacy::NoContent => "no-content",
            TapePrivacy::Minimal => "minimal",
            TapePrivacy::Full => "full",
        }
    }
}
