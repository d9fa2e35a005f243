//! How an event's `id` is formed: what `normalise` prepares and `dedup` completes at the serial point.
//!
//! Deliberately absent: which revision a changed item is (that is `dedup`).

use uuid::Uuid;

/// What an id is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `<realm>/[agent/<agent>/]<medium>/<interaction>/messages/<index>`: the same for every copy of the item.
    LogItem { base: String },
    /// From a digest of content and server generation time: the same however often the server sends it.
    Content { digest_id: String },
    /// Nothing to tell two of them apart: a UUIDv7, given when the event enters the journal.
    Assigned,
}

/// The id of an event, fixed from here on. Call it once per event, at the serial point.
///
/// `revision` is 1 for the first content seen of a log item, and counts on for changed ones, which get
/// `;revision=N`; other identities have no revisions and ignore it. [`Identity::Assigned`] reads the clock.
pub fn event_id(identity: &Identity, revision: u32) -> String {
    match identity {
        Identity::LogItem { base } if revision >= 2 => format!("{base};revision={revision}"),
        Identity::LogItem { base } => base.clone(),
        Identity::Content { digest_id } => digest_id.clone(),
        Identity::Assigned => Uuid::now_v7().to_string(),
    }
}

/// The `baseid` attribute: the id of the first revision, on later ones only.
pub fn base_id(identity: &Identity, revision: u32) -> Option<String> {
    match identity {
        Identity::LogItem { base } if revision >= 2 => Some(base.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_log_item_gets_a_revision_and_names_its_first() {
        let item = Identity::LogItem { base: "main/chat/1/messages/5".into() };
        assert_eq!(event_id(&item, 1), "main/chat/1/messages/5");
        assert_eq!(base_id(&item, 1), None);
        assert_eq!(event_id(&item, 2), "main/chat/1/messages/5;revision=2");
        assert_eq!(base_id(&item, 3).as_deref(), Some("main/chat/1/messages/5"));
    }

    #[test]
    fn an_id_without_a_stable_source_is_a_new_uuid_each_time() {
        assert_ne!(event_id(&Identity::Assigned, 1), event_id(&Identity::Assigned, 1));
        assert_eq!(event_id(&Identity::Assigned, 1).len(), 36);
        let content = Identity::Content { digest_id: "main/agent/1/unknown/ab".into() };
        assert_eq!(event_id(&content, 2), "main/agent/1/unknown/ab");
        assert_eq!(base_id(&content, 2), None);
    }
}
