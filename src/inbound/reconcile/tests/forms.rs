//! What readings publish keeps the schemas, and the privacy promises of notifications.

use super::*;
use crate::base::encode::structured;
use crate::base::schema;

#[tokio::test]
async fn every_event_of_a_reading_keeps_its_schema() {
    let bench = Bench::new().await;
    bench.state("gone", "Chatting").await;
    bench.list(json!([{"id":"c1","state":"Chatting","referenceId":11,"participants":[{"nickname":"Ann"}],
        "userData":{"a":1.50}}]));
    let gap_now = gap();
    let known = bench.journal.known("main/1001").await.unwrap();
    let out =
        opened(&bench.site.config, "1001", 1_000_000, &Gap { to: None, ..gap() }, &known, &bench.journal);
    let closing = closed(&bench.site.config, "1001", 1_000_000, &gap_now, &bench.journal);
    let candidates = out.into_iter().chain(closing).collect();
    bench.intake.store(Batch { candidates, ..Batch::of(&bench.site_name, "1001", None, 1) }).await.unwrap();
    bench.read(Occasion::NewSession { gap: Some(gap_now), before: known }).await;
    bench.list(json!([]));
    assert!(matches!(bench.read(routine::ROUTINE).await, Finding::Silent { .. }));
    let mut seen = std::collections::BTreeSet::new();
    for (name, event, _) in bench.events().await {
        let form =
            event.dataschema.strip_prefix("urn:cometbridge:schema:").unwrap().strip_suffix(":1").unwrap();
        let schema: Value =
            serde_json::from_str(&schema::get(form).unwrap_or_else(|| panic!("{form}"))).unwrap();
        let sent: Value =
            serde_json::from_slice(&structured(&event, "1-0000000000000000001").unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&sent), "{name}: {:?}", validator.validate(&sent).err());
        assert!(event.referenceid.is_none(), "{name}: a reading repeats no reference");
        seen.insert(form.to_owned());
    }
    let wanted = [
        "agent.state_change",
        "chat.ended_unseen",
        "chat.gap",
        "chat.message",
        "chat.status_change",
        "session.gap_closed",
        "session.gap_opened",
        "session.silent",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn typed_text_is_left_out_of_a_transcript_and_what_is_too_large_is_not_taken() {
    let bench = Bench::new().await;
    let long = "x".repeat(1 << 20);
    bench.server.put(
        "/chats/c1/messages",
        200,
        json!({"statusCode":0,"messages":[
        {"index":1,"type":"TypingStarted","text":"secret"},{"index":2,"type":"Text","text":long},
        {"index":3,"type":"Text","text":"x"}]}),
    );
    let before = vec![row("c1", None)];
    bench.read(Occasion::NewSession { gap: Some(gap()), before }).await;
    let events = bench.events().await;
    let indices: Vec<Option<i64>> = events
        .iter()
        .filter(|(_, event, _)| event.event == "message")
        .map(|(_, event, _)| event.messageindex)
        .collect();
    assert_eq!(indices, [Some(1), Some(3)]);
    assert!(events.iter().all(|(_, event, _)| !serde_json::to_string(event).unwrap().contains("secret")));
    let closed = events.iter().find(|(_, event, _)| event.event == "gap").unwrap();
    assert_eq!(closed.2["recovered"], "partly", "an item is missing");
}

#[tokio::test]
async fn an_opened_gap_stands_in_the_order_of_each_open_interaction() {
    let bench = Bench::new().await;
    let mut known = vec![row("c1", Some(3)), Known { open: false, ..row("c2", None) }];
    known.push(Known { kind: "device".into(), ..row("d1", None) });
    let gap = Gap { to: None, ..gap() };
    let out = opened(&plain_site(), "1001", 1_000_000, &gap, &known, &bench.journal);
    let names: Vec<(&str, &str)> =
        out.iter().map(|one| (one.event.kind.as_ref(), one.event.subject.as_str())).collect();
    assert_eq!(
        names,
        [("cometbridge.session.gap_opened.v1", "session/1001"), ("genesys.gws.chat.gap.v1", "chat/c1")]
    );
    let data: Value = serde_json::from_str(out[1].event.data.get()).unwrap();
    assert_eq!((&data["phase"], &data["lastIndexBefore"]), (&json!("opened"), &json!(3)));
    assert!(data.get("recovered").is_none() && data.get("to").is_none());
}
