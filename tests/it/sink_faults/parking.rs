//! A conversation that the receiver refuses for a long time: the others flow, far beyond what a lane holds in hand,
//! over a kill and a restart.

use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload;
use std::collections::BTreeMap;

const RETRY: &str = "retry = { initial = \"20ms\", max = \"300ms\", max_attempts = 100000 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_key_is_parked_and_keeps_its_order_over_a_kill_and_a_restart() {
    let receiver = Receiver::start().await;
    let mut scene =
        Scene::start(10, 110, &webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{RETRY}"))).await;
    let refused = scene.talks[0].id.clone();
    let talk = refused.clone();
    receiver.answer_by(move |event| if event["interaction"] == *talk { 500.into() } else { 200.into() });
    scene.publish(100).await;
    let others = workload::script(&scene.talks[1..], &scene.users, 100).1.events();
    assert!(others > 512, "more than the lane holds in hand: {others}");
    scene.delivered("webhook", "crm", others).await;
    scene.settled("crm").await;
    // All that was published is settled, so what the others did not get is parked.
    let parked = (workload::script(&scene.talks, &scene.users, 100).1.events() - others) as f64;
    scene.until("cometbridge_sink_parked_events{sink=\"crm\"}", |now| now == parked).await;
    assert_eq!(scene.daemon.metric("cometbridge_sink_parked_keys{sink=\"crm\"}").await, 1.0);
    let before = receiver.count();

    scene.daemon.kill();
    scene.daemon = scene.home.start();
    scene.daemon.connected(scene.users.len()).await;
    scene.until("cometbridge_sink_parked_events{sink=\"crm\"}", |now| now == parked).await;
    scene.publish(10).await;
    let all = scene.expected.events();
    let late = workload::script(&scene.talks[1..], &scene.users, 110).1.events() - others;
    scene.delivered("webhook", "crm", late).await;
    assert!(scene.daemon.stop().await.success());
    scene.daemon = scene.home.start();
    scene.daemon.connected(scene.users.len()).await;
    assert_eq!(receiver.count(), before + late, "nothing that was settled came again");

    receiver.answer(200);
    scene.nothing_is_parked("crm").await;
    let events = receiver.events();
    assert_eq!(events.len(), all);
    scene.complete("webhook", &events);
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "message") {
        let index = event["messageindex"].as_i64().unwrap();
        let before = last.insert(event["partitionkey"].as_str().unwrap().to_owned(), index);
        assert!(before.is_none_or(|before| before < index), "{event}");
    }
    assert!(events.iter().all(|event| event.get("late").is_none()), "parked is not late");
    scene.end().await;
}
