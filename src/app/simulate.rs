//! `cometbridge simulate`: the stand-in GWS server on its own.

use crate::app::cli::Simulate;
use crate::app::stop::Signals;
use crate::app::{Fault, print};
use crate::simulator::{self, Options, Script, numbered_users};
use anyhow::Context;
use secrecy::SecretString;
use std::time::Duration;

/// All simulated agents have this password; it guards nothing.
const PASSWORD: &str = "simulated";

pub async fn simulate(arguments: Simulate) -> Result<(), Fault> {
    let agents = usize::try_from(arguments.agents).context("agents")?;
    let script = (arguments.rate > 0.0).then_some(Script::Load { per_second: arguments.rate });
    let mut signals = Signals::new().context("signals")?;
    let handle = simulator::start(Options {
        listen: arguments.listen,
        users: numbered_users(agents, &SecretString::from(PASSWORD)),
        ack: !arguments.no_ack,
        timeout: Duration::from_millis(arguments.timeout),
        max_interval: Duration::from_millis(arguments.max_interval),
        script,
        roster_dir: arguments.roster_dir.clone(),
        ..Options::default()
    })
    .await?;
    print(&format!("READY {}\n", handle.url()))?;
    signals.next().await;
    handle.stop().await;
    Ok(())
}
