//! Subscriptions: those that fail in passing, and those of a session taken over whose channels are other ones now.

use super::resume::{before, opened};
use super::*;
use crate::base::data::Certainty;
use crate::inbound::session::bayeux::Numbered;

#[test]
fn a_subscription_that_failed_in_passing_is_asked_for_once_more_and_then_named() {
    for error in [Some("403::subscribe_failed"), Some("500::Internal"), None] {
        let mut driver = Driver::new();
        driver.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
        let Input::Replied { mut metas, .. } = subscribe_reply(&driver_subscribe(&driver)) else { panic!() };
        let fail = |metas: &mut Vec<Meta>, place: usize| match error {
            Some(error) => {
                (metas[place].successful, metas[place].error) = (false, Some(error.into()));
            }
            None => drop(metas.remove(place)),
        };
        fail(&mut metas, 1);
        driver.put(Input::Replied { metas, data: 0 });
        assert!(driver.notes().is_empty(), "{:?}", driver.notes());
        let Request::Subscribe { channels, .. } = driver.sent().clone() else { panic!() };
        assert_eq!((channels.len(), channels[0].1.as_str()), (1, CHANNELS[1]), "the others are taken");
        let Input::Replied { mut metas, .. } = subscribe_reply(&driver_subscribe(&driver)) else { panic!() };
        fail(&mut metas, 0);
        driver.put(Input::Replied { metas, data: 1 });
        let named = |note: &&Note| matches!(note, Note::SubscriptionRefused { channel, .. } if channel == CHANNELS[1]);
        assert_eq!(driver.notes().iter().filter(|note| named(note)).count(), 1);
        assert_eq!(driver.actions.last(), Some(&deliver(true)));
        driver.put(Input::Committed);
        assert!(matches!(driver.sent(), Request::Connect { .. }));
    }
}

/// A session that an earlier process subscribed to these channels has answered; what it is asked for then.
fn with_channels(ack: Option<i64>, channels: &[&str]) -> Driver {
    let mut other = before(ack);
    other.saved.as_mut().unwrap().channels = channels.iter().map(|c| (*c).to_owned()).collect();
    let mut driver = Driver::after(other);
    driver.put(Input::Start).put(Input::Restored(true));
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_ok(&id, ack.map(|ack| ack + 1))], data: 0 });
    driver
}

/// The channels asked for, and those to hear no more of, with the ids.
fn asked(driver: &Driver) -> (Vec<Numbered>, Vec<Numbered>) {
    let Request::Subscribe { client_id, channels, gone } = driver.sent() else {
        panic!("{:?}", driver.actions)
    };
    assert_eq!(client_id, "old");
    (channels.clone(), gone.clone())
}

fn unsubscribed(id: &str, successful: bool) -> Meta {
    Meta { channel: "/meta/unsubscribe".into(), id: Some(id.into()), successful, ..Meta::default() }
}

#[test]
fn channels_that_came_and_went_are_subscribed_and_unsubscribed_in_the_session_that_goes_on() {
    let mut driver = with_channels(Some(7), &[CHANNELS[0], "/v2/me/devices"]);
    let (more, gone) = asked(&driver);
    assert_eq!((more.len(), more[0].1.as_str()), (1, CHANNELS[1]));
    assert_eq!((gone.len(), gone[0].1.as_str()), (1, "/v2/me/devices"));
    let Input::Replied { mut metas, .. } = subscribe_reply(&[more[0].0.clone()]) else { panic!() };
    metas.push(unsubscribed(&gone[0].0, true));
    driver.put(Input::Replied { metas, data: 0 });
    assert!(matches!(driver.sent(), Request::Connect { ack: Some(8), .. }));
    let channels = driver.machine.as_ref().unwrap().saved(false).unwrap().channels;
    assert_eq!(channels, CHANNELS);
    assert_eq!(opened(&driver), None);
}

#[test]
fn what_can_not_be_unsubscribed_from_is_left_behind_with_its_session() {
    for reply in [Some(false), None] {
        let mut driver = with_channels(Some(7), &[CHANNELS[0], CHANNELS[1], "/v2/me/devices"]);
        let (more, gone) = asked(&driver);
        assert!(more.is_empty());
        let metas = reply.map(|successful| unsubscribed(&gone[0].0, successful)).into_iter().collect();
        driver.put(Input::Replied { metas, data: 0 });
        assert_eq!(opened(&driver), Some(("restart", Certainty::Certain)));
        assert!(matches!(driver.sent(), Request::Handshake { .. }));
    }
}

#[test]
fn a_gap_goes_on_until_a_session_that_goes_on_hears_all_it_has_to() {
    let closed = |driver: &Driver| driver.notes().iter().any(|note| matches!(note, Note::GapClosed { .. }));
    let mut driver = with_channels(None, &CHANNELS[..1]);
    assert!(!closed(&driver) && !driver.notes().contains(&&Note::ConnectOk), "{:?}", driver.notes());
    // A reply that is cut may have held what the other channel brought.
    driver.put(network()).put(Input::Timer);
    driver.now = 2_000;
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    driver.now = 3_000;
    driver.reply_connect(None, 0);
    assert!(
        driver.notes().iter().any(|note| matches!(note, Note::GapClosed { from: Some(500), to: 2_000, .. }))
    );
}

#[test]
fn a_cut_reply_to_a_later_subscription_is_a_possible_gap_without_ack() {
    let mut driver = with_channels(Some(7), &CHANNELS[..1]);
    driver.put(network());
    assert_eq!(opened(&driver), None, "with ack everything comes again");
    let mut driver = with_channels(None, &CHANNELS[..1]);
    driver.machine.as_mut().unwrap().gap = None;
    driver.put(network());
    assert_eq!(opened(&driver), Some(("reply-lost", Certainty::Possible)));
}

#[test]
fn a_session_given_up_at_its_new_subscriptions_is_a_gap() {
    let mut driver = with_channels(Some(7), &CHANNELS[..1]);
    let text = "401".to_owned();
    driver.put(Input::Failed(Failure { kind: FailureKind::Unauthorized, text, retry_after: None }));
    driver.put(Input::Timer).put(Input::LoggedIn);
    assert_eq!(opened(&driver), Some(("session-unknown", Certainty::Certain)));
    assert!(matches!(driver.sent(), Request::Handshake { .. }), "with a wait that grows, however often");
}
