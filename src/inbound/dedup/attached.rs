//! Which keys of an interaction's attached data changed since an agent's session was told of it before.
//!
//! GWS sends all of `userData` wherever it sends any, and does not say what changed; what came before does. It is held
//! in memory alone, and nothing is said where nothing was known: after a start, or of what nobody heard of for long.
//! Deliberately absent: values; their digests do.

use super::cache::Cache;
use crate::base::data::KeyChange;
use crate::base::digest::Digest;
use crate::base::encode::Members;
use crate::inbound::normalise::keys;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Bytes of keys kept in memory (two generations of this).
const CACHED: usize = 8 << 20;
/// What an entry and each of its keys take besides the key, about.
const OVERHEAD: usize = 96;
/// Attached data with more keys than this is not followed.
const MAX_KEYS: usize = 512;
/// The member of the payloads, as their types have it.
const MEMBER: &str = "userDataChanges";

/// By resource, as one agent sees it.
pub(super) struct Attached(Cache<Keys>);

type Keys = BTreeMap<String, Digest>;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default, rename = "userData")]
    user_data: Option<&'a RawValue>,
}

impl Default for Attached {
    fn default() -> Attached {
        Attached(Cache::new(CACHED))
    }
}

impl Attached {
    /// Remembers the attached data of an event; its data with the keys that changed, where any did.
    pub(super) fn changed(&mut self, resource: &Digest, data: &RawValue) -> Option<Box<RawValue>> {
        let attached = serde_json::from_str::<Payload<'_>>(data.get()).ok()?.user_data?;
        let Members(members) = serde_json::from_str(attached.get()).ok()?;
        if members.len() > MAX_KEYS {
            self.0.remove(resource);
            return None;
        }
        let now: Keys = members
            .into_iter()
            .map(|(key, value)| (key.into_owned(), keys::content_of_free(value)))
            .collect();
        let said = self.0.get(resource).map(|before| changes(before, &now)).filter(|said| !said.is_empty());
        let with = said.and_then(|said| with(data, &said));
        self.0.add_weight(OVERHEAD + now.keys().map(|key| OVERHEAD + key.len()).sum::<usize>());
        self.0.insert(*resource, now);
        with
    }
}

fn changes<'a>(before: &'a Keys, now: &'a Keys) -> BTreeMap<&'a str, KeyChange> {
    let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| (&**key, KeyChange::Removed));
    let there = now.iter().filter_map(|(key, value)| match before.get(key) {
        None => Some((&**key, KeyChange::Added)),
        Some(old) if old != value => Some((&**key, KeyChange::Changed)),
        Some(_) => None,
    });
    gone.chain(there).collect()
}

/// The payload's own members as they are, and one more.
fn with(data: &RawValue, said: &BTreeMap<&str, KeyChange>) -> Option<Box<RawValue>> {
    let members = data.get().trim_end().strip_suffix('}')?;
    let said = serde_json::to_string(said).ok()?;
    RawValue::from_string(format!("{members},\"{MEMBER}\":{said}}}")).ok()
}
