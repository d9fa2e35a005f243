//! Many at once: who waits for whom, and when a poll takes the place of a turn.

use super::*;

/// A restart of the server: all ask whether they live, and those who know that they do not want to log in.
#[tokio::test(start_paused = true)]
async fn logins_do_not_wait_for_thousands_who_asked_before() {
    let site = site_of(SiteConfig { requests_per_second: 500, logins_per_second: 50, ..config() }).await;
    let (gone, start) = (Gone::default(), Instant::now());
    let asking: Vec<_> = (0..3_000).map(|n| ask(&site, &gone, start, Errand::Open, n)).collect();
    let logins: Vec<_> = (0..250).map(|n| ask(&site, &gone, start, Errand::Login, n)).collect();
    for task in asking.into_iter().chain(logins) {
        task.await.unwrap();
    }
    let of = |kind: usize| {
        let gone = gone.lock().unwrap();
        gone.iter().filter(|(k, _, _)| *k == kind).map(|(_, _, at)| *at).max().unwrap()
    };
    assert!(of(0) < 6 * SECOND, "250 logins at 50 a second took {:?}", of(0));
    assert!(of(1) < 8 * SECOND, "and the others {:?}", of(1));
}

#[tokio::test(start_paused = true)]
async fn a_site_is_crowded_where_its_budget_is_spent() {
    let site = site_of(SiteConfig { requests_per_second: 1, logins_per_second: 1, ..config() }).await;
    tokio::time::advance(2 * SECOND).await;
    assert!(!site.crowded());
    site.admit(Errand::Open).await;
    assert!(site.crowded());
}

#[tokio::test(start_paused = true)]
async fn who_stands_on_a_host_that_is_gone_is_sent_to_the_one_in_use() {
    let site = site_of(config()).await;
    let (a, b) = (site.config.base_urls[0].clone(), site.config.base_urls[1].clone());
    for url in [&a, &b] {
        assert!(site.admit_standing(Errand::Open, url).await.is_some());
    }
    for _ in 0..5 {
        site.heard(&a, heard(GONE));
    }
    assert!(site.admit_standing(Errand::Open, &a).await.is_none(), "all are at another host");
    assert!(site.admit_standing(Errand::Open, &b).await.is_some());
}

/// Else every session that opens beside others would ask by a poll that is held for a second.
#[tokio::test(start_paused = true)]
async fn a_short_wait_and_those_who_wait_for_their_own_pace_make_no_crowd() {
    let site = site_of(SiteConfig { requests_per_second: 100, logins_per_second: 1, ..config() }).await;
    let (gone, start) = (Gone::default(), Instant::now());
    let some = |errand, count| (0..count).map(|n| ask(&site, &gone, start, errand, n)).collect::<Vec<_>>();
    let mut asking = some(Errand::Read, 80);
    asking.extend(some(Errand::Login, 80));
    asking.extend(some(Errand::Open, 20));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!site.crowded());
    asking.extend(some(Errand::Open, 60));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(site.crowded());
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}

/// After a restart with a wrong password for the proxy each of them would be one more login that it refuses.
#[tokio::test(start_paused = true)]
async fn sessions_of_an_earlier_process_leave_a_proxy_alone_that_refuses_us() {
    let site = site_of(config()).await;
    let (base, start) = (site.base(), Instant::now());
    for _ in 0..2 {
        site.heard(&base, heard(Err(FailureKind::ProxyRefused)));
    }
    site.admit_at(Errand::Poll, &base).await;
    assert!(start.elapsed() >= site.config.max_backoff, "{:?}", start.elapsed());
    // What it lets through ends that for all.
    site.heard(&base, heard(Ok(200)));
    let again = Instant::now();
    site.admit_at(Errand::Poll, &base).await;
    assert!(again.elapsed() < SECOND);
}
