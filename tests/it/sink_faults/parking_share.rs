//! One key in a hundred fails for a long time: the others flow, no key's order breaks, and neither a stop in the midst
//! of it nor a kill delivers again what was settled.

use crate::fleet::stage::campaign;
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload::{self, Conversation};
use std::collections::HashSet;

const RETRY: &str =
    "concurrency = 16\nretry = { initial = \"20ms\", max = \"300ms\", max_attempts = 100000 }\n";
const SHARE: usize = 100;

/// So many conversations of a few agents.
fn talks(users: &[String], count: usize) -> Vec<Conversation> {
    let pair = |n: usize| [users[n % users.len()].clone(), users[(n + 1) % users.len()].clone()];
    (0..count).map(|n| Conversation { id: format!("0000Share{n:06}X"), users: pair(n) }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_in_a_hundred_fails_and_no_order_breaks_over_a_stop_and_a_kill() {
    let (keys, rounds) = if campaign() { (2_000, 30) } else { (200, 9) };
    let receiver = Receiver::start().await;
    let sinks = webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{RETRY}"));
    let mut scene = Scene::start(10, 0, &sinks).await;
    scene.talks = talks(&scene.users, keys);
    let (batches, expected) = workload::script(&scene.talks, &scene.users, rounds);
    (scene.rounds, scene.expected) = (batches.into_iter(), expected);
    let refused: HashSet<String> = scene.talks.iter().step_by(SHARE).map(|talk| talk.id.clone()).collect();
    let fails = refused.clone();
    receiver.answer_by(move |event| match event["interaction"].as_str() {
        Some(talk) if fails.contains(talk) => 500.into(),
        _ => 200.into(),
    });
    let healthy: Vec<Conversation> =
        scene.talks.iter().filter(|talk| !refused.contains(&talk.id)).cloned().collect();
    let third = rounds / 3;
    let flowing = |rounds: usize, scene: &Scene| workload::script(&healthy, &scene.users, rounds).1.events();

    scene.publish(third).await;
    scene.delivered("webhook", "crm", flowing(third, &scene)).await;
    scene.until("cometbridge_sink_parked_keys{sink=\"crm\"}", |keys| keys == refused.len() as f64).await;
    // In the midst of the next ones.
    scene.publish(third).await;
    assert!(scene.daemon.stop().await.success());
    scene.daemon = scene.home.start();
    scene.daemon.connected(scene.users.len()).await;
    let wanted = flowing(2 * third, &scene);
    eventually("the others have flowed on", LIMIT, || async { (receiver.count() >= wanted).then_some(()) })
        .await;
    assert_eq!(receiver.count(), wanted, "each once, over a stop in the midst of it");

    scene.settled("crm").await;
    scene.daemon.kill();
    scene.daemon = scene.home.start();
    scene.daemon.connected(scene.users.len()).await;
    scene.publish(rounds - 2 * third).await;
    scene.delivered("webhook", "crm", flowing(rounds, &scene) - wanted).await;
    assert_eq!(receiver.count(), flowing(rounds, &scene), "each once, over a kill");

    receiver.answer(200);
    scene.settled("crm").await;
    scene.nothing_is_parked("crm").await;
    let events = receiver.events();
    println!(
        "{} of {keys} keys failed, {} events, {} tries",
        refused.len(),
        events.len(),
        receiver.tries().len()
    );
    scene.complete("webhook", &events);
    scene.end().await;
}
