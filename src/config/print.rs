//! The effective configuration as TOML: every key, in the order of the alphabet, references instead of secrets.
//!
//! What it prints can be loaded again. Deliberately absent: where a value came from.

use super::Settings;
use super::keys::{Kind, keys};
use super::tree::{quoted, written_key};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Prints what holds, defaults filled in. Keys without a value stand as comments.
pub fn print_config(settings: &Settings) -> String {
    let mut out = "# The effective configuration of cometbridge: what holds after all layers.\n".to_owned();
    let empty = Map::new();
    table(&mut out, "", &keys(), settings.effective.0.as_object().unwrap_or(&empty));
    out
}

/// Values first, then tables: in TOML what follows a header belongs to it.
fn table(out: &mut String, path: &str, kind: &Kind, values: &Map<String, Value>) {
    let kinds: Vec<(&str, &Kind)> = match kind {
        Kind::Table(keys) => keys.iter().map(|(key, kind)| (key.as_str(), kind)).collect(),
        // serde_json's map is sorted by key.
        Kind::Named(kind) | Kind::Free(kind) => values.keys().map(|key| (key.as_str(), &**kind)).collect(),
        _ => Vec::new(),
    };
    let is_table = |kind: &Kind| matches!(kind, Kind::Table(_) | Kind::Named(_) | Kind::Free(_));
    // Writing to a String can not fail.
    for (key, _) in kinds.iter().filter(|(_, kind)| !is_table(kind)) {
        let _ = match values.get(*key) {
            Some(value) if !value.is_null() => writeln!(out, "{} = {}", written_key(key), inline(value)),
            _ => writeln!(out, "# {} is not set", written_key(key)),
        };
    }
    for (key, kind) in kinds.iter().filter(|(_, kind)| is_table(kind)) {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", written_key(key));
        let empty = Map::new();
        let values = values.get(*key).and_then(Value::as_object).unwrap_or(&empty);
        if !matches!(kind, Kind::Named(_)) && !only_names(kind) {
            let _ = writeln!(out, "\n[{path}]");
        }
        table(out, &path, kind, values);
    }
}

/// Whether a table holds nothing but tables of names: `[sink]`.
fn only_names(kind: &Kind) -> bool {
    matches!(kind, Kind::Table(keys) if keys.values().all(|kind| matches!(kind, Kind::Named(_))))
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries: Vec<_> =
                entries.map(|(key, value)| format!("{} = {}", written_key(key), inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}
