//! A journal that an older release wrote is upgraded in place, and all of it is still served.

use super::*;
use rusqlite::Connection;

/// Puts the journal of schema 1 back as its release left it.
fn kept_v1(temp: &tempfile::TempDir) -> Connection {
    let dir = state_dir(temp);
    directory::prepare(&dir).unwrap();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal");
    let file = dir.join("journal.sqlite");
    let conn = Connection::open(&file).unwrap();
    conn.execute_batch(&std::fs::read_to_string(fixtures.join("v1.sql")).unwrap()).unwrap();
    std::fs::copy(fixtures.join("v1.high-water"), dir.join("high-water")).unwrap();
    for name in ["journal.sqlite", "high-water"] {
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(dir.join(name), owner).unwrap();
    }
    assert_eq!(schema::version(&conn).unwrap(), 1);
    conn
}

/// Everything that the kept journal holds; `damaged` are the events that are so besides the fifth.
async fn check(bench: &Bench, damaged: &[u64]) {
    let journal = &bench.journal;
    assert_eq!((bench.recovery.birth, bench.recovery.last), (START / 1_000, 12));
    assert_eq!(bench.recovery.uuid, "01a20445-ffea-76c8-9a43-585dd9658768");
    let read = journal.read(0, 100, usize::MAX).await.unwrap();
    let found: Vec<(u64, String)> =
        read.events.iter().map(|stored| (stored.sequence, stored.event.id.clone())).collect();
    let expected: Vec<(u64, String)> = (3..=12)
        .filter(|sequence| *sequence != 5 && !damaged.contains(sequence))
        .map(|n| (n, format!("main/chat/{}/messages/{}", (n - 1) / 2, (n - 1) % 2 + 1)))
        .collect();
    assert_eq!(found, expected);
    assert!(
        read.events.iter().all(|stored| stored.recorded == START && stored.event.data.get().contains("text"))
    );
    assert_eq!(*journal.head().borrow(), Head { last: 12, total_bytes: 4_932 });

    let lookup = journal.lookup().unwrap();
    let digest = |text: String| Digest::of(text.as_bytes());
    for n in 0..3 {
        let marks = lookup.conversation(&digest(format!("conversation {n}"))).unwrap().unwrap().marks;
        let (first, second) = (digest("first".to_owned()), digest("second".to_owned()));
        let expected = [
            Mark { index: n, digests: vec![first], revision: 1 },
            Mark { index: n + 3, digests: vec![first, second], revision: 2 },
        ];
        assert_eq!(marks, expected);
    }
    for n in 0..2 {
        let content = lookup.state(&digest(format!("resource {n}"))).unwrap();
        assert_eq!(content, Some(digest(format!("content {}", n + 4))));
    }
    let point = |session: &str, body: &str| Checkpoint { session: session.to_owned(), body: body.to_owned() };
    let points = [point("main/1001", "{\"ack\":4}"), point("main/1002", "{\"ack\":5}")];
    assert_eq!(journal.checkpoints().await.unwrap(), points);
    assert_eq!((journal.position("crm").await, journal.position("events").await), (Some(2), Some(9)));
    let letters = journal.dead_letters(&LetterFilter::default(), 9).await.unwrap();
    let named: Vec<_> = letters.iter().map(|letter| (letter.number, letter.id.as_str())).collect();
    assert_eq!(named, [(1, "main/chat/0/messages/1")]);
    let (_, event, _) = journal.dead_letter(1).await.unwrap().unwrap();
    assert_eq!(event.id, "main/chat/0/messages/1");
}

#[tokio::test]
async fn a_journal_of_schema_1_is_served_whole_and_takes_what_is_new() {
    let temp = tempfile::tempdir().unwrap();
    drop(kept_v1(&temp));
    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.recovery.shortened, None);
    check(&bench, &[]).await;
    let journal = &bench.journal;
    assert_eq!(journal.known("main/1001").await.unwrap(), []);
    assert_eq!(journal.gaps(None, false, 9).await.unwrap(), []);
    assert_eq!(journal.accounts().await.unwrap(), []);
    let key = journal.digest_key();
    assert_ne!(key, [0; 32]);
    let append = Append {
        known: vec![known("main/1001", "a", true, START)],
        gaps: vec![gap("main/1001", "g", None)],
        ..events(["new".to_owned()])
    };
    assert_eq!(settled(journal.append(append)).await.unwrap().last, 13);
    journal.set_account(account("main/1001", None)).await.unwrap();
    journal.close().await;

    let bench = open(config(&temp)).unwrap();
    assert_eq!(bench.journal.digest_key(), key);
    assert_eq!(bench.journal.known("main/1001").await.unwrap().len(), 1);
    assert_eq!(bench.journal.gaps(None, true, 9).await.unwrap().len(), 1);
    assert_eq!(ids(&bench.journal, 12).await, ["new"]);
    bench.journal.close().await;
}

#[tokio::test]
async fn an_upgrade_makes_damaged_rows_no_worse() {
    let temp = tempfile::tempdir().unwrap();
    let old = kept_v1(&temp);
    old.execute("UPDATE event SET body = x'00' WHERE seq = 8", []).unwrap();
    old.execute("UPDATE event SET nth = 'x' WHERE seq = 7", []).unwrap();
    drop(old);
    let bench = open(config(&temp)).unwrap();
    check(&bench, &[7, 8]).await;
    bench.journal.close().await;
    let raw = Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    let aside: String = raw.query_row("SELECT group_concat(seq) FROM damaged", [], |row| row.get(0)).unwrap();
    assert_eq!(aside, "5,7,8");
}

#[tokio::test]
async fn dead_letters_of_an_older_journal_are_shown_without_upgrading_it() {
    let temp = tempfile::tempdir().unwrap();
    drop(kept_v1(&temp));
    inspect(&state_dir(&temp)).unwrap();
    assert_eq!(dead_letters_offline(&state_dir(&temp), &LetterFilter::default(), 9).unwrap().0.len(), 1);
    let raw = Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    assert_eq!(schema::version(&raw).unwrap(), 1);
}

#[tokio::test]
async fn a_kill_between_the_upgrade_and_its_key_is_made_good() {
    let temp = tempfile::tempdir().unwrap();
    let mut old = kept_v1(&temp);
    schema::upgrade(&mut old, std::path::Path::new("x"), schema::STEPS).unwrap();
    drop(old);
    let bench = open(config(&temp)).unwrap();
    check(&bench, &[]).await;
    assert_ne!(bench.journal.digest_key(), [0; 32]);
    bench.journal.close().await;
}

#[tokio::test]
async fn from_a_journal_of_schema_1_can_be_erased() {
    let temp = tempfile::tempdir().unwrap();
    drop(kept_v1(&temp));
    let bench = open(config(&temp)).unwrap();
    let selector = Selector::field("id=main/chat/0/messages/1").unwrap();
    assert_eq!(bench.journal.erase(&selector, &[]).await.unwrap(), 1);
    assert!(bench.journal.dead_letters(&LetterFilter::default(), 9).await.unwrap().is_empty());
    bench.journal.close().await;
}

#[test]
fn drafts_of_an_older_journal_keep_the_number_of_their_last_transcript() {
    let mut old = Connection::open_in_memory().unwrap();
    let path = std::path::Path::new("x");
    schema::upgrade(&mut old, path, &schema::STEPS[..5]).unwrap();
    for (key, body) in [("a", r#"{"revision":4}"#), ("b", "{}"), ("c", "torn")] {
        old.execute(
            "INSERT INTO draft (key, interaction, began, at, body) VALUES (?1, ?1, 0, 0, ?2)",
            [key, body],
        )
        .unwrap();
    }
    schema::upgrade(&mut old, path, schema::STEPS).unwrap();
    let sql = "SELECT group_concat(revision) FROM (SELECT revision FROM draft ORDER BY key)";
    let numbers: String = old.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(numbers, "4,0,0");
}
