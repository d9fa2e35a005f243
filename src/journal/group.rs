//! What the callers send to the writer, and how it is gathered into one commit.
//!
//! Pure: no thread, no disk.

use super::api::{Checkpoint, Committed, Error, Sequence};
use super::engine::Write;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot::Sender;

/// Most requests of one commit: beyond them a commit takes longer than its waiters should.
pub(super) const MAX_REQUESTS: usize = 2_048;

/// A way to answer.
pub(super) type Answer<T> = Sender<Result<T, Arc<Error>>>;

/// One call to the writer.
pub(super) enum Op {
    Write(Request),
    Register {
        /// Each with the position to begin after if it is new; none for the last event.
        sinks: Vec<(String, Option<Sequence>)>,
        answer: Answer<()>,
    },
    /// Dead letters to remove, to ask for again or to take up; answered with how many there were.
    Touch {
        writes: Vec<Write>,
        answer: Answer<u64>,
    },
    Trim {
        answer: Answer<()>,
    },
    /// Writes the whole database anew; answered with whether that was done.
    Rebuild {
        answer: Answer<bool>,
    },
    /// One slice of giving all free space back and emptying the log.
    Seal {
        answer: Answer<Sealed>,
    },
    /// A reader met corruption or an I/O error.
    Broken(String),
    Close,
}

/// How far the files are from holding nothing of what was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    Clean,
    /// Another slice is needed.
    More,
    /// A reader holds the log, or there is no room.
    Held,
}

/// What one caller wants written.
pub(super) struct Request {
    pub writes: Vec<Write>,
    pub events: u64,
    pub bytes: u64,
    /// Whether the answer waits for the disk.
    pub sync: bool,
    pub reply: Reply,
}

/// Who waits for it.
pub(super) enum Reply {
    Append(Answer<Committed>),
    Settle(Answer<()>),
    /// Like an append: on a full disk it waits for room.
    Fact(Answer<()>),
    Nobody,
}

impl Reply {
    fn done(self, last: Sequence) {
        // A caller that no longer listens is no matter of the writer's.
        match self {
            Reply::Append(answer) => answer.send(Ok(Committed { last })).ok().unwrap_or_default(),
            Reply::Settle(answer) | Reply::Fact(answer) => answer.send(Ok(())).ok().unwrap_or_default(),
            Reply::Nobody => (),
        }
    }

    fn failed(self, error: &Arc<Error>) {
        match self {
            Reply::Append(answer) => answer.send(Err(Arc::clone(error))).ok().unwrap_or_default(),
            Reply::Settle(answer) | Reply::Fact(answer) => {
                answer.send(Err(Arc::clone(error))).ok().unwrap_or_default()
            }
            Reply::Nobody => (),
        }
    }
}

impl Op {
    /// Tells whoever waits that the journal is no more.
    pub(super) fn refuse(self, error: &Arc<Error>) {
        match self {
            Op::Write(request) => request.reply.failed(error),
            Op::Register { answer, .. } | Op::Trim { answer } => {
                answer.send(Err(Arc::clone(error))).ok().unwrap_or_default();
            }
            Op::Touch { answer, .. } => {
                answer.send(Err(Arc::clone(error))).ok().unwrap_or_default();
            }
            Op::Seal { answer } => answer.send(Err(Arc::clone(error))).ok().unwrap_or_default(),
            Op::Rebuild { answer } => answer.send(Err(Arc::clone(error))).ok().unwrap_or_default(),
            Op::Broken(_) | Op::Close => (),
        }
    }
}

/// Requests that become one transaction, in the order they came.
#[derive(Default)]
pub(super) struct Group {
    pub writes: Vec<Write>,
    pub sync: bool,
    bytes: u64,
    parts: Vec<Part>,
}

/// One request of a group; its writes stand in the group's list.
struct Part {
    writes: usize,
    events: u64,
    bytes: u64,
    sync: bool,
    reply: Reply,
}

impl Group {
    pub(super) fn add(&mut self, request: Request) {
        let Request { mut writes, events, bytes, sync, reply } = request;
        self.sync |= sync;
        self.bytes = self.bytes.saturating_add(bytes);
        self.parts.push(Part { writes: writes.len(), events, bytes, sync, reply });
        self.writes.append(&mut writes);
    }

    pub(super) fn full(&self, max_bytes: u64) -> bool {
        self.parts.len() >= MAX_REQUESTS || self.bytes >= max_bytes
    }

    /// Answers every waiter in order; `before` is the last sequence ahead of the group.
    pub(super) fn answer(self, before: Sequence) {
        let mut last = before;
        for part in self.parts {
            last = last.saturating_add(part.events);
            part.reply.done(last);
        }
    }

    pub(super) fn refuse(self, error: &Arc<Error>) {
        for part in self.parts {
            part.reply.failed(error);
        }
    }

    /// Parts it again: what sinks settle, and the rest.
    pub(super) fn without_settles(self) -> (Vec<Request>, Group) {
        let mut writes = self.writes.into_iter();
        let (mut settles, mut rest) = (Vec::new(), Group::default());
        for Part { writes: count, events, bytes, sync, reply } in self.parts {
            let writes = writes.by_ref().take(count).collect();
            let request = Request { writes, events, bytes, sync, reply };
            if matches!(request.reply, Reply::Settle(_)) {
                settles.push(request);
            } else {
                rest.add(request);
            }
        }
        (settles, rest)
    }
}

/// Checkpoints and positions that nobody waits for: the last of each, to ride with the next commit.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    checkpoints: BTreeMap<String, Checkpoint>,
    positions: BTreeMap<String, Sequence>,
}

impl Deferred {
    pub(super) fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.positions.is_empty()
    }

    /// Takes one write over; gives back what can not wait.
    pub(super) fn put(&mut self, write: Write) -> Option<Write> {
        match write {
            Write::Checkpoint(point) => {
                self.checkpoints.insert(point.session.clone(), point);
                None
            }
            Write::Position { sink, at } => {
                let kept = self.positions.entry(sink).or_default();
                *kept = at.max(*kept);
                None
            }
            other => Some(other),
        }
    }

    /// A position that was set otherwise must not come back.
    pub(super) fn forget_position(&mut self, sink: &str) {
        self.positions.remove(sink);
    }

    /// Everything in it, as writes; it is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<Write> {
        let Deferred { checkpoints, positions } = std::mem::take(self);
        let checkpoints = checkpoints.into_values().map(Write::Checkpoint);
        checkpoints.chain(positions.into_iter().map(|(sink, at)| Write::Position { sink, at })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn request(events: u64, bytes: u64) -> (Request, oneshot::Receiver<Result<Committed, Arc<Error>>>) {
        let (answer, pending) = oneshot::channel();
        let reply = Reply::Append(answer);
        (Request { writes: Vec::new(), events, bytes, sync: events > 0, reply }, pending)
    }

    #[test]
    fn each_waiter_learns_the_last_sequence_up_to_its_own_request() {
        let mut group = Group::default();
        let (first, mut one) = request(2, 10);
        let (second, mut two) = request(0, 0);
        let (third, mut three) = request(1, 10);
        group.add(first);
        group.add(second);
        group.add(third);
        assert!(group.sync && !group.full(1_000));
        group.answer(40);
        let last = |pending: &mut oneshot::Receiver<Result<Committed, Arc<Error>>>| {
            pending.try_recv().unwrap().unwrap().last
        };
        assert_eq!((last(&mut one), last(&mut two), last(&mut three)), (42, 42, 43));
    }

    #[test]
    fn a_group_without_its_settles_keeps_the_rest_in_order() {
        let mut group = Group::default();
        let position = |at| Write::Position { sink: "k".to_owned(), at };
        for at in 0..5 {
            let (mut request, _) = request(0, 0);
            request.writes = vec![position(at), position(at + 10)];
            if at % 2 == 0 {
                request.reply = Reply::Settle(oneshot::channel().0);
            }
            group.add(request);
        }
        let (settles, rest) = group.without_settles();
        let at = |write: &Write| match write {
            Write::Position { at, .. } => *at,
            other => panic!("{other:?}"),
        };
        let settled: Vec<u64> = settles.iter().flat_map(|request| &request.writes).map(at).collect();
        assert_eq!(settled, [0, 10, 2, 12, 4, 14]);
        assert_eq!(rest.writes.iter().map(at).collect::<Vec<_>>(), [1, 11, 3, 13]);
    }

    #[test]
    fn a_group_is_full_at_its_bytes_or_its_count() {
        let mut group = Group::default();
        group.add(request(1, 999).0);
        assert!(!group.full(1_000));
        group.add(request(1, 1).0);
        assert!(group.full(1_000));
    }

    #[test]
    fn only_the_last_checkpoint_of_a_session_and_the_highest_position_of_a_sink_stay() {
        let mut deferred = Deferred::default();
        for body in ["a", "b"] {
            let point = Checkpoint { session: "s".to_owned(), body: body.to_owned() };
            assert!(deferred.put(Write::Checkpoint(point)).is_none());
        }
        for at in [7, 9, 8] {
            assert!(deferred.put(Write::Position { sink: "k".to_owned(), at }).is_none());
        }
        let taken = deferred.take();
        assert!(deferred.is_empty());
        match taken.as_slice() {
            [Write::Checkpoint(point), Write::Position { at: 9, .. }] => assert_eq!(point.body, "b"),
            other => panic!("{other:?}"),
        }
    }
}
