//! A session taken over from an earlier process, and one that is given up for good.

use super::*;
use crate::base::data::Certainty;
use crate::inbound::session::protocol::{LoginFailure, OpenGap, Phase, Saved};

fn saved(ack: Option<i64>) -> Saved {
    Saved {
        client_id: "old".into(),
        ack,
        timeout: Duration::from_secs(20),
        granted: true,
        answered: 900,
        ids: 70,
        channels: CHANNELS.map(str::to_owned).to_vec(),
    }
}

pub(super) fn before(ack: Option<i64>) -> Before {
    Before { covered: Some(500), saved: Some(saved(ack)), ..Before::default() }
}

pub(super) fn opened(driver: &Driver) -> Option<(&'static str, Certainty)> {
    driver.notes().iter().find_map(|note| match note {
        Note::GapOpened { cause, certainty, .. } => Some((*cause, *certainty)),
        _ => None,
    })
}

#[test]
fn a_restarted_process_goes_on_with_the_same_session_without_login_handshake_subscription_or_gap() {
    let mut driver = Driver::after(before(Some(7)));
    driver.put(Input::Start);
    assert_eq!(driver.actions, [Action::Report(Phase::Resume), Action::Restore]);
    driver.put(Input::Restored(true));
    let Request::Connect { id, client_id, ack, hold, window } = driver.sent().clone() else { panic!() };
    assert_eq!((client_id.as_str(), ack, window), ("old", Some(7), Some(Duration::from_secs(60))));
    assert!(matches!(hold, Hold::Of(time) if time <= Duration::from_secs(2)), "{hold:?}");
    assert!(id.parse::<u64>().unwrap() > 70, "an id of the process before is not used again");
    driver.put(Input::Replied { metas: vec![connect_ok(&id, Some(8))], data: 3 });
    assert!(driver.notes().contains(&&Note::Resumed { ack: true }));
    assert_eq!(opened(&driver), None);
    assert_eq!(driver.actions.last(), Some(&deliver(false)));
    driver.put(Input::Committed);
    assert!(
        matches!(driver.sent(), Request::Connect { ack: Some(8), hold: Hold::Server, client_id, .. } if client_id == "old")
    );
}

#[test]
fn a_session_that_is_gone_at_the_restart_is_a_certain_gap_and_a_new_one_follows() {
    let mut driver = Driver::after(before(Some(7)));
    driver.put(Input::Start).put(Input::Restored(true));
    let id = connect_id(driver.sent());
    let unknown = connect_error(&id, "402::session_unknown", Some("handshake"));
    driver.put(Input::Replied { metas: vec![unknown], data: 0 });
    assert!(driver.notes().contains(&&Note::NotResumed));
    assert_eq!(opened(&driver), Some(("restart", Certainty::Certain)));
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn without_ack_a_restart_is_a_possible_gap_also_where_the_session_goes_on() {
    let mut driver = Driver::after(before(None));
    driver.put(Input::Start);
    assert_eq!(opened(&driver), Some(("restart", Certainty::Possible)));
    driver.put(Input::Restored(true));
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_ok(&id, None)], data: 0 });
    let closed = |note: &&Note| {
        matches!(note, Note::GapClosed { from: Some(500), certainty: Certainty::Possible, .. })
    };
    assert!(driver.notes().iter().any(closed));
}

#[test]
fn what_was_possible_becomes_certain_where_the_session_turns_out_lost() {
    let mut driver = Driver::after(before(None));
    driver.put(Input::Start).put(Input::Restored(true));
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "402::", Some("handshake"))], data: 0 });
    assert_eq!(opened(&driver), None, "one gap, not two");
    let id = match driver.sent() {
        Request::Handshake { id } => id.clone(),
        other => panic!("{other:?}"),
    };
    let Input::Replied { mut metas, .. } = handshake_reply(Ack::None) else { panic!() };
    metas[0].id = Some(id);
    driver.put(Input::Replied { metas, data: 0 });
    driver.now = 2_000;
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    driver.now = 3_000;
    driver.reply_connect(None, 0);
    let closed =
        |note: &&Note| matches!(note, Note::GapClosed { to: 2_000, certainty: Certainty::Certain, .. });
    assert!(driver.notes().iter().any(closed), "covered again since the subscriptions: {:?}", driver.notes());
}

#[test]
fn a_session_too_old_to_live_is_not_asked_for() {
    let mut driver = Driver::after(before(Some(7)));
    driver.now = 900 + 10 * 90_000 + 1;
    driver.put(Input::Start);
    assert!(driver.notes().contains(&&Note::TooOld));
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: false }));
}

#[test]
fn a_window_that_was_granted_without_a_word_may_still_be_running() {
    let mut before = before(Some(7));
    before.saved.as_mut().unwrap().granted = false;
    let mut driver = Driver::after(before);
    driver.now = 900 + 2 * 90_000;
    driver.put(Input::Start);
    assert_eq!(driver.actions.last(), Some(&Action::Restore));
}

#[test]
fn cookies_that_can_not_be_put_back_mean_a_login_and_a_gap() {
    let mut driver = Driver::after(before(Some(7)));
    driver.put(Input::Start).put(Input::Restored(false));
    assert_eq!(opened(&driver), Some(("restart", Certainty::Certain)));
    assert_eq!(driver.actions.last(), Some(&Action::Login { fresh: true }));
    driver.put(Input::LoggedIn);
    assert!(matches!(driver.sent(), Request::Handshake { .. }));
}

#[test]
fn a_resumed_session_whose_http_session_ended_logs_in_and_is_asked_again() {
    let mut driver = Driver::after(before(Some(7)));
    driver.put(Input::Start).put(Input::Restored(true));
    let text = "403".to_owned();
    driver.put(Input::Failed(Failure { kind: FailureKind::Unauthorized, text, retry_after: None }));
    driver.put(Input::Timer).put(Input::LoggedIn);
    assert!(
        matches!(driver.sent(), Request::Connect { ack: Some(7), client_id, .. } if client_id == "old"),
        "{:?}",
        driver.actions
    );
    assert_eq!(opened(&driver), None);
}

#[test]
fn a_gap_of_the_process_before_goes_on_and_is_not_published_twice() {
    let gap = OpenGap { from: Some(100), cause: "session-unknown", certainty: Certainty::Certain };
    let mut driver = Driver::after(Before { covered: Some(500), gap: Some(gap), ..Before::default() });
    driver.put(Input::Start);
    assert_eq!(opened(&driver), None);
    driver.put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    driver.reply_connect(Some(1), 0);
    let closed =
        |note: &&Note| matches!(note, Note::GapClosed { from: Some(100), cause: "session-unknown", .. });
    assert!(driver.notes().iter().any(closed));
}

#[test]
fn a_refused_agent_that_was_held_before_is_a_gap_that_lasts_until_it_is_let_in() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0);
    let text = "403".to_owned();
    driver.put(Input::Failed(Failure { kind: FailureKind::Unauthorized, text, retry_after: None }));
    driver.put(Input::Timer).put(Input::LoginFailed(LoginFailure::Refused("no".into())));
    assert_eq!(opened(&driver), Some(("refused", Certainty::Certain)));
    assert_eq!(driver.machine.as_ref().unwrap().client_id(), None);
}

#[test]
fn nothing_heard_for_longer_than_any_server_waits_is_published_while_it_lasts() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0);
    driver.now = 30_000;
    driver.put(network());
    assert_eq!(opened(&driver), None, "a poll that failed may be answered the next moment");
    driver.now = 60_000;
    driver.put(Input::Timer).put(network());
    assert_eq!(opened(&driver), Some(("unreachable", Certainty::Possible)));
    driver.put(Input::Timer).reply_connect(Some(2), 0);
    assert!(driver.notes().iter().any(|note| matches!(note, Note::GapClosed { .. })));
}

#[test]
fn an_agent_that_leaves_says_farewell_and_its_session_is_not_gone_on_with() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0).put(Input::Leave);
    assert!(matches!(driver.sent(), Request::Disconnect { client_id, .. } if client_id == "client"));
    let leaving = driver.machine.clone();
    driver.put(network());
    assert_eq!(driver.actions, [Action::Release, Action::Report(Phase::Stopped), Action::End]);
    let mut last = Driver { machine: leaving, actions: Vec::new(), now: 1_000 };
    last.put(Input::Replied { metas: Vec::new(), data: 2 });
    assert_eq!(last.actions, [deliver(false)], "what comes with the farewell's reply comes no second time");
    last.now += 400_000;
    last.put(Input::Timer).put(Input::Committed);
    assert_eq!(last.actions, [Action::Release, Action::Report(Phase::Stopped), Action::End]);
    let machine = driver.machine.as_ref().unwrap();
    assert_eq!((machine.saved(false), machine.covered(false)), (None, Some(1_000)));
    let mut idle = Driver::new();
    idle.put(Input::Start).put(Input::Leave);
    assert_eq!(idle.actions.first(), Some(&Action::Release));
}

#[test]
fn a_gap_that_is_open_when_an_agent_leaves_is_left_to_its_next_session() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.reply_connect(Some(1), 0);
    let id = connect_id(driver.sent());
    driver.put(Input::Replied { metas: vec![connect_error(&id, "402::", Some("handshake"))], data: 0 });
    assert_eq!(opened(&driver), Some(("session-unknown", Certainty::Certain)));
    for input in [Input::Leave, Input::Timer] {
        driver.put(input);
        assert!(driver.notes().is_empty(), "it is neither closed nor opened again: {:?}", driver.notes());
    }
    assert_eq!(driver.actions.last(), Some(&Action::End));
    let covered = driver.machine.as_ref().unwrap().covered(false);
    let gap = OpenGap { from: covered, cause: "session-unknown", certainty: Certainty::Certain };
    let mut next = Driver::after(Before { covered, gap: Some(gap), ..Before::default() });
    next.put(Input::Start);
    assert_eq!(opened(&next), None, "one gap, not two");
}

#[test]
fn the_echo_of_the_window_asked_for_is_a_grant_and_no_wish_to_be_left_alone() {
    let mut driver = Driver::connected(Ack::Enabled);
    let advice = |interval| Some(Advice { interval: Some(interval), ..Advice::default() });
    let reply = Meta { advice: advice(60_000), ..connect_ok(&connect_id(driver.sent()), Some(1)) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert!(matches!(driver.sent(), Request::Connect { hold: Hold::Server, .. }), "{:?}", driver.actions);
    assert!(driver.machine.as_ref().unwrap().saved(true).unwrap().granted);
    let reply = Meta { advice: advice(2_000), ..connect_ok(&connect_id(driver.sent()), Some(2)) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert_eq!(driver.waits(), Duration::from_secs(2));
}

#[test]
fn the_interval_told_with_the_handshake_holds_where_later_replies_only_echo_ours() {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoggedIn);
    let Input::Replied { mut metas, .. } = handshake_reply(Ack::Enabled) else { panic!() };
    metas[0].advice = Some(Advice { interval: Some(700), ..Advice::default() });
    driver.put(Input::Replied { metas, data: 0 });
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    let advice = Some(Advice { interval: Some(60_000), ..Advice::default() });
    let reply = Meta { advice, ..connect_ok(&connect_id(driver.sent()), Some(1)) };
    driver.put(Input::Replied { metas: vec![reply], data: 0 });
    assert_eq!(driver.waits(), Duration::from_millis(700));
}

#[test]
fn a_session_is_gone_on_with_only_once_its_subscriptions_are_taken() {
    let mut driver = Driver::new();
    driver.put(Input::Start).put(Input::LoggedIn).put(handshake_reply(Ack::Enabled));
    let machine = driver.machine.as_ref().unwrap();
    assert_eq!((machine.saved(true), machine.covered(true)), (None, None), "it hears nothing yet");
    driver.put(subscribe_reply(&driver_subscribe(&driver)));
    let machine = driver.machine.as_ref().unwrap();
    assert_eq!((machine.saved(true).unwrap().channels.len(), machine.covered(true)), (2, Some(1_000)));
    assert!(driver.notes().contains(&&Note::Subscribed), "which is written down");
}

#[test]
fn only_a_checkpoint_written_with_the_batch_counts_it_as_stored() {
    let mut driver = Driver::connected(Ack::Enabled);
    driver.now = 5_000;
    driver.reply_connect(Some(1), 0);
    driver.now = 9_000;
    driver.reply_connect(Some(2), 3);
    let of = |driver: &Driver, with_batch: bool| {
        let machine = driver.machine.as_ref().unwrap();
        (machine.saved(with_batch).unwrap().ack, machine.covered(with_batch))
    };
    assert_eq!(of(&driver, false), (Some(1), Some(1_000)), "a kill may come before the batch is on disk");
    assert_eq!(of(&driver, true), (Some(2), Some(5_000)));
    let mut stopped = Driver { machine: driver.machine.clone(), actions: Vec::new(), now: 9_000 };
    stopped.put(Input::Stop);
    assert_eq!(of(&stopped, false), (Some(1), Some(1_000)), "nor does a stop make it so");
    driver.put(Input::Committed);
    assert_eq!(of(&driver, false), (Some(2), Some(5_000)));
}
