//! Keys that fail while others get through, and a destination that fails as a whole.

use super::*;
use crate::outbound::settings::Park;
use crate::outbound::testing::shape;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fails one key while the flag is up.
fn failing(key: &'static str, flag: &Arc<AtomicBool>) -> Arc<Script> {
    let flag = Arc::clone(flag);
    Script::new(move |delivery| {
        let bad = delivery.event.partitionkey == key && flag.load(Ordering::SeqCst);
        if bad { retry(None) } else { done() }
    })
}

fn down() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

fn of_key(script: &Script, key: &str) -> Vec<u64> {
    let seen = script.seen.lock().unwrap();
    seen.iter().filter(|one| one.key == key && one.outcome == Outcome::Done).map(|one| one.sequence).collect()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_while_others_get_through_is_parked_and_the_position_passes_it() {
    let memory = Memory::new();
    memory.add(&["bad", "b", "c", "bad", "b"]);
    let flag = down();
    let script = failing("bad", &flag);
    let lane = run(&memory, vec![(config("s", 1000), &script)]);
    until(|| memory.position_of("s") == Some(5)).await;
    // Far more than a window holds, and some of it for the failing key.
    for _ in 0..50 {
        memory.add(&["b", "c", "bad"]);
    }
    until(|| memory.position_of("s") == Some(155) && memory.parked() == 52).await;
    assert_eq!(script.done().len(), 103);
    assert_eq!(lane.metrics.sink_up.with_label_values(&["s"]).get(), 1);
    until(|| lane.metrics.sink_parked_events.with_label_values(&["s"]).get() == 52).await;
    assert!(matches!(lane.health.parts().get("sink s"), Some(Status::Degraded(_))));
    flag.store(false, Ordering::SeqCst);
    until(|| memory.parked() == 0).await;
    let wanted: Vec<u64> = [1, 4].into_iter().chain((0..50).map(|round| 8 + 3 * round)).collect();
    assert_eq!(of_key(&script, "bad"), wanted);
    assert_eq!(lane.health.parts().get("sink s"), Some(&Status::Ok));
    memory.add(&["bad"]);
    until(|| memory.position_of("s") == Some(156)).await;
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn tries_and_order_of_a_parked_key_outlive_a_restart() {
    let memory = Memory::new();
    memory.add(&["bad", "b", "bad", "b", "bad"]);
    let flag = down();
    let first = failing("bad", &flag);
    let lane = run(&memory, vec![(config("s", 6), &first)]);
    until(|| first.seen_of(1).len() == 3).await;
    assert!(lane.stop().await.is_empty());
    assert_eq!((memory.position_of("s"), memory.parked()), (Some(5), 3));
    memory.add(&["bad", "b"]);
    let second = failing("bad", &flag);
    let lane = run(&memory, vec![(config("s", 6), &second)]);
    until(|| memory.inner.lock().unwrap().dead.len() == 1).await;
    let attempts: Vec<u32> = second.seen_of(1).iter().map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [4, 5, 6]);
    flag.store(false, Ordering::SeqCst);
    until(|| memory.parked() == 0 && memory.position_of("s") == Some(7)).await;
    assert_eq!(of_key(&second, "bad"), [3, 5, 6]);
    assert_eq!(of_key(&second, "b"), [7], "what was settled does not come again");
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_makes_nothing_that_was_delivered_come_again() {
    let memory = Memory::new();
    memory.add(&["a", "b", "a", "c", "b", "a"]);
    let first = Script::new(|delivery| if delivery.sequence == 4 { retry(None) } else { done() });
    let lane = run(&memory, vec![(config("s", 1000), &first)]);
    until(|| first.done().len() == 5).await;
    assert!(lane.stop().await.is_empty());
    assert_eq!((memory.position_of("s"), memory.parked()), (Some(6), 1));
    let second = Script::new(|_| done());
    let lane = run(&memory, vec![(config("s", 1000), &second)]);
    until(|| memory.parked() == 0).await;
    assert_eq!(second.done(), [4]);
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_what_may_be_parked_the_lane_stops_and_says_so() {
    let memory = Memory::new();
    memory.add(&["bad", "b", "bad", "b", "bad"]);
    let flag = down();
    let script = failing("bad", &flag);
    let tight = SinkConfig { park: Park { keys: 1, bytes: 300 }, ..config("s", 1000) };
    let lane = run(&memory, vec![(tight, &script)]);
    until(|| memory.parked() == 3).await;
    memory.add(&["b", "bad", "b"]);
    let full = || matches!(lane.health.parts().get("sink s"), Some(Status::Degraded(why)) if why.contains("nothing more is read"));
    until(full).await;
    assert_eq!((memory.position_of("s"), script.done()), (Some(6), vec![2, 4, 6]));
    flag.store(false, Ordering::SeqCst);
    until(|| memory.position_of("s") == Some(8) && memory.parked() == 0).await;
    assert_eq!(of_key(&script, "bad"), [1, 3, 5, 7]);
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_away_is_probed_by_one_and_costs_no_event_its_tries() {
    let memory = Memory::new();
    memory.add(&["a", "b", "c", "d", "e", "f", "a", "b"]);
    let flag = down();
    let away = Arc::clone(&flag);
    let single = crate::outbound::sink::Shape { items: 1, ..shape() };
    let script =
        Script::shaped(single, move |_| if away.load(Ordering::SeqCst) { retry(None) } else { done() });
    let lane = run(&memory, vec![(config("s", 5), &script)]);
    let open = || lane.metrics.sink_circuit_open.with_label_values(&["s"]).get() == 1;
    until(open).await;
    tokio::time::sleep(seconds(3600)).await;
    let tries = script.seen.lock().unwrap().len();
    // One an 8 to 12 seconds, and a few before it opened.
    assert!((300..=460).contains(&tries), "{tries}");
    assert!(open() && memory.parked() == 0 && memory.inner.lock().unwrap().dead.is_empty());
    assert_eq!(memory.position_of("s"), Some(0));
    flag.store(false, Ordering::SeqCst);
    until(|| memory.position_of("s") == Some(8)).await;
    assert!(!open());
    assert_eq!((of_key(&script, "a"), of_key(&script, "b")), (vec![1, 7], vec![2, 8]));
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_too_old_is_given_up_even_where_the_destination_is_away() {
    let memory = Memory::new();
    memory.add(&["a", "b"]);
    let script = Script::new(|_| retry(None));
    let mut short = config("s", 1_000);
    short.retry.max_age = seconds(60);
    let lane = run(&memory, vec![(short, &script)]);
    until(|| script.seen.lock().unwrap().len() > 8).await;
    memory.clock.set(60_000);
    until(|| memory.position_of("s") == Some(2)).await;
    assert_eq!(memory.inner.lock().unwrap().dead.len(), 2);
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_goes_again_just_as_it_was() {
    let memory = Memory::new();
    memory.add(&["a", "b", "a"]);
    let flag = down();
    let away = Arc::clone(&flag);
    let whole = crate::outbound::sink::Shape { calls: 1, frozen: true, ..shape() };
    let script =
        Script::shaped(whole, move |_| if away.load(Ordering::SeqCst) { retry(None) } else { done() });
    let lane = run(&memory, vec![(config("s", 1_000), &script)]);
    until(|| script.seen_of(1).len() == 2).await;
    memory.add(&["a", "b", "c"]);
    flag.store(false, Ordering::SeqCst);
    until(|| memory.position_of("s") == Some(6)).await;
    assert_eq!((of_key(&script, "a"), of_key(&script, "b")), (vec![1, 3, 4], vec![2, 5]));
    assert!(lane.stop().await.is_empty());
}

/// A batch with one poisoned event: it alone is left over in the end, and nothing comes twice or out of order.
#[tokio::test(start_paused = true)]
async fn a_batch_that_one_key_spoils_is_parted_and_that_key_alone_is_parked() {
    let memory = Memory::new();
    memory.add(&["bad", "b", "c", "bad", "b"]);
    let flag = down();
    let bad = Arc::clone(&flag);
    let whole = crate::outbound::sink::Shape { calls: 2, frozen: true, ..shape() };
    let script = Script::shaped(whole, move |delivery| {
        let bad = delivery.event.partitionkey == "bad" && bad.load(Ordering::SeqCst);
        let cause = Cause::new("http-5xx", "HTTP 500");
        if bad { (Duration::ZERO, Outcome::Retry { cause, after: None }) } else { done() }
    });
    let lane = run(&memory, vec![(config("s", 1_000), &script)]);
    until(|| script.seen_of(1).len() >= 2).await;
    for _ in 0..30 {
        memory.add(&["b", "c", "bad"]);
        tokio::time::sleep(seconds(1)).await;
    }
    until(|| memory.position_of("s") == Some(95)).await;
    assert_eq!(memory.parked(), 32);
    flag.store(false, Ordering::SeqCst);
    until(|| memory.parked() == 0).await;
    let wanted: Vec<u64> = [1, 4].into_iter().chain((0..30).map(|round| 8 + 3 * round)).collect();
    assert_eq!(of_key(&script, "bad"), wanted);
    assert_eq!(lane.health.parts().get("sink s"), Some(&Status::Ok));
    let mut all = script.done();
    all.sort_unstable();
    assert_eq!(all, (1..=95).collect::<Vec<_>>(), "each once");
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_parked_events_were_erased_is_given_up_and_what_comes_next_of_it_is_delivered() {
    let memory = Memory::new();
    memory.add(&["bad", "b", "bad", "b", "bad"]);
    let flag = down();
    let script = failing("bad", &flag);
    let lane = run(&memory, vec![(config("s", 1000), &script)]);
    until(|| memory.position_of("s") == Some(5) && memory.parked() == 3).await;
    let parked = || lane.metrics.sink_parked_events.with_label_values(&["s"]).get();
    until(|| parked() == 3).await;
    memory.inner.lock().unwrap().parked.clear();
    until(|| parked() == 0).await;
    flag.store(false, Ordering::SeqCst);
    memory.add(&["bad"]);
    until(|| memory.position_of("s") == Some(6)).await;
    assert_eq!(of_key(&script, "bad"), [6]);
    assert!(lane.stop().await.is_empty());
}
