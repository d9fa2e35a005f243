//! What goes wrong on demand.

use super::*;

#[tokio::test]
async fn login_faults_strike_until_they_are_taken_back() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::new(&simulator);
    let modes = [
        (LoginMode::Unauthorised, 401),
        (LoginMode::Forbidden, 403),
        (LoginMode::NewPassword, 403),
        (LoginMode::Error, 500),
        (LoginMode::Unavailable, 503),
    ];
    for (mode, status) in modes {
        simulator.fault(Fault::Login { user: "agent-1".into(), mode }).unwrap();
        let response = client.login("agent-1", "pw").await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
    }
    simulator.fault(Fault::Login { user: "agent-1".into(), mode: LoginMode::OtherUser }).unwrap();
    assert_eq!(client.login("agent-1", "pw").await.json_value().await["user"]["userName"], "other-agent-1");
    simulator.fault(Fault::Clear).unwrap();
    assert_eq!(client.login("agent-1", "pw").await.json_value().await["user"]["userName"], "agent-1");
}

#[tokio::test]
async fn without_ack_a_lost_reply_is_a_lost_batch() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", false).await;
    publish(&simulator, "agent-1", 1);
    simulator.fault(Fault::Cut { user: None, after: 5, on: None, count: 1 }).unwrap();
    let request = client.connect_body(None, None);
    let response = client.request(&request).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err(), "the body is shorter than it said");
    let (_, next) = client.connect(None, Some(0)).await;
    assert_eq!(data(&next), Vec::<u64>::new());
}

#[tokio::test]
async fn with_ack_a_cut_reply_comes_again() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    publish(&simulator, "agent-1", 1);
    simulator.fault(Fault::Cut { user: Some("agent-1".into()), after: 0, on: None, count: 1 }).unwrap();
    let request = client.connect_body(Some(1), None);
    assert!(client.request(&request).send().await.unwrap().bytes().await.is_err());
    assert_eq!(data(&client.connect(Some(1), None).await.1), [1]);
}

#[tokio::test]
async fn a_dropped_session_ends_its_held_connect_and_is_unknown_afterwards() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    let request = client.connect_body(Some(1), None);
    let held = tokio::spawn(client.request(&request).send());
    until(|| simulator.stats().held == 1).await;
    assert_eq!(simulator.fault(Fault::Drop { user: "agent-1".into() }).unwrap(), 1);
    assert_eq!(held.await.unwrap().unwrap().status(), 500);
    assert_eq!(client.connect(Some(1), None).await.1[0]["error"], "402::session_unknown");
    simulator.fault(Fault::Expire { user: "agent-1".into() }).unwrap();
    assert_eq!(client.connect(Some(1), None).await.0, 403);
}

#[tokio::test]
async fn faults_of_the_reply_strike_once() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    simulator.fault(Fault::NoId { user: None, count: 1 }).unwrap();
    simulator.fault(Fault::NoReplyAck { user: None, count: 1 }).unwrap();
    let reply = client.connect(Some(1), Some(0)).await.1.remove(0);
    assert!(reply.get("id").is_none() && reply.get("ext").is_none());
    simulator
        .fault(Fault::ContentType { user: None, value: "text/html".into(), on: None, count: 1 })
        .unwrap();
    let request = client.connect_body(Some(1), Some(0));
    let response = client.request(&request).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html");
    simulator.fault(Fault::Garbage { user: None, on: None, count: 1 }).unwrap();
    let request = client.connect_body(Some(1), Some(0));
    let body = client.request(&request).send().await.unwrap().bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    simulator.fault(Fault::AdviceNone { user: None, count: 1 }).unwrap();
    publish(&simulator, "agent-1", 7);
    let (_, last) = client.connect(Some(1), None).await;
    assert_eq!((data(&last), &last.last().unwrap()["advice"]["reconnect"]), (vec![7], &json!("none")));
    assert_eq!(client.connect(Some(1), None).await.1[0]["error"], "402::session_unknown");
}

#[tokio::test]
async fn faults_of_the_request_keep_it_from_being_processed() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    publish(&simulator, "agent-1", 1);
    simulator
        .fault(Fault::Status {
            user: None,
            status: 503,
            retry_after: Some(2),
            on: Some(On::Connect),
            count: 1,
        })
        .unwrap();
    assert_eq!(client.subscribe(json!("/a")).await["successful"], true);
    let connects = simulator.stats().connects;
    let request = client.connect_body(Some(1), None);
    let response = client.request(&request).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "2"));
    simulator.fault(Fault::Redirect { user: None, status: 307, location: None, on: None, count: 1 }).unwrap();
    let request = client.connect_body(Some(1), None);
    let response = client.request(&request).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (307, &"/api/v2/notifications/x".parse().unwrap())
    );
    assert_eq!(simulator.stats().connects, connects);
    assert_eq!(data(&client.connect(Some(1), None).await.1), [1]);
}

#[tokio::test]
async fn without_ack_data_can_come_with_any_reply_where_the_fault_says_so() {
    let simulator = start(options(1)).await.unwrap();
    let mut client = Client::ready(&simulator, "agent-1", false).await;
    simulator.fault(Fault::DataAnywhere { enabled: true }).unwrap();
    publish(&simulator, "agent-1", 1);
    let body =
        json!([{"channel": "/meta/subscribe", "id": "s", "clientId": client.id, "subscription": "/b"}]);
    assert_eq!(data(&client.post(body).await.1), [1]);
}
