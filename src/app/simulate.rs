//! `cometbridge simulate`: the stand-in GWS server on its own.

use crate::app::cli::Simulate;
use crate::app::stop::Signals;
use crate::app::{Fault, print};
use crate::simulator::{self, Options, Scenario, Script, numbered_users};
use anyhow::Context;
use secrecy::SecretString;
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
    let mut options = match &arguments.scenario {
        Some(path) => {
            let mut scenario =
                Scenario::load(path).map_err(|error| Fault::Configuration(error.to_string()))?;
            scenario.seed = arguments.seed.unwrap_or(scenario.seed);
            scenario.options()
        }
        None => Options {
            users: numbered_users(
                usize::try_from(arguments.agents).context("agents")?,
                &SecretString::from(PASSWORD),
            ),
            ack: !arguments.no_ack,
            timeout: Duration::from_millis(arguments.timeout),
            max_interval: Duration::from_millis(arguments.max_interval),
            script: (arguments.rate > 0.0).then_some(Script::Load { per_second: arguments.rate }),
            ..Options::default()
        },
    };
    options.listen = arguments.listen.unwrap_or(options.listen);
    options.roster_dir.clone_from(&arguments.roster_dir);
    Ok(options)
}
