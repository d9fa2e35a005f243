//! Everything that is wrong with a configuration, printed at once: place, key, fault, what is allowed.
//!
//! Deliberately absent: the process's exit code (78 stands in `main`).

use super::Purpose;
use super::excerpt::{excerpt, position};
use super::findings::{Finding, Findings};
use super::layers::{Layer, Origin};

/// One fault, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// `file:line:column`, `NAME (environment)` or `--set`.
    pub place: String,
    /// The key's path, as TOML writes it; empty where a text could not be read at all.
    pub key: String,
    pub what: String,
    /// The values or keys that are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// The allowed one that was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The line with a mark under the fault; confidential values left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// All faults of a configuration, by layer and line; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    purpose: Purpose,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(purpose: Purpose, mut found: Findings, layers: &[Layer]) -> Problems {
        found.list.sort_by(|one, other| order(one).cmp(&order(other)));
        let list = found.list.into_iter().map(|finding| problem(finding, layers)).collect();
        Problems { purpose, list }
    }

    /// In the order they are shown in.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

/// What no layer says comes last.
fn order(finding: &Finding) -> (usize, Option<usize>, &super::tree::Path, &str) {
    let layer = finding.layer.unwrap_or(usize::MAX);
    (layer, finding.span.as_ref().map(|span| span.start), &finding.path, &finding.what)
}

fn problem(finding: Finding, layers: &[Layer]) -> Problem {
    let layer = finding.layer.and_then(|index| layers.get(index));
    let (mut place, mut shown) = ("configuration".to_owned(), None);
    if let Some(layer) = layer {
        place = layer.origin.to_string();
        if let (Origin::File(_), Some(span)) = (&layer.origin, &finding.span) {
            let (line, column) = position(&layer.text, span.start);
            place = format!("{place}:{line}:{column}");
            // A fault of the whole file points at no line.
            shown = Some(span)
                .filter(|span| **span != (0..0))
                .and_then(|span| excerpt(&layer.text, span, finding.hidden));
        }
    }
    let Finding { path, what, allowed, nearest, .. } = finding;
    let allowed = allowed.filter(|all| !all.is_empty());
    Problem { place, key: path.to_string(), what, allowed, nearest, excerpt: shown }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        writeln!(f, "{}", self.what)?;
        if let Some(excerpt) = &self.excerpt {
            writeln!(f, "{excerpt}")?;
        }
        if let Some(allowed) = &self.allowed {
            writeln!(f, "      allowed: {allowed}")?;
        }
        if let Some(nearest) = &self.nearest {
            writeln!(f, "      did you mean {nearest}?")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for problem in &self.list {
            writeln!(f, "{problem}")?;
        }
        let undone = match self.purpose {
            Purpose::Act => "nothing was started",
            Purpose::Ask => "nobody was asked",
        };
        match self.list.len() {
            1 => write!(f, "1 problem in the configuration; {undone}"),
            count => write!(f, "{count} problems in the configuration; {undone}"),
        }
    }
}

impl std::error::Error for Problems {}
