//! The JSON Schemas (2020-12) of the envelope, one per event type, generated from the types that are serialised.
//!
//! A schema says what a receiver may rely on; it allows members it does not name, because a minor release may add
//! some. `schemas/` holds the same texts for people; a test keeps them equal.
//! Deliberately absent: a schema of what GWS sends (`raw` and `notification` are anything).

use crate::base::data::{
    AgentStateData, CallData, EndedUnseenData, ErrorData, GapData, InteractionData, InteractionGapData,
    ItemRejectedData, MessageData, OutboundRecordData, PasswordData, ServiceStateData, SilentData,
    SinkLostData, TranscriptData, UnknownData, UserEventData, WorkbinActionData, WorkbinSubscriptionData,
};
use crate::base::encode::SPEC_VERSION;
use crate::base::envelope::{Origin, TimeSource, event, gws_type, medium, schema_urn};
use crate::base::media::events_of;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Which payload stands in `data`, and which attributes every event of the type has beside the common ones.
#[derive(Clone, Copy)]
enum Shape {
    Message,
    Interaction,
    Call,
    AgentState,
    UserEvent,
    Error,
    Password,
    WorkbinSubscription,
    WorkbinAction,
    OutboundRecord,
    ServiceState,
    Unknown,
    Gap,
    InteractionGap,
    EndedUnseen,
    Transcript,
    Silent,
    SinkLost,
    ItemRejected,
}

/// Every schema by name: the `dataschema` is `urn:cometbridge:schema:<name>:1`.
static TABLE: LazyLock<Vec<(String, Shape)>> = LazyLock::new(|| {
    let of_gws = medium::ALL.iter().filter(|medium| ![medium::BRIDGE, medium::UNKNOWN].contains(medium));
    let of_gws = of_gws.flat_map(|medium| {
        events_of(medium).iter().map(move |event| (format!("{medium}.{event}"), shape_of(medium, event)))
    });
    of_gws.chain(OTHERS.iter().map(|(name, shape)| ((*name).to_owned(), *shape))).collect()
});

const OTHERS: &[(&str, Shape)] = &[
    ("unknown", Shape::Unknown),
    ("session.gap_opened", Shape::Gap),
    ("session.gap_closed", Shape::Gap),
    ("session.silent", Shape::Silent),
    ("sink.lost", Shape::SinkLost),
    ("item.rejected", Shape::ItemRejected),
];

fn shape_of(medium: &str, event: &str) -> Shape {
    match (medium, event) {
        (_, event::MESSAGE) => Shape::Message,
        (_, event::GAP) => Shape::InteractionGap,
        (_, event::ENDED_UNSEEN) => Shape::EndedUnseen,
        (_, event::TRANSCRIPT) => Shape::Transcript,
        (_, event::OPERATION_RESPONSE) | (medium::AGENT, event::ERROR) => Shape::Error,
        (medium::AGENT, event::USER_EVENT) => Shape::UserEvent,
        (medium::AGENT, _) => Shape::AgentState,
        (medium::CALL, _) => Shape::Call,
        (medium::USER, _) => Shape::Password,
        (medium::WORKBIN, event::ACTION) => Shape::WorkbinAction,
        (medium::WORKBIN, _) => Shape::WorkbinSubscription,
        (medium::OUTBOUND, _) => Shape::OutboundRecord,
        (medium::SERVICE, _) => Shape::ServiceState,
        _ => Shape::Interaction,
    }
}

/// The names of all schemas, e.g. `chat.message`.
pub fn names() -> Vec<&'static str> {
    TABLE.iter().map(|(name, _)| name.as_str()).collect()
}

/// The schema called `name` (a full `urn:cometbridge:schema:…:1` is understood too) as indented JSON with a
/// newline at the end; `None` where there is none of that name.
pub fn get(name: &str) -> Option<String> {
    let bare = name.strip_prefix("urn:cometbridge:schema:").and_then(|rest| rest.strip_suffix(":1"));
    let name = bare.unwrap_or(name);
    let (name, shape) = TABLE.iter().find(|(known, _)| known == name)?;
    let mut text = serde_json::to_string_pretty(&schema(name, *shape)).ok()?;
    text.push('\n');
    Some(text)
}

/// One event as a CloudEvents 1.0 JSON object.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Envelope<D> {
    specversion: String,
    /// The same on each retry, after each restart and in each sink: receivers drop repeats by it.
    #[schemars(length(min = 1), regex(pattern = r"^[^.]+$"))]
    id: String,
    /// `/gws/<realm>`, or `/bridge` for events of the bridge that belong to no site.
    #[schemars(length(min = 1))]
    source: String,
    #[serde(rename = "type")]
    kind: String,
    /// `<medium>/<interaction>` or `agent/<agent>/…`.
    subject: String,
    /// RFC 3339, UTC, milliseconds.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// Where `time` was taken from.
    timesource: TimeSource,
    datacontenttype: String,
    dataschema: String,
    medium: String,
    event: String,
    /// The conversation's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction: Option<String>,
    /// Stands on what belongs to one agent's view: the roster's key, never the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    /// Who first showed the bridge a shared log item; neither author nor owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    observedby: Option<String>,
    /// `from.type` of a log item: `Customer`, `Agent`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    authorkind: Option<String>,
    /// Who may see a log item: `All`, `Agents`, `Supervisors`, … (an open list).
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<String>,
    /// The notification's `referenceId`, for correlation only: it is not unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    referenceid: Option<String>,
    /// The id of the interaction that this one came from, on a call that names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<String>,
    /// The id of the first revision, on later ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseid: Option<String>,
    /// Position in the conversation's log; has holes.
    #[serde(skip_serializing_if = "Option::is_none")]
    messageindex: Option<i32>,
    /// 2, 3, …: a log item came again with other content, or a transcript was made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    revision: Option<i32>,
    /// The unit of order: `<realm>/<interaction>`, else `<realm>/<agent>`.
    partitionkey: String,
    /// Orders all events of a bridge as text; has holes.
    #[schemars(regex(pattern = r"^[0-9]+-[0-9]{19}$"))]
    sequence: String,
    /// RFC 3339, UTC, milliseconds: when the bridge wrote it down.
    #[schemars(extend("format" = "date-time"))]
    recordedtime: String,
    /// How the event came to be.
    origin: Origin,
    /// True on what was a dead letter and is delivered after later events of its partition key; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    data: Payload<D>,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Payload<D> {
    #[serde(flatten)]
    data: D,
    /// What the sender wrote, untouched: the log item, the device or channel, or the notification's whole `data`.
    /// Only where the sink keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
    /// The rest of the notification that a log item, device or channel came in. Only where the sink keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<Map<String, Value>>,
    /// What was last known of the interaction when the event was recorded, by the paths of the sink's `context`; a path
    /// of which nothing is known is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<BTreeMap<String, Known>>,
}

/// A value of an earlier event of the interaction, or of this one.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Known {
    /// As it stood under this path in `data` of that event.
    value: Value,
    /// That event's `id`.
    id: String,
}

fn schema(name: &str, shape: Shape) -> Value {
    let (mut schema, extra): (Value, &[&str]) = match shape {
        Shape::Message => (generated::<MessageData>(), &["interaction", "observedby"]),
        Shape::Interaction => (generated::<InteractionData>(), &["interaction", "agent"]),
        Shape::Call => (generated::<CallData>(), &["interaction", "agent"]),
        Shape::AgentState => (generated::<AgentStateData>(), &["agent"]),
        Shape::UserEvent => (generated::<UserEventData>(), &["agent"]),
        Shape::Error => (generated::<ErrorData>(), &["agent"]),
        Shape::Password => (generated::<PasswordData>(), &["agent"]),
        Shape::WorkbinSubscription => (generated::<WorkbinSubscriptionData>(), &["agent"]),
        Shape::WorkbinAction => (generated::<WorkbinActionData>(), &["agent"]),
        Shape::OutboundRecord => (generated::<OutboundRecordData>(), &["agent"]),
        Shape::ServiceState => (generated::<ServiceStateData>(), &["agent"]),
        Shape::Unknown => (generated::<UnknownData>(), &["agent"]),
        Shape::Gap => (generated::<GapData>(), &["agent"]),
        Shape::InteractionGap => (generated::<InteractionGapData>(), &["interaction", "agent"]),
        Shape::EndedUnseen => (generated::<EndedUnseenData>(), &["interaction", "agent"]),
        Shape::Transcript => (generated::<TranscriptData>(), &["interaction"]),
        Shape::Silent => (generated::<SilentData>(), &["agent"]),
        Shape::SinkLost => (generated::<SinkLostData>(), &[]),
        Shape::ItemRejected => (generated::<ItemRejectedData>(), &[]),
    };
    without_null(&mut schema);
    without_unsigned(&mut schema);
    if let Some(payload) = schema.pointer_mut("/properties/data/properties").and_then(Value::as_object_mut) {
        payload.retain(|member, _| match member.as_str() {
            "raw" | "notification" => !is_of_bridge(shape),
            "context" => has_context(shape),
            _ => true,
        });
    }
    let (kind, medium, event) = words(name, shape);
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), json!(schema_urn(name)));
        root.insert("title".to_owned(), json!(kind));
        if let Some(required) = root.get_mut("required").and_then(Value::as_array_mut) {
            required.extend(extra.iter().map(|name| json!(name)));
        }
    }
    let fixed = [
        ("specversion", SPEC_VERSION.to_owned()),
        ("type", kind),
        ("datacontenttype", "application/json".to_owned()),
        ("dataschema", schema_urn(name)),
        ("medium", medium),
        ("event", event),
    ];
    for (attribute, value) in fixed {
        if let Some(property) = schema.pointer_mut(&format!("/properties/{attribute}")) {
            *property = json!({ "const": value });
        }
    }
    schema
}

/// Made by the bridge itself: there is nothing of the sender's.
fn is_of_bridge(shape: Shape) -> bool {
    use Shape::{EndedUnseen, Gap, InteractionGap, ItemRejected, Silent, SinkLost};
    matches!(shape, Gap | InteractionGap | EndedUnseen | Silent | SinkLost | ItemRejected)
}

/// What belongs to an interaction; a transcript says what it has to say itself.
fn has_context(shape: Shape) -> bool {
    use Shape::{Call, EndedUnseen, Interaction, InteractionGap, Message};
    matches!(shape, Message | Interaction | Call | InteractionGap | EndedUnseen)
}

/// An absent member is left out, never `null`: a receiver need not look for both.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(either)) = members.get_mut("anyOf") {
                either.retain(|one| one.get("type") != Some(&json!("null")));
                if let [only] = either.as_slice()
                    && let Some(only) = only.as_object().cloned()
                {
                    members.remove("anyOf");
                    members.extend(only);
                }
            }
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// `uint64` is the generator's own format, and strict validators refuse what they do not know; `minimum` says the same.
fn without_unsigned(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, value| name != "format" || value != "uint64");
            members.values_mut().for_each(without_unsigned);
        }
        Value::Array(items) => items.iter_mut().for_each(without_unsigned),
        _ => {}
    }
}

/// `type`, `medium` and `event` of the schema called `name`.
fn words(name: &str, shape: Shape) -> (String, String, String) {
    let (first, second) = name.split_once('.').unwrap_or((name, name));
    match shape {
        Shape::Gap | Shape::Silent => {
            (format!("cometbridge.{name}.v1"), medium::BRIDGE.to_owned(), second.to_owned())
        }
        Shape::SinkLost | Shape::ItemRejected => {
            (format!("cometbridge.{name}.v1"), medium::BRIDGE.to_owned(), name.replace('.', "_"))
        }
        _ => (gws_type(first, second), first.to_owned(), second.to_owned()),
    }
}

fn generated<D: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<Envelope<D>>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
    }

    #[test]
    fn the_shipped_files_are_the_generated_schemas() {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            for name in names() {
                std::fs::write(folder().join(format!("{name}.json")), get(name).unwrap()).unwrap();
            }
        }
        for name in names() {
            let shipped = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap_or_default();
            assert_eq!(
                shipped,
                get(name).unwrap(),
                "schemas/{name}.json is old: run this test with UPDATE=1"
            );
        }
        let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        assert_eq!(files.count(), names().len(), "schemas/ holds a file that no type has");
    }

    #[test]
    fn every_schema_is_valid_2020_12_and_names_only_words_of_the_envelope() {
        for name in names() {
            let schema: Value = serde_json::from_str(&get(name).unwrap()).unwrap();
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            jsonschema::validator_for(&schema).unwrap();
            assert!(!schema.to_string().contains("null"), "{name} allows null");
            let text = schema.to_string();
            let formats = text.split("\"format\":\"").skip(1).filter_map(|rest| rest.split('"').next());
            for format in formats {
                assert!(
                    ["date-time", "int32", "int64"].contains(&format),
                    "{name}: {format} is known to few"
                );
            }
            let word = |property: &str| schema["properties"][property]["const"].as_str().unwrap().to_owned();
            assert!(medium::ALL.contains(&word("medium").as_str()), "{name}");
            assert!(event::ALL.contains(&word("event").as_str()), "{name}");
            assert_eq!(get(&word("dataschema")), get(name));
        }
        assert_eq!(get("chat.nothing"), None);
    }
}
