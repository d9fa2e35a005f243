//! `cometbridge check`: finds before start what start would fail on, without touching a server; with `--live` it asks
//! the sinks' destinations as well. For each sink it shows an invented event as it would leave.
//!
//! Deliberately absent: the sites (`pilot` tries one agent there), and delivering anything.

use crate::app::cli;
use crate::app::run::settings;
use crate::app::service::state_key;
use crate::app::{Fault, contexts, print};
use crate::config::Settings;
use crate::inbound::passwords::Passwords;
use crate::inbound::roster::{self, Agent, Begun, Looked};
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::Site;
use crate::journal;
use crate::outbound;
use crate::outbound::settings::SinkConfig;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;

pub async fn check(arguments: cli::Check) -> Result<(), Fault> {
    let settings = settings(&arguments.configured)?;
    let mut faults = Vec::new();
    let (mut report, mut notes, mut held) = (String::new(), Vec::new(), Vec::new());
    secrets(&settings, &mut faults).await;
    faults.extend(state_key(&settings).await.err().filter(|fault| !faults.contains(fault)));
    for site in &settings.sites {
        let (agents, note) = sessions(site, &settings.journal.state_dir, &mut faults).await;
        notes.extend(note);
        match agents {
            Some(agents) => {
                let count = agents.len();
                let plural = if count == 1 { "agent" } else { "agents" };
                let channels = site.channels.len();
                let _ = writeln!(report, "site {}: {count} {plural}, {channels} channels", site.name);
                notes.extend(comparisons(site, count));
                held.extend(agents);
            }
            None => continue,
        }
    }
    sinks(&settings, &held, &mut report, &mut notes, &mut faults).await;
    let held = state(&settings, &mut faults);
    if held.is_none() {
        admin(&settings, &mut faults).await;
    }
    if !faults.is_empty() {
        let count = faults.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        return Err(Fault::Configuration(format!("{}\n{count} {plural}", faults.join("\n"))));
    }
    for note in notes.into_iter().chain(held) {
        let _ = writeln!(report, "note: {note}");
    }
    if !arguments.live {
        return print(&format!("{report}the configuration is good\n"));
    }
    let lived = live(&settings).await;
    print(&format!(
        "{report}the configuration is good\n{}",
        lived.as_ref().unwrap_or_else(|(found, _)| found)
    ))?;
    lived.map(drop).map_err(|(_, faults)| Fault::Failed(anyhow::anyhow!("{faults}")))
}

/// Where nothing can be shown, a person must not take it for forgotten.
const NO_SAMPLE: &str = "no invented event to show: match and except take none of those of the media, events, states, authors and \
                         visibilities that are documented";

/// Each sink as far as it can be told without its destination, with an event as it would leave.
async fn sinks(
    settings: &Settings,
    held: &[Agent],
    report: &mut String,
    notes: &mut Vec<String>,
    faults: &mut Vec<String>,
) {
    let sites: Vec<(&str, &str)> =
        settings.sites.iter().map(|site| (site.name.as_str(), site.realm.as_str())).collect();
    for sink in &settings.sinks {
        let at = format!("sink.{}.{}", sink.target.kind(), sink.name);
        match outbound::probe_offline(sink, &sites).await {
            Ok(sample) => {
                let _ = writeln!(report, "sink {}: {}, ready to be tried", sink.name, sink.target.kind());
                let _ = match sample {
                    Some(sample) => writeln!(report, "  an invented event as it would leave:{sample}"),
                    None => writeln!(report, "  {NO_SAMPLE}"),
                };
                let said = outbound::notes(sink).into_iter().chain(contexts::notes(settings, sink));
                let said = said.chain(strangers(sink, held));
                notes.extend(said.map(|note| format!("{at}: {note}")));
            }
            Err(error) => faults.push(format!("{at}: {error}")),
        }
    }
}

/// Asks every sink's destination: what was found, and the faults, if there are any.
async fn live(settings: &Settings) -> Result<String, (String, String)> {
    let sites: Vec<&str> = settings.sites.iter().map(|site| site.name.as_str()).collect();
    let asked = settings.sinks.iter().map(|sink| outbound::probe_live(sink, &sites));
    let answers = futures_util::future::join_all(asked).await;
    let (mut found, mut faults) = (String::new(), Vec::new());
    for (sink, answer) in settings.sinks.iter().zip(answers) {
        let at = format!("sink.{}.{}", sink.target.kind(), sink.name);
        match answer {
            Ok(line) => {
                let _ = writeln!(found, "{at}: {line}");
            }
            Err(list) => faults.extend(list.into_iter().map(|fault| format!("{at}: {fault}"))),
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    let (count, plural) = (faults.len(), if faults.len() == 1 { "problem" } else { "problems" });
    Err((found, format!("{}\n{count} {plural} with destinations", faults.join("\n"))))
}

/// Every secret can be read, but for those of agents, which have their own message.
async fn secrets(settings: &Settings, faults: &mut Vec<String>) {
    for (path, reference) in &settings.secrets {
        // A command per user is tried with the roster's users; a bundle is larger than one secret.
        if path.ends_with("roster.passwords") {
            continue;
        }
        if let Err(error) = reference.read(None).await {
            faults.push(format!("{path}: {error}"));
        }
    }
}

/// The roster, every agent's password, and the HTTP client of a site. The agents if all is well, and what a start would
/// say of the roster.
async fn sessions(
    site: &SiteConfig,
    state_dir: &Path,
    faults: &mut Vec<String>,
) -> (Option<Vec<Agent>>, Option<String>) {
    let before = faults.len();
    if let Err(error) = Site::new(site.clone()).await {
        faults.push(error.to_string());
    }
    let begun = roster::begin(site, &[], state_dir, 0);
    let (agents, note) = match begun.and_then(|begun| Ok((roster::read(site)?, held(site, begun)))) {
        Ok(read) => read,
        Err(error) => {
            faults.push(error.to_string());
            return (None, None);
        }
    };
    let passwords = Passwords::default();
    for agent in &agents {
        if let Err(error) = passwords.read(site, agent).await {
            faults.push(format!("site {}, agent \"{}\": {error}", site.name, agent.key));
            if agent.password.is_none() && faults.len() > before + 10 {
                faults.push(format!("site {}: and perhaps more agents", site.name));
                break;
            }
        }
    }
    ((faults.len() == before).then_some(agents), note)
}

/// Agents and groups that a sink's lists name and no roster does: allowed, as rosters change while running.
fn strangers(sink: &SinkConfig, agents: &[Agent]) -> Vec<String> {
    let mut notes = Vec::new();
    for (table, list) in [("match", &sink.matching), ("except", &sink.except)] {
        let unknown = |key: &&String| agents.iter().all(|agent| agent.key != **key);
        let empty = |group: &&String| agents.iter().all(|agent| agent.group.as_ref() != Some(*group));
        notes.extend(
            list.agent
                .iter()
                .filter(unknown)
                .map(|key| format!("{table}.agent: {key:?} stands in no roster")),
        );
        notes.extend(
            list.group
                .iter()
                .filter(empty)
                .map(|group| format!("{table}.group: nobody is of the group {group:?} in a roster")),
        );
    }
    notes
}

/// A note where the file is not what would be in force after a start, or could not be compared.
fn held(site: &SiteConfig, begun: Begun) -> Option<String> {
    let (name, percent) = (&site.name, site.roster.max_removed_percent);
    let note = match begun.looked {
        Looked::Held(change) => {
            let agents = begun.watch.agents().len();
            Some(format!(
                "a change of the roster is held: {change}, more than {percent}% or all; the {agents} agents in force stay, \
                 over a restart too, until {}",
                change.command(name)
            ))
        }
        _ => begun.note,
    };
    note.map(|note| format!("site {name}: {note}"))
}

/// Requests of one comparison of an agent with nothing open: the user's resource and the list of each medium.
const COMPARISON: f64 = 4.0;
/// Of the site's requests those that readings may take.
const READINGS: f64 = 0.2;

/// A note where so many agents can not be compared with REST as often as is wanted.
fn comparisons(site: &SiteConfig, agents: usize) -> Option<String> {
    let wanted = site.reconcile_every.as_secs_f64();
    let takes = agents as f64 * COMPARISON / (READINGS * f64::from(site.requests_per_second));
    (wanted > 0.0 && takes > wanted).then(|| {
        let minutes = (takes / 60.0).ceil();
        format!(
            "site {}: to compare {agents} agents with REST takes {minutes} minutes or more, as a fifth of requests_per_second = {} is for it, and reconcile_every is shorter: many will stand as \"unverified\"; raise one of the two",
            site.name, site.requests_per_second
        )
    })
}

/// The state directory can be used; a note where a running daemon holds it.
fn state(settings: &Settings, faults: &mut Vec<String>) -> Option<String> {
    match journal::inspect(&settings.journal.state_dir) {
        Ok(()) => None,
        Err(journal::Error::Locked { pid, .. }) => {
            Some(format!("a daemon is running on this state_dir (pid {pid})"))
        }
        Err(error) => {
            faults.push(format!("state_dir: {error}"));
            None
        }
    }
}

/// Whether the admin address is free.
async fn admin(settings: &Settings, faults: &mut Vec<String>) {
    let address = settings.admin.listen;
    if let Err(error) = tokio::net::TcpListener::bind(address).await {
        faults.push(match error.kind() {
            ErrorKind::AddrInUse => format!(
                "admin.listen: {address} is in use by another program; end that one, or set admin.listen to a free address"
            ),
            _ => format!("admin.listen: {address}: {error}"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::settings::testing;
    use std::time::Duration;

    #[test]
    fn more_agents_than_can_be_compared_in_time_are_a_note() {
        let site = testing::site();
        assert_eq!(comparisons(&site, 1_350), None, "4 requests each, 3 of 15 a second, 30 minutes");
        let note = comparisons(&site, 5_000).unwrap();
        assert!(note.contains("takes 112 minutes or more"), "{note}");
        let never = SiteConfig { reconcile_every: Duration::ZERO, ..testing::site() };
        assert_eq!(comparisons(&never, 5_000), None);
    }
}
