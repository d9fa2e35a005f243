//! Stamps in all the places where a notification can have one: text or number, read or passed over, never a panic.

#![no_main]

use cometbridge_fuzz::check;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::value::RawValue;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    // What reads as a JSON number is tried as one, everything else as text.
    let number = serde_json::from_str::<serde_json::Number>(text.trim()).is_ok();
    let quoted = serde_json::Value::from(text).to_string();
    let stamp = if number { text.trim() } else { &quoted };
    let data = format!(
        "{{\"messageType\":\"MessageLogUpdated\",\"chatPath\":\"/chats/c\",\"messages\":[\
         {{\"index\":1,\"type\":\"Text\",\"text\":\"t\",\"timestamp\":{stamp}}},\
         {{\"index\":2,\"type\":\"Text\",\"text\":\"t\",\"timestampSeconds\":{stamp}}}],\
         \"metrics\":{{\"eventProcessing\":{{\"serverGenerationTimestamp\":{stamp}}}}}}}"
    );
    let Ok(data) = RawValue::from_string(data) else { return Corpus::Reject };
    check(input, 1_000, "/v2/me/chats", &data);
    Corpus::Keep
});
