//! Values that sinks want with an interaction's events: what is kept for them, and what `check` says of it.
//!
//! Deliberately absent: learning them (`inbound::dedup`), and what of them a sink may have (`outbound::mask`).

use crate::config::Settings;
use crate::inbound::dedup::Contexts;
use crate::journal::{self, Journal};
use crate::outbound::settings::SinkConfig;
use std::sync::Arc;

/// For all sinks together. What an earlier process kept under paths that none names any more goes.
pub async fn begin(settings: &Settings, journal: &Journal) -> Result<Contexts, Arc<journal::Error>> {
    let mut paths: Vec<String> = Vec::new();
    for path in settings.sinks.iter().flat_map(|sink| &sink.context) {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    let contexts = Contexts::new(&settings.sites, &paths, settings.journal.dedup_window);
    journal.keep_contexts(&contexts.paths()).await?;
    Ok(contexts)
}

/// Paths that a site does not collect.
pub fn notes(settings: &Settings, sink: &SinkConfig) -> Vec<String> {
    let mut notes = Vec::new();
    for site in &settings.sites {
        let Some(left_out) = &site.left_out else { continue };
        let missing = sink.context.iter().filter(|path| !left_out.keeps_of_interaction(path));
        notes.extend(missing.map(|path| {
            let name = &site.name;
            format!("context: {path:?} is not collected at site {name} (site.{name}.collect)")
        }));
    }
    notes
}
