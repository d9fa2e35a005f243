//! `cometbridge record` at a simulated site, and the tape played to a bridge.
//!
//! Deliberately absent: real sites.

use crate::harness::daemon::{Daemon, Home, command};
use crate::harness::{eventually, http};
use crate::live::Running;
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const DAY: &str = "agents = 3\n[server]\ntimeout = \"1s\"\n[day]\nspeed = 300\nwait_for_sessions = 2\n\
    conversations_per_hour = 60\nlength = \"30m\"\n";

/// A simulator over this home's roster files, and where it is.
fn simulated(home: &Home, arguments: &[&str]) -> (Running, String) {
    let dir = home.dir.path().display().to_string();
    let more = ["--roster-dir", dir.as_str()];
    let arguments: Vec<&str> = ["simulate"].iter().chain(arguments).chain(&more).copied().collect();
    let mut server = Running::start(&arguments);
    let url = server.line().trim().strip_prefix("READY ").unwrap().to_owned();
    (server, url)
}

async fn ask(url: &str, path: &str) -> Value {
    let answer = http().get(format!("{url}/simulator/{path}")).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Every text that people wrote in the day so far, and their names.
async fn personal(url: &str) -> BTreeSet<String> {
    fn collect(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text)
                            if ["text", "nickname", "participantId", "id"].contains(&name.as_str()) =>
                        {
                            into.insert(text.clone());
                        }
                        other => collect(other, into),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let mut texts = BTreeSet::new();
    for truth in [ask(url, "truth").await, ask(url, "ended").await] {
        collect(&truth, &mut texts);
    }
    texts.retain(|text| text.len() > 6);
    texts
}

async fn recorded(home: &Home, more: &[&str]) -> (i32, String, String) {
    let out = home.path("day.tape").display().to_string();
    let arguments = ["record", "--site", "main", "--agent", "1,2", "--for", "6s", "--out", &out];
    Daemon::asked(home, &arguments.iter().chain(more).copied().collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tape_has_nobody_on_it_and_plays_the_same_conversations() {
    let home = Home::new();
    let scenario = home.write("scenario.toml", DAY).display().to_string();
    let (server, url) = simulated(&home, &["--scenario", &scenario]);
    home.write_config(&url, "");
    let (code, stdout, stderr) = recorded(&home, &[]).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(!home.state_dir().exists(), "nothing is stored but the tape");
    let stats = ask(&url, "stats").await;
    assert_eq!((&stats["foreignPosts"], &stats["clientPublishes"]), (&0.into(), &0.into()));

    let path = home.path("day.tape");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let tape = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = tape.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let heard = lines.len() - 1;
    assert!(stdout.contains(&format!("{heard} notifications in ")), "{stdout}");
    assert!(heard > 20, "{tape}");
    let texts = personal(&url).await;
    assert!(texts.len() > 20);
    for text in texts.iter().chain(&["agent-1".to_owned(), "agent-2".to_owned()]) {
        assert!(!tape.contains(text.as_str()) && !stderr.contains(text.as_str()), "{text} is on the tape");
    }
    drop(server);

    // Another one is not written over it.
    let (code, _, stderr) = recorded(&home, &[]).await;
    assert!(code == 78 && stderr.contains("--out") && stderr.contains("exists"), "{code} {stderr}");

    let (_player, url) = simulated(&home, &["--tape", &path.display().to_string(), "--speed", "20"]);
    home.write_config(
        &url,
        "[sink.stdout.console]\nprivacy = \"full\"\nexcept = { medium = [\"bridge\"] }\n",
    );
    let mut daemon = home.start();
    daemon.connected(2).await;
    eventually("the tape is played", LIMIT, || async {
        (ask(&url, "truth").await["dayOver"] == true).then_some(())
    })
    .await;
    assert_eq!(ask(&url, "stats").await["published"], heard);
    let mut items = BTreeSet::new();
    for line in &lines[1..] {
        let data = &line["data"];
        for item in data["messages"].as_array().into_iter().flatten() {
            let uri = ["chatUri", "facebooksessionUri", "smssessionUri"]
                .iter()
                .find_map(|name| data[*name].as_str());
            items.insert((
                uri.unwrap().rsplit('/').next().unwrap().to_owned(),
                item["index"].as_i64().unwrap(),
            ));
        }
    }
    assert!(items.len() > 10);
    eventually("each item came", LIMIT, || async { items.is_subset(&told(&printed(&home))).then_some(()) })
        .await;
    assert!(daemon.stop().await.success());
    let events = printed(&home);
    assert_eq!(told(&events), items, "each item of the tape, and nothing else");
    assert!(events.iter().all(|event| event["medium"] != "unknown"));
}

/// The events on stdout so far.
fn printed(home: &Home) -> Vec<Value> {
    home.stdout_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Interaction and index of each message.
fn told(events: &[Value]) -> BTreeSet<(String, i64)> {
    let messages = events.iter().filter(|event| event["event"] == "message");
    let place = |event: &Value| {
        (event["interaction"].as_str().unwrap().to_owned(), event["messageindex"].as_i64().unwrap())
    };
    messages.map(place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tape_without_content_has_no_texts_at_all_and_names_interactions_only_where_it_should() {
    for level in ["minimal", "no-content"] {
        let home = Home::new();
        let scenario = home.write("scenario.toml", DAY).display().to_string();
        let (_server, url) = simulated(&home, &["--scenario", &scenario]);
        home.write_config(&url, "");
        let (code, stdout, stderr) = recorded(&home, &["--privacy", level]).await;
        assert_eq!(code, 0, "{stdout}{stderr}");
        let tape = std::fs::read_to_string(home.path("day.tape")).unwrap();
        assert!(tape.starts_with(&format!("{{\"tape\":1,\"privacy\":\"{level}\"")), "{tape}");
        assert!(tape.contains("\"visibility\":") && tape.contains("\"state\":"), "{tape}");
        for name in ["text", "nickname", "userData", "userName", "phoneNumber"] {
            assert!(!tape.contains(&format!("\"{name}\":")), "{level}: {name}");
        }
        let (truth, ended) = (ask(&url, "truth").await.to_string(), ask(&url, "ended").await.to_string());
        let mut ids = 0;
        for line in tape.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let data = &line["data"];
            let uri = ["chatUri", "facebooksessionUri", "smssessionUri"]
                .iter()
                .find_map(|name| data[*name].as_str());
            let Some(id) = uri.and_then(|uri| uri.rsplit('/').next()) else { continue };
            assert_eq!(truth.contains(id) || ended.contains(id), level == "no-content", "{level}: {id}");
            ids += 1;
        }
        assert!(ids > 0, "{tape}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_named_before_anything_is_written() {
    let home = Home::new();
    let (_server, url) = simulated(&home, &["--agents", "2"]);
    home.write_config(&url, "");
    for (site, agent, said) in [
        ("nowhere", "1", "--site \"nowhere\": no such site; configured: main"),
        ("main", "9", "--agent \"9\": no line of the roster of site main"),
    ] {
        let out = home.path("new.tape").display().to_string();
        let arguments = ["record", "--site", site, "--agent", agent, "--out", &out];
        let (code, _, stderr) = Daemon::asked(&home, &arguments).await;
        assert!(code == 78 && stderr.contains(said), "{code} {stderr}");
        assert!(!home.path("new.tape").exists());
    }
    home.write_config(&url, "[site.main.collect]\ndrop = [\"contact\"]\n");
    let out = home.path("new.tape").display().to_string();
    let (code, _, stderr) =
        Daemon::asked(&home, &["record", "--site", "main", "--privacy", "full", "--out", &out]).await;
    assert!(code == 78 && stderr.contains("site.main.collect.drop keeps personal data"), "{code} {stderr}");
    assert!(!home.path("new.tape").exists());
    let tape = home.write("no.tape", "{\"personal\":1}\n").display().to_string();
    let (code, _, stderr) = command(&["simulate", "--tape", &tape]);
    assert!(code == 78 && stderr.contains("line 1: the label of a tape is expected"), "{code} {stderr}");
    assert!(!stderr.contains("personal"));
}
