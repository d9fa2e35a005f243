//! What a reply says about its session: advice first, the error's code where there is none.
//!
//! Deliberately absent: what to do about it (see `machine`).

use crate::inbound::session::bayeux::{Advice, Meta};
use crate::inbound::session::protocol::{Failure, FailureKind};

pub(super) fn failure(kind: FailureKind, text: &str) -> Failure {
    Failure { kind, text: text.to_owned(), retry_after: None }
}

/// `none`, or a negative interval: the client is not to come back by itself.
pub(super) fn tells_to_stay_away(advice: &Advice) -> bool {
    advice.reconnect.as_deref() == Some("none") || advice.interval.is_some_and(|interval| interval < 0)
}

pub(super) fn is_reply(meta: &Meta, channel: &str, id: &str) -> bool {
    meta.channel == channel && meta.id.as_deref() == Some(id)
}

/// The advice of a reply says that the session is no more.
pub(super) fn told_to_handshake(reply: &Meta) -> bool {
    !reply.successful
        && reply.advice.as_ref().and_then(|advice| advice.reconnect.as_deref()) == Some("handshake")
}

/// 402 on CometD, 403 with these words on others, 401 on Faye.
pub(super) fn session_unknown(reply: &Meta) -> bool {
    if reply.successful {
        return false;
    }
    let error = reply.error.as_deref().unwrap_or_default();
    let code = error.split(':').next().unwrap_or_default();
    code == "402" || (matches!(code, "401" | "403") && error.to_ascii_lowercase().contains("unknown"))
}

/// What servers say in an error; the underscores of some are blanks of others.
const WORDS: [&str; 27] = [
    "authentication invalid",
    "channel create denied",
    "channel invalid",
    "channel missing",
    "client id mismatch",
    "command invalid",
    "connection types not supported",
    "create denied",
    "forbidden channel",
    "handshake denied",
    "handshake failed",
    "invalid channel",
    "message deleted",
    "message id invalid",
    "missing required parameter",
    "no transport",
    "publish denied",
    "request requires authentication",
    "session unknown",
    "subscribe denied",
    "subscribe failed",
    "subscription invalid",
    "subscription missing",
    "timeout",
    "unknown client",
    "unsubscribe failed",
    "version mismatch",
];

/// A Bayeux error (`code:arguments:message`) as it may be shown. Its arguments name clients and channels, and a message
/// that no server is known for may name anybody: only its length is told.
pub(in crate::inbound) fn told(error: &str) -> String {
    let mut parts = error.splitn(3, ':');
    let (first, last) = (parts.next().unwrap_or_default(), parts.nth(1));
    let code = three_digits(first).map(|code| code.to_string());
    let message = last.or_else(|| code.is_none().then_some(error)).unwrap_or_default();
    let plain = message.replace('_', " ").to_ascii_lowercase();
    let message = match plain.trim() {
        "" => String::new(),
        known if WORDS.contains(&known) => message.trim().to_owned(),
        _ => format!("(a text of {} bytes that is not shown)", message.len()),
    };
    match code {
        Some(code) => format!("{code}::{message}"),
        None if message.is_empty() => "an empty error".to_owned(),
        None => message,
    }
}

/// The code of an error, where it begins with one.
pub(super) fn error_code(reply: &Meta) -> Option<u16> {
    three_digits(reply.error.as_deref()?.split(':').next()?)
}

fn three_digits(text: &str) -> Option<u16> {
    let is = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    is.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn an_error_is_told_without_what_may_name_somebody() {
        for (error, wanted) in [
            ("402::session_unknown", "402::session_unknown"),
            ("402:client-id,/v2/me/chats:session_unknown", "402::session_unknown"),
            ("401:client-id:Unknown client", "401::Unknown client"),
            ("403:jane.doe@example.com:denied for pa55w0rd", "403::(a text of 19 bytes that is not shown)"),
            ("403:a:b:c", "403::(a text of 3 bytes that is not shown)"),
            ("500", "500::"),
            ("jane.doe", "(a text of 8 bytes that is not shown)"),
            ("unknown_client", "unknown_client"),
            ("", "an empty error"),
        ] {
            assert_eq!(told(error), wanted, "{error}");
        }
    }
}
