//! The roster: which agents to hold, and where each one's password stands.
//!
//! A CSV file with the columns `agent,username`; where there is no bundle for all, one of `password_file`,
//! `password_env`, `password_credential`; and optionally `group`, `base_url`, `exclude`. `line` reads one line,
//! `change` compares two rosters, `watch` decides what a new content means, `begin` what the file means at a start,
//! for which `kept` has the roster that was in force. Deliberately absent: passwords themselves (they are read at
//! each login), and who starts or ends sessions (`app`).

mod begin;
mod change;
mod kept;
mod line;
#[cfg(test)]
mod tests;
mod watch;

pub use begin::{Begun, Waiting, begin, in_force, waiting};
pub use change::{Change, accepts, diff, too_much};
pub use kept::{forget_others, keep};
pub use line::COLUMNS;
pub use watch::{Held, Looked, Status, Watch};

use crate::base::secret::SecretRef;
use crate::inbound::settings::SiteConfig;
use line::Line;
use std::collections::HashSet;
use std::path::Path;
use url::Url;

/// One line of the roster.
#[derive(Clone, PartialEq, Eq)]
pub struct Agent {
    /// Opaque key: stands in envelopes and logs. Never the login.
    pub key: String,
    pub username: String,
    /// Of this agent alone; absent where the roster has one place for all.
    pub password: Option<SecretRef>,
    /// One of the site's groups: what the agent is sent with.
    pub group: Option<String>,
    /// In place of the group's and the site's.
    pub base_url: Option<Url>,
}

impl std::fmt::Debug for Agent {
    /// The login is personal: it is not printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("key", &self.key).field("group", &self.group).finish_non_exhaustive()
    }
}

/// What is wrong with a roster; every faulty line is listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(pub Vec<String>);

/// Largest roster read; a hundred thousand agents fit.
pub const MAX_BYTES: u64 = 32 << 20;
/// Faults listed by line; of more only the number is said.
const MAX_FAULTS: usize = 100;

/// Reads the site's roster file as it is; all faults are reported at once, by line.
pub fn read(site: &SiteConfig) -> Result<Vec<Agent>, Error> {
    parse(&content(&site.roster.file)?, &site.roster.file, site)
}

/// The bytes of a roster file, [`MAX_BYTES`] at most.
pub fn content(path: &Path) -> Result<Vec<u8>, Error> {
    // Looked at before it is opened: opening a named pipe would wait for a writer.
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error(vec![format!("{}: is not a plain file", path.display())])),
        _ => given(path),
    }
}

/// The same of what somebody gives once, which may be a pipe.
pub fn given(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let one = |reason: String| Error(vec![format!("{}: {reason}", path.display())]);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| one(e.to_string()))?;
    // One byte more than allowed shows that there is more; the file may grow while it is read.
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| one(e.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(one(format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Whether the roster's file has this agent and says not to hold it.
pub fn excludes(site: &SiteConfig, key: &str) -> bool {
    let path = &site.roster.file;
    let lines = content(path).and_then(|bytes| lines(&bytes, path, site));
    lines.is_ok_and(|lines| lines.iter().any(|(agent, excluded)| *excluded && agent.key == key))
}

/// The agents to hold, perhaps none: excluded ones are checked like the others, and left out. `path` is for messages only.
pub fn parse(bytes: &[u8], path: &Path, site: &SiteConfig) -> Result<Vec<Agent>, Error> {
    let lines = lines(bytes, path, site)?;
    Ok(lines
        .into_iter()
        .filter(|(_, excluded)| *excluded != line::EXCLUDED)
        .map(|(agent, _)| agent)
        .collect())
}

/// Every agent, and whether it is [`line::EXCLUDED`].
fn lines(bytes: &[u8], path: &Path, site: &SiteConfig) -> Result<Vec<(Agent, bool)>, Error> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bytes);
    // A spreadsheet's "Unicode text" is UTF-16: no text at all here, or one with a NUL in each character.
    let headers =
        reader.headers().ok().filter(|headers| !headers.iter().any(|name| name.contains('\0'))).cloned();
    let Some(headers) = headers else {
        return Err(Error(vec![format!(
            "{}:1: not a text in UTF-8; save it as CSV in UTF-8",
            path.display()
        )]));
    };
    let faults = of_columns(&headers, path);
    if !faults.is_empty() {
        return Err(Error(faults));
    }
    let mut faults = Faults { path, list: Vec::new(), more: 0 };
    let (mut agents, mut keys, mut names) = (Vec::new(), HashSet::new(), HashSet::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.add(error.position(), "not a line of CSV in UTF-8".to_owned());
                continue;
            }
        };
        let at = record.position();
        // A line of spaces says as little as an empty one, which is no record at all.
        if record.len() == 1 && record.get(0) == Some("") {
            continue;
        }
        if record.len() != headers.len() {
            let (found, expected) = (record.len(), headers.len());
            faults.add(at, format!("{found} fields, the first line names {expected} columns"));
            continue;
        }
        match (Line { headers: &headers, record: &record, site }).agent() {
            Err(reason) => faults.add(at, reason),
            Ok((agent, _)) if !keys.insert(agent.key.clone()) => {
                faults.add(at, format!("agent \"{}\" stands in an earlier line already", agent.key));
            }
            Ok((agent, _)) if !names.insert(agent.username.to_lowercase()) => {
                let what =
                    format!("the user name of agent \"{}\" stands in an earlier line already", agent.key);
                faults.add(at, what);
            }
            Ok(line) => agents.push(line),
        }
    }
    let mut list = faults.list;
    if faults.more > 0 {
        list.push(format!("{}: and {} more lines with a fault", path.display(), faults.more));
    }
    if list.is_empty() { Ok(agents) } else { Err(Error(list)) }
}

fn of_columns(headers: &csv::StringRecord, path: &Path) -> Vec<String> {
    let place = format!("{}:1", path.display());
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for name in headers.iter() {
        let shown: String = name.chars().take(64).collect();
        if !COLUMNS.contains(&name) {
            let allowed = COLUMNS.join(", ");
            faults.push(format!("{place}: unknown column \"{}\"; allowed: {allowed}", shown.escape_debug()));
        } else if !seen.insert(name) {
            faults.push(format!("{place}: the column \"{name}\" stands twice"));
        }
    }
    for name in ["agent", "username"].into_iter().filter(|name| !seen.contains(name)) {
        faults.push(format!("{place}: the column \"{name}\" is missing (the first line names the columns)"));
    }
    faults.truncate(MAX_FAULTS);
    faults
}

struct Faults<'a> {
    path: &'a Path,
    list: Vec<String>,
    more: usize,
}

impl Faults<'_> {
    fn add(&mut self, at: Option<&csv::Position>, reason: String) {
        if self.list.len() >= MAX_FAULTS {
            self.more = self.more.saturating_add(1);
            return;
        }
        let line = at.map(csv::Position::line).unwrap_or_default();
        self.list.push(format!("{}:{line}: {reason}", self.path.display()));
    }
}
