//! `cometbridge pilot`: one agent at a real site for a while, and a sheet that says whether to go on.
//!
//! Deliberately absent: the trial itself (`inbound::pilot`), and any sink: none is needed.

use crate::app::cli::Pilot;
use crate::app::run::sources;
use crate::app::{Fault, print, telemetry};
use crate::base::time::Clock;
use crate::config;
use crate::inbound::pilot::{Trial, Verdict, run};
use crate::inbound::roster;
use crate::inbound::site::Site;
use std::io::Write;
use std::sync::Arc;

pub async fn pilot(arguments: Pilot) -> Result<(), Fault> {
    let mut sources = sources(&arguments.configured);
    // A configuration without any sink yet is no fault here; this one is never opened.
    sources.overrides.push("sink.stdout.pilot.privacy=\"no-content\"".to_owned());
    let settings = config::load(&sources).map_err(|problems| Fault::Configuration(problems.to_string()))?;
    telemetry::start(&settings.log);
    let names: Vec<&str> = settings.sites.iter().map(|site| site.name.as_str()).collect();
    let Some(config) = settings.sites.iter().find(|site| site.name == arguments.site) else {
        let what = format!("--site {:?}: no such site; configured: {}", arguments.site, names.join(", "));
        return Err(Fault::Configuration(what));
    };
    let agents = roster::read(config).map_err(|error| Fault::Configuration(error.to_string()))?;
    let Some(agent) = agents.into_iter().find(|agent| agent.key == arguments.agent) else {
        let what = format!("--agent {:?}: no line of the roster of site {}", arguments.agent, config.name);
        return Err(Fault::Configuration(what));
    };
    let path = arguments.out.clone().unwrap_or_else(|| format!("pilot-{}.md", config.name).into());
    // Where the sheet can not be written, it is better known before half an hour than after.
    let mut file = std::fs::File::create(&path)
        .map_err(|error| Fault::Configuration(format!("--out {}: {error}", path.display())))?;
    let site = Site::new(config.clone()).await.map_err(|error| Fault::Configuration(error.to_string()))?;
    let trial =
        Trial { site: Arc::new(site), agent, length: arguments.length, aftermath: arguments.aftermath };
    let say = |step: &str| drop(writeln!(std::io::stderr(), "pilot: {step}"));
    let sheet = run(trial, &Clock::system(), say).await;
    let text = sheet.text();
    file.write_all(text.as_bytes())?;
    print(&if arguments.json { sheet.json()? + "\n" } else { text })?;
    match sheet.verdict().0 {
        Verdict::NoGo => Err(Fault::Failed(anyhow::anyhow!("no-go, see {}", path.display()))),
        Verdict::Go | Verdict::Undecided => Ok(()),
    }
}
