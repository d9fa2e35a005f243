//! Golden examples of the events that the bridge makes itself (`tests/fixtures/bridge/`), and what holds of every
//! example: for the tests of the rooms that make them.
//!
//! `UPDATE=1` writes the files anew; read the difference before you commit it. Deliberately absent: notifications and
//! what is made of them (`inbound::normalise` has their corpus).

use crate::base::encode::structured;
use crate::base::envelope::{Event, schema_urn};
use crate::base::schema;
use crate::base::time::Millis;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// 2026-11-22T07:00:00Z.
pub const NOW: Millis = 1_795_330_800_000;
pub const RECORDED: &str = "2026-11-22T07:00:00.123Z";
/// The journal's birth.
pub const BIRTH: i64 = 1_763_793_600;
pub const SEQUENCE: &str = "1763793600-0000000000000000042";
/// Where the journal would give an id of its own.
pub const ASSIGNED: &str = "019ab000-0000-7000-8000-000000000001";

static SCHEMAS: LazyLock<BTreeMap<String, (Value, jsonschema::Validator)>> = LazyLock::new(|| {
    let compile = |name: &str| {
        let schema: Value = serde_json::from_str(&schema::get(name).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        (schema_urn(name), (schema, validator))
    };
    schema::names().into_iter().map(compile).collect()
});

/// The envelope fits its schema, and every attribute stands in it.
pub fn validate(name: &str, text: &str) {
    let value: Value = serde_json::from_str(text).unwrap();
    let urn = value["dataschema"].as_str().unwrap();
    let (schema, validator) = &SCHEMAS[urn];
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:?}");
    let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for attribute in value.as_object().unwrap().keys() {
        assert!(known.contains(attribute), "{name}: {attribute} stands in no schema");
    }
    for member in value["data"].as_object().unwrap().keys() {
        assert!(schema["properties"]["data"]["properties"].get(member).is_some(), "{name}: data.{member}");
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bridge")
}

/// The events as sinks send them stand in this file, byte for byte.
pub fn hold(file: &str, name: &str, events: &[Event]) {
    let envelope = |event: &Event| {
        // Through the journal's form, so that what a sink gets is tested.
        let kept = serde_json::to_string(event).unwrap();
        let mut event: Event = serde_json::from_str(&kept).unwrap();
        event.recordedtime = RECORDED.to_owned();
        String::from_utf8(structured(&event, SEQUENCE).unwrap()).unwrap()
    };
    let envelopes: Vec<String> = events.iter().map(envelope).collect();
    for text in &envelopes {
        validate(file, text);
    }
    let name = serde_json::to_string(name).unwrap();
    let text =
        format!("{{\n  \"name\": {name},\n  \"expected\": [\n    {}\n  ]\n}}\n", envelopes.join(",\n    "));
    let path = folder().join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        // Renamed into place, as the page's test reads the folder at the same time.
        let new = path.with_extension("new");
        std::fs::write(&new, &text).unwrap();
        std::fs::rename(&new, &path).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{}: made otherwise now (UPDATE=1 writes it):\n{text}", path.display());
}
