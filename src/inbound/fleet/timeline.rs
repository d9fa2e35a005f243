//! One session's time as spans: covered, or blind with a cause.
//!
//! A pure function over the gaps that were written down. Deliberately absent: how a gap comes about.

use crate::base::time::{Millis, rfc3339};
use crate::journal::Gap;
use serde::{Deserialize, Serialize};

/// An interval, oldest first in a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// RFC 3339; absent where the beginning is not known.
    pub from: Option<String>,
    /// RFC 3339; absent where it goes on.
    pub to: Option<String>,
    pub covered: bool,
    /// Of a gap; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gapid: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub certainty: String,
}

/// `gaps` in any order. `began` is when the session was connected first, as far as this process knows; `good` is the
/// last moment known to be covered, if any.
pub fn timeline(gaps: &[Gap], began: Option<Millis>, good: Option<Millis>) -> Vec<Span> {
    let start = |gap: &Gap| gap.from.unwrap_or(gap.opened);
    let mut sorted: Vec<&Gap> = gaps.iter().collect();
    sorted.sort_by_key(|gap| (start(gap), gap.opened));
    let mut spans = Vec::new();
    // Until when the spans so far reach; none while nothing came.
    let mut reached: Option<Millis> = None;
    let mut open = false;
    for gap in sorted {
        match reached {
            Some(reached) if reached < start(gap) && !open => {
                spans.push(covered(Some(reached), Some(start(gap))));
            }
            // It was covered until then, but nobody knows any more since when.
            None if gap.from.is_some() => spans.push(covered(None, gap.from)),
            _ => {}
        }
        spans.push(Span {
            from: gap.from.map(rfc3339),
            to: gap.to.map(rfc3339),
            covered: false,
            gapid: gap.id.clone(),
            cause: gap.cause.clone(),
            certainty: gap.certainty.clone(),
        });
        open |= gap.to.is_none();
        reached = reached.max(gap.to.or(Some(start(gap))));
    }
    let since = reached.or(began);
    if let Some(good) = good
        && !open
        && since.is_some_and(|since| since <= good)
    {
        spans.push(covered(since, Some(good)));
    }
    spans
}

fn covered(from: Option<Millis>, to: Option<Millis>) -> Span {
    let (gapid, cause, certainty) = Default::default();
    Span { from: from.map(rfc3339), to: to.map(rfc3339), covered: true, gapid, cause, certainty }
}
