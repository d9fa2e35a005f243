//! Secrets by reference: where one is, and how it is fetched. A secret never prints, never serialises.
//!
//! Buffers of ours are wiped after use; copies inside libraries (HTTP headers, librdkafka) can not be.
//! Deliberately absent: caching (each login reads anew, so rotation needs no restart) and the configuration's
//! syntax (see `config`).

mod bundle;
#[cfg(test)]
mod tests;

pub use bundle::{BundleError, LineProblem, parse_bundle};

use secrecy::SecretString;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

/// Largest single secret, in bytes.
pub const MAX_SECRET: usize = 64 << 10;
/// Largest bundle of passwords, in bytes.
pub const MAX_BUNDLE: usize = 16 << 20;

/// Where a secret stands. Its `Debug` and `Display` show the place, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// A file of our own, refused if others can read it; one trailing line break is taken off.
    File(PathBuf),
    Env(String),
    /// A systemd credential: a file of that name under `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A command whose standard output is the secret; `{username}` in an argument is replaced. At the timeout the
    /// command is killed; what it started itself is not, so a wrapper script should `exec` its last step.
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
    /// Reads the secret now: UTF-8, not empty, at most [`MAX_SECRET`] bytes, one trailing line break taken off.
    /// `username` fills `{username}` of a command.
    pub async fn read(&self, username: Option<&str>) -> Result<SecretString, Error> {
        let found = self.bytes(username, MAX_SECRET).await;
        found.and_then(|bytes| text(&bytes)).map_err(|reason| self.error(reason))
    }

    /// Reads a bundle of `username,password` lines (at most [`MAX_BUNDLE`] bytes).
    pub async fn read_bundle(&self) -> Result<HashMap<String, SecretString>, BundleError> {
        let bytes = self.bytes(None, MAX_BUNDLE).await.map_err(|reason| self.error(reason))?;
        parse_bundle(&bytes).map_err(|lines| BundleError::Lines { place: self.to_string(), lines })
    }

    fn error(&self, reason: String) -> Error {
        Error { place: self.to_string(), reason }
    }

    async fn bytes(&self, username: Option<&str>, limit: usize) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            SecretRef::File(path) => read_file(path.clone(), limit).await,
            SecretRef::Env(name) => match std::env::var(name) {
                Ok(value) => within(Zeroizing::new(value.into_bytes()), limit),
                Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
                Err(std::env::VarError::NotUnicode(_)) => Err("is not UTF-8".to_owned()),
            },
            SecretRef::Credential(name) => {
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
                let path = credential_path(directory.as_deref().map(Path::new), name)?;
                read_file(path, limit).await
            }
            SecretRef::Exec { command, timeout } => {
                let run = run_command(command, username, limit);
                tokio::time::timeout(*timeout, run)
                    .await
                    .map_err(|_| format!("gave no answer within {timeout:?} and was stopped"))?
            }
        }
    }
}

/// Whether `path` can serve as a secret's file: there, a file, readable, not empty, closed to others.
///
/// Group read is accepted only where somebody else owns the file: Kubernetes (`fsGroup`) and systemd hand
/// files of root to a service that way, and the service could not read them otherwise.
pub fn inspect_file(path: &Path) -> Result<(), String> {
    open(path).map(drop)
}

/// The file of a systemd credential. A name is one plain path segment.
pub fn credential_path(directory: Option<&Path>, name: &str) -> Result<PathBuf, String> {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    if !plain {
        return Err("a credential's name is one plain file name, without a slash".to_owned());
    }
    let directory = directory.ok_or(
        "CREDENTIALS_DIRECTORY is not set: start the service under systemd with LoadCredential=NAME:PATH",
    )?;
    Ok(directory.join(name))
}

fn open(path: &Path) -> Result<File, String> {
    // Looked at before it is opened: opening a named pipe would wait for a writer.
    let found = std::fs::metadata(path).map_err(|error| io_reason(&error))?;
    permitted(&found, own_user())?;
    let file = File::open(path).map_err(|error| io_reason(&error))?;
    let opened = file.metadata().map_err(|error| io_reason(&error))?;
    permitted(&opened, own_user())?;
    Ok(file)
}

fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        _ => format!("can not be read: {error}"),
    }
}

/// The user this process runs as; unknown where there is no `/proc`.
fn own_user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|found| found.uid())
}

fn permitted(found: &Metadata, own: Option<u32>) -> Result<(), String> {
    if !found.is_file() {
        return Err("is not a file".to_owned());
    }
    if found.len() == 0 {
        return Err("is empty".to_owned());
    }
    let handed_over = own.is_some_and(|own| own != found.uid());
    let too_wide = if handed_over { 0o037 } else { 0o077 };
    if found.mode() & too_wide != 0 {
        let mode = found.mode() & 0o777;
        return Err(format!("can be read or written by others (mode {mode:04o}); run: chmod 600 on it"));
    }
    Ok(())
}

async fn read_file(path: PathBuf, limit: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = move || {
        let file = open(&path)?;
        let size = file.metadata().map_err(|error| io_reason(&error))?.len();
        // Room for all of it at once: a buffer that grew would leave unwiped copies behind.
        let room = usize::try_from(size).unwrap_or(limit).min(limit).saturating_add(2);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        let most = u64::try_from(room).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut bytes).map_err(|error| io_reason(&error))?;
        within(bytes, limit)
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| "could not be read: shutting down".to_owned())?
}

fn within(bytes: Zeroizing<Vec<u8>>, limit: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    if bytes.len() > limit {
        return Err(format!("is larger than {} KiB", limit >> 10));
    }
    Ok(bytes)
}

fn text(bytes: &[u8]) -> Result<SecretString, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(SecretString::from(text))
}

async fn run_command(
    command: &[String],
    username: Option<&str>,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = command.split_first().ok_or("is an empty list")?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments.iter().map(|argument| filled(argument, username)).collect::<Result<Vec<_>, _>>()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What a failing helper prints may hold what it was asked for.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "was not found".to_owned(),
            _ => format!("could not be started: {error}"),
        })?;
    let mut output = child.stdout.take().ok_or("gave no output")?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.min(MAX_SECRET) + 1));
    loop {
        // Never beyond the room reserved above, so that the buffer does not move.
        let free = bytes.capacity() - bytes.len();
        let most = u64::try_from(free).unwrap_or(u64::MAX);
        let read = (&mut output).take(most).read_buf(&mut *bytes).await;
        let read = read.map_err(|error| format!("its output can not be read: {error}"))?;
        if bytes.len() > limit.min(MAX_SECRET) {
            return Err(format!("printed more than {} KiB and was stopped", MAX_SECRET >> 10));
        }
        if read == 0 {
            break;
        }
    }
    let status = child.wait().await.map_err(|error| format!("could not be waited for: {error}"))?;
    if !status.success() {
        return Err(format!("failed with {status}; run it by hand to see why"));
    }
    Ok(bytes)
}

fn filled(argument: &str, username: Option<&str>) -> Result<String, String> {
    if !argument.contains("{username}") {
        return Ok(argument.to_owned());
    }
    let username = username.ok_or("needs a user name for {username}, and none is known here")?;
    if username.contains('\0') || (argument.starts_with("{username}") && username.starts_with('-')) {
        return Err("the user name can not stand in a command: it would be taken for an option".to_owned());
    }
    Ok(argument.replace("{username}", username))
}
