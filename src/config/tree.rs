//! A configuration text as a tree whose keys and values know where they stand.
//!
//! Deliberately absent: what a key means.

use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Bytes of a text.
pub(super) type Span = Range<usize>;

/// One value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The key it stands under.
    pub key: Span,
    /// What to point at when the value is meant: the value; of a table with a header, its name.
    pub mark: Span,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
    Number(i64),
    Flag(bool),
    /// A kind of value that no key takes, by its name.
    Other(&'static str),
}

/// The way to a value. Shown as TOML writes it: `sink.kafka.events."security.protocol"`, `brokers[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(pub Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    pub(super) fn key(&self, key: &str) -> Path {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Path(steps)
    }

    pub(super) fn index(&self, index: usize) -> Path {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Path(steps)
    }
}

/// A key as it has to be written in TOML.
pub(super) fn written_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|at| at.is_ascii_alphanumeric() || at == '-' || at == '_');
    if bare { key.to_owned() } else { quoted(key) }
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter.is_control() => {
                out.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(&written_key(key))?,
                Step::Key(key) => write!(f, ".{}", written_key(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Value {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::Other(name) => name,
        }
    }
}

impl Node {
    /// A tree of one value under `keys`, for what has no text of its own.
    pub(super) fn nested(keys: &[String], value: Value) -> Node {
        let value = match keys.split_first() {
            None => value,
            Some((key, rest)) => Value::Table([(key.clone(), Node::nested(rest, value))].into()),
        };
        Node { key: 0..0, mark: 0..0, value }
    }

    pub(super) fn table(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The deepest node on the way to `path`, and how many steps it is down.
    pub(super) fn descend(&self, path: &Path) -> (&Node, usize) {
        let mut node = self;
        for (depth, step) in path.0.iter().enumerate() {
            let next = match (&node.value, step) {
                (Value::Table(table), Step::Key(key)) => table.get(key),
                (Value::List(list), Step::Index(index)) => list.get(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, depth),
            }
        }
        (node, path.0.len())
    }

    /// Takes the value at `path` out.
    pub(super) fn remove(&mut self, path: &[Step]) {
        if let (Value::Table(table), Some((Step::Key(key), rest))) = (&mut self.value, path.split_first()) {
            if rest.is_empty() {
                table.remove(key);
            } else if let Some(next) = table.get_mut(key) {
                next.remove(rest);
            }
        }
    }
}

/// Reads a TOML text; or every fault of its syntax, with its place.
pub(super) fn parse(text: &str) -> Result<Node, Vec<(Span, String)>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let value = table(root.get_ref(), text);
        return Ok(Node { key: 0..0, mark: 0..0, value });
    }
    Err(errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message().to_owned())).collect())
}

fn table(found: &DeTable<'_>, text: &str) -> Value {
    let nodes = found.iter().map(|(key, value)| {
        let header =
            value.get_ref().is_table() && !text.get(value.span()).is_some_and(|at| at.starts_with('{'));
        let mark = if header { key.span() } else { value.span() };
        (key.get_ref().to_string(), Node { key: key.span(), mark, value: convert(value.get_ref(), text) })
    });
    Value::Table(nodes.collect())
}

fn convert(value: &DeValue<'_>, text: &str) -> Value {
    match value {
        DeValue::String(found) => Value::Text(found.to_string()),
        DeValue::Integer(found) => {
            let number = i64::from_str_radix(found.as_str(), found.radix());
            number.map_or(Value::Other("a number too large"), Value::Number)
        }
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Boolean(found) => Value::Flag(*found),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(found) => Value::List(
            found
                .iter()
                .map(|item| Node {
                    key: item.span(),
                    mark: item.span(),
                    value: convert(item.get_ref(), text),
                })
                .collect(),
        ),
        DeValue::Table(found) => table(found, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_toml_writes_it() {
        let path = Path::default().key("sink").key("a.b").key("brokers").index(1);
        assert_eq!(path.to_string(), "sink.\"a.b\".brokers[1]");
    }

    #[test]
    fn values_and_headers_know_their_place() {
        let text = "a = 1\n[x.y]\nb = { c = [true, 'z'] }\n";
        let root = parse(text).unwrap();
        let at = |path: &Path| {
            let (node, depth) = root.descend(path);
            (&text[node.key.clone()], &text[node.mark.clone()], depth)
        };
        let y = Path::default().key("x").key("y");
        assert_eq!(at(&y), ("y", "y", 2));
        assert_eq!(at(&y.key("b")), ("b", "{ c = [true, 'z'] }", 3));
        assert_eq!(at(&y.key("b").key("c").index(1)), ("'z'", "'z'", 5));
        assert_eq!(at(&y.key("missing")), ("y", "y", 2));
    }

    #[test]
    fn every_fault_of_syntax_is_told() {
        assert_eq!(parse("a = \nb = 3 3\n[x\n").unwrap_err().len(), 3);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_tree_or_a_fault(text in "[a-c.=\\[\\]{}\"' \n0-9]{0,60}") {
            if let Err(faults) = parse(&text) {
                proptest::prop_assert!(faults.iter().all(|(span, _)| span.end <= text.len()));
            }
        }
    }
}
