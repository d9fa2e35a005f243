//! Dead letters and the way back: shown, counted, delivered again, removed; with the daemon and without.

use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Home, SECRET, command_with};
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload;
use serde_json::Value;

fn letters(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let config = home.config();
    let mut all = vec!["dead-letters"];
    all.extend(arguments);
    all.extend(["--config", config.to_str().unwrap()]);
    command_with(&all, &[("CRM_SECRET", SECRET)])
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    let (code, out, err) = letters(home, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(out.lines().next().unwrap_or("null")).unwrap()
}

fn listed(home: &Home) -> usize {
    let (code, out, err) = letters(home, &["list", "--json", "--limit", "1000"]);
    assert_eq!(code, 0, "{err}");
    out.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_come_back_under_their_ids_in_order_and_flagged_late() {
    let receiver = Receiver::start().await;
    let retry = "retry = { initial = \"5ms\", max = \"20ms\", max_attempts = 2 }\n";
    let sinks = webhook("crm", &receiver.url, &format!("{NOT_BRIDGE}{retry}"));
    let mut home = Home::new();
    home.token = Some("a-token-of-some-length");
    let server = Cometd::start(Kind::Java, &[]);
    let users = workload::users(10);
    let mut scene = Scene::on(server, home, &users, 20, &sinks, &[]).await;
    let (one, two) = (scene.talks[0].id.clone(), scene.talks[1].id.clone());
    let talks = [one.clone(), two.clone()];
    receiver.answer_by(move |event| {
        let refused = talks.iter().any(|talk| event["interaction"] == **talk);
        if refused { 400.into() } else { 200.into() }
    });
    scene.publish(20).await;
    let dead = scene.expected.events() - workload::script(&scene.talks[2..], &scene.users, 20).1.events();
    let series = "cometbridge_sink_dead_letters_total{reason=\"http-4xx\",sink=\"crm\"}";
    scene.until(series, |n| n >= dead as f64).await;
    scene.settled("crm").await;

    let (code, _, err) = letters(&scene.home, &["redrive"]);
    assert_eq!(code, 1);
    assert!(err.contains("Say which ones"), "{err}");
    let (code, _, err) = letters(&scene.home, &["redrive", "--sink", "nobody"]);
    assert_eq!(code, 1);
    assert!(err.contains("nobody") && err.contains("crm"), "{err}");
    let dry = json(&scene.home, &["redrive", "--interaction", &one, "--dry-run"]);
    let of_one = dry["counts"][0]["letters"].as_u64().unwrap();
    assert!(of_one > 0 && of_one < dead as u64, "{dry}");
    assert_eq!(listed(&scene.home), dead, "a dry run does nothing");
    let shown = json(&scene.home, &["show", "1"]);
    assert_eq!((&shown["reason"], &shown["attempts"]), (&"http-4xx".into(), &2.into()));
    assert_eq!(shown["event"]["id"], shown["id"]);

    // One conversation through the running daemon.
    let before = receiver.count();
    receiver.answer(200);
    let done = json(&scene.home, &["redrive", "--interaction", &one]);
    assert_eq!(done["letters"], of_one);
    scene.delivered("webhook", "crm", before + usize::try_from(of_one).unwrap()).await;
    scene.home.logged(&["WARN", "audit=true", "redrive", "letters="]).await;
    let back: Vec<Value> = receiver.events().split_off(before);
    assert!(back.iter().all(|event| event["interaction"] == *one && event["late"] == true));
    assert!(back.is_sorted_by_key(|event| event["sequence"].as_str().unwrap().to_owned()), "in order");
    scene.until("cometbridge_sink_parked_events{sink=\"crm\"}", |left| left == 0.0).await;
    assert_eq!(listed(&scene.home), dead - back.len());

    // The other while none runs; a part of it is removed.
    assert!(scene.daemon.stop().await.success());
    let gone = json(
        &scene.home,
        &["purge", "--interaction", &two, "--type", "genesys.gws.facebooksession.message.v1"],
    );
    let gone = usize::try_from(gone["letters"].as_u64().unwrap()).unwrap();
    assert!(gone > 0);
    let (_, _, said) = letters(&scene.home, &["purge", "--id", "none"]);
    assert!(said.contains("audit=true"), "{said}");
    let rest = json(&scene.home, &["redrive", "--all", "--rate", "1000"]);
    assert_eq!(rest["letters"], dead - back.len() - gone);
    scene.daemon = scene.home.start();
    scene.daemon.connected(users.len()).await;
    scene.delivered("webhook", "crm", dead - back.len() - gone).await;
    let all = receiver.events();
    assert_eq!(all.len(), scene.expected.events() - gone);
    let mut ids: Vec<&str> = all.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "each once");
    receiver.bodies_never_change_but_for_late();
    scene.until("cometbridge_sink_parked_events{sink=\"crm\"}", |left| left == 0.0).await;
    assert_eq!(listed(&scene.home), 0);
    scene.end().await;
}
