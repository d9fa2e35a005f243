//! `cometbridge run`: the daemon from its configuration to its end.

use crate::app::cli::{Configured, Run};
use crate::app::stop::{Signals, stop};
use crate::app::{Fault, service, telemetry};
use crate::config::{self, Purpose, Settings, Sources};
use anyhow::Context;

/// Reads the configuration; every problem it has is in the fault.
pub fn settings(configured: &Configured) -> Result<Settings, Fault> {
    load(Purpose::Act, configured)
}

/// The same for a command that asks the running daemon, or looks at what it left: of all that the configuration names,
/// only what it takes to ask has to be there.
pub fn settings_to_ask(configured: &Configured) -> Result<Settings, Fault> {
    load(Purpose::Ask, configured)
}

fn load(purpose: Purpose, configured: &Configured) -> Result<Settings, Fault> {
    let hint = if configured.config.is_none() { " (no --config FILE was given)" } else { "" };
    config::load_to(purpose, &sources(configured))
        .map_err(|problems| Fault::Configuration(format!("{problems}{hint}")))
}

pub fn sources(configured: &Configured) -> Sources {
    Sources {
        file: configured.config.clone(),
        environment: std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect(),
        overrides: configured.set.clone(),
    }
}

pub async fn run(arguments: Run) -> Result<(), Fault> {
    let mut settings = settings(&arguments.configured)?;
    settings.journal.accept_shortened = arguments.accept_shortened_journal;
    telemetry::start(&settings.log);
    let mut signals = Signals::new().context("signals")?;
    let mut service = tokio::select! {
        started = service::start(settings, &arguments.only) => started?,
        name = signals.next() => {
            tracing::info!("{name} during start");
            return Ok(());
        }
    };
    let dead = tokio::select! {
        error = service.supervise() => Some(error),
        name = signals.next() => {
            tracing::info!("{name}: stopping");
            None
        }
    };
    if let Some(error) = dead {
        // Its disk or its threads are gone: an orderly stop has nothing to stand on.
        return Err(Fault::Failed(error));
    }
    tokio::select! {
        _ = stop(service) => {
            tracing::info!("stopped");
            Ok(())
        }
        name = signals.next() => Err(Fault::Failed(anyhow::anyhow!("{name} again: exiting at once"))),
    }
}
