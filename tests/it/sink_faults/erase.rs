//! Erasing: what belongs to one interaction stands in no file of the state directory any more, with the daemon and
//! without; nothing of it comes back, and everybody else goes on.

use crate::at_rest::times;
use crate::harness::cometd::{Cometd, Kind};
use crate::harness::daemon::{Home, SECRET, command_with};
use crate::harness::receiver::Receiver;
use crate::harness::scene::Scene;
use crate::harness::sinks::{NOT_BRIDGE, webhook};
use crate::harness::workload;
use serde_json::Value;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

fn erase(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let config = home.config();
    let mut all = vec!["erase"];
    all.extend(arguments);
    all.extend(["--config", config.to_str().unwrap()]);
    command_with(&all, &[("CRM_SECRET", SECRET)])
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    let (code, out, err) = erase(home, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// A reply that could not be read, as the bridge keeps it.
fn quarantine(home: &Home, number: u32, body: &str) {
    let dir = home.state_dir().join("quarantine");
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&dir).unwrap();
    let path = dir.join(format!("{number}-abc.body"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, body.as_bytes()).unwrap();
}

async fn stage(crm: &Receiver, slow: &Receiver) -> Scene {
    let retry = |tries: u32| {
        format!("retry = {{ initial = \"5ms\", max = \"20ms\", max_attempts = {tries} }}\n{NOT_BRIDGE}")
    };
    let sinks = [webhook("crm", &crm.url, &retry(2)), webhook("slow", &slow.url, &retry(1_000_000))].concat();
    let mut home = Home::new();
    home.token = Some("a-token-of-some-length");
    let users = workload::users(10);
    Scene::on(Cometd::start(Kind::Java, &[]), home, &users, 20, &sinks, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_in_no_file_and_does_not_come_back() {
    let (crm, slow) = (Receiver::start().await, Receiver::start().await);
    let mut scene = stage(&crm, &slow).await;
    let (one, two) = (scene.talks[0].id.clone(), scene.talks[1].id.clone());
    // Only texts have it.
    let marker = format!("of {one}");
    for (receiver, status) in [(&crm, 400), (&slow, 503)] {
        let one = one.clone();
        receiver
            .answer_by(move |event| if event["interaction"] == *one { status.into() } else { 200.into() });
    }
    scene.publish(20).await;
    let events = scene.expected.events();
    let of_one = events - workload::script(&scene.talks[1..], &scene.users, 20).1.events();
    scene
        .until("cometbridge_sink_dead_letters_total{reason=\"http-4xx\",sink=\"crm\"}", |n| {
            n >= of_one as f64
        })
        .await;
    scene.until("cometbridge_sink_parked_events{sink=\"slow\"}", |n| n >= of_one as f64).await;
    for sink in ["crm", "slow"] {
        scene.settled(sink).await;
    }
    quarantine(&scene.home, 1, &format!("[{{\"text\":\"{marker}\""));
    quarantine(&scene.home, 2, "<html>");
    let dir = scene.home.state_dir();
    let before = times(&dir, marker.as_bytes());
    assert!(before > 60, "in the journal, twice aside, in a file: {before}");

    let dry = json(&scene.home, &["--interaction", &one, "--dry-run"]);
    assert_eq!((&dry["events"], &dry["dead_letters"]), (&of_one.into(), &of_one.into()), "{dry}");
    assert_eq!((&dry["parked"], &dry["quarantined"]), (&of_one.into(), &1.into()), "{dry}");
    assert_eq!((&dry["undelivered"]["slow"], &dry["undelivered"]["crm"]), (&of_one.into(), &0.into()));
    let again = json(&scene.home, &["--interaction", &one, "--dry-run"]);
    assert_eq!(again, dry, "a dry run does nothing");
    let (code, out, err) = erase(&scene.home, &["--interaction", &one]);
    assert_eq!(code, 0, "{err}");
    assert!(out.ends_with("erased\n"), "{out}");
    assert_eq!(times(&dir, marker.as_bytes()), 0, "while the daemon runs");
    let line = scene.home.logged(&["WARN", "audit=true", "action=\"erase\"", "complete=true"]).await;
    assert!(line.contains(&format!("events={of_one}")) && !line.contains(&one), "{line}");
    // Its lane has found that there is nothing left to be tried.
    scene.until("cometbridge_sink_parked_events{sink=\"slow\"}", |n| n == 0.0).await;

    // The server sends all of it again, then something new.
    crm.answer(200);
    slow.answer(200);
    let count = crm.count();
    let talk = &scene.talks[0];
    let again = talk.to(0, talk.log(1, 20), "again".to_owned());
    scene.server.publish(&[again, workload::device(&talk.users[0], 77)]).await;
    scene.delivered("webhook", "crm", events - of_one + 1).await;
    let new = crm.events().split_off(count);
    assert!(new.iter().all(|event| event["medium"] == "agent"), "{new:?}");
    assert_eq!(times(&dir, marker.as_bytes()), 0);
    assert!(scene.daemon.stop().await.success());
    assert_eq!(times(&dir, marker.as_bytes()), 0, "after its end");

    without_a_daemon(&scene.home, &two);
    scene.daemon = scene.home.start();
    scene.daemon.connected(scene.users.len()).await;
    let (_, list, _) = erase(&scene.home, &["--list"]);
    assert!(list.lines().count() == 2 && list.contains("by field: 1 events"), "{list}");
    let log = scene.end().await.log();
    assert!(!log.contains("shortened") && !log.contains(&marker), "{log}");
}

fn without_a_daemon(home: &Home, talk: &str) {
    let text = format!("Hello World 5 äöü \u{1F600} of {talk}");
    let field = format!("data.raw.text={text}");
    let dir = home.state_dir();
    assert!(times(&dir, text.as_bytes()) > 0);
    assert_eq!(json(home, &["--field", &field, "--dry-run"])["events"], 1);
    let (code, out, err) = erase(home, &["--field", &field]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("1  events") && err.contains("audit=true") && err.contains("action=\"erase\""),
        "{out}{err}"
    );
    assert!(!err.contains(talk) && !err.contains("Hello"), "{err}");
    assert_eq!(times(&dir, text.as_bytes()), 0);
    for (wrong, said) in [("data.text", "there is no = with a value"), ("=1", "a name of the path is empty")]
    {
        let (code, _, err) = erase(home, &["--field", wrong]);
        assert_eq!(code, 1);
        assert!(err.contains("field: ") && err.contains(said), "{err}");
    }
}
