//! Dead letters: written with the position, listed, forgotten, limited.

use super::*;

pub(super) fn failure(reason: &str) -> Failure {
    Failure { reason: reason.to_owned(), detail: "status 422".to_owned(), answer: "no such hook".to_owned() }
}

pub(super) fn of(sink: &str) -> LetterFilter {
    LetterFilter { sink: Some(sink.to_owned()), ..LetterFilter::default() }
}

fn letter(sequence: Sequence, at: i64) -> NewDeadLetter {
    NewDeadLetter {
        sequence,
        event: Arc::new(event(&format!("id-{sequence}"), "text")),
        failure: failure("http-4xx"),
        attempts: 3,
        first_failure: at - 1_000,
        last_failure: at,
    }
}

fn with_dead(sink: &str, sequences: std::ops::RangeInclusive<u64>, at: i64) -> Settle {
    let position = *sequences.end();
    let dead = sequences.map(|n| letter(n, at)).collect();
    Settle { sink: sink.to_owned(), position, dead, ..Settle::default() }
}

#[tokio::test]
async fn dead_letters_are_on_disk_with_the_position_and_outlive_the_event() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("crm".to_owned(), StartAt::Earliest)]).await.unwrap();
    settled(bench.journal.append(events((1..=3).map(|n| format!("id-{n}"))))).await.unwrap();
    let commits = bench.metrics.journal_commits_total.get();
    settled(bench.journal.settle(with_dead("crm", 1..=2, START))).await.unwrap();
    assert_eq!(bench.metrics.journal_commits_total.get(), commits + 1);
    // Met again around a crash: replaced, not doubled.
    let again = NewDeadLetter { attempts: 4, ..letter(2, START + 1) };
    let again = Settle { sink: "crm".to_owned(), position: 3, dead: vec![again], ..Settle::default() };
    settled(bench.journal.settle(again)).await.unwrap();
    bench.journal.trim().await.unwrap();
    assert!(ids(&bench.journal, 0).await.is_empty());
    let listed = bench.journal.dead_letters(&of("crm"), 10).await.unwrap();
    assert_eq!(
        listed.iter().map(|letter| (letter.sequence, letter.attempts)).collect::<Vec<_>>(),
        [(1, 3), (2, 4)]
    );
    assert_eq!(listed[0].last_failure, rfc3339(START));
    assert!(bench.journal.dead_letters(&of("other"), 10).await.unwrap().is_empty());
    let (shown, event, answer) = bench.journal.dead_letter(listed[0].number).await.unwrap().unwrap();
    assert_eq!((shown.id.as_str(), event.id.as_str(), answer.as_str()), ("id-1", "id-1", "no such hook"));
    let first = LetterFilter { id: Some("id-1".to_owned()), ..of("crm") };
    assert_eq!(bench.journal.purge_dead_letters(&first).await.unwrap(), 1);
    assert_eq!(bench.journal.purge_dead_letters(&first).await.unwrap(), 0);
    assert!(matches!(
        dead_letters_offline(&state_dir(&temp), &LetterFilter::default(), 10),
        Err(Error::Locked { .. })
    ));
    bench.journal.close().await;
    let (offline, key) = dead_letters_offline(&state_dir(&temp), &LetterFilter::default(), 10).unwrap();
    assert_eq!(key, bench.journal.digest_key());
    assert_eq!(offline.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), ["id-2"]);
}

#[tokio::test]
async fn the_oldest_dead_letters_go_over_the_limit_of_their_sink_or_past_their_time() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    drop(bench.journal.settle(with_dead("a", 1..=130, START)));
    settled(bench.journal.settle(with_dead("b", 1..=10, START + 50 * MINUTE))).await.unwrap();
    bench.journal.trim().await.unwrap();
    let listed = bench.journal.dead_letters(&of("a"), 1_000).await.unwrap();
    assert_eq!((listed.len(), listed[0].sequence), (100, 31));
    assert_eq!(bench.metrics.dead_letters_dropped_total.with_label_values(&["limit"]).get(), 30);
    for minutes in [50, 70] {
        bench.clock.set(START + minutes * MINUTE);
        bench.journal.trim().await.unwrap();
    }
    assert!(bench.journal.dead_letters(&of("a"), 10).await.unwrap().is_empty());
    assert_eq!(bench.journal.dead_letters(&of("b"), 100).await.unwrap().len(), 10);
    assert_eq!(bench.metrics.dead_letters_dropped_total.with_label_values(&["retention"]).get(), 100);
    bench.journal.close().await;
}
