//! How complete the log of each interaction is, for people (`cometbridge completeness`).
//!
//! Deliberately absent: anything that was said in one.

use super::record::Record;
use super::{DOUBTS, doubts_of, verdict};
use crate::base::data::{Complete, Indices, Reason};
use crate::base::time::{Millis, rfc3339};
use crate::journal::{Draft, Error, Journal};
use serde::{Deserialize, Serialize};

/// One interaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub site: String,
    pub medium: String,
    pub interaction: String,
    pub complete: Complete,
    pub reasons: Vec<Reason>,
    pub missing: Vec<Indices>,
    /// Log items seen.
    pub items: u64,
    pub agents: Vec<String>,
    pub began: String,
    pub last: String,
    /// Transcripts made so far.
    pub revision: u32,
}

/// Those of which something was recorded in this span, and what the next page comes after.
pub async fn listing(
    journal: &Journal,
    span: (Millis, Millis),
    site: Option<&str>,
    after: i64,
    limit: usize,
) -> Result<(Vec<Line>, Option<i64>), Error> {
    let (drafts, next) = journal.drafts_between(span, after, limit).await?;
    let doubts = journal.notes(DOUBTS).await?;
    let lines = drafts.into_iter().filter_map(|draft| line(draft, &doubts));
    Ok((lines.filter(|line| site.is_none_or(|site| line.site == site)).collect(), next))
}

fn line(draft: Draft, doubts: &[(String, String)]) -> Option<Line> {
    let record: Record = serde_json::from_str(&draft.body).ok()?;
    let (complete, reasons) = match (&record.judged, draft.due) {
        (Some(judged), None) => judged.clone(),
        _ => match verdict::judge(&record, doubts_of(&record, doubts)) {
            // The quiet time is not over: something may still come.
            (Complete::True, _) => (Complete::Unknown, vec![Reason::NotEnded]),
            other => other,
        },
    };
    Some(Line {
        complete,
        reasons,
        missing: record.indices.missing(1),
        items: record.items.saturating_add(record.left_out),
        agents: record.agents.iter().map(|one| one.agent.clone()).collect(),
        began: rfc3339(draft.began),
        last: rfc3339(draft.at),
        revision: draft.revision,
        site: record.site,
        medium: record.medium,
        interaction: draft.interaction,
    })
}
