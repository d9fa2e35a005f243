//! `cometbridge check`: finds before start what start would fail on, without touching a server.
//!
//! Deliberately absent: the network (whether a password is right or a broker answers shows only in a run).

use crate::app::cli::Configured;
use crate::app::run::settings;
use crate::app::service::state_key;
use crate::app::{Fault, print};
use crate::config::Settings;
use crate::inbound::passwords::Passwords;
use crate::inbound::roster;
use crate::inbound::site::Site;
use crate::journal;
use crate::outbound;
use std::fmt::Write;
use std::io::ErrorKind;

pub async fn check(arguments: Configured) -> Result<(), Fault> {
    let settings = settings(&arguments)?;
    let mut faults = Vec::new();
    let mut report = String::new();
    secrets(&settings, &mut faults).await;
    faults.extend(state_key(&settings).await.err().filter(|fault| !faults.contains(fault)));
    for site in &settings.sites {
        match sessions(site, &mut faults).await {
            Some(agents) => {
                let plural = if agents == 1 { "agent" } else { "agents" };
                let channels = site.channels.len();
                let _ = writeln!(report, "site {}: {agents} {plural}, {channels} channels", site.name);
            }
            None => continue,
        }
    }
    for sink in &settings.sinks {
        let kind = sink.target.kind();
        match outbound::probe_offline(sink).await {
            Ok(()) => {
                let _ = writeln!(report, "sink {}: {kind}, ready to be tried", sink.name);
            }
            Err(error) => faults.push(format!("sink.{kind}.{}: {error}", sink.name)),
        }
    }
    let held = state(&settings, &mut faults);
    if held.is_none() {
        admin(&settings, &mut faults).await;
    }
    if !faults.is_empty() {
        let count = faults.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        return Err(Fault::Configuration(format!("{}\n{count} {plural}", faults.join("\n"))));
    }
    if let Some(held) = held {
        let _ = writeln!(report, "note: {held}");
    }
    print(&format!("{report}the configuration is good\n"))
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

/// The roster, every agent's password, and the HTTP client of a site. The number of agents if all is well.
async fn sessions(site: &crate::inbound::settings::SiteConfig, faults: &mut Vec<String>) -> Option<usize> {
    let before = faults.len();
    if let Err(error) = Site::new(site.clone()).await {
        faults.push(error.to_string());
    }
    let agents = match roster::read(site) {
        Ok(agents) => agents,
        Err(error) => {
            faults.push(error.to_string());
            return None;
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
    (faults.len() == before).then_some(agents.len())
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
