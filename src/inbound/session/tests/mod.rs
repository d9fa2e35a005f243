//! The pure machine under test, with a clock and a die of the test's own.

use crate::base::retry::Backoff;
use crate::inbound::session::bayeux::{Ack, Advice, Hold, Meta, Request};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{
    Action, Before, Failure, FailureKind, GAPS, Input, LOST, Moment, Note, Rules, certainty_word,
};
use std::time::Duration;

mod book;
mod channels;
mod model;
mod resume;
mod rules;
mod stall;

const CHANNELS: [&str; 2] = ["/v2/me/facebooksession", "/v2/me/chats"];

/// A machine with its last actions and a clock.
struct Driver {
    machine: Option<Machine>,
    actions: Vec<Action>,
    now: i64,
}

impl Driver {
    fn new() -> Driver {
        Driver::after(Before::default())
    }

    /// A machine that finds this from before.
    fn after(before: Before) -> Driver {
        let rules = Rules {
            channels: CHANNELS.iter().map(|c| (*c).to_owned()).collect(),
            network_delay: Duration::from_secs(10),
            backoff: Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(60) },
            server_window: Duration::from_secs(10),
            ask_window: Duration::from_secs(60),
            stall_hold: Duration::from_secs(300),
        };
        Driver { machine: Some(Machine::new(rules, before)), actions: Vec::new(), now: 1_000 }
    }

    fn put(&mut self, input: Input) -> &mut Driver {
        let (machine, actions) =
            self.machine.take().unwrap().step(Moment { now: self.now, random: 0.5 }, input);
        self.machine = Some(machine);
        self.actions = actions;
        for note in self.notes() {
            match note {
                Note::Lost { reason } => assert!(LOST.contains(reason), "{reason} is not in LOST"),
                Note::GapOpened { cause, certainty, .. } => {
                    let gap = (*cause, certainty_word(*certainty));
                    assert!(GAPS.contains(&gap), "{gap:?} is not in GAPS");
                }
                _ => {}
            }
        }
        self
    }

    fn sent(&self) -> &Request {
        match self.actions.last() {
            Some(Action::Send { request, .. }) => request,
            other => panic!("nothing sent but {other:?}"),
        }
    }

    fn notes(&self) -> Vec<&Note> {
        self.actions
            .iter()
            .filter_map(|action| match action {
                Action::Say(note) => Some(note),
                _ => None,
            })
            .collect()
    }

    fn waits(&self) -> Duration {
        match self.actions.last() {
            Some(Action::Wait(how_long)) => *how_long,
            other => panic!("no wait but {other:?}"),
        }
    }

    /// Login, handshake and subscriptions done; the first connect is out.
    fn connected(ack: Ack) -> Driver {
        let mut driver = Driver::new();
        driver.put(Input::Start).put(Input::LoggedIn);
        driver.put(handshake_reply(ack));
        driver.put(subscribe_reply(&driver_subscribe(&driver)));
        driver
    }

    fn reply_connect(&mut self, batch: Option<i64>, data: usize) -> &mut Driver {
        let id = connect_id(self.sent());
        self.put(Input::Replied { metas: vec![connect_ok(&id, batch)], data })
    }
}

fn driver_subscribe(driver: &Driver) -> Vec<String> {
    let Request::Subscribe { channels, .. } = driver.sent() else { panic!("no subscribe") };
    channels.iter().map(|(id, _)| id.clone()).collect()
}

fn handshake_reply(ack: Ack) -> Input {
    let meta = Meta {
        channel: "/meta/handshake".into(),
        id: Some("1".into()),
        client_id: Some("client".into()),
        successful: true,
        ack,
        ..Meta::default()
    };
    Input::Replied { metas: vec![meta], data: 0 }
}

fn subscribe_reply(ids: &[String]) -> Input {
    let metas = ids
        .iter()
        .map(|id| Meta {
            channel: "/meta/subscribe".into(),
            id: Some(id.clone()),
            successful: true,
            ..Meta::default()
        })
        .collect();
    Input::Replied { metas, data: 0 }
}

fn connect_id(request: &Request) -> String {
    let Request::Connect { id, .. } = request else { panic!("no connect but {request:?}") };
    id.clone()
}

fn connect_ok(id: &str, batch: Option<i64>) -> Meta {
    Meta {
        channel: "/meta/connect".into(),
        id: Some(id.into()),
        successful: true,
        ack: batch.map_or(Ack::None, Ack::Batch),
        ..Meta::default()
    }
}

fn connect_error(id: &str, error: &str, reconnect: Option<&str>) -> Meta {
    Meta {
        successful: false,
        error: Some(error.into()),
        advice: reconnect.map(|word| Advice { reconnect: Some(word.into()), ..Advice::default() }),
        ..connect_ok(id, None)
    }
}

fn deliver(unacknowledged: bool) -> Action {
    // A third of the window that a server keeps by itself.
    Action::Deliver { unacknowledged, beat: Duration::from_secs(10) / 3 }
}

fn network() -> Input {
    Input::Failed(Failure { kind: FailureKind::Network, text: "cut".into(), retry_after: None })
}
