//! `/meta/connect`: acknowledge, hold until there is news, close the batch.
//!
//! Deliberately absent: the wire and the other messages (see `exchange`).

use super::exchange::Asker;
use super::faults::Within;
use super::hub::{Hub, State};
use super::queue::Message;
use super::session::Wake;
use super::wire::{Advice, Reply, ReplyExt, Request};
use std::sync::Arc;
use std::time::Duration;

/// What a second client with the same browser cookie is told to wait between polls.
const MULTI_SESSION_INTERVAL: Duration = Duration::from_secs(2);

/// How a connect ended.
#[derive(Debug)]
pub enum Ended {
    Reply(Box<Reply>, Vec<Message>),
    /// The connect was overtaken, or its session was taken away while it was held.
    Status(u16),
}

/// A connect that is being served.
struct Turn {
    client: String,
    browser: String,
    number: u64,
    hold: Duration,
    /// There are messages for it already.
    news: bool,
    multiple: bool,
    wake: Arc<Wake>,
}

/// Serves a connect; only one that is `alone` in its request is held.
pub async fn connect(hub: &Arc<Hub>, asker: Asker<'_>, request: &Request, alone: bool) -> Ended {
    let turn = counted(&mut hub.state(), hub, asker, request, alone);
    let Some(turn) = turn else {
        return Ended::Reply(Box::new(Reply::unknown(request)), Vec::new());
    };
    if !turn.hold.is_zero() {
        let held = Held::new(hub, &turn);
        tokio::select! {
            () = turn.wake.wait() => {}
            () = tokio::time::sleep(turn.hold) => {}
        }
        drop(held);
    }
    finish(&mut hub.state(), hub, request, &turn)
}

/// A poll counts as a request where it is answered at once and for nothing. One that asks for no hold has counted
/// when it came.
fn counted(state: &mut State, hub: &Hub, asker: Asker<'_>, request: &Request, alone: bool) -> Option<Turn> {
    let turn = begin(state, hub, asker, request, alone);
    let polls = alone && !request.asks_no_hold();
    if polls && turn.as_ref().is_none_or(|turn| turn.hold.is_zero() && !turn.news) {
        state.peaks.request();
    }
    turn
}

fn begin(state: &mut State, hub: &Hub, asker: Asker<'_>, request: &Request, alone: bool) -> Option<Turn> {
    state.stats.connects += 1;
    let client = request.client_id.clone()?;
    let session = state.session(Some(&client), asker)?;
    let overtakes = session.held.is_some();
    let number = session.begin_connect(request.asked_interval().unwrap_or_default());
    let acknowledged = request.acknowledged();
    let dropped = acknowledged.map(|batch| session.queue.acknowledge(batch)).unwrap_or_default();
    let asked = request.asked_timeout();
    // As the Java server does: a resend is hurried only for a client that left the hold time to the server.
    let resend = acknowledged.is_some() && session.queue.has_unacknowledged() && asked.is_none();
    let news = session.queue.has_fresh() || resend;
    let at_once = !alone || news;
    let browser = session.browser.clone();
    state.acknowledged(dropped);
    state.stats.duplicate_connects += u64::from(overtakes);
    let multiple = !at_once && !overtakes && state.browser_is_held(&browser);
    let hold = if at_once || multiple { Duration::ZERO } else { asked.unwrap_or(hub.options.timeout) };
    let wake = Arc::new(Wake::default());
    let session = state.sessions.get_mut(&client)?;
    if multiple {
        session.interval = MULTI_SESSION_INTERVAL;
    }
    if !hold.is_zero() {
        session.held = Some(Arc::clone(&wake));
    }
    Some(Turn { client, browser, number, hold, news, multiple, wake })
}

fn finish(state: &mut State, hub: &Hub, request: &Request, turn: &Turn) -> Ended {
    let Some(session) = state.sessions.get_mut(&turn.client).filter(|s| s.connect == turn.number) else {
        if !turn.wake.goodbye() {
            return Ended::Status(500);
        }
        let reply = Reply { advice: Some(Advice::only("none")), ..Reply::unknown(request) };
        return Ended::Reply(Box::new(reply), Vec::new());
    };
    session.end_connect(hub.options.max_interval);
    let (batch, data) = session.queue.close();
    let advised = std::mem::replace(&mut session.advised, true);
    let tell = !advised || request.advice.is_some() || turn.multiple;
    let mut reply = Reply {
        advice: tell.then(|| Advice::retry(hub.options.timeout, session.interval, turn.multiple)),
        ext: batch.map(|batch| ReplyExt { ack: batch.into() }),
        ..Reply::to(request)
    };
    let user = session.user.clone();
    spoil(state, &user, &turn.client, &mut reply);
    state.note_struck();
    Ended::Reply(Box::new(reply), data)
}

/// The faults within a connect reply.
fn spoil(state: &mut State, user: &str, client: &str, reply: &mut Reply) {
    if state.faults.within(user, &Within::NoId) {
        reply.id = None;
    }
    if state.faults.within(user, &Within::NoReplyAck) {
        reply.ext = None;
    }
    if let Some(value) = state.faults.advice(user) {
        reply.advice = value.map(Advice::Given);
    }
    if state.faults.within(user, &Within::AdviceNone) {
        reply.advice = Some(Advice::only("none"));
        state.remove(client, "advice none");
        state.stats.sessions_removed += 1;
    }
    reply.first = state.faults.within(user, &Within::ReplyFirst);
}

/// Counts a held connect, also one whose client hangs up: then the request is dropped where it waits, and the
/// session's clock has to start all the same.
struct Held {
    hub: Arc<Hub>,
    client: String,
    browser: String,
    number: u64,
}

impl Held {
    fn new(hub: &Arc<Hub>, turn: &Turn) -> Held {
        hub.state().hold(&turn.browser);
        Held {
            hub: Arc::clone(hub),
            client: turn.client.clone(),
            browser: turn.browser.clone(),
            number: turn.number,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.unhold(&self.browser);
        if let Some(session) = state.sessions.get_mut(&self.client).filter(|s| s.connect == self.number) {
            session.end_connect(self.hub.options.max_interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::{Answer, exchange};
    use super::super::ledger::Label;
    use super::super::options::Options;
    use super::super::wire;
    use super::*;
    use serde_json::{Value, json};

    const ASKER: Asker<'static> = Asker { user: "u", browser: Some("b"), node: 0 };

    async fn ask(hub: &Arc<Hub>, message: Value) -> Vec<Value> {
        let requests = wire::parse(message.to_string().as_bytes()).unwrap();
        match exchange(hub, ASKER, &requests).await {
            Answer::Body { json, .. } => serde_json::from_slice(&json).unwrap(),
            Answer::Status(status) => panic!("HTTP {status}"),
        }
    }

    async fn session(hub: &Arc<Hub>) -> Value {
        let types = ["long-polling"];
        let reply = ask(hub, json!({"channel": "/meta/handshake", "supportedConnectionTypes": types})).await;
        reply[0]["clientId"].clone()
    }

    fn connect(id: &Value, advice: Value) -> Value {
        json!({"channel": "/meta/connect", "id": "1", "clientId": id, "advice": advice})
    }

    #[tokio::test(start_paused = true)]
    async fn a_connect_without_news_is_held_for_the_timeout_and_then_answered() {
        let hub = Arc::new(Hub::new(Options::default()));
        let id = session(&hub).await;
        let start = tokio::time::Instant::now();
        let reply = ask(&hub, connect(&id, json!({}))).await;
        assert_eq!((start.elapsed(), &reply[0]["successful"]), (Duration::from_secs(20), &json!(true)));
        ask(&hub, connect(&id, json!({"timeout": 0}))).await;
        assert_eq!(start.elapsed(), Duration::from_secs(20));
        ask(&hub, connect(&id, json!({"timeout": 5000}))).await;
        assert_eq!(start.elapsed(), Duration::from_secs(25));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_expires_when_no_connect_comes_and_not_while_one_is_held() {
        let hub = Arc::new(Hub::new(Options::default()));
        let (held, idle) = (session(&hub).await, session(&hub).await);
        ask(&hub, connect(&idle, json!({"timeout": 0, "interval": 1000}))).await;
        let message = connect(&held, json!({"timeout": 60_000}));
        let other = Arc::clone(&hub);
        let waiting = tokio::spawn(async move { ask(&other, message).await });
        tokio::time::sleep(Duration::from_millis(10_900)).await;
        hub.sweep();
        assert_eq!(hub.state().stats().sessions_expired, 0);
        tokio::time::sleep(Duration::from_millis(200)).await;
        hub.sweep();
        assert_eq!(hub.state().stats().sessions_expired, 1);
        assert_eq!(ask(&hub, connect(&idle, json!({}))).await[0]["error"], "402::session_unknown");
        assert_eq!(waiting.await.unwrap()[0]["successful"], true);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connect_with_others_in_its_request_is_not_held() {
        let hub = Arc::new(Hub::new(Options::default()));
        let id = session(&hub).await;
        let start = tokio::time::Instant::now();
        let subscribe = json!({"channel": "/meta/subscribe", "clientId": id, "subscription": "/a"});
        let reply = ask(&hub, json!([connect(&id, Value::Null), subscribe])).await;
        assert_eq!((start.elapsed(), reply.len()), (Duration::ZERO, 2));
        assert_eq!(reply[1]["channel"], "/meta/connect", "the connect's reply comes last");
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_held_connects_all_get_a_burst() {
        let hub = Arc::new(Hub::new(Options::default()));
        let mut waiting = Vec::new();
        for n in 0..1_000 {
            let (hub, name) = (Arc::clone(&hub), n.to_string());
            waiting.push(tokio::spawn(async move {
                let asker = Asker { user: &name, browser: Some(&name), node: 0 };
                let say = async |message: Value| {
                    let requests = wire::parse(message.to_string().as_bytes()).unwrap();
                    match exchange(&hub, asker, &requests).await {
                        Answer::Body { json, .. } => serde_json::from_slice::<Vec<Value>>(&json).unwrap(),
                        Answer::Status(status) => panic!("HTTP {status}"),
                    }
                };
                let types = ["long-polling"];
                let hello = json!({"channel": "/meta/handshake", "supportedConnectionTypes": types, "ext": {"ack": true}});
                let id = say(hello).await[0]["clientId"].clone();
                say(json!({"channel": "/meta/subscribe", "clientId": id, "subscription": "/a"})).await;
                say(connect(&id, Value::Null)).await.len()
            }));
        }
        while hub.state().stats().held < 1_000 {
            tokio::task::yield_now().await;
        }
        let data = serde_json::value::to_raw_value(&json!({"n": 1})).unwrap();
        for n in 0..10_000 {
            hub.state().publish(&(n % 1_000).to_string(), "/a", &data, Label::default());
        }
        for task in waiting {
            assert_eq!(task.await.unwrap(), 11, "ten messages and the reply");
        }
        let stats = hub.state().stats();
        assert_eq!((stats.held, stats.max_held), (0, 1_000));
    }
}
