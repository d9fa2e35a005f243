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
