//! One CometD session of the server: what it subscribed to, what waits for it, when it expires.
//!
//! The expiry clock is CometD's: off while a connect is here, `interval + max_interval` from each connect reply
//! on, pushed out by any other valid message. Deliberately absent: waiting, and other sessions.

use super::queue::{Message, Queue};
use super::wire::covers;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// More subscriptions than this are refused.
pub const MAX_SUBSCRIPTIONS: usize = 500;

/// Ends the hold of a connect.
#[derive(Debug, Default)]
pub struct Wake {
    notify: Notify,
    goodbye: AtomicBool,
}

impl Wake {
    pub fn up(&self) {
        self.notify.notify_one();
    }

    pub async fn wait(&self) {
        self.notify.notified().await;
    }

    /// The client said goodbye meanwhile: its connect deserves an answer.
    pub fn goodbye(&self) -> bool {
        self.goodbye.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub struct Session {
    pub user: String,
    /// The `BAYEUX_BROWSER` cookie it is tied to.
    pub browser: String,
    /// The node it lives on.
    pub node: usize,
    pub queue: Queue,
    pub channels: BTreeSet<String>,
    /// Grows with each connect; a connect that finds another number has been overtaken.
    pub connect: u64,
    /// The connect being held, to be woken.
    pub held: Option<Arc<Wake>>,
    pub expires: Option<Instant>,
    /// What the last connect asked to be used in place of the interval of 0.
    pub interval: Duration,
    /// A connect reply has told the timeout.
    pub advised: bool,
    /// It expires as soon as no connect is here.
    pub doomed: bool,
}

impl Session {
    pub fn new(user: &str, browser: &str, queue: Queue) -> Session {
        Session {
            user: user.to_owned(),
            browser: browser.to_owned(),
            node: 0,
            queue,
            channels: BTreeSet::new(),
            connect: 0,
            held: None,
            expires: None,
            interval: Duration::ZERO,
            advised: false,
            doomed: false,
        }
    }

    pub fn wants(&self, channel: &str) -> bool {
        self.channels.contains(channel) || self.channels.iter().any(|name| covers(name, channel))
    }

    /// Puts a message into the queue and wakes a held connect; `false` where the queue is full.
    pub fn deliver(&mut self, message: Message) -> bool {
        let there_is_room = self.queue.push(message).is_ok();
        self.wake();
        there_is_room
    }

    pub fn wake(&self) {
        if let Some(held) = &self.held {
            held.up();
        }
    }

    /// The client sent `/meta/disconnect`.
    pub fn say_goodbye(&self) {
        if let Some(held) = &self.held {
            held.goodbye.store(true, Ordering::SeqCst);
        }
    }

    /// A connect came: no expiry while it is here, and an older one that is held ends.
    pub fn begin_connect(&mut self, interval: Duration) -> u64 {
        if let Some(older) = self.held.take() {
            older.up();
        }
        self.expires = None;
        self.interval = interval;
        self.connect += 1;
        self.connect
    }

    /// The connect's reply is on its way, or nobody waits for it any more.
    pub fn end_connect(&mut self, max_interval: Duration) {
        self.held = None;
        let window = if self.doomed { Duration::ZERO } else { self.interval + max_interval };
        self.expires = Some(Instant::now() + window);
    }

    /// Another valid message came.
    pub fn touch(&mut self, max_interval: Duration) {
        if let Some(at) = self.expires {
            self.expires = Some(at.max(Instant::now() + max_interval));
        }
    }

    pub fn expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_held_connect_never_expires_and_a_reply_starts_the_clock() {
        let mut session = Session::new("u", "b", Queue::new(true, 10));
        session.begin_connect(Duration::ZERO);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(!session.expired());
        session.end_connect(WINDOW);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!session.expired());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(session.expired());
    }

    #[tokio::test(start_paused = true)]
    async fn an_asked_interval_lengthens_the_window_and_other_messages_push_it_out() {
        let mut session = Session::new("u", "b", Queue::new(true, 10));
        session.begin_connect(Duration::from_secs(50));
        session.end_connect(WINDOW);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!session.expired());
        session.touch(WINDOW);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!session.expired());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(session.expired());
    }
}
