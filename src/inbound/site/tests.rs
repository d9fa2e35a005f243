//! Tests of a whole site under paused time: the budget, its queues, pauses, breakers, fail-over.

mod asking;
mod crowds;

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// Settings of a site that is never dialled.
pub fn config() -> SiteConfig {
    SiteConfig {
        base_urls: vec![
            "https://a.example.com".parse().unwrap(),
            "https://b.example.com/gws".parse().unwrap(),
        ],
        max_handshakes: 2,
        ..crate::inbound::settings::testing::site()
    }
}

async fn site_of(config: SiteConfig) -> Arc<Site> {
    Arc::new(Site::new(config).await.unwrap())
}

fn heard(result: Result<u16, FailureKind>) -> Heard {
    Heard { result, took: Some(Duration::from_millis(20)), retry_after: None, held: false }
}

const GONE: Result<u16, FailureKind> = Err(FailureKind::Network);

/// What was let go, in order: kind, number of the one who asked, time since the start.
type Gone = Arc<Mutex<Vec<(usize, usize, Duration)>>>;

fn ask(
    site: &Arc<Site>,
    gone: &Gone,
    start: Instant,
    errand: Errand,
    number: usize,
) -> tokio::task::JoinHandle<()> {
    let (site, gone) = (site.clone(), gone.clone());
    tokio::spawn(async move {
        site.admit(errand).await;
        let kind = KINDS.iter().position(|kind| *kind == errand).unwrap();
        gone.lock().unwrap().push((kind, number, start.elapsed()));
    })
}

const KINDS: [Errand; 4] = [Errand::Login, Errand::Open, Errand::KeepAlive, Errand::Read];

fn within_a_second(times: &[Duration], limit: usize) {
    for pair in times.windows(limit + 1) {
        let (first, last) = (pair[0], pair[limit]);
        assert!(last - first >= SECOND, "{} requests between {first:?} and {last:?}", limit + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_budget_is_never_exceeded_and_nobody_is_forgotten(
        rps in 1u32..40,
        lps in 1u32..20,
        // Kind, milliseconds after the one before, and whether (and when) the one who asks gives up.
        asks in prop::collection::vec((0usize..4, 0u64..400, prop::option::weighted(0.2, 0u64..3_000)), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let site = site_of(SiteConfig { requests_per_second: rps, logins_per_second: lps, ..config() }).await;
            let (gone, start) = (Gone::default(), Instant::now());
            let (mut tasks, mut staying) = (Vec::new(), Vec::new());
            for (number, (kind, after, leaves)) in asks.iter().enumerate() {
                tokio::time::sleep(Duration::from_millis(after / u64::from(rps))).await;
                let task = ask(&site, &gone, start, KINDS[*kind], number);
                // Let it take its place before the next one does.
                tokio::task::yield_now().await;
                match leaves {
                    Some(millis) => {
                        let millis = *millis;
                        tasks.push(tokio::spawn(async move {
                            tokio::time::sleep(Duration::from_millis(millis)).await;
                            task.abort();
                        }));
                    }
                    None => {
                        staying.push(number);
                        tasks.push(task);
                    }
                }
            }
            for task in tasks {
                task.await.unwrap();
            }
            let gone = gone.lock().unwrap();
            let all: Vec<Duration> = gone.iter().map(|(_, _, at)| *at).collect();
            within_a_second(&all, rps as usize);
            let of = |kind: usize| gone.iter().filter(move |(k, _, _)| *k == kind);
            let times = |kind| of(kind).map(|(_, _, at)| *at).collect::<Vec<_>>();
            within_a_second(&times(0), lps as usize);
            within_a_second(&times(3), ((f64::from(rps) * 0.2) as usize).max(1));
            for kind in 0..4 {
                let order: Vec<usize> = of(kind).map(|(_, number, _)| *number).collect();
                assert!(order.is_sorted(), "not first come, first served: {order:?}");
            }
            for number in staying {
                assert!(gone.iter().any(|(_, n, _)| *n == number), "{number} was forgotten");
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn no_turn_is_lost_over_many_requests() {
    let site = site_of(SiteConfig { requests_per_second: 50, ..config() }).await;
    let (gone, start) = (Gone::default(), Instant::now());
    let tasks: Vec<_> = (0..5_000).map(|n| ask(&site, &gone, start, Errand::Open, n)).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = start.elapsed();
    assert!(took > 104 * SECOND && took < 106 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_cost_no_turn() {
    let site = site_of(config()).await;
    let (gone, start) = (Gone::default(), Instant::now());
    let leaving: Vec<_> = (0..1_000).map(|n| ask(&site, &gone, start, Errand::Login, n)).collect();
    tokio::task::yield_now().await;
    let last = ask(&site, &gone, start, Errand::Login, 1_000);
    tokio::task::yield_now().await;
    leaving.iter().for_each(tokio::task::JoinHandle::abort);
    last.await.unwrap();
    assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn readings_yield_and_logins_do_not_starve() {
    let site = site_of(SiteConfig { requests_per_second: 10, logins_per_second: 10, ..config() }).await;
    let (gone, start) = (Gone::default(), Instant::now());
    site.admit(Errand::Open).await;
    let mut tasks = Vec::new();
    for (errand, count) in
        [(Errand::Read, 5), (Errand::Login, 10), (Errand::Open, 60), (Errand::KeepAlive, 2)]
    {
        for n in 0..count {
            tasks.push(ask(&site, &gone, start, errand, n));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let order: Vec<usize> = gone.lock().unwrap().iter().map(|(kind, _, _)| *kind).collect();
    assert_eq!(order[..2], [2, 2], "keep-alives go first: {order:?}");
    assert!(order[72..].iter().all(|kind| *kind == 3), "readings go last: {order:?}");
    let logins = order[..20].iter().filter(|kind| **kind == 0).count();
    assert!((4..=5).contains(&logins), "a fourth of the turns is theirs: {order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_asks_for_a_pause_gets_it_and_another_host_does_not() {
    let site = site_of(config()).await;
    let (a, b) = (site.config.base_urls[0].clone(), site.config.base_urls[1].clone());
    let start = Instant::now();
    let held = Heard { retry_after: Some(20 * SECOND), held: true, ..heard(Ok(429)) };
    site.heard(&a, held);
    site.admit_at(Errand::Open, &b).await;
    assert!(start.elapsed() < SECOND);
    site.admit(Errand::KeepAlive).await;
    assert!(start.elapsed() >= 20 * SECOND && start.elapsed() <= 23 * SECOND, "{:?}", start.elapsed());
    assert_eq!(site.base(), a, "a pause is no reason to go elsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_server_lets_one_try_and_then_all_at_the_pace() {
    let site =
        site_of(SiteConfig { base_urls: vec!["https://a.example.com".parse().unwrap()], ..config() }).await;
    let base = site.base();
    for _ in 0..5_000 {
        site.heard(&base, Heard { held: true, ..heard(GONE) });
    }
    let (gone, start) = (Gone::default(), Instant::now());
    let tasks: Vec<_> = (0..30).map(|n| ask(&site, &gone, start, Errand::Open, n)).collect();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(gone.lock().unwrap().len(), 1, "one tries");
    site.heard(&base, heard(GONE));
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(gone.lock().unwrap().len(), 2, "and one more, later");
    site.heard(&base, heard(Ok(200)));
    for task in tasks {
        task.await.unwrap();
    }
    let times: Vec<Duration> = gone.lock().unwrap().iter().map(|(_, _, at)| *at).collect();
    within_a_second(&times, 15);
    assert!(start.elapsed() < 9 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_try_that_is_never_judged_blocks_nobody_for_ever() {
    let site = site_of(config()).await;
    let b = site.config.base_urls[1].clone();
    for _ in 0..5 {
        site.heard(&b, heard(Ok(502)));
    }
    let start = Instant::now();
    site.admit_at(Errand::Open, &b).await;
    site.admit_at(Errand::Open, &b).await;
    assert!(start.elapsed() >= 20 * SECOND && start.elapsed() < 40 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_people_log_in_first_and_living_sessions_do_not_wait() {
    let site = site_of(config()).await;
    let base = site.base();
    for _ in 0..4 {
        site.heard(&base, heard(GONE));
        tokio::time::sleep(11 * SECOND).await;
    }
    site.heard(&base, heard(Ok(200)));
    let start = Instant::now();
    site.admit(Errand::Open).await;
    assert!(start.elapsed() < SECOND);
    site.admit(Errand::Login).await;
    assert!(start.elapsed() >= 60 * SECOND && start.elapsed() <= 67 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_short_trouble_is_no_outage() {
    let site = site_of(config()).await;
    let base = site.base();
    tokio::time::sleep(100 * SECOND).await;
    for _ in 0..3 {
        site.heard(&base, heard(GONE));
    }
    tokio::time::sleep(5 * SECOND).await;
    site.heard(&base, heard(Ok(200)));
    let start = Instant::now();
    site.admit(Errand::Login).await;
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn logins_give_way_to_an_overloaded_site_and_come_back() {
    let site = site_of(SiteConfig { logins_per_second: 8, ..config() }).await;
    let base = site.base();
    site.heard(&base, heard(Ok(503)));
    let (gone, start) = (Gone::default(), Instant::now());
    let tasks: Vec<_> = (0..400).map(|n| ask(&site, &gone, start, Errand::Login, n)).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let gone = gone.lock().unwrap();
    let between = |from: u64, to: u64| {
        let seconds = Duration::from_secs(from)..Duration::from_secs(to);
        gone.iter().filter(|(_, _, at)| seconds.contains(at)).count()
    };
    assert!((16..=21).contains(&between(0, 5)), "{}", between(0, 5));
    assert!((38..=40).contains(&between(30, 35)), "{}", between(30, 35));
}

#[tokio::test]
async fn handshakes_under_way_are_bounded() {
    let site = site_of(config()).await;
    let first = site.opening().await;
    let _second = site.opening().await;
    let third = tokio::spawn({
        let site = site.clone();
        async move { site.opening().await }
    });
    tokio::task::yield_now().await;
    assert!(!third.is_finished());
    drop(first);
    third.await.unwrap();
}

/// A server that answers each connection once with this.
async fn answering(status: &'static str) -> Url {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/gws", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /gws/api/v2/diagnostics/version HTTP/1.1"));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn new_logins_fail_over_and_return_when_the_first_answers_again() {
    let (sick, well) = (answering("503 Down").await, answering("200 OK").await);
    let third: Url = "https://b.example.com".parse().unwrap();
    let metrics = Metrics::new().unwrap();
    let site = |first: Url| {
        let config = SiteConfig { base_urls: vec![first, third.clone()], ..config() };
        async { Site::new(config).await.unwrap().counted(&metrics) }
    };
    for (first, returns) in [(sick, false), (well, true)] {
        let site = site(first.clone()).await;
        assert_eq!(site.base(), first);
        for _ in 0..5 {
            site.heard(&first.join("/api/v2/me").unwrap(), heard(GONE));
        }
        assert_eq!(site.base(), third);
        assert_eq!(site.gate().to_probe(Instant::now()), [0]);
        site.ask_version(&first).await;
        assert_eq!(site.base() == first, returns);
        assert_eq!(site.gate().to_probe(Instant::now()).is_empty(), returns);
    }
    assert_eq!(metrics.site_failovers_total.with_label_values(&["main"]).get(), 3);
    assert_eq!(metrics.site_breaker_open.with_label_values(&["main"]).get(), 0);
}

#[tokio::test]
async fn where_all_are_gone_nobody_moves_and_the_first_that_answers_is_used() {
    let site = site_of(config()).await;
    let (a, b) = (site.config.base_urls[0].clone(), site.config.base_urls[1].clone());
    for url in [&a, &b] {
        for _ in 0..5 {
            site.heard(url, heard(GONE));
        }
    }
    assert_eq!(site.base(), b, "it is left only for one that answers");
    assert_eq!(site.gate().to_probe(Instant::now()), [0]);
    site.heard(&a, heard(Ok(401)));
    assert_eq!(site.base(), a);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_forgotten_where_many_threads_ask_and_leave() {
    let site = site_of(SiteConfig { requests_per_second: 2_000, logins_per_second: 2_000, ..config() }).await;
    let (gone, start) = (Gone::default(), Instant::now());
    let tasks: Vec<_> = (0..1_500).map(|n| ask(&site, &gone, start, KINDS[n % 3], n)).collect();
    for (n, task) in tasks.into_iter().enumerate() {
        if n % 7 == 0 {
            task.abort();
        } else {
            task.await.unwrap();
        }
    }
}
