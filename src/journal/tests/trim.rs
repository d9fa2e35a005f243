//! What trimming takes, what it leaves, and that the space comes back.

use super::*;

async fn trim_after(bench: &Bench, minutes: i64) {
    // In steps below the jump that would suspend expiry.
    let mut left = minutes;
    while left > 0 {
        let step = left.min(50);
        bench.clock.set(bench.clock.now() + step * MINUTE);
        bench.journal.trim().await.unwrap();
        left -= step;
    }
}

#[tokio::test]
async fn only_what_every_configured_sink_has_settled_goes() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events((1..=6).map(|n| n.to_string())))).await.unwrap();
    let sinks = ["a", "b", "gone"].map(|name| (name.to_owned(), StartAt::Earliest));
    bench.journal.trim().await.unwrap();
    assert_eq!(ids(&bench.journal, 0).await.len(), 6, "nothing goes before the sinks are known");
    bench.journal.register_sinks(&sinks).await.unwrap();
    drop(bench.journal.settle(settle("a", 5)));
    drop(bench.journal.settle(settle("b", 2)));
    bench.journal.trim().await.unwrap();
    assert_eq!(ids(&bench.journal, 0).await.len(), 6);
    bench.journal.register_sinks(&sinks[..2]).await.unwrap();
    bench.journal.trim().await.unwrap();
    assert_eq!(ids(&bench.journal, 0).await, ["3", "4", "5", "6"]);
    assert_eq!(bench.journal.lag(0).await.unwrap().events, 4);
    assert_eq!(bench.metrics.journal_events.get(), 4);
    assert_eq!(bench.metrics.journal_trimmed_total.get(), 2);
    bench.journal.close().await;
}

#[tokio::test]
async fn delivered_bodies_stay_for_their_time() {
    let temp = tempfile::tempdir().unwrap();
    let keep = Config { keep_delivered: Duration::from_secs(600), ..config(&temp) };
    let bench = open(keep).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    settled(bench.journal.append(events(["old".to_owned()]))).await.unwrap();
    bench.clock.set(START + 9 * MINUTE);
    settled(bench.journal.append(events(["new".to_owned()]))).await.unwrap();
    bench.journal.trim().await.unwrap();
    assert_eq!(ids(&bench.journal, 0).await, ["old", "new"]);
    trim_after(&bench, 1).await;
    assert_eq!(ids(&bench.journal, 0).await, ["new"]);
    bench.journal.close().await;
}

#[tokio::test]
async fn marks_and_states_outlive_bodies_and_sequences_go_on_after_all_is_trimmed() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    let mut append = events(["a".to_owned(), "b".to_owned()]);
    append.marks.push(mark("c", 1, "x", 1));
    let resource = Digest::of(b"r");
    append.states.push(StateWrite { resource, content: Digest::of(b"s"), at: START });
    settled(bench.journal.append(append)).await.unwrap();
    let total = bench.journal.head().borrow().total_bytes;
    bench.journal.trim().await.unwrap();
    assert!(ids(&bench.journal, 0).await.is_empty());
    bench.journal.close().await;

    let bench = open(config(&temp)).unwrap();
    let head = *bench.journal.head().borrow();
    assert_eq!(head, Head { last: 2, total_bytes: total });
    assert_eq!(settled(bench.journal.append(events(["c".to_owned()]))).await.unwrap().last, 3);
    let lookup = bench.journal.lookup().unwrap();
    let found = lookup.conversation(&Digest::of(b"c")).unwrap().unwrap();
    let digests = vec![Digest::of(b"x")];
    assert_eq!(found.marks, [Mark { index: 1, digests, revision: 1 }]);
    assert_eq!(lookup.state(&resource).unwrap(), Some(Digest::of(b"s")));
    bench.journal.close().await;
}

#[tokio::test]
async fn whole_conversations_and_states_go_when_their_window_has_passed() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    let resource = Digest::of(b"r");
    let states = vec![StateWrite { resource, content: Digest::of(b"s"), at: START }];
    let marks = (0..1_000).map(|n| mark(&format!("old {n}"), 1, "x", 1)).chain([mark("kept", 1, "x", 1)]);
    let append = Append { marks: marks.collect(), states, ..Append::default() };
    settled(bench.journal.append(append)).await.unwrap();
    trim_after(&bench, 50).await;
    assert_eq!(bench.metrics.marks_evicted_total.get(), 0);
    let again = MarkWrite { at: bench.clock.now(), ..mark("kept", 2, "y", 1) };
    settled(bench.journal.append(Append { marks: vec![again], ..Append::default() })).await.unwrap();
    trim_after(&bench, 30).await;
    let lookup = bench.journal.lookup().unwrap();
    assert_eq!(bench.metrics.marks_evicted_total.get(), 1_000);
    assert_eq!(lookup.conversation(&Digest::of(b"old 7")).unwrap(), None);
    assert_eq!(lookup.conversation(&Digest::of(b"kept")).unwrap().unwrap().marks.len(), 2);
    assert_eq!(lookup.state(&resource).unwrap(), None);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_clock_that_jumps_empties_no_window() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    let append = Append { marks: vec![mark("c", 1, "x", 1)], ..Append::default() };
    settled(bench.journal.append(append)).await.unwrap();
    bench.clock.set(START + 400 * 24 * 60 * MINUTE);
    bench.journal.trim().await.unwrap();
    bench.journal.trim().await.unwrap();
    let lookup = bench.journal.lookup().unwrap();
    assert!(lookup.conversation(&Digest::of(b"c")).unwrap().is_some());
    bench.journal.close().await;
}

#[tokio::test]
async fn space_is_given_back_after_trimming() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("k".to_owned(), StartAt::Earliest)]).await.unwrap();
    let body = "x".repeat(20_000);
    for round in 0..20 {
        let events = (0..50).map(|n| event(&format!("{round}-{n}"), &body)).collect();
        settled(bench.journal.append(Append { events, ..Append::default() })).await.unwrap();
    }
    let size = || {
        ["journal.sqlite", "journal.sqlite-wal"]
            .iter()
            .filter_map(|name| std::fs::metadata(state_dir(&temp).join(name)).ok())
            .map(|found| found.len())
            .sum::<u64>()
    };
    let full = size();
    assert!(full > 20_000_000, "{full}");
    settled(bench.journal.settle(settle("k", 1_000))).await.unwrap();
    bench.journal.trim().await.unwrap();
    let drained = size();
    assert!(drained < 400_000, "{drained} of {full}");
    bench.journal.close().await;
}

#[tokio::test]
async fn trimmed_text_is_not_left_in_the_files() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    let append = Append { events: vec![event("a", "a text to be forgotten")], ..Append::default() };
    settled(bench.journal.append(append)).await.unwrap();
    let holds = || {
        std::fs::read_dir(state_dir(&temp)).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(15).any(|window| window == b"to be forgotten")
        })
    };
    assert!(holds());
    bench.journal.trim().await.unwrap();
    assert!(!holds());
    bench.journal.close().await;
}
