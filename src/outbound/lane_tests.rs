//! Lanes against a scripted sink, on tokio's paused clock: no test here waits for real time.

use crate::base::health::{Health, Status};
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::journal::{self, Journal};
use crate::outbound::fanout::{Lanes, start_with};
use crate::outbound::lane::Maker;
use crate::outbound::settings::{MaxLag, OnLimit, SinkConfig, Start};
use crate::outbound::sink::{Cause, Outcome};
use crate::outbound::testing::{Memory, Script, config, done, event, retry};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod exact;
mod parking;

struct Run {
    lanes: Lanes,
    stop: CancellationToken,
    metrics: Metrics,
    health: Health,
}

fn run(memory: &Memory, sinks: Vec<(SinkConfig, &Arc<Script>)>) -> Run {
    let (metrics, health, stop) = (Metrics::new().unwrap(), Health::default(), CancellationToken::new());
    let sinks =
        sinks.into_iter().map(|(config, script)| (config, Maker::Scripted(Arc::clone(script)))).collect();
    let lanes = start_with(
        sinks,
        memory,
        (7, "journal"),
        memory.clock.clone(),
        (metrics.clone(), health.clone()),
        &stop,
    );
    Run { lanes, stop, metrics, health }
}

impl Run {
    async fn stop(&self) -> Vec<String> {
        self.stop.cancel();
        self.lanes.finished(Duration::from_secs(60)).await
    }
}

/// Lets (paused) time pass until this holds; fails after an hour of it.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..36_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never came about");
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[tokio::test(start_paused = true)]
async fn an_event_is_a_dead_letter_after_exactly_so_many_tries_and_the_next_of_its_key_follows() {
    let memory = Memory::new();
    memory.add(&["a", "a"]);
    let script = Script::new(|delivery| if delivery.sequence == 1 { retry(None) } else { done() });
    let lane = run(&memory, vec![(config("s", 3), &script)]);
    until(|| memory.position_of("s") == Some(2)).await;
    let tries = script.seen_of(1);
    assert_eq!(tries.iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(
        waits[0] >= seconds(1) && waits[0] < seconds(2) && waits[1] >= seconds(2) && waits[1] < seconds(4)
    );
    let inner = memory.inner.lock().unwrap();
    let [letter] = &inner.dead[..] else { panic!("one dead letter, not {}", inner.dead.len()) };
    assert_eq!((letter.sequence, letter.attempts, letter.failure.reason.as_str()), (1, 3, "test"));
    assert_eq!(script.done(), [2]);
    assert_eq!(lane.metrics.sink_dead_letters_total.with_label_values(&["s", "test"]).get(), 1);
    assert_eq!(lane.metrics.sink_retries_total.with_label_values(&["s", "test"]).get(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_asks_to_wait_is_honoured_up_to_the_limit() {
    let memory = Memory::new();
    memory.add(&["a"]);
    let script = Script::new(|delivery| match delivery.attempt {
        1 => retry(Some(seconds(20))),
        2 => retry(Some(seconds(86_400))),
        _ => done(),
    });
    let _lane = run(&memory, vec![(config("s", 9), &script)]);
    until(|| memory.position_of("s") == Some(1)).await;
    let at: Vec<_> = script.seen_of(1).iter().map(|seen| seen.at).collect();
    assert!(at[1] - at[0] >= seconds(20) && at[1] - at[0] < seconds(23));
    assert!(at[2] - at[1] >= seconds(30) && at[2] - at[1] < seconds(31));
}

#[tokio::test(start_paused = true)]
async fn a_new_sink_starts_at_the_latest_unless_told_and_its_place_is_kept_at_once() {
    let memory = Memory::new();
    memory.add(&["a", "b"]);
    let script = Script::new(|_| done());
    let latest = SinkConfig { start: Start::Latest, ..config("s", 3) };
    let _lane = run(&memory, vec![(latest, &script)]);
    until(|| memory.position_of("s") == Some(2)).await;
    memory.add(&["c"]);
    until(|| memory.position_of("s") == Some(3)).await;
    assert_eq!(script.done(), [3]);
}

#[tokio::test(start_paused = true)]
async fn events_that_do_not_match_are_settled_without_being_delivered() {
    let memory = Memory::new();
    memory.add(&["a", "b"]);
    let script = Script::new(|_| done());
    let mut none = config("s", 3);
    none.matching.medium = vec!["agent".to_owned()];
    let lane = run(&memory, vec![(none, &script)]);
    until(|| memory.position_of("s") == Some(2)).await;
    assert!(script.done().is_empty());
    assert_eq!(lane.metrics.sink_filtered_total.with_label_values(&["s"]).get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sink_beyond_its_lag_is_moved_on_and_the_loss_is_named() {
    let memory = Memory::new();
    memory.add(&["a", "a", "b"]);
    let script =
        Script::unparked(|delivery| if delivery.event.partitionkey == "a" { retry(None) } else { done() });
    let limit = MaxLag { bytes: 1_000_000, age: seconds(60), on_limit: OnLimit::Release };
    let lane = run(&memory, vec![(SinkConfig { max_lag: limit, ..config("s", 1000) }, &script)]);
    until(|| script.done() == [3]).await;
    assert_eq!(memory.position_of("s"), Some(0));
    memory.clock.set(60_001);
    until(|| memory.position_of("s") == Some(4)).await;
    let (lost, _) = memory.inner.lock().unwrap().events[&4].clone();
    assert_eq!((lost.kind.as_ref(), lost.partitionkey.as_str()), ("cometbridge.sink.lost.v1", "bridge/s"));
    let data: serde_json::Value = serde_json::from_str(lost.data.get()).unwrap();
    let wanted = serde_json::json!({"sink": "s", "firstSequence": "7-0000000000000000001",
        "lastSequence": "7-0000000000000000003", "count": 2, "bytes": 300, "limit": "max_lag.age"});
    assert_eq!(data, wanted);
    assert_eq!(lane.metrics.sink_lost_total.with_label_values(&["s"]).get(), 2);
    until(|| script.done() == [3, 4]).await;
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_while_a_sink_is_moved_on_is_neither_lost_nor_counted() {
    let memory = Memory::new();
    memory.add(&["a", "a", "b"]);
    let script =
        Script::unparked(|delivery| if delivery.event.partitionkey == "a" { retry(None) } else { done() });
    let limit = MaxLag { bytes: 1_000_000, age: seconds(60), on_limit: OnLimit::Release };
    let lane = run(&memory, vec![(SinkConfig { max_lag: limit, ..config("s", 1000) }, &script)]);
    until(|| script.done() == [3]).await;
    memory.inner.lock().unwrap().after_lag = Some("c");
    memory.clock.set(60_001);
    until(|| script.done() == [3, 4, 5]).await;
    let (lost, _) = memory.inner.lock().unwrap().events[&5].clone();
    let data: serde_json::Value = serde_json::from_str(lost.data.get()).unwrap();
    assert_eq!((&data["lastSequence"], &data["count"]), (&"7-0000000000000000003".into(), &2.into()));
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_may_not_lose_anything_pauses_the_intake_until_it_has_caught_up() {
    let memory = Memory::new();
    memory.add(&["a"; 10]);
    let open = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let script =
        Script::new(
            move |_| if opened.load(std::sync::atomic::Ordering::SeqCst) { done() } else { retry(None) },
        );
    let limit = MaxLag { bytes: 900, age: Duration::MAX, on_limit: OnLimit::StopIntake };
    let lane = run(&memory, vec![(SinkConfig { max_lag: limit, ..config("s", 1000) }, &script)]);
    let paused = lane.lanes.intake_paused();
    until(|| *paused.borrow()).await;
    open.store(true, std::sync::atomic::Ordering::SeqCst);
    until(|| !*paused.borrow()).await;
    until(|| memory.position_of("s") == Some(10)).await;
    assert_eq!(script.done(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_wants_no_more_ends_alone_and_pins_nothing_beyond_its_lag() {
    let memory = Memory::new();
    memory.add(&["a", "b"]);
    let gone = Script::new(|_| {
        (Duration::ZERO, Outcome::Disable { cause: Cause::new("gone", "HTTP 410 with 0 bytes of body") })
    });
    let fine = Script::new(|_| done());
    let limit = MaxLag { bytes: 1_000, age: Duration::MAX, on_limit: OnLimit::Release };
    let ends = SinkConfig { max_lag: limit, ..config("gone", 3) };
    let lane = run(&memory, vec![(ends, &gone), (config("fine", 3), &fine)]);
    until(|| memory.position_of("fine") == Some(2)).await;
    let ended =
        || matches!(lane.health.parts().get("sink gone"), Some(Status::Degraded(why)) if why.contains("410"));
    until(ended).await;
    assert_eq!(memory.position_of("gone"), Some(0));
    assert_eq!(lane.metrics.sink_up.with_label_values(&["gone"]).get(), 0);
    memory.add(&["c"; 9]);
    until(|| memory.position_of("gone") == Some(11)).await;
    until(|| memory.position_of("fine") == Some(12)).await;
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_builds_the_sink_anew_and_nothing_is_lost_or_out_of_order() {
    let memory = Memory::new();
    memory.add(&["a", "b", "a", "b"]);
    let mut fatal = 2;
    let script = Script::new(move |delivery| {
        if delivery.sequence == 3 && fatal > 0 {
            fatal -= 1;
            return (Duration::ZERO, Outcome::Reconnect { cause: Cause::new("fatal", "fenced") });
        }
        done()
    });
    let lane = run(&memory, vec![(config("s", 2), &script)]);
    until(|| memory.position_of("s") == Some(4)).await;
    assert!(*script.built.lock().unwrap() >= 2);
    assert!(memory.inner.lock().unwrap().dead.is_empty());
    assert_eq!(script.done().into_iter().filter(|at| at % 2 == 1).collect::<Vec<_>>(), [1, 3]);
    assert!(lane.stop().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_in_hand_and_stores_it() {
    let memory = Memory::new();
    memory.add(&["a"]);
    let script = Script::new(|_| (seconds(20), Outcome::Done));
    let lane = run(&memory, vec![(config("s", 3), &script)]);
    tokio::time::sleep(seconds(1)).await;
    assert!(lane.stop().await.is_empty());
    assert_eq!(memory.position_of("s"), Some(1));
    assert!(lane.lanes.running().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_beyond_the_grace_nor_for_retries() {
    let memory = Memory::new();
    memory.add(&["a"]);
    let hangs = Script::new(|_| (Duration::MAX, Outcome::Done));
    let fails = Script::new(|_| retry(None));
    let lane = run(&memory, vec![(config("hangs", 3), &hangs), (config("fails", 100), &fails)]);
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(lane.metrics.sink_up.with_label_values(&["hangs"]).get(), 0, "a silent sink is not up");
    assert_eq!(lane.stop().await, ["hangs"]);
    assert_eq!((memory.position_of("hangs"), memory.position_of("fails")), (Some(0), Some(0)));
}

/// The one test here on real time: the real journal has threads of its own.
#[tokio::test]
async fn a_lane_runs_on_the_real_journal_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let stop_and_open = || {
        let config = journal::Config {
            state_dir: dir.path().join("state"),
            keep_delivered: seconds(3600),
            dedup_window: seconds(3600),
            reserve_bytes: 4096,
            keep_gaps: seconds(3600),
            keep_drafts: seconds(3600),
            keep_dead_letters: seconds(3600),
            max_dead_letters: 10,
            accept_shortened: false,
        };
        Journal::open(config, Clock::system(), Metrics::new().unwrap(), Health::default()).unwrap().0
    };
    let add = async |journal: &Journal, numbers: std::ops::RangeInclusive<u64>| {
        let events = numbers.map(|number| event("k", number)).collect();
        journal::settled(journal.append(journal::Append { events, ..Default::default() })).await.unwrap();
    };
    for round in 0..2 {
        let journal = stop_and_open();
        journal.register_sinks(&[("s".to_owned(), journal::StartAt::Earliest)]).await.unwrap();
        let first = round * 10 + 1;
        add(&journal, first..=first + 4).await;
        let script = Script::new(move |delivery| {
            if delivery.sequence == first + 1 {
                return (Duration::ZERO, Outcome::Reject { cause: Cause::new("test", "told to") });
            }
            (Duration::ZERO, Outcome::Done)
        });
        let (metrics, health, stop) = (Metrics::new().unwrap(), Health::default(), CancellationToken::new());
        let sinks = vec![(config("s", 3), Maker::Scripted(Arc::clone(&script)))];
        let lanes = start_with(sinks, &journal, (7, "journal"), Clock::system(), (metrics, health), &stop);
        add(&journal, first + 5..=first + 9).await;
        while journal.position("s").await != Some(first + 9) {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        assert!(lanes.finished(seconds(60)).await.is_empty());
        assert_eq!(script.done(), [vec![first], (first + 2..first + 10).collect()].concat());
        let letters = journal.dead_letters(&journal::LetterFilter::default(), 10).await.unwrap();
        assert_eq!(letters.last().map(|letter| letter.sequence), Some(first + 1));
        journal.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever fails when: each key's events get through in their order, each at least once, and all settle.
    #[test]
    fn order_per_key_holds_under_random_failures(
        keys in proptest::collection::vec(0usize..5, 1..60),
        faults in proptest::collection::vec((0u8..10, 0u64..3000), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let names = ["a", "b", "c", "d", "e"];
            let memory = Memory::new();
            let of: Vec<&str> = keys.iter().map(|&key| names[key]).collect();
            memory.add(&of);
            let mut faults = faults.into_iter();
            let script = Script::new(move |_| {
                let (what, delay) = faults.next().unwrap_or((9, 1));
                let delay = Duration::from_millis(delay);
                match what {
                    0..=2 => (delay, Outcome::Retry { cause: Cause::new("test", ""), after: None }),
                    3 => (delay, Outcome::Reconnect { cause: Cause::new("fatal", "") }),
                    _ => (delay, Outcome::Done),
                }
            });
            let lane = run(&memory, vec![(config("s", u32::MAX), &script)]);
            until(|| memory.position_of("s") == Some(of.len() as u64) && memory.parked() == 0).await;
            assert!(lane.stop().await.is_empty());
            // Where a sink was built anew, answers may be cut off and their events come again; but nothing is ever
            // skipped: each event stands at most one step behind the one before it in its key's order.
            let mut last: HashMap<String, usize> = HashMap::new();
            for seen in script.seen.lock().unwrap().iter().filter(|seen| seen.outcome == Outcome::Done) {
                let before = of.iter().take(usize::try_from(seen.sequence).unwrap() - 1);
                let place = 1 + before.filter(|key| **key == seen.key).count();
                let reached = last.insert(seen.key.clone(), place).unwrap_or(0);
                assert!(place <= reached + 1, "number {place} of {} came after number {reached}", seen.key);
            }
            let mut done = script.done();
            done.sort_unstable();
            done.dedup();
            assert_eq!(done.len(), of.len());
        });
    }
}
