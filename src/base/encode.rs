//! An event as the bytes a receiver gets: the CloudEvents JSON form, and the parts of the binary form.
//!
//! Attribute order is fixed so that the same event gives the same bytes on every retry, restart and sink.
//! Deliberately absent: choosing which form to use, and masking (both are the lane's and the sink's).

use crate::base::envelope::Event;
use serde::ser::Error as _;
use serde_json::Error;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// CloudEvents version of the envelope.
pub const SPEC_VERSION: &str = "1.0";

/// The whole envelope as one JSON object (structured mode).
pub fn structured(event: &Event, sequence: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    put_structured(event, sequence, &mut out)?;
    Ok(out)
}

/// The same at the end of `out`, where after an error part of it may stand.
pub fn put_structured(event: &Event, sequence: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    out.reserve(ATTRIBUTES + data_length(event));
    out.push(b'{');
    let mut failed = None;
    each_attribute(event, sequence, |name, value| {
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        let written = match value {
            Attribute::Text(text) => serde_json::to_writer(&mut *out, text),
            Attribute::Integer(number) => serde_json::to_writer(&mut *out, &number),
            Attribute::Flag(flag) => serde_json::to_writer(&mut *out, &flag),
        };
        out.push(b',');
        failed = failed.take().or(written.err());
    });
    if let Some(error) = failed {
        return Err(error);
    }
    out.extend_from_slice(b"\"datacontenttype\":\"application/json\",\"data\":");
    put_data(event, out)?;
    out.push(b'}');
    Ok(())
}

/// The attributes of binary mode, without prefix, in envelope order; `datacontenttype` is left to the binding.
pub fn attributes(event: &Event, sequence: &str, mut put: impl FnMut(&'static str, &str)) {
    each_attribute(event, sequence, |name, value| match value {
        Attribute::Text(text) => put(name, text),
        Attribute::Integer(number) => put(name, &number.to_string()),
        Attribute::Flag(flag) => put(name, if flag { "true" } else { "false" }),
    });
}

/// Bytes of an envelope without its data, about.
const ATTRIBUTES: usize = 1024;

fn data_length(event: &Event) -> usize {
    let length = |json: &Option<Box<RawValue>>| json.as_ref().map_or(0, |json| json.get().len() + 16);
    event.data.get().len() + length(&event.raw) + length(&event.rest) + length(&event.context)
}

/// The value of binary mode: `data` alone, the typed payload's own members as they are, then `raw`, `notification`
/// and `context` where they are kept.
pub fn put_data(event: &Event, out: &mut Vec<u8>) -> Result<(), Error> {
    out.reserve(data_length(event));
    let members = event.data.get().trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let members = members.ok_or_else(|| Error::custom("data is no JSON object"))?.trim();
    out.push(b'{');
    out.extend_from_slice(members.as_bytes());
    let mut first = members.is_empty();
    for (name, json) in [("raw", &event.raw), ("notification", &event.rest), ("context", &event.context)] {
        let Some(json) = json else { continue };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(json.get().as_bytes());
    }
    out.push(b'}');
    Ok(())
}

enum Attribute<'a> {
    Text(&'a str),
    Integer(i64),
    Flag(bool),
}

fn each_attribute<'a>(event: &'a Event, sequence: &'a str, mut put: impl FnMut(&'static str, Attribute<'a>)) {
    use Attribute::{Flag, Integer, Text};
    put("specversion", Text(SPEC_VERSION));
    put("id", Text(&event.id));
    put("source", Text(&event.source));
    put("type", Text(&event.kind));
    put("subject", Text(&event.subject));
    put("time", Text(&event.time));
    put("timesource", Text(time_source(event)));
    put("dataschema", Text(&event.dataschema));
    put("medium", Text(&event.medium));
    put("event", Text(&event.event));
    let mut put_some = |name, value: &'a Option<String>| {
        if let Some(text) = value {
            put(name, Text(text));
        }
    };
    put_some("interaction", &event.interaction);
    put_some("agent", &event.agent);
    put_some("observedby", &event.observedby);
    put_some("authorkind", &event.authorkind);
    put_some("visibility", &event.visibility);
    put_some("referenceid", &event.referenceid);
    put_some("correlationid", &event.correlationid);
    put_some("baseid", &event.baseid);
    if let Some(index) = event.messageindex {
        put("messageindex", Integer(index));
    }
    if let Some(revision) = event.revision {
        put("revision", Integer(i64::from(revision)));
    }
    put("partitionkey", Text(&event.partitionkey));
    put("sequence", Text(sequence));
    put("recordedtime", Text(&event.recordedtime));
    put("origin", Text(origin(event)));
    if event.late {
        put("late", Flag(true));
    }
}

fn time_source(event: &Event) -> &'static str {
    use crate::base::envelope::TimeSource::{Item, Receipt, Server};
    match event.timesource {
        Item => "item",
        Server => "server",
        Receipt => "receipt",
    }
}

fn origin(event: &Event) -> &'static str {
    use crate::base::envelope::Origin::{Bridge, Notification, Snapshot};
    match event.origin {
        Notification => "notification",
        Snapshot => "snapshot",
        Bridge => "bridge",
    }
}

/// The members of a JSON object in their own order, values untouched.
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// A member's name, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
