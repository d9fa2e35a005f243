//! A destination that follows a script.

use crate::journal::Sequence;
use crate::outbound::sink::{Cause, Decided, Delivery, Local, Outcome, Place, Shape};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What the script answers, and after how long.
pub type Reply = (Duration, Outcome);

/// One delivery that the script answered.
#[derive(Clone, Debug)]
pub struct Seen {
    pub sequence: Sequence,
    pub key: String,
    pub attempt: u32,
    pub at: Instant,
    pub outcome: Outcome,
}

type Respond = Box<dyn FnMut(&Delivery) -> Reply + Send>;

/// A destination that answers as told.
pub struct Script {
    respond: Mutex<Respond>,
    pub seen: Mutex<Vec<Seen>>,
    pub built: Mutex<u32>,
    pub shape: Shape,
    /// What a destination with a position of its own holds: the position and the ids of one whole call each.
    pub kept: Mutex<Option<Place>>,
}

/// Four calls of at most four keys and eight events over a window of sixteen.
pub fn shape() -> Shape {
    Shape {
        calls: 4,
        items: 8,
        keys: 4,
        per_key: 4,
        window_events: 16,
        window_bytes: 1 << 20,
        max_retry_after: Duration::from_secs(30),
        frozen: false,
        parks: true,
        exact: false,
    }
}

impl Script {
    pub fn new(respond: impl FnMut(&Delivery) -> Reply + Send + 'static) -> Arc<Script> {
        Script::shaped(shape(), respond)
    }

    /// One that never lets a key be parked.
    pub fn unparked(respond: impl FnMut(&Delivery) -> Reply + Send + 'static) -> Arc<Script> {
        Script::shaped(Shape { parks: false, ..shape() }, respond)
    }

    pub fn shaped(shape: Shape, respond: impl FnMut(&Delivery) -> Reply + Send + 'static) -> Arc<Script> {
        let respond = Mutex::new(Box::new(respond) as Respond);
        Arc::new(Script {
            respond,
            seen: Mutex::default(),
            built: Mutex::default(),
            shape,
            kept: Mutex::default(),
        })
    }

    pub fn sink(self: &Arc<Self>) -> Scripted {
        *self.built.lock().unwrap() += 1;
        Scripted { script: Arc::clone(self), closed: Mutex::new(false) }
    }

    /// Sequences that got through, in order.
    pub fn done(&self) -> Vec<Sequence> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|one| one.outcome == Outcome::Done).map(|one| one.sequence).collect()
    }

    pub fn seen_of(&self, sequence: Sequence) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|one| one.sequence == sequence).cloned().collect()
    }
}

pub struct Scripted {
    script: Arc<Script>,
    closed: Mutex<bool>,
}

impl Scripted {
    /// As a destination says it: its own place, else the journal's.
    pub fn place(&self, local: &Local) -> Option<Place> {
        if !self.script.shape.exact {
            return None;
        }
        let mut kept = self.script.kept.lock().unwrap();
        let here = Place { position: local.position.unwrap_or(0), beside: Vec::new() };
        match local.decided {
            Some(Decided::At(position)) => *kept = Some(Place { position, ..here }),
            Some(Decided::There) => {}
            None => drop(kept.get_or_insert(here)),
        }
        kept.clone()
    }

    pub fn committed(&self) -> Option<Sequence> {
        self.script.kept.lock().unwrap().as_ref().map(|place| place.position)
    }

    pub async fn deliver(&self, batch: &[Delivery], upto: Sequence) -> Vec<Outcome> {
        if *self.closed.lock().unwrap() {
            return crate::outbound::sink::closed(batch);
        }
        if self.script.shape.frozen {
            return self.as_one(batch).await;
        }
        let mut failed = HashSet::new();
        let mut outcomes = Vec::new();
        for delivery in batch {
            let key = delivery.event.partitionkey.clone();
            if failed.contains(&key) {
                outcomes.push(Outcome::Held);
                continue;
            }
            let (delay, outcome) = (self.script.respond.lock().unwrap())(delivery);
            tokio::time::sleep(delay).await;
            if !matches!(outcome, Outcome::Done | Outcome::Reject { .. }) {
                failed.insert(key.clone());
            }
            self.script.seen.lock().unwrap().push(Seen {
                sequence: delivery.sequence,
                key,
                attempt: delivery.attempt,
                at: Instant::now(),
                outcome: outcome.clone(),
            });
            outcomes.push(outcome);
        }
        if self.script.shape.exact && outcomes.iter().all(|outcome| *outcome == Outcome::Done) {
            let beside = batch.iter().filter(|one| one.beside).map(|one| one.sequence).collect();
            *self.script.kept.lock().unwrap() = Some(Place { position: upto, beside });
        }
        outcomes
    }

    /// One request for all: what is said of one is said of each.
    async fn as_one(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let replies: Vec<Reply> =
            batch.iter().map(|one| (self.script.respond.lock().unwrap())(one)).collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let bad = replies.into_iter().map(|(_, outcome)| outcome).find(|outcome| *outcome != Outcome::Done);
        let outcome = bad.unwrap_or(Outcome::Done);
        for delivery in batch {
            self.script.seen.lock().unwrap().push(Seen {
                sequence: delivery.sequence,
                key: delivery.event.partitionkey.clone(),
                attempt: delivery.attempt,
                at: Instant::now(),
                outcome: outcome.clone(),
            });
        }
        vec![outcome; batch.len()]
    }

    pub fn shape(&self) -> Shape {
        self.script.shape
    }

    pub fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }
}

pub fn done() -> Reply {
    (Duration::from_millis(1), Outcome::Done)
}

pub fn retry(after: Option<Duration>) -> Reply {
    (Duration::from_millis(1), Outcome::Retry { cause: Cause::new("test", "told to fail"), after })
}
