//! The messages that wait for one session, with the batches of CometD's ack extension.
//!
//! Each message is stamped with the batch that will carry it first. A connect reply closes the batch, even an
//! empty one; with ack it carries everything not yet acknowledged, oldest first. Without ack a reply empties
//! the queue, whether it arrives or not. Deliberately absent: sessions, time and the wire.

use std::collections::VecDeque;
use std::sync::Arc;

/// One message for a session: its whole JSON text, and the name its publisher knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub json: Arc<str>,
    pub tag: Option<Arc<str>>,
    /// Its number in the ledger.
    pub number: u64,
}

/// The queue holds `max` messages already.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug)]
pub struct Queue {
    ack: bool,
    max: usize,
    batch: u64,
    waiting: VecDeque<(u64, Message)>,
}

impl Queue {
    pub fn new(ack: bool, max: usize) -> Queue {
        Queue { ack, max, batch: 1, waiting: VecDeque::new() }
    }

    pub fn ack(&self) -> bool {
        self.ack
    }

    pub fn push(&mut self, message: Message) -> Result<(), Full> {
        if self.waiting.len() >= self.max {
            return Err(Full);
        }
        self.waiting.push_back((self.batch, message));
        Ok(())
    }

    /// Something is here that no reply has carried.
    pub fn has_fresh(&self) -> bool {
        self.waiting.back().is_some_and(|(batch, _)| *batch == self.batch)
    }

    /// A reply has carried something that is not acknowledged.
    pub fn has_unacknowledged(&self) -> bool {
        self.waiting.front().is_some_and(|(batch, _)| *batch < self.batch)
    }

    /// Forgets everything up to `batch`, also what was never sent (as the real servers do); gives back what
    /// had been sent before.
    pub fn acknowledge(&mut self, batch: u64) -> Vec<Message> {
        let mut sent = Vec::new();
        while let Some((at, message)) = self.waiting.pop_front_if(|(at, _)| *at <= batch) {
            if at < self.batch {
                sent.push(message);
            }
        }
        sent
    }

    /// Closes the batch for a connect reply: its number, where acks are on, and what the reply carries.
    pub fn close(&mut self) -> (Option<u64>, Vec<Message>) {
        if !self.ack {
            return (None, self.drain());
        }
        let closed = self.batch;
        self.batch += 1;
        (Some(closed), self.waiting.iter().map(|(_, message)| message.clone()).collect())
    }

    /// The numbers of what waits: in a reply already, and in none yet.
    pub fn remains(&self) -> (Vec<u64>, Vec<u64>) {
        let of = |sent: bool| {
            let chosen = self.waiting.iter().filter(move |(batch, _)| (*batch < self.batch) == sent);
            chosen.map(|(_, message)| message.number).collect()
        };
        (of(true), of(false))
    }

    /// Takes everything, without a batch: for sessions without ack.
    pub fn drain(&mut self) -> Vec<Message> {
        self.waiting.drain(..).map(|(_, message)| message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> Message {
        Message { json: text.into(), tag: None, number: 0 }
    }

    fn texts(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| &*message.json).collect()
    }

    #[test]
    fn a_batch_comes_again_until_it_is_acknowledged_and_before_newer_ones() {
        let mut queue = Queue::new(true, 10);
        queue.push(message("a")).unwrap();
        let (first, sent) = queue.close();
        assert_eq!((first, texts(&sent)), (Some(1), vec!["a"]));
        queue.push(message("b")).unwrap();
        let (second, sent) = queue.close();
        assert_eq!((second, texts(&sent)), (Some(2), vec!["a", "b"]));
        assert_eq!(texts(&queue.acknowledge(1)), ["a"]);
        assert!(queue.has_unacknowledged() && !queue.has_fresh());
        assert_eq!(texts(&queue.close().1), ["b"]);
        queue.acknowledge(2);
        assert_eq!(queue.close(), (Some(4), vec![]));
    }

    #[test]
    fn without_ack_a_reply_empties_the_queue() {
        let mut queue = Queue::new(false, 10);
        queue.push(message("a")).unwrap();
        assert!(queue.has_fresh());
        assert_eq!(queue.close(), (None, vec![message("a")]));
        assert_eq!(queue.close(), (None, vec![]));
    }

    #[test]
    fn a_number_from_another_session_deletes_what_was_never_sent() {
        let mut queue = Queue::new(true, 10);
        queue.push(message("a")).unwrap();
        assert!(queue.acknowledge(99).is_empty());
        assert_eq!(queue.close(), (Some(1), vec![]));
    }

    #[test]
    fn a_full_queue_says_so() {
        let mut queue = Queue::new(true, 1);
        assert_eq!(queue.push(message("a")), Ok(()));
        assert_eq!(queue.push(message("b")), Err(Full));
    }

    proptest! {
        /// A client that acknowledges what it got, where any reply may be lost, sees every message in order.
        #[test]
        fn nothing_is_lost_or_reordered(script in proptest::collection::vec((0usize..4, any::<bool>()), 1..40)) {
            let mut queue = Queue::new(true, 1_000);
            let mut pushed = 0usize;
            let mut acked: Vec<String> = Vec::new();
            let mut last = 0u64;
            for (count, arrives) in script {
                for _ in 0..count {
                    queue.push(message(&pushed.to_string())).unwrap();
                    pushed += 1;
                }
                queue.acknowledge(last);
                let (batch, sent) = queue.close();
                if arrives {
                    acked.extend(sent.iter().map(|m| m.json.to_string()));
                    last = batch.unwrap();
                }
            }
            queue.acknowledge(last);
            acked.extend(queue.close().1.iter().map(|m| m.json.to_string()));
            prop_assert_eq!(acked, (0..pushed).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    }
}
