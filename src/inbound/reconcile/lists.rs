//! What a REST reply says: whether it went well, who it is for, and the lists in it under any spelling.
//!
//! Pure. Only HTTP 200 with `statusCode` 0 and the list itself is a proper answer; anything else is unknown, from
//! which nothing follows. Deliberately absent: any `uri` of a payload; none is ever dialled.

use crate::base::encode::Members;
use crate::inbound::normalise::fields::{Fields, integer, items};
use crate::inbound::normalise::keys;
use crate::inbound::normalise::{Candidate, Context, snapshot};
use http::StatusCode;
use serde_json::value::RawValue;

/// Why a reply is of no use. The texts hold nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::inbound) enum Trouble {
    /// The HTTP session is no longer logged in, or it is another user's.
    LoggedOut,
    /// There is no such resource here.
    Missing,
    /// `again`: it may pass.
    Failed { text: String, again: bool },
}

impl Trouble {
    /// It may go well when it is asked for again.
    pub(super) fn passing(&self) -> bool {
        matches!(self, Trouble::Failed { again: true, .. })
    }

    /// Of a request that failed: why.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Trouble::Failed { text, .. } => Some(text),
            Trouble::LoggedOut | Trouble::Missing => None,
        }
    }
}

/// The user's own lists out of `GET /me`.
#[derive(Default)]
pub(in crate::inbound) struct Me {
    pub(in crate::inbound) user_name: Option<String>,
    /// Absent where there is no such list.
    pub(in crate::inbound) devices: Option<Vec<Box<RawValue>>>,
    pub(in crate::inbound) channels: Option<Vec<Box<RawValue>>>,
    user: Option<Box<RawValue>>,
}

/// The body of a reply that went well. `me`: a refusal of `GET /me` itself is never a lack of rights.
pub(in crate::inbound) fn good(
    status: StatusCode,
    body: &[u8],
    what: &str,
    me: bool,
) -> Result<Box<RawValue>, Trouble> {
    let json: Option<Box<RawValue>> = serde_json::from_slice(body).ok();
    let code = json.as_deref().and_then(Fields::of).and_then(|fields| fields.word("statusCode"));
    let code = code.as_deref();
    let failed = |again: bool| {
        let with = code.filter(|code| code.len() <= 8).map(|code| format!(" with statusCode {code}"));
        let text = format!("{what}: HTTP {}{}", status.as_u16(), with.unwrap_or_default());
        Err(Trouble::Failed { text, again })
    };
    match (status.as_u16(), code) {
        (401, _) | (_, Some("20")) => Err(Trouble::LoggedOut),
        (403, _) if me => Err(Trouble::LoggedOut),
        (404, _) | (_, Some("6")) => Err(Trouble::Missing),
        (200, Some("0")) => json.map_or_else(|| failed(false), Ok),
        (408 | 429 | 500.., _) => failed(true),
        _ => failed(false),
    }
}

/// What `GET /me?subresources=*` shows.
pub(in crate::inbound) fn me(body: &RawValue) -> Me {
    let Some(top) = Fields::of(body) else { return Me::default() };
    let Some(json) = top.get("user") else { return Me::default() };
    let Some(user) = Fields::of(json) else { return Me::default() };
    let list = |name: &str| {
        let list = user.get(name).filter(|list| list.get().starts_with('[')).and_then(items)?;
        Some(list.into_iter().map(ToOwned::to_owned).collect())
    };
    Me {
        user_name: user.word("userName"),
        devices: list("devices"),
        channels: list("channels"),
        user: Some(json.to_owned()),
    }
}

impl Me {
    /// A medium's conversations, where they stand in the user's own resource.
    pub(in crate::inbound) fn embedded(&self, medium: &str) -> Option<Vec<Box<RawValue>>> {
        list(self.user.as_deref()?, medium)
    }

    /// Devices and channels.
    pub(in crate::inbound) fn agent_states(&self, cx: &Context<'_>) -> Vec<Candidate> {
        let devices = self.devices.iter().flatten().filter_map(|json| snapshot::device(cx, json));
        let channels = self.channels.iter().flatten().filter_map(|json| snapshot::channel(cx, json));
        devices.chain(channels).collect()
    }

    /// Whether it shows every device and channel.
    pub(in crate::inbound) fn whole(&self) -> bool {
        self.devices.is_some() && self.channels.is_some()
    }

    /// Whether the reply is for this user, as the login checks it.
    pub(in crate::inbound) fn is(&self, username: &str) -> bool {
        self.user_name.as_deref().is_some_and(|name| name.to_lowercase() == username.to_lowercase())
    }
}

/// A medium's list, under its name in any spelling; nothing where there is no such list.
pub(in crate::inbound) fn list(body: &RawValue, medium: &str) -> Option<Vec<Box<RawValue>>> {
    if !body.get().starts_with('{') {
        return None;
    }
    let members = serde_json::from_str::<Members<'_>>(body.get()).ok()?.0;
    let (_, found) = members
        .into_iter()
        .find(|(name, value)| keys::medium_of(name) == Some(medium) && value.get().starts_with('['))?;
    Some(items(found)?.into_iter().map(ToOwned::to_owned).collect())
}

/// The items of a log, each with its index where it has one.
pub(in crate::inbound) fn messages(body: &RawValue) -> Option<Vec<(Option<i64>, Box<RawValue>)>> {
    let list = Fields::of(body)?.get("messages").filter(|list| list.get().starts_with('['))?;
    let index = |json: &RawValue| Fields::of(json).and_then(|item| item.get("index")).and_then(integer);
    Some(items(list)?.into_iter().map(|json| (index(json), json.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[rstest]
    #[case(200, r#"{"statusCode":0,"chats":[]}"#, "good")]
    #[case(200, r#"{"statusCode":"0"}"#, "good")]
    #[case(200, r#"{"chats":[]}"#, "failed")]
    #[case(200, "<html>", "failed")]
    #[case(200, r#"{"statusCode":7,"chats":[]}"#, "failed")]
    #[case(503, r#"{"statusCode":4}"#, "again")]
    #[case(429, "", "again")]
    #[case(401, "", "out")]
    #[case(403, r#"{"statusCode":20}"#, "out")]
    #[case(403, r#"{"statusCode":5}"#, "failed")]
    #[case(404, "", "missing")]
    #[case(500, r#"{"statusCode":6}"#, "missing")]
    #[case(301, "", "failed")]
    fn only_200_with_status_code_0_is_a_proper_answer(
        #[case] status: u16,
        #[case] body: &str,
        #[case] means: &str,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let seen = match good(status, body.as_bytes(), "x", false) {
            Ok(_) => "good",
            Err(Trouble::LoggedOut) => "out",
            Err(Trouble::Missing) => "missing",
            Err(Trouble::Failed { again: true, .. }) => "again",
            Err(Trouble::Failed { again: false, .. }) => "failed",
        };
        assert_eq!(seen, means);
    }

    #[test]
    fn a_refused_me_is_a_lost_login_whatever_its_code() {
        let refused = good(StatusCode::FORBIDDEN, br#"{"statusCode":3}"#, "x", true);
        assert_eq!(refused.err(), Some(Trouble::LoggedOut));
    }

    #[test]
    fn a_list_is_found_under_every_spelling_and_only_as_a_list() {
        for name in ["chats", "chat", "Chats"] {
            let body = json(&format!(r#"{{"statusCode":0,"uri":"x","{name}":[{{"id":"1"}}]}}"#));
            assert_eq!(list(&body, "chat").unwrap().len(), 1, "{name}");
            assert!(list(&body, "smssession").is_none());
        }
        for none in [r#"{"chats":null}"#, r#"{"chats":{"id":"1"}}"#, "[]", "{}"] {
            assert!(list(&json(none), "chat").is_none(), "{none}");
        }
    }

    #[test]
    fn me_gives_the_users_lists_and_an_absent_one_is_unknown() {
        let me = me(&json(
            r#"{"statusCode":0,"user":{"userName":"Ann","devices":[{"id":"d"}],"chats":[],"channels":"x"}}"#,
        ));
        assert!(me.is("ann") && !me.is("bob"));
        assert_eq!(me.devices.as_ref().unwrap().len(), 1);
        assert!(me.channels.is_none());
        assert!(me.embedded("chat").unwrap().is_empty());
        assert!(me.embedded("facebooksession").is_none());
    }

    #[test]
    fn items_of_a_log_keep_what_they_are_and_say_their_index() {
        let body = json(r#"{"statusCode":0,"messages":[{"index":2,"text":"a"},{"index":"3"},7]}"#);
        let found = messages(&body).unwrap();
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [Some(2), None, None]);
        assert_eq!(found[0].1.get(), r#"{"index":2,"text":"a"}"#);
        assert!(messages(&json(r#"{"statusCode":0}"#)).is_none());
    }
}
