//! Tests of the whole journal, through its handle: helpers here, one file a subject.

mod contexts;
mod crash;
mod damage;
mod dead;
mod erase;
mod expiring;
mod facts;
mod full;
mod group;
mod model;
mod opening;
mod parked;
mod trim;
mod upgrade;

use super::engine::{Compact, Durability, Engine, Held, Outcome, Plan, Tally, Trimmed, Write};
use super::fault::Fault;
use super::sqlite::Sqlite;
use super::*;
use crate::base::envelope::{Origin, TimeSource};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) const START: i64 = 1_763_793_600_000;
pub(super) const MINUTE: i64 = 60_000;

/// A journal of one test.
pub(super) struct Bench {
    pub journal: Journal,
    pub recovery: Recovery,
    pub clock: Clock,
    pub metrics: Metrics,
    pub health: Health,
}

pub(super) fn state_dir(temp: &tempfile::TempDir) -> PathBuf {
    temp.path().join("state")
}

pub(super) fn config(temp: &tempfile::TempDir) -> Config {
    Config {
        state_dir: state_dir(temp),
        keep_delivered: Duration::ZERO,
        dedup_window: Duration::from_secs(3_600),
        reserve_bytes: 1 << 20,
        keep_gaps: Duration::from_secs(30 * 24 * 3_600),
        keep_drafts: Duration::from_secs(30 * 24 * 3_600),
        keep_dead_letters: Duration::from_secs(3_600),
        max_dead_letters: 100,
        accept_shortened: false,
    }
}

pub(super) fn open(config: Config) -> Result<Bench, Error> {
    open_with(config, |engine| Box::new(engine))
}

pub(super) fn open_with(
    config: Config,
    wrap: impl FnOnce(Sqlite) -> Box<dyn Engine>,
) -> Result<Bench, Error> {
    let (clock, metrics, health) = (Clock::manual(START), Metrics::new().unwrap(), Health::default());
    let (journal, recovery) =
        super::open::open(config, clock.clone(), metrics.clone(), health.clone(), wrap)?;
    Ok(Bench { journal, recovery, clock, metrics, health })
}

pub(super) fn event(id: &str, text: &str) -> Event {
    let data = serde_json::value::to_raw_value(&serde_json::json!({ "text": text })).unwrap();
    Event {
        id: id.to_owned(),
        source: "/gws/main".to_owned(),
        kind: "genesys.gws.chat.message.v1".into(),
        subject: "chat/1".to_owned(),
        time: "2026-01-01T00:00:00.000Z".to_owned(),
        timesource: TimeSource::Item,
        dataschema: "urn:cometbridge:schema:chat.message:1".into(),
        site: "main".to_owned(),
        medium: "chat".into(),
        event: "message".into(),
        interaction: Some("1".to_owned()),
        agent: None,
        group: None,
        observedby: None,
        messageindex: Some(1),
        authorkind: None,
        visibility: None,
        referenceid: None,
        correlationid: None,
        revision: None,
        baseid: None,
        partitionkey: "main/1".to_owned(),
        recordedtime: String::new(),
        origin: Origin::Notification,
        data,
        raw: None,
        rest: None,
        context: None,
        late: false,
    }
}

pub(super) fn events(ids: impl IntoIterator<Item = String>) -> Append {
    Append { events: ids.into_iter().map(|id| event(&id, "text")).collect(), ..Append::default() }
}

pub(super) fn point(body: &str) -> Append {
    let checkpoint = Some(Checkpoint { session: "main/1001".to_owned(), body: body.to_owned() });
    Append { checkpoint, ..Append::default() }
}

pub(super) fn mark(conversation: &str, index: i64, content: &str, revision: u32) -> MarkWrite {
    let digest = |text: &str| Digest::of(text.as_bytes());
    MarkWrite { conversation: digest(conversation), index, content: digest(content), revision, at: START }
}

pub(super) fn known(session: &str, id: &str, open: bool, at: i64) -> Known {
    Known {
        session: session.to_owned(),
        kind: "chat".into(),
        id: id.to_owned(),
        open,
        last_index: Some(at % 7),
        shadow: format!("{{\"at\":{at}}}"),
        at,
    }
}

pub(super) fn gap(session: &str, id: &str, to: Option<i64>) -> Gap {
    Gap {
        id: id.to_owned(),
        session: session.to_owned(),
        from: Some(START - 5_000),
        opened: START,
        to,
        cause: "restart".to_owned(),
        certainty: "possible".to_owned(),
        first: 41,
    }
}

pub(super) fn account(session: &str, refused: Option<&str>) -> Account {
    Account {
        session: session.to_owned(),
        worked: Some(Digest::of(b"worked")),
        refused: refused.map(|text| Digest::of(text.as_bytes())),
        reason: refused.map_or(String::new(), |_| "401".to_owned()),
        at: START,
    }
}

pub(super) fn forget(session: &str) -> Append {
    let checkpoint = Some(Checkpoint { session: session.to_owned(), body: String::new() });
    Append { checkpoint, ..Append::default() }
}

pub(super) fn settle(sink: &str, position: Sequence) -> Settle {
    Settle { sink: sink.to_owned(), position, ..Settle::default() }
}

/// Every id from a position on, through as many reads as it takes.
pub(super) async fn ids(journal: &Journal, from: Sequence) -> Vec<String> {
    let (mut at, mut out) = (from, Vec::new());
    loop {
        let read = journal.read(at, 7, 10_000).await.unwrap();
        if read.through == at {
            return out;
        }
        at = read.through;
        out.extend(read.events.iter().map(|stored| stored.event.id.clone()));
    }
}

/// Stands before an engine and may fail, or hold up, a commit.
pub(super) struct Gate<F> {
    pub engine: Sqlite,
    pub before: F,
}

impl<F: FnMut(&Sqlite, &[Write], Durability) -> Option<Fault> + Send> Engine for Gate<F> {
    fn tally(&self) -> Tally {
        self.engine.tally()
    }
    fn commit(&mut self, writes: &[Write], durability: Durability) -> Result<Outcome, Fault> {
        match (self.before)(&self.engine, writes, durability) {
            Some(fault) => Err(fault),
            None => self.engine.commit(writes, durability),
        }
    }
    fn trim(&mut self, plan: &Plan, until: Instant) -> Result<Trimmed, Fault> {
        self.engine.trim(plan, until)
    }
    fn sweep(&mut self) {
        self.engine.sweep();
    }
    fn compact(&mut self, how: Compact, until: Instant) -> Result<bool, Fault> {
        self.engine.compact(how, until)
    }
    fn rebuild(&mut self) -> bool {
        self.engine.rebuild()
    }
    fn held(&self) -> Result<Held, Fault> {
        self.engine.held()
    }
}
