//! Thousands of sessions ask whether they live: within the budget where they are gone, within the window where not.

use super::*;

/// How the server answers a poll: after so long, and whether its session lives.
#[derive(Clone, Copy)]
struct Server {
    lag: Duration,
    lives: fn(usize) -> bool,
}

/// What a poll of ours asks for.
const HOLD: Duration = SECOND;

/// So many ask at once. When each was answered that was not held, and when the last one was told that it lives.
async fn all_ask(site: &Arc<Site>, server: Server, sessions: usize) -> (Vec<Duration>, Duration) {
    let (start, told) = (Instant::now(), Arc::new(Mutex::new((Vec::new(), Duration::ZERO))));
    let tasks: Vec<_> = (0..sessions)
        .map(|number| {
            let (site, told) = (site.clone(), told.clone());
            tokio::spawn(async move {
                let base = site.base();
                let lives = (server.lives)(number);
                let mut turn = Some(site.admit_at(Errand::Poll, &base).await);
                let takes = if lives { HOLD } else { Duration::ZERO };
                site.asking(&base, &mut turn, tokio::time::sleep(server.lag + takes)).await;
                let mut told = told.lock().unwrap();
                match lives {
                    true => told.1 = start.elapsed(),
                    false => told.0.push(start.elapsed()),
                }
                site.answered(&base, turn, if lives { Answered::Held } else { Answered::InVain });
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let told = told.lock().unwrap();
    (told.0.clone(), told.1)
}

async fn of_fifteen() -> Arc<Site> {
    site_of(SiteConfig { requests_per_second: 15, logins_per_second: 5, ..config() }).await
}

const NEAR: Duration = Duration::from_millis(20);
const FAR: Duration = Duration::from_millis(900);

#[tokio::test(start_paused = true)]
async fn where_a_server_has_lost_all_sessions_the_budget_holds_however_slow_it_is() {
    for lag in [NEAR, FAR] {
        let site = of_fifteen().await;
        let (gone, _) = all_ask(&site, Server { lag, lives: |_| false }, 600).await;
        within_a_second(&gone, 15);
        assert!(gone.iter().max().unwrap() < &(45 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn five_thousand_living_sessions_are_resumed_within_a_minute_of_fifteen_requests_a_second() {
    for lag in [NEAR, FAR] {
        let site = of_fifteen().await;
        let (_, last) = all_ask(&site, Server { lag, lives: |_| true }, 5_000).await;
        assert!(last < 35 * SECOND, "{last:?}");
        assert!(last > 25 * SECOND, "no more than 200 connections a second: {last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_some_are_gone_the_budget_holds_and_the_others_do_not_wait_for_all_of_them() {
    for lives in [|number| number % 10 != 0, |number| number % 2 == 0, |number| number % 100 != 99] {
        let site = of_fifteen().await;
        let (gone, last) = all_ask(&site, Server { lag: NEAR, lives }, 1_500).await;
        within_a_second(&gone, 15);
        assert!(last < 110 * SECOND, "{last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_waits_for_a_pause_and_for_the_breaker() {
    let site = of_fifteen().await;
    let base = site.base();
    let start = Instant::now();
    site.heard(&base, Heard { retry_after: Some(20 * SECOND), ..heard(Ok(503)) });
    site.admit_at(Errand::Poll, &base).await;
    assert!(start.elapsed() >= 20 * SECOND, "{:?}", start.elapsed());
    for _ in 0..5 {
        site.heard(&base, Heard { took: None, ..heard(GONE) });
    }
    let asks = tokio::spawn({
        let (site, base) = (site.clone(), base.clone());
        async move { site.admit_at(Errand::Poll, &base).await }
    });
    tokio::time::sleep(SECOND / 2).await;
    assert!(!asks.is_finished());
    asks.await.unwrap();
}

/// Who knows that its session is gone comes back first, then the others are asked; none of them is forgotten.
#[tokio::test(start_paused = true)]
async fn where_one_has_asked_in_vain_those_who_log_in_go_first_and_where_not_they_go_last() {
    for (answered, first) in [(Answered::InVain, Errand::Open), (Answered::Held, Errand::Poll)] {
        let site = of_fifteen().await;
        let base = site.base();
        let turn = site.admit_at(Errand::Poll, &base).await;
        site.answered(&base, Some(turn), answered);
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [Errand::Poll, Errand::Open]
            .into_iter()
            .flat_map(|errand| std::iter::repeat_n(errand, 30))
            .map(|errand| {
                let (site, base, order) = (site.clone(), base.clone(), order.clone());
                tokio::spawn(async move {
                    site.admit_at(errand, &base).await;
                    order.lock().unwrap().push(errand);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap();
        let early = order[..20].iter().filter(|errand| **errand == first).count();
        assert!((14..=16).contains(&early), "{answered:?}: three of four turns: {order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_answered_in_vain_without_a_turn_is_owed() {
    let site = of_fifteen().await;
    let base = site.base();
    let start = Instant::now();
    for _ in 0..45 {
        site.answered(&base, None, Answered::InVain);
    }
    site.admit(Errand::Login).await;
    assert!(start.elapsed() >= 3 * SECOND, "{:?}", start.elapsed());
}
