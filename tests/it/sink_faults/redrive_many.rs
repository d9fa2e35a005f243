//! Dead letters by the thousand go back to a receiver that still fails one request in twenty, while new events come:
//! none is lost, none changes its id, each key's order holds among the late and among the others.

use crate::fleet::stage::campaign;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload::{self, Conversation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const RETRY: &str = "concurrency = 32\non_4xx = \"dead-letter\"\n\
    retry = { initial = \"5ms\", max = \"50ms\", max_attempts = 100000 }\n";
/// For as many letters as the campaign has.
const LONG: Duration = Duration::from_secs(1_800);
const AGENTS: usize = 10;
/// Notifications of one call to the server.
const CALL: usize = 50;

fn talks(users: &[String], count: usize) -> Vec<Conversation> {
    let pair = |n: usize| [users[n % users.len()].clone(), users[(n + 1) % users.len()].clone()];
    (0..count).map(|n| Conversation { id: format!("0000Dead{n:06}X"), users: pair(n) }).collect()
}

/// The items `from..=to` of every conversation.
async fn tell(scene: &Scene, from: usize, to: usize) {
    for part in scene.talks.chunks(CALL) {
        let batch: Vec<_> =
            part.iter().map(|talk| talk.to(0, talk.log(from, to), format!("{}/{to}", talk.id))).collect();
        assert!(scene.server.publish(&batch).await.iter().all(|sessions| *sessions == 1));
    }
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap()
}

/// No key goes back, and nothing comes twice.
fn in_order(what: &str, events: &[&Value]) -> BTreeSet<String> {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in events {
        let before = last.insert(text(event, "partitionkey"), text(event, "sequence"));
        assert!(
            before.is_none_or(|before| before < text(event, "sequence")),
            "{what}: order broken: {event}"
        );
        assert!(ids.insert(text(event, "id").to_owned()), "{what}: came twice: {event}");
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn many_dead_letters_come_back_each_once_in_order_past_a_receiver_that_fails_some() {
    let (keys, items) = if campaign() { (5_000, 20) } else { (60, 10) };
    let letters = keys * items;
    let receiver = Receiver::start().await;
    let mut home = Home::new();
    home.token = Some("a-token-of-some-length");
    let sinks = webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{RETRY}"));
    let sinks = format!("[journal]\nmax_dead_letters = 200000\n{sinks}");
    let users = workload::users(AGENTS);
    let mut scene = Scene::on(Cometd::start(Kind::Java, &[]), home, &users, 0, &sinks, &[]).await;
    scene.talks = talks(&users, keys);

    receiver.answer(400);
    let began = Instant::now();
    tell(&scene, 1, items).await;
    let dead = "cometbridge_sink_dead_letters_total{reason=\"http-4xx\",sink=\"crm\"}";
    scene.daemon.until(dead, LONG, |n| n >= letters as f64).await;
    scene.settled("crm").await;
    let died = began.elapsed();
    let refused: BTreeSet<String> = receiver.tries().into_iter().map(|attempt| attempt.id).collect();
    assert_eq!(refused.len(), letters);

    let asked = AtomicUsize::new(0);
    receiver.answer_by(move |_| {
        if asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(20) { 500.into() } else { 200.into() }
    });
    let began = Instant::now();
    let (code, out, err) = Daemon::asked(&scene.home, &["dead-letters", "redrive", "--all", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let done: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(done["letters"], letters);
    // New events of the same keys meanwhile.
    tell(&scene, items + 1, items + 1).await;
    scene
        .daemon
        .until("cometbridge_sink_delivered_total{kind=\"webhook\",sink=\"crm\"}", LONG, |n| {
            n >= (letters + keys) as f64
        })
        .await;
    let drained = began.elapsed();
    scene.nothing_is_parked("crm").await;

    // A request that was given up may have arrived.
    let unsure = scene.daemon.metric("cometbridge_sink_retries_total{reason=\"timeout\",sink=\"crm\"}").await;
    let events = receiver.events_once(unsure);
    let (late, fresh): (Vec<&Value>, Vec<&Value>) = events.iter().partition(|event| event["late"] == true);
    assert_eq!(in_order("late", &late), refused, "the very ids that were refused");
    assert_eq!(in_order("in time", &fresh).len(), keys);
    receiver.bodies_never_change_but_for_late();
    assert!(receiver.answered(500) * 25 >= letters, "one request in twenty failed");
    let rate = |count: usize, took: Duration| count as f64 / took.as_secs_f64();
    println!(
        "{letters} dead letters of {keys} keys: made at {:.0}/s, redriven at {:.0}/s past {} failures",
        rate(letters, died),
        rate(letters, drained),
        receiver.answered(500)
    );
    scene.end().await;
}
