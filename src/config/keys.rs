//! What key may stand where, and what kind of value it takes: derived from the raw shapes' JSON Schema.
//!
//! Deliberately absent: a list of keys. There is none besides the types in `raw`.

use super::raw::Raw;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::collections::BTreeMap;

/// The kind of value a key takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table with these keys and no others.
    Table(BTreeMap<String, Kind>),
    /// Tables under names of the operator's choosing (sites, sinks).
    Named(Box<Kind>),
    /// Values under any key (headers, librdkafka's properties).
    Free(Box<Kind>),
    Text,
    Flag,
    Number,
    Duration,
    Size,
    Choice(Vec<String>),
    List(Box<Kind>),
    OneOrMore,
    Secret,
    TextOrSecret,
}

/// The JSON Schema of the configuration, for editors.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<Raw>().into()
}

/// Every key there is.
pub(super) fn keys() -> Kind {
    kind(&json_schema())
}

fn kind(schema: &Value) -> Kind {
    let word = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    match word("format") {
        "duration" => return Kind::Duration,
        "size" => return Kind::Size,
        "secret" => return Kind::Secret,
        "text-or-secret" => return Kind::TextOrSecret,
        "one-or-more" => return Kind::OneOrMore,
        _ => {}
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words = words.iter().filter_map(Value::as_str).map(str::to_owned);
        return Kind::Choice(words.collect());
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        return Kind::Table(properties.iter().map(|(key, value)| (key.clone(), kind(value))).collect());
    }
    if let Some(values) = schema.get("additionalProperties").filter(|found| found.is_object()) {
        return match kind(values) {
            table @ Kind::Table(_) => Kind::Named(Box::new(table)),
            value => Kind::Free(Box::new(value)),
        };
    }
    // `Option<T>` of a shape of its own: T or null.
    if let Some(first) = schema.get("anyOf").and_then(Value::as_array).and_then(|any| any.first()) {
        return kind(first);
    }
    if let Some(items) = schema.get("items") {
        return Kind::List(Box::new(kind(items)));
    }
    // `Option<String>`: its type is a list of "string" and "null".
    let listed = schema.get("type").and_then(Value::as_array).and_then(|types| types.first());
    match listed.and_then(Value::as_str).unwrap_or(word("type")) {
        "boolean" => Kind::Flag,
        "integer" => Kind::Number,
        _ => Kind::Text,
    }
}

impl Kind {
    /// The kind of what stands under `key`.
    pub(super) fn under(&self, key: &str) -> Option<&Kind> {
        match self {
            Kind::Table(keys) => keys.get(key),
            Kind::Named(kind) | Kind::Free(kind) => Some(kind),
            _ => None,
        }
    }

    /// What is expected, for messages.
    pub(super) fn expected(&self) -> String {
        match self {
            Kind::Table(_) | Kind::Named(_) | Kind::Free(_) => "expected a table".to_owned(),
            Kind::Text => "expected a text in quotes".to_owned(),
            Kind::Flag => "expected true or false, without quotes".to_owned(),
            Kind::Number => "expected a whole number from 0 to 4294967295, without quotes".to_owned(),
            Kind::Duration => super::units::EXPECTED_DURATION.to_owned(),
            Kind::Size => super::units::EXPECTED_SIZE.to_owned(),
            Kind::Choice(_) => "expected one of the words allowed, in quotes".to_owned(),
            Kind::List(_) => "expected a list such as [\"a\", \"b\"]".to_owned(),
            Kind::OneOrMore => "expected a text, or a list of texts".to_owned(),
            Kind::Secret => "expected a reference to a secret".to_owned(),
            Kind::TextOrSecret => "expected a text in quotes, or a reference to a secret".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_give_the_kinds_of_their_keys() {
        let at = |path: &str| {
            let all = keys();
            path.split('.').try_fold(&all, |kind, key| kind.under(key)).cloned()
        };
        assert_eq!(at("state_dir"), Some(Kind::Text));
        assert_eq!(at("stop_grace"), Some(Kind::Duration));
        assert_eq!(at("admin.token"), Some(Kind::Secret));
        assert_eq!(at("journal.reserve"), Some(Kind::Size));
        assert_eq!(at("journal.max_dead_letters"), Some(Kind::Number));
        assert_eq!(at("site.any.base_url"), Some(Kind::OneOrMore));
        assert_eq!(at("site.any.realm"), Some(Kind::Text));
        assert_eq!(at("site.any.allow_plaintext"), Some(Kind::Flag));
        assert_eq!(at("site.any.headers.any"), Some(Kind::TextOrSecret));
        assert_eq!(at("site.any.roster.passwords"), Some(Kind::Secret));
        let privacy =
            Kind::Choice(["full", "no-content", "pseudonymous", "minimal"].map(str::to_owned).into());
        assert_eq!(at("sink.kafka.any.privacy"), Some(privacy));
        assert_eq!(at("sink.webhook.any.secrets"), Some(Kind::List(Box::new(Kind::Secret))));
        assert_eq!(at("sink.stdout.any.match.medium"), Some(Kind::List(Box::new(Kind::Text))));
        assert_eq!(at("sink.stdout.any.brokers"), None);
        assert!(matches!(at("site"), Some(Kind::Named(_))));
        assert!(matches!(at("sink.kafka.any.librdkafka"), Some(Kind::Free(_))));
    }
}
