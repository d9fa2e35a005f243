//! What waits to be read, and what ends it.

use super::*;
use crate::base::health::Health;
use crate::base::metrics::Metrics;
use crate::base::time::Clock;
use crate::inbound::accounts::Accounts;
use crate::inbound::checkpoint::{MAX_UNREAD, Past};
use crate::inbound::dedup;
use crate::inbound::fleet::View;
use crate::inbound::quarantine::Quarantine;
use crate::inbound::roster::Agent;
use crate::inbound::session::transport::Pin;
use crate::inbound::settings::{SiteConfig, testing};
use crate::inbound::site::Site;
use crate::journal::{Config, Journal};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn gap(id: &str) -> Occasion {
    let (session, cause, certainty) = ("main/1".to_owned(), "restart".to_owned(), "certain".to_owned());
    let gap =
        Gap { id: id.to_owned(), session, from: None, opened: 1, to: Some(2), cause, certainty, first: 0 };
    Occasion::Continued { gap, before: Vec::new() }
}

fn hole() -> Occasion {
    hole_of("c")
}

fn hole_of(interaction: &str) -> Occasion {
    Occasion::Hole(Hole { medium: "chat".into(), interaction: interaction.to_owned(), from: 2, to: 3 })
}

const FIRST: Occasion = Occasion::NewSession { gap: None, before: Vec::new() };
const ROUTINE: Occasion = Occasion::Routine { since: 0, heard: None };

fn upkeep(wanted: Vec<Occasion>, reading: Option<Occasion>) -> Upkeep {
    let now = Instant::now();
    let mut upkeep = Upkeep {
        on: true,
        hears: true,
        running: reading
            .is_some()
            .then(|| -> BoxFuture<'static, Finding> { Box::pin(std::future::pending()) }),
        reading: reading.map(Wanted::new),
        queue: Queue::default(),
        telling: None,
        keep_alive_at: now,
        keeping: None,
        routine_at: None,
        since: 0,
        heard: None,
        presence: Arc::default(),
    };
    wanted.into_iter().for_each(|occasion| upkeep.want(occasion));
    upkeep
}

fn queue(upkeep: &Upkeep) -> Vec<String> {
    let word = |wanted: &Wanted| match &wanted.occasion {
        Occasion::Hole(_) => "hole".to_owned(),
        Occasion::Routine { .. } => "routine".to_owned(),
        _ => wanted.gap().map_or("first".to_owned(), |(gap, _)| gap.id.clone()),
    };
    upkeep.queue.wanted.iter().map(word).collect()
}

#[tokio::test]
async fn gaps_are_read_in_their_order_and_before_holes() {
    let upkeep = upkeep(vec![hole(), gap("one"), hole(), gap("two")], None);
    assert_eq!(queue(&upkeep), ["one", "two", "hole", "hole"]);
}

#[tokio::test]
async fn a_new_session_keeps_what_older_ones_left_but_its_own_first_reading() {
    let mut upkeep = upkeep(vec![gap("one"), hole(), FIRST], Some(gap("two")));
    assert!(upkeep.unseen());
    upkeep.pause();
    upkeep.begin(5);
    assert_eq!(queue(&upkeep), ["one", "two", "hole"]);
    assert_eq!(upkeep.unread().count(), 2);
    assert!(!upkeep.unseen() && upkeep.running.is_none());
}

#[tokio::test]
async fn holes_stay_to_be_read_until_they_were_and_the_oldest_comes_first() {
    let mut upkeep = upkeep(vec![gap("one"), hole_of("b"), hole_of("c")], Some(hole_of("a")));
    let names = |upkeep: &Upkeep| upkeep.holes().map(|hole| hole.interaction.clone()).collect::<Vec<_>>();
    assert_eq!(names(&upkeep), ["a", "b", "c"]);
    upkeep.pause();
    upkeep.begin(5);
    assert_eq!(names(&upkeep), ["b", "c", "a"], "what was cut off is wanted still");
    assert_eq!((upkeep.unread().count(), upkeep.unseen()), (1, false));
}

#[tokio::test]
async fn a_comparison_ends_with_the_poll_that_it_leans_on_and_a_repair_does_not() {
    let mut comparing = upkeep(vec![], Some(ROUTINE));
    comparing.hears(true);
    assert!(comparing.running.is_some());
    comparing.hears(false);
    assert!(comparing.running.is_none() && comparing.reading.is_none());
    let mut repairing = upkeep(vec![], Some(gap("one")));
    repairing.hears(false);
    assert!(repairing.running.is_some());
    let mut pausing = upkeep(vec![], Some(ROUTINE));
    pausing.pause();
    assert!(queue(&pausing).is_empty(), "it comes again by itself");
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_hole_is_let_go_then_the_oldest_gap_and_both_stay_to_be_told() {
    let holes = (0..wanted::MAX_WANTED).map(|number| hole_of(&number.to_string()));
    let mut upkeep = upkeep(holes.collect(), None);
    upkeep.want(gap("one"));
    assert_eq!(upkeep.queue.lost_holes().map(|hole| hole.interaction.as_str()).collect::<Vec<_>>(), ["0"]);
    for number in 2..=MAX_UNREAD + 1 {
        upkeep.want(gap(&number.to_string()));
    }
    let lost = upkeep.queue.lost_holes().count();
    assert_eq!(upkeep.queue.lost_gaps().map(|(gap, _)| gap.id.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(upkeep.queue.wanted.len(), wanted::MAX_WANTED - 1);
    let kept = (upkeep.holes().count(), upkeep.unread().count());
    assert_eq!(kept, (wanted::MAX_WANTED, MAX_UNREAD + 1), "the checkpoint has what is not told yet");
    upkeep.told(1);
    assert_eq!((upkeep.queue.lost.len(), upkeep.holes().count()), (lost, wanted::MAX_WANTED - 1));
}

/// A session of a site that nobody answers for.
struct Bench {
    session: Session,
    transport: Arc<Transport>,
    _folder: TempDir,
    _paused: watch::Sender<bool>,
}

impl Bench {
    async fn new() -> Bench {
        let config = SiteConfig { base_urls: vec!["http://127.0.0.1:1".parse().unwrap()], ..testing::site() };
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let hour = Duration::from_secs(3600);
        let on_disk = Config {
            state_dir: folder.path().into(),
            keep_delivered: hour,
            dedup_window: hour,
            reserve_bytes: 1 << 16,
            keep_gaps: hour,
            keep_drafts: hour,
            keep_dead_letters: hour,
            max_dead_letters: 10,
            accept_shortened: false,
        };
        let (clock, metrics, health) = (Clock::manual(1_000_000), Metrics::new().unwrap(), Health::default());
        let journal = Journal::open(on_disk, clock.clone(), metrics.clone(), health.clone()).unwrap().0;
        let (paused, is_paused) = watch::channel(false);
        let (intake, _) = dedup::start(
            &journal,
            clock.clone(),
            metrics.clone(),
            health,
            is_paused,
            dedup::Contexts::none(),
        )
        .unwrap();
        let site = Arc::new(Site::new(config.clone()).await.unwrap());
        let (key, username) = ("1".to_owned(), "ann".to_owned());
        let session = Session {
            accounts: Accounts::load(&config, &journal, &clock, &metrics).await.unwrap(),
            agent: Agent { key, username, password: None, group: None, base_url: None },
            intake,
            view: Arc::new(View::new(&Arc::from("main"), metrics.clone(), clock.clone())),
            journal,
            clock,
            metrics,
            past: Box::new(Past::default()),
            sealer: None,
            quarantine: Arc::new(Quarantine::of(folder.path())),
            leave: CancellationToken::new(),
            site: site.clone(),
        };
        let transport = Arc::new(Transport::new(site, Pin::default()));
        Bench { session, transport, _folder: folder, _paused: paused }
    }

    async fn next(&self, upkeep: &mut Upkeep) -> Event {
        upkeep.next(&self.session, &self.transport, 1).await
    }

    /// The words of all gaps under conversations in the journal: id and cause.
    async fn gaps(&self) -> Vec<(String, String)> {
        let read = self.session.journal.read(0, 1_000, 1 << 24).await.unwrap();
        let gaps = read.events.into_iter().map(|row| row.event).filter(|event| event.event == "gap");
        let told = gaps.map(|event| {
            let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
            assert_eq!((&data["phase"], &data["recovered"]), (&"closed".into(), &"no".into()));
            (event.subject.clone(), data["cause"].as_str().unwrap().to_owned())
        });
        told.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_keep_alive_is_sent_in_its_time_however_long_a_reading_waits_for_its_turns() {
    let bench = Bench::new().await;
    let keep_alive = bench.session.site.config.keep_alive;
    let mut upkeep = upkeep(vec![gap("two")], Some(gap("one")));
    upkeep.keep_alive_at = Instant::now() + jittered(keep_alive);
    let kept = bench.session.metrics.session_keepalives_total.with_label_values(&["main", "failed"]);
    let start = Instant::now();
    for times in 1..=3 {
        while kept.get() < times {
            let left = (keep_alive + Duration::from_secs(60)) * 3 - start.elapsed();
            tokio::time::timeout(left, bench.next(&mut upkeep)).await.unwrap();
        }
        assert!(upkeep.running.is_some() && upkeep.keeping.is_none());
    }
    assert_eq!((queue(&upkeep), upkeep.unread().count()), (vec!["two".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn no_login_means_no_keep_alive() {
    let bench = Bench::new().await;
    let mut upkeep = upkeep(vec![], Some(gap("one")));
    upkeep.keeping = Some(Box::pin(std::future::pending()));
    upkeep.pause();
    assert!(upkeep.keeping.is_none());
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, bench.next(&mut upkeep)).await.is_err());
    assert!(upkeep.keeping.is_none() && upkeep.running.is_none());
}

#[tokio::test]
async fn a_hole_that_failed_too_often_is_told_without_a_login_and_a_gap_is_tried_for_ever() {
    let bench = Bench::new().await;
    let mut upkeep = upkeep(vec![], Some(hole_of("c")));
    let unread = Finding::Unread("HTTP 503".into());
    for tries in 1..=MAX_TRIES {
        assert_eq!((upkeep.holes().count(), upkeep.queue.lost.len()), (1, 0), "{tries}");
        upkeep.found(&bench.session, &unread);
        upkeep.reading = upkeep.queue.wanted.pop_front();
        assert!(upkeep.reading.as_ref().is_none_or(|wanted| wanted.after > Instant::now()));
    }
    assert_eq!((upkeep.holes().count(), upkeep.queue.lost.len()), (1, 1));
    upkeep.pause();
    bench.next(&mut upkeep).await;
    assert_eq!((upkeep.holes().count(), upkeep.queue.lost.len()), (0, 0));
    assert_eq!(bench.gaps().await, [("chat/c".to_owned(), "hole".to_owned())]);
    upkeep.reading = Some(Wanted::new(gap("one")));
    for _ in 0..=MAX_TRIES {
        upkeep.found(&bench.session, &unread);
        upkeep.reading = upkeep.queue.wanted.pop_front();
    }
    assert!(upkeep.reading.is_some());
}

#[tokio::test]
async fn what_an_earlier_process_left_beyond_the_limit_is_told_before_any_login() {
    let mut bench = Bench::new().await;
    let holes = (0..=wanted::MAX_WANTED).map(|number| hole_of(&format!("{number:02}")));
    let holes = holes.filter_map(|occasion| Wanted::new(occasion).hole().cloned());
    bench.session.past.holes = holes.collect();
    let mut upkeep = Upkeep::new(&bench.session);
    assert_eq!((upkeep.queue.wanted.len(), upkeep.holes().count()), (64, 65));
    bench.next(&mut upkeep).await;
    assert_eq!(bench.gaps().await, [("chat/00".to_owned(), "hole".to_owned())]);
    assert_eq!((upkeep.queue.wanted.len(), upkeep.holes().count()), (64, 64));
    let counted = &bench.session.metrics.interaction_gaps_total;
    assert_eq!(counted.with_label_values(&["main", "no"]).get(), 1);
}
