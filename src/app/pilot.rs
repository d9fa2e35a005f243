//! `cometbridge pilot`: one agent at a real site for a while, and a sheet that says whether to go on.
//!
//! Deliberately absent: the trial itself (`inbound::pilot`), and any sink: none is needed.

use crate::app::cli::Pilot;
use crate::app::remote::{NoAnswer, Remote};
use crate::app::run::sources;
use crate::app::{Fault, print, telemetry};
use crate::base::time::Clock;
use crate::config::{self, Settings};
use crate::inbound::pilot::{Trial, Verdict, run};
use crate::inbound::roster;
use crate::inbound::site::Site;
use serde_json::Value;
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
    if !arguments.again
        && let Some(why) = objection(&settings, &config.name, &agent.key).await
    {
        let what = format!("{why}; --again tries all the same");
        return Err(Fault::Failed(anyhow::anyhow!(what)));
    }
    let path = arguments.out.clone().unwrap_or_else(|| format!("pilot-{}.md", config.name).into());
    // Where the sheet can not be written, it is better known before half an hour than after.
    let mut file = std::fs::File::create(&path)
        .map_err(|error| Fault::Configuration(format!("--out {}: {error}", path.display())))?;
    let site = Site::new(config.clone()).await.map_err(|error| Fault::Configuration(error.to_string()))?;
    let Pilot { length, aftermath, .. } = arguments;
    let trial = Trial { site: Arc::new(site), agent, length, aftermath, heard: None };
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

/// Why nobody is to log this agent in now, as the running daemon knows it; nothing where none runs. One that can not
/// be asked is named and stops nothing: it may be another site's.
pub(super) async fn objection(settings: &Settings, site: &str, agent: &str) -> Option<String> {
    let remote = Remote::new(settings).await.ok()?;
    let asked = async {
        let status = remote.get(&["status"], &[]).await?;
        let agent = remote.get(&["agents", agent], &[("site", Some(site))]).await?;
        Ok(against(&status, &agent, site))
    };
    match asked.await {
        Ok(why) => why,
        Err(NoAnswer::NoDaemon(_)) => None,
        Err(NoAnswer::Other(error)) => {
            drop(writeln!(std::io::stderr(), "whether agent {agent} may be tried is not known: {error}"));
            None
        }
    }
}

fn against(status: &Value, agent: &Value, site: &str) -> Option<String> {
    let word =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let sites = status.get("sites").and_then(Value::as_array);
    let paused = sites.into_iter().flatten().find(|one| word(one, "name") == site);
    let paused = paused.map(|one| word(one, "paused")).filter(|why| !why.is_empty());
    if let Some(why) = paused {
        return Some(format!("the running daemon pauses logins at site {site} ({why})"));
    }
    let refused = word(agent, "standing") == "refused";
    refused.then(|| {
        format!("the running daemon has a refused login of this agent on record ({})", word(agent, "cause"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pause_of_the_site_and_a_refusal_of_the_agent_speak_against_a_try() {
        let status = |paused: &str| json!({"sites": [{"name": "other", "paused": "x"}, {"name": "main", "paused": paused}]});
        let agent = |standing: &str| json!({"standing": standing, "cause": "HTTP 401"});
        assert_eq!(against(&status(""), &agent("live"), "main"), None);
        assert_eq!(against(&status(""), &agent("down"), "main"), None);
        let refused = against(&status(""), &agent("refused"), "main").unwrap();
        assert!(refused.contains("on record (HTTP 401)"), "{refused}");
        let paused = against(&status("by an operator: works"), &agent("live"), "main").unwrap();
        assert!(paused.contains("site main (by an operator: works)"), "{paused}");
    }
}
