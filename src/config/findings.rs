//! What is wrong, collected while going over the configuration, and its places looked up at the end.
//!
//! Deliberately absent: printing (see `problems`).

use super::layers::Layer;
use super::tree::{Path, Span};

/// One fault.
#[derive(Debug)]
pub(super) struct Finding {
    /// The layer it stands in; none where no layer says anything about it.
    pub layer: Option<usize>,
    pub span: Option<Span>,
    pub path: Path,
    pub what: String,
    pub allowed: Option<String>,
    pub nearest: Option<String>,
    /// The value must not be shown.
    pub hidden: bool,
}

impl Finding {
    /// Says which values are allowed.
    pub(super) fn allowed<'a>(&mut self, all: impl IntoIterator<Item = &'a str>) -> &mut Finding {
        self.allowed = Some(all.into_iter().collect::<Vec<_>>().join(", "));
        self
    }

    /// Says which values are allowed, and which of them is the nearest to what was written.
    pub(super) fn one_of<'a>(&mut self, written: &str, all: impl IntoIterator<Item = &'a str>) {
        let all: Vec<_> = all.into_iter().collect();
        self.nearest = nearest(written, &all).map(str::to_owned);
        self.allowed(all);
    }

    pub(super) fn hidden(&mut self) -> &mut Finding {
        self.hidden = true;
        self
    }
}

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub list: Vec<Finding>,
}

impl Findings {
    /// A fault at a known place.
    pub(super) fn at(
        &mut self,
        layer: usize,
        span: Span,
        path: &Path,
        what: impl Into<String>,
    ) -> &mut Finding {
        self.push(Some(layer), Some(span), path, what.into())
    }

    /// A fault of what the layers together say; its place is where the strongest layer says it, and for what is
    /// missing the table it is missing from.
    pub(super) fn merged(&mut self, layers: &[Layer], path: &Path, what: impl Into<String>) -> &mut Finding {
        let place = locate(layers, path);
        let (layer, span) = place.map_or((None, None), |(layer, span)| (Some(layer), span));
        self.push(layer, span, path, what.into())
    }

    fn push(&mut self, layer: Option<usize>, span: Option<Span>, path: &Path, what: String) -> &mut Finding {
        let path = path.clone();
        self.list.push_mut(Finding { layer, span, path, what, allowed: None, nearest: None, hidden: false })
    }

    /// Whether something at `path` or under it is wrong already, or a key was written that was surely meant to be
    /// it: then that it is missing is no news.
    pub(super) fn covers(&self, path: &Path) -> bool {
        let (last, table) = match path.0.split_last() {
            Some((last, table)) => (last, table),
            None => return !self.list.is_empty(),
        };
        self.list.iter().any(|finding| {
            let meant = finding.path.0.split_last().is_some_and(|(_, of)| of == table)
                && finding
                    .nearest
                    .as_deref()
                    .is_some_and(|name| Path::default().key(name).0.first() == Some(last));
            meant || finding.path.0.starts_with(&path.0)
        })
    }
}

/// Where `path` is said; else the deepest table on the way to it, in the first layer that has that.
pub(super) fn locate(layers: &[Layer], path: &Path) -> Option<(usize, Option<Span>)> {
    let mut best: Option<(usize, usize, Option<Span>)> = None;
    for (index, layer) in layers.iter().enumerate().rev() {
        let (node, depth) = layer.root.descend(path);
        let span = layer.is_file().then(|| node.mark.clone());
        if depth == path.0.len() {
            return Some((index, span));
        }
        // Going backwards, an equal depth in an earlier file wins; a variable never beats a file.
        let deeper = best.as_ref().is_none_or(|(_, known, _)| depth > *known);
        let earlier = best.as_ref().is_some_and(|(_, known, _)| depth == *known) && layer.is_file();
        if deeper || earlier {
            best = Some((index, depth, span));
        }
    }
    best.map(|(index, _, span)| (index, span))
}

/// The candidate that `written` was most likely meant to be.
pub(super) fn nearest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let written: Vec<char> = written.to_lowercase().chars().take(64).collect();
    let near = candidates
        .iter()
        .map(|name| (distance(&written, &name.to_lowercase().chars().collect::<Vec<_>>()), *name));
    let (distance, name) = near.min()?;
    (distance <= (written.len() / 3).max(1)).then_some(name)
}

/// How many letters have to be put in, taken out, changed or swapped with their neighbour.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (row, letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let get = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX - 1);
            let changed = get(&above, column) + usize::from(letter != other);
            let mut least = changed.min(get(&above, column + 1) + 1).min(get(&current, column) + 1);
            let left = column.checked_sub(1);
            let swapped = last == Some(other) && left.and_then(|left| to.get(left)) == Some(letter);
            if let (true, Some(left)) = (swapped, left) {
                least = least.min(get(&before, left) + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(letter);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["privacy", "brokers", "base_url", "chat"];
        assert_eq!(nearest("privcy", &names), Some("privacy"));
        assert_eq!(nearest("Brokers", &names), Some("brokers"));
        assert_eq!(nearest("bsae_url", &names), Some("base_url"));
        assert_eq!(nearest("caht", &names), Some("chat"));
        assert_eq!(nearest("zebra", &names), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn a_swap_counts_once() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&letters("abcd"), &letters("abdc")), 1);
        assert_eq!(distance(&letters("abc"), &letters("")), 3);
        assert_eq!(distance(&letters(""), &letters("ab")), 2);
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
    }
}
