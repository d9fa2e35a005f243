//! The events of the benchmark: chat messages of a few thousand interactions.
//!
//! Deliberately absent: anything that tells one from another but its place.

use cometbridge::base::envelope::Event;

/// Bytes of an event's data, about.
pub const VALUE: usize = 700;
/// Units of order, in turn.
pub const KEYS: usize = 4_000;

pub fn key(n: usize) -> String {
    format!("main/0000Bench{:06}X", n % KEYS)
}

/// What a Kafka record holds as its value.
pub fn data(n: usize) -> String {
    let mut text = String::new();
    let mut word = n as u64 | 1;
    while text.len() < VALUE - 250 {
        // Words that a compressor does not find again at once.
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!("{:x} ", word >> 24);
    }
    format!(
        "{{\"interactionId\":\"0000Bench{:06}X\",\"message\":{{\"index\":{},\"kind\":\"Text\",\"text\":\"{text}\",\"visibility\":\"All\",\
         \"sentAt\":\"2026-01-02T14:23:20.126Z\",\"from\":{{\"kind\":\"Customer\",\"nickname\":\"PersonP\",\"participantId\":\"009052C5E6D6004A\"}}}}}}",
        n % KEYS,
        n / KEYS,
    )
}

/// Names and values of the attributes that a record carries as headers.
pub fn attributes(n: usize) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("id", format!("main/chat/0000Bench{:06}X/messages/{}", n % KEYS, n / KEYS)),
        ("source", text("/gws/main")),
        ("type", text("genesys.gws.chat.message.v1")),
        ("subject", format!("chat/0000Bench{:06}X", n % KEYS)),
        ("time", text("2026-01-02T14:23:20.126Z")),
        ("timesource", text("item")),
        ("dataschema", text("urn:cometbridge:schema:chat.message:1")),
        ("medium", text("chat")),
        ("event", text("message")),
        ("interaction", format!("0000Bench{:06}X", n % KEYS)),
        ("observedby", text("1001")),
        ("authorkind", text("Customer")),
        ("visibility", text("All")),
        ("partitionkey", key(n)),
        ("origin", text("notification")),
    ]
}

/// Every header of a record, as the sink names them.
pub fn headers(n: usize) -> Vec<(String, String)> {
    let text = str::to_owned;
    let mut headers =
        vec![(text("content-type"), text("application/json")), (text("ce_specversion"), text("1.0"))];
    headers.extend(attributes(n).into_iter().map(|(name, value)| (format!("ce_{name}"), value)));
    headers.extend([
        (text("ce_messageindex"), (n / KEYS).to_string()),
        (text("ce_sequence"), format!("1763793600-{n:019}")),
        (text("ce_recordedtime"), text("2026-01-02T14:23:20.130Z")),
    ]);
    headers
}

/// The whole envelope, as a webhook gets it.
pub fn envelope(n: usize) -> String {
    let sequence = format!("1763793600-{n:019}");
    String::from_utf8(cometbridge::base::encode::structured(&event(n), &sequence).unwrap()).unwrap()
}

/// The event as the journal takes it.
pub fn event(n: usize) -> Event {
    let mut body = String::from("{\"site\":\"main\",\"recordedtime\":\"\"");
    for (name, value) in attributes(n) {
        body += &format!(",\"{name}\":\"{value}\"");
    }
    serde_json::from_str(&format!("{body},\"messageindex\":{},\"data\":{}}}", n / KEYS, data(n))).unwrap()
}
