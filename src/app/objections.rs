//! What speaks against trying agents by hand (`pilot`, `record`): as the running daemon knows it, or, where none runs, as it
//! stands in `state_dir`; and the refusals that such a trial meets, noted there.
//!
//! Deliberately absent: making a state directory. Where there is no journal nothing is known and nothing is noted: it would
//! belong to whoever tries, and a start could not use it.

use crate::app::dead_letters::open;
use crate::app::remote::{NoAnswer, Remote};
use crate::base::time::Clock;
use crate::config::Settings;
use crate::inbound::accounts::{Accounts, Credentials, Leave, Store, Tried};
use crate::inbound::pilot::{Refused, by_hand};
use crate::inbound::roster::Agent;
use crate::inbound::settings::SiteConfig;
use crate::inbound::site::Site;
use crate::journal::{self, Journal};
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Why nobody is to log this agent in now.
pub struct Objection {
    /// The roster's key.
    pub agent: String,
    pub why: String,
}

/// The first that there is. A daemon that can not be asked is named and stops nothing: it may be another site's.
pub async fn objection(settings: &Settings, site: &Site, agents: &[Agent]) -> Option<Objection> {
    let remote = Remote::new(settings).await.ok()?;
    let name = &site.config.name;
    for agent in agents {
        let asked = async {
            let status = remote.get(&["status"], &[]).await?;
            let agent = remote.get(&["agents", &agent.key], &[("site", Some(name))]).await?;
            Ok(against(&status, &agent, name))
        };
        let why = match asked.await {
            Ok(why) => why,
            Err(NoAnswer::NoDaemon(_)) => return stored(settings, site, agents).await,
            Err(NoAnswer::Other(error)) => {
                say(&format!("whether agent {} may be tried is not known: {error}", agent.key));
                None
            }
        };
        if let Some(why) = why {
            return Some(Objection { agent: agent.key.clone(), why });
        }
    }
    None
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

/// What the last daemon, or an earlier trial, left. What can not be read may hold a refusal.
async fn stored(settings: &Settings, site: &Site, agents: &[Agent]) -> Option<Objection> {
    if !journal::is_there(&settings.journal.state_dir) {
        return None;
    }
    let looked = async {
        let journal = open(settings)?;
        let accounts = accounts(&site.config, &journal).await;
        let found = match &accounts {
            Ok(accounts) => left(accounts, site, agents).await,
            Err(_) => None,
        };
        journal.close().await;
        accounts.map(|_| found)
    };
    let first = || agents.first().map(|agent| agent.key.clone()).unwrap_or_default();
    looked.await.unwrap_or_else(|error| {
        let why = format!("no daemon answers, and what it knows of refused logins can not be read: {error}");
        Some(Objection { agent: first(), why })
    })
}

async fn accounts(site: &SiteConfig, journal: &Journal) -> Result<Arc<Accounts>, journal::Error> {
    Accounts::load_from(site, Store::Journal(journal.clone()), &Clock::system(), None).await
}

/// By the rules of the service, which would wait where the site is closed.
async fn left(accounts: &Accounts, site: &Site, agents: &[Agent]) -> Option<Objection> {
    let (name, state) = (&site.config.name, accounts.state());
    let closed = match state.paused {
        Some((_, reason, _)) => Some(format!("logins at site {name} are paused ({reason})")),
        None if state.directory_fault => Some(format!(
            "the directory of site {name} was out of order when the last daemon ended: it would refuse good passwords, too"
        )),
        None => None,
    };
    if let (Some(why), Some(first)) = (closed, agents.first()) {
        return Some(Objection { agent: first.key.clone(), why });
    }
    for agent in agents {
        // One that can not be read is not tried either: the trial says so.
        let Ok(password) = site.passwords.read(&site.config, agent).await else { continue };
        let secret = Credentials { username: agent.username.clone(), password };
        if let Leave::Refused(reason) = accounts.leave(&agent.key, &secret).await {
            let why = format!("a refused login of this agent is on record: {}", by_hand(&reason));
            return Some(Objection { agent: agent.key.clone(), why });
        }
    }
    None
}

/// Refusals that trials met.
#[derive(Clone, Default)]
pub struct Met(Arc<Mutex<Vec<(String, Credentials, Tried)>>>);

impl Met {
    /// What a trial is given.
    pub fn listener(&self) -> Refused {
        let met = Arc::clone(&self.0);
        Arc::new(move |agent, password, tried| {
            let secret = Credentials { username: agent.username.clone(), password: password.clone() };
            let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
            met.push((agent.key.clone(), secret, tried));
        })
    }

    /// Notes them as the service does, so that neither it nor another trial tries these secrets again.
    pub async fn note(&self, settings: &Settings, site: &SiteConfig) {
        let met = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if met.is_empty() || !journal::is_there(&settings.journal.state_dir) {
            return;
        }
        let noted = async {
            let journal = open(settings)?;
            let accounts = accounts(site, &journal).await;
            if let Ok(accounts) = &accounts {
                for (agent, secret, tried) in met {
                    accounts.tried(&agent, &secret, tried).await;
                }
            }
            journal.close().await;
            accounts.map(drop)
        };
        match noted.await {
            Ok(()) => {}
            Err(journal::Error::Locked { pid, .. }) => {
                say(&format!(
                    "that the login was refused is not noted: a daemon (pid {pid}) has the journal"
                ));
            }
            Err(error) => {
                say(&format!(
                    "that the login was refused is not noted, so that it may be tried again: {error}"
                ));
            }
        }
    }
}

fn say(line: &str) {
    // Somebody who closed standard error does not want to read it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::SecretRef;
    use crate::inbound::accounts::Memory;
    use crate::inbound::settings::testing;
    use serde_json::json;
    use std::os::unix::fs::OpenOptionsExt;

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

    #[tokio::test]
    async fn what_an_earlier_process_left_speaks_against_a_try_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let mut own = std::fs::OpenOptions::new();
        own.write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(b"wrong\n").unwrap();
        let (username, password) = ("ann".to_owned(), Some(SecretRef::File(path)));
        let agent = Agent { key: "1001".into(), username, password, group: None, base_url: None };
        let agents = std::slice::from_ref(&agent);
        let site = Site::new(testing::site()).await.unwrap();
        let store = Store::Memory(Memory::default());
        let accounts = Accounts::load_from(&site.config, store, &Clock::system(), None).await.unwrap();
        let why = async || left(&accounts, &site, agents).await.map(|no| no.why);
        assert_eq!(why().await, None);
        accounts.pause("works").await.unwrap();
        assert_eq!(why().await.unwrap(), "logins at site main are paused (works)");
        accounts.resume().await.unwrap();
        let secret = Credentials { username: "ann".into(), password: "wrong".into() };
        accounts.tried("1001", &secret, Tried::Refused("HTTP 401; it is then tried by itself".into())).await;
        let said = why().await.unwrap();
        assert!(
            said.starts_with("a refused login of this agent is on record: HTTP 401; then try again"),
            "{said}"
        );
        accounts.forgive("1001").await.unwrap();
        assert_eq!(why().await, None);
    }
}
