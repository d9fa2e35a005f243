//! Rules of the book beside those in `rules`: what an opening that goes wrong leads to, and which of two words counts.

use super::*;
use crate::base::data::Certainty;
use crate::inbound::session::protocol::Saved;

/// Past the login; the handshake is out.
fn shaking() -> Driver {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoggedIn);
    driver
}

fn handshake_meta(driver: &Driver) -> Meta {
    let Request::Handshake { id } = driver.sent() else { panic!("no handshake but {:?}", driver.actions) };
    Meta { channel: "/meta/handshake".into(), id: Some(id.clone()), ..Meta::default() }
}

fn advice(word: &str) -> Option<Advice> {
    Some(Advice { reconnect: Some(word.into()), ..Advice::default() })
}

fn timeout(driver: &Driver) -> u64 {
    let Some(Action::Send { timeout, .. }) = driver.actions.last() else { panic!("{:?}", driver.actions) };
    timeout.as_secs()
}

#[test]
fn a_handshake_refused_with_any_advice_comes_back_through_the_login_and_its_wait_grows() {
    for advised in [None, advice("none"), advice("retry"), advice("handshake")] {
        let mut driver = shaking();
        let mut waits = Vec::new();
        for _ in 0..3 {
            let refused = Meta {
                error: Some("403::handshake_denied".into()),
                advice: advised.clone(),
                ..handshake_meta(&driver)
            };
            driver.put(Input::Replied { metas: vec![refused], data: 0 });
            assert!(driver.notes().contains(&&Note::HandshakeFailed));
            waits.push(driver.waits());
            driver.put(Input::Timer);
            assert!(matches!(driver.actions.last(), Some(Action::Login { .. })), "{advised:?}");
            driver.put(Input::LoggedIn);
        }
        assert!(waits[0] > Duration::ZERO && waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
    }
}

#[test]
fn a_handshake_that_brings_no_reply_is_tried_again_and_its_wait_grows() {
    let mut driver = shaking();
    let mut waits = Vec::new();
    for _ in 0..3 {
        driver.put(network());
        waits.push(driver.waits());
        driver.put(Input::Timer);
        handshake_meta(&driver);
    }
    assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
}

#[test]
fn data_of_a_handshake_reply_is_stored_before_the_subscriptions_leave_and_its_batch_is_acknowledged() {
    let mut driver = shaking();
    let Input::Replied { metas, .. } = handshake_reply(Ack::Batch(4)) else { panic!() };
    driver.put(Input::Replied { metas, data: 2 });
    assert!(matches!(driver.actions.last(), Some(Action::Deliver { .. })), "{:?}", driver.actions);
    driver.put(Input::Committed);
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    assert!(matches!(driver.sent(), Request::Connect { ack: Some(4), hold: Hold::None, .. }));
}

#[test]
fn data_of_a_subscribe_reply_is_stored_before_the_connect_leaves() {
    let mut driver = shaking();
    driver.put(handshake_reply(Ack::None));
    let Input::Replied { metas, .. } = subscribe_reply(&driver_subscribe(&driver)) else { panic!() };
    driver.put(Input::Replied { metas, data: 1 });
    assert!(matches!(driver.actions.last(), Some(Action::Deliver { unacknowledged: false, .. })));
    driver.put(Input::Committed);
    assert!(matches!(driver.sent(), Request::Connect { ack: None, hold: Hold::None, .. }));
}

#[test]
fn an_unsuccessful_connect_that_advises_retry_or_nothing_keeps_the_session() {
    for advised in [None, Some("retry")] {
        let mut driver = Driver::connected(Ack::Enabled);
        driver.reply_connect(Some(3), 0);
        let id = connect_id(driver.sent());
        driver.put(Input::Replied { metas: vec![connect_error(&id, "500::busy", advised)], data: 0 });
        driver.waits();
        driver.put(Input::Timer);
        assert!(
            matches!(driver.sent(), Request::Connect { ack: Some(3), hold: Hold::None, client_id, .. } if client_id == "client")
        );
    }
}

#[test]
fn the_advice_decides_before_the_code() {
    // The code says that the session is unknown, and the advice that it is to be tried again.
    let mut driver = Driver::connected(Ack::Enabled);
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "402::x", Some("retry"))], data: 0 });
    driver.put(Input::Timer);
    assert!(matches!(driver.sent(), Request::Connect { client_id, .. } if client_id == "client"));
    // And the other way round.
    let mut driver = Driver::connected(Ack::Enabled);
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "500::x", Some("handshake"))], data: 0 });
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn a_negative_interval_keeps_the_client_away_as_none_does() {
    let mut driver = Driver::connected(Ack::Enabled);
    let away = Advice { reconnect: Some("retry".into()), interval: Some(-1), ..Advice::default() };
    let reply = Meta { advice: Some(away), ..connect_ok(&connect_id(driver.sent()), Some(1)) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert!(driver.waits() >= Duration::from_secs(1));
    driver.put(Input::Timer);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
}

#[test]
fn multiple_clients_are_said_and_their_interval_is_kept() {
    let mut driver = Driver::connected(Ack::Enabled);
    let several = Advice { interval: Some(2_000), multiple_clients: Some(true), ..Advice::default() };
    let reply = Meta { advice: Some(several), ..connect_ok(&connect_id(driver.sent()), Some(1)) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert!(driver.notes().contains(&&Note::MultipleClients { times: 1 }));
    assert_eq!(driver.waits(), Duration::from_secs(2));
}

#[test]
fn no_request_repeats_an_id() {
    let mut driver = shaking();
    let mut ids = vec![handshake_meta(&driver).id.unwrap()];
    driver.put(handshake_reply(Ack::Enabled));
    ids.extend(driver_subscribe(&driver));
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    for _ in 0..3 {
        ids.push(connect_id(driver.sent()));
        driver.put(network()).put(Input::Timer);
    }
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "402::x", None)], data: 0 });
    ids.extend([id, handshake_meta(&driver).id.unwrap()]);
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert!(distinct.len() == ids.len() && !ids.contains(&String::new()), "{ids:?}");
}

#[test]
fn an_unknown_session_in_a_subscribe_reply_begins_anew() {
    let mut driver = shaking();
    driver.put(handshake_reply(Ack::Enabled));
    let Input::Replied { mut metas, .. } = subscribe_reply(&driver_subscribe(&driver)) else { panic!() };
    metas[1].successful = false;
    metas[1].error = Some("402::session_unknown".into());
    driver.put(Input::Replied { metas, data: 0 });
    assert!(driver.notes().contains(&&Note::Lost { reason: "session-unknown" }));
    handshake_meta(&driver);
}

#[test]
fn subscriptions_refused_all_together_are_tried_again_with_a_wait() {
    let mut driver = shaking();
    driver.put(handshake_reply(Ack::Enabled));
    let Input::Replied { mut metas, .. } = subscribe_reply(&driver_subscribe(&driver)) else { panic!() };
    for meta in &mut metas {
        meta.successful = false;
        meta.error = Some("403:denied:subscribe_denied".into());
    }
    driver.put(Input::Replied { metas, data: 1 });
    assert_eq!(
        driver.notes().iter().filter(|note| matches!(note, Note::SubscriptionRefused { .. })).count(),
        CHANNELS.len()
    );
    assert_eq!(driver.actions.last(), Some(&deliver(true)), "what came along is stored");
    driver.put(Input::Committed);
    assert!(driver.waits() > Duration::ZERO);
    driver.put(Input::Timer);
    assert_eq!(driver_subscribe(&driver).len(), CHANNELS.len());
}

#[test]
fn a_request_may_take_its_hold_time_and_the_network_delay() {
    let mut driver = shaking();
    assert_eq!(timeout(&driver), 10, "handshake");
    driver.put(handshake_reply(Ack::Enabled));
    assert_eq!(timeout(&driver), 10, "subscriptions");
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    assert_eq!(timeout(&driver), 10, "a connect that is not held");
    let held = Advice { timeout: Some(20_000), ..Advice::default() };
    let reply = Meta { advice: Some(held), ..connect_ok(&connect_id(driver.sent()), Some(1)) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert_eq!(timeout(&driver), 30, "a connect that is held for 20 s");
    driver.put(network()).put(Input::Timer);
    assert_eq!(timeout(&driver), 10, "and the one after a failure");
}

#[test]
fn a_handshake_without_long_polling_in_common_is_a_failure_that_is_said() {
    let offered = |driver: &Driver, types: &[&str]| {
        let types = types.iter().map(|one| (*one).to_owned()).collect();
        let taken = Meta { successful: true, client_id: Some("c".into()), ..handshake_meta(driver) };
        Input::Replied { metas: vec![Meta { connection_types: types, ..taken }], data: 0 }
    };
    let mut driver = shaking();
    driver.put(offered(&driver, &["websocket", "callback-polling"]));
    assert!(driver.notes().contains(&&Note::HandshakeFailed));
    assert!(driver.waits() > Duration::from_secs(10), "it will offer the same a moment later");
    driver.put(Input::Timer);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
    for types in [&["websocket", "long-polling"][..], &[]] {
        let mut driver = shaking();
        driver.put(offered(&driver, types));
        assert_eq!(driver_subscribe(&driver).len(), CHANNELS.len(), "{types:?}");
    }
}

fn garbage() -> Input {
    let text = "the reply is not a Bayeux body".to_owned();
    Input::Failed(Failure { kind: FailureKind::Unreadable, text, retry_after: None })
}

/// Three times garbage, each but the last followed by the next try; the step is put aside with the third.
fn three_unreadable(driver: &mut Driver, step: &'static str) {
    for round in 1..=3 {
        driver.put(garbage());
        assert_eq!(driver.notes().contains(&&Note::Unreadable { step }), round == 3, "{step}, {round}");
        if round < 3 {
            assert!(driver.waits() < Duration::from_secs(60), "{step} is tried again before long");
            driver.put(Input::Timer);
        }
    }
}

/// A session of an earlier process.
fn saved(same_channels: bool) -> Before {
    let saved = Saved {
        client_id: "client".into(),
        ack: Some(3),
        timeout: Duration::from_secs(30),
        granted: true,
        answered: 900,
        ids: 7,
        channels: CHANNELS[usize::from(!same_channels)..].iter().map(|c| (*c).to_owned()).collect(),
    };
    Before { covered: Some(500), saved: Some(saved), ..Before::default() }
}

/// The handshake that is out is taken.
fn shaken(driver: &mut Driver) {
    let id = handshake_meta(driver).id;
    let Input::Replied { mut metas, .. } = handshake_reply(Ack::Enabled) else { panic!() };
    metas[0].id = id;
    driver.put(Input::Replied { metas, data: 0 });
}

fn gaps(driver: &Driver) -> usize {
    driver.notes().iter().filter(|note| matches!(note, Note::GapOpened { .. })).count()
}

#[test]
fn three_unreadable_replies_to_a_handshake_come_back_slowly_through_the_login_and_open_no_gap_of_their_own() {
    let held_before = Before { covered: Some(500), ..Before::default() };
    for before in [Before::default(), held_before] {
        let mut driver = Driver::after(before.clone());
        driver.put(Input::Start);
        assert_eq!(gaps(&driver), usize::from(before.covered.is_some()), "of the restart");
        driver.put(Input::LoggedIn);
        for _ in 0..5 {
            handshake_meta(&driver);
            three_unreadable(&mut driver, "handshake");
            assert_eq!(gaps(&driver), 0);
            assert!(!driver.notes().iter().any(|note| matches!(note, Note::Lost { .. })), "there was none");
            assert!(driver.waits() >= Duration::from_secs(60), "no storm: {:?}", driver.waits());
            driver.put(Input::Timer);
            assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
            driver.put(Input::LoggedIn);
        }
    }
}

#[test]
fn three_unreadable_replies_to_the_subscriptions_give_the_session_up_slowly() {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
    three_unreadable(&mut driver, "subscribe");
    assert!(driver.notes().contains(&&Note::Lost { reason: "unreadable" }));
    assert_eq!(gaps(&driver), 0, "it never was covered");
    assert!(driver.waits() >= Duration::from_secs(60));
    assert_eq!(driver.machine.as_ref().unwrap().client_id(), None);
    driver.put(Input::Timer);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
    driver.put(Input::LoggedIn);
    handshake_meta(&driver);
}

#[test]
fn a_session_that_is_only_to_subscribe_to_more_is_covered_until_it_is_given_up() {
    let mut driver = Driver::after(saved(false));
    driver.put(Input::Start).put(Input::Restored(true));
    driver.reply_connect(Some(4), 0);
    driver_subscribe(&driver);
    three_unreadable(&mut driver, "subscribe");
    let opened = |note: &&Note| {
        matches!(note, Note::GapOpened { cause: "unreadable", certainty: Certainty::Certain, .. })
    };
    assert!(driver.notes().iter().any(opened), "{:?}", driver.notes());
}

#[test]
fn replies_that_can_be_read_in_between_begin_the_count_anew() {
    let mut driver = shaking();
    for _ in 0..2 {
        driver.put(garbage()).put(Input::Timer);
    }
    driver.put(Input::Replied { metas: Vec::new(), data: 0 }).put(Input::Timer);
    for _ in 0..2 {
        driver.put(garbage());
        assert!(!driver.notes().contains(&&Note::Unreadable { step: "handshake" }));
        driver.put(Input::Timer);
    }
    shaken(&mut driver);
    // And so does the next request.
    three_unreadable(&mut driver, "subscribe");
}

#[test]
fn a_resumed_session_that_can_not_be_read_is_not_taken_for_resumed_later() {
    let mut driver = Driver::after(saved(true));
    driver.put(Input::Start).put(Input::Restored(true));
    three_unreadable(&mut driver, "connect");
    assert!(driver.notes().contains(&&Note::NotResumed));
    driver.put(Input::Timer);
    shaken(&mut driver);
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    driver.reply_connect(Some(1), 0);
    assert!(!driver.notes().iter().any(|note| matches!(note, Note::Resumed { .. })));
}
