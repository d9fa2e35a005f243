//! `cometbridge completeness`: asks the running daemon, or opens the files where none runs.
//!
//! Deliberately absent: the judgement (see `outbound::transcript`).

use crate::admin::Refusal;
use crate::app::cli::Completeness;
use crate::app::remote::Remote;
use crate::app::run::settings_to_ask;
use crate::app::{Fault, dead_letters, print};
use crate::base::time::Millis;
use crate::journal::{self, Journal};
use crate::outbound::transcript::{Line, listing};
use anyhow::{Context, anyhow};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;

/// Interactions asked for at once.
const PAGE: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Page {
    interactions: Vec<Line>,
    /// After which number the next page goes on.
    next: Option<i64>,
}

pub async fn run(arguments: Completeness) -> Result<(), Fault> {
    let settings = settings_to_ask(&arguments.configured)?;
    let (day, site) = (arguments.day.as_str(), arguments.site.as_deref());
    span(day).map_err(|what| Fault::Failed(anyhow!("--{what}")))?;
    if let Some(site) = site
        && !settings.sites.iter().any(|known| known.name == site)
    {
        return Err(Fault::Failed(anyhow!("--site {site}: there is no such site in the configuration")));
    }
    if !settings.sinks.iter().any(|sink| sink.transcripts) {
        return Err(Fault::Failed(anyhow!(
            "nothing is kept to tell it from: no sink has transcripts = true in the configuration"
        )));
    }
    let mut here = match dead_letters::open(&settings) {
        Ok(journal) => Source::Files(journal),
        Err(journal::Error::Locked { .. }) => Source::Daemon(Remote::new(&settings).await?),
        Err(error) => return Err(error.into()),
    };
    let done = all(&mut here, &arguments, day, site).await;
    if let Source::Files(journal) = here {
        journal.close().await;
    }
    done
}

enum Source {
    Files(Journal),
    Daemon(Remote),
}

async fn all(
    from: &mut Source,
    arguments: &Completeness,
    day: &str,
    site: Option<&str>,
) -> Result<(), Fault> {
    let (mut after, mut any) = (0, false);
    loop {
        let answer = match from {
            Source::Files(journal) => {
                page(journal, day, site, after, PAGE).await.map_err(dead_letters::refused)?
            }
            Source::Daemon(remote) => {
                let (after, limit) = (after.to_string(), PAGE.to_string());
                let query =
                    [("day", Some(day)), ("site", site), ("after", Some(&*after)), ("limit", Some(&*limit))];
                remote.get(&["completeness"], &query).await?
            }
        };
        let page: Page = serde_json::from_value(answer).context("the answer")?;
        any |= !page.interactions.is_empty();
        print(&if arguments.json { as_json(&page.interactions)? } else { as_text(&page.interactions) })?;
        match page.next {
            Some(next) => after = next,
            None if any || arguments.json => return Ok(()),
            None => return print(&format!("nothing is known of an interaction on {day}\n")),
        }
    }
}

/// One page of the answer.
pub async fn page(
    journal: &Journal,
    day: &str,
    site: Option<&str>,
    after: i64,
    limit: usize,
) -> Result<Value, Refusal> {
    let span = span(day).map_err(Refusal::Invalid)?;
    let unavailable = |error: &dyn std::fmt::Display| Refusal::Unavailable(error.to_string());
    let (interactions, next) =
        listing(journal, span, site, after, limit).await.map_err(|error| unavailable(&error))?;
    serde_json::to_value(Page { interactions, next }).map_err(|error| unavailable(&error))
}

/// A day in UTC, from its begin to the begin of the next.
fn span(day: &str) -> Result<(Millis, Millis), String> {
    let date: Option<Date> = day.parse().ok();
    let stamp = |date: Date| Some(date.in_tz("UTC").ok()?.timestamp().as_millisecond());
    let span = date.and_then(|date| Some((stamp(date)?, stamp(date.checked_add(1.day()).ok()?)?)));
    span.ok_or_else(|| {
        let shown: String = day.chars().take(40).collect();
        format!("day: {shown:?} is no day such as 2026-11-22 (in UTC)")
    })
}

fn as_json(lines: &[Line]) -> Result<String, Fault> {
    let mut out = String::new();
    for line in lines {
        // Writing to a String can not fail.
        let _ = writeln!(out, "{}", serde_json::to_string(line)?);
    }
    Ok(out)
}

fn as_text(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        let Line { site, medium, interaction, complete, items, agents, began, .. } = line;
        let reasons: Vec<String> = line.reasons.iter().map(word).collect();
        let missing: Vec<String> =
            line.missing.iter().map(|span| format!("{}-{}", span.from, span.to)).collect();
        let missing =
            if missing.is_empty() { String::new() } else { format!(" missing={}", missing.join(",")) };
        let _ = writeln!(
            out,
            "{:<7}  {began}  {site}  {medium}/{interaction}  items={items} agents={}{missing}  {}",
            complete.as_str(),
            agents.join(","),
            reasons.join(" ")
        );
    }
    out
}

fn word(reason: &impl Serialize) -> String {
    serde_json::to_value(reason).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_and_in_utc() {
        let day = 86_400_000;
        assert_eq!(span("2026-11-22"), Ok((1_795_305_600_000, 1_795_305_600_000 + day)));
        for wrong in ["yesterday", "2026-13-01", "", "9999-12-31"] {
            assert!(span(wrong).unwrap_err().starts_with("day: "), "{wrong}");
        }
    }
}
