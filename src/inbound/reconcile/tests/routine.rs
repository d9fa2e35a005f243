//! The slow comparison that finds silent sessions, and interactions that ended unseen.

use super::*;
use crate::inbound::normalise::Kinds;

pub(super) const ROUTINE: Occasion = Occasion::Routine { since: 0, heard: Some(990_000) };

#[tokio::test]
async fn an_interaction_that_a_proper_list_lacks_has_ended_unseen_once() {
    let bench = Bench::new().await;
    bench.start().await;
    bench.list(json!([]));
    let before = vec![row("c1", Some(3))];
    let finding = bench.read(Occasion::Continued { gap: gap(), before }).await;
    assert_eq!(finding, Finding::Repaired { events: 1, open: 0 });
    let events = bench.events().await;
    let (name, event, data) = &events[events.len() - 2];
    assert_eq!(name, "ended_unseen@chat/c1");
    assert_eq!((event.agent.as_deref(), event.partitionkey.as_str()), (Some("1001"), "main/c1"));
    assert_eq!(data, &json!({"interactionId":"c1","agent":"1001","lastState":"Chatting","lastIndex":3}));
    let closed = events.last().unwrap();
    assert_eq!((closed.0.as_str(), &closed.2["recovered"]), ("gap@chat/c1", &json!("yes")));
    assert_eq!(bench.start().await, Finding::Agrees { open: 0 });
}

#[tokio::test]
async fn a_session_that_was_told_everything_agrees_and_nothing_is_written() {
    let bench = Bench::new().await;
    bench.start().await;
    let before = bench.names().await;
    assert_eq!(bench.read(ROUTINE).await, Finding::Agrees { open: 1 });
    assert_eq!(bench.names().await, before);
}

#[tokio::test]
async fn changes_that_nobody_told_make_a_session_silent_and_go_out() {
    let bench = Bench::new().await;
    bench.start().await;
    let before = bench.names().await.len();
    bench.list(json!([{"id":"c1","state":"Held"},{"id":"c2","state":"Invited"}]));
    bench.log("c1", &[2, 3, 4]);
    assert_eq!(bench.read(ROUTINE).await, Finding::Silent { events: 3, kinds: Kinds::of(["chat"]) });
    let mut names = bench.names().await.split_off(before);
    assert_eq!(names.pop().as_deref(), Some("silent@session/1001"));
    names.sort_unstable();
    assert_eq!(names, ["message@chat/c1", "status_change@chat/c1", "status_change@chat/c2"]);
    let (_, event, data) = bench.events().await.pop().unwrap();
    assert_eq!(
        (event.kind.as_ref(), &data["differing"]),
        ("cometbridge.session.silent.v1", &json!({"chat":2}))
    );
    assert_eq!(bench.read(ROUTINE).await, Finding::Agrees { open: 2 });
}

#[tokio::test]
async fn a_notification_that_was_under_way_makes_no_session_silent() {
    let bench = Bench::new().await;
    bench.start().await;
    let before = bench.names().await.len();
    bench.list(json!([{"id":"c1","state":"Held"}]));
    let (come, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.server.0.lock().unwrap().held = Some(("/api/v2/me/chats".into(), come.clone(), go.clone()));
    let meanwhile = async {
        come.notified().await;
        bench.state("c1", "Held").await;
        go.notify_one();
    };
    let (finding, ()) = tokio::join!(bench.read(ROUTINE), meanwhile);
    assert_eq!(finding, Finding::Agrees { open: 1 });
    assert_eq!(bench.names().await.len(), before + 1);
}

#[tokio::test]
async fn what_a_gap_left_open_is_known_to_a_later_process() {
    let bench = Bench::new().await;
    bench.start().await;
    let known = bench.journal.known("main/1001").await.unwrap();
    let chat = known.iter().find(|row| row.kind == "chat").unwrap();
    assert_eq!((chat.id.as_str(), chat.open, chat.last_index), ("c1", true, Some(3)));
    let out =
        opened(&bench.site.config, "1001", 1_000_000, &Gap { to: None, ..gap() }, &known, &bench.journal);
    assert_eq!(out.len(), 2);
}

#[tokio::test]
async fn a_log_that_can_not_be_read_agrees_with_nothing() {
    let bench = Bench::new().await;
    bench.say("c1", 3).await;
    bench.start().await;
    bench.server.put("/chats/c1/messages", 403, json!({"statusCode":5}));
    let why = "the log of a chat: HTTP 403 with statusCode 5".to_owned();
    assert_eq!(bench.read(ROUTINE).await, Finding::Unread(why));
    bench.server.put("/chats/c1/messages", 404, json!({"statusCode":6}));
    assert_eq!(bench.read(ROUTINE).await, Finding::Agrees { open: 1 }, "here are no logs");
}

#[tokio::test(start_paused = true)]
async fn a_first_reading_that_misses_a_log_is_to_be_made_again() {
    let bench = Bench::new().await;
    bench.server.put("/chats/c1/messages", 503, json!({"statusCode":4}));
    let why = "the log of a chat: HTTP 503 with statusCode 4".to_owned();
    assert_eq!(bench.start().await, Finding::Unread(why.clone()));
    let before = vec![row("c1", None)];
    let finding = bench.read(Occasion::Continued { gap: gap(), before }).await;
    assert_eq!(finding, Finding::Partly { events: 0, why });
}
