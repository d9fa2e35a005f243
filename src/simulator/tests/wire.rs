//! The faults of the wire: what a client sees of each.

use super::*;
use std::time::Duration;
use tokio::time::timeout;

/// Long enough for anything that will come at all on this machine.
const EVER: Duration = Duration::from_secs(20);
/// Long enough to see that something did not come.
const MOMENT: Duration = Duration::from_millis(300);

fn fault(simulator: &Handle, text: Value) -> usize {
    simulator.fault(serde_json::from_value(text).unwrap()).unwrap()
}

async fn get(client: &Client, path: &str) -> reqwest::Response {
    client.http.get(format!("{}{path}", client.url)).header(COOKIE, client.cookie()).send().await.unwrap()
}

async fn one_of(client: &Client, path: &str) -> Value {
    get(client, path).await.json_value().await
}

#[tokio::test]
async fn a_lost_reply_was_processed_and_a_hang_up_was_not() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", false).await;
    publish(&simulator, "agent-1", 1);
    fault(&simulator, json!({"fault": "hang-up"}));
    let request = client.connect_body(None, Some(0));
    assert!(client.request(&request).send().await.is_err());
    assert_eq!(data(&client.connect(None, Some(0)).await.1), [1], "not processed: it is still there");
    publish(&simulator, "agent-1", 2);
    fault(&simulator, json!({"fault": "lost-reply"}));
    let request = client.connect_body(None, Some(0));
    assert!(client.request(&request).send().await.is_err());
    assert!(data(&client.connect(None, Some(0)).await.1).is_empty(), "without ack it is gone");
    let losses = one_of(&client, "/simulator/losses?user=agent-1").await;
    let reply = &losses["replies"][0];
    assert_eq!(
        (&reply["fault"], &reply["ack"], &reply["messages"]),
        (&json!("lost-reply"), &json!(false), &json!([2]))
    );
    let struck = one_of(&client, "/simulator/struck").await;
    let names: Vec<&Value> = struck["faults"].as_array().unwrap().iter().map(|one| &one["fault"]).collect();
    assert_eq!(names, ["hang-up", "lost-reply"]);
}

#[tokio::test]
async fn a_silent_connection_stays_open_and_others_are_served() {
    let simulator = start(options(2)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let mut other = Client::ready(&simulator, "agent-2", true).await;
    fault(&simulator, json!({"fault": "silence", "user": "agent-1"}));
    let request = client.connect_body(Some(1), Some(0));
    assert!(timeout(MOMENT, client.request(&request).send()).await.is_err());
    assert_eq!(other.connect(Some(1), Some(0)).await.0, 200);
    assert_eq!(client.connect(Some(1), Some(0)).await.0, 200);
}

#[tokio::test]
async fn silence_of_all_answers_nobody_and_can_still_be_steered() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    assert_eq!(fault(&simulator, json!({"fault": "silence-all", "millis": 60_000})), 1);
    publish(&simulator, "agent-1", 1);
    assert!(timeout(MOMENT, held).await.is_err());
    assert!(timeout(MOMENT, get(&client, "/api/v2/me")).await.is_err());
    assert_eq!(get(&client, "/simulator/stats").await.status(), 200);
    fault(&simulator, json!({"fault": "clear"}));
    assert_eq!(data(&client.connect(Some(1), Some(0)).await.1), [1]);
}

#[tokio::test]
async fn a_dripping_reply_arrives_whole_and_a_malformed_one_is_no_json() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    publish(&simulator, "agent-1", 1);
    fault(&simulator, json!({"fault": "drip", "bytes": 40, "millis": 1}));
    assert_eq!(data(&client.connect(Some(1), Some(0)).await.1), [1]);
    fault(&simulator, json!({"fault": "malformed"}));
    assert_eq!(client.connect(Some(1), Some(0)).await, (200, vec![]));
    assert_eq!(data(&client.connect(Some(1), Some(0)).await.1), [1], "not acknowledged: it comes again");
}

#[tokio::test]
async fn a_reply_can_stand_before_its_data_and_have_any_advice_or_none() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    publish(&simulator, "agent-1", 1);
    fault(&simulator, json!({"fault": "reply-first"}));
    let (_, body) = client.connect(Some(1), Some(0)).await;
    assert_eq!((&body[0]["channel"], data(&body)), (&json!("/meta/connect"), vec![1]));
    fault(&simulator, json!({"fault": "advice", "value": {"reconnect": "retry", "interval": 7}}));
    fault(&simulator, json!({"fault": "advice"}));
    let given = client.connect(Some(2), Some(0)).await.1;
    assert_eq!(given[0]["advice"], json!({"reconnect": "retry", "interval": 7}));
    assert!(client.connect(Some(2), Some(0)).await.1[0].get("advice").is_none());
}

#[tokio::test]
async fn an_unknown_answer_leaves_the_session_and_a_sweep_takes_it_with_its_queue() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    fault(&simulator, json!({"fault": "unknown"}));
    assert_eq!(client.connect(Some(1), Some(0)).await.1[0]["error"], "402::session_unknown");
    publish(&simulator, "agent-1", 1);
    assert_eq!(data(&client.connect(Some(1), Some(0)).await.1), [1]);
    publish(&simulator, "agent-1", 2);
    assert_eq!(fault(&simulator, json!({"fault": "sweep", "user": "agent-1"})), 1);
    assert_eq!(client.connect(Some(1), Some(0)).await.1[0]["error"], "402::session_unknown");
    let losses = one_of(&client, "/simulator/losses").await;
    let queue = &losses["queues"][0];
    assert_eq!(
        (&queue["cause"], &queue["sent"], &queue["unsent"]),
        (&json!("expired"), &json!([1]), &json!([2]))
    );
    let uncovered = losses["uncovered"].as_array().unwrap();
    assert_eq!(uncovered.len(), 2, "before the first session, and since the sweep");
    assert!(uncovered[0].get("to").is_some() && uncovered[1].get("to").is_none());
}

#[tokio::test]
async fn an_overlap_ends_the_held_connect_with_500_and_the_session_lives() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    assert_eq!(fault(&simulator, json!({"fault": "overlap", "user": "agent-1"})), 1);
    assert_eq!(held.await.unwrap().unwrap().status(), 500);
    publish(&simulator, "agent-1", 1);
    assert_eq!(data(&client.connect(Some(1), Some(0)).await.1), [1]);
}

#[tokio::test]
async fn a_forgotten_a_renamed_and_a_swapped_cookie_lose_the_session() {
    let simulator = start(options(2)).await.unwrap();
    let other = Client::ready(&simulator, "agent-2", true).await;
    for (how, hit) in [("forget", 1), ("rename", 0), ("swap", 0)] {
        let mut client = Client::ready(&simulator, "agent-1", true).await;
        assert_eq!(fault(&simulator, json!({"fault": "cookie", "user": "agent-1", "how": how})), hit);
        if how != "forget" {
            assert_eq!(client.connect(Some(1), Some(0)).await.1[0]["successful"], true);
        }
        assert_eq!(client.connect(Some(1), Some(0)).await.1[0]["error"], "402::session_unknown", "{how}");
        if how == "swap" {
            let of =
                |client: &Client| client.cookies.iter().find(|(name, _)| name == "BAYEUX_BROWSER").cloned();
            assert_eq!(of(&client), of(&other));
        }
    }
}

#[tokio::test]
async fn an_expired_csrf_token_is_refused_until_a_get_brings_the_new_one() {
    let simulator = start(Options { csrf: true, ..options(1) }).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    assert_eq!(fault(&simulator, json!({"fault": "csrf", "user": "agent-1"})), 1);
    assert_eq!(client.connect(Some(1), Some(0)).await.0, 403);
    let response = get(&client, "/api/v2/me").await;
    client.csrf = Some(response.headers()["x-csrf-token"].to_str().unwrap().to_owned());
    assert_eq!(client.connect(Some(1), Some(0)).await.0, 200);
}

#[tokio::test]
async fn a_handshake_can_bring_messages_with_and_without_ack() {
    let simulator = start(options(1)).await.unwrap();
    fault(&simulator, json!({"fault": "handshake-data", "enabled": true}));
    for ack in [true, false] {
        let mut client = Client::new(&simulator);
        client.login("agent-1", "pw").await;
        let body = json!([{"channel": "/meta/handshake", "id": "h", "supportedConnectionTypes": ["long-polling"],
            "ext": {"ack": ack}}]);
        let (_, body) = client.post(body).await;
        assert_eq!((body.len(), &body[0]["x-messages"]), (2, &json!(1)));
        assert_eq!(body[1]["channel"], "/v2/me/devices");
        client.id = body[0]["clientId"].as_str().unwrap().to_owned();
        if ack {
            assert_eq!(body[0]["ext"]["ack"], json!({"enabled": true, "batch": 1}));
            assert_eq!(client.connect(Some(0), Some(0)).await.1.len(), 2, "not acknowledged: it comes again");
        }
        assert_eq!(client.connect(ack.then_some(2), Some(0)).await.1.len(), 1);
    }
}

#[tokio::test]
async fn a_restart_loses_everything_and_listens_again_at_the_same_address() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    let body = r#"{"fault":"restart","millis":200}"#;
    let url = format!("{}/simulator/faults", client.url);
    let hit = client.http.post(url).body(body).send().await.unwrap().json_value().await;
    assert_eq!(hit, json!({"hit": [1]}), "whoever steers is answered");
    let _ = timeout(EVER, held).await.unwrap();
    let again = async {
        loop {
            let mut fresh = Client::new(&simulator);
            fresh.cookies.clone_from(&client.cookies);
            let url = format!("{}/api/v2/me", fresh.url);
            if let Ok(response) = fresh.http.get(url).header(COOKIE, fresh.cookie()).send().await {
                return response.status();
            }
        }
    };
    assert_eq!(timeout(EVER, again).await.unwrap(), 403, "the login is gone, too");
    Client::ready(&simulator, "agent-1", true).await;
}

#[tokio::test]
async fn an_outage_refuses_right_passwords_and_the_attempts_are_counted() {
    let simulator = start(Options { lock_after: Some(2), ..options(2) }).await.unwrap();
    let mut client = Client::new(&simulator);
    for (status, code) in [(403, 403), (401, 401)] {
        fault(&simulator, json!({"fault": "outage", "millis": 60_000, "status": status}));
        for _ in 0..2 {
            assert_eq!(client.login("agent-1", "pw").await.status(), code);
        }
    }
    fault(&simulator, json!({"fault": "clear"}));
    assert_eq!(client.login("agent-1", "pw").await.status(), 200, "an outage locks nobody");
    for _ in 0..2 {
        assert_eq!(client.login("agent-2", "wrong").await.status(), 403);
    }
    assert_eq!(client.login("agent-2", "pw").await.status(), 403, "locked");
    let logins = one_of(&client, "/simulator/logins").await;
    assert_eq!(
        logins["users"]["agent-1"],
        json!({"attempts": 5, "refused": 4, "maxRefusedInARow": 4, "locked": false})
    );
    assert_eq!(logins["users"]["agent-2"]["locked"], true);
    let stats = one_of(&client, "/simulator/stats").await;
    assert_eq!((&stats["maxLoginAttempts"], &stats["lockedAccounts"]), (&json!(5), &json!(1)));
    assert!(stats["maxRequestsPerSecond"].as_u64().unwrap() >= 1);
    client.http.post(format!("{}/simulator/reset-peaks", client.url)).send().await.unwrap();
    assert_eq!(one_of(&client, "/simulator/stats").await["maxLoginAttempts"], 0);
}

#[tokio::test]
async fn held_polls_are_no_requests_and_hurried_ones_are() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    client.http.post(format!("{}/simulator/reset-peaks", client.url)).send().await.unwrap();
    publish(&simulator, "agent-1", 1);
    client.connect(Some(1), None).await;
    let peak = simulator.stats().maxima.max_requests_per_second;
    assert_eq!(peak, 0);
    client.connect(Some(2), Some(0)).await;
    assert!(simulator.stats().maxima.max_requests_per_second >= 1);
}

#[tokio::test]
async fn a_poll_that_is_answered_at_once_and_for_nothing_is_a_request() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let peak = || simulator.stats().maxima.max_requests_per_second;
    let (http, url) = (client.http.clone(), format!("{}/simulator/reset-peaks", client.url));
    let reset = || http.post(&url).send();
    reset().await.unwrap();
    fault(&simulator, json!({"fault": "status", "status": 503, "user": "agent-1", "on": "connect"}));
    let mut other = Client::new(&simulator);
    other.cookies.clone_from(&client.cookies);
    other.connect(Some(1), Some(60_000)).await;
    assert_eq!(peak(), 1, "a fault stands before the hold");
    reset().await.unwrap();
    fault(&simulator, json!({"fault": "expire", "user": "agent-1"}));
    assert_eq!(client.connect(Some(1), Some(60_000)).await.0, 403);
    assert_eq!(peak(), 1, "nobody is logged in any more");
}

#[tokio::test]
async fn two_nodes_know_their_own_sessions_and_a_balancer_that_is_not_sticky_loses_them() {
    let simulator = start(Options { nodes: 2, ..options(2) }).await.unwrap();
    let mut first = Client::ready(&simulator, "agent-1", true).await;
    let second = Client::ready(&simulator, "agent-2", true).await;
    assert!(first.cookie().contains(".node") && second.cookie().contains(".node"));
    assert_eq!(simulator.stats().sessions_by_node, [1, 1]);
    fault(&simulator, json!({"fault": "misroute", "user": "agent-1"}));
    assert_eq!(first.connect(Some(1), Some(0)).await.0, 403, "the other node knows no such login");
    assert_eq!(first.connect(Some(1), Some(0)).await.0, 200);
    fault(&simulator, json!({"fault": "balancer", "sticky": false}));
    let mut statuses = vec![first.connect(Some(1), Some(0)).await.0, first.connect(Some(1), Some(0)).await.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "every second request finds the wrong node");
}

#[tokio::test]
async fn nodes_that_share_their_logins_still_lose_the_session() {
    let simulator = start(Options { nodes: 2, shared_logins: true, ..options(1) }).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    fault(&simulator, json!({"fault": "misroute", "user": "agent-1"}));
    assert_eq!(client.connect(Some(1), Some(0)).await.1[0]["error"], "402::session_unknown");
    assert_eq!(client.connect(Some(1), Some(0)).await.1[0]["successful"], true);
}

#[tokio::test]
async fn a_fault_of_rest_strikes_rest_only() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    fault(&simulator, json!({"fault": "status", "status": 429, "retry_after": 3, "on": "rest"}));
    assert_eq!(client.connect(Some(1), Some(0)).await.0, 200);
    let response = get(&client, "/api/v2/me/devices").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(get(&client, "/api/v2/me/devices").await.status(), 200);
}
