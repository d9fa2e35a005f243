//! Where the configuration comes from: files, the environment, `--set`; each a layer, a later one wins.
//!
//! Deliberately absent: any reading of this process's own environment (it is passed in, so that tests need no
//! global state).

use super::findings::Findings;
use super::tree::{self, Node, Path, Span, Step, Value};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

/// Largest file read, in bytes.
const MAX_FILE: u64 = 4 << 20;
const PREFIX: &str = "COMETBRIDGE__";

/// What a configuration is made of, beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file of `--config`; the `*.toml` files of `conf.d/` beside it follow it, sorted by name.
    pub file: Option<PathBuf>,
    /// The whole environment. `COMETBRIDGE__SECTION__KEY` sets `section.key`; `{ env = … }` is looked up here too.
    pub environment: BTreeMap<String, String>,
    /// `section.key=value`, as `--set` takes them.
    pub overrides: Vec<String>,
}

/// One layer, as it was written.
#[derive(Debug)]
pub(super) struct Layer {
    pub origin: Origin,
    /// Empty for what is no file.
    pub text: String,
    pub root: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File(PathBuf),
    Variable(String),
    Set,
}

impl Layer {
    pub(super) fn is_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Variable(name) => write!(f, "{name} (environment)"),
            Origin::Set => f.write_str("--set"),
        }
    }
}

/// Reads every layer. The second answer says whether all of them could be read.
pub(super) fn gather(sources: &Sources, found: &mut Findings) -> (Vec<Layer>, bool) {
    let mut layers = Vec::new();
    if let Some(file) = &sources.file {
        add_file(&mut layers, file.clone(), found);
        let beside = file.parent().unwrap_or(FilePath::new("")).join("conf.d");
        for path in drop_ins(&beside, &mut layers, found) {
            add_file(&mut layers, path, found);
        }
    }
    let whole = found.list.is_empty();
    let ours = sources
        .environment
        .iter()
        .filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)));
    for (name, keys, value) in ours {
        let keys: Vec<_> = keys.split("__").map(str::to_ascii_lowercase).collect();
        let root = Node::nested(&keys, Value::Text(value.clone()));
        layers.push(Layer { origin: Origin::Variable(name.clone()), text: String::new(), root });
    }
    for given in &sources.overrides {
        let root = overriding(given);
        if root.is_none() {
            // Not shown: whatever it is, a secret may be in it.
            let what = "is not of the form key.path=value; quote a key that holds a dot: a.\"b.c\"=value";
            found.at(layers.len(), 0..0, &Path::default(), what);
        }
        let root = root.unwrap_or(Node::nested(&[], Value::Table(BTreeMap::new())));
        layers.push(Layer { origin: Origin::Set, text: String::new(), root });
    }
    (layers, whole)
}

fn add_file(layers: &mut Vec<Layer>, path: PathBuf, found: &mut Findings) {
    let index = layers.len();
    let mut text = String::new();
    let mut root = Node::nested(&[], Value::Table(BTreeMap::new()));
    match read(&path) {
        Err(reason) => found.at(index, 0..0, &Path::default(), reason).span = None,
        Ok(read) => {
            text = read;
            match tree::parse(&text) {
                Ok(parsed) => root = parsed,
                Err(faults) => {
                    for (span, what) in faults {
                        let path =
                            if what == "duplicate key" { key_at(&text, &span) } else { Path::default() };
                        found.at(index, span, &path, what);
                    }
                }
            }
        }
    }
    layers.push(Layer { origin: Origin::File(path), text, root });
}

/// The path of the key at `span` of a text that is no valid tree: from its line, and the header above it.
fn key_at(text: &str, span: &Span) -> Path {
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let is_header = |line: &&str| line.trim_start().starts_with('[');
    if is_header(&line) {
        return chain(line).unwrap_or_default();
    }
    let header = text.get(..start).unwrap_or_default().lines().rfind(is_header);
    let header = header.and_then(chain).unwrap_or_default();
    let (before, _) = line.split_once('=').unwrap_or((line, ""));
    let written = chain(&format!("{before} = 0")).unwrap_or_default();
    let mut path = Path(header.0.into_iter().chain(written.0).collect());
    // Inside an inline table the key stands further right than the line's own.
    if start + before.len() < span.start {
        path = path.key(text.get(span.clone()).unwrap_or_default());
    }
    path
}

/// The keys of a text that holds one chain of tables.
fn chain(text: &str) -> Option<Path> {
    let root = tree::parse(text).ok()?;
    let (mut node, mut path) = (&root, Path::default());
    while let Some((key, next)) = node.table().and_then(BTreeMap::first_key_value) {
        (node, path) = (next, path.key(key));
    }
    Some(path)
}

fn read(path: &FilePath) -> Result<String, String> {
    let reason = |error: std::io::Error| format!("the file can not be read: {error}");
    let file = std::fs::File::open(path).map_err(reason)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(reason)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(format!("the file is larger than {} MiB", MAX_FILE >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

/// The `*.toml` files of a directory, sorted. Hidden ones are left out: Kubernetes keeps its own links there.
fn drop_ins(directory: &FilePath, layers: &mut Vec<Layer>, found: &mut Findings) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(directory).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            found.at(layers.len(), 0..0, &Path::default(), format!("can not be listed: {error}")).span = None;
            let root = Node::nested(&[], Value::Table(BTreeMap::new()));
            layers.push(Layer { origin: Origin::File(directory.to_owned()), text: String::new(), root });
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .filter(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")))
        .collect();
    paths.sort();
    paths
}

/// `a.b=value` as a tree of one text. The key is written as in TOML; a value in quotes too, any other is taken as it is.
fn overriding(given: &str) -> Option<Node> {
    let (key, value) = given.split_once('=')?;
    if key.contains('\n') {
        return None;
    }
    let path = chain(&format!("{key} = 0"))?;
    let keys = path.0.into_iter().filter_map(|step| match step {
        Step::Key(key) => Some(key),
        Step::Index(_) => None,
    });
    let keys: Vec<_> = keys.collect();
    let quoted = value.trim_start().starts_with(['"', '\'']);
    let text = match value_of(value).filter(|_| quoted) {
        Some(Value::Text(text)) => text,
        _ => value.to_owned(),
    };
    Some(Node::nested(&keys, Value::Text(text)))
}

/// A text read as one TOML value.
pub(super) fn value_of(text: &str) -> Option<Value> {
    let mut root = tree::parse(&format!("value = {text}")).ok()?;
    match &mut root.value {
        Value::Table(table) if table.len() == 1 => Some(table.remove("value")?.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(given: &str, path: &[&str]) -> Option<String> {
        let root = overriding(given)?;
        let path = path.iter().fold(Path::default(), |path, key| path.key(key));
        match root.descend(&path) {
            (Node { value: Value::Text(text), .. }, depth) if depth == path.0.len() => Some(text.clone()),
            _ => None,
        }
    }

    #[test]
    fn a_set_keeps_its_value_as_it_is_written() {
        assert_eq!(leaf("a.b=0012345", &["a", "b"]).as_deref(), Some("0012345"));
        assert_eq!(leaf("a.b=x=y", &["a", "b"]).as_deref(), Some("x=y"));
        assert_eq!(leaf("a=", &["a"]).as_deref(), Some(""));
        assert_eq!(leaf("a=\"q\"", &["a"]).as_deref(), Some("q"));
        assert_eq!(leaf("a.\"b.c\"=1", &["a", "b.c"]).as_deref(), Some("1"));
    }

    #[test]
    fn a_set_without_a_key_is_refused() {
        for given in ["", "a", "=1", "a..b=1", ".a=1", "a b=1", "a=1\nb"] {
            let fine = overriding(given).is_some();
            assert_eq!(fine, given == "a=1\nb", "{given}");
        }
    }

    #[test]
    fn a_duplicate_key_has_its_path() {
        let at = |text: &str| {
            let faults = tree::parse(text).unwrap_err();
            key_at(text, &faults.first().unwrap().0).to_string()
        };
        assert_eq!(at("a = 1\na = 2\n"), "a");
        assert_eq!(at("[x.y]\na = 1\nb.c = 1\nb.c = 2\n"), "x.y.b.c");
        assert_eq!(at("[x.\"y.z\"]\na = { b = 1, b = 2 }\n"), "x.\"y.z\".a.b");
        assert_eq!(at("[x]\n[y]\n[x]\n"), "x");
    }

    #[test]
    fn one_value_is_one_value() {
        assert!(matches!(value_of("[1, 2]"), Some(Value::List(_))));
        assert!(value_of("1\nother = 2").is_none());
    }
}
