//! Readings made again, and readings of a time that nobody knows.

use super::*;

#[tokio::test]
async fn a_gap_that_is_read_again_after_a_crash_is_closed_once_and_counted_once() {
    let bench = Bench::new().await;
    bench.start().await;
    for _ in 0..2 {
        let before = vec![row("c1", Some(3))];
        bench.read(Occasion::Continued { gap: gap(), before }).await;
    }
    let names = bench.names().await;
    assert_eq!(names.iter().filter(|name| *name == "gap@chat/c1").count(), 1);
    let counted = &bench.metrics.interaction_gaps_total;
    assert_eq!(counted.with_label_values(&["main", "yes"]).get(), 1);
    assert_eq!(counted.with_label_values(&["main", "partly"]).get(), 0);
}

#[tokio::test]
async fn a_conversation_that_nobody_knew_when_the_gap_opened_is_read_from_its_beginning() {
    let bench = Bench::new().await;
    // Its first notification that came: the last index known is above all that was missed.
    bench.say("c1", 3).await;
    bench.read(Occasion::NewSession { gap: Some(gap()), before: Vec::new() }).await;
    let events = bench.events().await;
    let indices: Vec<Option<i64>> = events
        .iter()
        .filter(|(name, ..)| name == "message@chat/c1")
        .map(|(_, e, _)| e.messageindex)
        .collect();
    assert_eq!(indices, [Some(3), Some(1), Some(2)]);
    let closed = &events.last().unwrap().2;
    assert_eq!((&closed["recovered"], &closed["firstIndexAfter"]), (&json!("yes"), &json!(1)));
}

#[tokio::test]
async fn a_conversation_that_ended_before_its_list_and_was_heard_of_after_it_is_told_of_the_gap() {
    let bench = Bench::new().await;
    let (come, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    bench.server.0.lock().unwrap().held = Some(("/api/v2/me/chats".into(), come.clone(), go.clone()));
    let meanwhile = async {
        come.notified().await;
        bench.state("over", "Completed").await;
        bench.state("new", "Invited").await;
        go.notify_one();
    };
    let occasion = Occasion::NewSession { gap: Some(gap()), before: Vec::new() };
    tokio::join!(bench.read(occasion), meanwhile);
    let events = bench.events().await;
    let told = |id: &str| events.iter().find(|(name, ..)| *name == format!("gap@chat/{id}"));
    assert_eq!(told("over").unwrap().2["recovered"], "partly");
    assert!(told("new").is_none(), "of one that began since nothing is missed");
}

#[tokio::test]
async fn a_conversation_that_was_heard_to_its_end_before_the_gap_opened_is_told_of_none() {
    let bench = Bench::new().await;
    bench.state("over", "Completed").await;
    let before = bench.journal.known("main/1001").await.unwrap();
    // After the last moment that is certainly covered.
    let gap = Gap { from: Some(999_000), opened: 1_000_001, to: Some(1_000_002), ..gap() };
    bench.read(Occasion::NewSession { gap: Some(gap), before }).await;
    let names = bench.names().await;
    assert!(names.contains(&"gap@chat/c1".to_owned()) && !names.contains(&"gap@chat/over".to_owned()));
}

#[tokio::test]
async fn a_log_that_shows_nothing_is_not_recovered() {
    let bench = Bench::new().await;
    bench.list(json!([{"id":"c1","state":"Invited"}]));
    bench.log("c1", &[]);
    bench.read(Occasion::NewSession { gap: Some(gap()), before: Vec::new() }).await;
    let events = bench.events().await;
    let closed = events.iter().find(|(name, ..)| name == "gap@chat/c1").unwrap();
    assert_eq!(closed.2["recovered"], "partly", "it may have been taken, left and offered again");
}

#[tokio::test]
async fn what_nobody_will_read_any_more_is_closed_as_not_recovered_for_all_that_the_gap_touched() {
    let bench = Bench::new().await;
    let since = Known { open: false, at: 950_000, ..row("ended since", None) };
    let before = Known { open: false, at: 949_999, ..row("ended before", None) };
    let device = Known { kind: "device".into(), ..row("d1", None) };
    let known = [row("c1", Some(3)), since, before, device];
    for _ in 0..2 {
        let candidates = abandoned(&bench.site.config, "1001", 1_000_000, &gap(), &known);
        let batch = Batch { candidates, ..Batch::of(&bench.site_name, "1001", None, 0) };
        bench.intake.store(batch).await.unwrap();
    }
    // A reading that was under way when the agent left says nothing else.
    bench.read(Occasion::Continued { gap: gap(), before: vec![row("c1", Some(3))] }).await;
    let events = bench.events().await;
    let of = |name: &str| events.iter().filter(|(found, ..)| found == name).collect::<Vec<_>>();
    let (open, ended) = (of("gap@chat/c1"), of("gap@chat/ended since"));
    assert_eq!((open.len(), ended.len(), of("gap@chat/ended before").len()), (1, 1, 0));
    let data = &open.first().unwrap().2;
    assert_eq!((&data["phase"], &data["recovered"]), (&json!("closed"), &json!("no")));
    assert_eq!((&data["lastIndexBefore"], &data["gapid"]), (&json!(3), &json!("g1")));
}

#[tokio::test]
async fn what_rest_does_not_list_is_touched_while_it_is_in_the_agents_hands_and_never_recovered() {
    let bench = Bench::new().await;
    let tell = async |medium: &str, id: &str, state: &str| {
        let kind = format!("{}{}StateChangeMessage", &medium[..1].to_uppercase(), &medium[1..]);
        bench
            .tell(
                json!({"messageType":kind,"notificationType":"StatusChange",medium:{"id":id,"state":state}}),
            )
            .await;
    };
    for (medium, id, state) in [
        ("call", "k1", "Ringing"),
        ("call", "k2", "Established"),
        ("call", "over", "Ringing"),
        ("call", "over", "Released"),
        ("email", "e1", "Processing"),
        ("workitem", "aside", "Processing"),
        ("workitem", "aside", "InWorkbin"),
    ] {
        tell(medium, id, state).await;
    }
    let known = bench.journal.known("main/1001").await.unwrap();
    let at = known.iter().map(|row| row.at).max().unwrap();
    // What was told of before it is over.
    let gap = |later: Millis| Gap { opened: at + later, to: Some(at + later + 1), ..gap() };
    let opened = opened(&bench.site.config, "1001", at, &gap(1), &known, &bench.journal);
    let mut subjects: Vec<&str> = opened.iter().map(|one| one.event.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["call/k1", "call/k2", "email/e1", "session/1001"]);
    bench.read(Occasion::Continued { gap: gap(1), before: known.clone() }).await;
    let events = bench.events().await;
    let closed: Vec<(&str, &Value)> = events
        .iter()
        .filter(|(_, event, data)| event.event == "gap" && data["phase"] == "closed")
        .filter(|(_, event, _)| event.medium != "chat")
        .map(|(_, event, data)| (event.subject.as_str(), &data["recovered"]))
        .collect();
    let no = json!("no");
    assert_eq!(closed, [("call/k1", &no), ("call/k2", &no), ("email/e1", &no)]);
    let day = 24 * 60 * 60 * 1000;
    assert_eq!(faded(&gap(day), &known), []);
    assert_eq!(faded(&gap(day + 1), &known).len(), 3, "their end may have been missed");
}
