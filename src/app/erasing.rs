//! `cometbridge erase`: asks the running daemon, or opens the files where none runs.
//!
//! Deliberately absent: what it means to erase (see `erase`).

use crate::admin;
use crate::app::cli::Erase;
use crate::app::erase::{self, Note, Report};
use crate::app::remote::Remote;
use crate::app::run::settings_to_ask;
use crate::app::{Fault, dead_letters, print, telemetry};
use crate::journal;
use anyhow::Context;
use serde_json::Value;
use std::fmt::Write;

pub async fn run(arguments: Erase) -> Result<(), Fault> {
    if arguments.whom.list {
        return list(arguments).await;
    }
    let settings = settings_to_ask(&arguments.configured)?;
    let Erase { whom, dry_run, json, .. } = arguments;
    let asked = admin::Erase { interaction: whom.interaction, agent: whom.agent, field: whom.field, dry_run };
    let answer = match dead_letters::open(&settings) {
        Ok(journal) => {
            // The line that an operator's act leaves belongs to standard error then.
            telemetry::start(&settings.log);
            let done = erase::act(&asked, &journal, &settings.sinks, &settings.journal.state_dir).await;
            journal.close().await;
            serde_json::to_value(done.map_err(dead_letters::refused)?)?
        }
        Err(journal::Error::Locked { .. }) => {
            let body = serde_json::to_vec(&asked)?;
            Remote::new(&settings).await?.post(&["erase"], &[], body).await?
        }
        Err(error) => return Err(error.into()),
    };
    print(&if json { format!("{answer}\n") } else { as_text(&answer)? })
}

async fn list(arguments: Erase) -> Result<(), Fault> {
    let settings = settings_to_ask(&arguments.configured)?;
    let notes = match dead_letters::open(&settings) {
        Ok(journal) => {
            let notes = erase::erased(&journal).await;
            journal.close().await;
            notes.map_err(dead_letters::refused)?
        }
        Err(journal::Error::Locked { .. }) => {
            let answer = Remote::new(&settings).await?.get(&["erased"], &[]).await?;
            serde_json::from_value(answer).context("the running daemon's answer")?
        }
        Err(error) => return Err(error.into()),
    };
    let mut out = String::new();
    for note in &notes {
        // Writing to a String can not fail.
        let _ = if arguments.json {
            writeln!(out, "{}", serde_json::to_string(note)?)
        } else {
            let Note { at, report: Report { by, found, quarantined, .. } } = note;
            writeln!(
                out,
                "{at}  by {by}: {} events, {} dead letters, {} parked, {} damaged, {} known, {quarantined} files",
                found.events, found.dead_letters, found.parked, found.damaged, found.known
            )
        };
    }
    print(if out.is_empty() && !arguments.json { "nothing was erased yet\n" } else { &out })
}

fn as_text(answer: &Value) -> Result<String, Fault> {
    if answer["running"] == true {
        let text = "the daemon is at it still; a line with action=erase in its log says when it is done, and --dry-run \
                    what is left\n";
        return Ok(text.to_owned());
    }
    let report: Report = serde_json::from_value(answer.clone()).context("the answer")?;
    let found = &report.found;
    let mut out = String::new();
    for (count, what) in [
        (found.events, "events"),
        (found.dead_letters, "dead letters"),
        (found.parked, "parked events"),
        (found.damaged, "damaged rows"),
        (found.known, "resources as sessions know them"),
        (found.transcripts, "conversations kept for transcripts"),
        (found.contexts, "interactions with values kept for context"),
        (report.quarantined, "files in quarantine"),
    ] {
        let _ = writeln!(out, "{count:>9}  {what}");
    }
    for (sink, count) in found.undelivered.iter().filter(|(_, count)| **count > 0) {
        let will = if report.dry_run { "would not be" } else { "are not" };
        let _ = writeln!(
            out,
            "{count:>9}  of the events {will} delivered by sink {sink}, which has not settled them"
        );
    }
    let done = if report.dry_run { "nothing was done" } else { "erased" };
    let _ = writeln!(out, "{done}");
    Ok(out)
}
