//! Whatever rule a configuration may hold, what leaves is as its schema says.

use super::*;
use crate::base::classes::{self, TABLE, fits, limits};
use crate::base::schema;
use crate::outbound::settings::Rule;
use std::collections::BTreeSet;

/// Something with all that a schema names.
fn sample_of(schema: &Value) -> Value {
    if let Some(word) = schema.get("const") {
        return word.clone();
    }
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    if let Some(either) = schema.pointer("/oneOf/0") {
        return sample_of(either);
    }
    match (schema["type"].as_str(), schema.get("properties").and_then(Value::as_object)) {
        (Some("array"), _) => json!([sample_of(&schema["items"])]),
        (_, Some(members)) => {
            members.iter().map(|(name, schema)| (name.clone(), sample_of(schema))).collect()
        }
        (Some("object"), None) if schema["additionalProperties"] == true => {
            json!({"Account": "a", "FirstName": {"a": ["Ann", 1]}, "K1003": true})
        }
        (Some("object"), None) => {
            let value = sample_of(&schema["additionalProperties"]);
            json!({"Account": value, "FirstName": value, "K1003": value})
        }
        (Some("integer"), _) => json!(1234),
        (Some("boolean"), _) => json!(true),
        (Some("string"), _) => json!("a text of some length"),
        _ => json!({"any": "thing"}),
    }
}

/// Every path that a rule may have: fields, tables of them, maps and keys.
fn paths() -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (path, _) in TABLE.iter().flat_map(|family| family.fields) {
        if let Some(map) = path.strip_suffix(".*") {
            paths.extend([format!("{map}.Account"), format!("{map}.FirstName.a"), format!("{map}.K1003")]);
        }
        let path = path.strip_suffix(".*").unwrap_or(path);
        paths.extend(path.match_indices('.').map(|(at, _)| path[..at].to_owned()));
        paths.insert(path.to_owned());
    }
    paths
}

#[test]
fn what_leaves_by_any_rule_that_is_allowed_is_as_its_schema_says() {
    let all = [Action::Keep, Action::Drop, Action::Mask, Action::Hash, Action::Truncate(2)];
    let mut rules = Vec::new();
    for path in paths() {
        let limits = limits(&path, &[&path]);
        let map = classes::paths().contains(format!("{path}.*").as_str());
        let fit = all.into_iter().filter(|action| match action {
            Action::Keep => true,
            Action::Drop => limits.required.is_none(),
            Action::Mask | Action::Truncate(_) if map => false,
            _ => limits.fixed.is_none(),
        });
        rules.extend(fit.map(|action| Rule { of: Of::Path(path.clone()), action }));
    }
    for class in Class::ALL.into_iter().filter(|class| *class != Class::Plain) {
        let fit = |action: &Action| match class {
            Class::Pseudonym => [Action::Keep, Action::Hash].contains(action),
            Class::Business => [Action::Keep, Action::Hash, Action::Drop].contains(action),
            _ => true,
        };
        rules.extend(all.into_iter().filter(fit).map(|action| Rule { of: Of::Class(class), action }));
    }
    let mut masks = Vec::new();
    for rule in rules {
        let policy = Policy { rules: vec![rule.clone()], ..Policy::preset(Preset::Full) };
        masks.push((format!("{rule:?}"), mask(&policy)));
    }
    for preset in Preset::ALL {
        masks.push((preset.as_str().to_owned(), mask(&Policy::preset(preset))));
    }
    let mut seen = BTreeSet::new();
    for name in schema::names() {
        let schema: Value = serde_json::from_str(&schema::get(name).unwrap()).unwrap();
        let mut data = schema["properties"]["data"].clone();
        for member in ["raw", "notification", "context"] {
            data["properties"].as_object_mut().unwrap().remove(member);
        }
        // Types of one shape are masked alike.
        let kind = schema["properties"]["type"]["const"].as_str().unwrap();
        let family = TABLE.iter().position(|family| family.types.iter().any(|of| fits(of, kind)));
        if !seen.insert((family, data.to_string())) {
            continue;
        }
        let valid = jsonschema::validator_for(&data).unwrap();
        let mut event = Event::clone(&message());
        (event.kind, event.data) = (kind.to_owned().into(), raw(&sample_of(&data).to_string()));
        let event = Arc::new(event);
        for (rule, mask) in &masks {
            let left: Value = serde_json::from_str(mask.apply(&event).data.get()).unwrap();
            assert!(valid.is_valid(&left), "{kind} by {rule}: {left}");
        }
    }
}
