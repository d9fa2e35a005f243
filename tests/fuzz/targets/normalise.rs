//! A whole notification: a line with the channel, then its `data`. It becomes events, whatever it is.

#![no_main]

use cometbridge_fuzz::check;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::value::RawValue;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    let (channel, data) = text.split_once('\n').unwrap_or(("/v2/me/chats", text));
    let Ok(data) = serde_json::from_str::<Box<RawValue>>(data) else { return Corpus::Reject };
    // Every item of a log becomes an event with its own data, raw and rest.
    check(input, 2_000, channel, &data);
    Corpus::Keep
});
