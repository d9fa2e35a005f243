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
