//! The roster: which agents to hold, and where each one's password stands.
//!
//! A CSV file with the columns `agent,username` and, where there is no bundle for all, one of
//! `password_file`, `password_env`, `password_credential`. Deliberately absent: passwords themselves (they are
//! read at each login).

use crate::base::secret::SecretRef;
use crate::inbound::settings::RosterConfig;
use std::collections::HashSet;
use std::path::Path;

/// One line of the roster.
#[derive(Clone, PartialEq, Eq)]
pub struct Agent {
    /// Opaque key: stands in envelopes and logs. Never the login.
    pub key: String,
    pub username: String,
    /// Of this agent alone; absent where the roster has one place for all.
    pub password: Option<SecretRef>,
}

impl std::fmt::Debug for Agent {
    /// The login is personal: it is not printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What is wrong with a roster; every faulty line is listed.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(pub Vec<String>);

/// Largest roster read; a hundred thousand agents fit.
const MAX_BYTES: u64 = 32 << 20;
const PASSWORD_COLUMNS: [&str; 3] = ["password_file", "password_env", "password_credential"];

/// Reads the roster file; all faults are reported at once, by line.
pub fn read(config: &RosterConfig) -> Result<Vec<Agent>, Error> {
    let path = &config.file;
    let one = |reason: String| Error(vec![format!("{}: {reason}", path.display())]);
    let size = std::fs::metadata(path).map_err(|e| one(e.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(one(format!("larger than {MAX_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|e| one(e.to_string()))?;
    parse(&bytes, path, config.passwords.is_some())
}

/// `has_bundle`: whether a line may go without a password column of its own.
pub fn parse(bytes: &[u8], path: &Path, has_bundle: bool) -> Result<Vec<Agent>, Error> {
    let mut faults = Vec::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let headers = reader.headers().cloned().unwrap_or_default();
    let known = |name: &str| matches!(name, "agent" | "username") || PASSWORD_COLUMNS.contains(&name);
    for name in headers.iter().filter(|name| !known(name)) {
        let allowed = "allowed: agent, username, password_file, password_env, password_credential";
        faults.push(format!("{}:1: unknown column \"{}\"; {allowed}", path.display(), name.escape_debug()));
    }
    for name in ["agent", "username"].into_iter().filter(|name| !headers.iter().any(|h| h == *name)) {
        faults.push(format!(
            "{}:1: the column \"{name}\" is missing (the first line names the columns)",
            path.display()
        ));
    }
    if !faults.is_empty() {
        return Err(Error(faults));
    }
    let (mut agents, mut keys, mut names) = (Vec::new(), HashSet::new(), HashSet::new());
    for record in reader.records() {
        let at = |line: Option<u64>| format!("{}:{}", path.display(), line.unwrap_or_default());
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let place = at(error.position().map(csv::Position::line));
                faults.push(format!("{place}: not a line of CSV in UTF-8"));
                continue;
            }
        };
        let place = at(record.position().map(csv::Position::line));
        if record.len() != headers.len() {
            let (found, expected) = (record.len(), headers.len());
            faults.push(format!("{place}: {found} fields, the first line names {expected} columns"));
            continue;
        }
        match line(&headers, &record, has_bundle) {
            Err(reason) => faults.push(format!("{place}: {reason}")),
            Ok(agent) if !keys.insert(agent.key.clone()) => {
                faults.push(format!("{place}: agent \"{}\" stands in an earlier line already", agent.key));
            }
            Ok(agent) if !names.insert(agent.username.to_lowercase()) => {
                faults.push(format!(
                    "{place}: the user name of agent \"{}\" stands in an earlier line already",
                    agent.key
                ));
            }
            Ok(agent) => agents.push(agent),
        }
    }
    if agents.is_empty() && faults.is_empty() {
        faults.push(format!("{}: no agent in it", path.display()));
    }
    if faults.is_empty() { Ok(agents) } else { Err(Error(faults)) }
}

fn line(headers: &csv::StringRecord, record: &csv::StringRecord, has_bundle: bool) -> Result<Agent, String> {
    let field = |name: &str| {
        headers
            .iter()
            .zip(record.iter())
            .find(|(header, _)| *header == name)
            .map(|(_, v)| v)
            .filter(|v| !v.is_empty())
    };
    let key = field("agent").ok_or("the field agent is empty")?;
    if key.len() > 200 || key.chars().any(char::is_control) {
        return Err("agent: at most 200 characters, none of them a control character".to_owned());
    }
    let username = field("username").ok_or("the field username is empty")?;
    if username.contains(':') || username.chars().any(char::is_control) {
        return Err("username: no colon and no control character (HTTP Basic allows neither)".to_owned());
    }
    let given: Vec<(&str, &str)> =
        PASSWORD_COLUMNS.iter().filter_map(|name| field(name).map(|value| (*name, value))).collect();
    let password = match given.as_slice() {
        [] if has_bundle => None,
        [] => return Err("no password: fill password_file, password_env or password_credential, or set passwords in [site.X.roster]".to_owned()),
        [("password_file", value)] => Some(SecretRef::File(value.into())),
        [("password_env", value)] => Some(SecretRef::Env((*value).to_owned())),
        [(_, value)] => Some(SecretRef::Credential((*value).to_owned())),
        _ => return Err("more than one password column is filled; one is enough".to_owned()),
    };
    Ok(Agent { key: key.to_owned(), username: username.to_owned(), password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str, bundle: bool) -> String {
        parse(text.as_bytes(), Path::new("agents.csv"), bundle).unwrap_err().to_string()
    }

    #[test]
    fn agents_are_read_with_their_passwords_places() {
        let text = "agent,username,password_env\n1001,ann, PW_ANN\n1002,bob,PW_BOB\n";
        let agents = parse(text.as_bytes(), Path::new("agents.csv"), false).unwrap();
        assert_eq!(agents.len(), 2);
        assert_eq!(agents[0].password, Some(SecretRef::Env("PW_ANN".into())));
        assert!(!format!("{agents:?}").contains("ann"));
    }

    #[test]
    fn every_faulty_line_is_named_and_no_user_name_is() {
        let text = "agent,username\n1001,ann\n1001,bob\n1003,ANN\n,x\n1004\n1005,a:b\n";
        assert_eq!(
            messages(text, true),
            "agents.csv:3: agent \"1001\" stands in an earlier line already\n\
             agents.csv:4: the user name of agent \"1003\" stands in an earlier line already\n\
             agents.csv:5: the field agent is empty\n\
             agents.csv:6: 1 fields, the first line names 2 columns\n\
             agents.csv:7: username: no colon and no control character (HTTP Basic allows neither)"
        );
    }

    #[test]
    fn unknown_columns_missing_columns_and_missing_passwords_are_refused() {
        assert!(
            messages("agent,user\n", true).contains("agents.csv:1: unknown column \"user\"; allowed: agent")
        );
        assert!(messages("agent\n", true).contains("the column \"username\" is missing"));
        assert!(messages("agent,username\n1,ann\n", false).contains("agents.csv:2: no password"));
        assert_eq!(messages("agent,username\n", true), "agents.csv: no agent in it");
    }
}
