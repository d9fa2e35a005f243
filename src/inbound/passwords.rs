//! Where an agent's password is read from, at each login anew.
//!
//! A rotated secret works at the next login without a restart. Thousands of sessions that begin together share one
//! reading of a bundle, and few commands run at a time. Deliberately absent: using what was read before it was asked
//! for: a secret that was just corrected must not be tried in its old form.

use crate::base::secret::SecretRef;
use crate::inbound::roster::Agent;
use crate::inbound::settings::SiteConfig;
use secrecy::SecretString;
use std::collections::HashMap;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// Reads the passwords of one site.
pub struct Passwords {
    /// The last reading, and when it began.
    bundle: Mutex<Option<(Instant, HashMap<String, SecretString>)>>,
    commands: Semaphore,
}

/// Commands that run at a time.
const COMMANDS: usize = 8;

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords { bundle: Mutex::new(None), commands: Semaphore::new(COMMANDS) }
    }
}

impl Passwords {
    /// The agent's own place, else the roster's bundle or command. The error says where and why, never a value.
    pub async fn read(&self, site: &SiteConfig, agent: &Agent) -> Result<SecretString, String> {
        let one = |error| format!("the password: {error}");
        if let Some(own) = &agent.password {
            return own.read(Some(&agent.username)).await.map_err(one);
        }
        let Some(place) = &site.roster.passwords else {
            return Err("the roster names no place for this agent's password".to_owned());
        };
        if matches!(place, SecretRef::Exec { .. }) {
            let _turn = self.commands.acquire().await;
            return place.read(Some(&agent.username)).await.map_err(one);
        }
        let asked = Instant::now();
        let mut shared = self.bundle.lock().await;
        if shared.as_ref().is_none_or(|(begun, _)| *begun <= asked) {
            *shared = None;
            let begun = Instant::now();
            let bundle = place.read_bundle().await.map_err(|error| format!("the passwords: {error}"))?;
            *shared = Some((begun, bundle));
        }
        shared.as_ref().and_then(|(_, bundle)| bundle.get(&agent.username).cloned()).ok_or_else(|| {
            format!("the passwords: {place} has no line for the user name of agent \"{}\"", agent.key)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::settings::RosterConfig;
    use crate::inbound::settings::testing::site;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn agent(username: &str) -> Agent {
        Agent { key: "1".into(), username: username.into(), password: None, group: None, base_url: None }
    }

    #[tokio::test]
    async fn a_bundle_is_never_older_than_the_question_and_many_who_ask_at_once_all_get_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passwords.csv");
        let write = |text: &str| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("username,password\nann,one\n");
        let roster = RosterConfig { passwords: Some(SecretRef::File(file.clone())), ..site().roster };
        let config = SiteConfig { roster, ..site() };
        let passwords = Passwords::default();
        let ann = async |passwords: &Passwords| {
            passwords.read(&config, &agent("ann")).await.unwrap().expose_secret().to_owned()
        };
        assert_eq!(ann(&passwords).await, "one");
        write("username,password\nann,two\n");
        assert_eq!(ann(&passwords).await, "two");
        let all = futures_util::future::join_all((0..50).map(|_| ann(&passwords))).await;
        assert!(all.iter().all(|password| password == "two"));
        let missing = passwords.read(&config, &agent("bob")).await.unwrap_err();
        assert!(missing.contains("no line") && !missing.contains("bob"), "{missing}");
    }
}
