//! What a candidate lets see of one resource, on the fields that a notification and a REST reading share.
//!
//! Field by field, so that a notification which leaves a field out leaves it standing. It is kept at rest: words
//! only for states, digests for everything a person could be in. Capabilities, metrics, duration and uris never
//! count. Deliberately absent: what was seen before (`dedup` compares).

use super::fields::{Fields, fit, items};
use super::keys::{self, joined};
use crate::base::data::{AgentStateData, Message, Participant};
use crate::base::digest::Digest;
use crate::base::stamps::Stamp;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What a candidate says of one resource, as one agent's session sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// A conversation's medium, [`keys::DEVICE`] or [`keys::CHANNEL`].
    pub kind: &'static str,
    pub id: String,
    pub says: Says,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The resource's state; `open` is absent where nothing says whether it has ended.
    State { open: Option<bool>, shadow: Shadow },
    /// An item of its log; `shared` is a digest of the fields that both forms have.
    Item { index: i64, shared: Digest },
    /// It is no longer in a list that the server answered properly.
    Ended,
}

/// The fields of a resource: words, or digests in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shadow(BTreeMap<String, String>);

const STATE: &str = "state";
const DEVICE_STATE: &str = "deviceState";
const DND: &str = "dnd";
/// Entries that are words.
const WORDS: [&str; 3] = [STATE, DEVICE_STATE, DND];

impl Shadow {
    /// As it stands in the journal; what can not be read is an empty one, from which everything differs.
    pub fn parse(text: &str) -> Shadow {
        Shadow(serde_json::from_str(text).unwrap_or_default())
    }

    pub fn text(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The state as GWS wrote it.
    pub fn state(&self) -> Option<&str> {
        self.get(STATE)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets or removes one entry; says whether that changed anything.
    pub fn put(&mut self, name: &str, value: Option<String>) -> bool {
        if self.get(name) == value.as_deref() {
            return false;
        }
        match value {
            Some(value) => drop(self.0.insert(name.to_owned(), value)),
            None => drop(self.0.remove(name)),
        }
        true
    }

    /// Whether a field that both have differs; the case of words does not count.
    pub fn differs(&self, other: &Shadow) -> bool {
        self.0
            .iter()
            .any(|(name, value)| other.0.get(name).is_some_and(|known| !known.eq_ignore_ascii_case(value)))
    }

    /// As `differs`, without the fields of which the two forms may show different parts.
    pub fn differs_told(&self, other: &Shadow) -> bool {
        let told = |shadow: &Shadow| {
            let kept = shadow.0.iter().filter(|(name, _)| !["userData", "comment"].contains(&name.as_str()));
            Shadow(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        told(self).differs(&told(other))
    }

    /// Takes over every field of `newer`; says whether that changed anything.
    pub fn merge(&mut self, newer: &Shadow) -> bool {
        let mut changed = false;
        for (name, value) in &newer.0 {
            if self.0.get(name) != Some(value) {
                self.0.insert(name.clone(), value.clone());
                changed = true;
            }
        }
        changed
    }

    /// Changes every entry that is a digest.
    pub(super) fn each_digest(&mut self, to: impl Fn(Digest) -> Digest) {
        for (name, value) in &mut self.0 {
            if !WORDS.contains(&name.as_str())
                && let Some(digest) = Digest::from_hex(value)
            {
                *value = to(digest).hex();
            }
        }
    }

    fn word(&mut self, name: &str, word: Option<String>) {
        if let Some(word) = fit(word) {
            self.0.insert(name.to_owned(), word);
        }
    }

    fn digest(&mut self, name: &str, digest: Option<Digest>) {
        if let Some(digest) = digest {
            self.0.insert(name.to_owned(), digest.hex());
        }
    }
}

/// Of a conversation's resource, in either form.
pub(super) fn conversation(kind: &'static str, id: &str, resource: &Fields<'_>) -> Sight {
    let mut shadow = Shadow::default();
    shadow.word(STATE, resource.word("state"));
    shadow.digest("participants", resource.get("participants").and_then(items).map(|all| participants(&all)));
    shadow.digest("userData", resource.get("userData").map(keys::content_of_free));
    shadow.digest("comment", resource.text("comment").map(|text| Digest::of(text.as_bytes())));
    let ended = |state: &str| ["completed", "revoked"].iter().any(|end| end.eq_ignore_ascii_case(state));
    let open = shadow.state().map(|state| !ended(state));
    Sight { kind, id: id.to_owned(), says: Says::State { open, shadow } }
}

/// Who takes part, in whatever order.
fn participants(all: &[&RawValue]) -> Digest {
    let mut each: Vec<String> = all
        .iter()
        .map(|one| match Fields::of(one) {
            Some(fields) => who(&super::conversation::participant(&fields)),
            None => joined(&[one.get()]).hex(),
        })
        .collect();
    each.sort_unstable();
    joined(&each.iter().map(String::as_str).collect::<Vec<_>>())
}

fn who(participant: &Participant) -> String {
    let Participant { kind, nickname, participant_id, .. } = participant;
    let parts = [kind, nickname, participant_id].map(|part| part.as_deref().unwrap_or_default());
    joined(&parts).hex()
}

/// Of a device or a media channel, in either form.
pub(super) fn agent(kind: &'static str, id: &str, data: &AgentStateData) -> Sight {
    let mut shadow = Shadow::default();
    let of = |text: &Option<String>| text.as_ref().map(|text| Digest::of(text.as_bytes()));
    shadow.word(DEVICE_STATE, data.device_state.clone());
    shadow.word(DND, data.do_not_disturb.clone());
    if let Some(user) = &data.user_state {
        shadow.word(STATE, user.state.clone());
        shadow.digest("stateId", of(&user.id));
        shadow.digest("reason", of(&user.reason));
        shadow.digest("workMode", of(&user.work_mode));
    }
    Sight { kind, id: id.to_owned(), says: Says::State { open: Some(true), shadow } }
}

/// Of a log item, in either form.
pub(super) fn item(
    kind: &'static str,
    id: &str,
    index: i64,
    message: &Message,
    stamp: Option<&Stamp>,
) -> Sight {
    let nobody = Participant::default();
    let from = message.from.as_ref().unwrap_or(&nobody);
    let parts = [
        &message.kind,
        &message.text,
        &message.notice_text,
        &message.url,
        &message.visibility,
        &from.participant_id,
        &from.nickname,
        &from.kind,
    ]
    // Absent and empty are told apart.
    .map(|part| part.as_ref().map_or_else(String::new, |text| ["=", text.as_str()].concat()));
    let (index_text, at) = (index.to_string(), stamp.map(|stamp| stamp.utc.as_str()).unwrap_or_default());
    let mut all = vec!["shared", index_text.as_str(), at];
    all.extend(parts.iter().map(String::as_str));
    Sight { kind, id: id.to_owned(), says: Says::Item { index, shared: joined(&all) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Sight {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        conversation("chat", "1", &Fields::of(&json).unwrap())
    }

    fn state(sight: &Sight) -> (Option<bool>, &Shadow) {
        match &sight.says {
            Says::State { open, shadow } => (*open, shadow),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_forms_of_one_state_agree_and_each_field_can_differ() {
        let notified = of(
            r#"{"id":"1","state":"Chatting","capabilities":["A"],"uri":"http://a/1","duration":"3",
                "participants":[{"participantId":"p","nickname":"Ann","type":"Customer"},{"participantId":"q"}]}"#,
        );
        let read = of(
            r#"{"state":"chatting","participants":[{"participantId":"q"},{"participantId":"p","nickname":"Ann",
                "type":"Customer","uri":"x"}],"userData":{"b":1,"a":"x"},"referenceId":11}"#,
        );
        let (one, other) = (state(&notified).1, state(&read).1);
        assert!(!one.differs(other) && !other.differs(one));
        for changed in [r#"{"state":"Invited"}"#, r#"{"participants":[]}"#, r#"{"userData":{"a":"x"}}"#] {
            assert!(state(&of(changed)).1.differs(other), "{changed}");
        }
    }

    #[test]
    fn nothing_a_person_wrote_or_is_called_stands_in_a_shadow() {
        let sight = of(
            r#"{"state":"Chatting","participants":[{"nickname":"Zacharias"}],"userData":{"Zacharias":"5551234"},
                "comment":"Zacharias called"}"#,
        );
        let text = state(&sight).1.text();
        assert!(!text.contains("Zacharias") && !text.contains("5551234"), "{text}");
        assert_eq!(&Shadow::parse(&text), state(&sight).1);
    }

    #[test]
    fn a_field_left_out_stays_and_an_ended_state_closes() {
        let mut known = state(&of(r#"{"state":"Chatting","comment":"x"}"#)).1.clone();
        assert!(known.merge(state(&of(r#"{"state":"Completed"}"#)).1));
        assert!(!known.merge(state(&of(r#"{"state":"Completed"}"#)).1));
        assert!(!known.differs(state(&of(r#"{"comment":"x"}"#)).1));
        for (json, open) in [("Completed", Some(false)), ("REVOKED", Some(false)), ("Chatting", Some(true))] {
            assert_eq!(state(&of(&format!(r#"{{"state":"{json}"}}"#))).0, open, "{json}");
        }
        assert_eq!(state(&of("{}")).0, None);
    }

    #[test]
    fn what_can_not_be_read_back_is_an_empty_shadow() {
        assert!(Shadow::parse("").is_empty() && Shadow::parse("[1]").is_empty());
    }
}
