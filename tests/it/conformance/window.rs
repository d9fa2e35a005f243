//! How long a server keeps a session between two connects, and what makes it longer: what the bridge relies on while
//! storage stalls, asked of each server by hand.
//!
//! No test measures time: a second session that does nothing is waited for until it is gone, and the first one, which
//! did something, must be there still.

use crate::harness::cometd::{Cometd, Kind, Like, Publish};
use crate::harness::scene::LIMIT;
use crate::harness::{eventually, http};
use rstest::rstest;
use serde_json::{Value, json};

const CHANNEL: &str = "/v2/me/chats";

/// One Bayeux session without any rules of its own.
struct Client {
    user: String,
    url: String,
    cookie: String,
    id: String,
    http: reqwest::Client,
}

impl Client {
    /// Logged in, subscribed, and its first connect answered: the window begins.
    async fn begin(server: &Cometd, user: &str) -> Client {
        let login = http().get(format!("{}/api/v2/me", server.url));
        let login = login.basic_auth(user, Some(format!("pw-{user}"))).send().await.unwrap();
        assert!(login.status().is_success());
        let mut client = Client {
            user: user.to_owned(),
            url: format!("{}/api/v2/notifications", server.url),
            cookie: cookies(&login),
            id: String::new(),
            http: http(),
        };
        let handshake = json!({"channel": "/meta/handshake", "version": "1.0", "ext": {"ack": true},
            "supportedConnectionTypes": ["long-polling"]});
        let reply = client.post(handshake).await;
        client.id = reply["clientId"].as_str().unwrap().to_owned();
        client.subscribe().await;
        client
    }

    async fn post(&mut self, mut message: Value) -> Value {
        message["id"] = json!("7");
        if !self.id.is_empty() {
            message["clientId"] = json!(self.id);
        }
        let request = self.http.post(&self.url).header("cookie", &self.cookie);
        let request = request.header("content-type", "application/json");
        let reply = request.body(Value::Array(vec![message.clone()]).to_string()).send().await.unwrap();
        if message["channel"] == "/meta/handshake" {
            self.cookie = format!("{}; {}", self.cookie, cookies(&reply));
        }
        let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        let messages = body.as_array().unwrap();
        let mut answer = messages.iter().find(|one| one["channel"] == message["channel"]).unwrap().clone();
        answer["notifications"] = json!(messages.iter().filter(|one| one.get("data").is_some()).count());
        answer
    }

    async fn subscribe(&mut self) {
        let reply = self.post(json!({"channel": "/meta/subscribe", "subscription": CHANNEL})).await;
        assert_eq!(reply["successful"], true, "{reply}");
        assert_eq!(reply["notifications"], 0, "with ack only a connect brings messages");
    }

    async fn connect(&mut self, ack: u64, advice: Value) -> Value {
        let message = json!({"channel": "/meta/connect", "connectionType": "long-polling", "advice": advice,
            "ext": {"ack": ack}});
        self.post(message).await
    }

    async fn is_known(&self, server: &Cometd) -> bool {
        server.sessions().await["users"][&self.user]["sessions"].as_u64().unwrap_or(0) > 0
    }
}

/// `name=value` of every cookie that an answer sets.
fn cookies(reply: &reqwest::Response) -> String {
    let all = reply.headers().get_all("set-cookie").iter();
    let pairs: Vec<&str> = all.map(|value| value.to_str().unwrap().split(';').next().unwrap()).collect();
    pairs.join("; ")
}

async fn pair(kind: Kind) -> (Cometd, Client, Client) {
    let users = ["busy".to_owned(), "idle".to_owned()];
    let server = Cometd::start_like(kind, &Like { max_interval: 10_000, ..Like::default() }, &users).await;
    let (busy, idle) = (Client::begin(&server, "busy").await, Client::begin(&server, "idle").await);
    (server, busy, idle)
}

/// The window that the connect asked for, and the one it did not ask for.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_a_longer_interval_is_kept_longer(#[case] kind: Kind) {
    let (server, mut busy, mut idle) = pair(kind).await;
    let reply = busy.connect(0, json!({"timeout": 0, "interval": 120_000})).await;
    // Node grants it without a word.
    let said = if matches!(kind, Kind::Node) { 0 } else { 120_000 };
    assert_eq!(reply["advice"]["interval"], said, "{reply}");
    idle.connect(0, json!({"timeout": 0})).await;
    eventually("the other session is swept", LIMIT, || async {
        (!idle.is_known(&server).await).then_some(())
    })
    .await;
    assert!(busy.is_known(&server).await);
    assert_eq!(busy.connect(1, json!({"timeout": 0})).await["successful"], true);
}

/// A repeated subscription does no harm, brings nothing, and moves the end of the window.
#[rstest]
#[case::java(Kind::Java)]
#[case::node(Kind::Node)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_subscribes_again_and_again_is_kept_and_its_batch_too(#[case] kind: Kind) {
    let (server, mut busy, mut idle) = pair(kind).await;
    let data = json!({"messageType": "Test"});
    let item = Publish { user: "busy".to_owned(), channel: CHANNEL.to_owned(), data, tag: "one".to_owned() };
    assert_eq!(server.publish(&[item]).await, [1]);
    assert_eq!(busy.connect(0, json!({"timeout": 0})).await["notifications"], 1);
    // Twice as long as a session lives that does nothing.
    for _ in 0..2 {
        idle.connect(0, json!({"timeout": 0})).await;
        while idle.is_known(&server).await {
            busy.subscribe().await;
        }
        idle = Client::begin(&server, "idle").await;
    }
    let reply = busy.connect(0, json!({"timeout": 0})).await;
    assert_eq!((&reply["successful"], &reply["notifications"]), (&json!(true), &json!(1)), "{reply}");
}

/// A connect that names its own hold time is held although an older batch is not acknowledged, and a held connect does
/// not expire; with the next message all of it comes again. Node answers at once instead.
#[rstest]
#[case::java(Kind::Java)]
#[case::simulator(Kind::Simulator)]
#[tokio::test(flavor = "multi_thread")]
async fn a_connect_with_an_old_ack_and_a_hold_time_is_parked(#[case] kind: Kind) {
    let (server, mut busy, mut idle) = pair(kind).await;
    let item = |tag: &str| Publish {
        user: "busy".to_owned(),
        channel: CHANNEL.to_owned(),
        data: json!({"messageType": tag}),
        tag: tag.to_owned(),
    };
    assert_eq!(server.publish(&[item("one")]).await, [1]);
    assert_eq!(busy.connect(0, json!({"timeout": 0})).await["notifications"], 1);
    let parked = tokio::spawn(async move { busy.connect(0, json!({"timeout": 60_000})).await });
    let is_held = || async { (server.sessions().await["users"]["busy"]["held"] == 1).then_some(()) };
    eventually("the connect is held", LIMIT, is_held).await;
    idle.connect(0, json!({"timeout": 0})).await;
    eventually("the other session is swept", LIMIT, || async {
        (!idle.is_known(&server).await).then_some(())
    })
    .await;
    assert!(!parked.is_finished());
    assert_eq!(server.publish(&[item("two")]).await, [1]);
    assert_eq!(parked.await.unwrap()["notifications"], 2, "the old batch comes with the new message");
}
