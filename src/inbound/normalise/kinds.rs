//! Kinds of resources as a set in a byte: the media of conversations, devices, channels.
//!
//! Deliberately absent: what the set is about (whoever holds it knows).

use super::{Candidate, keys};
use crate::base::envelope::medium;

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

/// Server-wide news come on channels below it, whoever listens.
const OF_THE_SERVER: &str = "/notifications";

impl Kinds {
    pub const NONE: Kinds = Kinds(0);

    /// Of these words; one that names no kind (a later release's) is passed over.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Kinds {
        let bit = |word: &str| all().position(|kind| kind == word).map_or(0, |at| 1 << at);
        Kinds(words.into_iter().fold(0, |set, word| set | bit(word)))
    }

    /// What a notification on this channel was about: nothing where it came to everybody.
    pub fn told(channel: &str, candidates: &[Candidate]) -> Kinds {
        if channel.trim().starts_with(OF_THE_SERVER) {
            return Kinds::NONE;
        }
        let about = |one: &Candidate| one.sight.as_ref().map(|sight| sight.kind);
        Kinds::of(candidates.iter().map(|one| about(one).unwrap_or(&one.event.medium)))
    }

    #[must_use]
    pub fn and(self, more: Kinds) -> Kinds {
        Kinds(self.0 | more.0)
    }

    #[must_use]
    pub fn without(self, less: Kinds) -> Kinds {
        Kinds(self.0 & !less.0)
    }

    pub fn is_empty(self) -> bool {
        self == Kinds::NONE
    }

    pub fn words(self) -> Vec<&'static str> {
        all().enumerate().filter(|(at, _)| self.0 & (1 << at) != 0).map(|(_, kind)| kind).collect()
    }
}

fn all() -> impl Iterator<Item = &'static str> {
    medium::CONVERSATIONS.iter().copied().chain([keys::DEVICE, keys::CHANNEL])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::normalise::{Context, normalise};
    use crate::inbound::settings::testing;
    use crate::inbound::users::Users;
    use rstest::rstest;
    use serde_json::value::RawValue;

    #[test]
    fn a_set_is_written_and_read_in_words() {
        let set = Kinds::of(["device", "chat", "of a later release"]);
        assert_eq!(set.words(), ["chat", "device"]);
        assert_eq!(Kinds::of(set.words()), set);
        assert_eq!(set.without(Kinds::of(["chat", "channel"])).words(), ["device"]);
        assert_eq!(Kinds::NONE.and(set), set);
        assert!(set.without(set).is_empty() && Kinds::of([]).is_empty());
        assert!(all().count() <= 8, "a byte");
    }

    const CHAT: &str =
        r#"{"messageType":"ChatStateChangeMessage","notificationType":"StatusChange","chat":{"id":"1"}}"#;
    const LOG: &str =
        r#"{"messageType":"MessageLogUpdated","chatUri":"http://x/chats/1","messages":[{"index":1}]}"#;
    const DEVICE: &str = r#"{"messageType":"DeviceStateChangeMessage","devices":[{"id":"d"}]}"#;
    const CHANNELS: &str = r#"{"channels":[{"channel":"chat","userState":{"state":"Ready"}}]}"#;
    const SERVICE: &str = r#"{"messageType":"ServiceStateChange","serviceName":"x"}"#;

    #[rstest]
    #[case("/v2/me/chats", CHAT, &["chat"])]
    #[case("/v2/me/chats", LOG, &["chat"])]
    #[case("/v2/me/devices", DEVICE, &["device"])]
    #[case("/v2/me/channels", CHANNELS, &["channel"])]
    #[case("/notifications/services", SERVICE, &[])]
    #[case("/notifications/services", CHAT, &[])]
    #[case("/v2/me", "7", &[])]
    fn a_notification_tells_of_its_own_kind_only(
        #[case] channel: &str,
        #[case] data: &str,
        #[case] kinds: &[&str],
    ) {
        let site = testing::site();
        let context = Context { site: &site, agent: "1001", users: &Users::default(), received: 1 };
        let data = RawValue::from_string(data.to_owned()).unwrap();
        assert_eq!(Kinds::told(channel, &normalise(&context, channel, &data)).words(), kinds);
    }
}
