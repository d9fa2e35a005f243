//! What opening refuses, and in which words.

use super::*;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn a_second_opener_is_told_the_pid_of_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    match open(config(&temp)) {
        Err(Error::Locked { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
        other => panic!("{:?}", other.map(|bench| bench.recovery)),
    }
    bench.journal.close().await;
    open(config(&temp)).unwrap().journal.close().await;
}

#[tokio::test]
async fn every_file_is_for_the_owner_alone() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    settled(bench.journal.append(events(["a".to_owned()]))).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(state_dir(&temp)).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let expected =
        ["high-water", "journal.sqlite", "journal.sqlite-shm", "journal.sqlite-wal", "lock", "reserve"];
    assert_eq!(names, expected);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_database_open_to_others_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    open(config(&temp)).unwrap().journal.close().await;
    let file = state_dir(&temp).join("journal.sqlite");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = open(config(&temp)).err().unwrap().to_string();
    assert!(said.contains("0644") && said.contains("chmod 0600"), "{said}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    open(config(&temp)).unwrap().journal.close().await;
    let conn = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    conn.execute("UPDATE meta SET value = 99 WHERE name = 'schema'", []).unwrap();
    drop(conn);
    match open(config(&temp)) {
        Err(Error::Newer { found: 99, known, .. }) => assert_eq!(known, schema::STEPS.len() as i64),
        other => panic!("{:?}", other.map(|bench| bench.recovery)),
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    directory::prepare(&state_dir(&temp)).unwrap();
    let file = state_dir(&temp).join("journal.sqlite");
    std::fs::write(&file, "no database, but long enough to be taken for one ".repeat(50)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = open(config(&temp)).err().unwrap().to_string();
    assert!(said.contains("journal.sqlite: can not be opened"), "{said}");
}

#[tokio::test]
async fn a_journal_keeps_its_name_and_birth_and_its_settings() {
    let temp = tempfile::tempdir().unwrap();
    let first = open(config(&temp)).unwrap();
    assert_eq!(first.recovery.birth, START / 1_000);
    first.journal.close().await;
    let second = open(config(&temp)).unwrap();
    assert_eq!(second.recovery.uuid, first.recovery.uuid);
    assert_eq!(second.recovery.birth, first.recovery.birth);
    second.journal.close().await;
    let conn = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    let read = |name: &str| -> String {
        conn.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    assert_eq!(read("page_size"), "Integer(8192)");
    assert_eq!(read("auto_vacuum"), "Integer(2)");
    assert_eq!(read("journal_mode"), "Text(\"wal\")");
    assert_eq!(sequence_text(first.recovery.birth, 42), "1763793600-0000000000000000042");
}

#[tokio::test]
async fn the_writer_beats() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.trim().await.unwrap();
    assert!(bench.health.stuck().is_empty() && bench.health.unready().is_empty());
    bench.journal.close().await;
}
