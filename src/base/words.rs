//! Words as GWS spells them: media, names of notifications, and what stands where an id is not known.
//!
//! Deliberately absent: which words the envelope has for them (`envelope`), and what a word means.

use super::envelope::medium;

/// Longest name of a type.
pub const MAX_LENGTH: usize = 64;
/// What the names of GWS's documented types end in; the last may be followed by a version.
const ENDS: &[&str] = &["Updated", "Response", "Event", "Message"];
/// Documented values of `notificationType`, but for those that end so and those of what was saved.
const NOTIFICATION_TYPES: &[&str] = &[
    "StatusChange",
    "AttachedDataChanged",
    "CallRecordingStateChange",
    "AttachmentAdded",
    "AttachmentRemoved",
    "Error",
    "NewMessages",
    "NewMessage",
    "StatusChanged",
    "RecordProcessedAcknowledge",
    "ChainedRecordsDataEnd",
    "PasswordChangeSuccessful",
    "PasswordChangeError",
];
/// Documented names of types that do not tell a medium; of another case they do not have the shape.
const MESSAGE_TYPES: &[&str] = &[
    "MessageLogUpdated",
    "DeviceStateChangeMessage",
    "ChannelStateChangeMessage",
    "ChannelStateChangeMessageV2",
    "DeviceUserEventMessage",
    "ErrorMessage",
    "TweetOperationResponse",
    "TwitterOperationResponse",
    "OutboundRecordMessage",
    "WorkbinSubscriptionStateChangeMessage",
    "WorkbinStateChangeMessage",
    "IMLogUpdateMessage",
    "ServiceStateChanged",
];

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

/// Whether a word has the shape of GWS's own names: `WorkbinStateChangeMessage`, `ChannelStateChangeMessageV2`,
/// `MessageLogUpdated`, `TweetOperationResponse`.
pub fn is_type_name(word: &str) -> bool {
    let shaped = word.len() <= MAX_LENGTH
        && word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let unversioned = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let version = unversioned.len() < word.len() && unversioned.ends_with("MessageV");
    shaped && (version || ENDS.iter().any(|end| word.ends_with(end)))
}

/// Whether a word is a `messageType` of GWS in any case, or has the shape of one.
pub fn is_message_type(word: &str) -> bool {
    let folded = word.to_ascii_lowercase();
    let of_state = folded.strip_suffix("statechangemessage").is_some_and(|stem| medium_of(stem).is_some());
    of_state || is_in(MESSAGE_TYPES, word) || is_type_name(word)
}

/// Whether a word is a `notificationType` of GWS in any case, or has the shape of one.
pub fn is_notification_type(word: &str) -> bool {
    let folded = word.to_ascii_lowercase();
    let saved = folded.strip_suffix("saved").is_some_and(|stem| medium_of(stem).is_some());
    let updated = folded == "participantsupdated" || folded == "propertiesupdated";
    saved || updated || is_in(NOTIFICATION_TYPES, word) || is_type_name(word)
}

fn is_in(list: &[&str], word: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word))
}
