//! The machine against random histories: the acknowledgement never runs ahead of the disk.

use super::*;
use proptest::prelude::*;

fn any_input() -> impl Strategy<Value = u8> {
    0u8..9
}

proptest! {
    /// Whatever comes: the acks never run ahead of what was committed, and there is always a next thing to do.
    #[test]
    fn no_ack_runs_ahead_of_a_commit(inputs in proptest::collection::vec((any_input(), 0usize..3), 1..120)) {
        let mut driver = Driver::connected(Ack::Enabled);
        let (mut batch, mut stored, mut pending) = (0i64, 0i64, None);
        for (kind, data) in inputs {
            let last = driver.actions.last().cloned();
            match (kind, last) {
                (0..=4, Some(Action::Send { request: Request::Connect { id, .. }, .. })) => {
                    batch += 1;
                    if data == 0 { stored = batch } else { pending = Some(batch) }
                    driver.put(Input::Replied { metas: vec![connect_ok(&id, Some(batch))], data });
                }
                (5, Some(Action::Send { .. })) => { driver.put(network()); }
                (6, Some(Action::Send { request: Request::Connect { id, .. }, .. })) => {
                    driver.put(Input::Replied { metas: vec![connect_error(&id, "402::x", None)], data: 0 });
                    (batch, stored, pending) = (0, 0, None);
                }
                (_, Some(Action::Deliver { .. })) => {
                    driver.put(Input::Committed);
                    stored = pending.take().unwrap_or(stored);
                }
                (_, Some(Action::Wait(_))) => { driver.put(Input::Timer); }
                (_, Some(Action::Login { .. })) => { driver.put(Input::LoggedIn); }
                (_, Some(Action::Send { request: Request::Handshake { id }, .. })) => {
                    let Input::Replied { mut metas, .. } = handshake_reply(Ack::Enabled) else { panic!() };
                    metas[0].id = Some(id);
                    driver.put(Input::Replied { metas, data: 0 });
                }
                (_, Some(Action::Send { request: Request::Subscribe { channels, .. }, .. })) => {
                    let ids: Vec<String> = channels.into_iter().map(|(id, _)| id).collect();
                    driver.put(subscribe_reply(&ids));
                }
                _ => {}
            }
            prop_assert!(!driver.actions.is_empty());
            if let Some(Action::Send { request: Request::Connect { ack: Some(ack), .. }, .. }) = driver.actions.last() {
                prop_assert!(*ack <= stored, "ack {} before commit of {}", ack, stored);
            }
        }
    }
}
