//! What sessions know goes in its time and not before; what is open, and accounts and notes, stay.

use super::*;

const DAY: i64 = 24 * 60 * MINUTE;

/// In steps below the jump that would suspend expiry.
async fn pass(bench: &Bench, until: i64) {
    while bench.clock.now() < until {
        bench.clock.set((bench.clock.now() + 50 * MINUTE).min(until));
        bench.journal.trim().await.unwrap();
    }
}

async fn ids_of(bench: &Bench, session: &str) -> Vec<String> {
    bench.journal.known(session).await.unwrap().into_iter().map(|known| known.id).collect()
}

async fn gaps_of(bench: &Bench) -> Vec<String> {
    bench.journal.gaps(None, false, 9).await.unwrap().into_iter().map(|gap| gap.id).collect()
}

#[tokio::test]
async fn ended_resources_go_after_the_window_and_closed_gaps_after_theirs() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    let session = "main/1001";
    // More than one transaction of them.
    let ended = (0..1_100).map(|n| known(session, &format!("ended {n}"), false, START));
    let device = Known { kind: "device".into(), ..known(session, "device", true, START) };
    let rest =
        [known(session, "late", false, START + 30 * MINUTE), known(session, "open", true, START), device];
    let gaps = vec![
        gap(session, "open", None),
        gap(session, "closed", Some(START)),
        gap(session, "later", Some(START + DAY)),
    ];
    let append = Append { known: ended.chain(rest).collect(), gaps, ..Append::default() };
    settled(bench.journal.append(append)).await.unwrap();
    bench.journal.set_account(account(session, Some("bad"))).await.unwrap();
    bench.journal.set_note("paused/main", Some("1")).await.unwrap();
    pass(&bench, START + 60 * MINUTE).await;
    assert_eq!(ids_of(&bench, session).await.len(), 1_103);
    pass(&bench, START + 61 * MINUTE).await;
    assert_eq!(ids_of(&bench, session).await, ["late", "open", "device"]);
    pass(&bench, START + 91 * MINUTE).await;
    assert_eq!(ids_of(&bench, session).await, ["open", "device"]);

    let keep = i64::try_from(config(&temp).keep_gaps.as_millis()).unwrap();
    pass(&bench, START + keep).await;
    assert_eq!(gaps_of(&bench).await, ["later", "closed", "open"]);
    pass(&bench, START + keep + MINUTE).await;
    assert_eq!(gaps_of(&bench).await, ["later", "open"]);
    pass(&bench, START + keep + DAY + MINUTE).await;
    assert_eq!(gaps_of(&bench).await, ["open"]);
    assert_eq!(bench.metrics.gaps_expired_total.get(), 2);
    assert_eq!(ids_of(&bench, session).await, ["open", "device"]);
    assert_eq!(bench.journal.accounts().await.unwrap().len(), 1);
    assert_eq!(bench.journal.notes("").await.unwrap().len(), 1);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_clock_that_jumps_takes_no_resource_and_no_gap_but_what_is_forgotten_goes() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    for session in ["main/1001", "main/1002"] {
        let known = (0..600).map(|n| known(session, &n.to_string(), false, START)).collect();
        let append = Append { known, gaps: vec![gap(session, session, Some(START))], ..Append::default() };
        settled(bench.journal.append(append)).await.unwrap();
    }
    settled(bench.journal.append(forget("main/1002"))).await.unwrap();
    bench.clock.set(START + 400 * DAY);
    bench.journal.trim().await.unwrap();
    bench.journal.trim().await.unwrap();
    assert_eq!(ids_of(&bench, "main/1001").await.len(), 600);
    assert_eq!(gaps_of(&bench).await.len(), 2);
    let raw = rusqlite::Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    let left: i64 = raw.query_row("SELECT count(*) FROM known", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 600);
    bench.journal.close().await;
}

fn draft(key: &str, revision: u32) -> Draft {
    Draft {
        key: key.to_owned(),
        interaction: key.to_owned(),
        began: START,
        at: START,
        due: None,
        revision,
        body: "{}".to_owned(),
    }
}

async fn drafts_of(bench: &Bench) -> usize {
    bench.journal.drafts_between((0, i64::MAX), 0, 9).await.unwrap().0.len()
}

async fn made_of(bench: &Bench) -> Vec<(String, u32)> {
    let keys = ["expired", "none", "cleared", "id-84719"].map(str::to_owned).to_vec();
    bench.journal.transcripts_made(keys).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn the_number_of_a_last_transcript_outlives_its_draft_by_the_dedup_window() {
    let temp = tempfile::tempdir().unwrap();
    let keep_drafts = std::time::Duration::from_secs(2 * 3_600);
    let bench = open(Config { keep_drafts, ..config(&temp) }).unwrap();
    bench.journal.register_sinks(&[]).await.unwrap();
    let drafts = vec![draft("expired", 3), draft("none", 0)];
    settled(bench.journal.append(Append { drafts, ..Append::default() })).await.unwrap();
    pass(&bench, START + 120 * MINUTE).await;
    assert_eq!((drafts_of(&bench).await, made_of(&bench).await), (2, vec![]));
    pass(&bench, START + 121 * MINUTE).await;
    assert_eq!((drafts_of(&bench).await, made_of(&bench).await), (0, vec![("expired".to_owned(), 3)]));
    pass(&bench, START + 180 * MINUTE).await;
    assert_eq!(made_of(&bench).await.len(), 1);
    pass(&bench, START + 181 * MINUTE).await;
    assert_eq!(made_of(&bench).await, []);
    bench.journal.close().await;
}

#[tokio::test]
async fn the_number_of_a_last_transcript_stays_without_its_id_where_drafts_are_erased_or_not_wanted() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let drafts = vec![draft("id-84719", 2), draft("cleared", 1)];
    settled(bench.journal.append(Append { drafts, ..Append::default() })).await.unwrap();
    let erased = Selector::Interaction("id-84719".to_owned());
    assert_eq!(bench.journal.erase(&erased, &[]).await.unwrap(), 1);
    assert_eq!(drafts_of(&bench).await, 1);
    bench.journal.clear_drafts().await.unwrap();
    assert_eq!(drafts_of(&bench).await, 0);
    assert_eq!(made_of(&bench).await, [("cleared".to_owned(), 1), ("id-84719".to_owned(), 2)]);
    bench.journal.close().await;
    let files = std::fs::read_dir(state_dir(&temp)).unwrap();
    let bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    assert!(bytes.into_iter().all(|bytes| !bytes.windows(8).any(|at| at == b"id-84719")));
}
