//! Goes over one layer beside the known keys and reports everything that can be said without the other layers:
//! unknown keys, wrong types, bad units, words that are not allowed, secrets written in the clear.
//!
//! What is wrong is left out of what it gives back, so that the later checks see the rest. Deliberately absent:
//! what is missing, and what values mean together (see `check`).

use super::findings::Findings;
use super::keys::Kind;
use super::layers::{Layer, value_of};
use super::tree::{Node, Path, Value};
use super::units::{Duration, Size};
use std::collections::BTreeMap;

/// The forms a reference takes, for messages.
pub(super) const REFERENCES: [&str; 4] = [
    "{ file = \"…\" }",
    "{ env = \"…\" }",
    "{ credential = \"…\" }",
    "{ exec = [\"…\"], timeout = \"10s\" }",
];

/// One layer without its faults.
#[derive(Debug)]
pub(super) struct Clean {
    pub root: Node,
    /// Where it holds references: these replace what a weaker layer says, key by key merging would mix two places.
    pub references: Vec<Path>,
}

/// Checks one layer.
pub(super) fn check(keys: &Kind, index: usize, layer: &Layer, found: &mut Findings) -> Clean {
    let mut walk = Walk { layer: index, loose: !layer.is_file(), found, references: Vec::new() };
    let root = walk.node(keys, &layer.root, &Path::default());
    let root = root.unwrap_or(Node::nested(&[], Value::Table(BTreeMap::new())));
    Clean { root, references: walk.references }
}

struct Walk<'a> {
    layer: usize,
    /// Values came as texts (environment, `--set`) and take the type that the key wants.
    loose: bool,
    found: &'a mut Findings,
    references: Vec<Path>,
}

impl Walk<'_> {
    fn node(&mut self, kind: &Kind, node: &Node, path: &Path) -> Option<Node> {
        let loosened = match &node.value {
            Value::Text(text) if self.loose => loosened(kind, text),
            _ => None,
        };
        let node = &match loosened {
            Some(value) => Node { value, ..node.clone() },
            None => node.clone(),
        };
        let value = match (kind, &node.value) {
            (Kind::Table(_) | Kind::Named(_) | Kind::Free(_), Value::Table(table)) => {
                Value::Table(self.table(kind, table, path))
            }
            (Kind::List(kind), Value::List(list)) => Value::List(self.list(kind, list, path)?),
            (Kind::OneOrMore, Value::List(list)) => Value::List(self.list(&Kind::Text, list, path)?),
            (Kind::Secret | Kind::TextOrSecret, Value::Table(table)) => {
                self.references.push(path.clone());
                Value::Table(self.reference(table, node, path)?)
            }
            (Kind::Secret, _) => return self.literal(node, path),
            _ => self.scalar(kind, node, path)?,
        };
        Some(Node { value, ..node.clone() })
    }

    fn table(&mut self, kind: &Kind, table: &BTreeMap<String, Node>, path: &Path) -> BTreeMap<String, Node> {
        let mut clean = BTreeMap::new();
        for (key, node) in table {
            let at = path.key(key);
            let Some(under) = kind.under(key) else {
                self.unknown(kind, key, node, &at);
                continue;
            };
            if matches!(kind, Kind::Named(_)) && !is_name(key) {
                let what = "a name is at most 64 of the characters a-z, 0-9, \"-\" and \"_\"";
                self.found.at(self.layer, node.key.clone(), &at, what);
                continue;
            }
            if let Some(node) = self.node(under, node, &at) {
                clean.insert(key.clone(), node);
            }
        }
        clean
    }

    fn unknown(&mut self, kind: &Kind, key: &str, node: &Node, at: &Path) {
        let known = match kind {
            Kind::Table(keys) => keys.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let what = "unknown key";
        self.found.at(self.layer, node.key.clone(), at, what).hidden().one_of(key, known);
    }

    fn list(&mut self, kind: &Kind, list: &[Node], path: &Path) -> Option<Vec<Node>> {
        let clean: Vec<_> =
            list.iter().enumerate().filter_map(|(n, node)| self.node(kind, node, &path.index(n))).collect();
        // Without a faulty item the rest would mean something else, and have other numbers.
        (clean.len() == list.len()).then_some(clean)
    }

    fn scalar(&mut self, kind: &Kind, node: &Node, path: &Path) -> Option<Value> {
        let fault = match (kind, &node.value) {
            (Kind::Text | Kind::OneOrMore | Kind::TextOrSecret, Value::Text(_))
            | (Kind::Flag, Value::Flag(_)) => None,
            (Kind::Number, Value::Number(number)) if u32::try_from(*number).is_ok() => None,
            (Kind::Duration, Value::Text(text)) => {
                Duration::parse(text).err().map(|what| written(what, text))
            }
            (Kind::Size, Value::Text(text)) => Size::parse(text).err().map(|what| written(what, text)),
            (Kind::Choice(words), Value::Text(text)) if words.contains(text) => None,
            (Kind::Choice(_), Value::Text(text)) => Some(format!("{text:?} is not one of the words allowed")),
            (Kind::Number, Value::Number(_)) => Some(kind.expected()),
            // Quotes are TOML's, not those of the environment.
            (_, Value::Text(_)) if self.loose => Some(kind.expected().replace(", without quotes", "")),
            (_, other) => Some(format!("{}, found {}", kind.expected(), other.name())),
        };
        let Some(what) = fault else { return Some(node.value.clone()) };
        let finding = self.found.at(self.layer, node.mark.clone(), path, what);
        match (kind, &node.value) {
            (Kind::Choice(words), Value::Text(text)) => {
                finding.one_of(text, words.iter().map(String::as_str))
            }
            (Kind::Choice(words), _) => {
                finding.allowed(words.iter().map(String::as_str));
            }
            (Kind::TextOrSecret, _) => {
                finding.hidden().allowed(["\"…\""].into_iter().chain(REFERENCES));
            }
            _ => {}
        }
        None
    }

    fn literal<T>(&mut self, node: &Node, path: &Path) -> Option<T> {
        let what = "a secret is never written into the configuration, only where it stands";
        self.found.at(self.layer, node.mark.clone(), path, what).hidden().allowed(REFERENCES);
        None
    }

    fn reference(
        &mut self,
        table: &BTreeMap<String, Node>,
        node: &Node,
        path: &Path,
    ) -> Option<BTreeMap<String, Node>> {
        let texts = || Kind::List(Box::new(Kind::Text));
        let places = ["file", "env", "credential", "exec"];
        let known = [Kind::Text, Kind::Text, Kind::Text, texts(), Kind::Duration];
        let names = ["file", "env", "credential", "exec", "timeout"].map(str::to_owned);
        let kind = Kind::Table(names.into_iter().zip(known).collect());
        let faults = self.found.list.len();
        let clean = self.table(&kind, table, path);
        let given: Vec<_> = places.iter().filter(|place| table.contains_key(**place)).collect();
        let mut fault = |what: &str| {
            self.found.at(self.layer, node.mark.clone(), path, what).hidden().allowed(REFERENCES);
        };
        if given.len() != 1 {
            fault("a reference names exactly one place");
        } else if table.contains_key("timeout") && !table.contains_key("exec") {
            fault("only a command has a timeout");
        } else if table.iter().any(|(key, node)| key != "timeout" && is_empty(&node.value)) {
            fault("the reference is empty");
        }
        (self.found.list.len() == faults).then_some(clean)
    }
}

fn written(what: &str, text: &str) -> String {
    format!("{what}, found {text:?}")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.first().is_none_or(|first| is_empty(&first.value)),
        _ => false,
    }
}

/// Names of sites and sinks: they stand in ids, topics and metric labels, and the environment has no upper case.
fn is_name(name: &str) -> bool {
    let fits = |at: u8| at.is_ascii_lowercase() || at.is_ascii_digit() || at == b'-' || at == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// A text of the environment or of `--set` as the type its key wants; nothing where the text itself is wanted.
fn loosened(kind: &Kind, text: &str) -> Option<Value> {
    let text = text.trim();
    match kind {
        Kind::Flag => text.parse().ok().map(Value::Flag),
        Kind::Number => text.parse().ok().map(Value::Number),
        Kind::List(_) | Kind::OneOrMore if text.starts_with('[') => value_of(text),
        Kind::List(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let node = |part: &str| Node { key: 0..0, mark: 0..0, value: Value::Text(part.to_owned()) };
            Some(Value::List(parts.map(node).collect()))
        }
        Kind::Table(_) | Kind::Named(_) | Kind::Free(_) | Kind::Secret | Kind::TextOrSecret
            if text.starts_with('{') =>
        {
            value_of(text)
        }
        _ => None,
    }
}
