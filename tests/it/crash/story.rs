//! What the server tells the agents while things break, and the memory of it.
//!
//! Conversations of two agents each: a new message goes to both at once, a state to one of them. After a restart
//! every open conversation's whole log is told again from item 1, as GWS does.

use crate::harness::cometd::{Cometd, Publish};
use crate::harness::eventually;
use crate::harness::workload::{Conversation, conversations};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Notifications of one call to the server's control API.
const AT_ONCE: usize = 50;
/// The pace of a steady story: a round each.
const PACE: Duration = Duration::from_millis(100);

/// A conversation and how far it has come.
struct Talk {
    of: Conversation,
    items: usize,
    steps: usize,
}

/// A state that was told: whose, which, and in which window of a listening daemon.
#[derive(Clone, Debug)]
pub struct State {
    pub tag: String,
    pub agent: String,
    pub interaction: String,
    pub step: usize,
    /// `None`: nobody listened, or somebody came or went in that moment.
    pub window: Option<u64>,
    /// Before and after it was told.
    pub begun: Timestamp,
    pub told: Timestamp,
}

#[derive(Default)]
struct Memory {
    talks: Vec<Talk>,
    /// Talks before this one are over: told again only at the very end.
    open_from: usize,
    generation: usize,
    /// Tag and id of each message that was told when it was new.
    messages: BTreeMap<String, String>,
    states: Vec<State>,
}

pub struct Story {
    server: Arc<Cometd>,
    users: Vec<String>,
    rng: Mutex<fastrand::Rng>,
    memory: Mutex<Memory>,
    /// 0 while not every session is known to be subscribed.
    window: AtomicU64,
    over: AtomicBool,
}

impl Story {
    pub fn new(server: Arc<Cometd>, users: Vec<String>, seed: u64) -> Story {
        let story = Story {
            server,
            users,
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            memory: Mutex::default(),
            window: AtomicU64::new(0),
            over: AtomicBool::new(false),
        };
        story.next_generation();
        story
    }

    /// Ends the open conversations and begins new ones.
    pub fn next_generation(&self) {
        let mut memory = self.memory.lock().unwrap();
        memory.generation += 1;
        memory.open_from = memory.talks.len();
        let prefix = format!("0{:03}Na9B26", memory.generation);
        let fresh = conversations(&self.users, &prefix);
        memory.talks.extend(fresh.into_iter().map(|of| Talk { of, items: 0, steps: 0 }));
    }

    /// From now on every session is subscribed, until `silence`. Windows count from 1.
    pub fn listened(&self, window: u64) {
        self.window.store(window, Ordering::SeqCst);
    }

    /// From now on nobody may be listening.
    pub fn silence(&self) {
        self.window.store(0, Ordering::SeqCst);
    }

    /// One round: a new message and a new state in about a quarter of the open conversations.
    pub async fn round(&self) {
        let window = self.window.load(Ordering::SeqCst);
        let (batch, states) = self.compose();
        let delivered = self.server.publish(&batch).await;
        let told = Timestamp::now();
        let sure = window != 0 && window == self.window.load(Ordering::SeqCst);
        if sure {
            assert!(delivered.iter().all(|n| *n >= 1), "everything goes to a live session: {delivered:?}");
        }
        let window = sure.then_some(window);
        self.memory.lock().unwrap().states.extend(states.into_iter().map(|state| State {
            window,
            told,
            ..state
        }));
    }

    fn compose(&self) -> (Vec<Publish>, Vec<State>) {
        let (mut rng, mut memory) = (self.rng.lock().unwrap(), self.memory.lock().unwrap());
        let Memory { talks, open_from, messages, .. } = &mut *memory;
        let (mut batch, mut told, begun) = (Vec::new(), Vec::new(), Timestamp::now());
        for (number, talk) in talks.iter_mut().skip(*open_from).enumerate() {
            if rng.u8(..4) != 0 {
                continue;
            }
            talk.items += 1;
            for side in 0..2 {
                let tag = format!("message/{}/{}/{side}", talk.of.id, talk.items);
                messages.insert(tag.clone(), talk.of.message_id(talk.items));
                batch.push(talk.of.to(side, talk.of.log(talk.items, talk.items), tag));
            }
            talk.steps += 1;
            let (side, step) = (rng.usize(..2), talk.steps);
            let tag = format!("state/{}/{step}", talk.of.id);
            batch.push(talk.of.to(side, talk.of.state(step), tag.clone()));
            let (agent, interaction) = ((1001 + number * 2 + side).to_string(), talk.of.id.clone());
            told.push(State { tag, agent, interaction, step, window: None, begun, told: begun });
        }
        (batch, told)
    }

    /// Tells a round every tenth of a second until `end`.
    pub fn steady(self: &Arc<Story>) -> tokio::task::JoinHandle<()> {
        let story = self.clone();
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            while !story.over.load(Ordering::SeqCst) {
                pace.tick().await;
                story.round().await;
            }
        })
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Tells the whole log of every open conversation again, to both of its agents.
    pub async fn resend(&self, label: &str) {
        let first = self.memory.lock().unwrap().open_from;
        for batch in self.logs(label, first).chunks(AT_ONCE) {
            self.server.publish(batch).await;
        }
    }

    /// Tells everything again, also of conversations that are over, and waits until all of it is acknowledged: a
    /// part after the other, as all at once would keep a session waiting beyond the server's patience.
    pub async fn resend_all(&self, label: &str) {
        for batch in self.logs(label, 0).chunks(AT_ONCE) {
            self.server.publish(batch).await;
            let what = "the server sees a part of the final logs acknowledged";
            eventually(what, Duration::from_secs(120), || async {
                let acked = self.server.acked().await;
                batch.iter().all(|log| acked.contains(&log.tag)).then_some(())
            })
            .await;
        }
    }

    fn logs(&self, label: &str, first: usize) -> Vec<Publish> {
        let memory = self.memory.lock().unwrap();
        let begun = memory.talks.iter().skip(first).filter(|talk| talk.items > 0);
        begun
            .flat_map(|talk| {
                let log = talk.of.log(1, talk.items);
                let tag = |side| format!("log/{label}/{}/{side}", talk.of.id);
                [0, 1].map(|side| talk.of.to(side, log.clone(), tag(side)))
            })
            .collect()
    }

    /// The ids of all items of all conversations.
    pub fn message_ids(&self) -> BTreeSet<String> {
        let memory = self.memory.lock().unwrap();
        memory.talks.iter().flat_map(|talk| (1..=talk.items).map(|index| talk.of.message_id(index))).collect()
    }

    /// Tag and id of every message as it was told first.
    pub fn messages(&self) -> BTreeMap<String, String> {
        self.memory.lock().unwrap().messages.clone()
    }

    /// Every state told so far, in order.
    pub fn states(&self) -> Vec<State> {
        self.memory.lock().unwrap().states.clone()
    }
}
