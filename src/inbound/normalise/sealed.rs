//! A candidate of a site that leaves something out: no digest of it may be written down that could be tried.
//!
//! Under one key the same content still gives the same digest, and other content another: what repeats is found as before.
//! Deliberately absent: what is left out (`base::left_out`).

use super::{Candidate, Identity, Says};
use crate::base::digest::Digest;
use crate::base::ids;
use crate::inbound::settings::SiteConfig;

/// As it may be written down; of a site that keeps all as it is.
pub(super) fn sealed(candidate: Candidate, site: &SiteConfig) -> Candidate {
    let Some(left_out) = &site.left_out else { return candidate };
    let digest = |plain: Digest| left_out.digest(plain);
    let Candidate { content, identity, mut sight, .. } = candidate;
    match sight.as_mut().map(|sight| &mut sight.says) {
        Some(Says::State { shadow, .. }) => shadow.each_digest(digest),
        Some(Says::Item { shared, .. }) => *shared = digest(*shared),
        Some(Says::Ended) | None => {}
    }
    let identity = match identity {
        Identity::Content { digest_id } if ids::is_of_content(&digest_id) => {
            Identity::Content { digest_id: sealed_id(&digest_id, digest) }
        }
        other => other,
    };
    Candidate { content: digest(content), identity, sight, ..candidate }
}

/// The digest is the last part of an id.
fn sealed_id(id: &str, digest: impl Fn(Digest) -> Digest) -> String {
    let (stem, last) = id.rsplit_once('/').unwrap_or(("", id));
    let plain = Digest::from_hex(last).unwrap_or_else(|| Digest::of(last.as_bytes()));
    format!("{stem}/{}", digest(plain).hex())
}

#[cfg(test)]
mod tests {
    use super::super::{Context, normalise, snapshot};
    use super::*;
    use crate::base::classes::Class;
    use crate::base::left_out::LeftOut;
    use crate::inbound::settings::testing;
    use crate::inbound::users::Users;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    fn site(drop: &[Class], secret: Option<u8>) -> SiteConfig {
        let left_out = LeftOut::new(drop.to_vec(), Vec::new());
        if let (Some(left_out), Some(secret)) = (&left_out, secret) {
            left_out.key_digests(&[secret; 32]);
        }
        SiteConfig { left_out: left_out.map(Into::into), ..testing::site() }
    }

    fn made(site: &SiteConfig, channel: &str, data: &Value) -> Vec<Candidate> {
        let data = RawValue::from_string(data.to_string()).unwrap();
        let cx = Context { site, agent: "1001", users: &Users::default(), received: 1 };
        normalise(&cx, channel, &data)
    }

    /// A notification of each kind, in which a word stands that is left out.
    fn told(word: &str) -> [(&'static str, Value); 4] {
        let metrics = json!({"eventProcessing": {"serverGenerationTimestamp": 1_796_000_000_000_i64}});
        let (participants, item) =
            (json!([{"nickname": word}]), json!({"index": 1, "type": "Text", "text": word}));
        let reason = json!({"state": "NotReady", "reason": word});
        [
            (
                "/v2/me/chats",
                json!({"messageType": "ChatStateChangeMessage", "notificationType": "StatusChange",
                "chat": {"id": "c", "state": "Chatting", "comment": word, "userData": {"FirstName": word},
                    "participants": participants}, "metrics": metrics}),
            ),
            (
                "/v2/me/chats",
                json!({"messageType": "MessageLogUpdated", "chatUri": "/chats/c",
                "messages": [item, {"type": "Text", "text": word}], "metrics": metrics}),
            ),
            (
                "/v2/me/devices",
                json!({"messageType": "DeviceStateChangeMessage",
                "devices": [{"id": "d", "userState": reason}], "metrics": metrics}),
            ),
            ("/v2/me/new", json!({"messageType": "New", "text": word, "metrics": metrics})),
        ]
    }

    /// All that a candidate leaves behind but for the time of the event: digests and ids.
    fn marks(candidate: &Candidate) -> Vec<String> {
        let sight = candidate.sight.as_ref().map(|sight| match &sight.says {
            Says::State { shadow, .. } => shadow.text(),
            Says::Item { shared, .. } => shared.hex(),
            Says::Ended => String::new(),
        });
        vec![candidate.content.hex(), format!("{:?}", candidate.identity), sight.unwrap_or_default()]
    }

    #[test]
    fn no_digest_of_what_is_left_out_is_the_one_that_anybody_can_make() {
        let (plain, keyed) = (site(&[], None), site(&[Class::Content, Class::Identity], Some(1)));
        let other = site(&[Class::Content, Class::Identity], Some(2));
        for (channel, data) in told("Lunch") {
            let of = |site: &SiteConfig| made(site, channel, &data);
            for ((plain, keyed), other) in of(&plain).iter().zip(of(&keyed)).zip(of(&other)) {
                assert_ne!(plain.content, keyed.content, "{data}");
                assert_ne!(other.content, keyed.content, "{data}");
                for ((plain, keyed), other) in marks(plain).iter().zip(marks(&keyed)).zip(marks(&other)) {
                    let same = plain.is_empty() || plain.contains("LogItem");
                    assert_eq!((*plain == keyed, other == keyed), (same, same), "{data}: {plain} {keyed}");
                }
            }
        }
    }

    #[test]
    fn what_differs_in_what_is_left_out_alone_is_still_told_apart_and_what_is_equal_is_equal() {
        let keyed = site(&[Class::Content, Class::Identity], Some(1));
        for ((channel, one), (_, other)) in told("Lunch").iter().zip(told("Training")) {
            let (one, again, other) =
                (made(&keyed, channel, one), made(&keyed, channel, one), made(&keyed, channel, &other));
            for ((one, again), other) in one.iter().zip(&again).zip(&other) {
                assert_eq!(one.event.data.get(), other.event.data.get(), "what differs is left out");
                assert_eq!(marks(one), marks(again));
                assert_ne!(one.content, other.content);
            }
        }
    }

    #[test]
    fn what_rest_shows_compares_with_what_was_notified() {
        let keyed = site(&[Class::Content], Some(1));
        let cx = Context { site: &keyed, agent: "1001", users: &Users::default(), received: 1 };
        let [_, (channel, log), ..] = told("Lunch");
        let notified = made(&keyed, channel, &log);
        let item = RawValue::from_string(log["messages"][0].to_string()).unwrap();
        let read = snapshot::item(&cx, "chat", "c", &item).unwrap();
        assert_eq!(read.sight, notified[0].sight);
        let [(channel, state), ..] = told("Lunch");
        let notified = made(&keyed, channel, &state);
        let state = RawValue::from_string(state["chat"].to_string()).unwrap();
        let read = snapshot::conversation(&cx, "chat", &state).unwrap();
        assert_eq!(read.sight, notified[0].sight);
    }
}
