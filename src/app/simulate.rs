//! `cometbridge simulate`: the stand-in GWS server on its own.

use crate::app::cli::Simulate;
use crate::app::stop::Signals;
use crate::app::{Fault, print};
use crate::base::tape;
use crate::simulator::{self, Options, Scenario, Script, numbered_users};
use anyhow::Context;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// All simulated agents have this password; it guards nothing.
const PASSWORD: &str = "simulated";

pub async fn simulate(arguments: Simulate) -> Result<(), Fault> {
    let mut signals = Signals::new().context("signals")?;
    let handle = simulator::start(options(&arguments)?).await?;
    print(&format!("READY {}\n", handle.url()))?;
    signals.next().await;
    handle.stop().await;
    Ok(())
}

fn options(arguments: &Simulate) -> Result<Options, Fault> {
    let mut options = match (&arguments.scenario, &arguments.tape) {
        (_, Some(path)) => {
            let tape = tape::load(path).map_err(|error| Fault::Configuration(error.to_string()))?;
            Options { tape: Some(Arc::new(tape)), tape_speed: arguments.speed, ..plain(arguments, 0.0)? }
        }
        (Some(path), None) => {
            let mut scenario =
                Scenario::load(path).map_err(|error| Fault::Configuration(error.to_string()))?;
            scenario.seed = arguments.seed.unwrap_or(scenario.seed);
            scenario.options()
        }
        (None, None) => plain(arguments, arguments.rate)?,
    };
    if let Some(tape) = &options.tape {
        options.users = numbered_users(tape.label.agents, &SecretString::from(PASSWORD));
    }
    options.listen = arguments.listen.unwrap_or(options.listen);
    options.roster_dir.clone_from(&arguments.roster_dir);
    Ok(options)
}

/// Without a scenario: agents by number, and what the arguments say of the server.
fn plain(arguments: &Simulate, rate: f64) -> Result<Options, Fault> {
    Ok(Options {
        users: numbered_users(
            usize::try_from(arguments.agents).context("agents")?,
            &SecretString::from(PASSWORD),
        ),
        ack: !arguments.no_ack,
        timeout: Duration::from_millis(arguments.timeout),
        max_interval: Duration::from_millis(arguments.max_interval),
        script: (rate > 0.0).then_some(Script::Load { per_second: rate }),
        ..Options::default()
    })
}
