//! `cometbridge dead-letters`: asks the running daemon, or opens the files where none runs.
//!
//! Deliberately absent: what it means to redrive or purge (see `letters`).

use crate::admin::{Letters, Refusal};
use crate::app::cli::{ActOnLetters, DeadLetters, ListDeadLetters, ShowLetter, Which};
use crate::app::letters::{self, Action, Shown};
use crate::app::remote::Remote;
use crate::app::run::settings_to_ask;
use crate::app::{Fault, print, telemetry};
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::config::Settings;
use crate::journal::{self, DeadLetter, Journal, LetterCount, LetterFilter};
use anyhow::{Context, anyhow};
use serde_json::Value;
use std::fmt::Write;

pub async fn run(command: DeadLetters) -> Result<(), Fault> {
    match command {
        DeadLetters::List(arguments) => list(arguments).await,
        DeadLetters::Show(arguments) => show(arguments).await,
        DeadLetters::Redrive(arguments) => act(Action::Redrive, arguments).await,
        DeadLetters::Purge(arguments) => act(Action::Purge, arguments).await,
    }
}

async fn list(arguments: ListDeadLetters) -> Result<(), Fault> {
    let settings = settings_to_ask(&arguments.configured)?;
    let limit = usize::try_from(arguments.limit).context("--limit")?;
    let asked = which(&arguments.which);
    let filter =
        letters::filter(&asked, &settings.sinks).map_err(|reason| Fault::Failed(anyhow!("--{reason}")))?;
    let found = match offline(&settings, filter, limit).await? {
        Err(journal::Error::Locked { .. }) => {
            let limit = arguments.limit.to_string();
            let mut query = query(&asked);
            query.push(("limit", Some(limit)));
            let answer = Remote::new(&settings).await?.get(&["dead-letters"], &borrowed(&query)).await?;
            serde_json::from_value(answer).context("the running daemon's answer")?
        }
        other => {
            let (found, secret) = other?;
            let found = letters::as_the_sinks_may_see(found, &settings.sinks, &secret).await;
            found.map_err(|reason| Fault::Failed(anyhow!(reason)))?
        }
    };
    print(&if arguments.json { as_json(&found)? } else { as_text(&found) })
}

/// From the files; an id is one as it is listed, or the journal's own.
async fn offline(
    settings: &Settings,
    mut filter: LetterFilter,
    limit: usize,
) -> Result<Result<(Vec<DeadLetter>, [u8; 32]), journal::Error>, Fault> {
    let state_dir = &settings.journal.state_dir;
    if let Some(rest) = letters::shown(&filter) {
        match journal::dead_letter_ids_offline(state_dir, &rest) {
            Ok((ids, secret)) => {
                let recorded = letters::as_recorded(filter, ids, &settings.sinks, &secret).await;
                filter = recorded.map_err(|reason| Fault::Failed(anyhow!(reason)))?;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(journal::dead_letters_offline(state_dir, &filter, limit))
}

async fn show(arguments: ShowLetter) -> Result<(), Fault> {
    let settings = settings_to_ask(&arguments.configured)?;
    let number = arguments.number;
    let answer = match open(&settings) {
        Ok(journal) => {
            let shown = letters::show(&journal, number, &settings.sinks).await;
            journal.close().await;
            shown.map_err(refused)?
        }
        Err(journal::Error::Locked { .. }) => {
            Remote::new(&settings).await?.get(&["dead-letters", &number.to_string()], &[]).await?
        }
        Err(error) => return Err(error.into()),
    };
    if arguments.json {
        return print(&format!("{answer}\n"));
    }
    let shown: Shown = serde_json::from_value(answer).context("the answer")?;
    print(&one(&shown)?)
}

async fn act(action: Action, arguments: ActOnLetters) -> Result<(), Fault> {
    let settings = settings_to_ask(&arguments.configured)?;
    let asked = Letters {
        rate: arguments.rate,
        dry_run: arguments.dry_run,
        all: arguments.all,
        ..which(&arguments.which)
    };
    let answer = match open(&settings) {
        Ok(journal) => {
            // The line that every action leaves goes to standard error here.
            telemetry::start(&settings.log);
            let done = letters::act(action, &journal, &asked, &settings.sinks).await;
            journal.close().await;
            done.map_err(refused)?
        }
        Err(journal::Error::Locked { .. }) => {
            let word = if action == Action::Redrive { "redrive" } else { "purge" };
            let query = query(&asked);
            Remote::new(&settings).await?.post(&["dead-letters", word], &borrowed(&query), Vec::new()).await?
        }
        Err(error) => return Err(error.into()),
    };
    print(&if arguments.json { format!("{answer}\n") } else { done(action, &answer)? })
}

/// The journal of a daemon that does not run. Who looks or removes does not make one.
pub(super) fn open(settings: &Settings) -> Result<Journal, journal::Error> {
    journal::exists(&settings.journal.state_dir)?;
    let metrics = Metrics::new().map_err(|error| journal::Error::Failed(error.to_string()))?;
    let (journal, _) = Journal::open(settings.journal.clone(), Clock::system(), metrics, Health::default())?;
    Ok(journal)
}

pub(super) fn refused(refusal: Refusal) -> Fault {
    let (Refusal::Invalid(text) | Refusal::NotFound(text) | Refusal::Unavailable(text)) = refusal;
    Fault::Failed(anyhow!(text))
}

fn which(which: &Which) -> Letters {
    let Which { sink, agent, interaction, r#type, reason, id, since, until } = which.clone();
    Letters { sink, agent, interaction, r#type, reason, id, since, until, ..Letters::default() }
}

fn query(letters: &Letters) -> Vec<(&'static str, Option<String>)> {
    let Letters { sink, agent, interaction, r#type, reason, id, since, until, rate, dry_run, all, .. } =
        letters.clone();
    vec![
        ("sink", sink),
        ("agent", agent),
        ("interaction", interaction),
        ("type", r#type),
        ("reason", reason),
        ("id", id),
        ("since", since),
        ("until", until),
        ("rate", rate.map(|rate| rate.to_string())),
        ("dry_run", dry_run.then(|| "true".to_owned())),
        ("all", all.then(|| "true".to_owned())),
    ]
}

fn borrowed<'a>(query: &'a [(&'static str, Option<String>)]) -> Vec<(&'static str, Option<&'a str>)> {
    query.iter().map(|(name, value)| (*name, value.as_deref())).collect()
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
        let DeadLetter { number, sink, id, reason, detail, attempts, last_failure, redrive_at, .. } = letter;
        let again = redrive_at.as_ref().map(|_| " (is delivered again)").unwrap_or_default();
        // Writing to a String can not fail.
        let _ = writeln!(
            out,
            "{number}  {last_failure}  {sink}  {id}  {reason} after {attempts} attempts: {detail}{again}"
        );
    }
    out
}

fn one(shown: &Shown) -> Result<String, Fault> {
    let Shown { letter, answer, event } = shown;
    let mut out = String::new();
    let again = letter.redrive_at.as_deref().unwrap_or("not asked for");
    let _ = writeln!(out, "dead letter {} of sink {}", letter.number, letter.sink);
    let _ = writeln!(out, "event        {} ({})", letter.id, letter.kind);
    let _ = writeln!(out, "reason       {}: {}", letter.reason, letter.detail);
    let _ = writeln!(
        out,
        "attempts     {}, the first failure at {}, the last at {}",
        letter.attempts, letter.first_failure, letter.last_failure
    );
    let _ = writeln!(out, "redrive      {again}");
    if !answer.is_empty() {
        let _ = writeln!(out, "last answer  {answer}");
    }
    let _ = writeln!(out, "{}", serde_json::to_string_pretty(event)?);
    Ok(out)
}

fn done(action: Action, answer: &Value) -> Result<String, Fault> {
    let counts: Vec<LetterCount> = serde_json::from_value(answer["counts"].clone()).context("the answer")?;
    let mut out = String::new();
    for LetterCount { sink, reason, letters } in &counts {
        let _ = writeln!(out, "{letters:>9}  {sink}  {reason}");
    }
    let all: u64 = counts.iter().map(|count| count.letters).sum();
    let (would, did) = match action {
        Action::Redrive => ("would be delivered again", "are delivered again by their sinks' lanes"),
        Action::Purge => ("would be removed", "are removed"),
    };
    let _ = match (answer["dry_run"].as_bool(), answer["letters"].as_u64()) {
        (Some(true), _) => writeln!(out, "{all} dead letters {would}; nothing was done"),
        (_, Some(letters)) => writeln!(out, "{letters} dead letters {did}"),
        _ => writeln!(out, "{answer}"),
    };
    Ok(out)
}
