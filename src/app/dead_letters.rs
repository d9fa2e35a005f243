//! `cometbridge dead-letters`: asks the running daemon, or opens the files where none runs.

use crate::app::cli::{DeadLetters, ListDeadLetters};
use crate::app::remote::Remote;
use crate::app::run::settings;
use crate::app::{Fault, print};
use crate::config::Settings;
use crate::journal::{self, DeadLetter};
use anyhow::{Context, anyhow};
use std::fmt::Write;

pub async fn run(command: DeadLetters) -> Result<(), Fault> {
    let DeadLetters::List(arguments) = command;
    let settings = settings(&arguments.configured)?;
    if let Some(sink) = &arguments.sink
        && !settings.sinks.iter().any(|known| known.name == *sink)
    {
        let names: Vec<&str> = settings.sinks.iter().map(|sink| sink.name.as_str()).collect();
        return Err(Fault::Failed(anyhow!("--sink {sink}: no such sink; there are: {}", names.join(", "))));
    }
    let limit = usize::try_from(arguments.limit).context("--limit")?;
    let offline =
        journal::dead_letters_offline(&settings.journal.state_dir, arguments.sink.as_deref(), limit);
    let letters = match offline {
        Ok(letters) => letters,
        Err(journal::Error::Locked { .. }) => ask(&settings, &arguments).await?,
        Err(error) => return Err(error.into()),
    };
    print(&if arguments.json { as_json(&letters)? } else { as_text(&letters) })
}

async fn ask(settings: &Settings, arguments: &ListDeadLetters) -> Result<Vec<DeadLetter>, Fault> {
    let limit = arguments.limit.to_string();
    let query = [("limit", Some(limit.as_str())), ("sink", arguments.sink.as_deref())];
    let answer = Remote::new(settings).await?.get(&["dead-letters"], &query).await?;
    Ok(serde_json::from_value(answer).context("the running daemon's answer")?)
}

fn as_json(letters: &[DeadLetter]) -> Result<String, Fault> {
    let mut out = String::new();
    for letter in letters {
        out.push_str(&serde_json::to_string(letter)?);
        out.push('\n');
    }
    Ok(out)
}

fn as_text(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let mut out = String::new();
    for letter in letters {
        let DeadLetter { number, sink, id, reason, detail, attempts, last_failure, .. } = letter;
        // Writing to a String can not fail.
        let _ = writeln!(
            out,
            "{number}  {last_failure}  {sink}  {id}  {reason} after {attempts} attempts: {detail}"
        );
    }
    out
}
