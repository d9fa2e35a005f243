//! A busy day with every fault the simulator knows, and an oracle beside it: what the bridge published against the
//! simulator's truth, once with the ack extension and once without.
//!
//! `scenario` makes the day, `oracle` asks the simulator for the truth, `received` reads what came downstream, `judge`
//! compares with the help of the others: `states` and `ended` what came, `gaps`, `closing` and `recovered` what was said
//! of the rest. `transcripts` is a day of its own. `COMETBRIDGE_SEED` chooses the day; `COMETBRIDGE_CAMPAIGN` its full size.

mod closing;
mod ended;
mod gaps;
mod judge;
mod oracle;
mod received;
mod recovered;
mod scenario;
mod states;
mod transcripts;

use crate::fleet::stage::campaign;
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use judge::Judge;
use oracle::{Oracle, Truth};
use received::Received;
use scenario::Size;
use std::time::Duration;

/// How long the day's end and its repair may take.
const REPAIR: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_day_of_faults_with_ack_loses_nothing_unsaid() {
    day(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_day_of_faults_without_ack_loses_nothing_unsaid() {
    day(false).await;
}

/// `COMETBRIDGE_SEED`; else another one for each campaign, and the same for each run of the tests.
fn seed() -> u64 {
    let given = std::env::var("COMETBRIDGE_SEED")
        .ok()
        .map(|text| text.parse().expect("COMETBRIDGE_SEED is a number"));
    given.unwrap_or_else(|| if campaign() { fastrand::u64(1..1_000_000) } else { 20_261_130 })
}

/// An agent that logs in alone while the directory refuses everybody counts as refused, as nobody else shows that
/// the fault is the site's. It is for the operator to ask for another try; here as everywhere.
async fn pardon(home: &Home, daemon: &Daemon) {
    let refused = daemon.metric("cometbridge_accounts_refused").await;
    if refused > 0.0 {
        println!("  {refused} agents were refused alone, and are pardoned");
        let (code, _, said) = Daemon::asked(home, &["retry", "--site", "main", "--all"]).await;
        assert_eq!(code, 0, "{said}");
    }
}

async fn day(ack: bool) {
    let (size, seed) = (Size::chosen(), seed());
    println!("campaign: ack {ack}, COMETBRIDGE_SEED={seed}, {} agents", size.agents);
    let mut home = Home::new();
    home.token = Some(scenario::TOKEN);
    let oracle = Oracle::start(&home, &scenario::text(&size, seed, ack));
    home.write("cometbridge.toml", &scenario::config(&home, &oracle.url, &size));
    let mut daemon = home.start_with(&[]);
    // The simulator begins the day, and its faults, when everybody is subscribed: from then on some are always away.
    eventually("enough faults have struck and the day is over", size.limit(), || async {
        oracle.day_over().await.then_some(())
    })
    .await;
    oracle.rest().await;
    pardon(&home, &daemon).await;
    daemon.connected(size.agents).await;
    let truth = oracle.truth().await;
    let unsettled = settled(&home, &daemon, &truth).await;
    let truth = oracle.truth().await;
    let bridge_said = home.log();
    let _ = daemon.stop().await;
    let received = Received::parse(&home.stdout_of_each().concat());
    let judge = Judge::new(&truth, &received, ack);
    let mut found = judge.verdict();
    found.extend(unsettled);
    println!("{}", judge.summary());
    judge.wide().iter().take(10).for_each(|wide| println!("  {wide}"));
    if truth.struck < size.faults {
        found.push(format!("only {} faults struck: want {}", truth.struck, size.faults));
    }
    if let Ok(dir) = std::env::var("COMETBRIDGE_KEEP") {
        let keep = |name: &str, text: String| std::fs::write(format!("{dir}/{name}"), text).unwrap();
        keep("bridge.log", bridge_said.clone());
        keep("events.jsonl", home.stdout_of_each().concat().join("\n"));
        keep("truth.json", truth.json.to_string());
        keep("careful.txt", judge.careful().join("\n"));
    }
    if !found.is_empty() {
        let shown: Vec<&str> = found.iter().take(40).map(String::as_str).collect();
        panic!("seed {seed}, ack {ack}: {} complaints\n{}", found.len(), shown.join("\n"));
    }
    assert!(!bridge_said.contains("panicked"), "{bridge_said}");
}

/// Waits until what came downstream agrees with the truth, and no gap is open; what does not in time.
async fn settled(home: &Home, daemon: &Daemon, truth: &Truth) -> Vec<String> {
    let start = std::time::Instant::now();
    loop {
        let received = Received::parse(&home.stdout_lines());
        let mut open = states::differences(truth, &received);
        open.extend(gaps::unclosed(&received));
        if open.is_empty() {
            return open;
        }
        if start.elapsed() > REPAIR || daemon.metrics().await.is_empty() {
            return open;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
