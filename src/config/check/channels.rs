//! `subscribe`: named sets of channels, and channels written out.
//!
//! A set holds every spelling that servers are known to use: a channel that does not exist costs one refused
//! subscription, a spelling left out costs every message on it. Deliberately absent: what comes on a channel.

use super::Check;
use crate::config::tree::Path;

const SETS: [(&str, &[&str]); 11] = [
    (
        "conversations",
        &[
            "/v2/me/facebooksession",
            "/v2/me/facebooksessions",
            "/v2/me/chats",
            "/v2/me/smssession",
            "/v2/me/smssessions",
        ],
    ),
    // The agent's own topic says when its password was changed.
    ("agent-states", &["/v2/me/devices", "/v2/me/channels", "/v2/me"]),
    ("services", &["/notifications/services"]),
    ("calls", &["/v2/me/calls"]),
    ("emails", &["/v2/me/emails"]),
    // Public posts; private messages are conversations.
    ("social", &["/v2/me/facebook", "/v2/me/twitter"]),
    ("workitems", &["/v2/me/workitems", "/v2/me/openmedia"]),
    ("im", &["/v2/me/im-sessions"]),
    ("workbins", &["/v2/me/workbins"]),
    ("outbound", &["/v2/me/outbound"]),
    // Only supervisors and administrators are let in.
    ("users", &["/v2/users"]),
];

impl Check<'_> {
    /// The channels, sets expanded, each once, in the order they were named.
    pub(super) fn channels(&mut self, at: &Path, names: &[String]) -> Vec<String> {
        if names.is_empty() {
            self.fault(at, "the list is empty: nothing would ever come");
        }
        let mut channels: Vec<String> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let at = at.index(index);
            let set = SETS.iter().find(|(set, _)| set == name);
            let named = match set {
                Some((_, all)) => all.to_vec(),
                None if name.starts_with('/') => {
                    if let Some(what) = channel_fault(name) {
                        self.fault(&at, format!("{name:?} is not a channel: {what}"));
                    }
                    vec![name.as_str()]
                }
                None => {
                    let what =
                        format!("{name:?} is neither a set of channels nor a channel such as \"/v2/me/*\"");
                    self.fault(&at, what).one_of(name, SETS.map(|(set, _)| set));
                    Vec::new()
                }
            };
            for channel in named {
                if !channels.iter().any(|known| known == channel) {
                    channels.push(channel.to_owned());
                }
            }
        }
        channels
    }
}

fn channel_fault(channel: &str) -> Option<&'static str> {
    let fits = |at: u8| at.is_ascii_alphanumeric() || b"-_!~()$@.".contains(&at);
    let segments: Vec<_> = channel.split('/').skip(1).collect();
    let (last, before) = segments.split_last()?;
    if matches!(segments.first(), Some(&"meta" | &"service")) {
        return Some("nothing can be subscribed below /meta and /service");
    }
    if segments.iter().any(|segment| segment.is_empty()) {
        return Some("a segment is empty");
    }
    if before.iter().any(|segment| segment.contains('*'))
        || (last.contains('*') && *last != "*" && *last != "**")
    {
        return Some("* and ** stand for whole segments, at the end alone");
    }
    let plain = segments.iter().filter(|segment| !segment.starts_with('*'));
    if plain.flat_map(|segment| segment.bytes()).any(|at| !fits(at)) {
        return Some("a segment holds letters, digits and -_!~()$@. alone");
    }
    (channel.len() > 256).then_some("it is longer than 256 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_told_from_what_is_none() {
        for fine in ["/v2/me", "/v2/me/*", "/**", "/notifications/services", "/a-b_c!~()$@."] {
            assert_eq!(channel_fault(fine), None, "{fine}");
        }
        for bad in
            ["/", "//a", "/a/", "/a/*/b", "/a*", "/***", "/meta/connect", "/meta", "/service/x", "/a b", "/é"]
        {
            assert!(channel_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn every_set_holds_channels() {
        let all = SETS.iter().flat_map(|(_, channels)| channels.iter());
        assert!(all.into_iter().all(|channel| channel_fault(channel).is_none()));
    }
}
