//! The body of a reply: whatever a server sends, nothing panics, no message is lost, memory stays in proportion.

#![no_main]

use cometbridge::inbound::session::bayeux::{Message, parse};
use cometbridge_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    // Beside the messages themselves, what counts is the place that each takes in the list.
    bounded(body, 40, || {
        let Ok(messages) = parse(body) else { return };
        for message in messages {
            match message {
                Message::Data { data, .. } => assert!(holds(body, data.get()), "data is not what came"),
                // Of very many, the later ones stand in a list of ours.
                Message::Malformed { raw, reason } => {
                    assert!(reason.contains("together") || holds(body, raw.get()), "raw is not what came");
                }
                Message::Meta(meta) => assert!(meta.channel.len() <= body.len()),
            }
        }
    });
});

fn holds(body: &[u8], part: &str) -> bool {
    // Looking for a part in a long body is slow, and says no more than in a short one.
    body.len() > 4096 || body.windows(part.len().max(1)).any(|window| window == part.as_bytes())
}
