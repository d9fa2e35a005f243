//! A scenario as it plays over real sockets, and what an oracle can read of it.

use super::*;

const EXAMPLE: &str = include_str!("../../../config/examples/scenario.toml");

async fn read(simulator: &Handle, path: &str) -> Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{}/simulator/{path}", simulator.url())).send().await.unwrap().json_value().await
}

async fn tell(simulator: &Handle, path: &str, body: Value) -> Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/simulator/{path}", simulator.url());
    http.post(url).body(body.to_string()).send().await.unwrap().json_value().await
}

/// A day without chance, for acts by fault.
async fn quiet() -> Handle {
    let text = "agents = 2\npassword = \"pw\"\n[day]\nconversations_per_hour = 0.0\nstates_per_hour = 0.0\n";
    start(Scenario::parse("quiet", text).unwrap().options()).await.unwrap()
}

#[tokio::test]
async fn the_example_plays_and_its_rest_agrees_with_its_truth() {
    let simulator = start(Scenario::parse("scenario.toml", EXAMPLE).unwrap().options()).await.unwrap();
    let mut rows = Value::Null;
    while rows["rows"].as_array().is_none_or(|rows| rows.len() < 150) {
        rows = read(&simulator, "published?limit=1000").await;
    }
    assert_eq!(tell(&simulator, "pause", json!({"paused": true})).await, json!({"paused": true}));
    let truth = read(&simulator, "truth").await;
    assert_eq!(truth["users"].as_object().unwrap().len(), 5);
    let mut client = Client::new(&simulator);
    while client.login("agent-1", "simulated").await.status() != 200 {}
    let get = async |path: &str| {
        let request =
            client.http.get(format!("{}/api/v2/me{path}", client.url)).header(COOKIE, client.cookie());
        request.send().await.unwrap().json_value().await
    };
    let of = &truth["users"]["agent-1"];
    let me = get("?subresources=*").await;
    assert_eq!((&me["user"]["devices"], &me["user"]["channels"]), (&of["devices"], &of["channels"]));
    let open = of["open"].as_array().unwrap();
    assert!(!open.is_empty(), "the batch has begun one");
    for one in open {
        let (list, id) = (format!("{}s", one["medium"].as_str().unwrap()), one["id"].as_str().unwrap());
        let shown = get(&format!("/{list}?fields=*")).await;
        assert!(shown[&list].as_array().unwrap().iter().any(|other| other["id"] == id));
        assert_eq!(get(&format!("/{list}/{id}/messages?startIndex=0")).await["messages"], one["log"]);
    }
    let rows = read(&simulator, "published").await;
    let last = rows["rows"].as_array().unwrap().last().unwrap()["n"].clone();
    let after = read(&simulator, &format!("published?after={last}")).await;
    assert_eq!(after["rows"], json!([]), "a paused day says nothing more");
}

#[tokio::test]
async fn what_was_published_says_to_whom_it_went_and_whether_it_was_acknowledged() {
    let simulator = quiet().await;
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    simulator.fault(Fault::Batch { user: "agent-1".into(), messages: 2 }).unwrap();
    simulator.fault(Fault::Batch { user: "agent-2".into(), messages: 1 }).unwrap();
    let (_, body) = client.connect(Some(1), Some(0)).await;
    let batch = body.last().unwrap()["ext"]["ack"].as_u64().unwrap();
    client.connect(Some(batch), Some(0)).await;
    let rows = read(&simulator, "published").await;
    let rows = rows["rows"].as_array().unwrap();
    let of = |user: &str, kind: &str| -> Vec<&Value> {
        rows.iter().filter(|row| row["user"] == user && row["messageType"] == kind).collect()
    };
    let logs = of("agent-1", "MessageLogUpdated");
    assert_eq!(
        logs.iter().map(|row| row["indices"].clone()).collect::<Vec<_>>(),
        [json!([1, 2]), json!([3, 3]), json!([4, 4])]
    );
    assert!(logs.iter().all(|row| row["deliveredTo"] == 1 && row["sent"] == 1 && row["acked"] == 1));
    let missed = of("agent-2", "MessageLogUpdated");
    assert!(missed.iter().all(|row| row["deliveredTo"] == 0 && row["acked"] == 0) && missed.len() == 2);
    assert!(body.iter().any(|message| message["data"]["messages"][0]["text"].is_string()));
}

#[tokio::test]
async fn a_huge_item_an_odd_one_and_a_logout_arrive_as_notifications() {
    let simulator = quiet().await;
    let mut client = Client::ready(&simulator, "agent-1", true).await;
    client.subscribe(json!("/v2/me/*")).await;
    simulator.fault(Fault::HugeItem { user: "agent-1".into(), bytes: 2_000_000 }).unwrap();
    assert_eq!(simulator.fault(Fault::Odd { user: "agent-1".into(), variant: 1 }).unwrap(), 1);
    assert_eq!(simulator.fault(Fault::Logout { user: "agent-1".into(), on: None }).unwrap(), 2);
    let (_, body) = client.connect(Some(1), Some(0)).await;
    let text = |message: &Value| message["data"]["messages"][0]["text"].as_str().map(str::len);
    assert!(body.iter().any(|message| text(message) == Some(2_000_000)));
    assert!(body.iter().any(|message| message["data"].is_string()));
    let out = |message: &Value| message["data"]["devices"][0]["userState"]["state"] == "LoggedOut";
    assert!(body.iter().any(out));
}
