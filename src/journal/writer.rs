//! The writer: one thread that takes everything queued, commits it once, and answers in order.
//!
//! While a commit runs the next group queues up, which is all the waiting there is: no timer holds a commit back.
//! The queue has no limit of its own; callers wait for their answers, so it is as long as there are sessions and
//! lanes. A full disk is `stall`'s, the work between commits `upkeep`'s.

use super::api::{Config, Error, Head, Sequence, State};
use super::budget::Budget;
use super::engine::{Durability, Engine, Outcome, Write};
use super::fault::Fault;
use super::group::{Answer, Deferred, Group, Op, Reply, Request};
use super::high_water::HighWater;
use super::lock::Lock;
use super::reserve::Reserve;
use super::shared::Shared;
use super::upkeep::Upkeep;
use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Part and task name in [`Health`].
const PART: &str = "journal";
/// A writer silent for longer is stuck: a restart may help.
const STUCK: Duration = Duration::from_secs(60);

/// Everything the thread owns.
pub(super) struct Writer {
    pub engine: Box<dyn Engine>,
    pub inbox: Receiver<Op>,
    /// Taken from the inbox, not yet done; goes before it.
    pub backlog: VecDeque<Op>,
    pub deferred: Deferred,
    /// Sinks of the configuration; `None` until they are registered, and nothing is trimmed before.
    pub sinks: Option<Vec<String>>,
    pub upkeep: Upkeep,
    pub reserve: Reserve,
    pub high_water: HighWater,
    pub budget: Budget,
    pub shared: Arc<Shared>,
    pub config: Config,
    pub clock: Clock,
    pub metrics: Metrics,
    pub health: Health,
    /// Last, so that it is let go after the database is closed.
    pub _lock: Lock,
}

/// Marks the journal as failed if the thread ends in any way but the intended one.
struct Ending(Arc<Shared>, Health);

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why = "the writer ended unexpectedly".to_owned();
            self.1.set(PART, Status::Down(why.clone()));
            self.0.state.send_replace(State::Failed(why));
        }
    }
}

impl Writer {
    /// The thread's whole life; whatever is still queued at its end is refused.
    pub(super) fn run(mut self) {
        let _ending = Ending(Arc::clone(&self.shared), self.health.clone());
        self.health.set(PART, Status::Ok);
        self.publish();
        let why = match self.work() {
            Ok(()) => Error::Closed,
            Err(error) => {
                let why = match error {
                    Error::Failed(why) => why,
                    other => other.to_string(),
                };
                tracing::error!("journal: stopped for good, nothing more is acknowledged: {why}");
                self.health.set(PART, Status::Down(why.clone()));
                self.shared.state.send_replace(State::Failed(why.clone()));
                Error::Failed(why)
            }
        };
        self.health.quiet(PART);
        let why = Arc::new(why);
        for op in self.backlog.drain(..).chain(self.inbox.try_iter()) {
            op.refuse(&why);
        }
    }

    fn work(&mut self) -> Result<(), Error> {
        loop {
            self.beat();
            let next = self.next();
            let idle = next.is_none();
            match next {
                Some(Op::Write(request)) => self.write(request)?,
                Some(Op::Register { sinks, answer }) => self.register(sinks, answer)?,
                Some(Op::Touch { writes, answer }) => self.touch(&writes, answer)?,
                Some(Op::Trim { answer }) => self.trim_all(answer)?,
                Some(Op::Rebuild { answer }) => {
                    let done = self.rebuild();
                    answer.send(Ok(done)).ok();
                }
                Some(Op::Seal { answer }) => {
                    let sealed = self.seal_slice()?;
                    answer.send(Ok(sealed)).ok();
                }
                Some(Op::Broken(why)) => return Err(Error::Failed(why)),
                Some(Op::Close) => return self.finish(),
                None => {}
            }
            self.look_after(idle)?;
        }
    }

    pub(super) fn beat(&self) {
        self.health.beat(PART, STUCK);
    }

    /// The next call, or `None` when it is time for other work. A journal nobody holds any more is closed.
    fn next(&mut self) -> Option<Op> {
        if let Some(op) = self.backlog.pop_front() {
            return Some(op);
        }
        let wait = if self.upkeep.hungry() { Duration::ZERO } else { self.upkeep.until_tick(Instant::now()) };
        match self.inbox.recv_timeout(wait) {
            Ok(op) => Some(op),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.shared.closing.store(true, Ordering::SeqCst);
                Some(Op::Close)
            }
        }
    }

    /// Gathers what is queued behind the first request and commits it as one.
    fn write(&mut self, first: Request) -> Result<(), Error> {
        let mut group = Group::default();
        group.add(self.clamped(first));
        while !group.full(self.budget.group_bytes) {
            let next = self.backlog.pop_front().or_else(|| self.inbox.try_recv().ok());
            match next {
                Some(Op::Write(request)) => group.add(self.clamped(request)),
                Some(other) => {
                    self.backlog.push_front(other);
                    break;
                }
                None => break,
            }
        }
        let before = self.engine.tally().last;
        if !group.sync {
            self.defer(std::mem::take(&mut group.writes));
            group.answer(before);
            return Ok(());
        }
        match self.commit_group(group) {
            (group, Ok(())) => {
                group.answer(before);
                Ok(())
            }
            (group, Err(error)) => {
                group.refuse(&Arc::new(Error::Failed(error.to_string())));
                Err(error)
            }
        }
    }

    /// Commits a group with what is deferred. On a full disk what sinks settle is parted from it and goes ahead,
    /// because it is what makes room; the group that comes back is what must be answered.
    fn commit_group(&mut self, mut group: Group) -> (Group, Result<(), Error>) {
        let deferred = self.deferred.take();
        let lead = deferred.len();
        group.writes.splice(..0, deferred);
        let fault = match self.try_commit(&group.writes) {
            Ok(_) => return (group, Ok(())),
            Err(Fault::Fatal(error)) => return (group, Err(error)),
            Err(fault) => fault,
        };
        let deferred = group.writes.drain(..lead).collect();
        self.defer(deferred);
        let (settles, rest) = group.without_settles();
        for request in settles.into_iter().rev() {
            self.backlog.push_front(Op::Write(request));
        }
        let done = self.stall(fault, &rest.writes).map(|_| ());
        (rest, done)
    }

    /// A position beyond the last event would skip events that are yet to come.
    pub(super) fn clamped(&self, mut request: Request) -> Request {
        let last = self.engine.tally().last;
        for write in &mut request.writes {
            if let Write::Position { at, .. } = write {
                *at = last.min(*at);
            }
        }
        request
    }

    /// Keeps writes that nobody waits for until the next commit; positions count at once.
    pub(super) fn defer(&mut self, writes: Vec<Write>) {
        self.note_positions(&writes);
        for write in writes {
            self.deferred.put(write);
        }
    }

    /// Commits for sure: returns only when it is on disk, or when the journal has failed.
    pub(super) fn commit(&mut self, writes: &[Write]) -> Result<Outcome, Error> {
        match self.try_commit(writes) {
            Ok(outcome) => Ok(outcome),
            Err(Fault::Fatal(error)) => Err(error),
            Err(fault) => self.stall(fault, writes),
        }
    }

    /// One try of a full commit, with all that follows from its success.
    pub(super) fn try_commit(&mut self, writes: &[Write]) -> Result<Outcome, Fault> {
        if writes.is_empty() {
            return Ok(Outcome { tally: self.engine.tally(), ..Outcome::default() });
        }
        let started = Instant::now();
        let outcome = self.engine.commit(writes, Durability::Full)?;
        self.metrics.journal_commit_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.journal_commits_total.inc();
        self.metrics.journal_damaged_total.inc_by(outcome.set_aside);
        self.note_positions(writes);
        self.upkeep.committed(writes);
        self.publish();
        Ok(outcome)
    }

    fn note_positions(&self, writes: &[Write]) {
        for write in writes {
            if let Write::Position { sink, at } = write {
                self.shared.advance(sink, *at);
            }
        }
    }

    /// Tells everybody what is committed.
    pub(super) fn publish(&self) {
        let tally = self.engine.tally();
        let head = Head { last: tally.last, total_bytes: tally.bytes };
        self.metrics.journal_last_sequence.set(i64::try_from(tally.last).unwrap_or(i64::MAX));
        self.shared.head.send_if_modified(|shown| std::mem::replace(shown, head) != head);
    }

    fn register(&mut self, sinks: Vec<(String, Option<Sequence>)>, answer: Answer<()>) -> Result<(), Error> {
        let last = self.engine.tally().last;
        let known = self.shared.positions().clone();
        let fresh = |(sink, start): &(String, Option<Sequence>)| {
            let at = start.unwrap_or(last);
            (!known.contains_key(sink)).then(|| Write::Position { sink: sink.clone(), at })
        };
        let writes: Vec<Write> = sinks.iter().filter_map(fresh).collect();
        for sink in known.keys().filter(|sink| !sinks.iter().any(|(name, _)| name == *sink)) {
            tracing::info!(%sink, "journal: a sink that is no longer configured keeps its position, but holds nothing back");
        }
        if !writes.is_empty() {
            self.commit(&writes)?;
        }
        self.sinks = Some(sinks.into_iter().map(|(sink, _)| sink).collect());
        answer.send(Ok(())).ok();
        Ok(())
    }

    fn touch(&mut self, writes: &[Write], answer: Answer<u64>) -> Result<(), Error> {
        let set = |write: &Write| match write {
            Write::SetPosition { sink, at } => Some((sink.clone(), *at)),
            _ => None,
        };
        for (sink, _) in writes.iter().filter_map(set) {
            self.deferred.forget_position(&sink);
        }
        let outcome = self.commit(writes)?;
        self.shared.positions().extend(writes.iter().filter_map(set));
        answer.send(Ok(outcome.letters)).ok();
        Ok(())
    }

    fn trim_all(&mut self, answer: Answer<()>) -> Result<(), Error> {
        self.trim_whole()?;
        answer.send(Ok(())).ok();
        Ok(())
    }

    /// The orderly end: everything deferred goes to disk, the log into the database, the mark beside it.
    fn finish(&mut self) -> Result<(), Error> {
        let writes = self.deferred.take();
        if !writes.is_empty() {
            self.commit(&writes)?;
        }
        self.give_back_whole()?;
        self.mark_high_water()?;
        Ok(())
    }
}

/// A damaged row, to be moved out of the way; nobody waits for it.
pub(super) fn set_aside(sequence: Sequence, reason: String) -> Op {
    let writes = vec![Write::SetAside { sequence, reason }];
    Op::Write(Request { writes, events: 0, bytes: 0, sync: true, reply: Reply::Nobody })
}
