//! The usual way: the reply as a tree of values, the envelope as another.
//!
//! Deliberately absent: what `typed` leaves out as well.

use crate::{AGENT, RECORDED, SEQUENCE};
use cometbridge::base::digest::Digest;
use serde_json::{Map, Value, json};

pub fn envelopes(body: &[u8], out: &mut Vec<u8>) {
    let messages: Value = serde_json::from_slice(body).unwrap();
    for message in messages.as_array().unwrap() {
        let Some(data) = message.get("data") else { continue };
        match data["messageType"].as_str().unwrap() {
            "FacebooksessionStateChangeMessage" => state(data, out),
            "MessageLogUpdated" => log(data, out),
            other => panic!("{other}"),
        }
    }
}

/// What both have.
fn envelope(raw: &Value, id: &str, event: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("{:032x}", u128::from_be_bytes(Digest::of(raw.to_string().as_bytes()).0)),
        "source": "/gws/main",
        "type": format!("genesys.gws.facebooksession.{event}.v1"),
        "subject": format!("facebooksession/{id}"),
        "dataschema": format!("urn:cometbridge:schema:facebooksession.{event}:1"),
        "medium": "facebooksession",
        "event": event,
        "interaction": id,
        "partitionkey": format!("main/{id}"),
        "sequence": SEQUENCE,
        "recordedtime": RECORDED,
        "origin": "notification",
        "datacontenttype": "application/json",
        "data": data,
    })
}

fn state(data: &Value, out: &mut Vec<u8>) {
    let resource = &data["facebooksession"];
    let id = resource["id"].as_str().unwrap();
    let typed = json!({
        "interactionId": id,
        "notificationType": data["notificationType"],
        "state": resource["state"],
        "lifecycle": if resource["state"] == "Chatting" { "accepted" } else { "offered" },
        "capabilities": resource["capabilities"],
        "participants": resource["participants"].as_array().unwrap().iter().map(author).collect::<Vec<_>>(),
        "raw": data,
    });
    let mut envelope = envelope(data, id, "status_change", typed);
    envelope["time"] = json!("2026-11-22T07:00:00.000Z");
    envelope["timesource"] = json!("receipt");
    envelope["agent"] = json!(AGENT);
    envelope["referenceid"] = json!(data["referenceId"].to_string());
    write(&envelope, out);
}

fn log(data: &Value, out: &mut Vec<u8>) {
    let id = data["facebooksessionUri"].as_str().unwrap().rsplit('/').next().unwrap();
    let rest = data.as_object().unwrap().iter().filter(|(name, _)| *name != "messages");
    let notification: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    for raw in data["messages"].as_array().unwrap() {
        let stamp = raw["timestamp"].as_str().unwrap();
        let (head, minutes) = stamp.split_at(stamp.len() - 2);
        let mut message = json!({
            "index": raw["index"],
            "kind": raw["type"],
            "visibility": raw["visibility"],
            "sentAt": format!("{head}:{minutes}"),
            "from": author(&raw["from"]),
        });
        if let Some(text) = raw.get("text") {
            message["text"] = text.clone();
        }
        let typed =
            json!({"interactionId": id, "message": message, "raw": raw, "notification": notification});
        let mut envelope = envelope(raw, id, "message", typed);
        envelope["time"] = json!(format!("{:.3}", stamp.parse::<jiff::Timestamp>().unwrap()));
        envelope["timesource"] = json!("item");
        envelope["observedby"] = json!(AGENT);
        envelope["authorkind"] = raw["from"]["type"].clone();
        envelope["visibility"] = raw["visibility"].clone();
        envelope["messageindex"] = raw["index"].clone();
        write(&envelope, out);
    }
}

fn author(of: &Value) -> Value {
    json!({"kind": of["type"], "nickname": of["nickname"], "participantId": of["participantId"]})
}

fn write(envelope: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, envelope).unwrap();
    out.push(b'\n');
}
