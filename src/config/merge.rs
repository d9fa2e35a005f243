//! The layers put together by the `config` crate: tables merge, everything else replaces.
//!
//! Deliberately absent: `config`'s own reading of files and of the environment. It knows no line numbers and
//! lower-cases or retypes texts; the layers come checked and typed already.

use super::tree::{Node, Step, Value};
use super::walk::Clean;
use config::{Config, ConfigError, Map, Source};
use std::collections::BTreeMap;

/// The placeholder for a name in the compiled-in file.
pub(super) const TEMPLATE: &str = "NAME";

/// One layer as a source of `config`.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    root: Node,
}

impl Source for Named {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, config::Value>, ConfigError> {
        let empty = BTreeMap::new();
        let table = self.root.table().unwrap_or(&empty);
        Ok(table.iter().map(|(key, node)| (key.clone(), value(&node.value, &self.name))).collect())
    }
}

fn value(from: &Value, name: &String) -> config::Value {
    let origin = Some(name);
    match from {
        Value::Table(table) => {
            let entries = table.iter().map(|(key, node)| (key.clone(), value(&node.value, name)));
            config::Value::new(origin, entries.collect::<Map<String, config::Value>>())
        }
        Value::List(list) => {
            let items: Vec<_> = list.iter().map(|node| value(&node.value, name)).collect();
            config::Value::new(origin, items)
        }
        Value::Text(text) => config::Value::new(origin, text.as_str()),
        Value::Number(number) => config::Value::new(origin, *number),
        Value::Flag(flag) => config::Value::new(origin, *flag),
        Value::Other(_) => config::Value::new(origin, config::ValueKind::Nil),
    }
}

/// Merges the checked layers, weakest first, over the compiled-in defaults.
pub(super) fn merge(defaults: Node, layers: Vec<(String, Clean)>) -> Result<Config, ConfigError> {
    let mut layers = layers;
    for strong in (0..layers.len()).rev() {
        let (weaker, rest) = layers.split_at_mut(strong);
        let references = rest.first().map(|(_, layer)| layer.references.as_slice()).unwrap_or_default();
        for path in references {
            weaker.iter_mut().for_each(|(_, layer)| layer.root.remove(&path.0));
        }
    }
    let defaults = Named { name: "defaults".to_owned(), root: filled_in(defaults, &layers) };
    let mut builder = Config::builder().add_source(defaults);
    for (name, layer) in layers {
        builder = builder.add_source(Named { name, root: layer.root });
    }
    builder.build()
}

/// The defaults with their `NAME` tables copied for every name that some layer uses.
fn filled_in(mut defaults: Node, layers: &[(String, Clean)]) -> Node {
    for parent in [&["site"][..], &["sink", "kafka"], &["sink", "webhook"], &["sink", "stdout"]] {
        let path: Vec<_> = parent.iter().map(|key| Step::Key((*key).to_owned())).collect();
        let names = layers.iter().filter_map(|(_, layer)| {
            let path = super::tree::Path(path.clone());
            let (node, depth) = layer.root.descend(&path);
            (depth == path.0.len()).then(|| node.table()).flatten()
        });
        let names: Vec<_> = names.flat_map(|table| table.keys().cloned()).collect();
        if let Some(table) = table_mut(&mut defaults, parent)
            && let Some(template) = table.remove(TEMPLATE)
        {
            table.extend(names.into_iter().map(|name| (name, template.clone())));
        }
    }
    defaults
}

fn table_mut<'a>(node: &'a mut Node, path: &[&str]) -> Option<&'a mut BTreeMap<String, Node>> {
    let Value::Table(table) = &mut node.value else { return None };
    match path.split_first() {
        None => Some(table),
        Some((key, rest)) => table_mut(table.get_mut(*key)?, rest),
    }
}
