//! What is last known of each interaction, on the paths that sinks want with its events (`data.context`): learnt from
//! events in the order they are recorded in, and stamped on them.
//!
//! So every copy of an event has the same context, however often and whenever it is sent. Deliberately absent: which sink
//! gets which part of it (`outbound::mask`), and the rows.

use super::cache::Cache;
use super::decide::Memory;
use crate::base::context::{self, Says};
use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::base::time::Millis;
use crate::inbound::normalise::keys;
use crate::inbound::settings::SiteConfig;
use crate::journal::{self, ContextValue};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Bytes of values kept in memory (two generations of this).
const CACHED: usize = 16 << 20;
/// What an entry and each of its values take besides their texts, about.
const OVERHEAD: usize = 128;
/// What is known is written again, so that it stays, when so much time has passed since.
const GRAIN: Millis = 600_000;

pub struct Contexts {
    sites: HashMap<String, Site>,
    known: Cache<Known>,
    window: Millis,
}

struct Site {
    config: SiteConfig,
    /// Without those that the site does not collect.
    paths: Vec<String>,
}

/// What is known of one interaction.
#[derive(Default)]
struct Known {
    values: BTreeMap<String, Value>,
    /// When the oldest of them was written.
    at: Millis,
}

struct Value {
    json: String,
    id: String,
    agent: String,
}

impl Contexts {
    /// For these paths. What was known longer ago than `window` counts only where the journal still has it.
    pub fn new(sites: &[SiteConfig], paths: &[String], window: Duration) -> Contexts {
        let of = |site: &SiteConfig| {
            let collects =
                |path: &&String| site.left_out.as_ref().is_none_or(|out| out.keeps_of_interaction(path));
            let paths = paths.iter().filter(collects).cloned().collect();
            (site.name.clone(), Site { config: site.clone(), paths })
        };
        Contexts {
            sites: sites.iter().map(of).collect(),
            known: Cache::new(CACHED),
            window: Millis::try_from(window.as_millis()).unwrap_or(Millis::MAX),
        }
    }

    /// Where no sink wants any.
    pub fn none() -> Contexts {
        Contexts::new(&[], &[], Duration::ZERO)
    }

    /// Every path that is kept of some site.
    pub fn paths(&self) -> Vec<String> {
        let paths: BTreeSet<&String> = self.sites.values().flat_map(|site| &site.paths).collect();
        paths.into_iter().cloned().collect()
    }

    /// Forgets what was erased.
    pub(super) fn forget(&mut self, conversations: Vec<Digest>) {
        for conversation in conversations {
            self.known.remove(&conversation);
        }
    }

    /// Takes over what the event says, and gives it what is known then. What is to be written is in the answer.
    pub(super) fn stamp(
        &mut self,
        memory: &impl Memory,
        (site, agent): (&str, &str),
        event: &mut Event,
        now: Millis,
    ) -> Result<Vec<ContextValue>, journal::Error> {
        let site = self.sites.get(site).filter(|site| !site.paths.is_empty());
        let (Some(site), Some(interaction)) = (site, &event.interaction) else { return Ok(Vec::new()) };
        let conversation = keys::conversation(&site.config, agent, &event.medium, interaction);
        let known = load(&mut self.known, memory, conversation, now.saturating_sub(self.window))?;
        let mut news = BTreeSet::new();
        for (path, says) in context::says(&event.data, &site.paths) {
            let changed = match says {
                Says::Value(json) => known.put(path, json.get(), &event.id, agent, now),
                Says::Gone => known.values.remove(path).is_some(),
                Says::Nothing => false,
            };
            if changed {
                news.insert(path.to_owned());
            }
        }
        event.context = known.shown(&site.paths);
        let added = news.iter().map(|path| known.weight_of(path)).sum();
        if now > known.at.saturating_add(GRAIN) {
            known.at = now;
            news.extend(known.values.keys().cloned());
        }
        let write = |path: String| {
            let value = known.values.get(&path);
            ContextValue {
                conversation,
                interaction: interaction.clone(),
                agent: value.map_or(agent, |value| value.agent.as_str()).to_owned(),
                id: value.map_or(&event.id, |value| &value.id).clone(),
                value: value.map(|value| value.json.clone()),
                at: now,
                path,
            }
        };
        let writes = news.into_iter().map(write).collect();
        self.known.add_weight(added);
        Ok(writes)
    }
}

impl Known {
    fn of(rows: Vec<ContextValue>) -> Known {
        let at = rows.iter().map(|row| row.at).min().unwrap_or_default();
        let value = |row: ContextValue| {
            let json = row.value.filter(|json| serde_json::from_str::<&RawValue>(json).is_ok())?;
            Some((row.path, Value { json, id: row.id, agent: row.agent }))
        };
        Known { values: rows.into_iter().filter_map(value).collect(), at }
    }

    fn put(&mut self, path: &str, json: &str, id: &str, agent: &str, now: Millis) -> bool {
        if self.values.is_empty() {
            self.at = now;
        }
        let value = Value { json: json.to_owned(), id: id.to_owned(), agent: agent.to_owned() };
        self.values.insert(path.to_owned(), value);
        true
    }

    fn shown(&self, paths: &[String]) -> Option<Box<RawValue>> {
        let known = paths.iter().filter_map(|path| Some((path, self.values.get(path)?)));
        context::object(
            known.map(|(path, value)| (path.as_str(), (&*value.json).into(), (&*value.id).into())),
        )
    }

    fn weight_of(&self, path: &str) -> usize {
        let texts = |value: &Value| value.json.len() + value.id.len() + value.agent.len();
        OVERHEAD + path.len() + self.values.get(path).map_or(0, texts)
    }
}

/// What is known of a conversation; what is older than `before` may have gone from the journal since it was read.
fn load<'c>(
    cache: &'c mut Cache<Known>,
    memory: &impl Memory,
    conversation: Digest,
    before: Millis,
) -> Result<&'c mut Known, journal::Error> {
    let old = |known: &mut Known| !known.values.is_empty() && known.at < before;
    if cache.get(&conversation).is_none_or(old) {
        let known = Known::of(memory.context(&conversation)?);
        cache.add_weight(OVERHEAD + known.values.keys().map(|path| known.weight_of(path)).sum::<usize>());
        cache.insert(conversation, known);
    }
    Ok(cache.young(conversation, Known::default))
}
