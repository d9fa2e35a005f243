//! Values of interactions: kept with their events, found again, gone in their time, with their paths, and when erased.

use super::*;

fn value(conversation: &str, path: &str, text: &str) -> ContextValue {
    ContextValue {
        conversation: Digest::of(conversation.as_bytes()),
        path: path.to_owned(),
        interaction: conversation.to_owned(),
        agent: "1001".to_owned(),
        id: format!("id of {text}"),
        value: Some(format!("\"{text}\"")),
        at: START,
    }
}

async fn put(bench: &Bench, contexts: Vec<ContextValue>) {
    settled(bench.journal.append(Append { contexts, ..events(["e".to_owned()]) })).await.unwrap();
}

fn of(bench: &Bench, conversation: &str) -> Vec<ContextValue> {
    let lookup = bench.journal.lookup().unwrap();
    let mut found = lookup.context(&Digest::of(conversation.as_bytes())).unwrap();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[tokio::test]
async fn the_last_of_each_path_is_found_again_until_it_is_removed() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let (first, other) = (value("c", "a", "first"), value("c", "b", "other"));
    put(&bench, vec![first, other.clone(), value("d", "a", "elsewhere")]).await;
    let second = ContextValue { agent: "1002".to_owned(), ..value("c", "a", "second") };
    put(&bench, vec![second.clone()]).await;
    bench.journal.close().await;
    let bench = open(config(&temp)).unwrap();
    assert_eq!(of(&bench, "c"), [second, other.clone()]);
    put(&bench, vec![ContextValue { value: None, ..value("c", "a", "") }]).await;
    assert_eq!(of(&bench, "c"), [other]);
    assert_eq!(of(&bench, "none"), []);
    bench.journal.close().await;
}

#[tokio::test]
async fn values_go_after_the_window_and_with_the_paths_that_nobody_names() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    // More than one transaction of them.
    let old = (0..1_100).map(|n| value(&format!("old {n}"), "a", "x")).collect();
    put(&bench, old).await;
    put(&bench, vec![ContextValue { at: START + 30 * MINUTE, ..value("late", "a", "x") }]).await;
    // The window, and as much as activity is kept to.
    let window = i64::try_from(config(&temp).dedup_window.as_millis()).unwrap() + 10 * MINUTE;
    while bench.clock.now() < START + window {
        bench.clock.set((bench.clock.now() + 50 * MINUTE).min(START + window));
        bench.journal.trim().await.unwrap();
    }
    assert_eq!(of(&bench, "old 7").len(), 1);
    bench.clock.set(START + window + 1);
    bench.journal.trim().await.unwrap();
    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    let left = || raw.query_row("SELECT count(*) FROM context", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((left(), of(&bench, "late").len()), (1, 1));

    let many = (0..600).flat_map(|n| ["a", "b"].map(|path| value(&n.to_string(), path, "x"))).collect();
    put(&bench, many).await;
    bench.journal.keep_contexts(&["b".to_owned(), "c".to_owned()]).await.unwrap();
    assert_eq!(left(), 600);
    bench.journal.keep_contexts(&[]).await.unwrap();
    assert_eq!(left(), 0);
    bench.journal.close().await;
}

#[tokio::test]
async fn erasing_takes_all_values_of_an_interaction_and_says_of_which() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let journal = &bench.journal;
    for conversation in ["by id", "by agent", "by value", "stays"] {
        put(
            &bench,
            vec![value(conversation, "a", "x"), value(conversation, "userData.Contact", conversation)],
        )
        .await;
    }
    let agent = ContextValue { agent: "1002".to_owned(), ..value("by agent", "a", "x") };
    put(&bench, vec![agent]).await;
    let selectors = [
        ("by id", Selector::Interaction("by id".to_owned())),
        ("by agent", Selector::Agent("1002".to_owned())),
        ("by value", Selector::field("data.userData.Contact=by value").unwrap()),
    ];
    let mut erased = Vec::new();
    for (name, selector) in selectors {
        assert_eq!(journal.erasable(&selector, &[]).await.unwrap().contexts, 1, "{name}");
        assert_eq!(of(&bench, name).len(), 2, "{name}: counting changes nothing");
        assert_eq!(journal.erase(&selector, &[]).await.unwrap(), 2, "{name}");
        assert_eq!(of(&bench, name), [], "{name}");
        erased.push(Digest::of(name.as_bytes()));
    }
    assert_eq!(of(&bench, "stays").len(), 2);
    let files =
        std::fs::read_dir(state_dir(&temp)).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let text = b"\"by value\"";
    assert!(files.into_iter().all(|bytes| !bytes.windows(text.len()).any(|at| at == text)));
    let told = journal.clone();
    let told = tokio::task::spawn_blocking(move || std::mem::take(&mut *told.hold_erased())).await.unwrap();
    assert_eq!((told.conversations, told.any), (erased, true), "whoever has them in memory is told");
    bench.journal.close().await;
}
