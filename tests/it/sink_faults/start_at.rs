//! A sink that is added later begins where it is told: at a time, with what was recorded then or after it.

use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{NOT_BRIDGE, stdout, webhook};
use crate::harness::workload;
use jiff::Timestamp;
use serde_json::Value;

/// In the order of the journal; each stands once.
fn ids(events: &[Value]) -> Vec<String> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let mut ids: Vec<(String, String)> =
        events.iter().map(|event| (text(event, "sequence"), text(event, "id"))).collect();
    ids.sort();
    ids.into_iter().map(|(_, id)| id).collect()
}

fn recorded(event: &Value) -> Timestamp {
    event["recordedtime"].as_str().unwrap().parse().unwrap()
}

/// Ends the daemon well and starts it with a second sink that begins so.
async fn with_late(scene: Scene, receiver: &Receiver, start: &str) -> Scene {
    let Scene { server, home, daemon, users, talks, expected, rounds } = scene;
    assert!(daemon.stop().await.success());
    let late = webhook("late", &receiver.url, &format!("{NOT_BRIDGE}start = \"{start}\"\n"));
    home.write_config(&server.url, &(stdout("console", NOT_BRIDGE) + &late));
    let mut daemon = home.start();
    daemon.connected(users.len()).await;
    Scene { server, home, daemon, users, talks, expected, rounds }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_added_later_begins_at_its_time_and_keeps_its_own_position_from_then_on() {
    let receiver = Receiver::start().await;
    let mut scene = Scene::start(4, 10, &stdout("console", NOT_BRIDGE)).await;
    let count = |scene: &Scene, rounds| workload::script(&scene.talks, &scene.users, rounds).1.events();
    scene.publish(3).await;
    scene.delivered("stdout", "console", count(&scene, 3)).await;
    // All is on disk by now: the next millisecond is behind what the events say and behind what the journal says of them.
    let start = Timestamp::now().checked_add(jiff::SignedDuration::from_millis(1)).unwrap();
    eventually("the next millisecond", LIMIT, || async { (Timestamp::now() >= start).then_some(()) }).await;
    scene.publish(3).await;
    scene.delivered("stdout", "console", count(&scene, 6)).await;

    let mut scene = with_late(scene, &receiver, &start.to_string()).await;
    scene.publish(3).await;
    scene.delivered("webhook", "late", count(&scene, 9) - count(&scene, 3)).await;
    scene.delivered("stdout", "console", count(&scene, 9) - count(&scene, 6)).await;
    let since = |scene: &Scene| {
        let all = scene.stdout_events();
        let (before, since): (Vec<Value>, Vec<Value>) =
            all.into_iter().partition(|event| recorded(event) < start);
        assert_eq!(before.len(), count(scene, 3));
        ids(&since)
    };
    assert_eq!(ids(&receiver.events()), since(&scene), "what was recorded from then on, and nothing else");

    // It is known now: what its `start` says counts no more.
    let mut scene = with_late(scene, &receiver, "earliest").await;
    scene.publish(1).await;
    let one = count(&scene, 10) - count(&scene, 9);
    scene.delivered("webhook", "late", one).await;
    scene.delivered("stdout", "console", one).await;
    assert_eq!(ids(&receiver.events()), since(&scene));
    scene.end().await;
}
