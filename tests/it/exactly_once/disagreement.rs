//! Topic and journal disagree: the sink refuses to start, says what is wrong and which command decides, and harms no
//! other sink; after the decision it goes on.

use super::{CONTROL, sink};
use crate::harness::daemon::{Home, SECRET, command_with};
use crate::harness::kafka::Kafka;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, stdout};
use std::time::Duration;

fn accept(home: &Home, from: &str) -> (i32, String, String) {
    let config = home.config();
    let config = config.to_str().unwrap();
    let arguments = ["accept-position", "--config", config, "--sink", "events", "--from", from];
    command_with(&arguments, &[("CRM_SECRET", SECRET)])
}

/// Ends what runs, does something meanwhile, and starts it anew.
async fn restarted(scene: Scene, meanwhile: impl FnOnce(&Home)) -> Scene {
    let Scene { server, home, daemon, users, talks, expected, rounds } = scene;
    assert!(daemon.stop().await.success());
    meanwhile(&home);
    let mut daemon = home.start();
    daemon.connected(users.len()).await;
    Scene { server, home, daemon, users, talks, expected, rounds }
}

/// Waits until the sink has said no, in these words; another sink works.
async fn refused(scene: &mut Scene, words: &[&str]) {
    let said = scene.home.logged(&["ERROR", "sink has ended", words[0]]).await;
    for word in words.iter().chain(&["control topic", "accept-position --sink events"]) {
        assert!(said.contains(word), "{said}");
    }
    assert!(scene.daemon.ready().await.contains("[~] sink events: degraded: ended: position"));
    publish(scene).await;
    scene.delivered("stdout", "console", 1).await;
}

/// One round; the server may still hold the sessions of a journal that was lost.
async fn publish(scene: &mut Scene) {
    let batch = scene.rounds.next().unwrap();
    assert!(scene.server.publish(&batch).await.iter().all(|sessions| *sessions > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_journal_and_a_control_topic_made_anew_are_refused_until_somebody_decides() {
    let broker = Kafka::start().await;
    let exact = sink(&broker, "disagree").await;
    broker.prepare(&["positions-anew"], &[]).await;
    let console = stdout("console", NOT_BRIDGE);
    let mut scene = Scene::start(4, 12, &(exact.clone() + &console)).await;
    scene.publish(3).await;
    scene.until("cometbridge_sink_delivered_total{kind=\"kafka\",sink=\"events\"}", |n| n > 0.0).await;
    scene.settled("events").await;
    let (code, _, err) = accept(&scene.home, "latest");
    assert_eq!(code, 1);
    assert!(err.contains("stop it first"), "{err}");
    let before = broker.read("disagree", 1, Duration::from_secs(5)).await.len();
    assert!(before > 0);

    let url = scene.server.url.clone();
    let anew = exact.replace(CONTROL, "positions-anew") + &console;
    scene = restarted(scene, |home| {
        home.write_config(&url, &anew);
    })
    .await;
    refused(&mut scene, &["holds no position of this sink any more"]).await;
    scene = restarted(scene, |home| {
        let (code, out, err) = accept(home, "journal");
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("the journal's own note"), "{out}");
    })
    .await;
    scene.publish(2).await;
    scene.until("cometbridge_sink_delivered_total{kind=\"kafka\",sink=\"events\"}", |n| n > 0.0).await;
    scene.settled("events").await;
    let then = broker.read("disagree", before, Duration::from_secs(5)).await;
    let mut ids: Vec<String> = then.iter().map(|record| record.headers["ce_id"].to_string()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(all > before);
    assert_eq!(ids.len(), all, "nothing came twice");

    scene = restarted(scene, |home| std::fs::remove_dir_all(home.state_dir()).unwrap()).await;
    refused(&mut scene, &["holds a position of another journal", "was state_dir lost"]).await;
    scene = restarted(scene, |home| assert_eq!(accept(home, "latest").0, 0)).await;
    publish(&mut scene).await;
    scene.until("cometbridge_sink_delivered_total{kind=\"kafka\",sink=\"events\"}", |n| n > 0.0).await;
    scene.end().await;
}
