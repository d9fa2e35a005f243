//! Secrets by reference: where one is, and how it is fetched. A secret never prints, never serialises.
//!
//! Deliberately absent: caching (each login reads anew, so rotation needs no restart) and the configuration's
//! syntax (see `config`).

use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Where a secret stands. Its `Debug` and `Display` show the place, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// A file of our own, refused if others can read it; one trailing line break is taken off.
    File(PathBuf),
    Env(String),
    /// A systemd credential: a file of that name under `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A command whose standard output is the secret; `{username}` in an argument is replaced.
    Exec {
        command: Vec<String>,
        timeout: Duration,
    },
}

/// Why a secret could not be had. Names the place and the reason, never a byte of a value.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Error {
    pub place: String,
    pub reason: String,
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretRef::File(path) => write!(f, "file {}", path.display()),
            SecretRef::Env(name) => write!(f, "environment variable {name}"),
            SecretRef::Credential(name) => write!(f, "credential {name}"),
            SecretRef::Exec { command, .. } => {
                write!(f, "command {}", command.first().map_or("(none)", String::as_str))
            }
        }
    }
}

impl SecretRef {
    /// Reads the secret now. `username` fills `{username}` of a command.
    pub async fn read(&self, username: Option<&str>) -> Result<SecretString, Error> {
        let _ = username;
        Err(Error { place: self.to_string(), reason: "not read yet".to_owned() })
    }
}
