//! Tests of a site's accounts under paused time: sessions that log in at a directory which may be out of order.

use super::*;
use crate::inbound::site::tests::config;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

mod pauses;
mod removed;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn secret_of(username: &str, text: &str) -> Credentials {
    Credentials { username: username.into(), password: text.into() }
}

fn no() -> Tried {
    Tried::Refused("HTTP 401".into())
}

/// A process that begins with what the memory keeps.
async fn start(memory: &Memory) -> Arc<Accounts> {
    let clock = Clock::manual(1_000);
    Accounts::load_from(&config(), Store::Memory(memory.clone()), &clock, None).await.unwrap()
}

async fn with_agents(memory: &Memory, count: usize) -> Arc<Accounts> {
    let accounts = start(memory).await;
    for agent in 0..count {
        let agent = agent.to_string();
        assert_eq!(accounts.leave(&agent, &secret_of(&agent, "good")).await, Leave::Go);
        assert_eq!(accounts.tried(&agent, &secret_of(&agent, "good"), Tried::Worked).await, Judged::Fine);
    }
    tokio::time::sleep(MINUTE).await;
    accounts
}

/// All these try at once; what each was told.
async fn refuse_all(accounts: &Arc<Accounts>, agents: std::ops::Range<usize>) -> Vec<Judged> {
    let tasks: Vec<_> = agents
        .map(|agent| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                let agent = agent.to_string();
                assert_eq!(accounts.leave(&agent, &secret_of(&agent, "good")).await, Leave::Go);
                accounts.tried(&agent, &secret_of(&agent, "good"), no()).await
            })
        })
        .collect();
    let mut out = Vec::new();
    for task in tasks {
        out.push(task.await.unwrap());
    }
    out
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_not_tried_again_over_restarts_until_it_changes() {
    let memory = Memory::default();
    let accounts = start(&memory).await;
    assert_eq!(accounts.leave("1", &secret_of("1", "bad")).await, Leave::Go);
    assert_eq!(accounts.tried("1", &secret_of("1", "bad"), no()).await, Judged::Refused("HTTP 401".into()));
    for _ in 0..10 {
        let accounts = start(&memory).await;
        let Leave::Refused(text) = accounts.leave("1", &secret_of("1", "bad")).await else {
            panic!("tried again")
        };
        assert!(text.starts_with("HTTP 401 (refused 1970-01-01T00:00:01.000Z"), "{text}");
        assert!(accounts.refused("1", &secret_of("1", "bad")).is_some());
        assert_eq!(accounts.leave("1", &secret_of("1", "new")).await, Leave::Go);
        assert_eq!(
            accounts.leave("2", &secret_of("2", "bad")).await,
            Leave::Go,
            "it is marked for its agent only"
        );
    }
    let accounts = start(&memory).await;
    accounts.tried("1", &secret_of("1", "new"), Tried::Worked).await;
    let accounts = start(&memory).await;
    assert!(accounts.worked("1", &secret_of("1", "new")) && !accounts.worked("1", &secret_of("1", "bad")));
    assert_eq!(accounts.state().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_ask_for_one_more_try() {
    let memory = Memory::default();
    let accounts = start(&memory).await;
    accounts.tried("1", &secret_of("1", "bad"), no()).await;
    let waiting = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.pardoned("1").await }
    });
    tokio::task::yield_now().await;
    assert!(!accounts.forgive("2").await.unwrap());
    assert_eq!(accounts.forgive_all().await.unwrap(), 1);
    assert!(!accounts.forgive("1").await.unwrap());
    waiting.await.unwrap();
    assert_eq!(accounts.leave("1", &secret_of("1", "bad")).await, Leave::Go);
    accounts.tried("1", &secret_of("1", "bad"), no()).await;
    let again = tokio::time::timeout(MINUTE, accounts.pardoned("1")).await;
    assert!(again.is_err(), "a pardon is for one try");
    assert_eq!(start(&memory).await.all_refused(), [("1".to_owned(), "HTTP 401".to_owned(), 1_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_worked_is_marked_after_a_moment_and_even_if_its_session_stops_meanwhile() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 5).await;
    let began = Instant::now();
    assert_eq!(refuse_all(&accounts, 0..1).await, [Judged::Refused("HTTP 401".into())]);
    assert_eq!(began.elapsed(), SUSPENSE);
    let stopped = tokio::time::timeout(SECOND, accounts.tried("1", &secret_of("1", "good"), no())).await;
    assert!(stopped.is_err());
    assert!(matches!(start(&memory).await.leave("1", &secret_of("1", "good")).await, Leave::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn many_refused_together_are_a_fault_of_the_site_and_nobody_is_marked() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 10).await;
    assert_eq!(refuse_all(&accounts, 0..3).await, vec![Judged::SiteFault; 3]);
    assert!(accounts.state().directory_fault);
    assert_eq!(accounts.tried("9", &secret_of("9", "never worked"), no()).await, Judged::SiteFault);
    assert_eq!(accounts.state().refused, 0);
    // Two wait; one of them is sent out, and is refused; then the other.
    let waiting: Vec<_> = [7, 8]
        .map(|agent: usize| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                (agent, accounts.leave(&agent.to_string(), &secret_of(&agent.to_string(), "good")).await)
            })
        })
        .into();
    tokio::time::sleep(2 * SECOND).await;
    let canary = accounts.state().canary.unwrap();
    assert_eq!(waiting.iter().filter(|task| task.is_finished()).count(), 1);
    assert_eq!(accounts.tried(&canary, &secret_of(&canary, "good"), no()).await, Judged::SiteFault);
    tokio::time::sleep(3 * SECOND).await;
    let second = accounts.state().canary.unwrap();
    assert_ne!(canary, second);
    let third = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.leave("0", &secret_of("0", "good")).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(accounts.tried(&second, &secret_of(&second, "good"), Tried::Worked).await, Judged::Fine);
    assert_eq!(third.await.unwrap(), Leave::Go);
    assert!(!accounts.state().directory_fault && accounts.state().refused == 0);
    assert_eq!(start(&memory).await.state().refused, 0, "the marks are taken back on disk too");
}

#[tokio::test(start_paused = true)]
async fn on_a_small_site_all_must_fail_and_one_alone_can_tell_nothing() {
    let accounts = with_agents(&Memory::default(), 2).await;
    assert_eq!(refuse_all(&accounts, 0..2).await, vec![Judged::SiteFault; 2]);
    let accounts = with_agents(&Memory::default(), 1).await;
    assert_eq!(refuse_all(&accounts, 0..1).await, [Judged::Refused("HTTP 401".into())]);
    let accounts = with_agents(&Memory::default(), 3).await;
    assert_eq!(refuse_all(&accounts, 0..2).await, vec![Judged::Refused("HTTP 401".into()); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_few_among_many_that_work_are_no_fault() {
    let accounts = with_agents(&Memory::default(), 100).await;
    for agent in 10..30 {
        accounts.tried(&agent.to_string(), &secret_of(&agent.to_string(), "good"), Tried::Worked).await;
    }
    assert_eq!(refuse_all(&accounts, 0..4).await, vec![Judged::Refused("HTTP 401".into()); 4]);
    assert_eq!(accounts.state().refused, 4);
}

#[tokio::test(start_paused = true)]
async fn who_was_marked_just_before_the_fault_was_seen_is_let_off() {
    let accounts = with_agents(&Memory::default(), 10).await;
    assert_eq!(refuse_all(&accounts, 0..1).await, [Judged::Refused("HTTP 401".into())]);
    let pardoned = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.pardoned("0").await }
    });
    assert_eq!(refuse_all(&accounts, 1..3).await, vec![Judged::SiteFault; 2]);
    pardoned.await.unwrap();
    assert_eq!(accounts.state().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn a_demand_for_a_new_password_makes_a_secret_stale_without_another_try() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 3).await;
    let stale = Tried::Stale("statusCode 8".into());
    assert_eq!(
        accounts.tried("0", &secret_of("0", "good"), stale).await,
        Judged::Refused("statusCode 8".into())
    );
    accounts.password_changed("1").await;
    accounts.password_changed("unknown").await;
    let accounts = start(&memory).await;
    for agent in ["0", "1"] {
        assert!(matches!(accounts.leave(agent, &secret_of(agent, "good")).await, Leave::Refused(_)));
        assert_eq!(accounts.leave(agent, &secret_of(agent, "new")).await, Leave::Go);
    }
}

#[tokio::test(start_paused = true)]
async fn agents_thrown_out_by_us_stop_all_logins_until_an_operator_resumes() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 5).await;
    accounts.logged_out("0").await;
    for agent in ["0", "1", "2", "3"] {
        assert!(accounts.state().paused.is_none());
        accounts.touched(agent);
        accounts.logged_out(agent).await;
    }
    let accounts = start(&memory).await;
    let (by, reason, since) = accounts.state().paused.unwrap();
    assert_eq!((by, since), (By::Disturbed, 1_000));
    assert!(reason.starts_with("4 agents"), "{reason}");
    let waiting = tokio::time::timeout(60 * MINUTE, accounts.leave("4", &secret_of("4", "good"))).await;
    assert!(waiting.is_err());
    assert!(accounts.resume().await.unwrap());
    assert_eq!(accounts.leave("4", &secret_of("4", "good")).await, Leave::Go);
    assert!(start(&memory).await.state().paused.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_restart_amid_an_outage_tries_one_agent_and_a_canary_that_is_lost_is_replaced() {
    let memory = Memory::default();
    let accounts = with_agents(&memory, 10).await;
    refuse_all(&accounts, 0..3).await;
    let accounts = start(&memory).await;
    let (gone, tasks) = waiting(&accounts, 10);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(gone.lock().unwrap().len(), 1);
    tokio::time::sleep(2 * MINUTE).await;
    let seen: BTreeSet<usize> = gone.lock().unwrap().iter().copied().collect();
    assert!(seen.len() >= 2, "nobody took the lost one's place");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

type Gone = Arc<Mutex<Vec<usize>>>;

fn waiting(accounts: &Arc<Accounts>, count: usize) -> (Gone, Vec<tokio::task::JoinHandle<()>>) {
    let gone = Gone::default();
    let task = |agent: usize| {
        let (accounts, gone) = (accounts.clone(), gone.clone());
        tokio::spawn(async move {
            accounts.leave(&agent.to_string(), &secret_of(&agent.to_string(), "good")).await;
            gone.lock().unwrap().push(agent);
        })
    };
    let tasks = (0..count).map(task).collect();
    (gone, tasks)
}

/// A directory, and what was tried at it: agent, when, and whether it was let in.
#[derive(Default)]
struct World {
    down: std::sync::atomic::AtomicBool,
    tries: Mutex<Vec<(String, Instant, bool)>>,
    within: Mutex<BTreeSet<String>>,
}

/// One session's way in, as often as it takes; ends when it is in, or never if it stays refused.
async fn way_in(
    world: Arc<World>,
    accounts: Arc<Accounts>,
    site: Arc<Site>,
    agent: String,
    wrong: bool,
    late: u64,
) {
    tokio::time::sleep(Duration::from_millis(late)).await;
    let secret = secret_of(&agent, if wrong { "wrong" } else { "good" });
    loop {
        if let Leave::Refused(_) = accounts.enter(&site, None, &agent, &secret).await {
            accounts.pardoned(&agent).await;
            continue;
        }
        let lets_in = !wrong && !world.down.load(std::sync::atomic::Ordering::SeqCst);
        world.tries.lock().unwrap().push((agent.clone(), Instant::now(), lets_in));
        tokio::time::sleep(Duration::from_millis(150)).await;
        let came = if lets_in { Tried::Worked } else { no() };
        match accounts.tried(&agent, &secret, came).await {
            Judged::Fine => break,
            Judged::Refused(_) => accounts.pardoned(&agent).await,
            Judged::SiteFault => tokio::time::sleep(SECOND).await,
        }
    }
    world.within.lock().unwrap().insert(agent);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn an_outage_of_the_directory_costs_nobody_the_account_and_all_come_back(
        good in 3usize..60,
        wrong in 0usize..3,
        minutes in 1u64..90,
        late in prop::collection::vec(0u64..8_000, 63),
        restart in any::<bool>(),
    ) {
        outage(good, wrong, minutes, &late, restart);
    }
}

#[test]
fn a_secret_that_never_worked_is_not_probed_with_while_others_wait() {
    // Half an hour is long enough for every one of so few to have been a canary.
    for _ in 0..20 {
        outage(5, 2, 30, &[0; 63], false);
    }
}

/// All try during an outage, which then ends; nobody may lose an account by it.
fn outage(good: usize, wrong: usize, minutes: u64, late: &[u64], restart: bool) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let memory = Memory::default();
        let mut accounts = with_agents(&memory, good + wrong).await;
        let site = Arc::new(Site::new(config()).await.unwrap());
        let world = Arc::new(World::default());
        world.down.store(true, std::sync::atomic::Ordering::SeqCst);
        let begin = |accounts: &Arc<Accounts>| -> Vec<_> {
            (0..good + wrong)
                .map(|n| {
                    let (world, accounts, site) = (world.clone(), accounts.clone(), site.clone());
                    tokio::spawn(way_in(world, accounts, site, n.to_string(), n >= good, late[n]))
                })
                .collect()
        };
        let mut tasks = begin(&accounts);
        tokio::time::sleep(MINUTE).await;
        assert!(accounts.state().directory_fault);
        if restart {
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            accounts = start(&memory).await;
            tasks = begin(&accounts);
        }
        tokio::time::sleep(MINUTE * u32::try_from(minutes).unwrap()).await;
        let over = Instant::now();
        world.down.store(false, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(15 * MINUTE).await;
        let within = world.within.lock().unwrap().len();
        assert_eq!(within, good, "not all came back");
        check_tries(&world.tries.lock().unwrap(), over, good, restart);
        assert_eq!(accounts.state().refused, wrong);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        // A wrong one is tried no more, however often the service starts.
        for _ in 0..3 {
            let later = start(&memory).await;
            for agent in good..good + wrong {
                let left = later.leave(&agent.to_string(), &secret_of(&agent.to_string(), "wrong")).await;
                assert!(matches!(left, Leave::Refused(_)));
            }
        }
    });
}

fn check_tries(tries: &[(String, Instant, bool)], over: Instant, good: usize, restart: bool) {
    let mut by_agent: BTreeMap<&str, Vec<Instant>> = BTreeMap::new();
    for (agent, at, _) in tries.iter().filter(|(_, _, lets_in)| !lets_in) {
        by_agent.entry(agent).or_default().push(*at);
    }
    for (agent, refused) in by_agent {
        let in_outage: Vec<Instant> = refused.iter().copied().filter(|at| *at < over).collect();
        let wrong = agent.parse::<usize>().unwrap() >= good;
        // Who was tried before a restart is not known to have been: one try more.
        let skip = usize::from(restart);
        for pair in in_outage.get(skip..).unwrap_or_default().windows(2) {
            assert!(pair[1] - pair[0] >= 10 * MINUTE, "{agent}: {in_outage:?}");
        }
        assert!(
            refused.len() - in_outage.len() <= usize::from(wrong),
            "{agent} was refused after the outage"
        );
    }
    // Where there are agents enough, none is tried twice within half an hour.
    let probes = tries.iter().filter(|(_, at, _)| *at < over).count();
    if good > 40 && !restart {
        let agents: BTreeSet<&str> =
            tries.iter().filter(|(_, at, _)| *at < over).map(|(a, _, _)| a.as_str()).collect();
        assert_eq!(agents.len(), probes, "somebody was tried twice in one outage");
    }
}
