//! The window's bookkeeping: order within keys, the position, what is parked and what goes again as it was.

use super::*;
use crate::outbound::testing::stored;
use proptest::prelude::*;
use std::time::Duration;

const ALL: Take = Take { items: 100, keys: 100, per_key: 100 };

fn item(sequence: Sequence, key: &str) -> Item {
    let stored = stored(sequence, key);
    let masked = Arc::clone(&stored.event);
    Item::new(stored, masked)
}

fn window(keys: &[&str]) -> Window {
    let mut window = Window::new(0, 64, 1 << 20);
    for (sequence, key) in (1..).zip(keys) {
        window.push(item(sequence, key));
    }
    window
}

fn numbers(items: &[Item]) -> Vec<Sequence> {
    items.iter().map(|item| item.stored.sequence).collect()
}

#[test]
fn the_position_stands_before_the_lowest_open_event() {
    let mut window = window(&["a", "b", "a"]);
    assert_eq!(window.position(), 0);
    assert_eq!(window.take(ALL, Instant::now()).len(), 3);
    window.land(&[(2, Verdict::Closed), (3, Verdict::Closed)], false);
    assert_eq!((window.position(), window.settled_above()), (0, 2));
    window.land(&[(1, Verdict::Closed)], false);
    assert_eq!((window.position(), window.settled_above()), (3, 0));
}

#[test]
fn events_passed_over_move_the_position_too() {
    let mut window = window(&["a"]);
    window.pass(2);
    window.passed(7);
    window.take(ALL, Instant::now());
    assert_eq!(window.position(), 0);
    window.land(&[(1, Verdict::Closed)], false);
    assert_eq!(window.position(), 7);
}

#[test]
fn a_key_that_is_out_or_waits_is_not_taken_and_then_one_event_at_a_time() {
    let mut window = window(&["a", "a", "b"]);
    let now = Instant::now();
    let due = now + Duration::from_secs(5);
    assert_eq!(numbers(&window.take(ALL, Instant::now())), [1, 2, 3]);
    window.push(item(4, "a"));
    assert!(window.take(ALL, Instant::now()).is_empty());
    window.failed(1, 7, now, true);
    window.land(&[(1, Verdict::Again(due)), (2, Verdict::Untried), (3, Verdict::Closed)], false);
    window.push(item(5, "b"));
    assert_eq!(numbers(&window.take(ALL, Instant::now())), [5]);
    assert_eq!(window.next_due(), Some(due));
    window.wake(due);
    assert_eq!(numbers(&window.take(ALL, Instant::now())), [1]);
}

#[test]
fn recalled_events_are_taken_again_in_order() {
    let mut window = window(&["b", "a", "b"]);
    assert_eq!(window.take(ALL, Instant::now()).len(), 3);
    window.recall();
    assert_eq!(numbers(&window.take(Take { keys: 1, ..ALL }, Instant::now())), [1, 3]);
    assert_eq!(numbers(&window.take(ALL, Instant::now())), [2]);
}

#[test]
fn a_full_window_reads_no_more() {
    let mut window = Window::new(0, 8, 1 << 20);
    for sequence in 1..=8 {
        window.push(item(sequence, "a"));
    }
    assert_eq!(window.room(), None);
    window.take(ALL, Instant::now());
    window.land(&[(1, Verdict::Closed)], false);
    assert_eq!(window.room().map(|(events, _)| events), Some(1));
}

proptest! {
    /// Whatever calls do and in whatever order they come back, each key's events close in their order and
    /// the position never passes an open event nor goes back.
    #[test]
    fn order_and_position_hold(
        keys in proptest::collection::vec(0u8..4, 1..60),
        verdicts in proptest::collection::vec((0usize..8, 0u8..3, 1usize..6), 1..400),
    ) {
        let names = ["a", "b", "c", "d"];
        let of: Vec<_> = keys.iter().map(|&key| names[usize::from(key)]).collect();
        let mut window = window(&of);
        let mut out: Vec<Vec<Sequence>> = Vec::new();
        let mut closed: Vec<Sequence> = Vec::new();
        let mut last = 0;
        let now = Instant::now();
        for (which, verdict, many) in verdicts {
            window.wake(now);
            let call = numbers(&window.take(Take { items: many, keys: 2, per_key: many }, now));
            if !call.is_empty() { out.push(call); }
            if out.is_empty() { break; }
            let call = out.remove(which % out.len());
            // As a sink does: once one of a key is not done, the later ones of it are held.
            let mut failed = std::collections::HashSet::new();
            let mut landed = Vec::new();
            for (nth, at) in call.into_iter().enumerate() {
                let key = of[usize::try_from(at).unwrap() - 1];
                let bad = (nth + usize::from(verdict)) % 3 == 0;
                if failed.contains(key) {
                    landed.push((at, Verdict::Untried));
                } else if bad {
                    failed.insert(key);
                    window.failed(at, 0, now, true);
                    landed.push((at, Verdict::Again(now)));
                } else {
                    closed.push(at);
                    landed.push((at, Verdict::Closed));
                }
            }
            window.land(&landed, false);
            prop_assert!(window.position() >= last);
            last = window.position();
            let lowest = (1..=u64::try_from(of.len()).unwrap()).find(|at| !closed.contains(at));
            prop_assert_eq!(last, lowest.map_or(of.len() as u64, |at| at - 1));
        }
        for name in names {
            let mine: Vec<_> = closed.iter().filter(|&&at| of[usize::try_from(at).unwrap() - 1] == name).collect();
            prop_assert!(mine.is_sorted());
        }
    }
}

fn parked(sequence: Sequence, key: &str) -> Item {
    Item { parked: true, ..item(sequence, key) }
}

#[test]
fn what_is_parked_holds_no_position_and_keeps_its_order() {
    let mut window = window(&["a", "b"]);
    window.push(parked(7, "c"));
    window.push(parked(9, "c"));
    assert_eq!((window.len(), window.position()), (2, 0));
    let now = Instant::now();
    assert_eq!(numbers(&window.take(ALL, now)), [1, 2, 7, 9]);
    window.land(&[(1, Verdict::Closed), (2, Verdict::Closed)], false);
    assert_eq!(window.position(), 2);
    window.land(&[(7, Verdict::Closed), (9, Verdict::Untried)], false);
    assert!(window.holds("c") && !window.holds("a"));
    assert_eq!(numbers(&window.take(ALL, now)), [9]);
}

#[test]
fn a_key_that_is_given_away_lets_the_position_pass_unless_it_is_out() {
    let mut window = window(&["a", "b", "a"]);
    assert!(numbers(&window.take(Take { keys: 1, per_key: 1, ..ALL }, Instant::now())) == [1]);
    assert!(window.evict("a").is_empty());
    window.failed(1, 5, Instant::now(), true);
    window.land(&[(1, Verdict::Again(Instant::now()))], false);
    assert_eq!(window.failing(), 1);
    assert_eq!(numbers(&window.evict("a")), [1, 3]);
    assert_eq!((window.position(), window.failing(), window.next_due()), (1, 0, None));
    assert_eq!(window.idle_keys(), [Arc::from("b")]);
}

#[test]
fn a_call_that_goes_again_as_it_was_takes_nothing_new_along() {
    let mut window = window(&["a", "b", "a"]);
    let now = Instant::now();
    let (soon, later) = (now + Duration::from_secs(1), now + Duration::from_secs(2));
    assert_eq!(numbers(&window.take(ALL, now)), [1, 3, 2]);
    window.land(&[(1, Verdict::Again(soon)), (3, Verdict::Again(soon)), (2, Verdict::Again(later))], true);
    window.push(item(4, "b"));
    window.push(item(5, "c"));
    assert_eq!(numbers(&window.take(ALL, soon)), [5]);
    window.recall();
    assert_eq!((window.next_due(), window.has_ready(soon)), (Some(later), true));
    assert_eq!(numbers(&window.take(ALL, later)), [1, 3, 2]);
    window.land(&[(1, Verdict::Closed), (3, Verdict::Closed), (2, Verdict::Closed)], true);
    assert_eq!(numbers(&window.take(ALL, later)), [5, 4]);
}

#[test]
fn what_was_refused_together_is_tried_one_by_one() {
    let mut window = window(&["a", "a", "b"]);
    let now = Instant::now();
    assert_eq!(window.take(ALL, now).len(), 3);
    window.land(&[(1, Verdict::Alone), (2, Verdict::Alone), (3, Verdict::Alone)], true);
    window.push(item(4, "c"));
    let mut calls = Vec::new();
    while window.has_ready(now) {
        let call = numbers(&window.take(ALL, now));
        window.land(&call.iter().map(|&at| (at, Verdict::Closed)).collect::<Vec<_>>(), true);
        calls.push(call);
    }
    calls.sort();
    assert_eq!(calls, [vec![1], vec![2], vec![3], vec![4]]);
}
