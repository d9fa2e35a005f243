//! A consumer of 1.0 accepts everything that a newer release of the same major sends: today's events and schemas beside
//! the schemas as they were (`tests/fixtures/schemas/v1.json`, without descriptions).
//!
//! A type that is new is no break. `KEEP=1` adds the types that the file lacks, so that they are held from then on; it
//! rewrites none that is there. What stands there changes with a new major alone, in a file of its own.
//! Deliberately absent: the bytes of an event (the golden corpus), and the texts of descriptions.

use crate::harness::root;
use cometbridge::base::schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn file() -> PathBuf {
    root().join("tests/fixtures/schemas/v1.json")
}

/// A schema of today, by the name of its type, as it would be kept.
fn today(name: &str) -> Value {
    let mut schema = serde_json::from_str(&schema::get(name).unwrap()).unwrap();
    undescribed(&mut schema);
    schema
}

fn undescribed(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, value| name != "description" || !value.is_string());
            members.values_mut().for_each(undescribed);
        }
        Value::Array(items) => items.iter_mut().for_each(undescribed),
        _ => {}
    }
}

fn kept() -> Map<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap()
}

/// Adds the types that are new, where that is asked for.
fn keep(mut kept: Map<String, Value>) -> Map<String, Value> {
    if std::env::var_os("KEEP").is_some() {
        for name in schema::names() {
            kept.entry(name).or_insert_with(|| today(name));
        }
        let lines: Vec<String> = kept.iter().map(|(name, schema)| format!("\"{name}\": {schema}")).collect();
        // Renamed into place, as the other test may read it.
        let new = file().with_extension("new");
        std::fs::write(&new, format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
        std::fs::rename(&new, file()).unwrap();
    }
    kept
}

/// Every event of the golden corpus: what is made of notifications, and what the bridge makes itself.
fn golden() -> Vec<Value> {
    let mut events = Vec::new();
    for corpus in ["tests/fixtures/normalise", "tests/fixtures/bridge"] {
        for entry in std::fs::read_dir(root().join(corpus)).unwrap() {
            let fixture: Value =
                serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
            events.extend(fixture["expected"].as_array().unwrap().iter().cloned());
        }
    }
    events
}

fn name_of(event: &Value) -> &str {
    let urn = event["dataschema"].as_str().unwrap();
    urn.strip_prefix("urn:cometbridge:schema:").and_then(|rest| rest.strip_suffix(":1")).unwrap()
}

#[test]
fn every_golden_event_of_today_is_accepted_by_the_schema_that_was_kept_of_its_type() {
    let (kept, events) = (kept(), golden());
    let mut looked = BTreeSet::new();
    for event in &events {
        let name = name_of(event);
        let Some(schema) = kept.get(name) else { continue };
        let validator = jsonschema::validator_for(schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}\n{event}");
        looked.insert(name);
    }
    let without: Vec<_> = kept.keys().filter(|name| !looked.contains(name.as_str())).collect();
    assert!(events.len() > 100 && without.is_empty(), "{} events; none of {without:?}", events.len());
}

#[test]
fn every_schema_of_today_allows_no_more_than_the_one_that_was_kept() {
    let kept = keep(kept());
    assert!(kept.len() > 60, "{} types are kept", kept.len());
    for (name, before) in &kept {
        assert!(schema::names().contains(&name.as_str()), "{name} is gone");
        assert_eq!(breaks(before, &today(name), ""), Vec::<String>::new(), "{name}");
    }
    let new: Vec<_> = schema::names().into_iter().filter(|name| !kept.contains_key(*name)).collect();
    println!("types that are not kept yet: {new:?}");
}

/// Where `now` allows what `before` did not, or has lost a member.
fn breaks(before: &Value, now: &Value, at: &str) -> Vec<String> {
    let (Some(old), Some(new)) = (before.as_object(), now.as_object()) else {
        return if before == now { Vec::new() } else { vec![format!("{at}: {before} is {now}")] };
    };
    let mut found = Vec::new();
    let words = words(before);
    if let Some(words) = &words
        && !super_set(words, now)
    {
        found.push(format!("{at}: other words than {words:?}"));
    }
    for (keyword, value) in old {
        let other = new.get(keyword).unwrap_or(&Value::Null);
        match keyword.as_str() {
            "const" | "enum" | "oneOf" => {}
            // Where the words are told one by one, each says its own.
            "type" if words.is_some() => {}
            "properties" => {
                for (member, schema) in value.as_object().unwrap() {
                    let at = format!("{at}/{member}");
                    match other.get(member) {
                        Some(same) => found.extend(breaks(schema, same, &at)),
                        None => found.push(format!("{at} is gone")),
                    }
                }
            }
            "required" => {
                let still = other.as_array().cloned().unwrap_or_default();
                let lost = value.as_array().unwrap().iter().filter(|name| !still.contains(name));
                found.extend(lost.map(|name| format!("{at}: {name} need not be there any more")));
            }
            _ => found.extend(breaks(value, other, &format!("{at}:{keyword}"))),
        }
    }
    found
}

/// The words that a schema of a word allows.
fn words(schema: &Value) -> Option<Vec<Value>> {
    if let Some(either) = schema.get("oneOf").and_then(Value::as_array) {
        return Some(either.iter().filter_map(words).flatten().collect());
    }
    schema.get("const").map(|word| vec![word.clone()]).or_else(|| schema.get("enum")?.as_array().cloned())
}

fn super_set(before: &[Value], now: &Value) -> bool {
    words(now).is_some_and(|now| now.iter().all(|word| before.contains(word)))
}

type Change<'a> = &'a dyn Fn(&mut Value);

#[test]
fn a_break_is_found_and_what_is_added_is_none() {
    let before = today("chat.transcript");
    let changed = |change: Change<'_>| {
        let mut now = before.clone();
        change(&mut now);
        breaks(&before, &now, "")
    };
    let data = "/properties/data/properties";
    let at = |schema: &mut Value, path: &str, value: Value| {
        *schema.pointer_mut(&format!("{data}{path}")).unwrap() = value;
    };
    let added = changed(&|now| {
        now["properties"]["data"]["properties"]["novelty"] = json!({"type": "string"});
        now["properties"]["data"]["required"].as_array_mut().unwrap().push(json!("novelty"));
        at(now, "/complete", json!({"enum": ["true", "false"], "type": "string"}));
    });
    assert_eq!(added, Vec::<String>::new());
    let wrong: [(&str, Change<'_>); 6] = [
        ("/data/complete: other words", &|now| {
            at(now, "/complete/enum", json!(["true", "false", "perhaps"]))
        }),
        ("/data/complete: other words", &|now| at(now, "/complete", json!({"type": "string"}))),
        ("/data/leftOut:type", &|now| at(now, "/leftOut/type", json!("string"))),
        ("/data/items:items/eventId is gone", &|now| {
            let items = now.pointer_mut(&format!("{data}/items/items/properties")).unwrap();
            items.as_object_mut().unwrap().remove("eventId");
        }),
        ("/data: \"complete\" need not", &|now| now["properties"]["data"]["required"] = json!(["items"])),
        ("/type: other words", &|now| now["properties"]["type"] = json!({"const": "another"})),
    ];
    for (words, change) in wrong {
        let found = changed(change);
        assert!(found.iter().any(|one| one.contains(words)), "{words}: {found:?}");
    }
}
