//! What can not be delivered is put aside by itself, and can be listed with and without the daemon.

use crate::harness::daemon::{Home, SECRET, command_with};
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, stdout, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::collections::BTreeSet;

fn list(home: &Home) -> Vec<Value> {
    let config = home.config();
    let arguments =
        ["dead-letters", "list", "--config", config.to_str().unwrap(), "--json", "--limit", "1000"];
    let (code, out, err) = command_with(&arguments, &[("CRM_SECRET", SECRET)]);
    assert_eq!(code, 0, "{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_conversation_that_is_refused_becomes_dead_letters_and_the_others_go_on() {
    let receiver = Receiver::start().await;
    let retry = "retry = { initial = \"5ms\", max = \"20ms\", max_attempts = 3 }\n";
    let sinks =
        webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{retry}")) + &stdout("console", NOT_BRIDGE);
    let mut scene = Scene::start(10, 20, &sinks).await;
    let refused = scene.talks[0].id.clone();
    let talk = refused.clone();
    receiver.answer_by(move |event| if event["interaction"] == *talk { 400.into() } else { 200.into() });
    scene.publish(20).await;

    let all = scene.expected.events();
    let others = workload::script(&scene.talks[1..], &scene.users, 20).1;
    let dead = all - others.events();
    scene.delivered("stdout", "console", all).await;
    scene.delivered("webhook", "crm", others.events()).await;
    scene
        .until("cometbridge_sink_dead_letters_total{reason=\"http-4xx\",sink=\"crm\"}", |n| n >= dead as f64)
        .await;
    scene.settled("crm").await;
    workload::verify("webhook", &receiver.events(), &others);
    scene.complete("stdout", &scene.stdout_events());

    let tries = receiver.bodies_never_change();
    let letters = list(&scene.home);
    let wanted: BTreeSet<String> = scene
        .stdout_events()
        .iter()
        .filter(|event| event["interaction"] == *refused)
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<String> =
        letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((letters.len(), &listed), (dead, &wanted), "each once");
    for letter in &letters {
        assert_eq!(letter["reason"], "http-4xx");
        assert_eq!(letter["attempts"], 3);
        assert_eq!(letter["sink"], "crm");
        assert_eq!(tries[letter["id"].as_str().unwrap()], 3, "{letter}");
    }
    scene.home.logged(&["WARN", "event put aside as a dead letter", "HTTP 400"]).await;
    let home = scene.end().await;
    assert_eq!(list(&home), letters, "from the files as from the daemon");
}
