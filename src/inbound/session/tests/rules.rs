//! The subscriber's rules, one test each.

use super::*;
use crate::base::data::Certainty;
use crate::inbound::session::protocol::{LoginFailure, Phase};

#[test]
fn it_logs_in_shakes_hands_subscribes_all_in_one_post_and_connects_without_hold() {
    let mut driver = Driver::new();
    driver.put(Input::Start);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: false }));
    driver.put(Input::LoggedIn);
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
    driver.put(handshake_reply(Ack::Enabled));
    let Request::Subscribe { channels, client_id, .. } = driver.sent() else { panic!("no subscribe") };
    assert_eq!(channels.len(), 2);
    assert_eq!(client_id, "client");
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    assert!(matches!(driver.sent(), Request::Connect { hold: Hold::None, ack: Some(0), .. }));
}

#[test]
fn the_next_connect_leaves_only_after_the_commit_and_carries_the_ack() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0);
    assert!(matches!(driver.sent(), Request::Connect { ack: Some(1), hold: Hold::Server, .. }));
    driver.reply_connect(Some(2), 3);
    assert_eq!(driver.actions.last(), Some(&deliver(false)));
    driver.put(Input::Timer);
    assert!(
        matches!(driver.actions.as_slice(), [Action::AwaitStore { .. }]),
        "nothing that acknowledges may leave before the commit: {:?}",
        driver.actions
    );
    driver.put(Input::Committed);
    assert!(matches!(driver.sent(), Request::Connect { ack: Some(2), .. }));
}

#[test]
fn a_failed_connect_repeats_the_last_ack_at_once_and_without_hold_on_the_same_session() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 1).put(Input::Committed);
    driver.put(network());
    assert!(driver.waits() <= Duration::from_secs(1));
    driver.put(Input::Timer);
    assert!(
        matches!(driver.sent(), Request::Connect { ack: Some(1), hold: Hold::None, client_id, .. } if client_id == "client")
    );
}

#[test]
fn waits_grow_with_full_jitter_up_to_the_maximum_and_reset_on_success() {
    let mut driver = Driver::connected(Ack::Enabled);
    let mut seen = Vec::new();
    for _ in 0..9 {
        driver.put(network());
        seen.push(driver.waits().as_millis());
        driver.put(Input::Timer);
    }
    assert_eq!(seen, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    driver.reply_connect(Some(1), 0);
    assert!(driver.notes().contains(&&Note::Recovered { attempts: 9 }));
    driver.put(network());
    assert_eq!(driver.waits().as_millis(), 500);
}

#[test]
fn retry_after_is_honoured_within_the_maximum() {
    let mut driver = Driver::connected(Ack::Enabled);
    let busy = |seconds| {
        Input::Failed(Failure {
            kind: FailureKind::Http,
            text: "503".into(),
            retry_after: Some(Duration::from_secs(seconds)),
        })
    };
    driver.put(busy(20));
    assert_eq!(driver.waits(), Duration::from_secs(20));
    driver.put(Input::Timer).put(busy(86_400));
    assert_eq!(driver.waits(), Duration::from_secs(60));
}

#[test]
fn an_unknown_session_means_handshake_ack_back_to_zero_and_all_subscriptions_anew() {
    for (error, advice) in [
        ("402::session_unknown", Some("handshake")),
        ("402::Unknown client", None),
        ("403::Unknown client", None),
        ("401:x:unknown client", None),
        ("503::whatever", Some("handshake")),
    ] {
        let mut driver = Driver::connected(Ack::Enabled);
        driver.reply_connect(Some(7), 0);
        let id = connect_id(driver.sent());
        driver.put(Input::Replied { metas: vec![connect_error(&id, error, advice)], data: 0 });
        assert!(matches!(driver.sent(), Request::Handshake { .. }), "{error}");
        assert!(
            driver.notes().iter().any(|n| matches!(n, Note::GapOpened { certainty: Certainty::Certain, .. }))
        );
        let Request::Handshake { id } = driver.sent().clone() else { panic!() };
        let Input::Replied { mut metas, .. } = handshake_reply(Ack::Enabled) else { panic!() };
        metas[0].id = Some(id);
        driver.put(Input::Replied { metas, data: 0 });
        driver.put(subscribe_reply(&driver_subscribe(&driver)));
        assert!(matches!(driver.sent(), Request::Connect { ack: Some(0), hold: Hold::None, .. }));
        driver.reply_connect(Some(1), 0);
        assert!(driver.notes().iter().any(|n| matches!(n, Note::GapClosed { .. })));
    }
}

#[test]
fn a_session_lost_again_and_again_slows_down_and_starts_from_a_fresh_login() {
    let mut driver = Driver::connected(Ack::Enabled);
    for round in 0..4 {
        let id = connect_id(driver.sent());
        driver.put(Input::Replied { metas: vec![connect_error(&id, "402::", Some("handshake"))], data: 0 });
        if round >= 2 {
            assert!(driver.waits() > Duration::ZERO);
            driver.put(Input::Timer);
            assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
            driver.put(Input::LoggedIn);
        }
        let Request::Handshake { id } = driver.sent().clone() else { panic!("{:?}", driver.actions) };
        let Input::Replied { mut metas, .. } = handshake_reply(Ack::Enabled) else { panic!() };
        metas[0].id = Some(id);
        driver.put(Input::Replied { metas, data: 0 });
        driver.put(subscribe_reply(&driver_subscribe(&driver)));
    }
}

#[test]
fn data_of_a_reply_that_ends_the_session_is_stored_first() {
    let mut driver = Driver::connected(Ack::Enabled);
    let id = connect_id(driver.sent());
    let end = Meta { channel: "/meta/disconnect".into(), ..Meta::default() };
    driver.put(Input::Replied { metas: vec![end, connect_ok(&id, Some(1))], data: 2 });
    assert_eq!(driver.actions.last(), Some(&deliver(true)));
    driver.put(Input::Committed);
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn a_reply_without_the_matching_connect_is_stored_but_not_acknowledged() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0);
    driver.put(Input::Replied { metas: vec![connect_ok("stale", Some(9))], data: 1 });
    assert_eq!(driver.actions.last(), Some(&deliver(true)));
    driver.put(Input::Committed).put(Input::Timer);
    assert!(matches!(driver.sent(), Request::Connect { ack: Some(1), hold: Hold::None, .. }));
}

#[test]
fn an_unsuccessful_connect_with_advice_none_comes_back_slowly_through_the_login() {
    let mut driver = Driver::connected(Ack::Enabled);
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "403::bye", Some("none"))], data: 0 });
    assert!(driver.waits() >= Duration::from_secs(1));
    driver.put(Input::Timer);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
}

#[test]
fn a_successful_connect_with_advice_none_is_the_sessions_last_and_its_messages_are_kept() {
    for data in [0, 2] {
        let mut driver = Driver::connected(Ack::Enabled);
        driver.reply_connect(Some(1), 0);
        let advice = Some(Advice { reconnect: Some("none".into()), ..Advice::default() });
        let reply = Meta { advice, ..connect_ok(&connect_id(driver.sent()), Some(2)) };
        driver.put(Input::Replied { metas: vec![reply], data });
        assert!(driver.notes().iter().any(|note| matches!(note, Note::Lost { reason: "server-ended" })));
        if data > 0 {
            driver.put(Input::Committed);
        }
        assert!(driver.waits() >= Duration::from_secs(1), "also with messages it does not come back at once");
        driver.put(Input::Timer);
        assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
    }
}

#[test]
fn every_handshake_that_fails_is_counted_whatever_it_failed_of() {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoggedIn);
    driver.put(network());
    assert!(driver.notes().contains(&&Note::HandshakeFailed));
    driver.put(Input::Timer).put(Input::Replied { metas: Vec::new(), data: 0 });
    assert!(driver.notes().contains(&&Note::HandshakeFailed));
}

#[test]
fn a_refused_login_is_not_tried_again_until_it_is_pardoned() {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoginFailed(LoginFailure::Refused("refused".into())));
    assert!(driver.actions.contains(&Action::Report(Phase::Refused)));
    assert_eq!(driver.actions.last(), Some(&Action::AwaitPardon));
    driver.put(Input::Timer);
    assert!(driver.actions.is_empty());
    driver.put(Input::Pardoned);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
}

#[test]
fn a_login_that_may_pass_is_tried_again_with_a_wait() {
    let mut driver = Driver::new();
    let down = Failure { kind: FailureKind::Network, text: "down".into(), retry_after: None };
    driver.put(Input::Start).put(Input::LoginFailed(LoginFailure::Passing(down)));
    assert!(driver.waits() > Duration::ZERO);
    driver.put(Input::Timer);
    assert!(matches!(driver.actions.last(), Some(Action::Login { .. })));
}

#[test]
fn http_401_or_403_logs_in_again_and_then_asks_the_old_session_first() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(4), 0);
    driver.put(Input::Failed(Failure {
        kind: FailureKind::Unauthorized,
        text: "403".into(),
        retry_after: None,
    }));
    driver.put(Input::Timer);
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: false }));
    driver.put(Input::LoggedIn);
    assert!(matches!(driver.sent(), Request::Connect { ack: Some(4), hold: Hold::None, .. }));
}

#[test]
fn a_refused_channel_is_named_and_the_others_go_on() {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(Ack::None));
    let ids = driver_subscribe(&driver);
    let Input::Replied { mut metas, .. } = subscribe_reply(&ids) else { panic!() };
    metas[1].successful = false;
    metas[1].error = Some("403:denied:subscribe_denied".into());
    driver.put(Input::Replied { metas, data: 0 });
    assert!(
        driver
            .notes()
            .iter()
            .any(|n| matches!(n, Note::SubscriptionRefused { channel, .. } if channel == "/v2/me/chats"))
    );
    assert!(matches!(driver.sent(), Request::Connect { ack: None, .. }));
}

#[test]
fn without_ack_a_cut_reply_is_a_possible_gap_and_with_ack_it_is_none() {
    for (ack, gap) in [(Ack::None, true), (Ack::Enabled, false)] {
        let mut driver = Driver::connected(ack);
        driver.reply_connect(Some(1), 0);
        driver.put(network());
        let opened = driver.notes().iter().any(|n| {
            matches!(n, Note::GapOpened { certainty: Certainty::Possible, cause: "reply-lost", .. })
        });
        assert_eq!(opened, gap);
    }
}

#[test]
fn without_ack_a_gap_goes_on_over_a_first_reply_that_is_lost_after_the_subscriptions() {
    for (ack, end) in [(Ack::None, 9_000), (Ack::Enabled, 5_000)] {
        let mut driver = Driver::after(Before { covered: Some(500), ..Before::default() });
        driver.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(ack));
        driver.now = 5_000;
        driver.put(subscribe_reply(&driver_subscribe(&driver)));
        driver.now = 7_000;
        driver.put(network()).put(Input::Timer);
        driver.now = 9_000;
        driver.reply_connect(None, 0);
        let closed = |note: &&Note| matches!(note, Note::GapClosed { from: Some(500), to, .. } if *to == end);
        assert!(driver.notes().iter().any(closed), "{:?}", driver.notes());
    }
}

#[test]
fn three_unreadable_replies_give_the_session_up_with_a_gap() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0);
    for round in 0..3 {
        driver.put(Input::Failed(Failure {
            kind: FailureKind::Unreadable,
            text: "garbage".into(),
            retry_after: None,
        }));
        let opened = driver.notes().iter().any(|n| matches!(n, Note::GapOpened { cause: "unreadable", .. }));
        assert_eq!(opened, round == 2);
        driver.put(Input::Timer);
    }
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn advice_sets_the_interval_and_the_hold_time_and_a_handshake_forgets_both() {
    let mut driver = Driver::connected(Ack::Enabled);
    let id = connect_id(driver.sent());
    let mut reply = connect_ok(&id, Some(1));
    reply.advice = Some(Advice { interval: Some(2_000), timeout: Some(45_000), ..Advice::default() });
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert_eq!(driver.waits(), Duration::from_secs(2));
    driver.put(Input::Timer);
    assert!(
        matches!(driver.actions.last(), Some(Action::Send { timeout, .. }) if *timeout == Duration::from_secs(55))
    );
    driver.reply_connect(Some(2), 0);
    driver.put(Input::Timer);
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "402::", None)], data: 0 });
    let Request::Handshake { id } = driver.sent().clone() else { panic!() };
    let Input::Replied { mut metas, .. } = handshake_reply(Ack::Enabled) else { panic!() };
    metas[0].id = Some(id);
    driver.put(Input::Replied { metas, data: 0 });
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    driver.reply_connect(Some(1), 0);
    assert!(
        matches!(driver.actions.last(), Some(Action::Send { timeout, .. }) if *timeout == Duration::from_secs(40))
    );
}

#[test]
fn a_stop_ends_it_in_every_step_without_a_disconnect() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 2).put(Input::Stop);
    assert_eq!(driver.actions, [Action::Report(Phase::Stopped), Action::End]);
}

#[test]
fn a_session_that_an_earlier_process_held_begins_with_a_gap_and_a_first_one_does_not() {
    let mut driver = Driver::after(Before { covered: Some(500), ..Before::default() });
    driver.put(Input::Start);
    assert!(driver.notes().contains(&&Note::GapOpened {
        from: Some(500),
        cause: "restart",
        certainty: Certainty::Certain
    }));
    driver.put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    driver.reply_connect(Some(1), 0);
    assert!(
        driver.notes().iter().any(|n| matches!(n, Note::GapClosed { from: Some(500), cause: "restart", .. }))
    );
    let mut first = Driver::new();
    assert!(first.put(Input::Start).notes().is_empty());
}

#[test]
fn a_journal_that_lost_its_end_is_a_gap_of_every_agent_also_of_one_it_knows_nothing_of() {
    for covered in [Some(500), None] {
        let mut driver = Driver::after(Before { covered, shortened: true, ..Before::default() });
        driver.put(Input::Start);
        let cause = "journal-shortened";
        let opened = Note::GapOpened { from: covered, cause, certainty: Certainty::Certain };
        assert_eq!(driver.notes(), [&opened]);
        driver.put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
        driver.put(subscribe_reply(&driver_subscribe(&driver)));
        driver.reply_connect(Some(1), 0);
        let closed = |note: &&Note| matches!(note, Note::GapClosed { from, cause: "journal-shortened", .. } if *from == covered);
        assert!(driver.notes().iter().any(closed));
    }
}

#[test]
fn a_gap_begins_when_the_last_answered_connect_left_as_more_may_have_queued_behind_its_answer() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.now = 5_000;
    driver.reply_connect(Some(1), 0);
    assert_eq!(driver.machine.as_ref().unwrap().covered(true), Some(1_000));
    driver.now = 9_000;
    driver.reply_connect(Some(2), 1).put(Input::Committed);
    assert_eq!(driver.machine.as_ref().unwrap().covered(true), Some(5_000));
    driver.now = 20_000;
    let id = connect_id(driver.sent());
    let unknown = connect_error(&id, "402::session_unknown", Some("handshake"));
    driver.put(Input::Replied { metas: vec![unknown], data: 0 });
    assert!(driver.notes().iter().any(|n| matches!(n, Note::GapOpened { from: Some(5_000), .. })));
}

#[test]
fn what_a_later_process_is_told_does_not_grow_before_a_connect_is_answered() {
    let mut driver = Driver::after(Before { covered: Some(500), ..Before::default() });
    driver.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    assert_eq!(driver.machine.as_ref().unwrap().covered(true), Some(500));
    let mut first = Driver::new();
    first.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
    first.put(subscribe_reply(&driver_subscribe(&first)));
    assert_eq!(first.machine.as_ref().unwrap().covered(true), Some(1_000));
}
