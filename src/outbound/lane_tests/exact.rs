//! A sink that keeps its own position, in one with what it delivers.

use super::*;
use crate::outbound::sink::{Place, Shape};
use crate::outbound::testing::shape;
use std::sync::Mutex;

fn exact() -> Shape {
    Shape {
        calls: 1,
        items: usize::MAX,
        keys: usize::MAX,
        per_key: usize::MAX,
        parks: false,
        exact: true,
        ..shape()
    }
}

#[tokio::test(start_paused = true)]
async fn the_destinations_position_counts_and_the_stored_one_follows_it() {
    let memory = Memory::new();
    memory.add(&["a", "b", "a", "c", "b", "a"]);
    let script = Script::shaped(exact(), |_| done());
    *script.kept.lock().unwrap() = Some(Place { position: 4, beside: Vec::new() });
    memory.inner.lock().unwrap().positions.insert("s".to_owned(), 2);
    let lane = run(&memory, vec![(config("s", 3), &script)]);
    until(|| memory.position_of("s") == Some(6)).await;
    assert_eq!(script.done(), [5, 6]);
    assert_eq!(memory.inner.lock().unwrap().notes["exactly-once s"], "kept");
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_carries_all_that_is_open_and_one_that_fails_delivers_nothing_beyond_the_position() {
    let memory = Memory::new();
    memory.add(&["a", "b", "c"]);
    let fails = Arc::new(Mutex::new(3));
    let left = Arc::clone(&fails);
    let script = Script::shaped(exact(), move |_| {
        let mut left = left.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            return (Duration::ZERO, Outcome::Reconnect { cause: Cause::new("transaction", "aborted") });
        }
        done()
    });
    let lane = run(&memory, vec![(config("s", 2), &script)]);
    until(|| memory.position_of("s") == Some(3)).await;
    assert_eq!(script.done(), [1, 2, 3]);
    assert!(memory.inner.lock().unwrap().dead.is_empty());
    assert!(lane.metrics.sink_rebuilds_total.with_label_values(&["s"]).get() >= 1);
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_put_aside_before_the_position_passes_it() {
    let memory = Memory::new();
    memory.add(&["a", "b", "c"]);
    let store = memory.clone();
    let script = Script::shaped(exact(), move |delivery| match delivery.sequence {
        2 => (Duration::ZERO, Outcome::Reject { cause: Cause::new("too-large", "") }),
        // As an aborted transaction has it: what stood beside a refused one was not tried.
        _ if store.inner.lock().unwrap().dead.is_empty() => (Duration::ZERO, Outcome::Held),
        _ => done(),
    });
    let lane = run(&memory, vec![(config("s", 2), &script)]);
    until(|| memory.position_of("s") == Some(3)).await;
    let mut done = script.done();
    done.sort_unstable();
    assert_eq!((done, memory.inner.lock().unwrap().dead.len()), (vec![1, 3], 1));
    assert_eq!(script.seen_of(2).len(), 1);
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_position_moves_over_what_the_sink_does_not_want() {
    let memory = Memory::new();
    memory.add(&["a", "b"]);
    let script = Script::shaped(exact(), |_| done());
    let mut none = config("s", 3);
    none.matching.medium = vec!["agent".to_owned()];
    let lane = run(&memory, vec![(none, &script)]);
    until(|| memory.position_of("s") == Some(2)).await;
    assert_eq!(script.kept.lock().unwrap().as_ref().map(|place| place.position), Some(2));
    assert!(script.done().is_empty());
    assert!(lane.stop().await.is_empty());
}
