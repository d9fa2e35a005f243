//! Starts and stops things: knows everything, decides nothing about events.
//!
//! A file per command; `service` is the running daemon, `stop` its end. Exit codes: 0 stopped, 1 failed,
//! 3 undecided (a pilot's alone), 78 bad configuration. Deliberately absent: any rule about sessions, events or sinks.

mod agents;
mod answers;
mod check;
mod cli;
mod completeness;
mod contexts;
mod crew;
mod data_sheet;
mod dead_letters;
mod demo;
mod erase;
mod erasing;
mod letters;
mod objections;
mod pilot;
mod positions;
mod print_config;
mod record;
mod remote;
mod roster;
mod rosters;
mod run;
mod schema;
mod service;
mod sessions;
mod simulate;
mod status;
mod stop;
mod systemd;
mod telemetry;
mod topics;

use clap::Parser;
use cli::{Cli, Command};
use std::io::Write;
use std::process::ExitCode;

/// A configuration that can not be run (sysexits' EX_CONFIG).
const BAD_CONFIGURATION: u8 = 78;
/// Neither go nor no-go; 2 is a wrong command line.
const UNDECIDED: u8 = 3;

/// How a command ends when it does not end well.
pub(crate) enum Fault {
    /// The operator has to change the configuration, the roster or a secret.
    Configuration(String),
    /// A pilot saw nothing wrong, and not all that a go needs.
    Undecided(String),
    /// Anything else.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::Failed(error.into())
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Fault::Failed(error.into())),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::Check(arguments) => check::check(arguments).await,
            Command::Topics(arguments) => topics::topics(&arguments),
            Command::DataSheet(arguments) => data_sheet::print_sheet(&arguments),
            Command::PrintConfig(arguments) => print_config::print(&arguments),
            Command::Pilot(arguments) => pilot::pilot(arguments).await,
            Command::Record(arguments) => record::record(arguments).await,
            Command::Demo(arguments) => demo::demo(arguments).await,
            Command::Simulate(arguments) => simulate::simulate(arguments).await,
            Command::Schema(arguments) => schema::print(&arguments),
            Command::DeadLetters(arguments) => dead_letters::run(arguments).await,
            Command::Completeness(arguments) => completeness::run(arguments).await,
            Command::Erase(arguments) => erasing::run(arguments).await,
            Command::AcceptPosition(arguments) => positions::accept(arguments).await,
            Command::Agents(arguments) => agents::agents(arguments).await,
            Command::Pause(arguments) => agents::pause(arguments).await,
            Command::Resume(arguments) => agents::resume(arguments).await,
            Command::Retry(arguments) => agents::retry(arguments).await,
            Command::Roster(arguments) => roster::run(arguments).await,
        }
    });
    // A blocking read of a stuck secret command or name server must not hold the end up.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => report(&fault),
    }
}

fn report(fault: &Fault) -> ExitCode {
    let (text, code) = match fault {
        Fault::Configuration(text) => (text.clone(), ExitCode::from(BAD_CONFIGURATION)),
        Fault::Undecided(text) => (text.clone(), ExitCode::from(UNDECIDED)),
        Fault::Failed(error) => (format!("{error:#}"), ExitCode::FAILURE),
    };
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "cometbridge: {text}");
    code
}

/// Prints a command's answer; a reader that has gone away is no fault.
fn print(text: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
