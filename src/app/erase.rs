//! Erasing: what is meant, what is done, and what is left of it: a line in the log and a note in the journal, with
//! counts, and without what was meant.
//!
//! The same for the admin API and for a command that finds no daemon. Deliberately absent: who may ask (`admin`), and
//! printing.

use crate::admin::{Erase, Refusal};
use crate::base::time::rfc3339;
use crate::inbound::quarantine::Quarantine;
use crate::journal::{Erasable, Journal, Selector};
use crate::outbound::settings::SinkConfig;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What was, or would be, removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub dry_run: bool,
    /// `interaction`, `agent` or `field`.
    pub by: String,
    #[serde(flatten)]
    pub found: Erasable,
    /// Replies that could not be read and hold the text.
    pub quarantined: u64,
}

/// One note of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    pub at: String,
    #[serde(flatten)]
    pub report: Report,
}

const NOTES: &str = "erased/";
/// Whoever asks a daemon is answered by then, also where it takes longer.
const PATIENCE: Duration = Duration::from_secs(25);

/// As [`act`], to its end even if whoever asked does not wait for it.
pub async fn in_the_daemon(
    asked: Erase,
    journal: &Journal,
    sinks: &Arc<[SinkConfig]>,
    state_dir: &Arc<Path>,
) -> Result<Value, Refusal> {
    let (journal, sinks, state_dir) = (journal.clone(), Arc::clone(sinks), Arc::clone(state_dir));
    let work = tokio::spawn(async move { act(&asked, &journal, &sinks, &state_dir).await });
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => serde_json::to_value(done.map_err(unavailable)??).map_err(unavailable),
        Err(_) => Ok(json!({"running": true})),
    }
}

/// Does it, or only says what it would do.
pub async fn act(
    asked: &Erase,
    journal: &Journal,
    sinks: &[SinkConfig],
    state_dir: &Path,
) -> Result<Report, Refusal> {
    let selector = selector(asked).map_err(Refusal::Invalid)?;
    let sinks: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
    let found = journal.erasable(&selector, &sinks).await.map_err(unavailable)?;
    let quarantined = quarantined(&selector, state_dir, asked.dry_run).await;
    let count = quarantined.as_ref().copied().unwrap_or_default();
    let report = Report { dry_run: asked.dry_run, by: selector.kind().to_owned(), found, quarantined: count };
    if !asked.dry_run {
        let erased = journal.erase(&selector, &sinks).await;
        leave_a_trace(&report, erased.is_ok() && quarantined.is_ok(), journal).await?;
        erased.map_err(unavailable)?;
    }
    quarantined?;
    Ok(report)
}

fn selector(asked: &Erase) -> Result<Selector, String> {
    let Erase { interaction, agent, field, dry_run: _ } = asked;
    let selector = match (interaction, agent, field) {
        (Some(id), None, None) => Selector::Interaction(id.clone()),
        (None, Some(agent), None) => Selector::Agent(agent.clone()),
        (None, None, Some(field)) => Selector::field(field).map_err(|what| format!("field: {what}"))?,
        _ => return Err("say one of interaction, agent and field".to_owned()),
    };
    match &selector {
        Selector::Interaction(name) | Selector::Agent(name) if name.is_empty() => {
            Err(format!("{}: an empty one is nobody's", selector.kind()))
        }
        _ => Ok(selector),
    }
}

async fn quarantined(selector: &Selector, state_dir: &Path, dry_run: bool) -> Result<u64, Refusal> {
    let (texts, quarantine) = (selector.texts(), Quarantine::of(state_dir));
    let looked = tokio::task::spawn_blocking(move || quarantine.erase(&texts, dry_run)).await;
    looked.map_err(unavailable)?.map_err(|error| Refusal::Unavailable(format!("quarantine: {error}")))
}

async fn leave_a_trace(report: &Report, complete: bool, journal: &Journal) -> Result<(), Refusal> {
    let Report { by, found, quarantined, .. } = report;
    let undelivered: u64 = found.undelivered.values().copied().max().unwrap_or(0);
    tracing::warn!(
        audit = true,
        action = "erase",
        by,
        complete,
        events = found.events,
        dead_letters = found.dead_letters,
        parked = found.parked,
        damaged = found.damaged,
        known = found.known,
        transcripts = found.transcripts,
        contexts = found.contexts,
        quarantined,
        undelivered,
        "an operator erases from the journal"
    );
    let value = serde_json::to_string(report).map_err(unavailable)?;
    let name = format!("{NOTES}{}", rfc3339(Timestamp::now().as_millisecond()));
    journal.set_note(&name, Some(&value)).await.map_err(unavailable)
}

/// What was erased when, oldest first.
pub async fn erased(journal: &Journal) -> Result<Vec<Note>, Refusal> {
    let notes = journal.notes(NOTES).await.map_err(unavailable)?;
    let note = |(name, value): (String, String)| {
        let report = serde_json::from_str(&value).ok()?;
        Some(Note { at: name.strip_prefix(NOTES)?.to_owned(), report })
    };
    Ok(notes.into_iter().filter_map(note).collect())
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_meant_and_it_has_a_name() {
        let some = |text: &str| Some(text.to_owned());
        for (asked, said) in [
            (Erase::default(), "say one of"),
            (Erase { interaction: some("x"), agent: some("y"), ..Erase::default() }, "say one of"),
            (Erase { agent: some(""), ..Erase::default() }, "agent: an empty one"),
            (Erase { field: some("a"), ..Erase::default() }, "field: there is no ="),
        ] {
            let error = selector(&asked).map(|_| ()).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        assert!(selector(&Erase { interaction: some("x"), ..Erase::default() }).is_ok());
    }
}
