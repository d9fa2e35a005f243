//! Where an agent's password is read from, at each login anew.
//!
//! Deliberately absent: keeping one. A rotated secret works at the next login without a restart.

use crate::base::secret::SecretRef;
use crate::inbound::roster::Agent;
use crate::inbound::settings::SiteConfig;
use secrecy::SecretString;

/// The agent's own place, else the roster's bundle or command. The error says where and why, never a value.
pub async fn read(site: &SiteConfig, agent: &Agent) -> Result<SecretString, String> {
    if let Some(own) = &agent.password {
        return own.read(Some(&agent.username)).await.map_err(|error| format!("the password: {error}"));
    }
    let Some(place) = &site.roster.passwords else {
        return Err("the roster names no place for this agent's password".to_owned());
    };
    if matches!(place, SecretRef::Exec { .. }) {
        return place.read(Some(&agent.username)).await.map_err(|error| format!("the password: {error}"));
    }
    let mut bundle = place.read_bundle().await.map_err(|error| format!("the passwords: {error}"))?;
    bundle.remove(&agent.username).ok_or_else(|| {
        format!("the passwords: {place} has no line for the user name of agent \"{}\"", agent.key)
    })
}
