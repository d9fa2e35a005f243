//! A full disk: nothing is answered, sinks go on and make room, the same group is committed in the end.

use super::*;
use std::sync::atomic::AtomicBool;
use tokio::sync::oneshot::error::TryRecvError;

/// A database that may not grow beyond so many pages: SQLite then says what it says on a full disk.
fn small(temp: &tempfile::TempDir, pages: i64) -> Bench {
    open_with(config(temp), |engine| {
        engine.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        Box::new(engine)
    })
    .unwrap()
}

fn large(n: usize) -> Append {
    Append { events: vec![event(&n.to_string(), &"x".repeat(50_000))], ..Append::default() }
}

#[tokio::test]
async fn a_full_disk_stalls_until_a_sink_makes_room_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let bench = small(&temp, 60);
    bench.journal.register_sinks(&[("k".to_owned(), StartAt::Earliest)]).await.unwrap();
    let mut state = bench.journal.state();
    let mut written = 0;
    let mut waiting = loop {
        let pending = bench.journal.append(large(written));
        written += 1;
        tokio::select! {
            answer = settled(pending) => { answer.unwrap(); continue }
            found = state.wait_for(|state| matches!(state, State::Stalled { .. })) => { found.unwrap(); }
        }
        break bench.journal.append(large(written));
    };
    assert!(written > 2);
    assert_eq!(waiting.try_recv().unwrap_err(), TryRecvError::Empty);
    assert!(!bench.health.unready().is_empty());
    // Reading and settling go on, and the latter is answered although events wait ahead of it.
    let read = bench.journal.read(0, 100, usize::MAX).await.unwrap();
    assert!(read.events.len() >= 2);
    settled(bench.journal.settle(settle("k", read.through))).await.unwrap();
    settled(waiting).await.unwrap();
    state.wait_for(|state| *state == State::Ok).await.unwrap();
    assert!(bench.health.unready().is_empty());
    let left = ids(&bench.journal, read.through).await;
    let expected: Vec<String> = (read.events.len()..=written).map(|n| n.to_string()).collect();
    assert_eq!(left, expected);
    assert!(state_dir(&temp).join("reserve").exists());
    bench.journal.close().await;
}

#[tokio::test]
async fn a_close_ends_the_waiting_for_room_and_acknowledges_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let bench = small(&temp, 30);
    let mut state = bench.journal.state();
    let pending =
        bench.journal.append(Append { events: vec![event("a", &"x".repeat(500_000))], ..Append::default() });
    state.wait_for(|state| matches!(state, State::Stalled { .. })).await.unwrap();
    bench.journal.close().await;
    settled(pending).await.unwrap_err();
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.recovery.last, 0);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_settle_does_not_overtake_dead_letters_of_its_own_sink() {
    let temp = tempfile::tempdir().unwrap();
    let (full, tells) = (Arc::new(AtomicBool::new(false)), std::sync::mpsc::channel());
    let bench = open_with(config(&temp), |engine| {
        let (full, tell) = (Arc::clone(&full), tells.0);
        let before = move |_: &Sqlite, writes: &[Write], durability| {
            if durability == Durability::Full && full.load(Ordering::SeqCst) {
                let event = writes.iter().any(|write| matches!(write, Write::Event { .. }));
                tell.send(!event).ok();
                return Some(Fault::Full("a test".to_owned()));
            }
            None
        };
        Box::new(Gate { engine, before })
    })
    .unwrap();
    settled(bench.journal.append(events((1..=9).map(|n| n.to_string())))).await.unwrap();
    full.store(true, Ordering::SeqCst);
    let append = bench.journal.append(events(["10".to_owned()]));
    let dead = NewDeadLetter {
        sequence: 1,
        event: Arc::new(event("1", "text")),
        failure: Failure::default(),
        attempts: 1,
        first_failure: START,
        last_failure: START,
    };
    let with_dead = Settle { dead: vec![dead], ..settle("a", 1) };
    let letters = bench.journal.settle(with_dead);
    let mut behind = bench.journal.settle(settle("a", 9));
    settled(bench.journal.settle(settle("b", 9))).await.unwrap();
    // The letters are tried on their own; `behind` waits for them.
    while !tells.1.recv().unwrap() {}
    assert_eq!(behind.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(bench.journal.position("a").await, None);
    assert_eq!(bench.journal.position("b").await, Some(9));
    full.store(false, Ordering::SeqCst);
    settled(letters).await.unwrap();
    settled(behind).await.unwrap();
    settled(append).await.unwrap();
    assert_eq!(bench.journal.position("a").await, Some(9));
    assert_eq!(bench.journal.dead_letters(&LetterFilter::default(), 9).await.unwrap().len(), 1);
    bench.journal.close().await;
}

#[tokio::test]
async fn facts_wait_for_room_like_appends_and_fail_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (full, tells) = (Arc::new(AtomicBool::new(false)), std::sync::mpsc::channel());
    let bench = open_with(config(&temp), |engine| {
        let (full, tell) = (Arc::clone(&full), tells.0);
        let before = move |_: &Sqlite, _: &[Write], durability| {
            if durability == Durability::Full && full.load(Ordering::SeqCst) {
                tell.send(()).ok();
                return Some(Fault::Full("a test".to_owned()));
            }
            None
        };
        Box::new(Gate { engine, before })
    })
    .unwrap();
    full.store(true, Ordering::SeqCst);
    let (one, two) = (bench.journal.clone(), bench.journal.clone());
    let account =
        tokio::spawn(async move { one.set_account(super::account("main/1001", Some("bad"))).await });
    let note = tokio::spawn(async move { two.set_note("paused/main", Some("1")).await });
    let mut state = bench.journal.state();
    state.wait_for(|state| matches!(state, State::Stalled { .. })).await.unwrap();
    let known = known("main/1001", "a", true, START);
    let append = Append { known: vec![known.clone()], ..Append::default() };
    let mut pending = bench.journal.append(append);
    for _ in 0..3 {
        tells.1.recv().unwrap();
    }
    tokio::task::yield_now().await;
    assert!(!account.is_finished() && !note.is_finished());
    assert_eq!(pending.try_recv().unwrap_err(), TryRecvError::Empty);
    // Reading goes on meanwhile.
    assert_eq!(bench.journal.accounts().await.unwrap(), []);
    full.store(false, Ordering::SeqCst);
    account.await.unwrap().unwrap();
    note.await.unwrap().unwrap();
    settled(pending).await.unwrap();
    state.wait_for(|state| *state == State::Ok).await.unwrap();
    assert_eq!(bench.journal.accounts().await.unwrap().len(), 1);
    assert_eq!(bench.journal.notes("").await.unwrap().len(), 1);
    assert_eq!(bench.journal.known("main/1001").await.unwrap(), [known]);
    bench.journal.close().await;
}

fn fill(path: &std::path::Path) {
    let mut file = std::fs::File::create(path).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
}

/// A small tmpfs of our own, gone at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> SmallDisk {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=0700", "cometbridge-test"])
            .arg(dir.path())
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "this test mounts a small tmpfs: run it as root (make test needs that)"
        );
        SmallDisk(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_real_full_disk_is_waited_out_again_and_again() {
    let disk = SmallDisk::mount();
    let small = disk.0.path();
    let temp = tempfile::tempdir().unwrap();
    let here = Config { state_dir: small.join("state"), reserve_bytes: 1 << 20, ..config(&temp) };
    let bench = open(here.clone()).unwrap();
    bench.journal.register_sinks(&[("k".to_owned(), StartAt::Earliest)]).await.unwrap();
    let mut state = bench.journal.state();
    let (mut next, mut delivered) = (0usize, 0usize);
    let mut position = 0;
    for round in 0..12 {
        let size = 1_000 << (round % 7);
        // Another process takes what is left, every third time.
        let filler = small.join("filler");
        if round % 3 == 2 {
            fill(&filler);
        }
        let stalled = loop {
            let append =
                Append { events: vec![event(&next.to_string(), &"x".repeat(size))], ..Append::default() };
            next += 1;
            let mut pending = bench.journal.append(append);
            tokio::select! {
                answer = &mut pending => { answer.unwrap().unwrap(); continue }
                found = state.wait_for(|state| matches!(state, State::Stalled { .. })) => { found.unwrap(); }
            }
            break pending;
        };
        for _ in 0..10 {
            bench.journal.lag(0).await.unwrap();
        }
        if filler.exists() {
            std::fs::remove_file(&filler).unwrap();
        } else {
            loop {
                let read = bench.journal.read(position, 64, 1 << 20).await.unwrap();
                for stored in &read.events {
                    assert_eq!(stored.event.id, delivered.to_string());
                    delivered += 1;
                }
                if read.through == position {
                    break;
                }
                position = read.through;
                settled(bench.journal.settle(settle("k", position))).await.unwrap();
            }
        }
        stalled.await.unwrap().unwrap();
        state.wait_for(|state| *state == State::Ok).await.unwrap();
    }
    bench.journal.close().await;
    let bench = open(here).unwrap();
    let left = ids(&bench.journal, position).await;
    assert_eq!(left, (delivered..next).map(|n| n.to_string()).collect::<Vec<_>>());
    bench.journal.close().await;
}
