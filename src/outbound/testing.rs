//! What the tests of this room share: sample events, a journal in memory, and a sink that follows a script.

mod script;

pub use script::{Script, Scripted, done, retry, shape};

use crate::base::envelope::{Event, Origin, TimeSource};
use crate::base::time::{Clock, Millis};
use crate::journal::{
    Append, Committed, Error, Head, Lag, NewDeadLetter, NewParked, Parked, ParkedKey, Pending, Read,
    Sequence, Settle, Stored, Tried,
};
use crate::outbound::settings::*;
use crate::outbound::sink::Delivery;
use crate::outbound::source::Source;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

pub fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A chat message of this key.
pub fn event(key: &str, number: u64) -> Event {
    Event {
        id: format!("main/chat/{key}/messages/{number}"),
        source: "/gws/main".to_owned(),
        kind: "genesys.gws.chat.message.v1".into(),
        subject: format!("chat/{key}"),
        time: "2014-01-02T22:23:20.126Z".to_owned(),
        timesource: TimeSource::Item,
        dataschema: "urn:cometbridge:schema:chat.message:1".into(),
        site: "main".to_owned(),
        medium: "chat".into(),
        event: "message".into(),
        interaction: Some(key.to_owned()),
        agent: None,
        group: None,
        observedby: Some("1001".to_owned()),
        messageindex: Some(5),
        authorkind: Some("Customer".to_owned()),
        visibility: Some("All".to_owned()),
        referenceid: None,
        correlationid: None,
        revision: None,
        baseid: None,
        partitionkey: key.to_owned(),
        recordedtime: "2026-11-22T07:00:00.123Z".to_owned(),
        origin: Origin::Notification,
        data: raw(r#"{"interactionId":"i","message":{"index":5,"text":"Hello"}}"#),
        raw: None,
        rest: None,
        context: None,
        late: false,
    }
}

pub fn stored(sequence: Sequence, key: &str) -> Stored {
    Stored { sequence, event: Arc::new(event(key, sequence)), bytes: 100, recorded: 0 }
}

pub fn delivery(sequence: Sequence, key: &str) -> Delivery {
    let sequence_text = crate::journal::sequence_text(1, sequence);
    Delivery { sequence, sequence_text, event: Arc::new(event(key, sequence)), attempt: 1, beside: false }
}

/// A sink's settings with tight, regular waits: 1 s, 2 s, 4 s, … 8 s, and `max_attempts` tries.
pub fn config(name: &str, max_attempts: u32) -> SinkConfig {
    let second = Duration::from_secs(1);
    SinkConfig {
        name: name.to_owned(),
        target: Target::Stdout(StdoutConfig { mode: StdoutMode::Lines }),
        matching: Match::default(),
        except: Match::default(),
        privacy: Policy::preset(Preset::Full),
        raw: true,
        context: Vec::new(),
        transcripts: false,
        start: Start::Earliest,
        max_lag: MaxLag { bytes: u64::MAX, age: Duration::MAX, on_limit: OnLimit::Release },
        retry: RetryPolicy {
            backoff: crate::base::retry::Backoff { initial: second, max: second * 8 },
            max_attempts,
            max_age: second * 86_400,
        },
        park: Park { keys: 100, bytes: 1 << 20 },
    }
}

/// A journal that keeps everything in memory. Each event counts 100 bytes.
#[derive(Clone)]
pub struct Memory {
    pub inner: Arc<Mutex<Inner>>,
    head: Arc<watch::Sender<Head>>,
    pub clock: Clock,
}

#[derive(Default)]
pub struct Inner {
    pub events: BTreeMap<Sequence, (Arc<Event>, Millis)>,
    pub positions: HashMap<String, Sequence>,
    pub dead: Vec<NewDeadLetter>,
    /// By sink and sequence.
    pub parked: BTreeMap<(String, Sequence), NewParked>,
    pub notes: HashMap<String, String>,
    /// Committed right after the next reading of the lag.
    pub after_lag: Option<&'static str>,
}

impl Memory {
    pub fn new() -> Memory {
        let head = Arc::new(watch::Sender::new(Head::default()));
        Memory { inner: Arc::default(), head, clock: Clock::manual(0) }
    }

    /// Adds one event a key.
    pub fn add(&self, keys: &[&str]) {
        let next = self.last() + 1;
        self.put(keys.iter().zip(next..).map(|(key, number)| event(key, number)).collect());
    }

    pub fn put(&self, events: Vec<Event>) {
        let now = self.clock.now();
        let mut last = self.last();
        for event in events {
            last += 1;
            self.inner.lock().unwrap().events.insert(last, (Arc::new(event), now));
        }
        self.head.send_replace(Head { last, total_bytes: last * 100 });
    }

    pub fn last(&self) -> Sequence {
        self.head.borrow().last
    }

    /// Events parked, of all sinks.
    pub fn parked(&self) -> usize {
        self.inner.lock().unwrap().parked.len()
    }

    pub fn position_of(&self, sink: &str) -> Option<Sequence> {
        self.inner.lock().unwrap().positions.get(sink).copied()
    }
}

fn ready<T>(value: T) -> Pending<T> {
    let (tell, heard) = oneshot::channel();
    tell.send(Ok(value)).ok();
    heard
}

impl Source for Memory {
    async fn read(&self, from: Sequence, max_events: usize, max_bytes: usize) -> Result<Read, Error> {
        let many = max_events.min((max_bytes / 100).max(1));
        let inner = self.inner.lock().unwrap();
        let events: Vec<_> = inner
            .events
            .range(from + 1..)
            .take(many)
            .map(|(&sequence, (event, recorded))| Stored {
                sequence,
                event: Arc::clone(event),
                bytes: 100,
                recorded: *recorded,
            })
            .collect();
        let through = events.last().map_or(from, |last| last.sequence);
        Ok(Read { events, through, damaged: None })
    }

    fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn settle(&self, settle: Settle) -> Pending<()> {
        let mut inner = self.inner.lock().unwrap();
        let of = |sequence: Sequence| (settle.sink.clone(), sequence);
        for parked in settle.park {
            inner.parked.entry(of(parked.sequence)).or_insert(parked);
        }
        for Tried { sequence, attempts, first_failure, due, failure } in settle.tried {
            if let Some(parked) = inner.parked.get_mut(&of(sequence)) {
                (parked.attempts, parked.first_failure) = (attempts, Some(first_failure));
                (parked.due, parked.failure) = (due, failure);
            }
        }
        let dead = settle.dead.iter().map(|letter| letter.sequence);
        for sequence in settle.unpark.iter().copied().chain(dead) {
            inner.parked.remove(&of(sequence));
        }
        inner.dead.extend(settle.dead);
        inner.positions.insert(settle.sink, settle.position);
        ready(())
    }

    async fn parked_keys(&self, sink: &str) -> Result<Vec<ParkedKey>, Error> {
        let inner = self.inner.lock().unwrap();
        let mut keys: Vec<ParkedKey> = Vec::new();
        for ((_, _), parked) in inner.parked.iter().filter(|((of, _), _)| of == sink) {
            match keys.iter_mut().find(|key| key.key == parked.event.partitionkey) {
                Some(key) => (key.events, key.bytes) = (key.events + 1, key.bytes + 100),
                None => keys.push(ParkedKey {
                    key: parked.event.partitionkey.clone(),
                    events: 1,
                    bytes: 100,
                    due: parked.due,
                }),
            }
        }
        Ok(keys)
    }

    async fn parked(&self, sink: &str, key: &str, most: usize, bytes: u64) -> Result<Vec<Parked>, Error> {
        let most = most.min(usize::try_from(bytes / 100).unwrap().max(1));
        let inner = self.inner.lock().unwrap();
        let of_key =
            inner.parked.iter().filter(|((of, _), parked)| of == sink && parked.event.partitionkey == key);
        let found = of_key.take(most).map(|((_, sequence), parked)| Parked {
            sequence: *sequence,
            event: Arc::clone(&parked.event),
            bytes: 100,
            recorded: parked.recorded,
            attempts: parked.attempts,
            first_failure: parked.first_failure,
            late: false,
            failure: parked.failure.clone(),
        });
        Ok(found.collect())
    }

    async fn aside_after(&self, sink: &str, position: Sequence) -> Result<Vec<Sequence>, Error> {
        let inner = self.inner.lock().unwrap();
        let parked = inner.parked.keys().filter(|(of, _)| of == sink).map(|(_, sequence)| *sequence);
        let all = parked.chain(inner.dead.iter().map(|letter| letter.sequence));
        Ok(all.filter(|sequence| *sequence > position).collect())
    }

    async fn note(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.inner.lock().unwrap().notes.get(name).cloned())
    }

    async fn set_note(&self, name: &str, value: &str) -> Result<(), Arc<Error>> {
        self.inner.lock().unwrap().notes.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }

    fn writable(&self) -> bool {
        true
    }

    async fn set_position(
        &self,
        sink: &str,
        position: Sequence,
        note: &str,
        value: &str,
    ) -> Result<(), Arc<Error>> {
        self.inner.lock().unwrap().positions.insert(sink.to_owned(), position);
        self.set_note(note, value).await
    }

    async fn take_up(&self, _sink: &str, _limit: usize) -> Result<Vec<ParkedKey>, Arc<Error>> {
        Ok(Vec::new())
    }

    async fn position(&self, sink: &str) -> Result<Option<Sequence>, Error> {
        Ok(self.position_of(sink))
    }

    async fn lag(&self, position: Sequence) -> Result<Lag, Error> {
        let (lag, added) = {
            let mut inner = self.inner.lock().unwrap();
            let events = inner.events.range(position + 1..).count() as u64;
            let oldest = inner.events.range(position + 1..).next().map(|(_, (_, at))| *at);
            let last = position + events;
            (Lag { position, last, events, bytes: events * 100, oldest }, inner.after_lag.take())
        };
        if let Some(key) = added {
            self.add(&[key]);
        }
        Ok(lag)
    }

    fn append(&self, append: Append) -> Pending<Committed> {
        self.put(append.events);
        ready(Committed { last: self.last() })
    }
}
