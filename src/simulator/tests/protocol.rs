//! Logins and Bayeux as a client meets them on a good day, and the rules it must keep.

use super::*;

#[tokio::test]
async fn a_login_names_its_user_and_a_wrong_password_is_403_with_status_code_20() {
    let simulator = start(Options { csrf: true, ..options(1) }).await.unwrap();
    let mut client = Client::new(&simulator);
    let refused = client.login("agent-1", "wrong").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.json_value().await["statusCode"], 20);
    let welcome = client.login("agent-1", "pw").await;
    assert_eq!(welcome.headers()["x-csrf-header"], "X-CSRF-TOKEN");
    let body = welcome.json_value().await;
    assert_eq!((&body["statusCode"], &body["user"]["userName"]), (&json!(0), &json!("agent-1")));
    assert_eq!(client.handshake(true).await["successful"], true);
    client.csrf = None;
    assert_eq!(client.post(json!([])).await.0, 403);
    let stats = simulator.stats();
    assert_eq!((stats.logins, stats.refused_logins, stats.csrf_refused), (1, 1, 1));
}

#[tokio::test]
async fn cometd_without_a_login_is_403() {
    let simulator = start(options(1)).await.unwrap();
    assert_eq!(Client::new(&simulator).post(json!([])).await.0, 403);
    assert_eq!(simulator.stats().unauthenticated, 1);
}

#[tokio::test]
async fn a_handshake_tells_version_types_advice_and_ack() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::new(&simulator);
    client.login("agent-1", "pw").await;
    let reply = client.handshake(true).await;
    assert_eq!(reply["version"], "1.0");
    assert_eq!(reply["supportedConnectionTypes"], json!(["long-polling"]));
    assert_eq!(reply["advice"], json!({"reconnect": "retry", "interval": 0, "timeout": 20000}));
    assert_eq!(reply["ext"]["ack"], true);
    assert_eq!(reply["id"], "h");
    assert!(client.cookie().contains("BAYEUX_BROWSER="));
    simulator.fault(Fault::NoAck { enabled: true }).unwrap();
    simulator.fault(Fault::HandshakeWithoutAdvice { enabled: true }).unwrap();
    let reply = client.handshake(true).await;
    assert!(reply.get("ext").is_none() && reply.get("advice").is_none());
}

#[tokio::test]
async fn an_unacknowledged_batch_comes_again_at_once_and_an_acknowledged_one_never() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    assert_eq!(publish(&simulator, "agent-1", 1), 1);
    assert_eq!(publish(&simulator, "agent-1", 2), 1);
    let (_, first) = client.connect(Some(1), None).await;
    assert_eq!(data(&first), [1, 2]);
    assert_eq!(first.last().unwrap()["ext"]["ack"], 2);
    let (_, again) = client.connect(Some(1), None).await;
    assert_eq!(data(&again), [1, 2]);
    assert_eq!(again.last().unwrap()["ext"]["ack"], 3);
    assert_eq!(simulator.acked(), Vec::<String>::new());
    let (_, after) = client.connect(Some(3), Some(0)).await;
    assert_eq!(data(&after), Vec::<u64>::new());
    assert_eq!(simulator.acked(), ["1", "2"]);
}

#[tokio::test]
async fn a_client_that_names_its_own_timeout_is_held_with_its_unacknowledged_batch() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    publish(&simulator, "agent-1", 1);
    client.connect(Some(1), None).await;
    let request = client.connect_body(Some(1), Some(60_000));
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    publish(&simulator, "agent-1", 2);
    let body: Vec<Value> =
        serde_json::from_slice(&held.await.unwrap().unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(data(&body), [1, 2]);
}

#[tokio::test]
async fn a_second_connect_ends_the_first_with_500_and_is_served() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let older = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    let request = client.connect_body(Some(1), None);
    let newer = tokio::spawn(client.request(&request).send());
    assert_eq!(older.await.unwrap().unwrap().status(), 500);
    publish(&simulator, "agent-1", 1);
    let body: Vec<Value> =
        serde_json::from_slice(&newer.await.unwrap().unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(data(&body), [1]);
    assert_eq!(simulator.stats().duplicate_connects, 1);
}

#[tokio::test]
async fn another_cookie_or_none_is_an_unknown_session() {
    let simulator = start(options(2)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let mut other = Client::ready(&simulator, "agent-2", true).await;
    other.id = client.id.clone();
    let (_, reply) = other.connect(Some(1), Some(0)).await;
    assert_eq!(reply[0]["error"], "402::session_unknown");
    client.cookies.retain(|(name, _)| name != "BAYEUX_BROWSER");
    let (_, reply) = client.connect(Some(1), Some(0)).await;
    assert_eq!(reply[0]["error"], "402::session_unknown");
    assert_eq!(reply[0]["advice"]["reconnect"], "handshake");
    let reply = client.subscribe(json!("/a")).await;
    assert_eq!(reply["error"], "402::session_unknown");
    assert!(reply.get("advice").is_none(), "only handshakes and connects are advised");
}

#[tokio::test]
async fn a_client_that_hangs_up_is_no_longer_held() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    held.abort();
    until(|| simulator.stats().held == 0).await;
    publish(&simulator, "agent-1", 1);
    assert_eq!(data(&client.connect(Some(1), None).await.1), [1], "what it missed waits for it");
}

#[tokio::test]
async fn subscriptions_come_as_one_or_many_and_can_be_denied() {
    let denied = Options { denied_channels: vec!["/v2/me/outbound".into()], ..options(1) };
    let simulator = start(denied).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    assert_eq!(client.subscribe(json!(["/v2/me/*", "/b"])).await["subscription"], json!(["/v2/me/*", "/b"]));
    let reply = client.subscribe(json!("/v2/me/outbound")).await;
    assert_eq!(reply["error"], "403:denied_by_security_policy:subscribe_denied");
    assert_eq!(client.subscribe(Value::Null).await["error"], "403::subscription_missing");
    assert_eq!(client.subscribe(json!("b")).await["error"], "403::subscription_invalid");
    assert_eq!(simulator.publish("agent-1", "/v2/me/devices", &raw(&json!({"n": 1}))), 1);
    assert_eq!(simulator.publish("agent-1", "/c", &raw(&json!({"n": 2}))), 0);
    assert_eq!(simulator.publish("agent-2", "/b", &raw(&json!({"n": 3}))), 0);
    assert_eq!(data(&client.connect(Some(1), None).await.1), [1]);
}

#[tokio::test]
async fn a_disconnect_answers_the_held_connect_and_ends_the_session() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    let (_, reply) =
        client.post(json!([{"channel": "/meta/disconnect", "id": "d", "clientId": client.id}])).await;
    assert_eq!(reply[0]["successful"], true);
    let body: Vec<Value> =
        serde_json::from_slice(&held.await.unwrap().unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(body[0]["advice"]["reconnect"], "none");
    assert_eq!(simulator.stats().live_sessions, 0);
}

#[tokio::test]
async fn two_sessions_in_one_cookie_jar_are_told_to_poll() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    client.handshake(true).await;
    let advice = client.connect(Some(0), None).await.1[0]["advice"].clone();
    assert_eq!((&advice["multiple-clients"], &advice["interval"]), (&json!(true), &json!(2000)));
    held.abort();
}
