//! Raw shapes → settings: what values mean and whether they fit together. Faults are collected, never thrown.
//!
//! Deliberately absent: types and spelling (see `walk`), and anything that needs a network.

mod channels;
mod collect;
mod common;
mod context;
mod files;
mod group;
mod http;
mod kafka;
mod privacy;
mod route;
mod sink;
mod site;
mod transcript;
mod webhook;

use super::findings::{Finding, Findings, locate};
use super::layers::{Layer, Sources};
use super::raw::{self, Raw};
use super::tree::Path;
use super::{AdminSettings, Effective, LogFormat, LogSettings, Purpose, Settings};
use crate::base::secret::SecretRef;
use crate::journal;
use route::Door;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

/// What every check has at hand.
pub(super) struct Check<'a> {
    pub purpose: Purpose,
    pub sources: &'a Sources,
    pub layers: &'a [Layer],
    pub found: &'a mut Findings,
    pub secrets: Vec<(String, SecretRef)>,
    /// Where it stands, once it was looked at.
    pub privacy_key: Option<SecretRef>,
}

const MILLI: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

impl Check<'_> {
    /// The settings; nothing, or something half right, where faults were found.
    pub(super) fn settings(mut self, raw: Raw, effective: Effective) -> Option<Settings> {
        let root = Path::default();
        let stop_grace = self.span(&root.key("stop_grace"), raw.stop_grace, MILLI, HOUR);
        let transcript = self.transcript(&root.key("transcript"), &raw.transcript);
        let journal = self.journal(&raw);
        let admin = self.admin(&root.key("admin"), &raw.admin);
        let state_key = raw.state_key.as_ref();
        let state_key = state_key.and_then(|place| self.secret(&root.key("state_key"), place, false));
        let privacy_key = raw.privacy_key.as_ref();
        self.privacy_key = privacy_key.and_then(|place| self.secret(&root.key("privacy_key"), place, false));
        let door = |(name, site): (&String, &raw::Site)| Door {
            name: name.clone(),
            scope: site.dedup_scope,
            groups: site.group.keys().cloned().collect(),
        };
        let doors: Vec<Door> = raw.site.iter().map(door).collect();
        let sites = self.sites(&root.key("site"), raw.site);
        let sinks = self.sinks(&root.key("sink"), raw.sink, &doors);
        let log = LogSettings { format: log_format(raw.log.format), level: log_level(raw.log.level) };
        Some(Settings {
            journal,
            state_key,
            log,
            admin: admin?,
            stop_grace,
            sites,
            sinks,
            transcript,
            secrets: self.secrets,
            effective,
        })
    }

    fn journal(&mut self, raw: &Raw) -> journal::Config {
        let root = Path::default();
        if raw.state_dir.is_empty() {
            self.fault(&root.key("state_dir"), "the directory's name is empty");
        }
        let at = root.key("journal");
        journal::Config {
            state_dir: (&raw.state_dir).into(),
            keep_delivered: self.span(
                &at.key("keep_delivered"),
                raw.journal.keep_delivered,
                Duration::ZERO,
                YEAR,
            ),
            dedup_window: self.span(&root.key("dedup").key("window"), raw.dedup.window, MINUTE, YEAR),
            reserve_bytes: self.size(&at.key("reserve"), raw.journal.reserve, 1 << 12, 1 << 34),
            keep_gaps: self.span(&at.key("keep_gaps"), raw.journal.keep_gaps, HOUR, YEAR),
            keep_dead_letters: self.span(
                &at.key("keep_dead_letters"),
                raw.journal.keep_dead_letters,
                MINUTE,
                YEAR,
            ),
            max_dead_letters: self
                .number(&at.key("max_dead_letters"), raw.journal.max_dead_letters, 1, 10_000_000)
                .into(),
            keep_drafts: raw.transcript.keep.0,
            accept_shortened: false,
        }
    }

    fn admin(&mut self, at: &Path, raw: &raw::Admin) -> Option<AdminSettings> {
        let token = raw.token.as_ref().and_then(|token| self.secret(&at.key("token"), token, false));
        let listen: SocketAddr = match raw.listen.parse() {
            Ok(listen) => listen,
            Err(_) => {
                let what =
                    format!("{:?} is not an address and a port such as \"127.0.0.1:9464\"", raw.listen);
                self.fault(&at.key("listen"), what);
                return None;
            }
        };
        if !listen.ip().is_loopback() && raw.token.is_none() {
            let what = "beyond loopback callers have to show a token";
            if !self.found.covers(&at.key("token")) {
                let either =
                    ["a loopback address such as \"127.0.0.1:9464\"", "or admin.token = { file = \"…\" }"];
                self.fault(&at.key("listen"), what).allowed(either);
            }
        }
        Some(AdminSettings { listen, token })
    }

    fn fault(&mut self, path: &Path, what: impl Into<String>) -> &mut Finding {
        self.found.merged(self.layers, path, what)
    }

    /// A key that must be there and is not.
    fn missing(&mut self, path: &Path, what: impl Into<String>) {
        if !self.found.covers(path) {
            self.fault(path, what);
        }
    }

    /// Whether any layer beyond the defaults says something at `path`.
    fn given(&self, path: &Path) -> bool {
        locate(self.layers, path)
            .and_then(|(layer, _)| self.layers.get(layer))
            .is_some_and(|layer| layer.root.descend(path).1 == path.0.len())
    }

    fn within<T: PartialOrd + Display>(&mut self, path: &Path, value: &T, least: &T, most: &T) {
        if value < least || value > most {
            let allowed = format!("{least} to {most}");
            self.fault(path, format!("{value} is out of bounds")).allowed([allowed.as_str()]);
        }
    }

    fn number(&mut self, path: &Path, value: u32, least: u32, most: u32) -> u32 {
        self.within(path, &value, &least, &most);
        value
    }

    fn span(
        &mut self,
        path: &Path,
        value: super::units::Duration,
        least: Duration,
        most: Duration,
    ) -> Duration {
        use super::units::Duration as Written;
        if value.0 < least || value.0 > most {
            let allowed = format!("\"{}\" to \"{}\"", Written(least), Written(most));
            self.fault(path, format!("{value} is out of bounds")).allowed([allowed.as_str()]);
        }
        value.0
    }

    fn size(&mut self, path: &Path, value: super::units::Size, least: u64, most: u64) -> u64 {
        use super::units::Size as Written;
        if value.0 < least || value.0 > most {
            let allowed = format!("\"{}\" to \"{}\"", Written(least), Written(most));
            self.fault(path, format!("{value} is out of bounds")).allowed([allowed.as_str()]);
        }
        value.0
    }
}

fn log_format(raw: raw::LogFormat) -> LogFormat {
    match raw {
        raw::LogFormat::Text => LogFormat::Text,
        raw::LogFormat::Json => LogFormat::Json,
    }
}

fn log_level(raw: raw::LogLevel) -> tracing::Level {
    match raw {
        raw::LogLevel::Error => tracing::Level::ERROR,
        raw::LogLevel::Warn => tracing::Level::WARN,
        raw::LogLevel::Info => tracing::Level::INFO,
        raw::LogLevel::Debug => tracing::Level::DEBUG,
        raw::LogLevel::Trace => tracing::Level::TRACE,
    }
}
