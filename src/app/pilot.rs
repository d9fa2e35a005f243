//! `cometbridge pilot`: one agent at a real site for a while, and a sheet that says whether to go on.
//!
//! Deliberately absent: the trial itself (`inbound::pilot`), and any sink: none is needed.

use crate::app::cli::Pilot;
use crate::app::objections::{Met, objection};
use crate::app::run::sources;
use crate::app::stop::Signals;
use crate::app::{Fault, print, telemetry};
use crate::base::time::Clock;
use crate::config::{self, Settings};
use crate::inbound::pilot::{AFTERMATH, Sheet, Trial, Verdict, run};
use crate::inbound::roster::{self, Agent};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::Site;
use anyhow::anyhow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub async fn pilot(arguments: Pilot) -> Result<(), Fault> {
    let mut sources = sources(&arguments.configured);
    // A configuration without any sink yet is no fault here; this one is never opened.
    sources.overrides.push("sink.stdout.pilot.privacy=\"no-content\"".to_owned());
    let settings = config::load(&sources).map_err(|problems| Fault::Configuration(problems.to_string()))?;
    telemetry::start(&settings.log);
    let (config, agent) = chosen(&settings, &arguments)?;
    let site = Site::new(config.clone()).await.map_err(|error| Fault::Configuration(error.to_string()))?;
    if !arguments.again
        && let Some(no) = objection(&settings, &site, std::slice::from_ref(&agent)).await
    {
        return Err(Fault::Failed(anyhow!("{}; --again tries all the same", no.why)));
    }
    let path = arguments.out.clone().unwrap_or_else(|| format!("pilot-{}.md", config.name).into());
    // Where the sheet can not be written, it is better known before half an hour than after.
    let unwritable = |error| Fault::Configuration(format!("--out {}: {error}", path.display()));
    let mut signals = Signals::new()?;
    let draft = Draft::new(&path).map_err(unwritable)?;
    let met = Met::default();
    let Pilot { length, aftermath, .. } = arguments;
    let (listens, after) = (config::written(length), config::written(aftermath.unwrap_or(AFTERMATH)));
    say(&format!(
        "this takes {listens}, and about {after} more until the agent was looked at once again; Ctrl-C ends the {listens} at once"
    ));
    let stop = CancellationToken::new();
    let trial = Trial {
        site: Arc::new(site),
        agent,
        length,
        aftermath,
        heard: None,
        refused: Some(met.listener()),
        stop: stop.clone(),
    };
    let clock = Clock::system();
    let sheet = tokio::select! {
        sheet = run(trial, &clock, say) => sheet,
        name = told_twice(&mut signals, &stop) => {
            return Err(Fault::Failed(anyhow!("{name} again: ended at once, without a sheet")));
        }
    };
    met.note(&settings, config).await;
    draft.write(&sheet.text())?;
    print(&if arguments.json { sheet.json()? + "\n" } else { sheet.text() })?;
    judged(&sheet, &path)
}

fn judged(sheet: &Sheet, path: &Path) -> Result<(), Fault> {
    match sheet.verdict().0 {
        Verdict::Go => Ok(()),
        Verdict::Undecided => Err(Fault::Undecided(format!("undecided, see {}", path.display()))),
        Verdict::NoGo => Err(Fault::Failed(anyhow!("no-go, see {}", path.display()))),
    }
}

/// The site and the agent that are meant.
fn chosen<'a>(settings: &'a Settings, arguments: &Pilot) -> Result<(&'a SiteConfig, Agent), Fault> {
    let names: Vec<&str> = settings.sites.iter().map(|site| site.name.as_str()).collect();
    let Some(config) = settings.sites.iter().find(|site| site.name == arguments.site) else {
        let what = format!("--site {:?}: no such site; configured: {}", arguments.site, names.join(", "));
        return Err(Fault::Configuration(what));
    };
    let agents = roster::read(config).map_err(|error| Fault::Configuration(error.to_string()))?;
    let agent = agents.into_iter().find(|agent| agent.key == arguments.agent);
    Ok((config, agent.ok_or_else(|| not_held(config, &arguments.agent))?))
}

/// Why the roster gives no such agent.
pub(super) fn not_held(site: &SiteConfig, agent: &str) -> Fault {
    let name = &site.name;
    Fault::Configuration(match roster::excludes(site, agent) {
        true => {
            format!("--agent {agent:?}: its line of the roster of site {name} excludes it (column exclude)")
        }
        false => format!("--agent {agent:?}: no line of the roster of site {name}"),
    })
}

/// The first signal ends the trial as if its time were over; the name of the second.
async fn told_twice(signals: &mut Signals, stop: &CancellationToken) -> &'static str {
    let name = signals.next().await;
    stop.cancel();
    say(&format!("{name}: the trial ends now, and the sheet follows; once more ends it without one"));
    signals.next().await
}

fn say(step: &str) {
    // Somebody who closed standard error does not want to read it.
    let _ = writeln!(io::stderr(), "pilot: {step}");
}

/// Where the sheet is to stand. An earlier one stays there until this one is whole.
struct Draft {
    path: PathBuf,
    file: File,
    /// What `file` is called until then; none where it is no plain file (a terminal, a pipe) and nothing to replace.
    next: Option<PathBuf>,
}

impl Draft {
    fn new(path: &Path) -> io::Result<Draft> {
        // What a link names is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            let file = OpenOptions::new().write(true).open(&path)?;
            return Ok(Draft { path, file, next: None });
        }
        let mut next = path.clone().into_os_string();
        next.push(".new");
        let file = File::create(&next)?;
        Ok(Draft { path, file, next: Some(next.into()) })
    }

    fn write(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        if let Some(next) = &self.next {
            self.file.sync_all()?;
            fs::rename(next, &self.path)?;
            self.next = None;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            // It holds nothing: what can not be removed is overwritten by the next trial.
            let _ = fs::remove_file(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_sheet_stays_until_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sheet.md");
        fs::write(&path, "earlier").unwrap();
        drop(Draft::new(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        let draft = Draft::new(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        draft.write("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        Draft::new(Path::new("/dev/null")).unwrap().write("x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(Draft::new(&dir.path().join("no/sheet.md")).is_err());
    }
}
