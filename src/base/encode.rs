//! An event as the bytes a receiver gets: the CloudEvents JSON form, and the parts of the binary form.
//!
//! Attribute order is fixed so that the same event gives the same bytes on every retry, restart and sink.
//! Deliberately absent: choosing which form to use, and masking (both are the lane's and the sink's).

use crate::base::envelope::Event;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// CloudEvents version of the envelope.
pub const SPEC_VERSION: &str = "1.0";

/// The whole envelope as one JSON object (structured mode).
pub fn structured(event: &Event, sequence: &str) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Structured { event, sequence })
}

/// The value of binary mode: `data` alone.
pub fn data(event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Data(event))
}

/// The attributes of binary mode, without prefix, in envelope order; `datacontenttype` is left to the binding.
pub fn attributes(event: &Event, sequence: &str) -> Vec<(&'static str, String)> {
    let mut out = Vec::with_capacity(24);
    each_attribute(event, sequence, |name, value| {
        let text = match value {
            Attribute::Text(text) => text.to_owned(),
            Attribute::Integer(number) => number.to_string(),
            Attribute::Flag(flag) => flag.to_string(),
        };
        out.push((name, text));
    });
    out
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

struct Structured<'a> {
    event: &'a Event,
    sequence: &'a str,
}

impl Serialize for Structured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut failed = None;
        each_attribute(self.event, self.sequence, |name, value| {
            let written = match value {
                // A string attribute that CloudEvents limits to 32 bits or 64 KiB is never that long here.
                Attribute::Text(text) => map.serialize_entry(name, text),
                Attribute::Integer(number) => map.serialize_entry(name, &number),
                Attribute::Flag(flag) => map.serialize_entry(name, &flag),
            };
            if let Err(error) = written {
                failed = Some(error);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        map.serialize_entry("datacontenttype", "application/json")?;
        map.serialize_entry("data", &Data(self.event))?;
        map.end()
    }
}

/// `data`: the typed payload's own members, then `raw` and `context` where they are kept.
struct Data<'a>(&'a Event);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let members: Vec<(String, &RawValue)> =
            serde_json::from_str::<Members<'_>>(self.0.data.get()).map_err(S::Error::custom)?.0;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in members {
            map.serialize_entry(&name, value)?;
        }
        if let Some(raw) = &self.0.raw {
            map.serialize_entry("raw", raw)?;
        }
        if let Some(context) = &self.0.context {
            map.serialize_entry("context", context)?;
        }
        map.end()
    }
}

/// The members of a JSON object in their own order, values untouched.
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

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
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
