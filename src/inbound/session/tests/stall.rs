//! Storage that takes its time: the session is kept alive, acknowledges nothing, and is let go at the end.

use super::*;
use crate::base::data::Certainty;
use crate::inbound::session::protocol::Phase;

/// A session whose batch 2 waits for the disk.
fn storing(ack: Ack, granted: bool) -> Driver {
    let mut driver = Driver::connected(ack);
    let batch = (ack == Ack::Enabled).then_some(1);
    let advice = granted.then(|| Advice { interval: Some(60_000), ..Advice::default() });
    let reply = Meta { advice, ..connect_ok(&connect_id(driver.sent()), batch) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    driver.reply_connect(batch.map(|batch| batch + 1), 2);
    assert_eq!(driver.actions.last(), Some(&deliver(false)));
    driver
}

/// Lets time pass in beats until something is sent; says after how long.
fn until_sent(driver: &mut Driver) -> i64 {
    let from = driver.now;
    for _ in 0..200 {
        driver.now += 3_333;
        driver.put(Input::Timer);
        if matches!(driver.actions.last(), Some(Action::Send { .. })) {
            return driver.now - from;
        }
    }
    panic!("nothing was sent")
}

#[test]
fn a_connect_with_the_last_stored_batch_is_parked_well_inside_the_window() {
    for (granted, window) in [(false, 10_000), (true, 70_000)] {
        let mut driver = storing(Ack::Enabled, granted);
        let after = until_sent(&mut driver);
        assert!(after < window * 7 / 10, "{after} of {window}");
        let Request::Connect { id, ack, hold, .. } = driver.sent().clone() else { panic!() };
        assert_eq!(ack, Some(1), "only what is stored is acknowledged");
        assert_eq!(hold, Hold::Of(Duration::from_secs(30)));
        driver.put(Input::Replied { metas: vec![connect_ok(&id, Some(3))], data: 2 });
        assert!(matches!(driver.actions.as_slice(), [Action::AwaitStore { .. }]));
        assert!(until_sent(&mut driver) < window * 7 / 10, "and again");
        driver.put(Input::Committed);
        assert!(matches!(driver.sent(), Request::Connect { ack: Some(2), hold: Hold::Server, .. }));
    }
}

#[test]
fn without_ack_a_subscription_is_repeated_and_what_comes_with_it_is_stored_too() {
    let mut driver = storing(Ack::None, false);
    until_sent(&mut driver);
    let Request::Subscribe { channels, .. } = driver.sent().clone() else { panic!("{:?}", driver.actions) };
    assert_eq!(channels.len(), 1);
    let Input::Replied { metas, .. } = subscribe_reply(&[channels[0].0.clone()]) else { panic!() };
    driver.put(Input::Replied { metas, data: 1 });
    driver.put(Input::Committed);
    assert_eq!(driver.actions.last(), Some(&deliver(false)));
    driver.put(Input::Committed);
    assert!(matches!(driver.sent(), Request::Connect { .. }));
}

#[test]
fn a_sign_of_life_that_fails_is_followed_by_the_other_kind() {
    let mut driver = storing(Ack::Enabled, false);
    until_sent(&mut driver);
    driver.put(network());
    until_sent(&mut driver);
    assert!(matches!(driver.sent(), Request::Subscribe { .. }));
}

#[test]
fn the_stall_is_shown_once_and_ends_with_the_commit() {
    let mut driver = storing(Ack::Enabled, true);
    driver.now += 3_333;
    driver.put(Input::Timer);
    assert!(driver.actions.contains(&Action::Report(Phase::Stalled)));
    assert!(driver.notes().iter().any(|note| matches!(note, Note::Stalled { .. })));
    driver.now += 3_333;
    driver.put(Input::Timer);
    assert!(!driver.actions.contains(&Action::Report(Phase::Stalled)));
    driver.put(Input::Committed);
    assert!(driver.actions.contains(&Action::Report(Phase::Connected)));
}

#[test]
fn a_session_is_let_go_after_the_hold_with_a_gap_that_names_storage() {
    let mut driver = storing(Ack::Enabled, true);
    driver.now += 300_000;
    driver.put(Input::Timer);
    assert!(matches!(driver.actions.last(), Some(Action::AwaitStore { .. })));
    driver.now += 300_000;
    driver.put(Input::Timer);
    assert!(!matches!(driver.actions.last(), Some(Action::Send { .. })), "no sign of life any more");
    driver.put(Input::Committed);
    let gap = |note: &&Note| {
        matches!(note, Note::GapOpened { cause: "storage", certainty: Certainty::Certain, .. })
    };
    assert!(driver.notes().iter().any(gap));
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn a_session_lost_while_storage_stalls_is_a_gap_after_the_commit() {
    let mut driver = storing(Ack::Enabled, false);
    until_sent(&mut driver);
    let id = connect_id(driver.sent());
    let unknown = connect_error(&id, "402::session_unknown", Some("handshake"));
    driver.put(Input::Replied { metas: vec![unknown], data: 0 });
    assert!(driver.notes().is_empty(), "a gap can not be written now");
    driver.put(Input::Committed);
    assert!(
        driver.notes().iter().any(|note| matches!(note, Note::GapOpened { cause: "session-unknown", .. }))
    );
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn without_ack_a_repeated_subscription_that_brings_no_reply_is_a_possible_gap_after_the_commit() {
    let gap = |note: &&Note| {
        matches!(note, Note::GapOpened { cause: "reply-lost", certainty: Certainty::Possible, .. })
    };
    for fails in [true, false] {
        let mut driver = storing(Ack::None, false);
        until_sent(&mut driver);
        if fails {
            driver.put(network());
            assert!(driver.notes().is_empty(), "a gap can not be written now");
        }
        // Else the commit comes first, and the request under way is given up.
        driver.put(Input::Committed);
        assert!(driver.notes().iter().any(gap), "fails {fails}");
        let mut acknowledging = storing(Ack::Enabled, false);
        until_sent(&mut acknowledging);
        acknowledging.put(Input::Committed);
        assert!(!acknowledging.notes().iter().any(gap));
    }
}
