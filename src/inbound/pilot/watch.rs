//! The trial's poll loop: the machine's actions carried out without a journal, and what they show written down.
//!
//! Deliberately absent: acknowledging anything that is not in the sheet (nothing is kept, so nothing can be lost).

use super::facts::Facts;
use super::look::Look;
use super::sheet::Sheet;
use super::{Entrance, Heard, lock, reason};
use crate::base::time::{Clock, Millis};
use crate::inbound::normalise::{Context, kept, normalise};
use crate::inbound::session::bayeux::{self, Hold, Message, Request};
use crate::inbound::session::machine::Machine;
use crate::inbound::session::protocol::{Action, Failure, FailureKind, Input, LoginFailure, Moment, Note};
use crate::inbound::site::Errand;
use std::sync::Mutex;
use std::time::Instant;

/// What the trial has seen so far.
pub struct Watch {
    pub sheet: Sheet,
    /// What notifications and REST have said, the newest last.
    told: Facts,
    /// REST was looked at, so that what it shows otherwise later is a change.
    based: bool,
    /// What the last look showed and nobody had told by then.
    doubtful: Facts,
    heard: Option<Heard>,
}

impl Watch {
    /// Where the agent could not be read before, the first look tells what stood already.
    pub fn new(sheet: Sheet, before: Option<Facts>, heard: Option<Heard>) -> Watch {
        let based = before.is_some();
        Watch { sheet, told: before.unwrap_or_default(), based, doubtful: Facts::default(), heard }
    }

    /// REST was looked at: what no notification told counts if two looks in a row say so. A notification may be on
    /// its way at the first one, or come between the answer and its comparison.
    pub fn looked(&mut self, look: Result<Look, String>) {
        match look {
            Ok(Look { facts, unlisted }) => {
                self.sheet.unlisted.extend(unlisted);
                self.sheet.looks += 1;
                if facts.logged_out() {
                    self.sheet.logged_out_during = true;
                }
                self.sheet.during = facts.states();
                if !std::mem::replace(&mut self.based, true) {
                    return self.told.merge(&facts);
                }
                let beyond = facts.beyond(&self.told);
                let untold = beyond.shared(&self.doubtful);
                for (kind, count) in untold.kinds() {
                    *self.sheet.untold.entry(kind).or_default() += count;
                }
                // Each is counted once.
                self.told.merge(&untold);
                self.doubtful = beyond.beyond(&untold);
            }
            Err(reason) => self.sheet.unread = Some(reason),
        }
    }

    /// Whether one more look has to decide something.
    pub fn doubts(&self) -> bool {
        !self.doubtful.is_empty()
    }

    pub fn end(mut self, after: Result<Facts, String>, now: Millis) -> Sheet {
        if let Ok(facts) = &after {
            self.sheet.logged_out_after = facts.logged_out();
        }
        self.sheet.after = after.as_ref().map(Facts::states).map_err(Clone::clone);
        self.sheet.ended = now;
        self.sheet
    }
}

/// Polls until the login is refused; else for ever. `door` says whether the trial is logged in.
pub async fn polls(
    entrance: &Entrance<'_>,
    clock: &Clock,
    (watch, door): (&Mutex<Watch>, &tokio::sync::watch::Sender<bool>),
    machine: &mut Machine,
) {
    let Entrance { site, agent, transport, .. } = entrance;
    // The trial has logged in already.
    let mut first_login = true;
    let (mut messages, mut input) = (Vec::new(), Input::Start);
    loop {
        let moment = Moment { now: clock.now(), random: fastrand::f64() };
        let (next, actions) = machine.clone().step(moment, input);
        *machine = next;
        let mut following = None;
        for action in actions {
            match action {
                Action::Report(_) | Action::Release => {}
                Action::Say(note) => noted(&note, &mut lock(watch).sheet),
                Action::End | Action::AwaitPardon => return,
                Action::Restore => following = Some(Input::Restored(false)),
                Action::Login { .. } if std::mem::take(&mut first_login) => {
                    following = Some(Input::LoggedIn);
                }
                Action::Login { fresh } => {
                    door.send_replace(false);
                    if fresh {
                        transport.forget();
                    }
                    let entered = entrance.enter().await;
                    door.send_replace(entered.is_ok());
                    following = Some(logged_in(entered, watch));
                }
                Action::Wait(how_long) => {
                    tokio::time::sleep(how_long).await;
                    following = Some(Input::Timer);
                }
                Action::Deliver { .. } | Action::AwaitStore { .. } => {
                    let context = Context {
                        site: &site.config,
                        agent: &agent.key,
                        users: &site.users,
                        received: clock.now(),
                    };
                    lock(watch).take(&context, std::mem::take(&mut messages));
                    following = Some(Input::Committed);
                }
                Action::Send { request, timeout } => {
                    let began = Instant::now();
                    if !matches!(request, Request::Connect { hold: Hold::Server | Hold::Of(_), .. }) {
                        site.admit(Errand::Open).await;
                    }
                    let answer = transport.post(&request, timeout).await;
                    let sheet = &mut lock(watch).sheet;
                    sheet.polled(&request, answer.as_ref().err(), began.elapsed());
                    sheet.seen(transport);
                    following = Some(received(answer, &mut messages, sheet));
                }
            }
        }
        match following {
            Some(next) => input = next,
            None => return,
        }
    }
}

fn logged_in(entered: Result<(), LoginFailure>, watch: &Mutex<Watch>) -> Input {
    match entered {
        Ok(()) => {
            lock(watch).sheet.relogins += 1;
            Input::LoggedIn
        }
        // What may pass is tried again as in service, with its waits; the machine says so, for the sheet.
        Err(failure @ LoginFailure::Passing(_)) => Input::LoginFailed(failure),
        // One refusal is enough for a trial: it is not repeated.
        Err(failure) => {
            let text = reason(failure);
            lock(watch).sheet.login = Err(text.clone());
            Input::LoginFailed(LoginFailure::Refused(text))
        }
    }
}

fn received(answer: Result<Vec<u8>, Failure>, messages: &mut Vec<Message>, sheet: &mut Sheet) -> Input {
    let body = match answer {
        Ok(body) => body,
        Err(failure) => return Input::Failed(failure),
    };
    let parsed = match bayeux::parse(&body) {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.to_string();
            return Input::Failed(Failure { kind: FailureKind::Unreadable, text, retry_after: None });
        }
    };
    let mut metas = Vec::new();
    messages.clear();
    for message in parsed {
        match message {
            Message::Meta(meta) => {
                sheet.advised(&meta);
                metas.push(*meta);
            }
            other => messages.push(other),
        }
    }
    Input::Replied { metas, data: messages.len() }
}

fn noted(note: &Note, sheet: &mut Sheet) {
    match note {
        Note::HandshakeOk { ack } => {
            sheet.handshakes += 1;
            sheet.ack = Some(*ack);
        }
        Note::SubscriptionRefused { channel, error } => {
            sheet.refused.insert(channel.clone(), error.clone());
        }
        Note::Lost { reason } => *sheet.lost.entry((*reason).to_owned()).or_default() += 1,
        Note::MultipleClients { .. } => sheet.multiple_clients = true,
        Note::Trouble { step, text, .. } => {
            sheet.troubles.insert(format!("{step}: {text}"));
        }
        _ => {}
    }
}

impl Watch {
    fn take(&mut self, context: &Context<'_>, messages: Vec<Message>) {
        for message in messages {
            let Message::Data { channel, data } = message else {
                self.sheet.count("malformed");
                continue;
            };
            if let Some(heard) = &self.heard {
                heard(&channel, &kept(context.site, &data));
            }
            for candidate in normalise(context, &channel, &data) {
                self.sheet.count(&candidate.event.kind);
                self.told.take(&candidate);
            }
        }
    }
}
