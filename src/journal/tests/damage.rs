//! Damaged rows and shortened journals.

use super::*;
use rusqlite::Connection;

fn raw(temp: &tempfile::TempDir) -> Connection {
    Connection::open(state_dir(temp).join("journal.sqlite")).unwrap()
}

async fn filled(temp: &tempfile::TempDir) {
    let bench = open(config(temp)).unwrap();
    settled(bench.journal.append(events((1..=5).map(|n| n.to_string())))).await.unwrap();
    bench.journal.close().await;
}

#[tokio::test]
async fn a_damaged_row_is_passed_over_counted_and_kept_aside() {
    let temp = tempfile::tempdir().unwrap();
    filled(&temp).await;
    // Far from the end, so that only a reader meets it.
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events((6..=200).map(|n| n.to_string())))).await.unwrap();
    let changed =
        raw(&temp).execute("UPDATE event SET body = replace(body, 'text', 'TEXT') WHERE seq = 3", []);
    assert_eq!(changed.unwrap(), 1);
    let read = bench.journal.read(0, 4, usize::MAX).await.unwrap();
    let ids: Vec<u64> = read.events.iter().map(|stored| stored.sequence).collect();
    assert_eq!((ids, read.through), (vec![1, 2, 4], 4));
    bench.journal.read(0, 4, usize::MAX).await.unwrap();
    // Behind the moving in the writer's queue.
    bench.journal.trim().await.unwrap();
    assert_eq!(bench.metrics.journal_damaged_total.get(), 1);
    let kept: i64 = raw(&temp).query_row("SELECT seq FROM damaged", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 3);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_damaged_last_row_is_set_aside_at_the_start_and_its_sequence_is_not_used_again() {
    let temp = tempfile::tempdir().unwrap();
    filled(&temp).await;
    raw(&temp).execute("UPDATE event SET nth = 'x' WHERE seq = 5", []).unwrap();
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.metrics.journal_damaged_total.get(), 1);
    assert_eq!(bench.recovery.last, 5);
    assert_eq!(settled(bench.journal.append(events(["new".to_owned()]))).await.unwrap().last, 6);
    assert_eq!(ids(&bench.journal, 0).await, ["1", "2", "3", "4", "new"]);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_shortened_journal_is_refused_and_goes_on_above_the_mark_where_accepted() {
    let temp = tempfile::tempdir().unwrap();
    filled(&temp).await;
    raw(&temp).execute("DELETE FROM event WHERE seq > 2", []).unwrap();
    for _ in 0..2 {
        match open(config(&temp)) {
            Err(Error::Shortened { reason, .. }) => {
                assert!(reason.contains("sequence 2") && reason.contains("reached 5"), "{reason}");
            }
            other => panic!("{:?}", other.map(|bench| bench.recovery)),
        }
    }
    let bench = open(Config { accept_shortened: true, ..config(&temp) }).unwrap();
    assert!(bench.recovery.shortened.is_some());
    let last = settled(bench.journal.append(events(["new".to_owned()]))).await.unwrap().last;
    assert!(last > 5 + super::super::open::PASS_OVER);
    assert_eq!(ids(&bench.journal, 0).await, ["1", "2", "new"]);
    bench.journal.close().await;
    // Accepted once, it is whole.
    let bench = open(config(&temp)).unwrap();
    assert_eq!((bench.recovery.last, bench.recovery.shortened), (last, None));
    bench.journal.close().await;
}

#[tokio::test]
async fn a_database_taken_away_is_a_shortened_journal_too() {
    let temp = tempfile::tempdir().unwrap();
    filled(&temp).await;
    std::fs::remove_file(state_dir(&temp).join("journal.sqlite")).unwrap();
    for _ in 0..2 {
        assert!(matches!(open(config(&temp)), Err(Error::Shortened { .. })));
    }
    let bench = open(Config { accept_shortened: true, ..config(&temp) }).unwrap();
    assert!(bench.recovery.last > 5);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_log_cut_at_any_place_is_noticed_or_whole() {
    let temp = tempfile::tempdir().unwrap();
    let (lost, kept) = (tempfile::tempdir().unwrap(), state_dir(&temp));
    let bench = open(config(&temp)).unwrap();
    for n in 0..20 {
        settled(bench.journal.append(events([n.to_string()]))).await.unwrap();
    }
    // What a power cut leaves: the files as they are, with the mark of a second ago.
    let copy = state_dir(&lost);
    let mark = high_water::Mark { uuid: bench.recovery.uuid.clone(), last: 20, count: 20, at: START };
    let wal = std::fs::metadata(kept.join("journal.sqlite-wal")).unwrap().len();
    let mut refused = 0;
    for cut in (0..=wal).step_by(4_099).chain([wal]) {
        std::fs::remove_dir_all(&copy).ok();
        directory::prepare(&copy).unwrap();
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            std::fs::copy(kept.join(name), copy.join(name)).unwrap();
        }
        let log = std::fs::OpenOptions::new().write(true).open(copy.join("journal.sqlite-wal")).unwrap();
        log.set_len(cut).unwrap();
        high_water::store(&copy, &mark).unwrap();
        match open(config(&lost)) {
            Err(Error::Shortened { .. }) => refused += 1,
            Ok(bench) => {
                assert_eq!(ids(&bench.journal, 0).await.len(), 20, "cut at {cut} of {wal}");
                bench.journal.close().await;
            }
            Err(other) => panic!("cut at {cut}: {other}"),
        }
    }
    assert!(refused > 0);
    bench.journal.close().await;
}
