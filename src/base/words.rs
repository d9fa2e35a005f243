//! Words as GWS spells them: media, and what stands where an id is not known.
//!
//! Deliberately absent: which words the envelope has for them (`envelope`), and what a word means.

use super::envelope::medium;

/// The medium of an interaction that a word names in any known spelling (`FacebookSession`, `chats`, `twitters`,
/// `im-sessions`, …).
pub fn medium_of(word: &str) -> Option<&'static str> {
    let folded = word.trim().to_ascii_lowercase();
    let singular = match folded.strip_suffix('s').unwrap_or(&folded) {
        "twitter" => medium::TWEET,
        "im-session" => medium::IMSESSION,
        other => other,
    };
    medium::CONVERSATIONS.iter().chain(medium::ITEMS).copied().find(|medium| *medium == singular)
}

/// Whether a text stands for an id that the sender does not have: a call that has not begun is `…/calls/null`.
pub fn is_no_id(text: &str) -> bool {
    ["null", "undefined"].iter().any(|nothing| nothing.eq_ignore_ascii_case(text.trim()))
}
