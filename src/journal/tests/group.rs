//! Order, grouping and visibility of commits.

use super::*;
use std::sync::mpsc;
use tokio::sync::oneshot::error::TryRecvError;

/// A journal whose full commits wait for a permit, after saying that they have begun.
fn gated(temp: &tempfile::TempDir) -> (Bench, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, begins) = mpsc::channel();
    let (permit, permits) = mpsc::channel();
    let bench = open_with(config(temp), |engine| {
        let before = move |_: &Sqlite, _: &[Write], durability| {
            if durability == Durability::Full {
                begun.send(()).ok();
                permits.recv().ok();
            }
            None
        };
        Box::new(Gate { engine, before })
    });
    (bench.unwrap(), begins, permit)
}

#[tokio::test]
async fn what_queues_during_a_commit_is_one_commit_answered_in_order() {
    let temp = tempfile::tempdir().unwrap();
    let (bench, begins, permit) = gated(&temp);
    let first = bench.journal.append(events(["first".to_owned()]));
    begins.recv().unwrap();
    let rest: Vec<_> =
        (0..50).map(|n| bench.journal.append(events([format!("{n}a"), format!("{n}b")]))).collect();
    permit.send(()).unwrap();
    permit.send(()).unwrap();
    assert_eq!(settled(first).await.unwrap().last, 1);
    for (n, pending) in rest.into_iter().enumerate() {
        assert_eq!(settled(pending).await.unwrap().last, 3 + 2 * n as u64);
    }
    assert_eq!(bench.metrics.journal_commits_total.get(), 2);
    let expected: Vec<String> = std::iter::once("first".to_owned())
        .chain((0..50).flat_map(|n| [format!("{n}a"), format!("{n}b")]))
        .collect();
    assert_eq!(ids(&bench.journal, 0).await, expected);
    drop(permit);
    bench.journal.close().await;
}

#[tokio::test]
async fn an_empty_append_is_not_answered_before_those_ahead_and_costs_no_commit() {
    let temp = tempfile::tempdir().unwrap();
    let (bench, begins, permit) = gated(&temp);
    let full = bench.journal.append(events(["a".to_owned()]));
    let mut empty = bench.journal.append(point("1"));
    begins.recv().unwrap();
    assert_eq!(empty.try_recv().unwrap_err(), TryRecvError::Empty);
    permit.send(()).unwrap();
    assert_eq!(settled(full).await.unwrap().last, 1);
    assert_eq!(settled(empty).await.unwrap().last, 1);
    // No permit is left: these would hang if they took a full commit.
    assert_eq!(settled(bench.journal.append(point("2"))).await.unwrap().last, 1);
    settled(bench.journal.settle(settle("k", 1))).await.unwrap();
    assert_eq!(bench.metrics.journal_commits_total.get(), 1);
    drop(permit);
    bench.journal.close().await;
}

#[tokio::test]
async fn nothing_is_seen_before_its_commit() {
    let temp = tempfile::tempdir().unwrap();
    let (bench, begins, permit) = gated(&temp);
    let mut append = events(["a".to_owned()]);
    append.marks.push(mark("c", 1, "x", 1));
    let state = Digest::of(b"r");
    append.states.push(StateWrite { resource: state, content: Digest::of(b"s"), at: START });
    let pending = bench.journal.append(append);
    begins.recv().unwrap();
    let lookup = bench.journal.lookup().unwrap();
    assert!(ids(&bench.journal, 0).await.is_empty());
    assert_eq!(bench.journal.head().borrow().last, 0);
    assert_eq!(lookup.conversation(&Digest::of(b"c")).unwrap(), None);
    assert_eq!(lookup.state(&state).unwrap(), None);
    permit.send(()).unwrap();
    settled(pending).await.unwrap();
    assert_eq!(ids(&bench.journal, 0).await, ["a"]);
    assert_eq!(bench.journal.head().borrow().last, 1);
    assert_eq!(lookup.conversation(&Digest::of(b"c")).unwrap().unwrap().marks.len(), 1);
    assert_eq!(lookup.state(&state).unwrap(), Some(Digest::of(b"s")));
    drop(permit);
    bench.journal.close().await;
}

#[tokio::test]
async fn checkpoints_and_positions_are_there_after_a_reopening_and_an_empty_body_forgets() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("k".to_owned(), StartAt::Earliest)]).await.unwrap();
    settled(bench.journal.append(events(["a".to_owned(), "b".to_owned()]))).await.unwrap();
    drop(bench.journal.append(point("1")));
    drop(bench.journal.append(point("2")));
    settled(bench.journal.settle(settle("k", 2))).await.unwrap();
    bench.journal.close().await;
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.recovery.last, 2);
    assert_eq!(bench.journal.position("k").await, Some(2));
    let points = bench.journal.checkpoints().await.unwrap();
    assert_eq!(points, [Checkpoint { session: "main/1001".to_owned(), body: "2".to_owned() }]);
    settled(bench.journal.append(point(""))).await.unwrap();
    bench.journal.close().await;
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.journal.checkpoints().await.unwrap(), []);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_position_goes_neither_back_nor_beyond_the_last_event() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events(["a".to_owned(), "b".to_owned()]))).await.unwrap();
    settled(bench.journal.settle(settle("k", 99))).await.unwrap();
    assert_eq!(bench.journal.position("k").await, Some(2));
    settled(bench.journal.settle(settle("k", 1))).await.unwrap();
    assert_eq!(bench.journal.position("k").await, Some(2));
    bench.journal.close().await;
}

#[tokio::test]
async fn a_new_sink_begins_where_it_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events(["a".to_owned(), "b".to_owned()]))).await.unwrap();
    let sinks = [("new".to_owned(), StartAt::Latest), ("all".to_owned(), StartAt::Earliest)];
    bench.journal.register_sinks(&sinks).await.unwrap();
    assert_eq!(bench.journal.position("new").await, Some(2));
    assert_eq!(bench.journal.position("all").await, Some(0));
    assert_eq!(bench.journal.position("none").await, None);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_new_sink_begins_with_what_was_recorded_at_a_time_or_later() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    // Two events a minute, with holes among them.
    for minute in 0..20 {
        bench.clock.set(START + minute * MINUTE);
        let two = [format!("{minute}/0"), format!("{minute}/1")];
        settled(bench.journal.append(events(two))).await.unwrap();
    }
    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    raw.execute("DELETE FROM event WHERE seq IN (1, 2, 3, 17, 18, 19)", []).unwrap();
    let times = [
        ("before all", START - 1),
        ("where nothing is left", START),
        ("first", START + MINUTE),
        ("within", START + 5 * MINUTE + 1),
        ("sharp", START + 6 * MINUTE),
        ("in a hole", START + 8 * MINUTE),
        ("last", START + 19 * MINUTE),
        ("after all", START + 20 * MINUTE),
    ];
    let sinks = times.map(|(sink, time)| (sink.to_owned(), StartAt::Time(time)));
    bench.journal.register_sinks(&sinks).await.unwrap();
    let mut firsts = Vec::new();
    for (sink, time) in times {
        let position = bench.journal.position(sink).await.unwrap();
        let read = bench.journal.read(position, 100, usize::MAX).await.unwrap();
        assert!(read.events.iter().all(|stored| stored.recorded >= time), "{sink}");
        firsts.push((sink, read.events.first().map(|stored| stored.sequence)));
    }
    assert_eq!(
        firsts,
        [
            ("before all", Some(4)),
            ("where nothing is left", Some(4)),
            ("first", Some(4)),
            ("within", Some(13)),
            ("sharp", Some(13)),
            ("in a hole", Some(20)),
            ("last", Some(39)),
            ("after all", None),
        ]
    );
    // What is known stays where it is.
    let again = [("last".to_owned(), StartAt::Time(START))];
    bench.journal.register_sinks(&again).await.unwrap();
    assert_eq!(bench.journal.position("last").await, Some(38));
    bench.journal.close().await;
}

#[tokio::test]
async fn a_read_keeps_to_its_limits_but_always_moves() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events((0..10).map(|n| n.to_string())))).await.unwrap();
    let read = bench.journal.read(0, 3, usize::MAX).await.unwrap();
    assert_eq!((read.events.len(), read.through), (3, 3));
    let read = bench.journal.read(3, 100, 1).await.unwrap();
    assert_eq!((read.events.len(), read.through), (1, 4));
    let size = usize::try_from(read.events[0].bytes).unwrap();
    let read = bench.journal.read(4, 100, 2 * size).await.unwrap();
    assert_eq!((read.events.len(), read.through), (2, 6));
    assert!(!read.events[0].event.recordedtime.is_empty());
    assert_eq!(bench.journal.read(10, 100, 1).await.unwrap().through, 10);
    bench.journal.close().await;
}

#[tokio::test]
async fn lag_counts_what_lies_behind_a_position() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events(["a".to_owned()]))).await.unwrap();
    bench.clock.set(START + 5_000);
    settled(bench.journal.append(events(["b".to_owned(), "c".to_owned()]))).await.unwrap();
    let total = bench.journal.head().borrow().total_bytes;
    let all = bench.journal.lag(0).await.unwrap();
    assert_eq!(all, Lag { position: 0, last: 3, events: 3, bytes: total, oldest: Some(START) });
    let some = bench.journal.lag(1).await.unwrap();
    assert_eq!((some.events, some.oldest), (2, Some(START + 5_000)));
    assert_eq!(
        bench.journal.lag(3).await.unwrap(),
        Lag { position: 3, last: 3, events: 0, bytes: 0, oldest: None }
    );
    bench.journal.close().await;
}

#[tokio::test]
async fn a_closed_journal_refuses_and_a_failed_one_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.close().await;
    let refused = settled(bench.journal.append(events(["a".to_owned()]))).await.unwrap_err();
    assert!(matches!(*refused, Error::Closed), "{refused}");
    assert!(matches!(bench.journal.read(0, 1, 1).await, Err(Error::Closed)));

    let bench = open_with(config(&temp), |engine| {
        let before =
            |_: &Sqlite, _: &[Write], _| Some(Fault::Fatal(Error::Failed("the disk is broken".to_owned())));
        Box::new(Gate { engine, before })
    })
    .unwrap();
    let failed = settled(bench.journal.append(events(["a".to_owned()]))).await.unwrap_err();
    assert!(failed.to_string().contains("the disk is broken"), "{failed}");
    let mut state = bench.journal.state();
    state.wait_for(|state| matches!(state, State::Failed(_))).await.unwrap();
    let later = settled(bench.journal.append(events(["b".to_owned()]))).await.unwrap_err();
    assert!(matches!(*later, Error::Failed(_) | Error::Closed), "{later}");
    assert!(bench.health.unready().iter().any(|why| why.contains("the disk is broken")));
    assert!(ids(&bench.journal, 0).await.is_empty());
    bench.journal.close().await;
}

#[tokio::test]
async fn a_log_item_keeps_every_content_seen_up_to_a_limit() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let contents: Vec<String> = (0..MAX_DIGESTS + 3).map(|n| format!("content {n}")).collect();
    for (revision, content) in (1u32..).zip(&contents) {
        let append = Append { marks: vec![mark("c", 5, content, revision)], ..Append::default() };
        drop(bench.journal.append(append));
    }
    let other = Append { marks: vec![mark("c", -1, "y", 1)], ..Append::default() };
    settled(bench.journal.append(other)).await.unwrap();
    let lookup = bench.journal.lookup().unwrap();
    let found = lookup.conversation(&Digest::of(b"c")).unwrap().unwrap();
    assert_eq!(found.last_activity, START);
    assert_eq!(found.marks.iter().map(|mark| mark.index).collect::<Vec<_>>(), [-1, 5]);
    let kept: Vec<Digest> = contents.iter().skip(3).map(|text| Digest::of(text.as_bytes())).collect();
    assert_eq!(found.marks[1].digests, kept);
    assert_eq!(found.marks[1].revision as usize, MAX_DIGESTS + 3);
    bench.journal.close().await;
}
