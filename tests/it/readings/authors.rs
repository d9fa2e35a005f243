//! Which agent wrote an item, where GWS says which user that is and the user's session is held.
//!
//! Deliberately absent: who takes part, which is told the same way (the unit tests of `normalise`).

use super::stage::{NO_ROUTINE, Stage, agent, talk};
use crate::harness::cometd::Like;
use crate::harness::scene::LIMIT;
use crate::harness::workload::Conversation;
use crate::harness::{eventually, http};
use serde_json::{Value, json};
use std::cell::Cell;

/// One agent of two may go.
const KEYS: [&str; 3] = [NO_ROUTINE, "roster.watch=1h", "roster.max_removed_percent=90"];

impl Stage {
    /// What `GET /me` shows as the id of a user.
    async fn user_id(&self, user: usize) -> String {
        let name = &self.users[user];
        let request = http().get(format!("{}/api/v2/me", self.server.url));
        let answer = request.basic_auth(name, Some(format!("pw-{name}"))).send().await.unwrap();
        let me: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        me["user"]["id"].as_str().unwrap().to_owned()
    }

    /// Tells the first agent of an item that a user wrote; the item's author as it left.
    async fn written_by(&self, talk: &Conversation, index: usize, user: &str) -> Value {
        let mut log = talk.log(index, index);
        log["messages"][0]["from"] = json!({"type": "Agent", "nickname": "Marat", "participantId": "0090",
            "uri": format!("http://localhost/api/v2/users/{user}"), "path": format!("/users/{user}")});
        self.tell(0, log).await;
        let event = self.event("the item", |event| event["id"] == *talk.message_id(index)).await;
        event["data"]["message"]["from"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_items_author_is_an_agent_of_the_roster_where_its_user_is_held() {
    let like = Like { max_interval: 60_000, ..Like::default() };
    let stage = Stage::start(like, 2, &KEYS, "").await;
    let talk = talk(&stage.users, 1);
    let (first, second) = (stage.user_id(0).await, stage.user_id(1).await);
    assert_eq!(stage.written_by(&talk, 1, &first).await["agent"], agent(0));
    assert_eq!(stage.written_by(&talk, 2, &second).await["agent"], agent(1), "whoever saw it");
    let nobody = stage.written_by(&talk, 3, "c30d06daa1ea43b8be79f9b071f30d70").await;
    assert!(nobody.get("agent").is_none() && nobody["nickname"] == "Marat", "{nobody}");

    let stage = stage.killed(async |_| ()).await;
    assert_eq!(stage.daemon.metric("cometbridge_session_logins_total{result=\"ok\"").await, 0.0);
    assert_eq!(stage.written_by(&talk, 4, &second).await["agent"], agent(1), "without a login, too");

    stage.roster(&[(0, "")]);
    stage.daemon.signal("HUP");
    let index = Cell::new(4);
    let next = || index.replace(index.get() + 1) + 1;
    eventually("the second agent is held no longer", LIMIT, || async {
        stage.written_by(&talk, next(), &second).await.get("agent").is_none().then_some(())
    })
    .await;
    assert_eq!(stage.written_by(&talk, next(), &first).await["agent"], agent(0));
    stage.end().await;
}
