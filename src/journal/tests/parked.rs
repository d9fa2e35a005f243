//! Parked events: beside the position, by key, with their tries; and dead letters on their way back.

use super::dead::{failure, of};
use super::*;

fn parked(sequence: Sequence, key: &str, due: i64) -> NewParked {
    let event = Event { partitionkey: key.to_owned(), ..event(&format!("id-{sequence}"), "text") };
    NewParked {
        sequence,
        event: Arc::new(event),
        recorded: START,
        attempts: 2,
        first_failure: Some(START - 5),
        due,
        failure: failure("http-5xx"),
    }
}

fn sequences(found: &[Parked]) -> Vec<Sequence> {
    found.iter().map(|one| one.sequence).collect()
}

#[tokio::test]
async fn parked_events_are_on_disk_with_the_position_and_outlive_the_event_and_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("crm".to_owned(), StartAt::Earliest)]).await.unwrap();
    settled(bench.journal.append(events((1..=9).map(|n| format!("id-{n}"))))).await.unwrap();
    let park = vec![parked(2, "a", 70), parked(5, "a", 90), parked(3, "b", 80)];
    settled(bench.journal.settle(Settle { park, ..settle("crm", 9) })).await.unwrap();
    // Parked once more after a crash: its tries count on.
    let tried =
        Tried { sequence: 2, attempts: 7, first_failure: START, due: 99, failure: failure("timeout") };
    settled(bench.journal.settle(Settle { tried: vec![tried], ..settle("crm", 9) })).await.unwrap();
    settled(bench.journal.settle(Settle { park: vec![parked(2, "a", 1)], ..settle("crm", 9) }))
        .await
        .unwrap();
    bench.journal.trim().await.unwrap();
    assert!(ids(&bench.journal, 0).await.is_empty());
    bench.journal.close().await;

    let bench = open(config(&temp)).unwrap();
    let keys = bench.journal.parked_keys("crm").await.unwrap();
    let told: Vec<_> = keys.iter().map(|key| (key.key.as_str(), key.events, key.due)).collect();
    assert_eq!(told, [("a", 2, 99), ("b", 1, 80)]);
    let found = bench.journal.parked("crm", "a", 9, u64::MAX).await.unwrap();
    assert_eq!(sequences(&found), [2, 5]);
    assert_eq!((found[0].attempts, found[1].attempts, found[0].failure.reason.as_str()), (7, 2, "timeout"));
    assert_eq!(sequences(&bench.journal.parked("crm", "a", 9, 1).await.unwrap()), [2], "one at least");
    assert_eq!(bench.journal.aside_after("crm", 2).await.unwrap(), [3, 5]);
    let done = Settle { unpark: vec![2], ..settle("crm", 9) };
    settled(bench.journal.settle(done)).await.unwrap();
    assert_eq!(sequences(&bench.journal.parked("crm", "a", 9, u64::MAX).await.unwrap()), [5]);
    let letter = NewDeadLetter {
        sequence: 5,
        event: Arc::new(event("id-5", "text")),
        failure: failure("http-4xx"),
        attempts: 8,
        first_failure: START,
        last_failure: START,
    };
    settled(bench.journal.settle(Settle { dead: vec![letter], ..settle("crm", 9) })).await.unwrap();
    assert!(bench.journal.parked("crm", "a", 9, u64::MAX).await.unwrap().is_empty());
    bench.journal.close().await;
}

#[tokio::test]
async fn a_dead_letter_that_is_asked_for_comes_back_late_at_the_pace_that_was_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let dead = (1..=4).map(|sequence| NewDeadLetter {
        sequence,
        event: Arc::new(event(&format!("id-{sequence}"), "text")),
        failure: failure(if sequence == 4 { "timeout" } else { "http-4xx" }),
        attempts: 3,
        first_failure: START,
        last_failure: START,
    });
    settled(bench.journal.settle(Settle { dead: dead.collect(), ..settle("crm", 4) })).await.unwrap();
    let refused = LetterFilter { reason: Some("http-4xx".to_owned()), ..of("crm") };
    let counts = bench.journal.count_dead_letters(&LetterFilter::default()).await.unwrap();
    let told: Vec<_> = counts.iter().map(|count| (count.reason.as_str(), count.letters)).collect();
    assert_eq!(told, [("http-4xx", 3), ("timeout", 1)]);
    assert_eq!(bench.journal.redrive_dead_letters(&refused, Some(1)).await.unwrap(), 3);
    assert_eq!(bench.journal.redrive_dead_letters(&refused, None).await.unwrap(), 0, "asked for already");
    assert_eq!(bench.journal.take_up("other", 9).await.unwrap(), []);
    assert_eq!(bench.journal.take_up("crm", 9).await.unwrap().len(), 1);
    bench.clock.set(START + 1_999);
    assert_eq!(bench.journal.take_up("crm", 9).await.unwrap().len(), 1);
    let listed = bench.journal.dead_letters(&LetterFilter::default(), 9).await.unwrap();
    let told: Vec<_> = listed.iter().map(|letter| (letter.sequence, letter.redrive_at.is_some())).collect();
    assert_eq!(told, [(3, true), (4, false)]);
    let keys = bench.journal.parked_keys("crm").await.unwrap();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_ne!(key.key, "main/1", "what came since is not held up");
    let found = bench.journal.parked("crm", &key.key, 9, u64::MAX).await.unwrap();
    assert_eq!(sequences(&found), [1, 2]);
    assert!(found.iter().all(|one| one.late && one.attempts == 0 && one.event.partitionkey == "main/1"));
    bench.journal.close().await;
}

#[tokio::test]
async fn what_is_done_to_many_letters_goes_in_transactions_that_stay_small() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let letter = |sequence: u64, bytes: usize| NewDeadLetter {
        sequence,
        event: Arc::new(event(&format!("id-{sequence}"), &"x".repeat(bytes))),
        failure: failure("http-4xx"),
        attempts: 1,
        first_failure: START,
        last_failure: START,
    };
    let large = |sequence| letter(sequence, 400_000);
    let dead: Vec<_> = (1..=5).map(large).chain((6..=600).map(|sequence| letter(sequence, 10))).collect();
    settled(bench.journal.settle(Settle { dead, ..settle("crm", 600) })).await.unwrap();
    let commits = || bench.metrics.journal_commits_total.get();
    let before = commits();
    assert_eq!(bench.journal.redrive_dead_letters(&of("crm"), None).await.unwrap(), 600);
    // Two large ones at most, and 256 small ones.
    assert_eq!(commits() - before, 5);
    let before = commits();
    assert_eq!(bench.journal.purge_dead_letters(&of("crm")).await.unwrap(), 600);
    assert_eq!(commits() - before, 5);
    bench.journal.close().await;
}

#[tokio::test]
async fn letters_are_found_by_everything_a_filter_names() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let letter = |sequence: u64, change: fn(&mut Event)| {
        let mut event = event(&format!("id-{sequence}"), "text");
        change(&mut event);
        let last_failure = START + i64::try_from(sequence).unwrap();
        NewDeadLetter {
            sequence,
            event: Arc::new(event),
            failure: failure("http-4xx"),
            attempts: 1,
            first_failure: START,
            last_failure,
        }
    };
    let dead = vec![
        letter(1, |event| event.agent = Some("1001".to_owned())),
        letter(2, |event| event.observedby = Some("1001".to_owned())),
        letter(3, |event| event.interaction = Some("elsewhere".to_owned())),
        letter(4, |event| event.kind = "genesys.gws.unknown.v1".into()),
    ];
    settled(bench.journal.settle(Settle { dead, ..settle("crm", 4) })).await.unwrap();
    let found = async |filter: LetterFilter| {
        let found = bench.journal.dead_letters(&filter, 9).await.unwrap();
        found.iter().map(|letter| letter.sequence).collect::<Vec<_>>()
    };
    let own = |text: &str| Some(text.to_owned());
    let any = LetterFilter::default;
    assert_eq!(found(LetterFilter { agent: own("1001"), ..any() }).await, [1, 2]);
    assert_eq!(found(LetterFilter { interaction: own("elsewhere"), ..any() }).await, [3]);
    assert_eq!(found(LetterFilter { kind: own("genesys.gws.unknown.v1"), ..any() }).await, [4]);
    assert_eq!(found(LetterFilter { id: own("id-2"), ..any() }).await, [2]);
    let sinks = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found(LetterFilter { sinks: sinks(&["crm", "other"]), id: own("id-2"), ..any() }).await, [2]);
    assert_eq!(found(LetterFilter { sinks: sinks(&["other"]), ..any() }).await, [0u64; 0]);
    assert_eq!(found(LetterFilter { since: Some(START + 2), until: Some(START + 4), ..any() }).await, [2, 3]);
    assert_eq!(found(LetterFilter { reason: own("timeout"), ..any() }).await, [0u64; 0]);
    assert_eq!(found(LetterFilter { interaction: own("' OR 1=1 --"), ..any() }).await, [0u64; 0]);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_parked_event_that_can_not_be_read_is_set_aside_and_the_others_are_served() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("crm".to_owned(), StartAt::Earliest)]).await.unwrap();
    let park = vec![parked(2, "a", 70), parked(5, "a", 90)];
    settled(bench.journal.settle(Settle { park, ..settle("crm", 9) })).await.unwrap();
    bench.journal.close().await;
    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    raw.execute("UPDATE parked SET body = x'00' WHERE seq = 2", []).unwrap();
    drop(raw);
    let bench = open(config(&temp)).unwrap();
    assert_eq!(sequences(&bench.journal.parked("crm", "a", 9, u64::MAX).await.unwrap()), [5]);
    // Whatever is asked after it finds it gone.
    settled(bench.journal.append(events(["x".to_owned()]))).await.unwrap();
    assert_eq!(bench.journal.aside_after("crm", 0).await.unwrap(), [5]);
    bench.journal.close().await;
}

#[tokio::test]
async fn letters_that_are_asked_for_again_do_not_expire_and_what_is_parked_for_nobody_does() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("crm".to_owned(), StartAt::Earliest)]).await.unwrap();
    let letter = NewDeadLetter {
        sequence: 1,
        event: Arc::new(event("id-1", "text")),
        failure: failure("timeout"),
        attempts: 1,
        first_failure: START,
        last_failure: START,
    };
    settled(bench.journal.settle(Settle { dead: vec![letter], ..settle("crm", 1) })).await.unwrap();
    assert_eq!(bench.journal.redrive_dead_letters(&of("crm"), Some(1)).await.unwrap(), 1);
    let park = |sink: &str| Settle { park: vec![parked(2, "a", 0)], ..settle(sink, 9) };
    settled(bench.journal.settle(park("gone"))).await.unwrap();
    settled(bench.journal.settle(park("crm"))).await.unwrap();
    for minutes in [50, 100, 150] {
        bench.clock.set(START + minutes * MINUTE);
        bench.journal.trim().await.unwrap();
    }
    assert_eq!(bench.journal.dead_letters(&of("crm"), 9).await.unwrap().len(), 1);
    assert!(bench.journal.parked_keys("gone").await.unwrap().is_empty());
    assert_eq!(bench.journal.parked_keys("crm").await.unwrap().len(), 1);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_position_can_be_set_back_and_stays_there_over_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[("k".to_owned(), StartAt::Earliest)]).await.unwrap();
    settled(bench.journal.append(events((1..=9).map(|n| format!("id-{n}"))))).await.unwrap();
    settled(bench.journal.settle(settle("k", 8))).await.unwrap();
    bench.journal.set_position("k", 3, "a note", "kept").await.unwrap();
    assert_eq!(bench.journal.position("k").await, Some(3));
    bench.journal.close().await;
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.journal.position("k").await, Some(3));
    assert_eq!(bench.journal.notes("a ").await.unwrap(), [("a note".to_owned(), "kept".to_owned())]);
    bench.journal.close().await;
}
