//! Kill -9 and stops at random moments of a steady run, the daemon started again on the same state each time: the
//! sessions at the server live through all of it.

use super::gaps::{GAPS, Gaps, apart};
use super::seed;
use super::seen::{Seen, from_stdout};
use super::story::Story;
use crate::data_path::{all_sinks, event_of};
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::kafka::Kafka;
use crate::harness::receiver::Receiver;
use crate::harness::workload;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Shortest and longest life of a daemon, ms: from before it has logged anybody in to well into its work.
const LIFE: std::ops::Range<u64> = 100..4_500;
/// After so many kills the conversations are over and new ones begin.
const GENERATION: u64 = 20;

/// Every so many lives one ends by a stop.
const STOP_EVERY: u64 = 7;

struct Size {
    lives: u64,
    agents: usize,
}

fn size() -> Size {
    if std::env::var("COMETBRIDGE_CAMPAIGN").is_ok_and(|value| value == "1") {
        // 300 kills and 50 stops.
        Size { lives: 350, agents: 60 }
    } else {
        Size { lives: 21, agents: 40 }
    }
}

/// One life, ended by SIGKILL (or by a stop) at a moment that the dice choose. Says what of the journal was trimmed
/// in it.
async fn live_and_die(mut daemon: Daemon, story: &Story, window: u64, life: Duration, agents: usize) -> f64 {
    let work = async {
        daemon.connected(agents).await;
        story.listened(window);
        story.resend(&window.to_string()).await;
        std::future::pending::<()>().await;
    };
    // The moment of the kill is the fault itself: nothing is waited for.
    let ended = tokio::time::timeout(life, work).await;
    assert!(ended.is_err());
    let trimmed = daemon.metric("cometbridge_journal_trimmed_total").await;
    story.silence();
    if window.is_multiple_of(STOP_EVERY) {
        assert!(daemon.stop().await.success());
    } else {
        daemon.kill();
    }
    trimmed
}

/// Waits until the webhook and stdout have all messages, and no sink is behind.
async fn all_delivered(daemon: &mut Daemon, story: &Story, receiver: &Receiver, home: &Home) {
    let wanted = story.message_ids();
    // At the full size there are hundreds of thousands of events to deliver.
    let limit = Duration::from_secs(1_800);
    let id = |event: &Value| event["id"].as_str().unwrap_or_default().to_owned();
    eventually("the webhook has every message", limit, || async {
        if receiver.count() < wanted.len() {
            return None;
        }
        let have: BTreeSet<String> = receiver.received().iter().map(|received| id(&received.event)).collect();
        have.is_superset(&wanted).then_some(())
    })
    .await;
    eventually("stdout has every message", limit, || async {
        let lines = home.stdout_lines();
        let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let have: BTreeSet<String> = parsed.map(|event| id(&event)).collect();
        have.is_superset(&wanted).then_some(())
    })
    .await;
    for sink in ["events", "crm", "console", "gaps"] {
        daemon.until(&format!("cometbridge_sink_lag_events{{sink=\"{sink}\"}}"), limit, |n| n == 0.0).await;
    }
}

fn check(story: &Story, seen: &[Seen], acked: &std::collections::HashSet<String>, last_window: u64) {
    for each in seen {
        each.holds_acknowledged(story, acked);
        each.holds_the_logs(story);
        each.agrees_with(&seen[0]);
    }
    let cut = seen[0].has_no_holes(story, |window| window == last_window);
    let states = story.states();
    let heard = states.iter().filter(|state| state.window.is_some()).count();
    println!(
        "{} messages, {} states told ({heard} to subscribed sessions, {cut} of them cut off by a kill), {} events, \
         {} tags acknowledged, came again: kafka {}, webhook {}, stdout {}",
        story.message_ids().len(),
        states.len(),
        seen[0].events.len(),
        acked.len(),
        seen[0].repeats,
        seen[1].repeats,
        seen[2].repeats,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_stops_at_random_moments_lose_nothing_at_all_and_every_session_goes_on() {
    let Size { lives: kills, agents } = size();
    let seed = seed();
    let server = Arc::new(Cometd::start(Kind::Java, &[]));
    let kafka = Kafka::start().await;
    let receiver = Receiver::start().await;
    let users = workload::users(agents);
    let home = Home::new();
    home.write_roster(&users);
    let sinks = format!("{}{GAPS}", all_sinks(&kafka, &receiver));
    home.write_config(&server.url, &format!("[journal]\nkeep_delivered = \"0s\"\n{sinks}"));
    let story = Arc::new(Story::new(server.clone(), users, seed));
    let telling = story.steady();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut trimmed = 0.0;
    for window in 1..=kills {
        if window % GENERATION == 0 {
            story.next_generation();
        }
        let life = Duration::from_millis(dice.u64(LIFE));
        println!("life {window} of {kills}: {} ms", life.as_millis());
        trimmed += live_and_die(home.start(), &story, window, life, agents).await;
    }
    assert!(trimmed > 0.0, "bodies went during the run, so that dedup stands on marks alone");

    let mut daemon = home.start();
    daemon.connected(agents).await;
    story.listened(kills + 1);
    story.resend("after the last kill").await;
    story.end();
    telling.await.unwrap();
    println!("the final logs: {} messages", story.message_ids().len());
    story.resend_all("final").await;
    all_delivered(&mut daemon, &story, &receiver, &home).await;
    let acked = server.acked().await;
    let stats = server.stats().await;
    assert_eq!(stats["foreignPosts"], 0);
    assert!(daemon.stop().await.success());

    // How often an event came again is not known before: read until nothing more comes.
    let records = kafka.read_all("gws.events", Duration::from_secs(5)).await;
    let (own, events) = apart(from_stdout(&home));
    let seen = [
        Seen::take("kafka", records.iter().map(event_of)),
        Seen::take("webhook", receiver.received().into_iter().map(|received| received.event)),
        Seen::take("stdout", events),
    ];
    check(&story, &seen, &acked, kills + 1);
    seen.iter().for_each(|each| each.has_all_since_the_first(&story));
    println!("{} handshakes of {agents} agents over {} lives", stats["handshakes"], kills + 1);
    assert_eq!(Gaps::take(own).count(), 0, "every restart was inside the window");
    assert!(!home.log().contains("panicked"), "{}", home.log());
}
