//! A batch waits for storage: how its session is kept alive meanwhile, without acknowledging anything.
//!
//! Where the server acknowledges, a connect that repeats the last stored batch is parked at the server: its reply
//! brings everything again and is thrown away. Without that, a subscription that we hold already is repeated: any
//! valid message moves the server's clock. After `stall_hold` the session is let go.
//! Deliberately absent: the storage itself, and what happens after the commit (see `machine`).

use crate::base::data::Certainty;
use crate::base::time::Millis;
use crate::inbound::session::bayeux::{Hold, Meta, Request};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Action, Input, Moment, Note, Phase};
use crate::inbound::session::replies::{is_reply, session_unknown, told_to_handshake};
use crate::inbound::session::steps::{Next, Step};
use std::time::Duration;

/// A batch on its way to disk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storing {
    /// The batch that counts as stored once it is there.
    pub ack: Option<i64>,
    pub next: Next,
    since: Millis,
    /// A sign of life that is out: the id of its request.
    sign: Option<(String, Sign)>,
    /// When the server heard of the session last, and by what.
    heard: Option<(Millis, Sign)>,
    /// Notifications that came with signs of life: they are stored next.
    more: usize,
    /// Why the session is given up once the batch is stored.
    let_go: Option<&'static str>,
    shown: bool,
    /// The last sign of life failed: the other kind is tried next.
    other: bool,
    /// A repeated subscription brought no reply.
    unanswered: bool,
}

/// More notifications than this are not taken from a server while nothing can be written.
const MAX_MORE: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Parked,
    Repeated,
}

impl Storing {
    pub(super) fn new(since: Millis, ack: Option<i64>, next: Next) -> Storing {
        Storing {
            ack,
            next,
            since,
            sign: None,
            heard: None,
            more: 0,
            let_go: None,
            shown: false,
            other: false,
            unanswered: false,
        }
    }
}

impl Machine {
    /// How often a wait for storage is looked at: well inside the shortest window a server can have.
    pub(super) fn beat(&self) -> Duration {
        (self.rules.server_window / 3).clamp(Duration::from_millis(50), Duration::from_secs(5))
    }

    pub(super) fn while_storing(
        &mut self,
        at: Moment,
        mut storing: Storing,
        input: Input,
        out: &mut Vec<Action>,
    ) {
        match input {
            Input::Committed => return self.committed(at, storing, out),
            Input::Timer => self.stalled(at, &mut storing, out),
            Input::Replied { metas, data } => {
                self.sign_answered(at, &mut storing, &metas, data);
                out.push(Action::AwaitStore { beat: self.beat() });
            }
            Input::Failed(_) => {
                // No gap can be written now.
                storing.unanswered |= matches!(storing.sign.take(), Some((_, Sign::Repeated)));
                storing.other = !storing.other;
                out.push(Action::AwaitStore { beat: self.beat() });
            }
            _ => {}
        }
        self.step = Step::Storing(storing);
    }

    fn committed(&mut self, at: Moment, storing: Storing, out: &mut Vec<Action>) {
        if storing.ack.is_some() {
            self.ack = storing.ack;
        }
        if storing.next == Next::Gone {
            return self.gone(out);
        }
        if let Some(cause) = storing.let_go {
            return self.lost(at, storing.more, cause, Certainty::Certain, out);
        }
        let unanswered = matches!(storing.sign, Some((_, Sign::Repeated)));
        if self.ack.is_none() && (storing.unanswered || unanswered) {
            // The reply to a repeated subscription can hold messages, and nothing brings them again.
            self.open_gap("reply-lost", Certainty::Possible, out);
        }
        if storing.shown {
            out.push(Action::Report(Phase::Connected));
        }
        self.store_then(at, storing.more, None, storing.next, out);
    }

    /// The batch waits still: says so, and gives a sign of life where it is time.
    fn stalled(&mut self, at: Moment, storing: &mut Storing, out: &mut Vec<Action>) {
        let await_store = Action::AwaitStore { beat: self.beat() };
        let waited = Duration::from_millis(u64::try_from(at.now - storing.since).unwrap_or_default());
        if !storing.shown && waited >= Duration::from_secs(1) {
            storing.shown = true;
            out.push(Action::Report(Phase::Stalled));
            out.push(Action::Say(Note::Stalled { since: storing.since }));
        }
        if waited >= self.rules.stall_hold && storing.let_go.is_none() {
            storing.let_go = Some("storage");
        }
        let heard = storing.heard.map_or(self.answered.unwrap_or(storing.since), |(heard, _)| heard);
        let quiet = Duration::from_millis(u64::try_from(at.now - heard).unwrap_or_default());
        let due = quiet + self.beat() >= self.sign_window(storing).mul_f64(0.6);
        if self.client_id.is_none() || storing.let_go.is_some() || storing.more > MAX_MORE || !due {
            return out.push(await_store);
        }
        let id = self.next_id();
        // Without ack a connect would take messages that nothing brings again.
        let parked = self.ack.is_some() && !storing.other;
        storing.sign = Some((id.clone(), if parked { Sign::Parked } else { Sign::Repeated }));
        out.push(match parked {
            true => self.connect_request(id, Hold::Of(self.timeout)),
            false => self.repeat_subscription(id),
        });
    }

    /// How long the server keeps the session after what it heard last.
    fn sign_window(&self, storing: &Storing) -> Duration {
        let asked = if self.granted { self.rules.ask_window } else { Duration::ZERO };
        match storing.heard {
            Some((_, Sign::Repeated)) => self.rules.server_window,
            _ => self.rules.server_window + asked,
        }
    }

    fn repeat_subscription(&self, id: String) -> Action {
        let channel = self.rules.channels.first().cloned().unwrap_or_default();
        let client_id = self.client_id.clone().unwrap_or_default();
        Action::Send {
            request: Request::Subscribe { client_id, channels: vec![(id, channel)], gone: Vec::new() },
            timeout: self.rules.network_delay,
        }
    }

    fn sign_answered(&self, at: Moment, storing: &mut Storing, metas: &[Meta], data: usize) {
        let Some((id, sign)) = storing.sign.take() else { return };
        let channel = match sign {
            Sign::Parked => "/meta/connect",
            Sign::Repeated => "/meta/subscribe",
        };
        // What a parked connect brings is not acknowledged and comes again; with a subscription's reply it does not.
        if sign == Sign::Repeated {
            storing.more = storing.more.saturating_add(data);
        }
        match metas.iter().find(|meta| is_reply(meta, channel, &id)) {
            Some(reply) if session_unknown(reply) || told_to_handshake(reply) => {
                storing.let_go = Some("session-unknown");
            }
            Some(_) => {
                storing.heard = Some((at.now, sign));
                storing.other = false;
            }
            None => storing.other = !storing.other,
        }
    }
}
