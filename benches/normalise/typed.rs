//! The least: structures for exactly these two notifications, borrowed from the reply, written straight out.
//!
//! Deliberately absent: every other notification, spelling and shape, what tells repeats apart beyond one digest (the id),
//! and leaving out typed text that is there.

use crate::{AGENT, RECORDED, SEQUENCE};
use cometbridge::base::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `Option<Cow>` alone would be owned.
#[derive(Deserialize, Serialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    #[serde(borrow)]
    message_type: Text<'a>,
    #[serde(borrow)]
    notification_type: Text<'a>,
    #[serde(borrow, default)]
    reference_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    facebooksession: Option<Resource<'a>>,
    #[serde(borrow, default)]
    facebooksession_uri: Option<Text<'a>>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    capabilities: Vec<Text<'a>>,
    #[serde(borrow)]
    participants: Vec<Author<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    index: i64,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    visibility: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    from: Author<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Author<'a> {
    #[serde(borrow, rename(deserialize = "type", serialize = "kind"))]
    kind: Text<'a>,
    #[serde(borrow)]
    nickname: Text<'a>,
    #[serde(borrow)]
    participant_id: Text<'a>,
}

#[derive(Serialize)]
struct Envelope<'a, D> {
    specversion: &'a str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: &'a str,
    timesource: &'a str,
    dataschema: &'a str,
    medium: &'a str,
    event: &'a str,
    interaction: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observedby: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorkind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referenceid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messageindex: Option<i64>,
    partitionkey: &'a str,
    sequence: &'a str,
    recordedtime: &'a str,
    origin: &'a str,
    datacontenttype: &'a str,
    data: D,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StateData<'a> {
    interaction_id: &'a str,
    notification_type: &'a str,
    state: &'a str,
    lifecycle: &'a str,
    capabilities: &'a [Text<'a>],
    participants: &'a [Author<'a>],
    raw: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageData<'a> {
    interaction_id: &'a str,
    message: Message<'a>,
    raw: &'a RawValue,
    notification: Context<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    index: i64,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    visibility: &'a str,
    sent_at: &'a str,
    from: &'a Author<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    message_type: &'a str,
    notification_type: &'a str,
    facebooksession_uri: &'a str,
}

pub fn envelopes(body: &[u8], out: &mut Vec<u8>) {
    for message in serde_json::from_slice::<Vec<Wire<'_>>>(body).unwrap() {
        let Some(data) = message.data else { continue };
        assert_eq!(message.channel, "/v2/me/facebooksession");
        let notice: Notice<'_> = serde_json::from_str(data.get()).unwrap();
        match &*notice.message_type.0 {
            "FacebooksessionStateChangeMessage" => state(&notice, data, out),
            "MessageLogUpdated" => log(&notice, out),
            other => panic!("{other}"),
        }
    }
}

/// What both have; the rest stands empty.
fn envelope<'a, D>(
    raw: &RawValue,
    interaction: &'a str,
    subject: &'a str,
    key: &'a str,
    data: D,
) -> Envelope<'a, D> {
    Envelope {
        specversion: "1.0",
        id: format!("{:032x}", u128::from_be_bytes(Digest::of(raw.get().as_bytes()).0)),
        source: "/gws/main",
        kind: "",
        subject,
        time: "",
        timesource: "",
        dataschema: "",
        medium: "facebooksession",
        event: "",
        interaction,
        agent: None,
        observedby: None,
        authorkind: None,
        visibility: None,
        referenceid: None,
        messageindex: None,
        partitionkey: key,
        sequence: SEQUENCE,
        recordedtime: RECORDED,
        origin: "notification",
        datacontenttype: "application/json",
        data,
    }
}

fn state(notice: &Notice<'_>, raw: &RawValue, out: &mut Vec<u8>) {
    let resource = notice.facebooksession.as_ref().unwrap();
    let id = &*resource.id.0;
    let data = StateData {
        interaction_id: id,
        notification_type: &notice.notification_type.0,
        state: &resource.state.0,
        lifecycle: if resource.state.0 == "Chatting" { "accepted" } else { "offered" },
        capabilities: &resource.capabilities,
        participants: &resource.participants,
        raw,
    };
    let (subject, key) = (format!("facebooksession/{id}"), format!("main/{id}"));
    write(
        &Envelope {
            kind: "genesys.gws.facebooksession.status_change.v1",
            time: "2026-11-22T07:00:00.000Z",
            timesource: "receipt",
            dataschema: "urn:cometbridge:schema:facebooksession.status_change:1",
            event: "status_change",
            agent: Some(AGENT),
            referenceid: notice.reference_id.map(RawValue::get),
            ..envelope(raw, id, &subject, &key, data)
        },
        out,
    );
}

fn log(notice: &Notice<'_>, out: &mut Vec<u8>) {
    let uri = &*notice.facebooksession_uri.as_ref().unwrap().0;
    let id = uri.rsplit('/').next().unwrap();
    let (subject, key) = (format!("facebooksession/{id}"), format!("main/{id}"));
    for raw in &notice.messages {
        let item: Item<'_> = serde_json::from_str(raw.get()).unwrap();
        let stamp = &*item.timestamp.0;
        let utc = format!("{:.3}", stamp.parse::<jiff::Timestamp>().unwrap());
        let (head, minutes) = stamp.split_at(stamp.len() - 2);
        let local = format!("{head}:{minutes}");
        let message = Message {
            index: item.index,
            kind: &item.kind.0,
            text: item.text.as_ref().map(|text| &*text.0),
            visibility: &item.visibility.0,
            sent_at: &local,
            from: &item.from,
        };
        let notification = Context {
            message_type: &notice.message_type.0,
            notification_type: &notice.notification_type.0,
            facebooksession_uri: uri,
        };
        let data = MessageData { interaction_id: id, message, raw, notification };
        write(
            &Envelope {
                kind: "genesys.gws.facebooksession.message.v1",
                time: &utc,
                timesource: "item",
                dataschema: "urn:cometbridge:schema:facebooksession.message:1",
                event: "message",
                observedby: Some(AGENT),
                authorkind: Some(&item.from.kind.0),
                visibility: Some(&item.visibility.0),
                messageindex: Some(item.index),
                ..envelope(raw, id, &subject, &key, data)
            },
            out,
        );
    }
}

fn write<D: Serialize>(envelope: &Envelope<'_, D>, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, envelope).unwrap();
    out.push(b'\n');
}
