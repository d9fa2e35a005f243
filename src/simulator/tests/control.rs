//! Steering, scripts, limits, start and stop.

use super::*;

#[tokio::test]
async fn operations_on_the_contact_centre_are_refused_and_counted() {
    let simulator = start(options(1)).await.unwrap();
    let client = Client::ready(&simulator, "agent-1", true).await;
    for path in ["/api/v2/me", "/api/v2/me/calls/1", "/api/v2/users"] {
        let response = client.http.post(format!("{}{path}", client.url)).body("{}").send().await.unwrap();
        assert_eq!(response.status(), 403);
    }
    assert_eq!(simulator.stats().foreign_posts, 3);
    let version = client.http.get(format!("{}/api/v2/diagnostics/version", client.url)).send().await.unwrap();
    assert_eq!(version.json_value().await["statusCode"], 0);
}

#[tokio::test]
async fn the_snapshot_shows_what_was_set_and_empty_lists_else() {
    let simulator = start(options(1)).await.unwrap();
    let client = Client::ready(&simulator, "agent-1", true).await;
    assert!(simulator.set_resource("agent-1", "devices", raw(&json!([{"id": "d"}]))));
    let get =
        |path: &str| client.http.get(format!("{}{path}", client.url)).header(COOKIE, client.cookie()).send();
    let devices = get("/api/v2/me/devices?fields=*").await.unwrap().json_value().await;
    assert_eq!(devices, json!({"statusCode": 0, "devices": [{"id": "d"}]}));
    let me = get("/api/v2/me?subresources=*").await.unwrap().json_value().await;
    assert_eq!((&me["user"]["devices"][0]["id"], &me["user"]["chats"]), (&json!("d"), &json!([])));
    assert_eq!(get("/api/v2/me/facebooksessions/1/messages").await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_control_speaks_as_the_other_test_servers_do() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    for root in ["simulator", "control"] {
        let body = r#"[{"user":"agent-1","channel":"/v2/me/facebooksession","data":{ "n":1.0 },"tag":"t"}]"#;
        let url = format!("{}/{root}/publish", client.url);
        let reply = client.http.post(url).body(body).send().await.unwrap().json_value().await;
        assert_eq!(reply, json!({"delivered": [1]}));
    }
    let request = client.connect_body(Some(1), None);
    let text = client.request(&request).send().await.unwrap().bytes().await.unwrap();
    assert!(
        String::from_utf8_lossy(&text).contains(r#""data":{ "n":1.0 }}"#),
        "the text goes through unchanged"
    );
    let url = format!("{}/simulator/faults", client.url);
    let hit = client.http.post(&url).body(r#"{"fault":"drop","user":"agent-1"}"#).send().await.unwrap();
    assert_eq!(hit.json_value().await, json!({"hit": [1]}));
    let bad = client.http.post(&url).body(r#"[{"fault":"explode"}]"#).send().await.unwrap();
    assert_eq!(bad.status(), 400);
    assert!(bad.json_value().await["error"].as_str().unwrap().contains("explode"));
    let stats =
        client.http.get(format!("{}/simulator/stats", client.url)).send().await.unwrap().json_value().await;
    assert_eq!((&stats["published"], &stats["sessionsRemoved"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn too_large_a_body_and_nonsense_are_refused() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    assert_eq!(client.post(json!(["x".repeat(300_000)])).await.0, 413);
    assert_eq!(client.post(json!([1])).await.0, 400);
    assert_eq!(client.post(json!({"channel": 7})).await.0, 400);
}

#[tokio::test]
async fn a_session_that_never_polls_is_dropped_when_its_queue_is_full() {
    let simulator = start(Options { max_queue: 2, ..options(1) }).await.unwrap();
    let _client = Client::ready(&simulator, "agent-1", true).await;
    let delivered: Vec<usize> = (0..4).map(|n| publish(&simulator, "agent-1", n)).collect();
    assert_eq!(delivered, [1, 1, 0, 0]);
    assert_eq!(simulator.stats().live_sessions, 0);
}

#[tokio::test]
async fn the_demo_begins_when_its_agents_listen() {
    let script = Script::Demo { pace: Duration::from_millis(1) };
    let simulator = start(Options { script: Some(script), ..options(3) }).await.unwrap();
    let mut clients = Vec::new();
    for user in ["agent-1", "agent-2", "agent-3"] {
        clients.push(Client::ready(&simulator, user, true).await);
    }
    let (_, body) = clients[0].connect(Some(1), None).await;
    assert_eq!(body[0]["data"]["facebooksession"]["state"], "Invited");
}

#[tokio::test]
async fn load_reaches_every_user() {
    let script = Script::Load { per_second: 1_000.0 };
    let simulator = start(Options { script: Some(script), ..options(2) }).await.unwrap();
    for user in ["agent-1", "agent-2"] {
        let mut client = Client::ready(&simulator, user, true).await;
        // Its conversation may have begun before anybody listened.
        let mut told = Vec::new();
        for batch in 1..=3 {
            told.extend(client.connect(Some(batch), None).await.1);
        }
        let log = |message: &Value| message["data"]["messageType"] == "MessageLogUpdated";
        assert!(told.iter().any(log), "{told:?}");
    }
}

#[tokio::test]
async fn options_that_can_not_work_and_a_taken_address_are_refused() {
    let twice = Options { users: [demo_users(), demo_users()].concat(), ..Options::default() };
    assert!(matches!(start(twice).await, Err(Error::Options(_))));
    assert!(matches!(
        start(Options { script: Some(Script::DEMO), ..options(2) }).await,
        Err(Error::Options(_))
    ));
    let first = start(options(1)).await.unwrap();
    let again = Options { listen: first.address(), ..options(1) };
    let error = start(again).await.unwrap_err().to_string();
    assert!(error.contains(&first.address().to_string()), "{error}");
}

#[tokio::test]
async fn a_stopped_simulator_leaves_its_address_and_ends_held_connects() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    let address = simulator.address();
    simulator.stop().await;
    assert!(held.await.unwrap().is_err());
    start(Options { listen: address, ..options(1) }).await.unwrap();
}
