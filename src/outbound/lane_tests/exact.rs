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

#[tokio::test(start_paused = true)]
async fn beyond_its_lag_the_loss_is_named_once_and_the_lane_goes_on_behind_it() {
    let memory = Memory::new();
    memory.add(&["a", "b"]);
    let away = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let down = Arc::clone(&away);
    let script = Script::shaped(exact(), move |_| {
        let cause = Cause::new("transaction", "brokers are away");
        let down = down.load(std::sync::atomic::Ordering::SeqCst);
        if down { (Duration::ZERO, Outcome::Reconnect { cause }) } else { done() }
    });
    let limit = MaxLag { bytes: 1_000_000, age: seconds(60), on_limit: OnLimit::Release };
    let lane = run(&memory, vec![(SinkConfig { max_lag: limit, ..config("s", 9) }, &script)]);
    until(|| *script.built.lock().unwrap() > 2).await;
    memory.clock.set(60_001);
    until(|| memory.position_of("s") == Some(2)).await;
    tokio::time::sleep(seconds(30)).await;
    away.store(false, std::sync::atomic::Ordering::SeqCst);
    until(|| memory.position_of("s") == Some(3)).await;
    memory.add(&["c"]);
    until(|| script.done() == [3, 4]).await;
    assert_eq!(lane.metrics.sink_lost_total.with_label_values(&["s"]).get(), 2);
    assert_eq!(memory.last(), 4, "one event names the loss");
    assert_eq!(memory.inner.lock().unwrap().notes["exactly-once s"], "kept");
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_goes_back_moves_the_stored_position_and_is_carried_out_once() {
    let memory = Memory::new();
    memory.add(&["a", "b", "c", "d"]);
    memory.inner.lock().unwrap().positions.insert("s".to_owned(), 4);
    memory.inner.lock().unwrap().notes.insert("exactly-once s".to_owned(), "1".to_owned());
    let mut breaks = true;
    let script = Script::shaped(exact(), move |delivery| {
        // After the first call has been taken in there: what comes of it is not known here.
        if delivery.sequence == 4 && std::mem::take(&mut breaks) {
            return (Duration::ZERO, Outcome::Reconnect { cause: Cause::new("transaction", "timed out") });
        }
        done()
    });
    let lane = run(&memory, vec![(config("s", 3), &script)]);
    until(|| memory.position_of("s") == Some(4) && script.done().contains(&4)).await;
    assert_eq!(memory.inner.lock().unwrap().notes["exactly-once s"], "kept");
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_fenced_again_and_again_ends() {
    let memory = Memory::new();
    memory.add(&["a"]);
    let script = Script::shaped(exact(), |_| {
        (Duration::ZERO, Outcome::Reconnect { cause: Cause::new("fenced", "a second one") })
    });
    let lane = run(&memory, vec![(config("s", 3), &script)]);
    let ended = || matches!(lane.health.parts().get("sink s"), Some(Status::Degraded(why)) if why.starts_with("ended: fenced"));
    until(ended).await;
    assert_eq!(*script.built.lock().unwrap(), 4);
    assert!(lane.stop().await.is_empty());
}
