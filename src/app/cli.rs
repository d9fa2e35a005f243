//! The command line.

mod completeness;
mod data_sheet;
mod erase;
mod letters;
mod record;

pub use completeness::Completeness;
pub use data_sheet::DataSheet;
pub use erase::Erase;
pub use letters::{ActOnLetters, DeadLetters, ListDeadLetters, ShowLetter, Which};
pub use record::{Record, TapePrivacy};

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Holds CometD sessions for many contact-centre agents and fans their notifications out to Kafka, webhooks and stdout.
#[derive(Parser)]
#[command(name = "cometbridge", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the service.
    #[command(
        after_help = "Example:\n  cometbridge run --config /etc/cometbridge/cometbridge.toml --only 1001,1002"
    )]
    Run(Run),
    /// Find before start what start would fail on: configuration, roster, secrets, sinks, state directory.
    #[command(after_help = "Example:\n  cometbridge check --config /etc/cometbridge/cometbridge.toml --live")]
    Check(Check),
    /// Print every Kafka topic that the configuration can produce, with key, settings and the ACLs needed.
    #[command(
        after_help = "Example:\n  cometbridge topics --config /etc/cometbridge/cometbridge.toml --json"
    )]
    Topics(Topics),
    /// Print what is read, how long it is kept and where it goes, by class of personal data. Asks nobody.
    #[command(after_help = data_sheet::EXAMPLES)]
    DataSheet(DataSheet),
    /// Print the effective configuration, secrets as references.
    #[command(after_help = "Example:\n  cometbridge print-config --config /etc/cometbridge/cometbridge.toml")]
    PrintConfig(Configured),
    /// Try one agent at a real site and write a go/no-go sheet. Only reads; needs no sink.
    #[command(
        after_help = "Example:\n  cometbridge pilot --config /etc/cometbridge/cometbridge.toml --site main --agent 1001 --for 30m\n\nLet the agent change state and take an interaction meanwhile. It takes the time of --for and most of a minute more. A\nsignal ends --for at once, a second one the trial, without a sheet. Exit codes: 0 go, 1 no-go or not tried, 3 undecided."
    )]
    Pilot(Pilot),
    /// Write what a site sends to some agents as a tape, for `simulate --tape`. Only reads; needs no sink.
    #[command(after_help = record::EXAMPLE)]
    Record(Record),
    /// Show it at work: a simulated contact centre, the bridge, envelopes on stdout. Needs nothing.
    #[command(after_help = "Example:\n  cometbridge demo | head -5")]
    Demo(Demo),
    /// A stand-in GWS server with CometD, for tests of your own.
    #[command(
        after_help = "Example:\n  cometbridge simulate --agents 50 --rate 20 --roster-dir ./roster\n  (writes ./roster/agents.csv and ./roster/passwords.csv for [site.X.roster])"
    )]
    Simulate(Simulate),
    /// Print a JSON Schema, or the names of all.
    #[command(after_help = "Example:\n  cometbridge schema chat.message")]
    Schema(Schema),
    /// Events that a sink could not deliver.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// How complete the log of each conversation of a day is, and why not; where transcripts are made.
    #[command(after_help = completeness::EXAMPLES)]
    Completeness(Completeness),
    /// Remove all that the journal holds of an interaction, an agent or a value, for good. Needs admin.token where a
    /// daemon runs.
    #[command(after_help = erase::EXAMPLES)]
    Erase(Erase),
    /// Where a sink goes on that delivers exactly once, when its control topic and the journal disagree. Only while no
    /// daemon runs.
    #[command(
        after_help = "Example:\n  cometbridge accept-position --config FILE --sink events --from topic\n\nThe log of the start that was refused says what disagrees. `topic`: after what the control topic says. `journal`:\nafter what the journal noted. `latest`: only what comes from now on. `earliest`: all that the journal still holds."
    )]
    AcceptPosition(AcceptPosition),
    /// How each agent's session stands, or one agent with its timeline; asks the running daemon.
    #[command(
        after_help = "Example:\n  cometbridge agents --config FILE --standing silent\n  cometbridge agents 1001 --config FILE --json\n\n\
        Standings: live (notifications come), quiet (REST agrees that there is nothing), silent (REST shows what the\n\
        server never told of), unverified (not compared with REST yet), refused, stalled (storage), down."
    )]
    Agents(Agents),
    /// No agent of a site logs in until `resume`; sessions that stand go on. Needs admin.token.
    #[command(
        after_help = "Example:\n  cometbridge pause --config FILE --site main --reason \"works on the directory\""
    )]
    Pause(Pause),
    /// End a pause, by hand or by the brake. Needs admin.token.
    #[command(after_help = "Example:\n  cometbridge resume --config FILE --site main")]
    Resume(OfSite),
    /// Try an agent again whose login was refused, or all of a site. Needs admin.token.
    #[command(
        after_help = "Example:\n  cometbridge retry 1001 --config FILE\n  cometbridge retry --site main --all --config FILE"
    )]
    Retry(Retry),
    /// The agents to hold: what a file would change, how the roster is, read it again, accept a held change.
    #[command(subcommand)]
    Roster(Roster),
}

#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    pub configured: Configured,
    /// Ask the sinks' destinations too: connection, login, topics and rights. Delivers nothing.
    #[arg(long)]
    pub live: bool,
}

#[derive(Args)]
pub struct Topics {
    #[command(flatten)]
    pub configured: Configured,
    /// Of this sink only.
    #[arg(long)]
    pub sink: Option<String>,
    /// One JSON object a line, one for each topic.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Agents {
    /// The agent's key in the roster; without it all are listed.
    pub agent: Option<String>,
    #[command(flatten)]
    pub configured: Configured,
    /// Of this site only.
    #[arg(long)]
    pub site: Option<String>,
    /// Only those that stand so: live, quiet, silent, unverified, refused, stalled or down.
    #[arg(long)]
    pub standing: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Pause {
    #[command(flatten)]
    pub configured: Configured,
    #[arg(long)]
    pub site: String,
    /// Shown wherever the pause is; at most 200 characters, nothing personal.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Args)]
pub struct OfSite {
    #[command(flatten)]
    pub configured: Configured,
    #[arg(long)]
    pub site: String,
}

#[derive(Args)]
pub struct Retry {
    /// The agent's key in the roster.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub agent: Option<String>,
    #[command(flatten)]
    pub configured: Configured,
    /// Where several rosters have the agent.
    #[arg(long)]
    pub site: Option<String>,
    /// Every refused agent of the site, once each.
    #[arg(long, requires = "site")]
    pub all: bool,
}

#[derive(Subcommand)]
pub enum Roster {
    /// What a file would change: against the running daemon's roster, or the one that was in force where none runs.
    #[command(after_help = "Example:\n  cometbridge roster diff new-agents.csv --config FILE --site main")]
    Diff(RosterDiff),
    /// How the roster is: agents, faults of the file, a change that waits.
    #[command(after_help = "Example:\n  cometbridge roster status --config FILE --site main")]
    Status(RosterShown),
    /// Read the file again now; exit code 1 where it has faults or its change is held. Needs admin.token.
    #[command(after_help = "Example:\n  cometbridge roster reload --config FILE --site main")]
    Reload(RosterShown),
    /// Let a held change through: the agents that it names leave, come or begin anew. Needs admin.token; where no
    /// daemon runs, the right to write state_dir, and it counts for the next start.
    #[command(
        after_help = "Example:\n  cometbridge roster status --config FILE --site main\n  cometbridge roster accept --config FILE --site main --change 3f9a12cd\n\nThe status, the log and the page say which change is held. One that removes everybody is let through by its name only."
    )]
    Accept(RosterAccept),
}

#[derive(Args)]
pub struct RosterDiff {
    /// The roster to compare.
    pub file: PathBuf,
    #[command(flatten)]
    pub shown: RosterShown,
}

#[derive(Args)]
pub struct RosterAccept {
    /// The change that was shown: another one is refused.
    #[arg(long, value_name = "CHANGE")]
    pub change: Option<String>,
    #[command(flatten)]
    pub shown: RosterShown,
}

#[derive(Args)]
pub struct RosterShown {
    #[command(flatten)]
    pub configured: Configured,
    /// Can be left out where there is only one site.
    #[arg(long)]
    pub site: Option<String>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Where the configuration comes from.
#[derive(Args)]
pub struct Configured {
    /// The configuration file; a directory conf.d beside it is read too, then COMETBRIDGE__SECTION__KEY.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One key, over everything else, e.g. --set log.level=debug
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub configured: Configured,
    /// Hold only these agents of the rosters.
    #[arg(long, value_name = "AGENT,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Start although the journal is shorter than the mark beside it says: events may have been lost.
    #[arg(long)]
    pub accept_shortened_journal: bool,
}

#[derive(Args)]
pub struct Pilot {
    #[command(flatten)]
    pub configured: Configured,
    /// The site to try.
    #[arg(long)]
    pub site: String,
    /// The roster's key of the agent to try.
    #[arg(long)]
    pub agent: String,
    /// How long to listen, e.g. 30m; the farewell and a last look at the agent take most of a minute more.
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = span)]
    pub length: Duration,
    /// Where to write the sheet, once it is whole; pilot-SITE.md without it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the sheet as JSON.
    #[arg(long)]
    pub json: bool,
    /// Try although a refused login of this agent is on record, or the site's logins are paused: in the running daemon, or
    /// in state_dir where none runs.
    #[arg(long)]
    pub again: bool,
    /// How long after leaving the agent is looked at once more.
    #[arg(long, value_name = "TIME", hide = true, value_parser = span)]
    pub aftermath: Option<Duration>,
}

/// `90s`, `30m`, `2h`: a whole number and its unit.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 90s, 30m or 2h".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(split).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    Some(Duration::from_secs(number.saturating_mul(seconds))).filter(|span| !span.is_zero()).ok_or_else(wrong)
}

#[derive(Args)]
pub struct Demo {
    /// End by itself after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

#[derive(Args)]
pub struct Simulate {
    /// A busy day with faults, from a file; see config/examples/scenario.toml.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["agents", "rate", "no_ack", "timeout", "max_interval"])]
    pub scenario: Option<PathBuf>,
    /// In place of the scenario's own: another seed is another day.
    #[arg(long, value_name = "N", requires = "scenario")]
    pub seed: Option<u64>,
    /// What `cometbridge record` wrote, played once all its agents listen.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "agents", "rate"])]
    pub tape: Option<PathBuf>,
    /// How many times as fast as it was recorded.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "tape", value_parser = speed)]
    pub speed: f64,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:0, or the scenario's].
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Number of agents: keys 1, 2, …, user names agent-1, agent-2, …
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub agents: u32,
    /// Chat messages a second, over all agents.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true, value_parser = rate)]
    pub rate: f64,
    /// Where to write agents.csv and passwords.csv (mode 0600).
    #[arg(long, value_name = "DIR")]
    pub roster_dir: Option<PathBuf>,
    /// Without the ack extension, as GWS may be.
    #[arg(long)]
    pub no_ack: bool,
    /// Milliseconds that a connect without news is held.
    #[arg(long, default_value_t = 30_000)]
    pub timeout: u64,
    /// Milliseconds that a session lives between two connects.
    #[arg(long, default_value_t = 10_000)]
    pub max_interval: u64,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1e6).contains(speed));
    speed.ok_or_else(|| "expected a number from 0.001 to 1000000".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1e6).contains(rate));
    rate.ok_or_else(|| "expected a number from 0 to 1000000".to_owned())
}

#[derive(Args)]
pub struct Schema {
    /// E.g. chat.message; without it all names are listed.
    pub name: Option<String>,
}

#[derive(Args)]
pub struct AcceptPosition {
    #[command(flatten)]
    pub configured: Configured,
    #[arg(long)]
    pub sink: String,
    #[arg(long, value_enum)]
    pub from: From,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum From {
    Topic,
    Journal,
    Latest,
    Earliest,
}
