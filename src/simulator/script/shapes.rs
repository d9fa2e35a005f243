//! The vendor's notification shapes, as its documentation and a real log show them.
//!
//! Deliberately absent: what happens when (see `conversation`).

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

pub const FACEBOOK: &str = "/v2/me/facebooksession";
pub const DEVICES: &str = "/v2/me/devices";
pub const CHANNELS: &str = "/v2/me/channels";

const NOT_READY: &str = "900D55CC-2BB0-431F-8BF9-D3525B383BE6";
const READY: &str = "9430250E-0000-4000-8000-000000000001";

/// `2014-01-02T14:23:18.000-0800`: the vendor writes the offset without a colon.
pub fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(Offset::constant(-8))).strftime("%Y-%m-%dT%H:%M:%S%.3f%z").to_string()
}

/// A number in base 36 of at least `width` places, as the vendor's ids look.
pub fn base36(mut number: u64, width: usize) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.len() < width {
        let digit = u8::try_from(number % 36).unwrap_or_default();
        digits.push(char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }));
        number /= 36;
    }
    digits.iter().rev().collect()
}

fn metrics(at: Timestamp) -> Value {
    json!({"eventProcessing": {"nodeProcessingTimeNanos": 465_232, "serverGenerationTimestamp": at.as_millisecond(),
        "serverProcessingTimeTotalMs": 3}})
}

fn user_state(ready: bool) -> Value {
    match ready {
        true => json!({"id": READY, "displayName": "Ready", "state": "Ready"}),
        false => json!({"id": NOT_READY, "displayName": "Not Ready", "state": "NotReady"}),
    }
}

/// The devices of an agent.
pub fn devices(url: &str, agent: usize, ready: bool) -> Value {
    let number = 5001 + agent;
    json!([{"id": format!("8f3c2d10-0000-4000-8000-00000000{number}"), "deviceState": "Active",
        "userState": user_state(ready), "phoneNumber": number.to_string(), "e164Number": "",
        "telephonyNetwork": "Private", "doNotDisturb": "Off", "voiceEnvironmentUri": format!("{url}/api/v2/voice-environments/1"),
        "capabilities": ["DoNotDisturbOn", "ForwardCallsOn"], "channels": ["voice"]}])
}

/// The media channels of an agent.
pub fn channels(ready: bool) -> Value {
    json!([{"channel": "facebooksession", "userState": user_state(ready), "dndState": "Off"}])
}

pub fn device_state(devices: Value, at: Timestamp) -> Value {
    json!({"messageType": "DeviceStateChangeMessage", "devices": devices, "metrics": metrics(at)})
}

pub fn channel_state(channels: Value, at: Timestamp) -> Value {
    json!({"messageType": "ChannelStateChangeMessageV2", "channels": channels, "metrics": metrics(at)})
}

/// A `FacebooksessionStateChangeMessage`; only an agent's own request gives a reference.
pub fn session_change(kind: &str, session: &Value, reference: Option<u64>) -> Value {
    let mut data = json!({"messageType": "FacebooksessionStateChangeMessage", "notificationType": kind,
        "facebooksession": session});
    if let (Some(reference), Some(members)) = (reference, data.as_object_mut()) {
        members.insert("referenceId".to_owned(), reference.into());
    }
    data
}

/// A `MessageLogUpdated` with these items of the log.
pub fn log_update(uri: &str, items: &[Value]) -> Value {
    json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages", "messages": items,
        "facebooksessionUri": uri})
}

pub fn session_uri(url: &str, id: &str) -> String {
    format!("{url}/api/v2/facebooksessions/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_the_vendors_form() {
        let at = Timestamp::from_millisecond(1_388_701_400_126).unwrap();
        assert_eq!(stamp(at), "2014-01-02T14:23:20.126-0800");
    }

    #[test]
    fn ids_are_padded_and_in_base_36() {
        assert_eq!(base36(35, 4), "000Z");
        assert_eq!(base36(36 * 36, 1), "100");
    }
}
