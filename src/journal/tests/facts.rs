//! What sessions know: written with the events, read back, replaced, forgotten.

use super::*;
use std::sync::mpsc;
use tokio::sync::oneshot::error::TryRecvError;

fn knowing(known: impl IntoIterator<Item = Known>) -> Append {
    Append { known: known.into_iter().collect(), ..Append::default() }
}

fn with_gaps(gaps: impl IntoIterator<Item = Gap>) -> Append {
    Append { gaps: gaps.into_iter().collect(), ..Append::default() }
}

async fn gap_ids(journal: &Journal, session: Option<&str>, only_open: bool, limit: usize) -> Vec<String> {
    let found = journal.gaps(session, only_open, limit).await.unwrap();
    found.into_iter().map(|gap| gap.id).collect()
}

#[tokio::test]
async fn the_last_one_written_counts_and_is_there_after_a_reopening() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let device = Known { kind: "device".into(), last_index: None, ..known("main/1001", "d", true, START) };
    let first = [known("main/1001", "a", true, START), known("main/1002", "a", true, START), device.clone()];
    settled(bench.journal.append(knowing(first))).await.unwrap();
    let ended = known("main/1001", "a", false, START + 9);
    let twice = [known("main/1001", "a", true, START + 5), ended.clone()];
    let append = Append { gaps: vec![gap("main/1001", "g", None)], ..knowing(twice) };
    settled(bench.journal.append(append)).await.unwrap();
    let closed = gap("main/1001", "g", Some(START + 7));
    let unsure = Gap { from: None, ..gap("main/1001", "h", None) };
    settled(bench.journal.append(with_gaps([closed.clone(), unsure.clone()]))).await.unwrap();
    bench.journal.set_account(account("main/1002", None)).await.unwrap();
    bench.journal.set_account(account("main/1001", None)).await.unwrap();
    bench.journal.set_account(account("main/1001", Some("bad"))).await.unwrap();
    for (name, value) in [("paused/main", Some("1")), ("paused/other", Some("1")), ("paused/main", Some("2"))]
    {
        bench.journal.set_note(name, value).await.unwrap();
    }
    bench.journal.set_note("paused/other", None).await.unwrap();
    bench.journal.set_note("paused/other", None).await.unwrap();
    bench.journal.set_note("roster/main", Some("held")).await.unwrap();
    bench.journal.close().await;

    let bench = open(config(&temp)).unwrap();
    let journal = &bench.journal;
    assert_eq!(journal.known("main/1001").await.unwrap(), [ended.clone(), device]);
    assert_eq!(journal.known("main/1002").await.unwrap(), [known("main/1002", "a", true, START)]);
    assert_eq!(journal.known("main/100").await.unwrap(), []);
    let lookup = journal.lookup().unwrap();
    assert_eq!(lookup.known("main/1001", "chat", "a").unwrap(), Some(ended));
    assert_eq!(lookup.known("main/1001", "device", "a").unwrap(), None);
    assert_eq!(journal.gaps(None, false, 9).await.unwrap(), [unsure, closed]);
    let accounts = [account("main/1001", Some("bad")), account("main/1002", None)];
    assert_eq!(journal.accounts().await.unwrap(), accounts);
    let note = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(journal.notes("paused/").await.unwrap(), [note("paused/main", "2")]);
    assert_eq!(journal.notes("").await.unwrap(), [note("paused/main", "2"), note("roster/main", "held")]);
    assert_eq!(journal.notes("s").await.unwrap(), []);
    journal.close().await;
}

#[tokio::test]
async fn gaps_come_newest_first_by_session_and_by_being_open() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let (a, b) = ("main/1001", "main/1002");
    // Their ids and times do not say the order in which they came.
    for (id, session) in [("9", a), ("1", b), ("5", a), ("7", b)] {
        settled(bench.journal.append(with_gaps([gap(session, id, None)]))).await.unwrap();
    }
    settled(bench.journal.append(with_gaps([gap(a, "9", Some(START)), gap(b, "7", Some(START))])))
        .await
        .unwrap();
    let journal = &bench.journal;
    assert_eq!(gap_ids(journal, None, false, 9).await, ["7", "5", "1", "9"]);
    assert_eq!(gap_ids(journal, None, false, 2).await, ["7", "5"]);
    assert_eq!(gap_ids(journal, None, true, 9).await, ["5", "1"]);
    assert_eq!(gap_ids(journal, None, true, 1).await, ["5"]);
    assert_eq!(gap_ids(journal, Some(a), false, 9).await, ["5", "9"]);
    assert_eq!(gap_ids(journal, Some(b), true, usize::MAX).await, ["1"]);
    assert!(gap_ids(journal, None, false, 0).await.is_empty());
    journal.close().await;
}

#[tokio::test]
async fn a_forgotten_session_keeps_nothing_but_its_closed_gaps_and_can_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let (gone, stays) = ("main/1001", "main/1002");
    for session in [gone, stays] {
        let checkpoint = Some(Checkpoint { session: session.to_owned(), body: "{}".to_owned() });
        let gaps = vec![
            gap(session, &format!("open {session}"), None),
            gap(session, &format!("closed {session}"), Some(START)),
        ];
        let known = vec![known(session, "a", true, START), known(session, "b", false, START)];
        let append = Append { known, gaps, checkpoint, ..Append::default() };
        settled(bench.journal.append(append)).await.unwrap();
        bench.journal.set_account(account(session, Some("bad"))).await.unwrap();
    }
    bench.journal.set_account(account("main/1003", None)).await.unwrap();
    // On disk when it is answered, and not undone by a checkpoint that follows at once.
    let commits = bench.metrics.journal_commits_total.get();
    settled(bench.journal.append(forget(gone))).await.unwrap();
    assert_eq!(bench.metrics.journal_commits_total.get(), commits + 1);
    let journal = &bench.journal;
    settled(journal.append(forget("main/1003"))).await.unwrap();
    assert_eq!(journal.known(gone).await.unwrap(), []);
    assert_eq!(journal.lookup().unwrap().known(gone, "chat", "a").unwrap(), None);
    assert_eq!(journal.known(stays).await.unwrap().len(), 2);
    assert_eq!(gap_ids(journal, Some(gone), false, 9).await, ["closed main/1001"]);
    assert_eq!(gap_ids(journal, Some(stays), false, 9).await.len(), 2);
    let refused = [account(gone, Some("bad")), account(stays, Some("bad"))];
    assert_eq!(journal.accounts().await.unwrap(), refused, "a refusal outlives the session");
    assert_eq!(journal.checkpoint(gone).await.unwrap(), None);
    assert_eq!(journal.checkpoint(stays).await.unwrap().unwrap().body, "{}");
    let points = journal.checkpoints().await.unwrap();
    assert_eq!(points.iter().map(|point| point.session.as_str()).collect::<Vec<_>>(), [stays]);

    // The agent is back before its old rows are gone; trimming then takes those alone.
    let again = known(gone, "c", true, START + 1);
    settled(journal.append(knowing([again.clone()]))).await.unwrap();
    assert_eq!(journal.known(gone).await.unwrap(), std::slice::from_ref(&again));
    journal.register_sinks(&[]).await.unwrap();
    journal.trim().await.unwrap();
    assert_eq!(journal.known(gone).await.unwrap(), [again]);
    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    let count = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM known"), 3);
    assert_eq!(count("SELECT count(*) FROM session"), 2);
    journal.close().await;
}

#[tokio::test]
async fn a_failing_commit_acknowledges_nobody_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (begun, begins) = mpsc::channel();
    let (permit, permits) = mpsc::channel();
    let bench = open_with(config(&temp), |engine| {
        let before = move |_: &Sqlite, _: &[Write], durability| {
            if durability == Durability::Lazy {
                return None;
            }
            begun.send(()).ok();
            let fails = permits.recv().unwrap_or(true);
            fails.then(|| Fault::Fatal(Error::Failed("fsync: input/output error".to_owned())))
        };
        Box::new(Gate { engine, before })
    })
    .unwrap();
    let first = bench.journal.append(knowing([known("main/1001", "a", true, START)]));
    begins.recv().unwrap();
    // These queue up behind it and are one commit, which fails.
    let mut appends = vec![
        bench.journal.append(knowing([known("main/1001", "a", false, START + 1)])),
        bench.journal.append(with_gaps([gap("main/1001", "g", None)])),
        bench
            .journal
            .append(Append { known: vec![known("main/1001", "b", true, START)], ..events(["e".to_owned()]) }),
        bench.journal.append(forget("main/1002")),
        bench.journal.append(point("later")),
    ];
    let (journal, other) = (bench.journal.clone(), bench.journal.clone());
    let account = tokio::spawn(async move { journal.set_account(account("main/1001", Some("bad"))).await });
    let note = tokio::spawn(async move { other.set_note("paused/main", Some("1")).await });
    tokio::task::yield_now().await;
    permit.send(false).unwrap();
    settled(first).await.unwrap();
    begins.recv().unwrap();
    for pending in &mut appends {
        assert_eq!(pending.try_recv().unwrap_err(), TryRecvError::Empty);
    }
    permit.send(true).unwrap();
    for pending in appends {
        let failed = settled(pending).await.unwrap_err();
        assert!(failed.to_string().contains("fsync"), "{failed}");
    }
    account.await.unwrap().unwrap_err();
    note.await.unwrap().unwrap_err();
    let mut state = bench.journal.state();
    state.wait_for(|state| matches!(state, State::Failed(_))).await.unwrap();
    bench.journal.close().await;

    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.recovery.last, 0);
    assert_eq!(bench.journal.known("main/1001").await.unwrap(), [known("main/1001", "a", true, START)]);
    assert_eq!(bench.journal.gaps(None, false, 9).await.unwrap(), []);
    assert_eq!(bench.journal.accounts().await.unwrap(), []);
    assert_eq!(bench.journal.notes("").await.unwrap(), []);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_checkpoint_alone_goes_to_the_system_by_itself_and_outlives_the_process() {
    let temp = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::channel();
    let bench = open_with(config(&temp), |engine| {
        let before = move |_: &Sqlite, writes: &[Write], durability| {
            if writes.iter().any(|write| matches!(write, Write::Checkpoint(_))) {
                tell.send(durability).ok();
            }
            None
        };
        Box::new(Gate { engine, before })
    })
    .unwrap();
    settled(bench.journal.append(point("alone"))).await.unwrap();
    // No other call wakes the writer: its tick does.
    assert_eq!(told.recv().unwrap(), Durability::Lazy);
    while bench.journal.checkpoints().await.unwrap().is_empty() {}
    // What kill -9 leaves is the files as the system sees them.
    let copy = tempfile::tempdir().unwrap();
    directory::prepare(&state_dir(&copy)).unwrap();
    for name in ["journal.sqlite", "journal.sqlite-wal", "high-water"] {
        std::fs::copy(state_dir(&temp).join(name), state_dir(&copy).join(name)).unwrap();
    }
    let survivor = open(config(&copy)).unwrap();
    let points = survivor.journal.checkpoints().await.unwrap();
    assert_eq!(points.iter().map(|point| point.body.as_str()).collect::<Vec<_>>(), ["alone"]);
    survivor.journal.close().await;
    bench.journal.close().await;
}

#[tokio::test]
async fn the_key_and_the_birth_are_the_journals_own() {
    let (temp, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bench = open(config(&temp)).unwrap();
    let key = bench.journal.digest_key();
    assert_eq!(bench.journal.sequence_text(42), sequence_text(START / 1_000, 42));
    bench.journal.close().await;
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.journal.digest_key(), key);
    assert!(!format!("{:?}", bench.journal).contains(&format!("{:?}", &key[..4]).replace(['[', ']'], "")));
    bench.journal.close().await;
    let bench = open(config(&other)).unwrap();
    assert_ne!(bench.journal.digest_key(), key);
    bench.journal.close().await;

    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    raw.execute("UPDATE meta SET value = 'short' WHERE name = 'digest_key'", []).unwrap();
    drop(raw);
    let said = open(config(&temp)).err().unwrap().to_string();
    assert!(said.contains("the key of its digests is damaged"), "{said}");
}

#[tokio::test]
async fn a_damaged_row_hides_no_other_and_is_healed_by_the_next_write() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let whole = known("main/1001", "b", false, START);
    let append = knowing([known("main/1001", "a", false, START), whole.clone()]);
    let append =
        Append { gaps: vec![gap("main/1001", "g", Some(START)), gap("main/1001", "h", None)], ..append };
    settled(bench.journal.append(append)).await.unwrap();
    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    raw.execute("UPDATE known SET at = 'x' WHERE id = 'a'", []).unwrap();
    raw.execute("UPDATE gap SET ended = x'00', opened = 'x' WHERE id = 'g'", []).unwrap();
    let journal = &bench.journal;
    assert_eq!(journal.known("main/1001").await.unwrap(), std::slice::from_ref(&whole));
    assert_eq!(journal.lookup().unwrap().known("main/1001", "chat", "a").unwrap(), None);
    assert_eq!(gap_ids(journal, None, false, 9).await, ["h"]);
    // Neither the search for expired rows nor forgetting stumbles over them.
    journal.register_sinks(&[]).await.unwrap();
    journal.trim().await.unwrap();
    let healed = known("main/1001", "a", true, START + 1);
    let append = with_gaps([gap("main/1001", "g", Some(START + 1))]);
    settled(journal.append(Append { known: vec![healed.clone()], ..append })).await.unwrap();
    assert_eq!(journal.known("main/1001").await.unwrap(), [healed, whole]);
    assert_eq!(gap_ids(journal, None, false, 9).await, ["h", "g"]);
    assert_eq!(*journal.state().borrow(), State::Ok);
    raw.execute_batch("INSERT INTO account VALUES ('main/1001', x'00', NULL, '', 0)").unwrap();
    assert!(journal.accounts().await.is_err());
    journal.set_account(account("main/1001", None)).await.unwrap();
    assert_eq!(journal.accounts().await.unwrap(), [account("main/1001", None)]);
    journal.close().await;
}
