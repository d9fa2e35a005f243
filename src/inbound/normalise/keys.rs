//! Keys and digests: what counts as the same conversation, resource, channel and content.
//!
//! Deliberately absent: what has been seen before (that is `dedup`).

use crate::base::digest::{Digest, Keep, canonical, put_decimal};
use crate::base::envelope::id_segment;
pub use crate::base::words::medium_of;
use crate::inbound::settings::{Scope, SiteConfig};
use serde_json::value::RawValue;

/// The medium of a CometD channel, by its last segment: `/v2/me/chats` → `chat`.
pub fn channel_medium(channel: &str) -> Option<&'static str> {
    medium_of(tail(channel))
}

/// The channel in one spelling, so that `/v2/me/chat` and `/v2/me/chats` count as the same.
pub fn canonical_channel(channel: &str) -> String {
    let channel = channel.trim().trim_end_matches('/');
    match (channel.rsplit_once('/'), channel_medium(channel)) {
        (Some((head, _)), Some(medium)) => format!("{head}/{medium}"),
        _ => channel.to_owned(),
    }
}

/// The last segment of a channel.
pub(super) fn tail(channel: &str) -> &str {
    let channel = channel.trim().trim_end_matches('/');
    channel.rsplit_once('/').map_or(channel, |(_, tail)| tail)
}

/// The conversation whose log an item belongs to: of the realm, or of one agent's view of it (scope `agent`).
pub fn conversation(site: &SiteConfig, agent: &str, medium: &str, interaction: &str) -> Digest {
    match site.scope {
        Scope::Interaction => joined(&["log", &site.realm, medium, interaction]),
        Scope::Agent => joined(&["log", &site.realm, medium, interaction, agent]),
    }
}

/// The resource whose state a notification or snapshot carries, in one agent's view. `kind` is a conversation's
/// medium, [`DEVICE`] or [`CHANNEL`].
pub fn resource(realm: &str, agent: &str, kind: &str, id: &str) -> Digest {
    joined(&["state", realm, agent, kind, id])
}

pub const DEVICE: &str = "device";
pub const CHANNEL: &str = "channel";

/// The kind of a resource that has a state of the agent.
pub fn agent_kind(word: &str) -> Option<&'static str> {
    [DEVICE, CHANNEL].into_iter().find(|kind| *kind == word)
}

/// The id, before any revision, of a log item.
pub fn log_item_id(site: &SiteConfig, agent: &str, medium: &str, interaction: &str, index: i64) -> String {
    let view = match site.scope {
        Scope::Interaction => String::new(),
        Scope::Agent => format!("agent/{}/", id_segment(agent)),
    };
    format!("{}/{view}{medium}/{}/messages/{index}", id_segment(&site.realm), id_segment(interaction))
}

/// The digest of what counts as content: canonical JSON without `metrics`, `duration` and every `uri`, which
/// change from node to node and moment to moment. Attached data is content whatever its keys are called.
pub fn content(json: &RawValue) -> Digest {
    canonical(json, counts)
}

/// The digest of attached data: all of it is content.
pub fn content_of_free(json: &RawValue) -> Digest {
    canonical(json, |_, _| Keep::Whole)
}

fn counts(name: &str, depth: usize) -> Keep {
    const FREE: [&str; 3] = ["userData", "extensions", "customFields"];
    if FREE.iter().any(|free| free.eq_ignore_ascii_case(name)) {
        return Keep::Whole;
    }
    if (depth == 0 && name == "metrics") || name == "duration" || name == "uri" || name.ends_with("Uri") {
        return Keep::Out;
    }
    Keep::Filtered
}

/// The digest of several texts, each with its length, so that no two lists give the same bytes.
pub fn joined(parts: &[&str]) -> Digest {
    let mut all = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        put_decimal(part.len(), &mut all);
        all.push(b':');
        all.extend_from_slice(part.as_bytes());
    }
    Digest::of(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        content(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn every_known_spelling_gives_one_medium_and_one_channel() {
        for channel in ["/v2/me/facebooksession", "/v2/me/facebooksessions", "/v2/me/FacebookSession/"] {
            assert_eq!(channel_medium(channel), Some("facebooksession"), "{channel}");
            assert_eq!(canonical_channel(channel), "/v2/me/facebooksession");
        }
        assert_eq!(channel_medium("/v2/me/chats"), Some("chat"));
        assert_eq!(channel_medium("/v2/me/smssessions"), Some("smssession"));
        assert_eq!(channel_medium("/v2/me/facebook"), Some("facebook"));
        assert_eq!(channel_medium("/v2/me/twitter"), Some("tweet"));
        assert_eq!(channel_medium("/v2/me/im-sessions"), Some("imsession"));
        assert_eq!(channel_medium("/v2/me/openmedia"), Some("openmedia"));
        assert_eq!(channel_medium("/v2/me/workbins"), None);
        assert_eq!(canonical_channel("/v2/me/devices"), "/v2/me/devices");
    }

    #[test]
    fn what_changes_from_node_to_node_is_no_content() {
        let a = r#"{"chat":{"state":"X","duration":"1","uri":"http://a/1"},"chatUri":"http://a/1","metrics":{"n":1}}"#;
        let b = r#"{"metrics":{"n":2},"chatUri":"http://b/1","chat":{"uri":"http://b/1","duration":"2","state":"X"}}"#;
        assert_eq!(digest(a), digest(b));
        assert_ne!(digest(a), digest(&b.replace("\"X\"", "\"Y\"")));
    }

    #[test]
    fn attached_data_is_content_whatever_its_keys_are_called() {
        for free in ["userData", "extensions", "customFields"] {
            let one = format!(r#"{{"chat":{{"{free}":{{"duration":1,"siteUri":1,"uri":1}}}}}}"#);
            assert_ne!(digest(&one), digest(&one.replace("\"duration\":1", "\"duration\":2")));
            assert_ne!(digest(&one), digest(&one.replace("\"siteUri\":1", "\"siteUri\":2")));
        }
    }

    #[test]
    fn metrics_below_the_top_are_content() {
        assert_ne!(digest(r#"{"chat":{"metrics":1}}"#), digest(r#"{"chat":{"metrics":2}}"#));
    }

    #[test]
    fn joined_texts_do_not_run_together() {
        assert_ne!(joined(&["ab", "c"]), joined(&["a", "bc"]));
        assert_ne!(joined(&["a"]), joined(&["a", ""]));
    }
}
