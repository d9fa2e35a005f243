//! Erasing: gone from every table and every byte of the files, while all that was counted goes on.

use super::dead::failure;
use super::*;
use rusqlite::Connection;

const MARKER: &str = "MARKER-OF-ONE-PERSON";
const LAST: u64 = 900;

fn of(interaction: &str, id: &str, text: &str) -> Event {
    let known = Some(interaction.to_owned());
    Event { interaction: known, partitionkey: format!("main/{interaction}"), ..event(id, text) }
}

/// Every third is of the interaction that must go, some of them longer than a page.
fn one(sequence: u64) -> Event {
    let id = format!("id-{sequence}");
    let times = if sequence.is_multiple_of(7) { 900 } else { 20 };
    if sequence.is_multiple_of(3) {
        of("gone", &id, &MARKER.repeat(times))
    } else {
        of("stays", &id, &"another text".repeat(times))
    }
}

fn gone() -> Selector {
    Selector::Interaction("gone".to_owned())
}

fn sinks() -> Vec<String> {
    vec!["crm".to_owned(), "log".to_owned()]
}

fn letter(sequence: Sequence) -> NewDeadLetter {
    NewDeadLetter {
        sequence,
        event: Arc::new(one(sequence)),
        failure: failure("http-4xx"),
        attempts: 3,
        first_failure: START,
        last_failure: START,
    }
}

fn parked(sequence: Sequence) -> NewParked {
    NewParked {
        sequence,
        event: Arc::new(one(sequence)),
        recorded: START,
        attempts: 1,
        first_failure: Some(START),
        due: START,
        failure: failure("http-5xx"),
    }
}

/// In the files of the state directory.
fn markers(temp: &tempfile::TempDir) -> usize {
    let files = std::fs::read_dir(state_dir(temp)).unwrap();
    let count = |bytes: Vec<u8>| bytes.windows(MARKER.len()).filter(|at| *at == MARKER.as_bytes()).count();
    files.map(|file| count(std::fs::read(file.unwrap().path()).unwrap())).sum()
}

/// Two sinks: `crm` stands at 300, with dead letters and parked events; `log` has settled nothing.
async fn filled(config: Config) -> Bench {
    let bench = open(config).unwrap();
    let both = [("crm".to_owned(), StartAt::Earliest), ("log".to_owned(), StartAt::Earliest)];
    bench.journal.register_sinks(&both).await.unwrap();
    for from in (1..=LAST).step_by(90) {
        let marks = vec![mark("gone", from as i64, "content", 1)];
        let known = vec![known("main/1001", "gone", true, START), known("main/1001", "stays", true, START)];
        let events = (from..from + 90).map(one).collect();
        let append = Append { events, marks, known, ..Append::default() };
        settled(bench.journal.append(append)).await.unwrap();
    }
    let (dead, park) = ((1..=30).map(letter).collect(), (31..=60).map(parked).collect());
    settled(bench.journal.settle(Settle { dead, park, ..settle("crm", 300) })).await.unwrap();
    bench
}

#[tokio::test]
async fn what_is_erased_stands_in_no_byte_of_the_files_and_all_that_was_counted_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let bench = filled(config(&temp)).await;
    let journal = &bench.journal;
    assert!(markers(&temp) > 1_000, "so the test looks at the right place");
    let found = journal.erasable(&gone(), &sinks()).await.unwrap();
    let undelivered = [("crm".to_owned(), 210), ("log".to_owned(), 300)].into();
    let expected = Erasable {
        events: 300,
        dead_letters: 10,
        parked: 10,
        damaged: 0,
        known: 1,
        transcripts: 0,
        contexts: 0,
        undelivered,
    };
    assert_eq!(found, expected);
    assert_eq!(ids(journal, 0).await.len() as u64, LAST, "counting changes nothing");

    assert_eq!(journal.erase(&gone(), &sinks()).await.unwrap(), 321);
    assert_eq!(markers(&temp), 0, "while it runs");
    let rest = journal.erasable(&gone(), &sinks()).await.unwrap();
    assert_eq!(rest, Erasable { undelivered: rest.undelivered.clone(), ..Erasable::default() });
    let wanted: Vec<String> =
        (1..=LAST).filter(|n| !n.is_multiple_of(3)).map(|n| format!("id-{n}")).collect();
    assert_eq!(ids(journal, 0).await, wanted);
    let letters = journal.dead_letters(&LetterFilter::default(), 100).await.unwrap();
    assert_eq!((letters.len(), journal.parked_keys("crm").await.unwrap()[0].events), (20, 20));
    let known = journal.known("main/1001").await.unwrap();
    assert_eq!(known.iter().map(|known| known.id.as_str()).collect::<Vec<_>>(), ["stays"]);
    let marks = journal.lookup().unwrap().conversation(&Digest::of(b"gone")).unwrap().unwrap().marks;
    assert_eq!(marks.len(), 10, "an item that comes again is known");

    // Over holes the lag is never less than what waits, and right behind the last of them; the end is one.
    for position in (0..LAST).step_by(50) {
        let waits = wanted.iter().filter(|id| id[3..].parse::<u64>().unwrap() > position).count() as u64;
        let lag = journal.lag(position).await.unwrap();
        assert!(lag.events >= waits && lag.events <= LAST - position, "{position}: {lag:?}");
    }
    assert_eq!(journal.lag(LAST - 2).await.unwrap().events, 1);
    assert_eq!(journal.lag(LAST - 1).await.unwrap().events, 0);
    journal.close().await;
    assert_eq!(markers(&temp), 0, "after its end");

    // Not shortened, though the last event is gone; what comes next has a sequence of its own.
    let bench = open(config(&temp)).unwrap();
    assert_eq!((bench.recovery.last, &bench.recovery.shortened), (LAST, &None));
    settled(bench.journal.append(events(["next".to_owned()]))).await.unwrap();
    let read = bench.journal.read(LAST - 1, 10, usize::MAX).await.unwrap();
    assert_eq!((read.events[0].sequence, read.events[0].event.id.as_str()), (LAST + 1, "next"));
    assert_eq!(bench.journal.lag(LAST).await.unwrap().events, 1);
    bench.journal.close().await;
}

#[tokio::test]
async fn a_lane_that_has_an_erased_event_in_hand_leaves_no_copy_of_it() {
    let temp = tempfile::tempdir().unwrap();
    let bench = filled(config(&temp)).await;
    let journal = &bench.journal;
    journal.erase(&gone(), &sinks()).await.unwrap();
    // 33 was parked, 303 and 306 were in the window of a lane; 301 is another's.
    let (dead, park) = (vec![letter(33), letter(303)], vec![parked(306), parked(301)]);
    settled(journal.settle(Settle { dead, park, ..settle("crm", 310) })).await.unwrap();
    assert_eq!(journal.aside_after("crm", 300).await.unwrap(), [301]);
    journal.trim().await.unwrap();
    assert_eq!((markers(&temp), journal.position("crm").await), (0, Some(310)));
    journal.close().await;
}

#[tokio::test]
async fn a_value_goes_with_its_events_alone_and_from_damaged_rows_too() {
    let temp = tempfile::tempdir().unwrap();
    let bench = filled(config(&temp)).await;
    bench.journal.close().await;
    let conn = Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    for (sequence, body) in [(2_001, MARKER.as_bytes()), (2_002, &b"{\"text\":"[..])] {
        conn.execute("INSERT INTO damaged VALUES (?1, ?2, 'torn')", rusqlite::params![sequence, body])
            .unwrap();
    }
    drop(conn);
    let bench = open(config(&temp)).unwrap();
    let selector = Selector::field(&format!("data.text={}", MARKER.repeat(20))).unwrap();
    let found = bench.journal.erasable(&selector, &[]).await.unwrap();
    assert_eq!((found.events, found.damaged, found.known), (300 - LAST / 21, 0, 0));
    let selector = Selector::field(&format!("data.text={MARKER}")).unwrap();
    let found = bench.journal.erasable(&selector, &[]).await.unwrap();
    assert_eq!(
        (found.events, found.damaged),
        (0, 1),
        "a part of a text is not the text, but in what nobody can read"
    );
    assert_eq!(bench.journal.erase(&selector, &[]).await.unwrap(), 1);
    bench.journal.close().await;
}

#[tokio::test]
async fn an_agent_goes_with_what_is_its_own_and_what_it_observed() {
    let temp = tempfile::tempdir().unwrap();
    let bench = open(config(&temp)).unwrap();
    let journal = &bench.journal;
    let named = |agent: Option<&str>, observed: Option<&str>, id: &str| Event {
        agent: agent.map(str::to_owned),
        observedby: observed.map(str::to_owned),
        ..event(id, MARKER)
    };
    let events = vec![
        named(Some("1001"), None, "own"),
        named(None, Some("1001"), "seen"),
        named(Some("100"), Some("10010"), "other"),
    ];
    let known = ["main/1001", "west/1001", "main/10010"].map(|session| known(session, "c", true, START));
    settled(journal.append(Append { events, known: known.into(), ..Append::default() })).await.unwrap();
    let agent = Selector::Agent("1001".to_owned());
    assert_eq!(journal.erase(&agent, &[]).await.unwrap(), 4);
    assert_eq!(ids(journal, 0).await, ["other"]);
    assert_eq!(journal.known("main/10010").await.unwrap().len(), 1);
    assert!(journal.known("west/1001").await.unwrap().is_empty());
    journal.close().await;
}

#[tokio::test]
async fn a_reader_of_somebody_elses_holds_the_log_and_that_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let bench = filled(config(&temp)).await;
    let other = Connection::open(state_dir(&temp).join("journal.sqlite")).unwrap();
    other.execute_batch("BEGIN").unwrap();
    let _: i64 = other.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    let error = bench.journal.erase(&gone(), &sinks()).await.unwrap_err().to_string();
    assert!(error.contains("another program has the journal open"), "{error}");
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    assert_eq!(bench.journal.erase(&gone(), &sinks()).await.unwrap(), 0);
    assert_eq!(markers(&temp), 0);
    bench.journal.close().await;
}
