//! Every row of the dedup table, and the decision against a model.

use super::*;
use crate::base::digest::Digest;
use crate::base::envelope::Event;
use crate::inbound::normalise::{Identity, Key};
use crate::journal::{Append, ContextValue, MarkWrite, StateWrite};
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The journal's marks, as a map that the test fills from what was appended.
#[derive(Clone, Default)]
struct Marks(Rc<RefCell<Known>>);

#[derive(Default)]
struct Known {
    items: HashMap<Digest, HashMap<i64, Seen>>,
    states: HashMap<Digest, Digest>,
    known: HashMap<(String, String, String), journal::Known>,
    contexts: HashMap<(Digest, String), ContextValue>,
}

impl Memory for Marks {
    fn conversation(&self, conversation: &Digest) -> Result<HashMap<i64, Seen>, journal::Error> {
        Ok(self.0.borrow().items.get(conversation).cloned().unwrap_or_default())
    }
    fn state(&self, resource: &Digest) -> Result<Option<Digest>, journal::Error> {
        Ok(self.0.borrow().states.get(resource).copied())
    }
    fn known(&self, session: &str, kind: &str, id: &str) -> Result<Option<journal::Known>, journal::Error> {
        let key = (session.to_owned(), kind.to_owned(), id.to_owned());
        Ok(self.0.borrow().known.get(&key).cloned())
    }
    fn context(&self, conversation: &Digest) -> Result<Vec<ContextValue>, journal::Error> {
        let marks = self.0.borrow();
        Ok(marks.contexts.values().filter(|value| value.conversation == *conversation).cloned().collect())
    }
}

impl Marks {
    fn commit(&self, append: &Append) {
        let mut marks = self.0.borrow_mut();
        for MarkWrite { conversation, index, content, revision, .. } in &append.marks {
            let seen = marks.items.entry(*conversation).or_default().entry(*index).or_default();
            seen.digests.push(*content);
            seen.revision = *revision;
        }
        for StateWrite { resource, content, .. } in &append.states {
            marks.states.insert(*resource, *content);
        }
        for known in &append.known {
            let key = (known.session.clone(), known.kind.to_string(), known.id.clone());
            marks.known.insert(key, known.clone());
        }
        for value in &append.contexts {
            let key = (value.conversation, value.path.clone());
            match value.value {
                Some(_) => marks.contexts.insert(key, value.clone()),
                None => marks.contexts.remove(&key),
            };
        }
    }
}

mod attached;
mod contexts;
mod readings;
mod since;

struct Bench {
    marks: Marks,
    clock: Clock,
    dedup: Dedup<Marks>,
}

impl Bench {
    fn new() -> Bench {
        let (marks, clock) = (Marks::default(), Clock::manual(0));
        let dedup = Dedup::new(marks.clone(), clock.clone(), Metrics::new().unwrap(), Contexts::none());
        Bench { marks, clock, dedup }
    }

    /// A new process over the same journal.
    fn restart(&mut self) {
        self.restart_with(Contexts::none());
    }

    fn restart_with(&mut self, contexts: Contexts) {
        self.dedup = Dedup::new(self.marks.clone(), self.clock.clone(), Metrics::new().unwrap(), contexts);
    }

    fn put(&mut self, agent: &str, candidates: Vec<Candidate>) -> Vec<Event> {
        let batch = Batch { candidates, ..Batch::of(&"main".into(), agent, None, 1) };
        let (append, _) = self.dedup.decide(Taken(0), batch).unwrap();
        self.marks.commit(&append);
        append.events
    }

    fn ids(&mut self, agent: &str, candidates: Vec<Candidate>) -> Vec<String> {
        self.put(agent, candidates).into_iter().map(|event| event.id).collect()
    }
}

fn event() -> Event {
    Event::bare(RawValue::from_string("{}".into()).unwrap())
}

fn item(index: i64, content: &str) -> Candidate {
    Candidate {
        event: event(),
        identity: Identity::LogItem { base: format!("main/chat/1/messages/{index}") },
        dedup: Key::LogItem { conversation: Digest::of(b"main/chat/1"), index },
        resource: None,
        content: Digest::of(content.as_bytes()),
        sight: None,
        dated: false,
        compared: false,
    }
}

fn with_key(dedup: Key, content: &str) -> Candidate {
    Candidate {
        identity: Identity::Content { digest_id: format!("x/{content}") },
        dedup,
        resource: Some(Digest::of(b"chat/1")),
        ..item(0, content)
    }
}

fn state(content: &str) -> Candidate {
    with_key(Key::State { resource: Digest::of(b"chat/1") }, content)
}

fn reference(content: &str) -> Candidate {
    with_key(Key::Reference { key: Digest::of(b"17") }, content)
}

#[test]
fn what_belongs_to_an_agent_is_stamped_with_its_group_and_nothing_else_is() {
    let mut bench = Bench::new();
    let own = Candidate { event: Event { agent: Some("1001".to_owned()), ..event() }, ..item(1, "a") };
    let mut put = |group, candidates| {
        let batch = Batch { candidates, ..Batch::of(&"main".into(), "1001", group, 1) };
        let (append, _) = bench.dedup.decide(Taken(0), batch).unwrap();
        append.events.into_iter().map(|event| event.group).collect::<Vec<_>>()
    };
    assert_eq!(put(Some("vip"), vec![own, item(2, "b")]), [Some("vip".to_owned()), None]);
    let own = Candidate { event: Event { agent: Some("1001".to_owned()), ..event() }, ..item(3, "c") };
    assert_eq!(put(None, vec![own]), [None]);
}

#[test]
fn a_log_resent_by_anyone_gives_each_item_once_after_a_restart_too() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.ids("a", vec![item(1, "x"), item(2, "y")]),
        ["main/chat/1/messages/1", "main/chat/1/messages/2"]
    );
    assert!(bench.ids("b", vec![item(1, "x"), item(2, "y")]).is_empty());
    bench.restart();
    assert_eq!(bench.ids("a", vec![item(1, "x"), item(2, "y"), item(3, "z")]), ["main/chat/1/messages/3"]);
}

#[test]
fn a_changed_item_is_a_revision_and_every_content_seen_stays_known() {
    let mut bench = Bench::new();
    bench.put("a", vec![item(1, "x")]);
    let changed = bench.put("a", vec![item(1, "y")]).remove(0);
    assert_eq!(changed.id, "main/chat/1/messages/1;revision=2");
    assert_eq!((changed.revision, changed.baseid.as_deref()), (Some(2), Some("main/chat/1/messages/1")));
    bench.restart();
    assert!(bench.put("a", vec![item(1, "x"), item(1, "y")]).is_empty());
    assert_eq!(bench.ids("a", vec![item(1, "z")]), ["main/chat/1/messages/1;revision=3"]);
}

#[test]
fn a_state_is_dropped_only_where_it_repeats_the_previous_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.put("a", vec![state("ready"), state("ready"), state("busy"), state("ready")]).len(), 3);
    bench.restart();
    assert!(bench.put("a", vec![state("ready")]).is_empty());
}

#[test]
fn a_notification_with_a_reference_updates_the_state_that_the_next_one_is_compared_with() {
    let mut bench = Bench::new();
    bench.put("a", vec![state("ready")]);
    assert_eq!(bench.put("a", vec![reference("busy"), reference("busy")]).len(), 1);
    assert_eq!(bench.put("a", vec![state("ready")]).len(), 1, "a return is no repeat");
    bench.clock.set(61_000);
    assert_eq!(bench.put("a", vec![reference("busy")]).len(), 1, "a minute is over");
}

#[test]
fn an_error_without_a_key_still_ends_the_state_before_it() {
    let mut bench = Bench::new();
    bench.put("a", vec![state("ready"), with_key(Key::None, "error")]);
    assert_eq!(bench.put("a", vec![state("ready")]).len(), 1);
}

#[test]
fn what_has_no_key_is_always_forwarded() {
    let mut bench = Bench::new();
    let none = || Candidate { resource: None, ..with_key(Key::None, "same") };
    assert_eq!(bench.put("a", vec![none(), none()]).len(), 2);
}

#[test]
fn a_sender_that_changes_an_item_for_ever_fills_no_memory() {
    let mut bench = Bench::new();
    for n in 0..1_000 {
        bench.put("a", vec![item(1, &n.to_string())]);
    }
    let held = bench.dedup.seen_contents(&Digest::of(b"main/chat/1"), 1);
    assert!(held <= journal::MAX_DIGESTS, "{held}");
}

proptest! {
    /// Against the plainest model: a set of everything ever seen. Restarts anywhere change nothing.
    #[test]
    fn items_are_forwarded_exactly_when_their_content_is_new(
        steps in proptest::collection::vec((0i64..4, 0u8..3, any::<bool>()), 1..80)
    ) {
        let mut bench = Bench::new();
        let mut seen = std::collections::HashSet::new();
        let mut ids = HashMap::new();
        for (index, content, restart) in steps {
            if restart {
                bench.restart();
            }
            let new = seen.insert((index, content));
            let events = bench.put("a", vec![item(index, &content.to_string())]);
            prop_assert_eq!(events.len(), usize::from(new));
            for event in events {
                prop_assert!(ids.insert(event.id, content).is_none(), "one id, two contents");
            }
        }
    }
}
