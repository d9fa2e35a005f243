//! What the configuration names on disk and in the environment: secrets, authorities, rosters.
//!
//! Deliberately absent: a secret's value. Only whether it could be read is looked at, and only where the configuration
//! is to be acted on ([`Purpose`]).

use super::Check;
use crate::base::secret::{SecretRef, credential_path, inspect_file};
use crate::config::tree::Path;
use crate::config::{Purpose, raw};
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

/// How long a command may take where the reference says nothing.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

impl Check<'_> {
    /// A reference, if what it names is there. `per_user`: whether `{username}` of a command will be known.
    pub(super) fn secret(&mut self, at: &Path, raw: &raw::Secret, per_user: bool) -> Option<SecretRef> {
        let needed = self.acts() || *at == Path::default().key("admin").key("token");
        let (place, reason) = if let Some(file) = &raw.file {
            let path = PathBuf::from(file);
            let there = if needed { inspect_file(&path) } else { Ok(()) };
            let reason = there.err().map(|reason| format!("the secret's file {file} {reason}"));
            (SecretRef::File(path), reason)
        } else if let Some(name) = &raw.env {
            let reason = if needed { self.variable(name) } else { None };
            (SecretRef::Env(name.clone()), reason)
        } else if let Some(name) = &raw.credential {
            let reason = if needed { self.credential(name) } else { None };
            (SecretRef::Credential(name.clone()), reason)
        } else {
            let command = raw.exec.clone().unwrap_or_default();
            let timeout = raw.timeout.map_or(COMMAND_TIMEOUT, |timeout| timeout.0);
            let asks = command.iter().any(|part| part.contains("{username}"));
            let reason = match (asks, per_user) {
                (true, false) => Some("{username} is known only in a roster's passwords"),
                (false, true) => Some("the command must hold {username}: it is called for each user"),
                _ => None,
            };
            let limits = Duration::from_millis(1)..=Duration::from_secs(300);
            let reason =
                if limits.contains(&timeout) { reason } else { Some("timeout is \"1ms\" to \"5m\"") };
            (SecretRef::Exec { command, timeout }, reason.map(str::to_owned))
        };
        self.secrets.push((at.to_string(), place.clone()));
        match reason {
            None => Some(place),
            Some(reason) => {
                self.fault(at, reason);
                None
            }
        }
    }

    fn acts(&self) -> bool {
        self.purpose == Purpose::Act
    }

    fn variable(&self, name: &str) -> Option<String> {
        match self.sources.environment.get(name).map(String::is_empty) {
            None => Some(format!("the environment variable {name} is not set")),
            Some(true) => Some(format!("the environment variable {name} is empty")),
            Some(false) => None,
        }
    }

    /// Outside systemd (a check by hand, say) nothing can be said about credentials but their names.
    fn credential(&self, name: &str) -> Option<String> {
        let directory = self.sources.environment.get("CREDENTIALS_DIRECTORY").map(FilePath::new);
        match credential_path(Some(directory.unwrap_or(FilePath::new("/"))), name) {
            Err(reason) => Some(reason),
            Ok(path) => directory
                .and_then(|_| inspect_file(&path).err())
                .map(|reason| format!("the credential {name} {reason}; see LoadCredential= of the unit")),
        }
    }

    /// A file of certificates in PEM.
    pub(super) fn authorities(&mut self, at: &Path, file: Option<&String>) -> Option<PathBuf> {
        let file = file?;
        if !self.acts() {
            return Some(PathBuf::from(file));
        }
        let fault = match std::fs::read(file) {
            Err(error) => Some(format!("{file} can not be read: {error}")),
            Ok(bytes) => match reqwest::Certificate::from_pem_bundle(&bytes) {
                Ok(found) if !found.is_empty() => None,
                _ => Some(format!("{file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")),
            },
        };
        if let Some(fault) = fault {
            self.fault(at, fault);
        }
        Some(PathBuf::from(file))
    }

    /// A file that has to be there; what it holds is for others to judge.
    pub(super) fn file(&mut self, at: &Path, file: &str) -> PathBuf {
        let path = PathBuf::from(file);
        if !self.acts() {
            return path;
        }
        // Looked at before it is opened: opening a named pipe would wait for a writer.
        let fault = match std::fs::metadata(&path) {
            Ok(found) if !found.is_file() => Some(format!("{file} is not a file")),
            _ => std::fs::File::open(&path).err().map(|error| format!("{file} can not be read: {error}")),
        };
        if let Some(fault) = fault {
            self.fault(at, fault);
        }
        path
    }
}
