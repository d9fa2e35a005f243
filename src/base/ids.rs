//! What an event's id is made of, read off the id: of content, or of what may be known to all who get the event.
//!
//! An id that is a digest of content can be tried against every content that is likely. Deliberately absent: how ids are
//! made (`inbound::normalise`), and what a sink gets in their place (`outbound::mask`).

use super::envelope::event;

/// Whether an id is made of content. Log items, transcripts, gaps and what chance named are not; what looks like none of
/// these counts as if it were.
pub fn is_of_content(id: &str) -> bool {
    let parts: Vec<&str> = id.split('/').collect();
    let named = match parts.as_slice() {
        [_] => true,
        [_, _, _, "messages", _] | [_, AGENT, _, _, _, "messages", _] => true,
        [_, _, _, last] => last.split(';').next() == Some(event::TRANSCRIPT),
        [_, AGENT, _, _, _, event::GAP, _, _] => true,
        _ => false,
    };
    !named
}

/// Whether an agent's key stands in an id.
pub fn names_an_agent(id: &str) -> bool {
    id.split('/').nth(1) == Some(AGENT)
}

/// What stands before it.
const AGENT: &str = "agent";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_content_are_told_from_the_others() {
        for (id, of_content, names_an_agent) in [
            ("019c13f0-0000-7000-8000-000000000001", false, false),
            ("main/chat/i/messages/5", false, false),
            ("main/chat/i/messages/5;revision=2", false, false),
            ("main/agent/1001/chat/i/messages/5", false, true),
            ("main/chat/i/transcript;revision=2", false, false),
            ("main/agent/1001/chat/i/gap/0199/opened", false, true),
            ("main/chat/i/message/ab12", true, false),
            ("main/call/messages/status_change/ab12", true, false),
            ("main/agent/1001/d/state_change/ab12", true, true),
            ("main/agent/1001/messages/state_change/ab12", true, true),
            ("main/agent/1001/gap/state_change/ab12", true, true),
            ("main/agent/1001/unknown/ab12", true, true),
            ("main/agent/1001/user/password_changed/ab12", true, true),
            ("", false, false),
        ] {
            assert_eq!((is_of_content(id), super::names_an_agent(id)), (of_content, names_an_agent), "{id}");
        }
    }
}
