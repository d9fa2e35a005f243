//! What is not success: what each status makes of an event, of a batch, and of the whole receiver.

use super::*;
use http::header::RETRY_AFTER;

fn refusals(others: Refusal, statuses: &[(u16, Refusal)]) -> Refusals {
    Refusals { others, statuses: statuses.iter().copied().collect() }
}

/// The outcome of one event that is answered so.
async fn outcome(status: u16, refusals: &Refusals) -> Outcome {
    let receiver = Receiver::default();
    receiver.answers.lock().unwrap().push((status, Vec::new()));
    let config = WebhookConfig { refusals: refusals.clone(), ..config(listen(receiver).await) };
    sink(&config).await.deliver(&[delivery(1, "a")]).await.remove(0)
}

#[tokio::test]
async fn a_4xx_is_tried_again_or_put_aside_as_the_operator_wants() {
    let retry = refusals(Refusal::Retry, &[(422, Refusal::DeadLetter)]);
    let dead = refusals(Refusal::DeadLetter, &[(404, Refusal::Retry)]);
    for (status, with_retry, with_dead) in [
        (400, "retry", "reject"),
        (401, "retry", "retry"),
        (403, "retry", "retry"),
        (404, "retry", "retry"),
        (408, "retry", "retry"),
        (410, "disable", "disable"),
        (413, "retry", "reject"),
        (422, "reject", "reject"),
        (429, "retry", "retry"),
        (500, "retry", "retry"),
    ] {
        for (refusals, wanted) in [(&retry, with_retry), (&dead, with_dead)] {
            let outcome = outcome(status, refusals).await;
            let word = match &outcome {
                Outcome::Retry { .. } => "retry",
                Outcome::Reject { .. } => "reject",
                Outcome::Disable { .. } => "disable",
                _ => "other",
            };
            assert_eq!(word, wanted, "{status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn what_the_receiver_said_is_handed_on_with_the_cause() {
    let outcome = outcome(422, &refusals(Refusal::DeadLetter, &[])).await;
    let Outcome::Reject { cause } = outcome else { panic!("{outcome:?}") };
    assert_eq!(cause.answer.as_deref(), Some("a text that stays here"));
    assert!(!cause.to_string().contains("stays here"), "{cause}");
}

async fn batching(receiver: &Receiver) -> WebhookSink {
    let url = listen(receiver.clone()).await;
    let batch = BatchLimits { events: 3, bytes: 1 << 20 };
    sink(&WebhookConfig { mode: WebhookMode::Batch, batch, ..config(url) }).await
}

#[tokio::test]
async fn a_batch_is_one_request_under_one_id_with_one_outcome() {
    let receiver = Receiver::default();
    receiver.answers.lock().unwrap().push((500, Vec::new()));
    let sink = batching(&receiver).await;
    let events = [delivery(1, "a"), delivery(2, "b"), delivery(3, "a"), delivery(4, "c")];
    let first = sink.deliver(&events).await;
    assert!(first[..3].iter().all(|one| matches!(one, Outcome::Retry { .. })), "{first:?}");
    assert_eq!(first[3], Outcome::Held, "beyond the limit");
    assert_eq!(sink.deliver(&events).await[..3], vec![Outcome::Done; 3]);
    let got = receiver.got.lock().unwrap();
    assert_eq!(got.len(), 2);
    assert_eq!((&got[0].1, &got[0].0["webhook-id"]), (&got[1].1, &got[1].0["webhook-id"]));
    let (headers, body) = &got[0];
    assert_eq!(headers["content-type"], "application/cloudevents-batch+json");
    for secret in [OLD, NEW] {
        standardwebhooks::Webhook::new(secret).unwrap().verify(body, headers).unwrap();
    }
    let held: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap();
    let ids: Vec<_> = held.iter().map(|event| event["id"].as_str().unwrap()).collect();
    let sent: Vec<_> = events[..3].iter().map(|one| one.event.id.as_str()).collect();
    assert_eq!(ids, sent);
}

#[tokio::test]
async fn a_batch_refused_for_its_content_is_to_be_tried_event_by_event() {
    let receiver = Receiver::default();
    *receiver.answers.lock().unwrap() =
        [400, 413, 415, 422, 422, 404].into_iter().map(|status| (status, Vec::new())).collect();
    let sink = batching(&receiver).await;
    let two = [delivery(1, "a"), delivery(2, "b")];
    for _ in 0..4 {
        let outcomes = sink.deliver(&two).await;
        assert!(outcomes.iter().all(|one| matches!(one, Outcome::Split { .. })), "{outcomes:?}");
    }
    let alone = sink.deliver(&two[..1]).await;
    assert!(matches!(&alone[..], [Outcome::Retry { .. }]), "{alone:?}");
    let elsewhere = sink.deliver(&two).await;
    assert!(elsewhere.iter().all(|one| matches!(one, Outcome::Retry { .. })), "{elsewhere:?}");
}

#[tokio::test]
async fn who_asks_to_be_slowed_down_for_is_left_alone_by_all_keys() {
    for status in [429, 502, 503, 504] {
        let receiver = Receiver::default();
        receiver.answers.lock().unwrap().push((status, vec![(RETRY_AFTER.as_str(), "30".to_owned())]));
        let sink = sink(&config(listen(receiver.clone()).await)).await;
        assert!(matches!(&sink.deliver(&[delivery(1, "a")]).await[..], [Outcome::Retry { .. }]));
        let outcomes = sink.deliver(&[delivery(2, "b"), delivery(3, "b")]).await;
        let [Outcome::Later { after }, Outcome::Held] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(*after > Duration::from_secs(20) && *after <= Duration::from_secs(33), "{after:?}");
        assert_eq!(receiver.got.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_name_that_leads_outside_the_networks_is_not_called() {
    let receiver = Receiver::default();
    let mut url = listen(receiver.clone()).await;
    url.set_host(Some("localhost")).unwrap();
    let networks = |text: &str| vec![text.parse().unwrap()];
    let inside = WebhookConfig { allow_networks: networks("127.0.0.0/8"), ..config(url.clone()) };
    assert_eq!(sink(&inside).await.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
    let outside = WebhookConfig { allow_networks: networks("10.0.0.0/8"), ..config(url) };
    let outcomes = sink(&outside).await.deliver(&[delivery(1, "a")]).await;
    let [Outcome::Retry { cause, .. }] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(cause.reason, "not-allowed");
    assert!(cause.detail.contains("127.0.0.1") && cause.detail.contains("allow_networks"), "{cause}");
    assert_eq!(receiver.got.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_receivers_own_rate_is_kept() {
    let receiver = Receiver::default();
    let rate = Some(crate::outbound::settings::Rate { requests: 2, per: Duration::from_secs(3600) });
    let sink = sink(&WebhookConfig { rate, ..config(listen(receiver.clone()).await) }).await;
    assert_eq!(sink.deliver(&[delivery(1, "a")]).await, [Outcome::Done]);
    let outcomes = sink.deliver(&[delivery(2, "b")]).await;
    let [Outcome::Later { after }] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(*after > Duration::from_secs(1800), "{after:?}");
    assert_eq!(receiver.got.lock().unwrap().len(), 1);
}
