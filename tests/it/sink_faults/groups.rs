//! Routing by the roster's groups: an event belongs to the group that its agent was in when it was recorded, whatever
//! becomes of the roster before it is delivered.

use crate::harness::cometd::{Cometd, Kind, Like, Publish};
use crate::harness::daemon::{Daemon, Home};
use crate::harness::eventually;
use crate::harness::receiver::Receiver;
use crate::harness::scene::{LIMIT, Scene};
use crate::harness::sinks::{KEEP_TRYING, webhook};
use crate::harness::workload;
use serde_json::{Value, json};
use std::fmt::Write as _;

const KEYS: &str =
    "watch = \"200ms\"\nmax_removed_percent = 90\n[site.main.group.north]\n[site.main.group.south]\n";
/// Each agent's copy of a message is an event, so that it has a group.
const SCOPE: [&str; 2] = ["--set", "site.main.dedup_scope=agent"];
const TALK: &str = "000GROUPS001";
const LAG: &str = "cometbridge_sink_lag_events{sink=";

/// Agents 1001 and so on, each with its group.
fn roster(home: &Home, users: &[String], groups: &[&str]) {
    let mut text = "agent,username,group\n".to_owned();
    for (number, (user, group)) in users.iter().zip(groups).enumerate() {
        let _ = writeln!(text, "{},{user},{group}", 1001 + number);
    }
    let new = home.write("agents.csv.new", &text);
    std::fs::rename(new, home.path("agents.csv")).unwrap();
}

async fn stage(server: Cometd, groups: &[&str], sinks: &str) -> Scene {
    let (home, users) = (Home::new(), workload::users(groups.len()));
    home.write_roster(&users);
    roster(&home, &users, groups);
    Scene::on(server, home, &users, 0, &format!("{KEYS}{sinks}"), &SCOPE).await
}

fn of_group(name: &str, receiver: &Receiver) -> String {
    let lists = format!("match = {{ group = [\"{name}\"], visibility = [] }}\n{KEEP_TRYING}");
    webhook(name, &receiver.url, &lists)
}

/// The same message of one conversation for each agent, and a state of its own; all of it is on disk then.
async fn tell(scene: &Scene, index: usize) {
    let mut batch = Vec::new();
    for user in &scene.users {
        let to = |channel: &str, data: Value| Publish {
            user: user.clone(),
            channel: channel.to_owned(),
            data,
            tag: format!("{user} {channel} {index}"),
        };
        batch.push(to(
            "/v2/me/facebooksession",
            json!({"messageType": "MessageLogUpdated", "notificationType": "NewMessages",
                "facebooksessionUri": format!("http://localhost:8080/api/v2/facebooksessions/{TALK}"),
                "messages": [{"index": index, "type": "Text", "text": "t", "visibility": "All",
                    "from": {"type": "Customer", "nickname": "n", "participantId": "009052C5E6D6004A"}}]}),
        ));
        batch.push(to(
            "/v2/me/devices",
            json!({"messageType": "DeviceStateChangeMessage", "devices": [{"id": "d", "deviceState": "Active",
                "userState": {"displayName": "s", "state": format!("state-{index}")}}]}),
        ));
    }
    let delivered = scene.server.publish(&batch).await;
    assert!(delivered.iter().all(|sessions| *sessions == 1), "{delivered:?}");
    eventually("all of it is acknowledged", LIMIT, || async {
        let acked = scene.server.acked().await;
        batch.iter().all(|one| acked.contains(&one.tag)).then_some(())
    })
    .await;
}

/// What a receiver has, once each (a kill makes some come again): of each agent the messages and states told, sorted.
fn told(receiver: &Receiver) -> Vec<String> {
    let word = |event: &Value| {
        let agent = event["agent"].as_str().unwrap_or("nobody").to_owned();
        match event["event"].as_str().unwrap() {
            "message" => Some(format!("{agent} {}", event["messageindex"])),
            "state_change" => {
                event["data"]["userState"]["state"].as_str().map(|state| format!("{agent} {state}"))
            }
            _ => None,
        }
    };
    let mut words: Vec<String> = receiver.events_once(f64::INFINITY).iter().filter_map(word).collect();
    words.sort();
    words
}

fn both(agent: &str, indices: &[usize]) -> Vec<String> {
    let of = |index: &usize| [format!("{agent} {index}"), format!("{agent} state-{index}")];
    indices.iter().flat_map(of).collect()
}

async fn has(receiver: &Receiver, expected: &[Vec<String>]) {
    let mut expected = expected.concat();
    expected.sort();
    eventually(&format!("{expected:?} have arrived"), LIMIT, || async {
        (told(receiver).len() >= expected.len()).then_some(())
    })
    .await;
    assert_eq!(told(receiver), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_to_the_group_of_its_time_over_moves_lag_and_restarts() {
    let (north, south, rest) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let others = "match = { visibility = [] }\nexcept = { group = [\"north\", \"south\"] }\n";
    let sinks =
        [of_group("north", &north), of_group("south", &south), webhook("rest", &rest.url, others)].concat();
    let server = Cometd::start(Kind::Java, &[]);
    let mut scene = stage(server, &["north", "south", ""], &sinks).await;
    north.answer(503);
    tell(&scene, 1).await;
    has(&south, &[both("1002", &[1])]).await;
    has(&rest, &[both("1003", &[1])]).await;

    // 1001 moves while what it had in its first group is still to be delivered there.
    roster(&scene.home, &scene.users, &["south", "south", ""]);
    eventually("1001 has a session as one of the other group", LIMIT, || async {
        let stats = scene.server.stats().await;
        (stats["logins"] == 4 && stats["liveSessions"] == 3).then_some(())
    })
    .await;
    scene.daemon.connected(3).await;
    tell(&scene, 2).await;
    has(&south, &[both("1001", &[2]), both("1002", &[1, 2])]).await;
    assert_eq!(told(&north), [""; 0]);

    // So it is over a kill, and a roster that changes while nobody runs.
    south.answer(503);
    tell(&scene, 3).await;
    has(&rest, &[both("1003", &[1, 2, 3])]).await;
    scene.daemon.kill();
    roster(&scene.home, &scene.users, &["south", "north", ""]);
    scene.daemon = scene.home.start_with(&SCOPE);
    scene.daemon.connected(3).await;
    north.answer(200);
    south.answer(200);
    tell(&scene, 4).await;
    has(&rest, &[both("1003", &[1, 2, 3, 4])]).await;
    has(&north, &[both("1001", &[1]), both("1002", &[4])]).await;
    has(&south, &[both("1001", &[2, 3, 4]), both("1002", &[1, 2, 3])]).await;
    for sink in ["north", "south", "rest"] {
        scene.until(&format!("{LAG}\"{sink}\"}}"), |lag| lag == 0.0).await;
    }
    assert!(north.events().iter().chain(&south.events()).all(|event| event.get("group").is_none()));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_an_agent_after_its_line_is_gone_is_still_its_groups() {
    let (north, south) = (Receiver::start().await, Receiver::start().await);
    let sinks = [of_group("north", &north), of_group("south", &south)].concat();
    let users = workload::users(2);
    let server = Cometd::start_like(Kind::Simulator, &Like::default(), &users).await;
    let scene = stage(server, &["north", "south"], &sinks).await;
    let phases = |receiver: &Receiver| -> Vec<(Value, Value)> {
        let events = receiver.events().into_iter().filter(|event| event["medium"] == "bridge");
        events.map(|event| (event["agent"].clone(), event["event"].clone())).collect()
    };
    let gap = |word: &str| (json!("1001"), json!(word));
    let refused =
        json!({"fault": "status", "user": users[0], "status": 400, "on": "handshake", "count": 100_000});
    scene.server.fault(refused).await;
    scene.server.drop_session(&users[0]).await;
    eventually("the gap is told", LIMIT, || async { (phases(&north) == [gap("gap_opened")]).then_some(()) })
        .await;
    scene.home.write("agents.csv", &format!("agent,username,group\n1002,{},south\n", users[1]));
    eventually("its end is told", LIMIT, || async { (phases(&north).len() == 2).then_some(()) }).await;
    assert_eq!(phases(&north), [gap("gap_opened"), gap("gap_closed")]);
    assert_eq!(phases(&south), []);
    let (code, said, _) = Daemon::asked(&scene.home, &[&["check"], &SCOPE[..]].concat()).await;
    let note = "note: sink.webhook.north: match.group: nobody is of the group \"north\" in a roster\n";
    assert!(code == 0 && said.contains(note) && !said.contains("group \"south\""), "{said}");
    scene.end().await;
}
