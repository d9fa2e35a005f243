//! Holes whose log can not be read: what is tried again, and what is said to be lost.

use super::*;
use crate::inbound::dedup::Hole;

fn hole() -> Hole {
    Hole { medium: "chat".into(), interaction: "c1".into(), from: 2, to: 3 }
}

/// The gaps under the conversation: phase and cause, recovered, last index before and first after.
async fn gaps(bench: &Bench) -> Vec<Value> {
    let events = bench.events().await.into_iter().filter(|(name, ..)| name == "gap@chat/c1");
    let part = |data: &Value| {
        json!([
            data["phase"],
            data["cause"],
            data["recovered"],
            data["lastIndexBefore"],
            data["firstIndexAfter"]
        ])
    };
    events.map(|(_, _, data)| part(&data)).collect()
}

fn counted(bench: &Bench, word: &str) -> u64 {
    bench.metrics.interaction_gaps_total.with_label_values(&["main", word]).get()
}

#[tokio::test]
async fn a_hole_whose_log_fails_is_unread_and_nothing_is_said_of_it() {
    let bench = Bench::new().await;
    bench.server.put("/chats/c1/messages", 403, json!({"statusCode":5}));
    let finding = bench.read(Occasion::Hole(hole())).await;
    assert_eq!(finding, Finding::Unread("the log of a chat: HTTP 403 with statusCode 5".into()));
    bench.log("c1", &[1]);
    let finding = bench.read(Occasion::Hole(hole())).await;
    assert_eq!(finding, Finding::Unread("the log of a chat ends before what is missing of it".into()));
    assert!(bench.names().await.iter().all(|name| !name.starts_with("gap")));
    bench.log("c1", &[1, 2, 4]);
    let finding = bench.read(Occasion::Hole(hole())).await;
    assert!(matches!(finding, Finding::Repaired { .. }), "{finding:?}");
    assert!(gaps(&bench).await.is_empty(), "the server shows 3 to nobody");
}

#[tokio::test]
async fn a_hole_whose_log_is_gone_is_said_to_be_lost_once() {
    let bench = Bench::new().await;
    bench.server.put("/chats/c1/messages", 404, json!({"statusCode":6}));
    for _ in 0..2 {
        assert_eq!(bench.read(Occasion::Hole(hole())).await, Finding::Repaired { events: 0, open: 1 });
    }
    assert_eq!(gaps(&bench).await, [json!(["closed", "hole", "no", 1, 4])]);
    assert_eq!(counted(&bench, "no"), 1);
}

#[tokio::test]
async fn a_hole_of_which_something_can_not_be_taken_is_recovered_partly() {
    let bench = Bench::new().await;
    let items = json!([{"index":1,"type":"Text"},{"index":2,"type":"Text"},{"type":"Text"},{"index":4,"type":"Text"}]);
    bench.server.put("/chats/c1/messages", 200, json!({"statusCode":0,"messages":items}));
    bench.read(Occasion::Hole(hole())).await;
    assert_eq!(gaps(&bench).await, [json!(["closed", "hole", "partly", 1, 4])]);
    assert_eq!(counted(&bench, "partly"), 1);
}

#[tokio::test]
async fn what_is_given_up_is_told_once_for_each_interaction_and_keeps_its_schema() {
    let bench = Bench::new().await;
    let lost = [Lost::Hole(hole()), Lost::Gap(gap(), vec![row("c1", Some(1)), row("c2", None)])];
    for _ in 0..2 {
        bench.desk().give_up(&lost).await.unwrap();
    }
    let told = [json!(["closed", "hole", "no", 1, 4]), json!(["closed", "restart", "no", 1, null])];
    assert_eq!(gaps(&bench).await, told);
    assert_eq!((bench.names().await.len(), counted(&bench, "no")), (3, 3));
    let schema: Value = serde_json::from_str(&crate::base::schema::get("chat.gap").unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (_, event, _) in bench.events().await {
        let sent = crate::base::encode::structured(&event, "1-0000000000000000001").unwrap();
        assert!(validator.is_valid(&serde_json::from_slice(&sent).unwrap()));
    }
}
