//! What is known of each resource as each session sees it: merged from what was decided, written where it changed.
//!
//! It also says when a resource was decided upon last, so that an older reading of it can be told from a newer
//! one. Deliberately absent: what follows from a difference (`decide` says).

use super::cache::Cache;
use super::decide::Memory;
use crate::base::digest::Digest;
use crate::base::time::Millis;
use crate::inbound::normalise::{Shadow, keys};
use crate::journal::{self, Known};
use std::collections::HashMap;

/// Resources kept in memory (two generations of this); some 500 bytes each.
const CACHED: usize = 100_000;

/// One resource as one session sees it.
#[derive(Clone, Default)]
pub(super) struct Resource {
    /// Absent where nothing is known of it.
    pub(super) row: Option<Row>,
    /// When its state was decided upon last, in the order of decisions.
    pub(super) state_at: u64,
    /// When anything of it was, its log included.
    pub(super) any_at: u64,
    /// When the batch ended that it was last in: what is older than its session's end counts no more.
    stored_at: u64,
    changed: bool,
}

#[derive(Clone)]
pub(super) struct Row {
    pub(super) open: bool,
    pub(super) last_index: Option<i64>,
    pub(super) shadow: Shadow,
}

pub(super) struct Resources {
    cache: Cache<Resource>,
    /// When a session was forgotten, and how often the cache had turned by then. Once it has turned twice more,
    /// nothing from before is in it.
    forgotten: HashMap<String, (u64, u64)>,
    /// Of the batch in hand.
    batch: HashMap<Digest, (&'static str, String, Resource)>,
    /// What is no longer in memory was decided upon at this moment or before.
    floor: u64,
    /// The last decision when the old generation went last, and how often it had gone.
    turned: (u64, u64),
}

impl Resource {
    /// Takes over a state; what is left out stays. Says nothing about when.
    pub(super) fn merge(&mut self, open: Option<bool>, shadow: &Shadow) {
        let row = self.row();
        let mut changed = row.shadow.merge(shadow);
        if let Some(open) = open
            && row.open != open
        {
            row.open = open;
            changed = true;
        }
        self.changed |= changed;
    }

    pub(super) fn end(&mut self) {
        self.merge(Some(false), &Shadow::default());
    }

    /// Changes marks of what is known, which are no part of its state.
    pub(super) fn mark(&mut self, change: impl FnOnce(&mut Shadow) -> bool) {
        let changed = change(&mut self.row().shadow);
        self.changed |= changed;
    }

    /// Raises the last index; gives the one before.
    pub(super) fn raise(&mut self, index: i64) -> Option<i64> {
        let row = self.row();
        let before = row.last_index;
        if before.is_none_or(|last| index > last) {
            row.last_index = Some(index);
            self.changed = true;
        }
        before
    }

    /// Whether a reading shows another state than is known.
    pub(super) fn differs(&self, open: Option<bool>, shadow: &Shadow) -> bool {
        let Some(row) = &self.row else { return true };
        let news = row.shadow.is_empty() && !shadow.is_empty();
        news || row.shadow.differs(shadow) || open.is_some_and(|open| open != row.open)
    }

    fn row(&mut self) -> &mut Row {
        let new = self.row.is_none();
        self.changed |= new;
        self.row.get_or_insert_with(|| Row { open: true, last_index: None, shadow: Shadow::default() })
    }
}

impl Resources {
    pub(super) fn new() -> Resources {
        Resources::keeping(CACHED)
    }

    fn keeping(limit: usize) -> Resources {
        let (batch, forgotten) = Default::default();
        Resources { cache: Cache::new(limit), forgotten, batch, floor: 0, turned: (0, 0) }
    }

    /// The resource as it stands at this point of the batch.
    pub(super) fn get(
        &mut self,
        memory: &impl Memory,
        session: &str,
        kind: &'static str,
        id: &str,
    ) -> Result<&mut Resource, journal::Error> {
        let key = keys::joined(&["known", session, kind, id]);
        if !self.batch.contains_key(&key) {
            let forgotten = self.forgotten.get(session).map_or(0, |(at, _)| *at);
            let resource = match self.cache.get(&key) {
                Some(resource) if resource.stored_at > forgotten => resource.clone(),
                _ => {
                    let row = memory.known(session, kind, id)?.map(|known| Row {
                        open: known.open,
                        last_index: known.last_index,
                        shadow: Shadow::parse(&known.shadow),
                    });
                    let (state_at, any_at) = (self.floor, self.floor);
                    Resource { row, state_at, any_at, ..Resource::default() }
                }
            };
            self.batch.insert(key, (kind, id.to_owned(), resource));
        }
        let (.., resource) =
            self.batch.entry(key).or_insert_with(|| (kind, id.to_owned(), Resource::default()));
        Ok(resource)
    }

    /// Ends the batch: one row for each resource that changed. With `forget` the session is forgotten once the batch is
    /// on disk; until then nothing is asked of it.
    pub(super) fn finish(&mut self, session: &str, now: u64, at: Millis, forget: bool) -> Vec<Known> {
        let mut out = Vec::new();
        for (key, (kind, id, mut resource)) in self.batch.drain() {
            if let Some(row) = resource.row.as_ref().filter(|_| resource.changed) {
                out.push(Known {
                    session: session.to_owned(),
                    kind: kind.into(),
                    id,
                    open: row.open,
                    last_index: row.last_index,
                    shadow: row.shadow.text(),
                    at,
                });
            }
            (resource.changed, resource.stored_at) = (false, now);
            self.cache.insert(key, resource);
        }
        if forget {
            // Many of which nothing is known make the cache turn, too.
            self.cache.add_weight(1);
            self.forgotten.insert(session.to_owned(), (now, self.cache.turns()));
        }
        let (last, turns) = self.turned;
        if self.cache.turns() > turns {
            // What has gone was touched before the turn before; after two turns at once, perhaps just now.
            self.floor = if self.cache.turns() == turns + 1 { last } else { now };
            self.turned = (now, self.cache.turns());
            self.forgotten.retain(|_, (_, turns)| self.cache.turns() < *turns + 2);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::dedup::Seen;
    use crate::journal::ContextValue;

    /// Remembers nothing.
    struct Nothing;

    impl Memory for Nothing {
        fn conversation(&self, _: &Digest) -> Result<HashMap<i64, Seen>, journal::Error> {
            Ok(HashMap::new())
        }
        fn state(&self, _: &Digest) -> Result<Option<Digest>, journal::Error> {
            Ok(None)
        }
        fn known(&self, _: &str, _: &str, _: &str) -> Result<Option<Known>, journal::Error> {
            Ok(None)
        }
        fn context(&self, _: &Digest) -> Result<Vec<ContextValue>, journal::Error> {
            Ok(Vec::new())
        }
    }

    /// What was written down, by session and id.
    #[derive(Default)]
    struct Written(HashMap<(String, String), Known>);

    impl Memory for Written {
        fn conversation(&self, _: &Digest) -> Result<HashMap<i64, Seen>, journal::Error> {
            Ok(HashMap::new())
        }
        fn state(&self, _: &Digest) -> Result<Option<Digest>, journal::Error> {
            Ok(None)
        }
        fn known(&self, session: &str, _: &str, id: &str) -> Result<Option<Known>, journal::Error> {
            Ok(self.0.get(&(session.to_owned(), id.to_owned())).cloned())
        }
        fn context(&self, _: &Digest) -> Result<Vec<ContextValue>, journal::Error> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn nothing_of_a_session_outlives_its_being_forgotten_and_all_else_is_as_it_was_written() {
        let (mut resources, mut written) = (Resources::keeping(20), Written::default());
        let mut random = fastrand::Rng::with_seed(7);
        for now in 1..=50_000u64 {
            let session = format!("main/{}", random.u32(..9));
            for _ in 0..random.u32(..4) {
                let id = random.u32(..12).to_string();
                let known = written.known(&session, "chat", &id).unwrap().and_then(|known| known.last_index);
                let resource = resources.get(&written, &session, "chat", &id).unwrap();
                let last = resource.row.as_ref().and_then(|row| row.last_index);
                // Within a batch it may be ahead of what is written.
                assert!(last == known || last == i64::try_from(now).ok(), "{now}: {last:?}, {known:?}");
                if random.bool() {
                    resource.raise(i64::try_from(now).unwrap());
                }
                resource.any_at = now;
            }
            let forget = random.u32(..5) == 0;
            let rows = resources.finish(&session, now, 0, forget);
            written.0.extend(rows.into_iter().map(|row| ((session.clone(), row.id.clone()), row)));
            if forget {
                written.0.retain(|(of, _), _| *of != session);
            }
        }
    }

    #[test]
    fn sessions_forgotten_are_not_remembered_for_ever() {
        let mut resources = Resources::keeping(20);
        for now in 1..=10_000u64 {
            let session = format!("main/{now}");
            resources.finish(&session, now, 0, true);
            assert!(resources.forgotten.len() <= 60, "{}", resources.forgotten.len());
        }
    }

    #[test]
    fn what_has_left_the_memory_is_never_taken_for_older_than_it_is() {
        let mut resources = Resources::keeping(10);
        let mut decided = HashMap::new();
        for now in 1..=500u64 {
            // Some come back soon, some late, some never.
            let id = if now % 3 == 0 { now % 7 } else { now % 90 };
            let resource = resources.get(&Nothing, "main/a", "chat", &id.to_string()).unwrap();
            let last = decided.insert(id, now).unwrap_or(0);
            assert!(resource.any_at >= last && resource.any_at < now, "{last} <= {}", resource.any_at);
            resource.any_at = now;
            resources.finish("main/a", now, 0, false);
        }
    }
}
