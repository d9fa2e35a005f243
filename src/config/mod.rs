//! Text → raw shapes → checked settings; every problem with file, line and column, all of them at once.
//!
//! 1. `layers` reads the files, the environment and `--set`; `tree` keeps where everything stands.
//! 2. `walk` goes over each layer beside the known keys (`keys`, derived from `raw`) and sets faulty parts aside.
//! 3. `merge` lays the rest over the compiled-in defaults with the `config` crate, serde makes raw shapes of it.
//! 4. `check` turns raw shapes into settings and collects what does not fit together.
//!
//! A fault in one step does not hide those of the next: only a file that could not be read as TOML ends it early,
//! as everything would seem to be missing. Deliberately absent: reading secrets (only whether they can be read is
//! looked at), and any fallback from a bad value to a default.

mod check;
mod excerpt;
mod findings;
mod keys;
mod layers;
mod merge;
mod print;
mod problems;
mod raw;
mod tree;
mod units;
mod walk;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_asking;
#[cfg(test)]
mod tests_collect;
#[cfg(test)]
mod tests_examples;
#[cfg(test)]
mod tests_groups;
#[cfg(test)]
mod tests_meaning;
#[cfg(test)]
mod tests_places;
#[cfg(test)]
mod tests_privacy;
#[cfg(test)]
mod tests_secrets;
#[cfg(test)]
mod tests_sinks;
#[cfg(test)]
mod tests_spelling;
#[cfg(test)]
mod tests_webhooks;

pub use keys::json_schema;
pub use layers::Sources;
pub use print::print_config;
pub use problems::{Problem, Problems};

use crate::base::secret::SecretRef;
use crate::{inbound, journal, outbound};
use findings::Findings;
use std::net::SocketAddr;
use std::time::Duration;

/// Every key, its default and a comment, as it is compiled in.
pub const DEFAULTS: &str = include_str!("../../config/cometbridge.toml");

/// The fewest characters of a `state_key`: fewer could be guessed.
pub const MIN_STATE_KEY: usize = 16;

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub journal: journal::Config,
    /// What client ids and cookies are encrypted with where they stand in `state_dir`; at least
    /// [`MIN_STATE_KEY`] characters when it is read.
    pub state_key: Option<SecretRef>,
    pub log: LogSettings,
    pub admin: AdminSettings,
    /// How long a stop waits for sinks to finish what they have in hand.
    pub stop_grace: Duration,
    /// At least one, by name.
    pub sites: Vec<inbound::settings::SiteConfig>,
    /// At least one, by kind and name.
    pub sinks: Vec<outbound::settings::SinkConfig>,
    /// When transcripts are made; they are where a sink wants some.
    pub transcript: outbound::transcript::Config,
    /// Every reference to a secret with its key's path, so that a check can try them all.
    pub secrets: Vec<(String, SecretRef)>,
    /// The merged configuration as it was written, for [`print_config`].
    pub effective: Effective,
}

/// The merged configuration as it was written: references instead of secrets, units in values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective(serde_json::Value);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    pub level: tracing::Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub struct AdminSettings {
    pub listen: SocketAddr,
    /// Always there where `listen` is not on loopback.
    pub token: Option<SecretRef>,
}

/// A time as it stands in a configuration.
pub fn written(time: Duration) -> String {
    units::Duration(time).to_string()
}

/// What the configuration is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To do what it says: everything that it names has to be there.
    Act,
    /// To ask the running daemon. Files and secrets are the daemon's: that one of them is missing here, or kept from
    /// whoever asks, must not stand between an operator and a pause. Only the token is needed to ask.
    Ask,
}

/// Reads, merges and checks the configuration. Touches no network; looks at the files that it names.
pub fn load(sources: &Sources) -> Result<Settings, Problems> {
    load_to(Purpose::Act, sources)
}

/// The same, as far as the purpose needs it.
pub fn load_to(purpose: Purpose, sources: &Sources) -> Result<Settings, Problems> {
    let mut found = Findings::default();
    let (layers, whole) = layers::gather(sources, &mut found);
    let keys = keys::keys();
    let names = layers.iter().map(|layer| layer.origin.to_string());
    let clean: Vec<_> = names
        .zip(layers.iter().enumerate().map(|(index, layer)| walk::check(&keys, index, layer, &mut found)))
        .collect();
    // Without the text of a broken file all that it says would seem to be missing.
    let settings = if whole { settings(purpose, sources, &layers, clean, &mut found) } else { None };
    match settings {
        Some(settings) if found.list.is_empty() => Ok(settings),
        _ => Err(Problems::new(purpose, found, &layers)),
    }
}

fn settings(
    purpose: Purpose,
    sources: &Sources,
    layers: &[layers::Layer],
    clean: Vec<(String, walk::Clean)>,
    found: &mut Findings,
) -> Option<Settings> {
    // The compiled-in text is parsed by a test; an empty table would only make every key seem missing.
    let defaults = tree::parse(DEFAULTS);
    let defaults = defaults.unwrap_or_else(|_| tree::Node::nested(&[], tree::Value::Table([].into())));
    let merged = merge::merge(defaults, clean).and_then(|merged| {
        let effective: serde_json::Value = merged.clone().try_deserialize()?;
        Ok((merged, Effective(effective)))
    });
    let (merged, effective) = match merged {
        Ok(merged) => merged,
        Err(error) => {
            found.merged(layers, &tree::Path::default(), error.to_string()).hidden();
            return None;
        }
    };
    match serde_path_to_error::deserialize(merged) {
        Ok(raw) => check::Check { purpose, sources, layers, found, secrets: Vec::new(), privacy_key: None }
            .settings(raw, effective),
        Err(error) => {
            // The walk has been over everything: this is a key that raw shapes and walk disagree about.
            let path = path_of(error.path());
            found.merged(layers, &path, error.inner().to_string()).hidden();
            None
        }
    }
}

fn path_of(path: &serde_path_to_error::Path) -> tree::Path {
    use serde_path_to_error::Segment;
    path.iter().fold(tree::Path::default(), |path, segment| match segment {
        Segment::Map { key } => path.key(key),
        Segment::Enum { variant } => path.key(variant),
        Segment::Seq { index } => path.index(*index),
        Segment::Unknown => path,
    })
}
