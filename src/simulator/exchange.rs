//! One Bayeux exchange: the messages of a request in, the replies and data of its response out.
//!
//! Deliberately absent: HTTP (see `http`) and the waiting of a connect (see `connect`).

use super::connect;
use super::faults::{Coming, On};
use super::hub::{Hub, State, random_id};
use super::ledger::Label;
use super::options::Options;
use super::queue::Message;
use super::script::DEVICES;
use super::session::{MAX_SUBSCRIPTIONS, Session};
use super::wire::{
    self, Advice, CONNECT, DISCONNECT, HANDSHAKE, Reply, ReplyExt, Request, SUBSCRIBE, UNSUBSCRIBE,
};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Sessions one user can have at a time.
const MAX_SESSIONS: usize = 100;

/// What goes back over HTTP.
#[derive(Debug)]
pub enum Answer {
    /// A 200 with this body; `cookie` is a new `BAYEUX_BROWSER`.
    Body { json: Vec<u8>, cookie: Option<String>, carried: Carried },
    /// This status, without a body.
    Status(u16),
}

/// The messages of a body by their numbers, and whether they come again when it does not arrive.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    pub ack: bool,
    pub messages: Vec<u64>,
}

/// Who asks: the login's user, the `BAYEUX_BROWSER` cookie, and the node the request came to.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    pub user: &'a str,
    pub browser: Option<&'a str>,
    pub node: usize,
}

/// What a request is about, for the faults.
pub fn about(requests: &[Request]) -> On {
    let has = |channel: &str| requests.iter().any(|request| request.channel == channel);
    if has(HANDSHAKE) {
        On::Handshake
    } else if has(CONNECT) {
        On::Connect
    } else if has(SUBSCRIBE) {
        On::Subscribe
    } else {
        On::Any
    }
}

/// Does what the messages say. A connect alone in its request is held; all else is answered at once.
pub async fn exchange(hub: &Arc<Hub>, asker: Asker<'_>, requests: &[Request]) -> Answer {
    let mut replies = Vec::with_capacity(requests.len());
    let (mut cookie, mut connect, mut early) = (None, None, Vec::new());
    {
        let mut state = hub.state();
        for request in requests {
            match request.channel.as_str() {
                HANDSHAKE => {
                    let mut reply = handshake(&mut state, &hub.options, asker, request, &mut cookie);
                    early.extend(with_data(&mut state, asker.user, &mut reply));
                    replies.push(reply);
                }
                CONNECT if connect.is_none() => connect = Some(request),
                CONNECT => replies.push(Reply::refused(request, "400::connect_twice")),
                _ => replies.push(other(&mut state, &hub.options, asker, request)),
            }
        }
    }
    let mut data = match connect {
        None => data_anywhere(&mut hub.state(), asker, requests),
        Some(request) => match connect::connect(hub, asker, request, requests.len() == 1).await {
            connect::Ended::Reply(reply, data) => {
                replies.push(*reply);
                data
            }
            connect::Ended::Status(status) => return Answer::Status(status),
        },
    };
    data.splice(..0, early);
    let messages = data.iter().map(|message| message.number).collect();
    let ack = replies.iter().any(|reply| reply.ext.is_some());
    Answer::Body { json: wire::body(&replies, &data), cookie, carried: Carried { ack, messages } }
}

/// Every message answered as if its session were not known.
pub fn unknown(requests: &[Request]) -> Vec<u8> {
    wire::body(&requests.iter().map(Reply::unknown).collect::<Vec<_>>(), &[])
}

fn handshake(
    state: &mut State,
    options: &Options,
    asker: Asker<'_>,
    request: &Request,
    cookie: &mut Option<String>,
) -> Reply {
    state.stats.handshakes += 1;
    let types = request.supported_connection_types.as_deref().unwrap_or_default();
    if !types.iter().any(|name| name == "long-polling") {
        return Reply {
            advice: Some(Advice::only("none")),
            supported_connection_types: Some(["long-polling"]),
            ..Reply::refused(request, "400::unsupported_connection_types")
        };
    }
    if state.sessions_of(asker.user) >= MAX_SESSIONS {
        return Reply {
            advice: Some(Advice::only("none")),
            ..Reply::refused(request, "403::handshake_denied")
        };
    }
    let browser = asker.browser.map_or_else(|| cookie.get_or_insert_with(random_id).clone(), str::to_owned);
    let id = random_id();
    let mut session = Session::new(asker.user, &browser, state.queue(request.wants_ack(), options));
    let ack = session.queue.ack();
    session.node = asker.node;
    session.end_connect(options.max_interval);
    state.add(id.clone(), session);
    state.came(asker.user, Coming::Handshake);
    let advised = !state.faults.switches.handshake_without_advice;
    Reply {
        client_id: Some(id),
        version: Some("1.0"),
        minimum_version: Some("1.0"),
        supported_connection_types: Some(["long-polling"]),
        advice: advised.then(|| Advice::retry(options.timeout, std::time::Duration::ZERO, false)),
        ext: ack.then(|| ReplyExt { ack: true.into() }),
        ..Reply::to(request)
    }
}

/// Where the fault says so, a handshake reply brings the agent's devices along, as a server with
/// `allowMessageDeliveryDuringHandshake` may.
fn with_data(state: &mut State, user: &str, reply: &mut Reply) -> Vec<Message> {
    if !state.faults.switches.handshake_data || !reply.successful {
        return Vec::new();
    }
    let Some(id) = reply.client_id.clone() else { return Vec::new() };
    let Some(session) = state.sessions.get_mut(&id) else { return Vec::new() };
    // Subscribed for this one message, so that it goes the way of all others.
    session.channels.insert(DEVICES.to_owned());
    let note = state.world.as_ref().and_then(|world| world.device_note(user, jiff::Timestamp::now()));
    match note {
        Some(note) => state.publish_notes(vec![note]),
        None => {
            let data = RawValue::from_string(
                r#"{"messageType":"DeviceStateChangeMessage","devices":[]}"#.to_owned(),
            );
            if let Ok(data) = data {
                state.publish(user, DEVICES, &data, Label::default());
            }
        }
    }
    let Some(session) = state.sessions.get_mut(&id) else { return Vec::new() };
    session.channels.clear();
    let (batch, data) = session.queue.close();
    reply.messages = Some(data.len());
    if let Some(batch) = batch {
        reply.ext = Some(ReplyExt { ack: serde_json::json!({"enabled": true, "batch": batch}) });
    }
    data
}

fn other(state: &mut State, options: &Options, asker: Asker<'_>, request: &Request) -> Reply {
    let stats = &mut state.stats;
    match request.channel.as_str() {
        SUBSCRIBE => stats.subscribes += 1,
        UNSUBSCRIBE => stats.unsubscribes += 1,
        DISCONNECT => stats.disconnects += 1,
        _ => stats.client_publishes += 1,
    }
    let Some(session) = state.session(request.client_id.as_deref(), asker) else {
        return Reply::unknown(request);
    };
    session.touch(options.max_interval);
    let reply = match request.channel.as_str() {
        SUBSCRIBE => subscribe(session, options, request),
        UNSUBSCRIBE => unsubscribe(session, request),
        DISCONNECT => {
            session.say_goodbye();
            disconnect(state, request);
            return Reply { client_id: request.client_id.clone(), ..Reply::to(request) };
        }
        channel if channel.starts_with("/meta/") => Err("404::unknown_meta_channel"),
        _ => Err("403:denied_by_security_policy:publish_denied"),
    };
    state.cover(asker.user);
    match reply {
        Ok(reply) => reply,
        Err(error) => {
            state.stats.denied_subscribes += u64::from(error.ends_with("subscribe_denied"));
            Reply::refused(request, error)
        }
    }
}

fn subscribe(session: &mut Session, options: &Options, request: &Request) -> Result<Reply, &'static str> {
    let channels = request.channels()?;
    let denied = |name: &String| options.denied_channels.contains(name) || name.starts_with("/meta/");
    if channels.iter().any(denied) {
        return Err("403:denied_by_security_policy:subscribe_denied");
    }
    if session.channels.len() + channels.len() > MAX_SUBSCRIPTIONS {
        return Err("403::subscribe_failed");
    }
    session.channels.extend(channels);
    Ok(Reply { subscription: request.subscription.clone(), ..Reply::to(request) })
}

fn unsubscribe(session: &mut Session, request: &Request) -> Result<Reply, &'static str> {
    for name in request.channels()? {
        session.channels.remove(&name);
    }
    Ok(Reply { subscription: request.subscription.clone(), ..Reply::to(request) })
}

fn disconnect(state: &mut State, request: &Request) {
    if let Some(id) = &request.client_id {
        state.remove(id, "disconnect");
        state.stats.sessions_removed += 1;
    }
}

/// Without ack a server may send waiting messages with any reply; this one does it where the fault says so.
fn data_anywhere(state: &mut State, asker: Asker<'_>, requests: &[Request]) -> Vec<Message> {
    if !state.faults.switches.data_anywhere {
        return Vec::new();
    }
    let id = requests.first().and_then(|request| request.client_id.as_deref());
    match state.session(id, asker) {
        Some(session) if !session.queue.ack() => session.queue.drain(),
        _ => Vec::new(),
    }
}
