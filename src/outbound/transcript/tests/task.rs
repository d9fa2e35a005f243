//! The task on the real journal, over restarts: one transcript of each revision, and nothing kept that is not wanted.

use super::super::{Config, Limits, Maker, POSITION, listing};
use super::{item, whole};
use crate::base::data::{Complete, Reason, TranscriptData};
use crate::base::envelope::Event;
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::journal::{self, Append, Journal, Selector, StartAt, settled};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Bench {
    journal: Journal,
    metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Arc<journal::Error>>>,
}

impl Bench {
    async fn start(dir: &tempfile::TempDir, quiet: Duration) -> Bench {
        let hour = Duration::from_secs(3_600);
        let config = journal::Config {
            state_dir: dir.path().join("state"),
            keep_delivered: Duration::ZERO,
            dedup_window: hour,
            reserve_bytes: 4096,
            keep_gaps: hour,
            keep_drafts: hour,
            keep_dead_letters: hour,
            max_dead_letters: 10,
            accept_shortened: false,
        };
        let (metrics, health, clock) = (Metrics::new().unwrap(), Health::default(), Clock::system());
        let (journal, _) = Journal::open(config, clock.clone(), metrics.clone(), health).unwrap();
        let sinks = [("s".to_owned(), StartAt::Earliest), (POSITION.to_owned(), StartAt::Latest)];
        journal.register_sinks(&sinks).await.unwrap();
        let limits = Limits { items: 100, bytes: 1 << 20 };
        let config = Config { quiet, give_up: hour, limits };
        let stop = CancellationToken::new();
        let maker = Maker { journal: journal.clone(), config, clock, metrics: metrics.clone() };
        let task = tokio::spawn(maker.run(stop.clone()));
        Bench { journal, metrics, stop, task }
    }

    async fn add(&self, events: Vec<Event>) {
        settled(self.journal.append(Append { events, ..Append::default() })).await.unwrap();
    }

    async fn transcripts(&self) -> Vec<Event> {
        let read = self.journal.read(0, 1_000, usize::MAX).await.unwrap();
        let all = read.events.iter().filter(|stored| stored.event.event == "transcript");
        all.map(|stored| Event::clone(&stored.event)).collect()
    }

    /// Waits for the transcript of this number.
    async fn nth(&self, count: usize) -> Vec<Event> {
        for _ in 0..600 {
            let found = self.transcripts().await;
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no transcript {count}");
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.journal.close().await;
    }
}

#[tokio::test]
async fn a_transcript_is_made_once_over_restarts_and_again_when_something_comes_late() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::start(&dir, Duration::from_secs(3_600)).await;
    let mut events = whole();
    let last = events.remove(4);
    bench.add(events).await;
    while bench.journal.position(POSITION).await < Some(6) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bench.end().await;
    // What is known outlives the process, and the bodies.
    let bench = Bench::start(&dir, Duration::ZERO).await;
    bench.add(vec![super::state("a", "Completed")]).await;
    let first = bench.nth(1).await.remove(0);
    let data: TranscriptData = serde_json::from_str(first.data.get()).unwrap();
    assert_eq!((data.complete, data.items.len(), data.missing.len()), (Complete::False, 3, 1));
    assert_eq!((first.id.as_str(), first.revision), ("main/chat/1/transcript", None));
    bench.end().await;
    let bench = Bench::start(&dir, Duration::ZERO).await;
    bench.add(vec![last]).await;
    let second = bench.nth(2).await.remove(1);
    assert_eq!((second.id.as_str(), second.revision), ("main/chat/1/transcript;revision=2", Some(2)));
    assert_eq!(second.partitionkey, "main/1");
    let data: TranscriptData = serde_json::from_str(second.data.get()).unwrap();
    assert_eq!((data.complete, data.reasons.len(), data.items.len()), (Complete::True, 0, 4));
    // The same again is no news.
    bench.add(vec![super::state("a", "Completed")]).await;
    let head = bench.journal.head().borrow().last;
    while bench.journal.due_drafts(i64::MAX, 9).await.unwrap().len()
        + usize::from(bench.journal.position(POSITION).await < Some(head))
        > 0
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.transcripts().await.len(), 2);
    assert_eq!(bench.metrics.transcripts_total.with_label_values(&["true"]).get(), 1);
    let (lines, next) = listing(&bench.journal, (0, i64::MAX), Some("main"), 0, 10).await.unwrap();
    assert_eq!((lines.len(), next), (1, None));
    assert_eq!((lines[0].complete, lines[0].items, lines[0].revision), (Complete::True, 4, 2));
    assert!(listing(&bench.journal, (0, i64::MAX), Some("other"), 0, 10).await.unwrap().0.is_empty());
    bench.end().await;
}

#[tokio::test]
async fn what_is_erased_is_erased_here_too_and_turned_off_nothing_stays() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::start(&dir, Duration::ZERO).await;
    bench.add(whole()).await;
    bench.nth(1).await;
    let other = Selector::field("data.message.text=\"nobody wrote this\"").unwrap();
    assert_eq!(bench.journal.erasable(&other, &[]).await.unwrap().transcripts, 0);
    for selector in [
        Selector::Interaction("1".to_owned()),
        Selector::Agent("a".to_owned()),
        Selector::field("data.message.text=text 3").unwrap(),
    ] {
        assert_eq!(bench.journal.erasable(&selector, &[]).await.unwrap().transcripts, 1, "{selector:?}");
    }
    bench.journal.erase(&Selector::Agent("a".to_owned()), &[]).await.unwrap();
    assert!(bench.transcripts().await.is_empty(), "a transcript names its agents");
    assert!(bench.journal.due_drafts(i64::MAX, 9).await.unwrap().is_empty());
    // What comes after it begins anew, and is not taken for whole; nor has it an id that was there before.
    bench.add(vec![item("a", 5, "Text", "p1"), super::state("a", "Completed")]).await;
    let second = bench.nth(1).await.remove(0);
    assert_eq!((second.id.as_str(), second.revision), ("main/chat/1/transcript;revision=2", Some(2)));
    let data: TranscriptData = serde_json::from_str(second.data.get()).unwrap();
    assert_eq!((data.complete, data.items.len()), (Complete::False, 1));
    assert!(data.reasons.contains(&Reason::EarlierRemoved), "{:?}", data.reasons);
    super::super::forget(&bench.journal).await.unwrap();
    assert!(listing(&bench.journal, (0, i64::MAX), None, 0, 10).await.unwrap().0.is_empty());
    // Off and on again: a whole log, as its items are sent again, is still not all that there was.
    bench.add(whole()).await;
    let third = bench.nth(2).await.remove(1);
    assert_eq!((third.id.as_str(), third.revision), ("main/chat/1/transcript;revision=3", Some(3)));
    let data: TranscriptData = serde_json::from_str(third.data.get()).unwrap();
    assert_eq!((data.complete, data.reasons), (Complete::Unknown, vec![Reason::EarlierRemoved]));
    let (lines, _) = listing(&bench.journal, (0, i64::MAX), None, 0, 10).await.unwrap();
    assert_eq!((lines[0].revision, lines[0].complete), (3, Complete::Unknown));
    bench.end().await;
}
